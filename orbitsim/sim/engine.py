"""Runs one scheme of a scenario: tasks slot by slot on one network, or each task alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import simpy

from orbitsim.plan.delivery import DeliveryBook
from orbitsim.sim.agenda import agenda, until_after
from orbitsim.sim.controller import PlanLog
from orbitsim.sim.courier import Courier
from orbitsim.sim.gathering import Gathering
from orbitsim.sim.jobs import MiniBatch, Task
from orbitsim.sim.laws import check_laws
from orbitsim.sim.network import Network, World
from orbitsim.sim.places import Server
from orbitsim.sim.processes import keep_agenda
from orbitsim.sim.recorder import Recorder
from orbitsim.sim.scheme import SchemeJob, SchemeRun
from orbitsim.sim.ways import WayBook
from orbitsim.types.route import Route


class _Simulation:
    """One SimPy environment with its network, courier and controller."""

    def __init__(self, world: World, job: SchemeJob, log: PlanLog, recorder: Recorder, start_s: float) -> None:
        self.env = simpy.Environment(initial_time=start_s)
        self.world, self.job, self.log = world, job, log
        self.network = Network(self.env, world, recorder, job.execution, self._advance, self._rebook, job.replay)
        book = DeliveryBook(world.windows)
        self._book = book
        self.courier = Courier(world, self.network, book)
        self.tasks: list[Task] = []
        self.all_delivered = self.env.event()
        self.ways = WayBook(world, job, self.network, log)

    # -- what the processes call ---------------------------------------------------------------------------------

    def _advance(self, batch: MiniBatch, now_s: float) -> Server | None:
        batch.position += 1
        if batch.position < len(batch.steps):
            step = batch.steps[batch.position]
            if batch.deadline_s <= now_s and step.gated:  # its contact closed while it was on the way
                batch.arrived_s = now_s
                return self.courier.redirect(batch, now_s)
            return step.server
        if batch.delivery is not None and batch.booking is None:
            batch.arrived_s = now_s
            return self.courier.dispatch(batch, now_s)
        task = batch.task
        task.n_delivered += 1
        task.last = batch
        if task.n_delivered == task.n_batches:
            task.end_s = now_s
            if not self.all_delivered.triggered:
                self.all_delivered.succeed()
        return None

    def _rebook(self, batch: MiniBatch, now_s: float) -> None:
        self.courier.rebook(batch, now_s)

    def start(self, index: int, now_s: float) -> None:
        """Start the task of a slot: ask for a route and a plan, and hand all its mini-batches to the first server."""
        answer = self.log.consult(now_s, "task", task=index)
        route = answer.decision.route
        if answer.changed:
            self._rebind(route, now_s)
        task = Task(index, now_s, self.job.n_batches, route)
        task.undeliverable = not route.fixed and self._last_contact_s(route) <= now_s
        self.tasks.append(task)
        for number in range(task.n_batches):
            self._release(MiniBatch(task, number, ()), now_s)

    def _last_contact_s(self, route: Route) -> float:
        """End of the last contact that results under the plan in force can reach, and that may receive them. [s]"""
        _, delivery, holder = self.ways.way(route)
        stations = delivery.ground or None if delivery is not None else None
        return self._book.last_end_s(stations, self.world.reachable(holder))

    def _release(self, batch: MiniBatch, now_s: float) -> None:
        """Give a mini-batch that has not begun the plan in force, from the sensor or the first node on."""
        route = batch.task.route
        steps, delivery, holder = self.ways.way(route)
        place = batch.steps[batch.position].node if batch.steps else batch.holder
        first_node = route.chain[0]
        if place == first_node and not route.sensor_computes:
            # Its raw tiles have crossed the way to the first node, which all plans share.
            steps, holder = steps[1:], holder if steps else first_node
        batch.steps, batch.delivery, batch.holder, batch.position = steps, delivery, holder, 0
        batch.booking, batch.deadline_s = None, math.inf
        first = steps[0].server if steps else self.courier.dispatch(batch, now_s)
        if first is not None:
            first.put(batch)

    def window(self, now_s: float) -> None:
        """React to a visibility window that opens: ask again, and give the answer to what has not begun."""
        self._ask_again(now_s, "window")
        self.courier.retry(now_s)

    def crosslinks_changed(self, now_s: float) -> None:
        """React to a crosslink that opens or closes, which may break a plan or mend one."""
        self._ask_again(now_s, "crosslink")
        self.courier.retry(now_s)

    def _ask_again(self, now_s: float, reason: str) -> None:
        if not self.tasks:
            return
        for route in self.log.routes:
            if self.log.consult(now_s, reason, route=route, n_waiting=partial(self._n_waiting, route)).changed:
                self._rebind(route, now_s)

    def _n_waiting(self, route: Route) -> int:
        """Count the waiting mini-batches of a route's tasks that no server has begun."""
        return sum(batch.task.route == route for batch in self._fresh())

    def _fresh(self) -> Iterator[MiniBatch]:
        """Yield the waiting mini-batches that no server has begun."""
        yield from self.courier.fresh()
        for server in self.network.servers:
            yield from (batch for batch in server.queue if not batch.started)

    def _rebind(self, route: Route, now_s: float) -> None:
        """Give the plan in force on a route to every mini-batch of its tasks that no server has begun."""
        waiting = self.courier.take_back_fresh(route, now_s)
        for server in self.network.servers:
            fresh = [batch for batch in server.queue if not batch.started and batch.task.route == route]
            if fresh:
                server.take_back(fresh)
                waiting.extend(fresh)
        for batch in sorted(waiting, key=lambda b: (b.task.index, b.index)):
            self.courier.forget(batch)
            self._release(batch, now_s)

    def closed(self, satellite: int, now_s: float) -> None:
        """React to a contact that closes: what it left behind is sent another way."""
        self.courier.contact_closed(satellite, now_s)


