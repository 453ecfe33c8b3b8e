"""Contacts that are missed: who misses one at a moment, and goes another way."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from orbitsim.sim.jobs import Part
from orbitsim.sim.maxplus.dispatch import Dispatcher
from orbitsim.sim.maxplus.flow import RELEASED, Flow, Way, queue_of
from orbitsim.sim.maxplus.ledger import Ledger
from orbitsim.sim.maxplus.network_state import NetworkState
from orbitsim.sim.maxplus.serving import sent_bytes
from orbitsim.sim.network import World


class Misses:
    """Sends mini-batches that miss a contact another way."""

    def __init__(self, world: World, dispatcher: Dispatcher, ledger: Ledger) -> None:
        self._world, self._dispatcher, self._ledger = world, dispatcher, ledger

    def rebook(self, state: NetworkState, now_s: float) -> None:
        """Choose again for everything that misses its contact at a moment up to which the network is settled."""
        gated = [index for index, flows in state.inbox.items() if any(_is_gated(flow) for flow in flows)]
        for index in sorted(gated, key=lambda index: self._place(state, index)):
            for flow in list(state.inbox[index]):  # contacts that closed, while it waited or was on its way
                if not _is_gated(flow):
                    continue
                assert flow.booked is not None  # noqa: S101 - gated means booked
                over = (flow.booked.deadline_s <= now_s) & (flow.at_s <= now_s)
                for row in np.flatnonzero(over).tolist():
                    self._send_away(state, index, flow[row : row + 1], now_s)
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
        state.remove(index, flow)
        self._dispatcher.forget(flow)
        at_s = np.array([now_s])
        way = Way(flow.way.route, (), flow.way.delivery, step.node)
        again = replace(flow, way=way, position=0, at_s=at_s, arrived_s=at_s, source=RELEASED, booked=None)
        self._dispatcher.deliver(state, again)


def _is_gated(flow: Flow) -> bool:
    return flow.booked is not None and flow.step.gated
