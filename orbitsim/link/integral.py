"""Exact cumulative integral of a piecewise-constant rate and its inverse, vectorised and for single transfers."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from orbitsim.constants import BITS_PER_BYTE
from orbitsim.link.piecewise import FloatArray

# A transfer may exceed what is left of a segment by this share of its own size and still end at the segment's edge:
# without it, rounding would push the last 1e-15 of a transfer that exactly fills a window behind the next outage.
FIT_TOLERANCE = 2.0**-50


class RateIntegral:
    """Cumulative integral of a rate in the normal form of `orbitsim.link.piecewise.normal_form`.

    The integral up to each edge is an unevaluated sum of two doubles (`high` the rounded running sum, `low` the sum of
    its rounding errors), so a difference keeps its relative precision however much was carried before it.

    Parameters
    ----------
    edges_s : ndarray of float, shape (n + 1,)
        Strictly increasing edges, the last may be infinite. [s]
    rates_bps : ndarray of float, shape (n,)
        Rates, not negative; the last one is positive. [bit/s]
    """

    def __init__(self, edges_s: FloatArray, rates_bps: FloatArray) -> None:
        self.edges_s, self.rates_bps = edges_s, rates_bps
        segment = rates_bps * np.diff(edges_s)
        high = np.concatenate(([0.0], np.cumsum(segment)))
        with np.errstate(invalid="ignore"):  # inf - inf, where the last segment never ends
            # Knuth's two-sum: the exact rounding error of each addition (TAOCP vol. 2, section 4.2.2, theorem B).
            added = high[1:] - high[:-1]
            errors = (high[:-1] - (high[1:] - added)) + (segment - added)
        self._high = high
        self._low = np.concatenate(([0.0], np.cumsum(np.where(np.isfinite(high[1:]), errors, 0.0))))

    def __reduce__(self) -> tuple[type[RateIntegral], tuple[FloatArray, FloatArray]]:
        return RateIntegral, (self.edges_s, self.rates_bps)

    def _between_edges(self, i: NDArray[np.intp], j: NDArray[np.intp]) -> FloatArray:
        """Bits carried between edge numbers `i` and `j`, i <= j."""
        bits: FloatArray = (self._high[j] - self._high[i]) + (self._low[j] - self._low[i])
        return bits

    def bits(self, t0_s: FloatArray, t1_s: FloatArray) -> FloatArray:
        """Integral [bit] of the rate between `t0_s` and `t1_s` >= `t0_s` [s], broadcasting."""
        edges, rates, n = self.edges_s, self.rates_bps, self.rates_bps.size
        if n == 0:
            return np.zeros(np.broadcast_shapes(t0_s.shape, t1_s.shape))
        t0, t1 = np.clip(t0_s, edges[0], edges[-1]), np.clip(t1_s, edges[0], edges[-1])
        i = np.minimum(np.searchsorted(edges, t0, side="right") - 1, n - 1)
        j = np.minimum(np.searchsorted(edges, t1, side="right") - 1, n - 1)
        with np.errstate(invalid="ignore"):  # inf - inf, in the branch that is not taken
            inside = np.where(t1 > t0, t1 - t0, 0.0) * rates[j]
            across = (edges[i + 1] - t0) * rates[i] + self._between_edges(np.minimum(i + 1, j), j)
            across = across + (t1 - edges[j]) * rates[j]
        bits: FloatArray = np.where(i == j, inside, across)
        return bits

    def finish(self, start_s: FloatArray, n_bytes: FloatArray) -> FloatArray:
        """Finish [s] of transfers of `n_bytes` >= 0 that set out at `start_s` [s], broadcasting; inf for never."""
        start, n_bits = np.broadcast_arrays(start_s, n_bytes * BITS_PER_BYTE)
        edges, n = self.edges_s, self.rates_bps.size
        finish = np.where(n_bits == 0.0, start, np.inf)
        if n == 0:
            return finish
        # Segment in which each transfer starts: -1 before the first edge, n from the last one on; both have rate 0.
        i = np.searchsorted(edges, start, side="right") - 1
        rate = np.append(self.rates_bps, 0.0)[i]
        edge = np.append(edges, np.inf)[i + 1]
        needed = n_bits * (1.0 - FIT_TOLERANCE)
        with np.errstate(invalid="ignore", divide="ignore"):  # x / 0 and inf * 0, in the branches that are not taken
            head = np.where(rate > 0.0, (edge - start) * rate, 0.0)
            fits = (n_bits > 0.0) & (rate > 0.0) & (needed <= head)
            finish = np.where(fits, np.minimum(start + n_bits / rate, edge), finish)
        later = (n_bits > 0.0) & ~fits & (i < n - 1)
        if later.any():
            remaining = n_bits[later] - head[later]
            finish[later] = self._finish_from_edge(i[later] + 1, remaining, needed[later] - head[later])
        return finish

    def _finish_from_edge(self, base: NDArray[np.intp], remaining: FloatArray, needed: FloatArray) -> FloatArray:
        """Finish of `remaining` bits that set out at edge number `base`; `needed` of them choose the segment."""
        edges, n = self.edges_s, self.rates_bps.size
        # The sum is rounded, so the search may miss by a few edges: move until the exact difference agrees.
        stop = np.searchsorted(self._high, self._high[base] + needed, side="left")
        stop = np.clip(stop, base + 1, n + 1)
        while (short := (stop <= n) & (self._between_edges(base, np.minimum(stop, n)) < needed)).any():
            stop = stop + short
        while (beyond := (stop > base + 1) & (self._between_edges(base, stop - 1) >= needed)).any():
            stop = stop - beyond
        j = np.minimum(stop, n) - 1
        with np.errstate(invalid="ignore", divide="ignore"):
            t = edges[j] + (remaining - self._between_edges(base, np.maximum(j, base))) / self.rates_bps[j]
        finish: FloatArray = np.where(stop <= n, np.minimum(t, edges[j + 1]), np.inf)
        return finish

    @cached_property
    def _lists(self) -> tuple[list[float], list[float], list[float], list[float], int]:
        """Edges, rates and both parts of the integral as lists, far faster than arrays for one element at a time."""
        # The rate 0 appended serves both i = n and i = -1, the edge inf appended i = n.
        return (
            [*self.edges_s.tolist(), math.inf],
            [*self.rates_bps.tolist(), 0.0],
            self._high.tolist(),
            self._low.tolist(),
            self.rates_bps.size,
        )

    def finish_at(self, start_s: float, n_bytes: float) -> float:
        """Scalar twin of `finish`: the same operations in the same order, so the same bits."""
        if n_bytes == 0.0:
            return start_s
        edges, rates, high, low, n = self._lists
        n_bits = n_bytes * BITS_PER_BYTE
        needed = n_bits * (1.0 - FIT_TOLERANCE)
        i = bisect_right(edges, start_s, 0, n + 1) - 1
        rate = rates[i]
        head = 0.0
        if rate > 0.0:
            edge = edges[i + 1]
            head = (edge - start_s) * rate
            if needed <= head:
                finish_s = start_s + n_bits / rate
                return min(finish_s, edge)
        if i >= n - 1:
            return math.inf
        base = i + 1
        needed -= head
        h0, l0 = high[base], low[base]
        stop = bisect_left(high, h0 + needed, base + 1)
        while stop <= n and (high[stop] - h0) + (low[stop] - l0) < needed:
            stop += 1
        while stop > base + 1 and (high[stop - 1] - h0) + (low[stop - 1] - l0) >= needed:
            stop -= 1
        if stop > n:
            return math.inf
        j = stop - 1
        finish_s = edges[j] + ((n_bits - head) - ((high[j] - h0) + (low[j] - l0))) / rates[j]
        edge = edges[stop]
        return min(finish_s, edge)
