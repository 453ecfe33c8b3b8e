"""What one server does with what it meets: services in order of arrival, by the recursion."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from orbitsim.link.fifo import fifo, fifo_link
from orbitsim.link.propagation import PropagationDelay
from orbitsim.sim.jobs import Step
from orbitsim.sim.maxplus.flow import FloatArray, Flow, Numbering, Queue
from orbitsim.sim.maxplus.network_state import NetworkState
from orbitsim.sim.maxplus.undetermined import UndeterminedError
from orbitsim.sim.places import Server
from orbitsim.sim.replay import Draws, StageReplay


@dataclass(frozen=True, eq=False, slots=True)
class Services:
    """Services that a server carried out for mini-batches of one flow, in their order.

    Attributes
    ----------
    flow : Flow
        The mini-batches, at the step that was carried out.
    start_s, end_s : (n,) array
        Begin and end of each; the end is infinite for one that never ends. [s]
    n_bytes : float or (n,) array
        What was sent. [B]
    figures : (n, 5) array or None
        What a replayed computation took (see `StageReplay.figures`).
    leave_s : (n,) array
        When they are at the end of the hop: the end, and propagation. [s]
    """

    flow: Flow
    start_s: FloatArray
    end_s: FloatArray
    leave_s: FloatArray
    n_bytes: FloatArray | float = 0.0
    figures: FloatArray | None = None


@dataclass(eq=False, slots=True)
class Served:
    """What a server did in a slice of time.

    Attributes
    ----------
    n_begun : int
        Mini-batches whose service began.
    services : list of Services
        Their services; the last of each flow is the one after which it leaves.
    breach_s : float
        First moment at which one misses its contact; infinite if none does. [s]
    """

    n_begun: int
    services: list[Services] = field(default_factory=list)
    breach_s: float = math.inf


def propagation_s(step: Step, end_s: FloatArray) -> FloatArray | None:
    """Return the propagation delay of what leaves at some times; None without any. [s]"""
    if step.delay_at is None:
        return None
    schedule = getattr(step.delay_at, "__self__", None)
    if isinstance(schedule, PropagationDelay):
        return schedule.delay_s(end_s)
    return np.array([step.delay_at(t_s) if t_s < math.inf else 0.0 for t_s in end_s.tolist()])


def _replay(draws: Draws) -> StageReplay:
    if not isinstance(draws, StageReplay):
        raise UndeterminedError("its times are drawn one by one")
    return draws


# -- processors ------------------------------------------------------------------------------------------------------


def compute(
    state: NetworkState, server: Server, queue: Queue, n_due: int, until_s: float, numbering: Numbering
) -> Served:
    """Compute: a known time for each mini-batch."""
    node = queue.flows[0].step.node
    figures = _figures(state, queue, n_due, numbering)
    each_s = queue.column(
        [
            flow.step.seconds if drawn is None else np.ascontiguousarray(drawn[:, 0])
            for flow, drawn in zip(queue.flows, figures, strict=True)
        ]
    )
    each_s = each_s if isinstance(each_s, float) else each_s[:n_due]
    free_s = state.free_s.get(server.index, -math.inf)
    loads = any(flow.step.weights is not None for flow in queue.flows)
    if loads:
        begin_s, start_s, end_s = _loading(state, node, queue, each_s, free_s, n_due, until_s)
    else:
        start_s, end_s = fifo(queue.at_s[:n_due], each_s, free_s)
        begin_s = start_s
    n_begun = int(np.searchsorted(begin_s, until_s, side="left"))
    served = Served(n_begun)
    if not n_begun:
        return served
    state.free_s[server.index] = float(end_s[n_begun - 1])
    if any(isinstance(flow.step.draws, StageReplay) and flow.step.draws.in_order for flow in queue.flows):
        state.n_executed[node] = state.n_executed.get(node, 0) + n_begun
    for number, rows, places in queue.split(0, n_begun):
        drawn = figures[number]
        ends = end_s[:n_begun][places]
        served.services.append(
            Services(
                queue.flows[number][rows],
                start_s[:n_begun][places],
                ends,
                ends,
                figures=None if drawn is None else drawn[rows],
            )
        )
    return served


def _figures(state: NetworkState, queue: Queue, n_due: int, numbering: Numbering) -> list[FloatArray | None]:
    """Return what replayed computations take, by flow; rows that are not due have none."""
    found: list[FloatArray | None] = [None] * len(queue.flows)
    for number, rows, places in queue.split(0, n_due):
        flow = queue.flows[number]
        if flow.step.draws is None:
            continue
        replay = _replay(flow.step.draws)
        tasks, batches = numbering.of(flow.number[rows])
        figures = np.zeros((len(flow), 5))
        first = state.n_executed.get(flow.step.node, 0)
        if replay.in_order and not isinstance(places, slice):
            every = np.zeros(n_due, dtype=np.int64)
            span = replay.figures(every, every, first)  # executions count over all flows
            figures[rows] = span[places]
        else:
            figures[rows] = replay.figures(tasks, batches, first)
        found[number] = figures
    return found


def _loading(
    state: NetworkState,
    node: int,
    queue: Queue,
    each_s: FloatArray | float,
    free_s: float,
    n_due: int,
    until_s: float,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Compute where a change of split loads weights: run by run of one flow, each loading before its first."""
    flow = np.zeros(n_due, dtype=np.int64) if queue.flow is None else queue.flow[:n_due]
    firsts = np.flatnonzero(np.diff(flow, prepend=-1)).tolist()
    begin_s, start_s, end_s = np.empty(n_due), np.empty(n_due), np.empty(n_due)
    for first, stop in zip(firsts, [*firsts[1:], n_due], strict=True):
        begins_s = max(free_s, float(queue.at_s[first]))
        load_s = 0.0
        weights = queue.flows[int(flow[first])].step.weights
        if weights is not None and begins_s < until_s:
            load_s = weights.seconds_from(state.held.get(node))
            state.held[node] = weights
        run_s = each_s if isinstance(each_s, float) else each_s[first:stop]
        free_s = begins_s + load_s if load_s > 0.0 else free_s
        start_s[first:stop], end_s[first:stop] = fifo(queue.at_s[first:stop], run_s, free_s)
        begin_s[first:stop] = start_s[first:stop]
        begin_s[first] = begins_s
        free_s = float(end_s[stop - 1])
    return begin_s, start_s, end_s