def simulate_scheme(
    world: World,
    job: SchemeJob,
    *,
    backlog: str = "carry",
    record: bool = True,
    progress: Callable[[int], None] = lambda _done: None,
) -> SchemeRun:
    """Simulate one scheme.

    Parameters
    ----------
    world : World
        Places, links and contacts.
    job : SchemeJob
        The scheme's route, planner, costs and tasks.
    backlog : {"carry", "independent"}
        Tasks share the network and queue behind earlier ones, or every task is alone on an empty network.
    record : bool
        Keep every passage.
    progress : callable
        Told how many tasks have started.

    Returns
    -------
    SchemeRun

    Raises
    ------
    InfeasibleError
        When the planner finds no plan for a task.
    """
    gathering = Gathering(world.names)
    groups = [list(job.task_starts)] if backlog == "carry" else [[start] for start in job.task_starts]
    log = PlanLog(job.ask)
    n_started = 0
    for group in groups:
        begin_s = group[0][1] if backlog == "independent" and group else 0.0
        recorder = Recorder(enabled=record)
        simulation = _Simulation(world, job, log, recorder, begin_s)
        log.new_network(simulation.network.held)

        def begin(index: int, simulation: _Simulation = simulation) -> Callable[[float], None]:
            def start(now_s: float) -> None:
                nonlocal n_started
                simulation.start(index, now_s)
                n_started += 1
                progress(n_started)

            return start

        starts = [(start_s, begin(index)) for index, start_s in group]
        simulation.env.process(keep_agenda(simulation.env, agenda(world, simulation, job, starts, begin_s)))
        horizon = simulation.env.timeout(until_after(world.horizon_s, begin_s))
        simulation.env.run(until=horizon if backlog == "carry" else horizon | simulation.all_delivered)
        for task in simulation.tasks:  # a later plan may have found a station that the first one could not use
            task.undeliverable = task.undeliverable and task.n_delivered == 0
        servers = simulation.network.servers
        steps = [*simulation.ways.steps, *simulation.courier.all_steps()]
        passages = recorder.passages()
        check_laws(
            simulation.tasks,
            servers,
            steps,
            passages,
            n_stranded=simulation.courier.n_stranded,
            start_s=begin_s,
            end_s=world.horizon_s,
        )
        gathering.add(simulation.tasks, servers, steps, passages if record else None)
    return gathering.run(log)
