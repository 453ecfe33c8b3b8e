"""The (max,+) recursion of a FIFO server, for whole runs of mini-batches at once: pure numpy.

A server that takes one mini-batch at a time, in order of arrival, obeys

    start[i] = max(arrival[i], end[i - 1]),        end[i] = start[i] + seconds[i],

and a link the same recursion in its work domain, W(t) the integral of its rate [bit] from the beginning to t:

    W(end[i]) = max(W(arrival[i]), W(end[i - 1])) + 8 n_bytes[i],        end[i] = inverse of W.

Both are solved period by period: within a busy period of a server, and on a link within a segment of constant rate,
the recursion is a cumulative sum. Where periods begin is found with a running maximum and then checked: what is
returned satisfies the recursion to the last bit, so an event loop that adds the same numbers gets the same times.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from orbitsim.constants import BITS_PER_BYTE
from orbitsim.link.capacity import CapacityCurve

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_MEAN_PERIOD = 8  # mini-batches; with shorter busy periods a plain loop is faster than one call for each
_SHORTEST_SUM = 24  # mini-batches that are worth a cumulative sum on a link, rather than one at a time


def fifo(arrival_s: FloatArray, seconds: FloatArray | float, free_s: float) -> tuple[FloatArray, FloatArray]:
    """Serve mini-batches that each occupy a server for a known time.

    Parameters
    ----------
    arrival_s : (n,) array
        Arrivals, in order of service. [s]
    seconds : (n,) array or float
        Time that each takes, not negative. [s]
    free_s : float
        When the server is free first. [s]

    Returns
    -------
    start_s, end_s : (n,) array
        Begin and end of each service: the recursion's solution, with the rounding of one addition for each. [s]
    """
    n = len(arrival_s)
    if n == 0:
        return arrival_s, arrival_s
    ready_s = arrival_s
    if not arrival_s[0] >= free_s:
        ready_s = arrival_s.copy()
        ready_s[0] = free_s
    end_s = ready_s + seconds
    if (ready_s[1:] >= end_s[:-1]).all():  # nobody ever waits
        return ready_s, end_s
    each_s = np.broadcast_to(np.asarray(seconds, dtype=np.float64), (n,))
    end_s = _sum_from(float(ready_s[0]), each_s)
    if not (ready_s[1:] <= end_s[:-1]).all():  # not one busy period
        begins = _periods(ready_s, each_s)
        if len(begins) * _MEAN_PERIOD > n:
            end_s = _one_by_one(ready_s, each_s)
        else:
            for first, stop in zip(begins, [*begins[1:], n], strict=True):
                end_s[first:stop] = _sum_from(float(ready_s[first]), each_s[first:stop])
            if not _solves(ready_s, each_s, end_s):
                end_s = _one_by_one(ready_s, each_s)
    start_s = ready_s.copy()
    np.maximum(ready_s[1:], end_s[:-1], out=start_s[1:])
    return start_s, end_s


def _sum_from(start_s: float, seconds: FloatArray) -> FloatArray:
    """Return the ends of services without a pause in between; `accumulate` adds one after the other."""
    terms = np.empty(len(seconds) + 1)
    terms[0] = start_s
    terms[1:] = seconds
    ends: FloatArray = np.add.accumulate(terms, out=terms)[1:]
    return ends


def _periods(ready_s: FloatArray, seconds: FloatArray) -> list[int]:
    """Return where busy periods begin: end[i] = D[i] + max of (ready[j] - D[j - 1]) over j <= i, D sums of times."""
    sums = np.cumsum(seconds)
    lead = ready_s - (sums - seconds)
    before = np.maximum.accumulate(lead)
    begins = np.flatnonzero(lead[1:] >= before[:-1]) + 1
    return [0, *begins.tolist()]


def _solves(ready_s: FloatArray, seconds: FloatArray, end_s: FloatArray) -> bool:
    return bool((np.maximum(ready_s[1:], end_s[:-1]) + seconds[1:] == end_s[1:]).all())


def _one_by_one(ready_s: FloatArray, seconds: FloatArray) -> FloatArray:
    ends: list[float] = []
    end = -math.inf
    for ready, each in zip(ready_s.tolist(), seconds.tolist(), strict=True):
        end = (ready if ready > end else end) + each  # noqa: FURB136 - twice as fast as a call of max
        ends.append(end)
    return np.array(ends)


def fifo_link(
    arrival_s: FloatArray, n_bytes: FloatArray | float, curve: CapacityCurve, free_s: float
) -> tuple[FloatArray, FloatArray]:
    """Send mini-batches over a link, one at a time.

    Parameters
    ----------
    arrival_s : (n,) array
        Arrivals at the transmitter, in order of service. [s]
    n_bytes : (n,) array or float
        Size of each, not negative. [B]
    curve : CapacityCurve
        Rate of the link; a transfer waits through outages and resumes.
    free_s : float
        When the transmitter is free first. [s]

    Returns
    -------
    turn_s, finish_s : (n,) array
        When it is each one's turn (the link may be closed then), and when it has crossed; infinite from the first one
        on that never does. [s]
    """
    n = len(arrival_s)
    if n == 0:
        return arrival_s, arrival_s
    rates = curve.rates_bps
    if len(rates) == 1 and curve.edges_s[1] == np.inf and max(free_s, arrival_s[0]) >= curve.edges_s[0]:
        return fifo(arrival_s, n_bytes * BITS_PER_BYTE / float(rates[0]), free_s)
    ready_s = arrival_s
    if not arrival_s[0] >= free_s:
        ready_s = arrival_s.copy()
        ready_s[0] = free_s
    sizes = np.broadcast_to(np.asarray(n_bytes, dtype=np.float64), (n,))
    finish_s = curve.finish_s(ready_s, sizes)
    if not (ready_s[1:] >= finish_s[:-1]).all():
        _queue(ready_s, sizes, curve, finish_s)
    turn_s = ready_s.copy()
    np.maximum(ready_s[1:], finish_s[:-1], out=turn_s[1:])
    return turn_s, finish_s


def _queue(ready_s: FloatArray, sizes: FloatArray, curve: CapacityCurve, finish_s: FloatArray) -> None:
    """Replace the finishes of transfers that would each have the link alone by those that wait for one another."""
    n = len(ready_s)
    edges, rates = curve.edges_s, curve.rates_bps
    # Those whose predecessor is not through even if it had the link alone; in front of the first of them nobody waits.
    waiting = np.flatnonzero(ready_s[1:] < finish_s[:-1]) + 1
    i = int(waiting[0])
    while i < n:
        free_s = float(finish_s[i - 1])
        if free_s == math.inf:
            finish_s[i:] = math.inf
            return
        turn_s = max(float(ready_s[i]), free_s)
        if turn_s > free_s or turn_s == ready_s[i]:
            # The link is idle here: finishes as if alone are right until the next one that has to wait.
            following = int(np.searchsorted(waiting, i, side="right"))
            i = int(waiting[following]) if following < len(waiting) else n
            continue
        segment = int(np.searchsorted(edges, turn_s, side="right")) - 1
        if 0 <= segment < len(rates) and rates[segment] > 0.0:
            edge_s, rate = float(edges[segment + 1]), float(rates[segment])
            stop = min(n, i + 1 + _at_most(sizes[i:], (edge_s - turn_s) * rate / BITS_PER_BYTE))
            if stop - i >= _SHORTEST_SUM:
                ends = fifo(ready_s[i:stop], sizes[i:stop] * BITS_PER_BYTE / rate, free_s)[1]
                n_inside = int(np.searchsorted(ends, edge_s, side="right"))
                # What begins at the edge or later, or crosses it, is another segment's.
                n_inside = min(n_inside, int(np.searchsorted(ready_s[i:stop], edge_s, side="left")))
                if n_inside:
                    finish_s[i : i + n_inside] = ends[:n_inside]
                    i += n_inside
                    continue
        finish_s[i] = curve.finish_at(turn_s, float(sizes[i]))
        i += 1


def _at_most(sizes: FloatArray, n_bytes: float) -> int:
    """Return a bound on how many of the next transfers fit into a number of bytes."""
    if n_bytes == math.inf:
        return len(sizes)
    smallest = float(sizes[: 1 << 16].min())
    if smallest <= 0.0 or len(sizes) <= _SHORTEST_SUM:
        return len(sizes)
    if len(sizes) > 1 << 16:
        return 1 << 16
    return min(len(sizes), int(n_bytes / smallest) + 1)
