"""How a network moves on: server after server in the order of the flow, each with all that it meets in a slice of time.

Between two moments at which the controller interferes nothing is decided, only carried out. Where no mini-batch meets a
server twice in that time, the servers can be taken one after the other, and each one's services are a recursion.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

import numpy as np

from orbitsim.sim.maxplus.flow import Flow, Numbering, Queue, queue_of
from orbitsim.sim.maxplus.holding import hold, stays
from orbitsim.sim.maxplus.network_state import NetworkState
from orbitsim.sim.maxplus.pace import Pace
from orbitsim.sim.maxplus.serving import Served, Services, compute, send
from orbitsim.sim.maxplus.undetermined import CircleError

_BOOK = -1  # stands for the book of contacts among the servers


@dataclass(eq=False, slots=True)
class Slice:
    """What happened in a slice of time.

    Attributes
    ----------
    services : list of list of Services
        Server by server, in an order in which those of every mini-batch, and those of every server, follow one another.
    delivered : list of Flow
        What arrived at its end, and when (`at_s`); it may be after the slice.
    n_passages : int
        How many services there were.
    breach_s : float
        First moment at which something happens that the slice knows nothing of: a missed contact, or a contact that
        is looked for again. What lies after it is void. [s]
    cut_s : float
        First moment at which a delivery joins a queue that was served before its contact was chosen: what lies after it
        is void too, and known in the next slice. [s]
    """

    services: list[list[Services]] = field(default_factory=list)
    delivered: list[Flow] = field(default_factory=list)
    n_passages: int = 0
    breach_s: float = math.inf
    cut_s: float = math.inf


Deliver = Callable[[NetworkState, Queue, int], float]
"""Books contacts for the first of a queue and puts them on their way; returns the first breach. [s]"""


class TimeSlicer:
    """Carries a network from one moment to another.

    Parameters
    ----------
    numbering : Numbering
        Of the mini-batches.
    deliver : callable
        Books contacts.
    pace : Pace
        Counts runs.
    held : bool
        Whether a server is kept during propagation too.
    """

    def __init__(self, numbering: Numbering, deliver: Deliver, pace: Pace, *, held: bool) -> None:
        self._numbering = numbering
        self._deliver = deliver
        self._pace = pace
        self._held = held

    def run(self, state: NetworkState, until_s: float) -> Slice:
        """Carry out every service that begins before a time; changes the state.

        Raises
        ------
        UndeterminedError
            Where the order of service does not follow from the recursion.
        """
        done = Slice()
        before, after = self._order(state)
        for index in before:
            self._serve(state, index, until_s, done)
        left = {index: len(state.inbox.get(index, ())) for index in before}
        if state.to_deliver:
            done.breach_s = min(done.breach_s, self.book(state, until_s))
            front, after = self._order(state)
            after = [index for index in (*front, *after) if index not in left]
        for index in after:
            self._serve(state, index, until_s, done)
        crossing = [float(f.at_s[0]) for index, n_left in left.items() for f in state.inbox.get(index, ())[n_left:]]
        first_s = min(crossing, default=math.inf)
        if first_s < until_s:
            done.cut_s = first_s
        state.now_s = until_s
        return done

    # -- order of servers ----------------------------------------------------------------------------------------

    def _order(self, state: NetworkState) -> tuple[list[int], list[int]]:
        """Return the servers in the order of the flow: those in front of the book, and the others."""
        behind: dict[int, dict[int, None]] = {}
        names: dict[int, str] = {_BOOK: "the choice of contacts"}
        seen: set[tuple[int, int]] = set()
        for flow in [flow for flows in state.inbox.values() for flow in flows]:
            key = (id(flow.way), flow.position)
            if key in seen:
                continue
            seen.add(key)
            places: list[int] = []
            for step in flow.way.steps[flow.position :]:
                names[step.server.index] = step.server.name
                if not places or places[-1] != step.server.index:
                    places.append(step.server.index)
            if flow.way.delivery is not None and not flow.way.booked:
                places.append(_BOOK)
            behind.setdefault(places[0], {})
            for earlier, later in pairwise(places):
                behind.setdefault(later, {})[earlier] = None
        try:
            order = list(TopologicalSorter(behind).static_order())
        except CycleError as error:
            around = ", ".join(dict.fromkeys(names[index] for index in error.args[1]))
            raise CircleError(f"mini-batches pass in a circle ({around})") from None
        front: set[int] = set()
        frontier = list(behind.get(_BOOK, ()))
        while frontier:
            index = frontier.pop()
            if index not in front:
                front.add(index)
                frontier.extend(behind[index])
        return [i for i in order if i in front], [i for i in order if i not in front and i != _BOOK]

    # -- services ------------------------------------------------------------------------------------------------

    def _serve(self, state: NetworkState, index: int, until_s: float, done: Slice) -> None:
        flows = state.inbox.get(index)
        if not flows or index in state.stuck:
            return
        queue = queue_of(flows)
        n_due = int(np.searchsorted(queue.at_s, until_s, side="left"))
        if not n_due:
            return
        first = queue.flows[0]
        server = first.step.server
        served: Served
        if self._held or any(stays(flow) for flow in queue.flows):
            served = hold(state, server, queue, n_due, until_s, self._numbering, held=self._held)
        elif first.step.curve is None:
            served = compute(state, server, queue, n_due, until_s, self._numbering)
        else:
            served = send(state, server, queue, n_due, until_s, self._numbering)
        done.breach_s = min(done.breach_s, served.breach_s)
        state.inbox[index] = queue.rest(served.n_begun)
        if served.services:
            done.services.append(served.services)
            done.n_passages += sum(len(services.flow) for services in served.services)
            self._pace.n_runs += len(served.services)
            self._pace.check(n_passages=done.n_passages)
        for services in served.services:
            if not stays(services.flow):
                self._move_on(state, services, done)

    def _move_on(self, state: NetworkState, services: Services, done: Slice) -> None:
        flow = services.flow
        step = flow.step
        if step.server.index in state.stuck and len(flow) and services.end_s[-1] == np.inf:
            services = replace(services, flow=flow[:-1], leave_s=services.leave_s[:-1])
            flow = services.flow
        if not len(flow):
            return
        moved = Flow(
            flow.way,
            flow.position + 1,
            flow.number,
            services.leave_s,
            services.leave_s,
            flow.started or step.begins,
            step.server.index,
            flow.booked,
        )
        if moved.position < len(moved.way.steps):
            state.put(moved)
        elif moved.way.delivery is not None and not moved.way.booked:
            state.to_deliver.append(moved)
        else:
            done.delivered.append(moved)

    # -- contacts ------------------------------------------------------------------------------------------------

    def book(self, state: NetworkState, until_s: float) -> float:
        """Choose contacts for what reaches the end of its chain before a time; return the first breach. [s]"""
        if not state.to_deliver:
            return math.inf
        queue = queue_of(state.to_deliver)
        n_due = int(np.searchsorted(queue.at_s, until_s, side="left"))
        state.to_deliver = queue.rest(n_due)
        if not n_due:
            return math.inf
        return self._deliver(state, queue, n_due)
