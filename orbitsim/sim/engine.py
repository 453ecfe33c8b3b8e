"""Runs one scheme of a scenario: tasks slot by slot on one network, or each task alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from heapq import merge
from operator import itemgetter

import numpy as np
import simpy

from orbitsim.plan.delivery import DeliveryBook
from orbitsim.plan.stages import Stage
from orbitsim.sim.controller import PlanLog
from orbitsim.sim.courier import Courier
from orbitsim.sim.jobs import Delivery, MiniBatch, Step, Task
from orbitsim.sim.laws import check_laws
from orbitsim.sim.network import Network, World
from orbitsim.sim.places import Server
from orbitsim.sim.processes import keep_agenda
from orbitsim.sim.recorder import Passages, Recorder
from orbitsim.sim.scheme import PlaceUse, SchemeJob, SchemeRun
from orbitsim.sim.sizes import DrawnBytes
from orbitsim.types.plan import Plan
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
        self.steps: list[Step] = []
        self._ways: dict[tuple[Route, Plan], tuple[tuple[Step, ...], Delivery | None, int]] = {}

    # -- the way of a plan ---------------------------------------------------------------------------------------

    def _way(self, route: Route) -> tuple[tuple[Step, ...], Delivery | None, int]:
        """Return the steps on the compute chain under the plan in force, what is delivered then, and from where."""
        key = (route, self.log.plan(route))
        if key not in self._ways:
            self._ways[key] = self._fixed_way(*key) if route.fixed else self._chain_way(*key)
            self.steps.extend(self._ways[key][0])
        return self._ways[key]

    def _compute(self, node: int, stage: Stage) -> Step:
        return self.network.compute(
            node,
            stage.seconds,
            stage.codec_s,
            stage.energy_j,
            stage.origin_s,
            layers=stage.layers,
            weights=stage.weights,
        )

    def _sizes(self, stage: Stage) -> DrawnBytes | None:
        replay = self.job.bytes_replay
        return None if replay is None else replay.of(stage.layers[1], stage.ratio, stage.n_bytes)

    def _to_chain(self, route: Route) -> list[Step]:
        if route.sensor_computes:
            return []
        return [self.network.send(route.sensor, route.chain[0], self.job.input_bytes, begins=False)]

    def _fixed_way(self, route: Route, plan: Plan) -> tuple[tuple[Step, ...], Delivery | None, int]:
        stages = self.job.stages(route, plan)
        steps = self._to_chain(route)
        station = route.station if route.station is not None else self.world.n_satellites
        nodes = [*route.chain, station]
        for position, (node, stage) in enumerate(zip(nodes, stages, strict=True)):
            if stage.computes:
                steps.append(self._compute(node, stage))
            if position + 1 < len(nodes):
                steps.append(self.network.send(node, nodes[position + 1], stage.n_bytes, sizes=self._sizes(stage)))
        return tuple(steps), None, route.chain[-1]

    def _chain_way(self, route: Route, plan: Plan) -> tuple[tuple[Step, ...], Delivery | None, int]:
        stages = self.job.stages(route, plan)
        computing = [position for position in plan.computing_nodes if position < len(route.chain)]
        ground = self.job.ground_stages(plan)
        if not computing:
            return (), Delivery(self.job.input_bytes, ground), route.sensor
        last = computing[-1]
        steps = self._to_chain(route)
        for position, node in enumerate(route.chain[: last + 1]):
            if stages[position].computes:
                steps.append(self._compute(node, stages[position]))
            if position < last:
                stage = stages[position]
                steps.append(
                    self.network.send(node, route.chain[position + 1], stage.n_bytes, sizes=self._sizes(stage))
                )
        return tuple(steps), Delivery(stages[last].n_bytes, ground, self._sizes(stages[last])), route.chain[last]

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
        _, delivery, holder = self._way(route)
        stations = delivery.ground or None if delivery is not None else None
        return self._book.last_end_s(stations, self.world.reachable(holder))

    def _release(self, batch: MiniBatch, now_s: float) -> None:
        """Give a mini-batch that has not begun the plan in force, from the sensor or the first node on."""
        route = batch.task.route
        steps, delivery, holder = self._way(route)
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
        waiting = self.courier.take_back_fresh(route)
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
    outcome = SchemeRun()
    groups = [list(job.task_starts)] if backlog == "carry" else [[start] for start in job.task_starts]
    log = PlanLog(job.ask)
    uses: dict[tuple[str, str], PlaceUse] = {}
    place_index: dict[str, int] = {}
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
        simulation.env.process(keep_agenda(simulation.env, _agenda(world, simulation, starts, begin_s)))
        horizon = simulation.env.timeout(_until_after(world.horizon_s, begin_s))
        simulation.env.run(until=horizon if backlog == "carry" else horizon | simulation.all_delivered)
        for task in simulation.tasks:  # a later plan may have found a station that the first one could not use
            task.undeliverable = task.undeliverable and task.n_delivered == 0
        servers = simulation.network.servers
        steps = [*simulation.steps, *simulation.courier.all_steps()]
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
        outcome.tasks.extend(simulation.tasks)
        outcome.steps.extend(steps)
        for server in servers:
            place_index.setdefault(server.name, len(place_index))
            known = uses.get((server.name, server.kind), PlaceUse(server.name, server.kind, 0.0, 0.0, 0))
            uses[server.name, server.kind] = PlaceUse(
                server.name,
                server.kind,
                known.busy_s + server.busy_s,
                known.n_bytes + server.n_bytes,
                known.n_served + server.n_served,
            )
        if record:
            outcome.passages.append(_renumbered(passages, [place_index[server.name] for server in servers]))
    outcome.places = list(uses.values())
    outcome.place_names = list(place_index)
    outcome.plans = log.records
    return outcome


def _until_after(horizon_s: float, begin_s: float) -> float:
    """Return a wait that ends just after the horizon: what happens at the horizon itself still belongs to it. [s]"""
    wait_s = horizon_s - begin_s
    while begin_s + wait_s <= horizon_s:  # the clock adds the wait to the beginning, and rounds
        wait_s = math.nextafter(wait_s, math.inf)
    return wait_s


def _agenda(
    world: World, simulation: _Simulation, starts: Iterable[tuple[float, Callable[[float], None]]], begin_s: float
) -> Iterator[tuple[float, Callable[[float], None]]]:
    """Yield what is due when; at the same time contacts close, then open, crosslinks change, then tasks start."""
    edges = () if simulation.job.fixed else world.edges_from(begin_s)
    contacts = ((t_s, 0, simulation.window if opens else partial(simulation.closed, s)) for t_s, opens, s in edges)
    changes = ((t_s, 1, simulation.crosslinks_changed) for t_s in world.changes_s if t_s >= begin_s)
    begins = ((start_s, 2, begin) for start_s, begin in starts)
    for t_s, _, react in merge(contacts, changes, begins, key=itemgetter(0, 1)):
        yield t_s, react


def _renumbered(passages: Passages, places: Sequence[int]) -> Passages:
    table = np.asarray(places, dtype=np.int32)
    return Passages(
        passages.task, passages.batch, table[passages.place], passages.part, passages.start_s, passages.end_s
    )
