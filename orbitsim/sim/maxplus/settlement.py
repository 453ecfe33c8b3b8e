"""Settling a network: it is carried on slice after slice, each as long as nothing in it comes in between.

A slice that finds a missed contact in itself, or a delivery that crosses a queue it should have joined earlier, ends
there, and the rest of it is void.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from orbitsim.sim.jobs import Part
from orbitsim.sim.maxplus.dispatch import Dispatcher
from orbitsim.sim.maxplus.flow import RELEASED, alike
from orbitsim.sim.maxplus.ledger import Ledger
from orbitsim.sim.maxplus.missed import Misses
from orbitsim.sim.maxplus.network_state import NetworkState
from orbitsim.sim.maxplus.pace import Pace
from orbitsim.sim.maxplus.time_slice import Slice, TimeSlicer
from orbitsim.sim.maxplus.undetermined import CircleError, UndeterminedError
from orbitsim.sim.network import World

_MOST_IN_PLACE = 100  # tries to get past one moment
_MOST_CUTS = 500  # of slices, beyond which the event loop is faster
_SHORTEST_SPAN_S = 1.0  # of a slice in which mini-batches pass in a circle


class Settlement:
    """Carries a network to the moments at which something about it has to be known.

    Parameters
    ----------
    world : World
        Places, links and contacts.
    dispatcher : Dispatcher
        Books contacts.
    ledger : Ledger
        Keeps what has happened.
    pace : Pace
        Counts runs.
    start_s : float
        Begin of the simulation. [s]
    held : bool
        Whether a server is kept during propagation too.

    Attributes
    ----------
    state : NetworkState
        The network at the moment up to which it is settled.
    n_unsettled : int
        Mini-batches released since.
    last_s : float
        The horizon, in it whatever begins then. [s]
    """

    def __init__(
        self, world: World, dispatcher: Dispatcher, ledger: Ledger, pace: Pace, start_s: float, *, held: bool
    ) -> None:
        self.state = NetworkState(start_s)
        self.n_unsettled = 0
        self.last_s = math.nextafter(world.horizon_s, math.inf)
        self._dispatcher, self._ledger, self._pace = dispatcher, ledger, pace
        self._misses = Misses(world, dispatcher, ledger)
        self._slicer = TimeSlicer(dispatcher.numbering, dispatcher.deliver_first, pace, held=held)
        self._n_cuts = 0
        self._span_s = math.inf
        self._tried: tuple[list[float], int] | None = None
        self._foreseen: tuple[NetworkState, Slice] | None = None

    def settle(self, until_s: float) -> None:
        """Carry out everything that begins before a time, and what is looked for again until then."""
        if until_s >= self.last_s and self._foreseen is not None and not self.state.stranded:
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
            look_s = self._dispatcher.next_look_s(state, math.nextafter(state.now_s, -math.inf))
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
            self._pace.check()
            if is_cut:
                self._n_cuts += 1
                if self._n_cuts > _MOST_CUTS:
                    raise UndeterminedError("deliveries cross the compute chains that they come from too often")
                self._slicer.book(self.state, math.nextafter(stop_s, math.inf))
            self._misses.rebook(self.state, stop_s)
            self._look_again(stop_s)
            if stop_s >= until_s:
                break
        self.n_unsettled = 0
        self._dispatcher.looked_for_again_s = [t_s for t_s in self._dispatcher.looked_for_again_s if t_s > until_s]

    def _try(self, until_s: float) -> tuple[NetworkState, Slice]:
        """Carry a copy of the state to a time; bookings of an earlier try are forgotten."""
        if self._tried is not None:
            self._dispatcher.book.go_back(self._tried)
        self._tried = self._dispatcher.book.state()
        trial = self.state.copy()
        return trial, self._slicer.run(trial, until_s)

    def _enter(self, done: Slice) -> None:
        self._tried = None
        for together in done.services:
            self._ledger.check_server(together)
            for services in together:
                self._pace.n_passages += len(services.flow)
                self._ledger.serve(services)
        for flow in done.delivered:
            self._ledger.deliver(flow)

    def foresee(self) -> Slice | None:
        """Return the slice from now to the horizon if nothing is released; None if contacts would be chosen again."""
        if self._foreseen is None:
            trial, done = self._try(self.last_s)
            self._foreseen = (trial, done)
        done = self._foreseen[1]
        return None if self.state.stranded or min(done.breach_s, done.cut_s) < math.inf else done

    def forget_foreseen(self) -> None:
        """Note that something is released, or gets another way."""
        self._foreseen = None

    def settle_with_released(self, now_s: float) -> None:
        """Settle, and book contacts for what was released at this very moment, in tasks that started before."""
        self.settle(now_s)
        if any(flow.source == RELEASED and flow.at_s[0] <= now_s for flow in self.state.to_deliver):
            self._slicer.book(self.state, math.nextafter(now_s, math.inf))

    def _look_again(self, now_s: float) -> None:
        """Choose again for the mini-batches without contact, where crosslinks or bookings have changed since."""
        looks = self._dispatcher.looked_for_again_s
        if not any(t_s == now_s for t_s in looks):
            return
        self._dispatcher.looked_for_again_s = [t_s for t_s in looks if t_s > now_s]
        for group in list(self.state.stranded):
            if not self._dispatcher.is_due(group, now_s):
                continue
            self.state.stranded.remove(group)
            for flow in alike(group.parts):
                self._ledger.wait(flow.number, Part.CONTACT_WAIT, now_s - flow.arrived_s)
                at_s = np.full(len(flow), now_s)
                again = replace(flow, way=group.way, at_s=at_s, arrived_s=at_s, source=RELEASED)
                self._dispatcher.deliver(self.state, again)
