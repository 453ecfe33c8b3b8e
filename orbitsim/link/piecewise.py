"""Piecewise-constant functions of time as plain arrays: normal form, segments with gaps, the step grid."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class StepParts(NamedTuple):
    """Windows cut at the boundaries of a step grid; all four arrays have shape (n_parts,), in order of time per window.

    Attributes
    ----------
    starts_s, ends_s : ndarray of float
        Ends of each part. [s]
    middles_s : ndarray of float
        Middle of each part, where a rate that is constant within a step is sampled. [s]
    window : ndarray of int
        Index of the window that each part belongs to.
    """

    starts_s: FloatArray
    ends_s: FloatArray
    middles_s: FloatArray
    window: IntArray


def checked_windows(starts_s: ArrayLike, ends_s: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return windows as two float arrays after checking that they are ordered, disjoint and not empty.

    Parameters
    ----------
    starts_s, ends_s : array_like, shape (n,)
        Ends of each window; a window may begin where the one before it ends. Only the last end may be infinite. [s]

    Returns
    -------
    starts_s, ends_s : ndarray of float, shape (n,)
        The same windows. [s]

    Raises
    ------
    ValueError
        If shapes differ, a start is not finite, a window is empty or reversed, or a window begins before the end of
        the one before it.
    """
    starts = np.atleast_1d(np.asarray(starts_s, dtype=np.float64))
    ends = np.atleast_1d(np.asarray(ends_s, dtype=np.float64))
    if starts.ndim != 1 or starts.shape != ends.shape:
        raise ValueError(f"starts_s and ends_s must be equally long vectors, not {starts.shape} and {ends.shape}")
    if not np.isfinite(starts).all():
        raise ValueError("every window must start at a finite time")
    if not (ends > starts).all():
        bad = int(np.flatnonzero(~(ends > starts))[0])
        raise ValueError(f"window {bad} must end after it starts, not run from {starts[bad]} s to {ends[bad]} s")
    if not (starts[1:] >= ends[:-1]).all():
        bad = int(np.flatnonzero(~(starts[1:] >= ends[:-1]))[0])
        raise ValueError(f"window {bad + 1} starts at {starts[bad + 1]} s, before window {bad} ends at {ends[bad]} s")
    return starts, ends


def normal_form(edges_s: FloatArray, rates_bps: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Merge equal neighbours and drop zero rates at both ends, so that equal functions have equal arrays.

    Parameters
    ----------
    edges_s : ndarray of float, shape (n + 1,)
        Strictly increasing edges. [s]
    rates_bps : ndarray of float, shape (n,)
        Value between neighbouring edges. [bit/s]

    Returns
    -------
    edges_s, rates_bps : ndarray of float, shapes (m + 1,) and (m,)
        The normal form; the zero function is one edge at 0 and no rate.
    """
    open_segments = np.flatnonzero(rates_bps)
    if open_segments.size == 0:
        return np.zeros(1), np.zeros(0)
    first, last = int(open_segments[0]), int(open_segments[-1])
    edges, rates = edges_s[first : last + 2], rates_bps[first : last + 1]
    changes = np.concatenate(([True], rates[1:] != rates[:-1]))
    # Adding 0.0 turns -0.0 into 0.0: both are the same time and must give the same bytes and hash.
    return np.append(edges[:-1][changes], edges[-1]) + 0.0, rates[changes] + 0.0


def join_segments(starts_s: ArrayLike, ends_s: ArrayLike, values: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Turn disjoint segments, each with a value, into edges and values, with 0 in the gaps.

    Parameters
    ----------
    starts_s, ends_s : array_like, shape (n,)
        Ends of each segment, in order (see `checked_windows`). [s]
    values : array_like, broadcastable to shape (n,)
        Value of each segment.

    Returns
    -------
    edges_s, values : ndarray of float, shapes (m + 1,) and (m,)
        One edge at 0 and no value if there is no segment.
    """
    starts, ends = checked_windows(starts_s, ends_s)
    held = np.broadcast_to(np.asarray(values, dtype=np.float64), starts.shape)
    if starts.size == 0:
        return np.zeros(1), np.zeros(0)
    edges = np.column_stack((starts, ends)).ravel()
    interleaved = np.column_stack((held, np.zeros_like(held))).ravel()[:-1]
    kept = np.concatenate((edges[1:] > edges[:-1], [True]))  # a gap of no length is no segment
    return edges[kept], interleaved[kept[:-1]]


def value_at(edges_s: FloatArray, rates_bps: FloatArray, t_s: FloatArray) -> FloatArray:
    """Value of a piecewise-constant function at `t_s` (any shape), 0 outside; at an edge the later segment counts."""
    padded = np.concatenate(([0.0], rates_bps, [0.0]))
    held: FloatArray = padded[np.searchsorted(edges_s, t_s, side="right")]
    return held


def step_parts(starts_s: ArrayLike, ends_s: ArrayLike, step_s: float) -> StepParts:
    """Cut windows at the multiples of `step_s`, so that a rate can be held constant within each step.

    The grid is aligned to t = 0, the scenario's epoch. A window's first and last part are shorter than a step unless
    the window begins and ends on the grid; no part is empty.

    Parameters
    ----------
    starts_s, ends_s : array_like, shape (n,)
        Ends of each window, finite, each end after its start. Windows need not be ordered or disjoint: those of many
        links can be cut in one call. [s]
    step_s : float
        Length of a step, positive. [s]

    Returns
    -------
    StepParts
        The parts, window by window.

    Raises
    ------
    ValueError
        If the step is not positive and finite, or a window is empty, reversed or not finite.
    """
    starts = np.atleast_1d(np.asarray(starts_s, dtype=np.float64))
    ends = np.atleast_1d(np.asarray(ends_s, dtype=np.float64))
    if not (np.isfinite(step_s) and step_s > 0.0):
        raise ValueError(f"step_s must be positive and finite, not {step_s}")
    if starts.ndim != 1 or starts.shape != ends.shape:
        raise ValueError(f"starts_s and ends_s must be equally long vectors, not {starts.shape} and {ends.shape}")
    if not (np.isfinite(starts).all() and np.isfinite(ends).all() and (ends > starts).all()):
        raise ValueError("windows to be cut into steps must be finite and end after they start")

    # Boundaries strictly inside a window are k step_s for first <= k <= last. The quotient is rounded, the product is
    # what the boundary will be: compare the product, so that no part of zero or negative length can arise.
    first = np.floor(starts / step_s) + 1.0
    first += first * step_s <= starts
    first -= (first - 1.0) * step_s > starts
    last = np.ceil(ends / step_s) - 1.0
    last -= last * step_s >= ends
    last += (last + 1.0) * step_s < ends
    n_parts = np.maximum(last - first + 1.0, 0.0).astype(np.int64) + 1

    window = np.repeat(np.arange(starts.size, dtype=np.int64), n_parts)
    begin = np.cumsum(n_parts) - n_parts
    ordinal = np.arange(window.size, dtype=np.int64) - begin[window]
    boundary = (first[window] + ordinal) * step_s  # the end of part number `ordinal`, except for the last one
    part_ends = np.where(ordinal == n_parts[window] - 1, ends[window], boundary)
    part_starts = np.where(ordinal == 0, starts[window], boundary - step_s)
    part_starts[1:] = np.where(ordinal[1:] == 0, part_starts[1:], part_ends[:-1])  # neighbours share the very same edge
    return StepParts(part_starts, part_ends, 0.5 * (part_starts + part_ends), window)
