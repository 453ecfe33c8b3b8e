"""Runs one scheme of a scenario by recursion: the twin of `orbitsim.sim.engine.simulate_scheme`."""

from __future__ import annotations

from collections.abc import Callable

from orbitsim.sim.agenda import agenda
from orbitsim.sim.controller import PlanLog
from orbitsim.sim.gathering import Gathering
from orbitsim.sim.laws import check_laws
from orbitsim.sim.maxplus.simulation import Simulation
from orbitsim.sim.maxplus.undetermined import UndeterminedError
from orbitsim.sim.network import World
from orbitsim.sim.scheme import SchemeJob, SchemeRun


def simulate_scheme_vectorised(
    world: World,
    job: SchemeJob,
    *,
    backlog: str = "carry",
    record: bool = True,
    progress: Callable[[int], None] = lambda _done: None,
) -> SchemeRun:
    """Simulate one scheme without an event loop.

    Parameters
    ----------
    world, job, backlog, record, progress
        As for `orbitsim.sim.engine.simulate_scheme`.

    Returns
    -------
    SchemeRun
        As the event loop's.

    Raises
    ------
    InfeasibleError
        When the planner finds no plan for a task.
    UndeterminedError
        When the order of service somewhere does not follow from the recursion.
    """
    if job.execution != "overlapped" and not job.fixed:
        raise UndeterminedError("a node that chooses a contact while it is held decides how long it is held")
    if world.half_duplex and not job.fixed:
        # What is sent back joins the queue of the very crosslink that is free at that moment, since it has arrived: who
        # is first is a tie at every turn, which the event loop decides by the order of its events.
        raise UndeterminedError("mini-batches may meet their own way back on a half-duplex crosslink")
    gathering = Gathering(world.names)
    groups = [list(job.task_starts)] if backlog == "carry" else [[start] for start in job.task_starts]
    log = PlanLog(job.ask)
    n_started = 0
    for group in groups:
        begin_s = group[0][1] if backlog == "independent" and group else 0.0
        simulation = Simulation(world, job, log, begin_s, len(group), record=record)
        log.new_network(simulation.held)

        def begin(index: int, simulation: Simulation = simulation) -> Callable[[float], None]:
            def start(now_s: float) -> None:
                nonlocal n_started
                simulation.start(index, now_s)
                n_started += 1
                progress(n_started)

            return start

        starts = [(start_s, begin(index)) for index, start_s in group]
        for t_s, react in agenda(world, simulation, job, starts, begin_s):
            if t_s > world.horizon_s:
                break
            if backlog == "independent" and simulation.tasks and simulation.is_over(t_s):
                break
            react(t_s)
        n_left = simulation.close()
        for task in simulation.tasks:  # a later plan may have found a station that the first one could not use
            task.undeliverable = task.undeliverable and task.n_delivered == 0
        servers = simulation.servers()
        steps = [*simulation.ways.steps, *simulation.dispatcher.courier.all_steps()]
        check_laws(
            simulation.tasks,
            servers,
            [step for step in steps if step.count],
            simulation.ledger.nothing,
            n_stranded=n_left,
            start_s=begin_s,
            end_s=world.horizon_s,
        )
        gathering.add(simulation.tasks, servers, steps, simulation.ledger.passages() if record else None)
    return gathering.run(log)
