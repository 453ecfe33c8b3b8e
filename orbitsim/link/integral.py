"""Exact cumulative integral of a piecewise-constant rate and its inverse, vectorised and for single transfers."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from orbitsim.constants import BITS_PER_BYTE
from orbitsim.link.piecewise import FloatArray

# Rounding must not push the last 1e-15 of a transfer that exactly fills a window behind the next outage. What a window
# fails to carry counts as carried if it is below this share of the transfer, or below what the link carries in so many
# units in the last place of the window's end: times are not known better than that.
FIT_SHARE = 2.0**-50
FIT_ULPS = 4.0


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
        with np.errstate(invalid="ignore", divide="ignore"):  # x / 0 and inf * 0, in the branches that are not taken
            head = np.where(rate > 0.0, (edge - start) * rate, 0.0)
            fits = (n_bits > 0.0) & (rate > 0.0) & (n_bits <= head)
            finish = np.where(fits, np.minimum(start + n_bits / rate, edge), finish)
        later = (n_bits > 0.0) & ~fits & (i < n)
        if later.any():
            finish[later] = self._finish_from_edge(i[later] + 1, n_bits[later] - head[later], n_bits[later])
        return finish

    def _finish_from_edge(self, base: NDArray[np.intp], remaining: FloatArray, n_bits: FloatArray) -> FloatArray:
        """Finish of transfers of `n_bits`, of which `remaining` set out at edge number `base`."""
        edges, rates, n = self.edges_s, self.rates_bps, self.rates_bps.size
        # The first edge by which all has crossed. The sum is rounded, so the search may miss by a few edges: move until
        # the exact difference agrees.
        stop = np.searchsorted(self._high, self._high[base] + remaining, side="left")
        stop = np.clip(stop, base + 1, n + 1)
        while (short := (stop <= n) & (self._between_edges(base, np.minimum(stop, n)) < remaining)).any():
            stop = stop + short
        while (beyond := (stop > base + 1) & (self._between_edges(base, stop - 1) >= remaining)).any():
            stop = stop - beyond
        never = stop > n
        j = stop - 1  # the segment in which the transfer ends; n if it never does
        excess = remaining - self._between_edges(base, np.maximum(j, base))
        inside = np.minimum(j, n - 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            t = np.minimum(edges[inside] + excess / rates[inside], edges[inside + 1])
        # The window before the outage that the transfer waits through (or before the end of everything).
        window = np.where(never, n - 1, np.maximum(j - 2, 0))
        waits = never | ((j > base) & (rates[np.maximum(j - 1, 0)] == 0.0))
        window_end = edges[window + 1]
        with np.errstate(invalid="ignore"):
            slack = n_bits * FIT_SHARE + rates[window] * (FIT_ULPS * np.spacing(np.abs(window_end)))
        finish: FloatArray = np.where(waits & (excess < slack), window_end, np.where(never, np.inf, t))
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
        i = bisect_right(edges, start_s, 0, n + 1) - 1
        rate = rates[i]
        head = 0.0
        if rate > 0.0:
            edge = edges[i + 1]
            head = (edge - start_s) * rate
            if n_bits <= head:
                return min(start_s + n_bits / rate, edge)
        if i >= n:
            return math.inf
        base = i + 1
        remaining = n_bits - head
        h0, l0 = high[base], low[base]
        stop = max(bisect_left(high, h0 + remaining, base), base + 1)
        while stop <= n and (high[stop] - h0) + (low[stop] - l0) < remaining:
            stop += 1
        while stop > base + 1 and (high[stop - 1] - h0) + (low[stop - 1] - l0) >= remaining:
            stop -= 1
        j = stop - 1
        never = stop > n
        excess = remaining - ((high[max(j, base)] - h0) + (low[max(j, base)] - l0))
        if never:
            window = n - 1
        elif j > base and rates[j - 1] == 0.0:
            window = j - 2
        else:
            return min(edges[j] + excess / rates[j], edges[stop])
        window_end = edges[window + 1]
        if excess < n_bits * FIT_SHARE + rates[window] * (FIT_ULPS * math.ulp(window_end)):
            return window_end
        return math.inf if never else min(edges[j] + excess / rates[j], edges[stop])
