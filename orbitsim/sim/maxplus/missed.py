"""Contacts that are missed: who misses one at a moment, and goes another way."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from orbitsim.sim.jobs import Part
from orbitsim.sim.maxplus.dispatch import Dispatcher
from orbitsim.sim.maxplus.flow import RELEASED, SAME_MOMENT_S, Flow, Way, queue_of
from orbitsim.sim.maxplus.ledger import Ledger
from orbitsim.sim.maxplus.network_state import NetworkState
from orbitsim.sim.maxplus.serving import sent_bytes
from orbitsim.sim.maxplus.undetermined import UndeterminedError
from orbitsim.sim.network import World


class Misses:
    """Sends mini-batches that miss a contact another way."""

    def __init__(self, world: World, dispatcher: Dispatcher, ledger: Ledger) -> None:
        self._world, self._dispatcher, self._ledger = world, dispatcher, ledger
        self._now_s = -math.inf
        self._servers: set[int] = set()  # whose mini-batches missed a contact at this moment
        self._closing = True  # whether that was but a contact that closed, for which all servers have their order

    def rebook(self, state: NetworkState, now_s: float) -> None:
        """Choose again for everything that misses its contact at a moment up to which the network is settled.

        Raises
        ------
        UndeterminedError
            If mini-batches look for a contact in two places at the same moment: who asks first gets the better one.
        """
        gated = [index for index, flows in state.inbox.items() if any(_is_gated(flow) for flow in flows)]
        for index in sorted(gated, key=lambda index: self._place(state, index)):
            queue = queue_of(state.inbox[index])
            over = np.zeros(len(queue), dtype=np.bool_)  # contacts that closed, while it waited or was on its way
            for number, rows, places in queue.split(0, len(queue)):
                flow = queue.flows[number][rows]
                if _is_gated(flow):
                    assert flow.booked is not None  # noqa: S101 - gated means booked
                    over[places] = (flow.booked.deadline_s <= now_s) & (flow.at_s <= now_s)
            for place in np.flatnonzero(over).tolist():
                number, rows, _ = queue.split(place, place + 1)[0]
                self._send_away(state, index, queue.flows[number][rows], now_s)
        for index in gated:
            while (head := self._misses_its_turn(state, index, now_s)) is not None:
                self._send_away(state, index, head, now_s)

    def _place(self, state: NetworkState, index: int) -> tuple[int, float, int]:
        flow = next(flow for flow in state.inbox[index] if _is_gated(flow))
        return flow.step.node, state.laid_s.get(index, math.inf), index

    def _misses_its_turn(self, state: NetworkState, index: int, now_s: float) -> Flow | None:
        """Return the head of a queue if it is served now, and would not end in time."""
        flows = state.inbox[index]
        if not flows or index in state.stuck:
            return None
        queue = queue_of(flows)
        number, rows, _ = queue.split(0, 1)[0]
        head = queue.flows[number][rows]
        step, booked = head.step, head.booked
        if booked is None or step.curve is None or not step.gated:
            return None
        deadline_s = float(booked.deadline_s[0])
        turn_s = max(state.free_s.get(index, -math.inf), float(head.at_s[0]))
        opens_s = step.opens_s(turn_s)
        start_s = opens_s if turn_s < opens_s < deadline_s else turn_s
        if start_s != now_s:
            return None
        size = sent_bytes(head, self._dispatcher.numbering)
        finish_s = step.curve.finish_at(start_s, size if isinstance(size, float) else float(size[0]))
        return head if finish_s > deadline_s or finish_s == math.inf else None

    def _send_away(self, state: NetworkState, index: int, flow: Flow, now_s: float) -> None:
        """Choose again for one mini-batch; its time so far goes to the contact and to the queue."""
        step = flow.step
        assert step.curve is not None  # noqa: S101 - it waits for a contact
        arrived_s = float(flow.arrived_s[0])
        if now_s > arrived_s:
            waited_s = step.curve.closed_seconds_between(arrived_s, now_s)
            self._ledger.wait(flow.number, Part.CONTACT_WAIT, np.array([waited_s]))
            self._ledger.wait(flow.number, Part.QUEUE, np.array([now_s - arrived_s - waited_s]))
        self._check_alone(state, index, flow, now_s)
        state.remove(index, flow)
        self._dispatcher.forget(flow)
        at_s = np.array([now_s])
        way = Way(flow.way.route, (), flow.way.delivery, step.node)
        again = replace(flow, way=way, position=0, at_s=at_s, arrived_s=at_s, source=RELEASED, booked=None)
        self._dispatcher.deliver(state, again)

    def _check_alone(self, state: NetworkState, index: int, flow: Flow, now_s: float) -> None:
        """Check that nothing else looks for a contact at a moment, in an order which only the event loop knows."""
        assert flow.booked is not None  # noqa: S101 - it missed a contact
        if now_s > self._now_s + SAME_MOMENT_S:
            self._now_s, self._closing = now_s, True
            self._servers.clear()
        self._servers.add(index)
        self._closing &= float(flow.booked.deadline_s[0]) == now_s and float(flow.at_s[0]) < now_s
        if any(_is_at(each, now_s) for each in state.to_deliver) or (len(self._servers) > 1 and not self._closing):
            raise UndeterminedError("a mini-batch missed its contact when another looked for one")


def _is_at(flow: Flow, now_s: float) -> bool:
    place = int(np.searchsorted(flow.at_s, now_s - SAME_MOMENT_S))
    return place < len(flow) and bool(flow.at_s[place] <= now_s + SAME_MOMENT_S)


def _is_gated(flow: Flow) -> bool:
    return flow.booked is not None and flow.step.gated
