"""One simulation by recursion: the same controller, agenda and bookings as in the event loop, settled when asked for.

Nothing is computed until something has to be known: whether mini-batches wait, when a plan changes; what has been
booked, when a task is delivered as it is; the end. Up to there the network is carried in one go.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from operator import itemgetter

import numpy as np

from orbitsim.plan.switching import Weights
from orbitsim.sim.controller import PlanLog
from orbitsim.sim.jobs import Delivery, Part, Step, Task
from orbitsim.sim.maxplus.dispatch import Dispatcher
from orbitsim.sim.maxplus.flow import RELEASED, Flow, Numbering, Way
from orbitsim.sim.maxplus.ledger import Ledger
from orbitsim.sim.maxplus.network_state import NetworkState
from orbitsim.sim.maxplus.pace import Pace
from orbitsim.sim.maxplus.settlement import Settlement
from orbitsim.sim.maxplus.still_network import StillNetwork
from orbitsim.sim.maxplus.undetermined import UndeterminedError
from orbitsim.sim.network import World
from orbitsim.sim.places import Server
from orbitsim.sim.scheme import SchemeJob
from orbitsim.sim.ways import WayBook
from orbitsim.types.plan import Plan
from orbitsim.types.route import Route

_MOST_WAITING = 1 << 18  # mini-batches released and not settled: bounds the memory of a slice


class Simulation:
    """Tasks of a scheme on one network.

    Parameters
    ----------
    world, job, log
        As for the event loop.
    start_s : float
        Begin of the simulation. [s]
    n_tasks : int
        Tasks that will start.
    record : bool
        Keep every passage.
    """

    def __init__(
        self, world: World, job: SchemeJob, log: PlanLog, start_s: float, n_tasks: int, *, record: bool
    ) -> None:
        self.world, self.job, self.log = world, job, log
        self.tasks: list[Task] = []
        self.network = StillNetwork(world, job.execution, job.replay)
        self.numbering = Numbering(job.n_batches, [])
        self.pace = Pace()
        self.dispatcher = Dispatcher(world, self.network, self.numbering, self.pace)
        self.ways = WayBook(world, job, self.network, log)
        self.ledger = Ledger(self.tasks, self.numbering, n_tasks, world.horizon_s, record=record)
        held = job.execution == "serial"
        self.settlement = Settlement(world, self.dispatcher, self.ledger, self.pace, start_s, held=held)
        self._chain_ways: dict[tuple[int, int], tuple[tuple[Step, ...], Way]] = {}
        self._direct_ways: dict[tuple[Route, int, int], Way] = {}
        self._now_s = start_s
        self._last_way: tuple[Plan, Route, tuple[tuple[Step, ...], Delivery | None, int]] | None = None

    @property
    def state(self) -> NetworkState:
        """The network at the moment up to which it is settled."""
        return self.settlement.state

    # -- time ----------------------------------------------------------------------------------------------------

    def is_over(self, now_s: float) -> bool:
        """Return whether everything that has started is delivered by a time."""
        end_s = self._foreseen_end_s()
        if math.isnan(end_s):
            self.settlement.settle(now_s)
            end_s = max(task.end_s if task.end_s == task.end_s else math.inf for task in self.tasks)
        if end_s == now_s:
            raise UndeterminedError("a task ended when the controller was due")
        return end_s < now_s

    def _foreseen_end_s(self) -> float:
        """Return when the last task is delivered if the controller leaves all as it is; nan if that shows later. [s]"""
        done = self.settlement.foresee()
        if done is None:
            return math.nan
        n_delivered = sum(task.n_delivered for task in self.tasks) + sum(len(flow) for flow in done.delivered)
        if n_delivered < len(self.tasks) * self.job.n_batches:
            return math.inf
        ends_s = [float(flow.at_s[-1]) for flow in done.delivered]
        return max([*ends_s, *(task.end_s for task in self.tasks if task.end_s == task.end_s)])

    # -- tasks and plans -----------------------------------------------------------------------------------------

    def start(self, index: int, now_s: float) -> None:
        """Start the task of a slot: ask for a route and a plan, and release its mini-batches."""
        self._now_s = now_s
        answer = self.log.consult(now_s, "task", task=index)
        route = answer.decision.route
        if answer.changed and self.tasks:
            self._rebind(route, now_s)
        task = Task(index, now_s, self.job.n_batches, route)
        _, delivery, holder = self._way(route)
        if not route.fixed:
            stations = delivery.ground or None if delivery is not None else None
            task.undeliverable = self.dispatcher.book.last_end_s(stations, self.world.reachable(holder)) <= now_s
        number = len(self.tasks)
        self.tasks.append(task)
        self.numbering.slots.append(index)
        numbers = self.numbering.task(number)
        self.ledger.start(numbers, now_s)
        at_s = np.full(len(numbers), now_s)
        self._release(route, numbers, at_s, at_s, -1)
        self.settlement.n_unsettled += len(numbers)
        if self.settlement.n_unsettled > _MOST_WAITING:
            self.settlement.settle(now_s)

    def _way(self, route: Route) -> tuple[tuple[Step, ...], Delivery | None, int]:
        plan = self.log.plan(route)
        if self._last_way is not None and self._last_way[0] is plan and self._last_way[1] is route:
            return self._last_way[2]
        way = self.ways.way(route)
        for step in way[0]:
            self.state.laid_s.setdefault(step.server.index, self._now_s)
        self._last_way = (plan, route, way)
        return way

    def _release(
        self,
        route: Route,
        numbers: np.ndarray,
        at_s: np.ndarray,
        arrived_s: np.ndarray,
        place: int,
        *,
        at_once: bool = False,
    ) -> None:
        """Give mini-batches that have not begun the plan in force, from where they are on (-1: from the sensor).

        Contacts for what no satellite computes are booked at once if the network is settled; else in their time.
        """
        steps, delivery, holder = self._way(route)
        first_node = route.chain[0]
        skip = 0
        if place == first_node and not route.sensor_computes:
            holder = holder if steps else first_node
            skip = 1 if steps else 0
        way = Way(route, steps[skip:], delivery, holder)
        key = (id(steps), skip)
        if steps:
            way = self._chain_ways.setdefault(key, (steps, way))[1]
        else:  # the delivery is kept, so that its id stays its own
            way = self._direct_ways.setdefault((route, id(delivery), holder), way)
        flow = Flow(way, 0, numbers, at_s, arrived_s, started=False, source=RELEASED)
        self.settlement.forget_foreseen()
        if way.steps:
            self.state.put(flow)
        elif at_once:
            self.dispatcher.deliver(self.state, flow)
        else:
            self.state.to_deliver.append(flow)

    def window(self, now_s: float) -> None:
        """React to a visibility window that opens: ask again, and look again for what has no contact."""
        self._ask_again(now_s, "window")
        self.dispatcher.looked_for_again_s.append(now_s)

    def crosslinks_changed(self, now_s: float) -> None:
        """React to a crosslink that opens or closes."""
        self._ask_again(now_s, "crosslink")
        self.dispatcher.looked_for_again_s.append(now_s)

    def closed(self, satellite: int, now_s: float) -> None:
        """Nothing: that a contact is missed shows when the time is settled."""

    def _ask_again(self, now_s: float, reason: str) -> None:
        self._now_s = now_s
        if not self.tasks:
            return
        for route in self.log.routes:
            if self.log.consult(now_s, reason, route=route, n_waiting=partial(self._n_waiting, route)).changed:
                self._rebind(route, now_s)

    def _n_waiting(self, route: Route) -> int:
        """Count the waiting mini-batches of a route's tasks that no server has begun."""
        self.settlement.settle_with_released(self._now_s)
        queued = sum(len(flow) for _, flow in self._fresh(route, self._now_s))
        stranded = (flow for group in self.state.stranded for flow in group.parts if group.way.route == route)
        return queued + sum(len(flow) for flow in stranded if not flow.started)

    def _fresh(self, route: Route, now_s: float) -> Iterator[tuple[int, Flow]]:
        """Yield what waits and has not begun, by server."""
        for index, flows in self.state.inbox.items():
            waits = False
            for flow in flows:
                if flow.started or flow.way.route != route:
                    continue
                rows = flow.at_s <= now_s if flow.source == RELEASED else flow.at_s < now_s
                if flow.source != RELEASED and (flow.at_s == now_s).any():
                    raise UndeterminedError("mini-batches reached a queue when the controller looked at it")
                if rows.any():
                    waits = True
                    yield index, flow[rows]
            if waits and self.state.free_s.get(index) == now_s:
                raise UndeterminedError("a service began when the controller looked at what had not begun")

    def _rebind(self, route: Route, now_s: float) -> None:
        """Give the plan in force on a route to every mini-batch of its tasks that no server has begun."""
        self.settlement.settle_with_released(now_s)
        fresh: list[tuple[Flow, int]] = []
        for group in list(self.state.stranded):
            mine = [flow for flow in group.parts if not flow.started and group.way.route == route]
            for flow in mine:
                self.ledger.wait(flow.number, Part.CONTACT_WAIT, now_s - flow.arrived_s)
                fresh.append((replace(flow, arrived_s=np.full(len(flow), now_s)), group.way.holder))
            others = [flow for flow in group.parts if flow not in mine]
            self.state.stranded.remove(group)
            if others:
                self.state.stranded.append(replace(group, parts=others))
        for index, flow in list(self._fresh(route, now_s)):
            fresh.append((flow, flow.step.node))
            self.state.remove(index, flow)
        if not fresh:
            return
        number = np.concatenate([flow.number for flow, _ in fresh])
        arrived_s = np.concatenate([flow.arrived_s for flow, _ in fresh])
        place = np.concatenate([np.full(len(flow), node) for flow, node in fresh])
        which = np.concatenate([np.full(len(flow), k) for k, (flow, _) in enumerate(fresh)])
        row = np.concatenate([np.arange(len(flow)) for flow, _ in fresh])
        order = np.argsort(number)
        number, arrived_s, place, which, row = (x[order] for x in (number, arrived_s, place, which, row))
        firsts = np.flatnonzero((np.diff(place, prepend=-1) != 0) | (np.diff(which, prepend=-1) != 0)).tolist()
        # Bookings are given back and made again one by one: each that is made meets those of all that come behind.
        one_by_one = any(flow.booked is not None for flow, _ in fresh)
        if one_by_one:
            firsts = list(range(len(number)))
        for first, stop in zip(firsts, [*firsts[1:], len(number)], strict=True):
            flow, _ = fresh[int(which[first])]
            self.dispatcher.forget(flow[row[first:stop]])
            at_s = np.full(stop - first, now_s)
            self._release(route, number[first:stop], at_s, arrived_s[first:stop], int(place[first]), at_once=True)

    # -- what the controller sees, and the end -------------------------------------------------------------------

    @property
    def held(self) -> Mapping[int, Weights]:
        """Weights that each node holds at the time of a question."""
        return _Held(self)

    def held_now(self) -> Mapping[int, Weights]:
        """Settle what lies before the question, and return what each node holds."""
        self.settlement.settle(self._now_s)
        return self.state.held

    def close(self) -> int:
        """Carry everything to the horizon; return how many mini-batches are at no server."""
        self.settlement.settle(self.settlement.last_s)
        self.ledger.close()
        state = self.state
        servers = {server.index: server for server in self.network.servers}
        for index, flows in state.inbox.items():
            servers[index].n_travelling += sum(len(flow) for flow in flows)
        for index, n_stuck in state.stuck.items():
            servers[index].n_travelling += n_stuck
        n_stranded = sum(len(flow) for group in state.stranded for flow in group.parts)
        return n_stranded + sum(len(flow) for flow in state.to_deliver) + self.ledger.n_late

    def servers(self) -> list[Server]:
        """Return the servers in the order in which they became part of a way."""
        servers = self.network.servers
        return [servers[index] for index, _ in sorted(self.state.laid_s.items(), key=itemgetter(1))]


class _Held(Mapping[int, Weights]):
    """Weights that nodes hold when someone looks."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def __getitem__(self, node: int) -> Weights:
        return self._simulation.held_now()[node]

    def __iter__(self) -> Iterator[int]:
        return iter(self._simulation.held_now())

    def __len__(self) -> int:
        return len(self._simulation.held_now())