# -- transmitters ----------------------------------------------------------------------------------------------------


def send(state: NetworkState, server: Server, queue: Queue, n_due: int, until_s: float, numbering: Numbering) -> Served:
    """Send: the recursion in the work domain of the link."""
    step = queue.flows[0].step
    curve = step.curve
    assert curve is not None  # noqa: S101 - the caller sorts steps
    if any(flow.step.curve is not curve and flow.step.curve != curve for flow in queue.flows):
        raise UndeterminedError(f"{server.name} sends over links of different rates")
    sizes = [sent_bytes(flow, numbering) for flow in queue.flows]
    n_bytes = queue.column(sizes)
    n_bytes = n_bytes if isinstance(n_bytes, float) else n_bytes[:n_due]
    arrival_s = queue.at_s[:n_due]
    turn_s, finish_s = fifo_link(arrival_s, n_bytes, curve, state.free_s.get(server.index, -math.inf))
    start_s = turn_s
    breach_s = math.inf
    if step.has_outages:
        opens_s = curve.next_open_s(turn_s)
        deadline_s = _deadlines(queue, n_due)
        waits = opens_s < (math.inf if deadline_s is None else deadline_s)
        start_s = np.where(waits, opens_s, turn_s)
        if step.gated and deadline_s is not None:
            breach_s = _breach_s(arrival_s, turn_s, start_s, finish_s, deadline_s)
    n_begun = int(np.searchsorted(start_s, until_s, side="left"))
    served = Served(n_begun, breach_s=breach_s)
    if not n_begun:
        return served
    last_s = float(finish_s[n_begun - 1])
    if last_s == math.inf:
        state.stuck[server.index] = 1
    else:
        state.free_s[server.index] = last_s
    for number, rows, places in queue.split(0, n_begun):
        flow = queue.flows[number][rows]
        ends = finish_s[:n_begun][places]
        delay_s = propagation_s(flow.step, ends)
        size = sizes[number]
        served.services.append(
            Services(
                flow,
                start_s[:n_begun][places],
                ends,
                ends if delay_s is None else ends + delay_s,
                n_bytes=size if isinstance(size, float) else size[rows],
            )
        )
    return served


def sent_bytes(flow: Flow, numbering: Numbering) -> FloatArray | float:
    """Return the bytes that a step sends for each mini-batch of a flow. [B]"""
    step = flow.step
    return step.n_bytes if step.sizes is None else step.sizes.bytes_of_many(*numbering.of(flow.number))


def _deadlines(queue: Queue, n_due: int) -> FloatArray | None:
    """Return the ends of booked contacts, infinite for what has none; None where nothing is booked. [s]"""
    columns = [math.inf if flow.booked is None else flow.booked.deadline_s for flow in queue.flows]
    if all(isinstance(column, float) for column in columns):
        return None
    joined = queue.column(columns)
    return np.broadcast_to(np.asarray(joined), (len(queue),))[:n_due]


def _breach_s(
    arrival_s: FloatArray, turn_s: FloatArray, start_s: FloatArray, finish_s: FloatArray, deadline_s: FloatArray
) -> float:
    """Return when the first mini-batch has to look for another contact; infinite if none has to. [s]

    On arrival, if its contact is over; when the contact closes, if it still waits; when it is its turn, if the transfer
    would not end in time. Behind the first one times are too late, but no earlier moment comes of that.
    """
    misses = (finish_s > deadline_s) | (finish_s == np.inf)
    if not misses.any():
        return math.inf
    arrival_s, turn_s, start_s, deadline_s = (x[misses] for x in (arrival_s, turn_s, start_s, deadline_s))
    when_s = np.where(turn_s >= deadline_s, deadline_s, start_s)
    return float(np.where(arrival_s >= deadline_s, arrival_s, when_s).min())
