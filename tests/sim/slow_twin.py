"""Plain, slow twins of the simulation: they share no code with it, walk rates segment by segment, and use no SimPy."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

Segments = Sequence[tuple[float, float, float]]
"""(start, end, rate in bit/s), in order, without overlap; closed elsewhere."""


def walk(segments: Segments, start_s: float, n_bytes: float) -> tuple[float, float]:
    """Return when the first bit leaves and when the last one does, one segment after the other."""
    left_bits = 8.0 * n_bytes
    first_s = math.inf
    for begin_s, end_s, rate_bps in segments:
        if end_s <= start_s or rate_bps == 0.0:
            continue
        t_s = max(begin_s, start_s)
        first_s = min(first_s, t_s)
        if left_bits <= (end_s - t_s) * rate_bps * (1.0 + 1e-15):
            return first_s, t_s + left_bits / rate_bps
        left_bits -= (end_s - t_s) * rate_bps
    return first_s, math.inf


def closed_between(segments: Segments, start_s: float, end_s: float) -> float:
    """Return the time between two moments in which nothing can cross."""
    opened = [max(0.0, min(end_s, e) - max(start_s, s)) for s, e, rate in segments if rate > 0.0]
    return (end_s - start_s) - math.fsum(opened)


@dataclass(frozen=True)
class Work:
    """One service: computing for some seconds, or sending bytes over segments and travelling."""

    seconds: float = 0.0
    n_bytes: float = 0.0
    segments: Segments | None = None
    delay_s: float = 0.0

    def span(self, start_s: float) -> tuple[float, float]:
        """Return the recorded start and the end of the service."""
        if self.segments is None:
            return start_s, start_s + self.seconds
        return walk(self.segments, start_s, self.n_bytes)


def tandem(stages: Sequence[Work], ready_s: Sequence[float], mode: str = "overlapped") -> np.ndarray:
    """Return starts and ends, shape (jobs, stages, 2), of jobs that pass all stages in order.

    The recurrence of a permutation flow shop: ``start[j, s] = max(arrival[j, s], end[j - 1, s])``. In mode
    ``"sequential"`` a computing stage and the sending stage after it are one machine, in ``"serial"`` everything is.
    """
    machine = list(range(len(stages)))
    if mode == "serial":
        machine = [0] * len(stages)
    if mode == "sequential":
        for s in range(1, len(stages)):
            if stages[s - 1].segments is None and stages[s].segments is not None:
                machine[s] = machine[s - 1]
    times = np.zeros((len(ready_s), len(stages), 2))
    free_s = dict.fromkeys(machine, -math.inf)
    for j, at_s in enumerate(ready_s):
        arrival_s = at_s
        for s, stage in enumerate(stages):
            held = s > 0 and machine[s] == machine[s - 1]
            begin_s = arrival_s if held else max(arrival_s, free_s[machine[s]])
            times[j, s] = stage.span(begin_s)
            arrival_s = times[j, s, 1] + stage.delay_s
            free_s[machine[s]] = arrival_s if mode == "serial" else times[j, s, 1]
    return times


@dataclass
class Job:
    """Something that passes machines in an order of its own: (machine, services held one after the other)."""

    ready_s: float
    route: list[tuple[str, list[Work]]]
    times: list[tuple[str, float, float]] = field(default_factory=list)
    done_s: float = math.nan


def fifo_network(jobs: Sequence[Job], *, hold_propagation: bool = False) -> None:
    """Run jobs through machines that serve in order of arrival; at equal times in order of the jobs.

    Arrivals are taken in order of time, so each machine meets them first in, first out, and its next free moment is
    all that there is to know about it.
    """
    order = itertools.count()
    arrivals = [(job.ready_s, next(order), job, 0) for job in jobs]
    heapq.heapify(arrivals)
    free_s: dict[str, float] = {}
    while arrivals:
        t_s, _, job, position = heapq.heappop(arrivals)
        if position == len(job.route):
            job.done_s = t_s
            continue
        machine, services = job.route[position]
        now_s = max(t_s, free_s.get(machine, -math.inf))
        for number, service in enumerate(services):
            start_s, end_s = service.span(now_s)
            job.times.append((machine, start_s, end_s))
            travels = hold_propagation or number + 1 < len(services)
            now_s = end_s + (service.delay_s if travels else 0.0)
        free_s[machine] = now_s
        arrival_s = now_s if hold_propagation else now_s + services[-1].delay_s
        if arrival_s < math.inf:
            heapq.heappush(arrivals, (arrival_s, next(order), job, position + 1))


def random_segments(
    rng: np.random.Generator, horizon_s: float, rate_bps: float, *, outages: bool = True, forever: bool = True
) -> list[tuple[float, float, float]]:
    """Draw a piecewise-constant rate; open for ever after the horizon unless told otherwise."""
    edges = np.unique(np.round(rng.uniform(0.0, horizon_s, rng.integers(1, 12)), rng.integers(0, 4)))
    edges = np.unique(np.concatenate(([0.0], edges[edges < horizon_s], [horizon_s])))
    rates = rate_bps * rng.uniform(0.2, 3.0, len(edges) - 1)
    if outages:
        rates[rng.random(len(rates)) < 0.4] = 0.0
    found = [(float(a), float(b), float(r)) for a, b, r in zip(edges[:-1], edges[1:], rates, strict=True)]
    return [*found, (horizon_s, math.inf, rate_bps)] if forever else found


Links = Callable[[int, int], Segments]
