"""Delivery: which contact takes what leaves the compute chain, and the way there."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from orbitsim.plan.delivery import Booking, DeliveryBook, hop_seconds
from orbitsim.plan.delivery_run import Bookings, choose_run
from orbitsim.sim.courier import Courier
from orbitsim.sim.jobs import Delivery, Step
from orbitsim.sim.maxplus.flow import Booked, Flow, Numbering, Queue, Rows, Way
from orbitsim.sim.maxplus.network_state import NetworkState, Stranded
from orbitsim.sim.maxplus.pace import Pace
from orbitsim.sim.maxplus.still_network import StillNetwork
from orbitsim.sim.network import World
from orbitsim.types.route import Route

_FIRST_PART = 256  # mini-batches


class Dispatcher:
    """Books contacts for flows and puts them on their way.

    Attributes
    ----------
    book : DeliveryBook
        Contacts, and what has been booked on them.
    looked_for_again_s : list of float
        Moments, in order, at which contacts are looked for again for what has none. [s]
    """

    def __init__(self, world: World, network: StillNetwork, numbering: Numbering, pace: Pace) -> None:
        self.book = DeliveryBook(world.windows)
        self.courier = Courier(world, network, self.book)  # it knows the steps to a contact
        self.looked_for_again_s: list[float] = []
        self._world = world
        self.numbering = numbering
        self._pace = pace
        self._changes_s = np.asarray(world.changes_s, dtype=np.float64)
        self._several: dict[int, Booking] = {}
        self._ways: dict[tuple[int, int, Route, int], Way] = {}

    def deliver_first(self, state: NetworkState, queue: Queue, n_due: int) -> float:
        """Choose contacts for the first of several flows, in the order of their times; put them on their way.

        Where flows take turns one by one, what finds no contact decides for all that follow it in its flow and are no
        smaller: the contacts of others leave them no more.

        Returns
        -------
        float
            As for `deliver`.
        """
        if queue.flow is None or queue.row is None:
            return self.deliver(state, queue.flows[0][:n_due])
        breach_s, n_turns = math.inf, 0
        number, row = queue.flow[:n_due], queue.row[:n_due]
        n_due_of = np.bincount(number, minlength=len(queue.flows)).tolist()
        n_done_of = [0] * len(queue.flows)
        turns = np.flatnonzero(np.diff(number, prepend=-1)).tolist()
        alone = _alone(queue.flows)
        for first, stop in zip(turns, [*turns[1:], n_due], strict=True):
            index = int(number[first])
            flow, next_row = queue.flows[index], int(row[stop - 1]) + 1
            if next_row <= n_done_of[index]:
                continue
            looks_s, is_left = self._deliver_all(state, flow[n_done_of[index] : next_row])
            breach_s = min(breach_s, looks_s)
            if is_left and alone[index]:
                next_row += self._strand_like(state, flow[next_row - 1 : n_due_of[index]])
            n_done_of[index] = next_row
            n_turns += 1
            self._pace.check(n_turns, stop)
        return breach_s

    def deliver(self, state: NetworkState, flow: Flow) -> float:
        """Choose contacts for mini-batches at the holder of their way, each at its time; put them on their way.

        Returns
        -------
        float
            When a contact is looked for again for those that found none; infinite if that is not known. [s]
        """
        return self._deliver_all(state, flow)[0]

    def _deliver_all(self, state: NetworkState, flow: Flow) -> tuple[float, bool]:
        """Deliver mini-batches; return the next look, and whether the last of them found no contact."""
        breach_s, is_left = math.inf, False
        epoch = np.searchsorted(self._changes_s, flow.at_s, side="right")
        firsts = np.flatnonzero(np.diff(epoch, prepend=-1)).tolist()
        n_runs = n_part = 0
        for first, stop in zip(firsts, [*firsts[1:], len(flow)], strict=True):
            while first < stop:  # a few first, to see how long their runs are
                n_part = 2 * n_part + _FIRST_PART
                part = flow[first : min(stop, first + n_part)]
                looks_s, n_parted, is_left = self._deliver(state, part)
                breach_s = min(breach_s, looks_s)
                n_runs += n_parted
                self._pace.check(n_runs, min(stop, first + n_part))
                first += n_part  # noqa: PLW2901 - the loop goes on behind the part
        return breach_s, is_left

    def _deliver(self, state: NetworkState, flow: Flow) -> tuple[float, int, bool]:
        """Deliver mini-batches between two changes of the crosslinks.

        Returns
        -------
        next_look_s : float
            As for `deliver`.
        n_runs : int
            Runs of mini-batches to the same contact.
        is_left : bool
            Whether the last found no contact.
        """
        way, world = flow.way, self._world
        delivery, holder = way.delivery, way.holder
        assert delivery is not None  # noqa: S101 - the caller asks for mini-batches with a delivery only
        n_hops = world.n_hops(holder, float(flow.at_s[0]))
        n_bytes = self._sizes(delivery, flow)
        hop_s = (
            np.full(len(flow), hop_seconds(delivery.n_bytes, world.hop_rate_bps, world.hop_propagation_s))
            if delivery.sizes is None
            else np.array([hop_seconds(n, world.hop_rate_bps, world.hop_propagation_s) for n in n_bytes.tolist()])
        )
        chosen = choose_run(self.book, flow.at_s, n_bytes, n_hops, hop_s, delivery.ground or None)
        for place, booking in chosen.several.items():
            self._several[int(flow.number[place])] = booking
        groups = _groups(chosen, tied=bool((flow.at_s[1:] == flow.at_s[:-1]).any()))
        for index, rows in groups:
            self._send(state, flow[rows], chosen, rows, index)
        missing = chosen.window < 0
        if not missing.any():
            return math.inf, len(groups), False
        left = flow[missing]
        state.strand(Way(way.route, (), delivery, holder), n_hops, self.book.n_cancelled, left)
        return self.next_look_s(state, float(left.at_s[0])), len(groups), bool(missing[-1])

    def _strand_like(self, state: NetworkState, flow: Flow) -> int:
        """Keep those without contact that follow the first of a flow, which has found none; return how many."""
        way = flow.way
        assert way.delivery is not None  # noqa: S101 - the first has been looked at
        epoch = np.searchsorted(self._changes_s, flow.at_s, side="right")
        n_bytes = self._sizes(way.delivery, flow)
        other = (epoch != epoch[0]) | (n_bytes < n_bytes[0])
        n_like = int(np.argmax(other)) if other.any() else len(flow)
        if n_like > 1:
            n_hops = self._world.n_hops(way.holder, float(flow.at_s[0]))
            onward = Way(way.route, (), way.delivery, way.holder)
            state.strand(onward, n_hops, self.book.n_cancelled, flow[1:n_like])
        return n_like - 1

    def _sizes(self, delivery: Delivery, flow: Flow) -> NDArray[np.float64]:
        if delivery.sizes is None:
            return np.full(len(flow), delivery.n_bytes)
        return delivery.sizes.bytes_of_many(*self.numbering.of(flow.number))

    def next_look_s(self, state: NetworkState, after_s: float) -> float:
        """Return when, after a time, contacts are looked for again with a chance to find one; infinite if never. [s]"""
        first_s = math.inf
        for group in state.stranded:
            for t_s in self.looked_for_again_s:
                if t_s >= first_s:
                    break
                if t_s > after_s and self.is_due(group, t_s):
                    first_s = t_s
        return first_s

    def is_due(self, group: Stranded, t_s: float) -> bool:
        """Return whether crosslinks or bookings have changed since a group found no contact."""
        same = self._world.n_hops(group.way.holder, t_s) is group.n_hops
        return not same or group.n_cancelled != self.book.n_cancelled

    def _send(self, state: NetworkState, flow: Flow, chosen: Bookings, rows: Rows, index: int) -> None:
        window, way = self.book.windows[index], flow.way
        at_s = float(flow.at_s[0])
        assert way.delivery is not None  # noqa: S101 - checked before
        steps = self.courier.steps_to(way.holder, way.delivery, window.satellite, window.station, at_s)
        for step in steps:
            state.laid_s.setdefault(step.server.index, at_s)
        booked = Booked(chosen.deadline_s[rows], chosen.window[rows], chosen.taken_s[rows])
        onward = self._way(way.route, way.delivery, way.holder, steps)
        state.put(Flow(onward, 0, flow.number, flow.at_s, flow.arrived_s, flow.started, flow.source, booked))

    def _way(self, route: Route, delivery: Delivery, holder: int, steps: tuple[Step, ...]) -> Way:
        key = (id(steps), id(delivery), route, holder)  # the courier keeps both, so that their ids stay their own
        if key not in self._ways:
            self._ways[key] = Way(route, steps, delivery, holder, booked=True)
        return self._ways[key]

    def forget(self, flow: Flow) -> None:
        """Give back the bookings of mini-batches, because they take another way."""
        booked = flow.booked
        if booked is None:
            return
        for row, number in enumerate(flow.number.tolist()):
            taken_s = float(booked.taken_s[row])
            if math.isnan(taken_s):
                self.book.cancel(self._several[number])
                continue
            index = int(booked.window[row])
            window = self.book.windows[index]
            self.book.cancel(
                Booking(index, window.satellite, window.station, math.nan, window.end_s, ((index, taken_s),))
            )


def _alone(flows: Sequence[Flow]) -> list[bool]:
    """Return of each flow whether what it leaves behind is kept by itself."""
    kinds = [(flow.way.holder, flow.way.delivery) for flow in flows]
    return [kinds.count(kind) == 1 for kind in kinds]


def _groups(chosen: Bookings, *, tied: bool) -> list[tuple[int, Rows]]:
    """Return the contacts that were chosen, each with its places; one after the other where some are ready at once."""
    window = chosen.window
    if tied:
        firsts = np.flatnonzero(np.diff(window, prepend=-2)).tolist()
        runs = zip(firsts, [*firsts[1:], len(window)], strict=True)
        return [(int(window[first]), slice(first, stop)) for first, stop in runs if window[first] >= 0]
    found: list[tuple[int, Rows]] = []
    indices, firsts_of = np.unique(window, return_index=True)
    for index in indices[np.argsort(firsts_of)].tolist():
        if index < 0:
            continue
        rows = np.flatnonzero(window == index)
        first, stop = int(rows[0]), int(rows[-1]) + 1
        found.append((index, slice(first, stop) if stop - first == len(rows) else rows))
    return found
