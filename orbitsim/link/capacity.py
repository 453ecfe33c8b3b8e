"""What a link can carry over time: a piecewise-constant rate, its exact integral and the inverse of that."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from orbitsim.link.integral import RateIntegral
from orbitsim.link.piecewise import FloatArray, checked_windows, join_segments, normal_form, step_parts, value_at


@dataclass(frozen=True, eq=False, repr=False)
class CapacityCurve:
    """Rate of a link as a piecewise-constant function of time, zero outside its edges.

    The curve keeps its normal form: equal neighbours are merged, zero rates at both ends dropped, so that two curves
    are equal exactly if they give the same rate at all times. Windows are half open: at an edge the later segment
    counts. All queries broadcast over arrays; `finish_at` and `closed_seconds_between` are the same functions for
    single transfers in plain floats, for event loops, and return the same bits as the vectorised ones.

    Parameters
    ----------
    edges_s : array_like, shape (n + 1,)
        Strictly increasing times between which the rate is constant; the last may be infinite. [s]
    rates_bps : array_like, shape (n,)
        Rate between neighbouring edges, finite, not negative. [bit/s]

    Raises
    ------
    ValueError
        If shapes do not match, edges do not increase, or a rate is negative or not finite.

    Notes
    -----
    Accuracy. The cumulative integral is kept as an unevaluated sum of two doubles, so differences of it keep full
    relative precision however much was carried before (a day at 100 Gbit/s is 8.6e15 bit, whose spacing as one double
    is 1 bit). `integral_bits` is accurate to about 1e-15 relative. `finish_s` is backward stable: it is the exact
    finish, rounded to a double, of a transfer whose size differs by about 1e-15 relative or by what the link carries in
    4 units in the last place of the time (6e-11 s after a day), whichever is more. A transfer that fits in the segment
    in which it starts ends at ``start + 8 n / rate``: no integral is involved.
    """

    edges_s: FloatArray
    rates_bps: FloatArray

    def __post_init__(self) -> None:
        edges = np.asarray(self.edges_s, dtype=np.float64)
        rates = np.asarray(self.rates_bps, dtype=np.float64)
        if edges.ndim != 1 or rates.ndim != 1 or edges.size != rates.size + 1:
            raise ValueError(f"edges_s must be one longer than rates_bps, not {edges.shape} and {rates.shape}")
        if not (np.isfinite(edges[:-1]).all() and (np.isfinite(edges[-1]) or (edges[-1] == np.inf and rates.size))):
            raise ValueError("edges_s must be finite, except for the last one, which may be +inf")
        if not (edges[1:] > edges[:-1]).all():
            raise ValueError("edges_s must be strictly increasing")
        if not (np.isfinite(rates).all() and (rates >= 0.0).all()):
            raise ValueError("rates_bps must be finite and not negative")
        edges, rates = normal_form(edges, rates)
        edges.flags.writeable = rates.flags.writeable = False
        object.__setattr__(self, "edges_s", edges)
        object.__setattr__(self, "rates_bps", rates)

    # -- construction --------------------------------------------------------------------------------------------

    @classmethod
    def constant(cls, rate_bps: float, start_s: float = 0.0, end_s: float = math.inf) -> CapacityCurve:
        """Link open from `start_s` to `end_s` [s] at one rate [bit/s]."""
        return cls(np.array([start_s, end_s]), np.array([rate_bps]))

    @classmethod
    def from_windows(cls, starts_s: ArrayLike, ends_s: ArrayLike, rate_bps: ArrayLike) -> CapacityCurve:
        """Link open during disjoint, ordered windows.

        Parameters
        ----------
        starts_s, ends_s : array_like, shape (n,)
            Ends of the windows; n may be 0. A window may begin where the one before it ends. [s]
        rate_bps : array_like, scalar or shape (n,)
            Rate within each window. [bit/s]

        Returns
        -------
        CapacityCurve
            Zero between the windows.

        Raises
        ------
        ValueError
            If a window is empty, reversed, overlaps the one before it, or a rate is not valid.
        """
        return cls(*join_segments(starts_s, ends_s, rate_bps))

    @classmethod
    def from_steps(
        cls, starts_s: ArrayLike, ends_s: ArrayLike, step_s: float, rate_bps: Callable[[FloatArray], ArrayLike]
    ) -> CapacityCurve:
        """Sample a rate on a step grid aligned to t = 0 and clip it to windows.

        Parameters
        ----------
        starts_s, ends_s : array_like, shape (n,)
            Ends of disjoint, ordered, finite windows. [s]
        step_s : float
            Step within which the rate is held constant. [s]
        rate_bps : callable
            Rate at each of an array of times; called once, with the middle of every part of a step that lies inside a
            window. [s] -> [bit/s]

        Returns
        -------
        CapacityCurve
            Zero between the windows.

        Raises
        ------
        ValueError
            If the windows, the step or a returned rate is not valid.
        """
        starts, ends = checked_windows(starts_s, ends_s)
        parts = step_parts(starts, ends, step_s)
        return cls.from_windows(parts.starts_s, parts.ends_s, rate_bps(parts.middles_s))

    @classmethod
    def concatenate(cls, curves: Iterable[CapacityCurve]) -> CapacityCurve:
        """Join curves that follow one another in time without overlap; the rate is zero in the gaps.

        Raises
        ------
        ValueError
            If a curve begins before the one before it ends.
        """
        parts = [curve for curve in curves if curve.rates_bps.size]
        if not parts:
            return cls(np.zeros(1), np.zeros(0))
        for earlier, later in pairwise(parts):
            if not later.edges_s[0] >= earlier.edges_s[-1]:
                raise ValueError(f"a curve begins at {later.edges_s[0]} s, before the end at {earlier.edges_s[-1]} s")
        return cls.from_windows(
            np.concatenate([curve.edges_s[:-1] for curve in parts]),
            np.concatenate([curve.edges_s[1:] for curve in parts]),
            np.concatenate([curve.rates_bps for curve in parts]),
        )

    # -- operations ----------------------------------------------------------------------------------------------

    @staticmethod
    def minimum(a: CapacityCurve, b: CapacityCurve) -> CapacityCurve:
        """Lower of two rates at every time: what both links can carry at once."""
        edges = np.union1d(a.edges_s, b.edges_s)
        return CapacityCurve(edges, np.minimum(a.rate_at(edges[:-1]), b.rate_at(edges[:-1])))

    def scaled(self, factor: float) -> CapacityCurve:
        """Multiply every rate by `factor`, finite and not negative (protocol overhead, a share of the link)."""
        if not (math.isfinite(factor) and factor >= 0.0):
            raise ValueError(f"factor must be finite and not negative, not {factor}")
        return CapacityCurve(self.edges_s, self.rates_bps * factor)

    def clipped(self, start_s: float, end_s: float) -> CapacityCurve:
        """Set the rate to zero outside ``[start_s, end_s)`` [s]."""
        if not start_s <= end_s:
            raise ValueError(f"start_s must not exceed end_s, not {start_s} and {end_s}")
        edges = np.clip(self.edges_s, start_s, end_s)
        kept = edges[1:] > edges[:-1]
        if not kept.any():
            return CapacityCurve(np.zeros(1), np.zeros(0))
        return CapacityCurve(np.append(edges[:-1][kept], edges[1:][kept][-1]), self.rates_bps[kept])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CapacityCurve):
            return NotImplemented
        return np.array_equal(self.edges_s, other.edges_s) and np.array_equal(self.rates_bps, other.rates_bps)

    def __hash__(self) -> int:
        return hash((self.edges_s.tobytes(), self.rates_bps.tobytes()))

    def __repr__(self) -> str:
        if not self.rates_bps.size:
            return "CapacityCurve(never open)"
        return (
            f"CapacityCurve({self.rates_bps.size} segments, {self.edges_s[0]:g} s to {self.edges_s[-1]:g} s, "
            f"{self.rates_bps.min():g} to {self.rates_bps.max():g} bit/s)"
        )

    # -- rate and windows ----------------------------------------------------------------------------------------

    def rate_at(self, t_s: ArrayLike) -> FloatArray:
        """Return the rate [bit/s] at each time of `t_s` [s]; at an edge, that of the segment which begins there."""
        return value_at(self.edges_s, self.rates_bps, np.asarray(t_s, dtype=np.float64))

    def windows(self) -> tuple[FloatArray, FloatArray]:
        """Return starts and ends [s], shape (n_windows,) each, of the maximal intervals with a positive rate."""
        return self._windows[0].copy(), self._windows[1].copy()

    def next_open_s(self, t_s: ArrayLike) -> FloatArray:
        """Return the earliest time [s] at or after `t_s` [s] at which the link is open; inf if it never is again."""
        t = np.asarray(t_s, dtype=np.float64)
        starts, ends = self._windows
        following = np.append(starts, np.inf)
        opens: FloatArray = np.maximum(t, following[np.searchsorted(ends, t, side="right")])
        return opens

    def open_seconds(self, t0_s: ArrayLike, t1_s: ArrayLike) -> FloatArray:
        """Return the time [s] between `t0_s` and `t1_s` [s], not before it, with a positive rate; broadcasts."""
        return self._indicator.integral_bits(t0_s, t1_s)

    def closed_seconds(self, t0_s: ArrayLike, t1_s: ArrayLike) -> FloatArray:
        """Return the time [s] between `t0_s` and `t1_s` [s], finite, not before it, with rate zero; broadcasts."""
        t0, t1 = _ordered(t0_s, t1_s)
        if not (t1 < np.inf).all():
            raise ValueError("t1_s must be finite")
        starts, ends, gaps = self._outages
        a, b = np.searchsorted(ends, t0, side="right"), np.searchsorted(ends, t1, side="right")
        within = np.minimum(t1, starts[b]) - np.minimum(t0, starts[a])
        across = np.maximum(starts[a] - t0, 0.0) + (gaps[b - 1] - gaps[a])
        across = across + (np.minimum(t1, starts[b]) - np.append(-np.inf, ends)[b])
        closed: FloatArray = np.where(a == b, within, across)
        return closed

    def closed_seconds_between(self, t0_s: float, t1_s: float) -> float:
        """Scalar twin of `closed_seconds`, in plain floats."""
        if not t0_s <= t1_s < math.inf:
            raise ValueError(f"t1_s must be finite and not before t0_s, not {t1_s} s after {t0_s} s")
        starts, ends, gaps = self._outage_lists
        a, b = bisect_right(ends, t0_s), bisect_right(ends, t1_s)
        stop = min(t1_s, starts[b])
        if a == b:
            return stop - min(t0_s, starts[a])
        return max(starts[a] - t0_s, 0.0) + (gaps[b - 1] - gaps[a]) + (stop - ends[b - 1])

    # -- integral and inverses -----------------------------------------------------------------------------------

    def integral_bits(self, t0_s: ArrayLike, t1_s: ArrayLike) -> FloatArray:
        """Bits that the link carries between two times; broadcasts.

        Parameters
        ----------
        t0_s, t1_s : array_like
            Begin and end, `t1_s` not before `t0_s`. [s]

        Returns
        -------
        ndarray of float
            Integral of the rate. [bit]

        Raises
        ------
        ValueError
            If an interval is reversed or not a number.
        """
        return self._integral.bits(*_ordered(t0_s, t1_s))

    def finish_s(self, start_s: ArrayLike, n_bytes: ArrayLike) -> FloatArray:
        """Earliest time at which transfers have crossed the link, each alone on it; broadcasts.

        A transfer waits through outages and resumes. One that exactly fills a window ends at that window's end, not
        at the start of the next one; one of no bytes ends when it starts.

        Parameters
        ----------
        start_s : array_like
            Times at which the transfers begin, link open or not. [s]
        n_bytes : array_like
            Sizes, not negative. [byte]

        Returns
        -------
        ndarray of float
            Finish, never before the start; inf for a transfer that never completes. [s]

        Raises
        ------
        ValueError
            If a size is negative or not a number, or a start is not a number.
        """
        start, size = _transfers(start_s, n_bytes)
        return self._integral.finish(start, size)

    def finish_at(self, start_s: float, n_bytes: float) -> float:
        """Scalar twin of `finish_s`, in plain floats."""
        if not (n_bytes >= 0.0 and start_s == start_s):  # nan differs from itself
            raise ValueError(f"n_bytes must not be negative, and neither may be nan: {n_bytes} byte at {start_s} s")
        return self._integral.finish_at(start_s, n_bytes)

    def latest_start_s(self, finish_s: ArrayLike, n_bytes: ArrayLike) -> FloatArray:
        """Latest time at which transfers must begin to have crossed by `finish_s`; broadcasts.

        The mirror image of `finish_s`: ``finish_s(latest_start_s(t, n), n)`` is at most t, up to rounding.

        Parameters
        ----------
        finish_s : array_like
            Times by which the transfers must have crossed, finite. [s]
        n_bytes : array_like
            Sizes, not negative. [byte]

        Returns
        -------
        ndarray of float
            Latest start, never after the finish; -inf where no start is early enough. [s]

        Raises
        ------
        ValueError
            If a size is negative or not a number, or a finish is not finite.
        """
        finish, size = _transfers(finish_s, n_bytes)
        if not np.isfinite(finish).all():
            raise ValueError("finish_s must be finite")
        if not (self.rates_bps.size and finish.size):
            return -RateIntegral(np.zeros(1), np.zeros(0)).finish(-finish, size)
        last = max(float(finish.max()), float(self.edges_s[0]))
        before = self.clipped(float(self.edges_s[0]), last)
        return -RateIntegral(-before.edges_s[::-1], before.rates_bps[::-1]).finish(-finish, size)

    # -- what is derived once ------------------------------------------------------------------------------------

    def __reduce__(self) -> tuple[type[CapacityCurve], tuple[FloatArray, FloatArray]]:
        return CapacityCurve, (self.edges_s, self.rates_bps)

    @cached_property
    def _integral(self) -> RateIntegral:
        return RateIntegral(self.edges_s, self.rates_bps)

    @cached_property
    def _windows(self) -> tuple[FloatArray, FloatArray]:
        is_open = np.concatenate(([False], self.rates_bps > 0.0, [False]))
        return self.edges_s[is_open[1:] & ~is_open[:-1]], self.edges_s[is_open[:-1] & ~is_open[1:]]

    @cached_property
    def _indicator(self) -> CapacityCurve:
        """Curve of 1 bit/s while the link is open: its integral is open time."""
        return CapacityCurve.from_windows(*self._windows, 1.0)

    @cached_property
    def _outages(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Window starts (one more at inf), ends, and closed time between the first window and each one (one more)."""
        starts, ends = self._windows
        gaps = np.concatenate(([0.0], np.cumsum(starts[1:] - ends[:-1]), [0.0]))
        return np.append(starts, np.inf), ends, gaps

    @cached_property
    def _outage_lists(self) -> tuple[list[float], list[float], list[float]]:
        starts, ends, gaps = self._outages
        return starts.tolist(), ends.tolist(), gaps.tolist()


def _ordered(t0_s: ArrayLike, t1_s: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Check that no interval is reversed and return both ends as arrays."""
    t0, t1 = np.asarray(t0_s, dtype=np.float64), np.asarray(t1_s, dtype=np.float64)
    if not (t0 <= t1).all():
        raise ValueError("t0_s must not exceed t1_s, and neither may be nan")
    return t0, t1


def _transfers(t_s: ArrayLike, n_bytes: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Check times and sizes of transfers and return them as arrays."""
    t, size = np.asarray(t_s, dtype=np.float64), np.asarray(n_bytes, dtype=np.float64)
    if not (size >= 0.0).all() or np.isnan(t).any():
        raise ValueError("n_bytes must not be negative, and neither n_bytes nor the time may be nan")
    return t, size
