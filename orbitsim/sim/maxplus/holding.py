"""Servers that are held over several steps: nodes that do not overlap computing and sending, and whole routes."""

from __future__ import annotations

import math

import numpy as np

from orbitsim.sim.jobs import Step
from orbitsim.sim.maxplus.flow import FloatArray, Flow, Numbering, Queue
from orbitsim.sim.maxplus.network_state import NetworkState
from orbitsim.sim.maxplus.serving import Served, Services, propagation_s, sent_bytes
from orbitsim.sim.maxplus.undetermined import UndeterminedError
from orbitsim.sim.places import Server
from orbitsim.sim.replay import StageReplay


def stays(flow: Flow) -> bool:
    """Return whether mini-batches go on at the same server after their step."""
    steps, position = flow.way.steps, flow.position
    return position + 1 < len(steps) and steps[position + 1].server is steps[position].server


def hold(
    state: NetworkState,
    server: Server,
    queue: Queue,
    n_due: int,
    until_s: float,
    numbering: Numbering,
    *,
    held: bool,
) -> Served:
    """Take mini-batches one at a time through all the steps that they have at a server.

    What is held is the sum of several services, some of which depend on the time at which they begin; the recursion is
    walked along instead of solved at once.

    Parameters
    ----------
    state, server, queue, n_due, until_s, numbering
        As for the other services.
    held : bool
        Whether propagation holds the server too.
    """
    if any(flow.booked is not None or flow.way.delivery is not None for flow in queue.flows):
        raise UndeterminedError(f"{server.name} is held while a contact is chosen")
    for flow in queue.flows:
        in_order = (s.draws for s in flow.way.steps if isinstance(s.draws, StageReplay) and s.draws.in_order)
        if any(True for _ in in_order):
            raise UndeterminedError(f"{server.name} is held over steps that replay executions in their order")
    places = _places(queue, n_due)
    steps = [_steps(flow, held=held) for flow in queue.flows]
    sizes = [_amounts(flow, each, numbering) for flow, each in zip(queue.flows, steps, strict=True)]
    starts: list[list[list[float]]] = [[[] for _ in each] for each in steps]
    ends: list[list[list[float]]] = [[[] for _ in each] for each in steps]
    free_s = state.free_s.get(server.index, -math.inf)
    n_begun = 0
    for place, (number, row) in enumerate(places):
        now_s = max(free_s, float(queue.at_s[place]))
        first = steps[number][0]
        if first.has_outages and now_s < first.opens_s(now_s) < math.inf:
            now_s = first.opens_s(now_s)
        if now_s >= until_s:
            break
        n_begun += 1
        for k, step in enumerate(steps[number]):
            if step.weights is not None:
                now_s += step.weights.seconds_from(state.held.get(step.node))
                state.held[step.node] = step.weights
            start_s = now_s
            amount = sizes[number][k]
            value = amount if isinstance(amount, float) else float(amount[row])
            end_s = start_s + value if step.curve is None else step.curve.finish_at(start_s, value)
            starts[number][k].append(start_s)
            ends[number][k].append(end_s)
            if end_s == math.inf:
                state.stuck[server.index] = 1
                break
            now_s = end_s
            if held and step.delay_at is not None:
                now_s += step.delay_at(end_s)
        free_s = now_s
        if server.index in state.stuck:
            break
    state.free_s[server.index] = free_s
    served = Served(n_begun)
    for number, rows, _ in queue.split(0, n_begun):
        flow = queue.flows[number][rows]
        for k in range(len(steps[number])):
            services = _services(flow, starts[number][k], ends[number][k], numbering)
            if not len(services.flow):
                break
            served.services.append(services)
            left = services.leave_s < np.inf
            flow = Flow(
                flow.way,
                flow.position + 1,
                services.flow.number[left],
                services.leave_s[left],
                services.leave_s[left],
                flow.started or services.flow.step.begins,
                server.index,
            )
            if flow.position == len(flow.way.steps):
                break
    return served


def _places(queue: Queue, n_due: int) -> list[tuple[int, int]]:
    if queue.flow is None or queue.row is None:
        return [(0, row) for row in range(n_due)]
    return list(zip(queue.flow[:n_due].tolist(), queue.row[:n_due].tolist(), strict=True))


def _steps(flow: Flow, *, held: bool) -> list[Step]:
    """Return the steps that a server is held for: up to one after which mini-batches travel, or go elsewhere."""
    steps = flow.way.steps
    stop = flow.position + 1
    while stop < len(steps) and steps[stop].server is steps[stop - 1].server:
        if steps[stop - 1].delay_at is not None and not held:
            raise UndeterminedError(f"{steps[stop].server.name} is visited twice")
        stop += 1
    return list(steps[flow.position : stop])


def _amounts(flow: Flow, steps: list[Step], numbering: Numbering) -> list[FloatArray | float]:
    """Return the seconds or bytes of each step, by mini-batch where they differ."""
    found: list[FloatArray | float] = []
    for k, step in enumerate(steps):
        if step.curve is not None:
            at = Flow(flow.way, flow.position + k, flow.number, flow.at_s, flow.arrived_s, flow.started, flow.source)
            found.append(sent_bytes(at, numbering))
        elif step.draws is None:
            found.append(step.seconds)
        elif isinstance(step.draws, StageReplay):
            found.append(np.ascontiguousarray(step.draws.figures(*numbering.of(flow.number), 0)[:, 0]))
        else:
            raise UndeterminedError("its times are drawn one by one")
    return found


def _services(flow: Flow, starts: list[float], ends: list[float], numbering: Numbering) -> Services:
    flow = flow[: len(starts)]
    step = flow.step
    end_s = np.array(ends)
    delay_s = propagation_s(step, end_s)
    figures = None
    if isinstance(step.draws, StageReplay):
        figures = step.draws.figures(*numbering.of(flow.number), 0)
    return Services(
        flow,
        np.array(starts),
        end_s,
        end_s if delay_s is None else end_s + delay_s,
        n_bytes=0.0 if step.curve is None else sent_bytes(flow, numbering),
        figures=figures,
    )
