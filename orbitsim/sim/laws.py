"""The laws of a run, checked at its end: what no simulation may break, whatever its input.

1. Nothing is lost: every mini-batch that started is delivered, in a queue, in service, travelling, or without contact;
   a task has an end exactly if all of its mini-batches are delivered.
2. The parts of a delivered task's last mini-batch add up to its delay, and none is negative.
3. A link, and a transmitter, carries no more than the integral of its rate.
4. Nothing happens before its task starts, and a mini-batch is in one place at a time.
5. A server serves one mini-batch at a time.
6. No server is busy longer than the run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from orbitsim.constants import BITS_PER_BYTE
from orbitsim.errors import LawError
from orbitsim.link.capacity import CapacityCurve
from orbitsim.sim.jobs import Step, Task
from orbitsim.sim.places import Server
from orbitsim.sim.recorder import Passages

# Times are sums of up to a few hundred thousand roundings at 1e5 s; a law is broken when it is off by more than this.
TIME_TOLERANCE_S = 1e-6
BYTES_TOLERANCE = 1e-9


def check_laws(
    tasks: Sequence[Task],
    servers: Sequence[Server],
    steps: Sequence[Step],
    passages: Passages,
    *,
    n_stranded: int,
    start_s: float,
    end_s: float,
) -> None:
    """Check every law on one simulation.

    Parameters
    ----------
    tasks : sequence of Task
        Tasks that started.
    servers : sequence of Server
        Servers by index.
    steps : sequence of Step
        Steps that were laid out: they tie servers to capacity curves.
    passages : Passages
        What was recorded; laws 4 and 5 are checked on it, and hold vacuously when nothing was.
    n_stranded : int
        Mini-batches for which no contact was left.
    start_s, end_s : float
        Time span of the simulation. [s]

    Raises
    ------
    LawError
        Naming every law that is broken, by number.
    """
    broken = [
        *_nothing_lost(tasks, servers, n_stranded),
        *_parts_add_up(tasks),
        *_within_capacity(servers, steps, start_s, end_s),
        *_in_order(tasks, passages),
        *_one_at_a_time(servers, passages),
        *_not_busier_than_time(servers, start_s, end_s),
    ]
    if broken:
        raise LawError("the simulation broke its own laws; please report this:\n" + "\n".join(broken))


def _nothing_lost(tasks: Sequence[Task], servers: Sequence[Server], n_stranded: int) -> list[str]:
    broken = [
        f"law 1: task {task.index} delivered {task.n_delivered} of {task.n_batches} mini-batches, end {task.end_s}"
        for task in tasks
        if task.n_delivered > task.n_batches or (task.n_delivered == task.n_batches) == math.isnan(task.end_s)
    ]
    n_started = sum(task.n_batches for task in tasks)
    n_found = n_stranded + sum(task.n_delivered for task in tasks)
    n_found += sum(len(server.queue) + (server.serving is not None) + server.n_travelling for server in servers)
    if n_found != n_started:
        broken.append(f"law 1: {n_started} mini-batches started, {n_found} were found at the end")
    return broken


def _parts_add_up(tasks: Sequence[Task]) -> list[str]:
    broken: list[str] = []
    for task in tasks:
        if task.last is None or math.isnan(task.end_s):
            continue
        delay_s, total_s = task.end_s - task.start_s, math.fsum(task.last.parts)
        if abs(delay_s - total_s) > TIME_TOLERANCE_S or min(task.last.parts) < -TIME_TOLERANCE_S:
            parts = f"its parts {task.last.parts} make {total_s!r} s"
            broken.append(f"law 2: task {task.index} took {delay_s!r} s, {parts}")
    return broken


def _within_capacity(servers: Sequence[Server], steps: Sequence[Step], start_s: float, end_s: float) -> list[str]:
    broken: list[str] = []

    def check(name: str, n_bytes: float, limit_bits: float) -> None:
        carried_bits = BITS_PER_BYTE * n_bytes
        if carried_bits > limit_bits * (1.0 + BYTES_TOLERANCE) + BITS_PER_BYTE:
            broken.append(f"law 3: {name} carried {carried_bits:.9g} bit, its rate allows {limit_bits:.9g} bit")

    limits: dict[CapacityCurve, float] = {}
    on_server: dict[int, set[CapacityCurve]] = {}
    on_link: dict[int, tuple[str, CapacityCurve, list[float]]] = {}
    for step in steps:
        curve = step.curve
        if curve is None:
            continue
        if curve not in limits:
            limits[curve] = float(curve.integral_bits(start_s, end_s))
        on_server.setdefault(step.server.index, set()).add(curve)
        # A link keeps its one curve object, also where several links share a server.
        on_link.setdefault(id(curve), (step.server.name, curve, []))[2].append(step.sent_bytes)
    for name, curve, n_bytes in on_link.values():
        check(f"a link of {name}", math.fsum(n_bytes), limits[curve])
    for server in servers:
        # One at a time: what a transmitter sends over several links, or both ways, is within the sum of their curves.
        check(server.name, server.n_bytes, math.fsum(limits[curve] for curve in on_server.get(server.index, ())))
    return broken


def _in_order(tasks: Sequence[Task], passages: Passages) -> list[str]:
    if not len(passages):
        return []
    starts = dict.fromkeys(range(int(passages.task.max()) + 1), math.inf)
    starts.update({task.index: task.start_s for task in tasks})
    first = np.array([starts[index] for index in range(len(starts))])
    broken: list[str] = []
    early = passages.start_s < first[passages.task] - TIME_TOLERANCE_S
    if early.any():
        broken.append(f"law 4: {int(early.sum())} services began before their task")
    order = np.lexsort((passages.start_s, passages.batch, passages.task))
    same = (np.diff(passages.task[order]) == 0) & (np.diff(passages.batch[order]) == 0)
    overlap = same & (passages.start_s[order][1:] < passages.end_s[order][:-1] - TIME_TOLERANCE_S)
    if overlap.any():
        broken.append(f"law 4: {int(overlap.sum())} mini-batches were in two places at once")
    return broken


def _one_at_a_time(servers: Sequence[Server], passages: Passages) -> list[str]:
    if not len(passages):
        return []
    order = np.lexsort((passages.start_s, passages.place))
    same = np.diff(passages.place[order]) == 0
    overlap = same & (passages.start_s[order][1:] < passages.end_s[order][:-1] - TIME_TOLERANCE_S)
    names = {servers[int(place)].name for place in np.unique(passages.place[order][1:][overlap])}
    return [f"law 5: {', '.join(sorted(names))} served two mini-batches at once"] if names else []


def _not_busier_than_time(servers: Sequence[Server], start_s: float, end_s: float) -> list[str]:
    span_s = end_s - start_s
    return [
        f"law 6: {server.name} was busy for {server.busy_s:.9g} s of {span_s:.9g} s"
        for server in servers
        if server.busy_s > span_s + TIME_TOLERANCE_S
    ]
