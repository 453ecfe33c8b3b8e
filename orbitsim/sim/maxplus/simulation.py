"""One simulation by recursion: the same controller, agenda and bookings as in the event loop, settled when asked for.

Nothing is computed until something has to be known: whether mini-batches wait, when a plan changes; what has been
booked, when a task is delivered as it is; the end. Up to there the network is carried in one slice of time. A slice
that finds a missed contact in itself ends there, and the rest of it is void.
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
from orbitsim.sim.maxplus.flow import RELEASED, Flow, Numbering, Way, alike
from orbitsim.sim.maxplus.ledger import Ledger
from orbitsim.sim.maxplus.missed import Misses
from orbitsim.sim.maxplus.network_state import NetworkState
from orbitsim.sim.maxplus.pace import Pace
from orbitsim.sim.maxplus.still_network import StillNetwork
from orbitsim.sim.maxplus.time_slice import Slice, TimeSlicer
from orbitsim.sim.maxplus.undetermined import CircleError, UndeterminedError
from orbitsim.sim.network import World
from orbitsim.sim.places import Server
from orbitsim.sim.scheme import SchemeJob
from orbitsim.sim.ways import WayBook
from orbitsim.types.plan import Plan
from orbitsim.types.route import Route

_MOST_WAITING = 1 << 18  # mini-batches released and not settled: bounds the memory of a slice

_MOST_IN_PLACE = 100  # tries to get past one moment
_MOST_CUTS = 500  # of slices, beyond which the event loop is faster
_SHORTEST_SPAN_S = 1.0  # of a slice in which mini-batches pass in a circle


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
        self.state = NetworkState(start_s)
        self.network = StillNetwork(world, job.execution, job.replay)
        self.numbering = Numbering(job.n_batches, [])
        self.pace = Pace()
        self.dispatcher = Dispatcher(world, self.network, self.numbering, self.pace)
        self.ways = WayBook(world, job, self.network, log)
        self.ledger = Ledger(self.tasks, self.numbering, n_tasks, world.horizon_s, record=record)
        self.misses = Misses(world, self.dispatcher, self.ledger)
        self._slicer = TimeSlicer(
            self.numbering, self.dispatcher.deliver_first, self.pace, held=job.execution == "serial"
        )
        self._chain_ways: dict[tuple[int, int], tuple[tuple[Step, ...], Way]] = {}
        self._direct_ways: dict[tuple[Route, int, int], Way] = {}
        self._n_unsettled = self._n_cuts = 0
        self._span_s = math.inf
        self._now_s = start_s
        self._last_way: tuple[Plan, Route, tuple[tuple[Step, ...], Delivery | None, int]] | None = None
        self._last_s = math.nextafter(world.horizon_s, math.inf)
        self._tried: tuple[list[float], int] | None = None
        self._foreseen: tuple[NetworkState, Slice] | None = None

    # -- time ----------------------------------------------------------------------------------------------------

    def settle(self, until_s: float) -> None:
        """Carry out everything that begins before a time, and what is looked for again until then."""
        if until_s >= self._last_s and self._foreseen is not None and not self.state.stranded:
            trial, done = self._foreseen
            if min(done.breach_s, done.cut_s) == math.inf:
                self.state = trial
                self._enter(done)
                self._foreseen = None
                return
        self._foreseen = None
        n_in_place = 0
        while True:
            state = self.state
            look_s = self.dispatcher.next_look_s(state, math.nextafter(state.now_s, -math.inf))
            stop_s = min(until_s, look_s, state.now_s + self._span_s)
            try:
                trial, done = self._try(stop_s)
            except CircleError:  # it may take less time than a round does
                self._span_s = 0.5 * (stop_s - state.now_s)
                if not _SHORTEST_SPAN_S < self._span_s < math.inf:
                    raise
                continue
            ends_s = min(done.breach_s, done.cut_s)
            is_cut = done.cut_s < stop_s and done.cut_s == ends_s
            if ends_s < stop_s:
                stop_s = ends_s
                trial, done = self._try(stop_s)
                self._span_s = max(2.0 * (stop_s - state.now_s), 1.0)
            else:
                self._span_s *= 2.0
            n_in_place = n_in_place + 1 if stop_s <= state.now_s else 0
            if n_in_place > _MOST_IN_PLACE:
                raise UndeterminedError("contacts were missed again and again at the same moment")
            self.state = trial
            self._enter(done)
            self.pace.check()
            if is_cut:
                self._n_cuts += 1
                if self._n_cuts > _MOST_CUTS:
                    raise UndeterminedError("deliveries cross the compute chains that they come from too often")
                self._slicer.book(self.state, math.nextafter(stop_s, math.inf))
            self.misses.rebook(self.state, stop_s)
            self._look_again(stop_s)
            if stop_s >= until_s:
                break
        self._n_unsettled = 0
        self.dispatcher.looked_for_again_s = [t_s for t_s in self.dispatcher.looked_for_again_s if t_s > until_s]

    def _try(self, until_s: float) -> tuple[NetworkState, Slice]:
        """Carry a copy of the state to a time; bookings of an earlier try are forgotten."""
        if self._tried is not None:
            self.dispatcher.book.go_back(self._tried)
        self._tried = self.dispatcher.book.state()
        trial = self.state.copy()
        return trial, self._slicer.run(trial, until_s)

    def _enter(self, done: Slice) -> None:
        self._tried = None
        for together in done.services:
            self.ledger.check_server(together)
            for services in together:
                self.pace.n_passages += len(services.flow)
                self.ledger.serve(services)
        for flow in done.delivered:
            self.ledger.deliver(flow)

    def is_over(self, now_s: float) -> bool:
        """Return whether everything that has started is delivered by a time."""
        end_s = self._foreseen_end_s()
        if math.isnan(end_s):
            self.settle(now_s)
            end_s = max(task.end_s if task.end_s == task.end_s else math.inf for task in self.tasks)
        if end_s == now_s:
            raise UndeterminedError("a task ended when the controller was due")
        return end_s < now_s

    def _foreseen_end_s(self) -> float:
        """Return when the last task is delivered if the controller leaves all as it is; nan if that shows later. [s]"""
        if self._foreseen is None:
            trial, done = self._try(self._last_s)
            self._foreseen = (trial, done)
        done = self._foreseen[1]
        if self.state.stranded or min(done.breach_s, done.cut_s) < math.inf:
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
        self._n_unsettled += len(numbers)
        if self._n_unsettled > _MOST_WAITING:
            self.settle(now_s)

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
        self._foreseen = None
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
        self._settle_with_released(self._now_s)
        queued = sum(len(flow) for _, flow in self._fresh(route, self._now_s))
        stranded = (flow for group in self.state.stranded for flow in group.parts if group.way.route == route)
        return queued + sum(len(flow) for flow in stranded if not flow.started)

    def _settle_with_released(self, now_s: float) -> None:
        """Settle, and book contacts for what was released at this very moment, in tasks that started before."""
        self.settle(now_s)
        if any(flow.source == RELEASED and flow.at_s[0] <= now_s for flow in self.state.to_deliver):
            self._slicer.book(self.state, math.nextafter(now_s, math.inf))

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
        self._settle_with_released(now_s)
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

    def _look_again(self, now_s: float) -> None:
        """Choose again for the mini-batches without contact, where crosslinks or bookings have changed since."""
        looks = self.dispatcher.looked_for_again_s
        if not any(t_s == now_s for t_s in looks):
            return
        self.dispatcher.looked_for_again_s = [t_s for t_s in looks if t_s > now_s]
        for group in list(self.state.stranded):
            if not self.dispatcher.is_due(group, now_s):
                continue
            self.state.stranded.remove(group)
            for flow in alike(group.parts):
                self.ledger.wait(flow.number, Part.CONTACT_WAIT, now_s - flow.arrived_s)
                at_s = np.full(len(flow), now_s)
                again = replace(flow, way=group.way, at_s=at_s, arrived_s=at_s, source=RELEASED)
                self.dispatcher.deliver(self.state, again)

    # -- what the controller sees, and the end -------------------------------------------------------------------

    @property
    def held(self) -> Mapping[int, Weights]:
        """Weights that each node holds at the time of a question."""
        return _Held(self)

    def held_now(self) -> Mapping[int, Weights]:
        """Settle what lies before the question, and return what each node holds."""
        self.settle(self._now_s)
        return self.state.held

    def close(self) -> int:
        """Carry everything to the horizon; return how many mini-batches are at no server."""
        self.settle(self._last_s)
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
