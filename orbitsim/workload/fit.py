"""How long a part of a model takes, from its FLOP and the bytes it moves: a roofline with an overhead, and its fit.

The time of a part (embedding, block, head) on one mini-batch is

    t = n c + max(F / r, B / w),

with n launches of overhead c, F FLOP at rate r, and B bytes at bandwidth w: the roofline of Williams, Waterman and
Patterson (Communications of the ACM 52(4), 2009, section 3) behind a fixed cost. The three constants are found by
non-negative least squares of the relative residuals, with Huber's loss (Annals of Mathematical Statistics 35(1), 1964)
so that a disturbed row does not bend the rest. What the rows cannot tell apart is fixed, and named.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

OUTLIER = 0.1  # relative residual from which a row counts in proportion to its residual, no longer to its square
_SAME = 1e-6  # relative difference below which two amounts of work are one point
_MAX_REWEIGHTINGS = 100
_CONVERGED = 1e-12
_NEGLIGIBLE = 1e-9  # share of a row's time that is rounding


@dataclass(frozen=True, slots=True)
class TimeModel:
    """Overhead, rate and bandwidth that explain times of parts.

    Attributes
    ----------
    overhead_s : float
        Fixed cost of one launch. [s]
    s_per_flop : float
        Reciprocal of the rate; 0 where no row was limited by it. [s/FLOP]
    s_per_byte : float
        Reciprocal of the bandwidth; 0 where no row was limited by it. [s/B]
    n_rows : int
        Rows behind the fit.
    n_points : int
        Different amounts of work among them.
    fixed : tuple of str
        What was fixed instead of fitted, in words.
    """

    overhead_s: float
    s_per_flop: float
    s_per_byte: float
    n_rows: int = 0
    n_points: int = 0
    fixed: tuple[str, ...] = ()

    @property
    def rate_flop_s(self) -> float:
        """Rate; infinite where no row was limited by it [FLOP/s]."""
        return 1.0 / self.s_per_flop if self.s_per_flop > 0 else math.inf

    @property
    def bandwidth_bytes_s(self) -> float:
        """Bandwidth; infinite where no row was limited by it [B/s]."""
        return 1.0 / self.s_per_byte if self.s_per_byte > 0 else math.inf

    def seconds(
        self, flop: npt.ArrayLike, moved_bytes: npt.ArrayLike, n_launches: npt.ArrayLike = 1.0
    ) -> npt.NDArray[np.float64]:
        """Return the time of parts, broadcast over the arguments [s].

        Parameters
        ----------
        flop : array_like
            FLOP on the whole mini-batch. [FLOP]
        moved_bytes : array_like
            Bytes moved on the whole mini-batch. [B]
        n_launches : array_like
            How many parts these are; 1 for a single part.
        """
        work_s = np.maximum(np.multiply(flop, self.s_per_flop), np.multiply(moved_bytes, self.s_per_byte))
        return np.asarray(np.multiply(n_launches, self.overhead_s) + work_s, dtype=np.float64)

    def scaled(self, *, rate: float, bandwidth: float, overhead: float = 1.0) -> TimeModel:
        """Return this model for hardware with other limits.

        Parameters
        ----------
        rate, bandwidth : float
            New rate and bandwidth, relative to those the rows were timed with.
        overhead : float
            New overhead, relative to the old one.
        """
        if not (rate > 0 and bandwidth > 0 and overhead >= 0):
            raise ValueError("expected rate and bandwidth above 0 and overhead from 0")
        return TimeModel(
            self.overhead_s * overhead,
            self.s_per_flop / rate,
            self.s_per_byte / bandwidth,
            self.n_rows,
            self.n_points,
            self.fixed,
        )


def fit_time_model(
    flop: npt.ArrayLike,
    moved_bytes: npt.ArrayLike,
    seconds: npt.ArrayLike,
    *,
    n_launches: npt.ArrayLike = 1.0,
    weight: npt.ArrayLike = 1.0,
    overhead_s: float | None = None,
    peak_flop_s: float = math.inf,
) -> TimeModel:
    """Fit overhead, rate and bandwidth to timed parts.

    Parameters
    ----------
    flop : array_like, shape (n,)
        FLOP of each row on its mini-batch. [FLOP]
    moved_bytes : array_like, shape (n,)
        Bytes that each row moves on its mini-batch. [B]
    seconds : array_like, shape (n,)
        Time of each row. [s]
    n_launches : array_like, shape (n,)
        Parts in each row (a whole model counts its blocks).
    weight : array_like, shape (n,)
        What each row counts for.
    overhead_s : float, optional
        Overhead, if it is known from elsewhere; it is then not fitted. [s]
    peak_flop_s : float
        Rate that the hardware cannot exceed, and so the fitted one does not. [FLOP/s]

    Returns
    -------
    TimeModel
        The constants; those that these rows cannot tell are fixed, see Notes.

    Raises
    ------
    ValueError
        For no rows, times that are not above 0, or work below 0.

    Notes
    -----
    Rows of one amount of work give one number: a rate. Two or three different amounts give an overhead and a rate. From
    four on, the bandwidth is fitted too, if the rows differ in FLOP per byte. Where there are no FLOP at all (a table
    that is looked up), the bytes take their place.

    The bandwidth makes the problem piecewise linear: rows of more FLOP per byte than r / w are limited by the rate, the
    others by the bandwidth. All places of that limit between two rows, and at a row, are tried, and each is a convex
    problem; so the result is the best there is, not the nearest to some start.
    """
    rows = _Rows.of(flop, moved_bytes, seconds, n_launches, weight)
    fixed: list[str] = []
    n_points = rows.n_points()
    if overhead_s is not None:
        fixed.append(f"overhead at {overhead_s:.4g} s")
    elif n_points == 1:
        overhead_s = 0.0
        fixed.append("overhead at 0")
    by_flop = bool(rows.flop.any())
    n_needed = 4 if overhead_s is None else 3
    has_bandwidth = by_flop and n_points >= n_needed and rows.n_intensities() > 1
    if not has_bandwidth:
        fixed.append("no limit by bandwidth" if by_flop else "no limit by rate")

    if not peak_flop_s > 0:
        raise ValueError("expected a peak rate above 0")
    least_s_per_flop = 1.0 / peak_flop_s if by_flop else 0.0
    c, a, b = _best_constants(
        rows, overhead_s, by_flop=by_flop, has_bandwidth=has_bandwidth, least_s_per_flop=least_s_per_flop
    )
    if np.max(a * rows.flop / rows.seconds) < _NEGLIGIBLE:
        a = 0.0
    if np.max(b * rows.moved_bytes / rows.seconds) < _NEGLIGIBLE:
        b = 0.0
    if by_flop and a <= least_s_per_flop * (1 + _NEGLIGIBLE):
        fixed.append("rate at the hardware's peak" if a > 0 else "no row was limited by a rate")
    if has_bandwidth and b == 0:
        fixed.append("no row was limited by a bandwidth")
    return TimeModel(c, a, b, len(rows.seconds), n_points, tuple(fixed))


def robust_loss(model: TimeModel, rows: tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]) -> float:
    """Return what the fit minimises: Huber's loss of the relative residuals, weighted and summed.

    Parameters
    ----------
    model : TimeModel
        Constants to judge.
    rows : tuple of ndarray, each of shape (n,)
        FLOP, bytes, seconds, launches and weights. [FLOP, B, s, 1, 1]
    """
    flop, moved_bytes, seconds, n_launches, weight = rows
    residual = np.abs(model.seconds(flop, moved_bytes, n_launches) / seconds - 1.0)
    loss = np.where(residual <= OUTLIER, residual**2 / 2, OUTLIER * (residual - OUTLIER / 2))
    return float(np.sum(weight * loss))


@dataclass(frozen=True, eq=False, slots=True)
class _Rows:
    """Rows of one fit, checked and broadcast, each of shape (n,)."""

    flop: FloatArray
    moved_bytes: FloatArray
    seconds: FloatArray
    n_launches: FloatArray
    weight: FloatArray

    @classmethod
    def of(cls, *columns: npt.ArrayLike) -> _Rows:
        arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(column, dtype=np.float64)) for column in columns))
        flop, moved_bytes, seconds, n_launches, weight = arrays
        if not len(seconds):
            raise ValueError("expected at least one row to fit")
        if not np.all(np.isfinite(arrays)) or np.any(seconds <= 0):
            raise ValueError("expected finite numbers, and times above 0")
        if np.any(flop < 0) or np.any(moved_bytes < 0) or np.any(n_launches < 0) or np.any(weight < 0):
            raise ValueError("expected FLOP, bytes, launches and weights from 0")
        return cls(flop, moved_bytes, seconds, n_launches, weight)

    def columns(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
        return self.flop, self.moved_bytes, self.seconds, self.n_launches, self.weight

    def n_points(self) -> int:
        """Count the different amounts of work."""
        points = np.stack([self.flop, self.moved_bytes, self.n_launches], axis=1)
        scale = np.max(points, axis=0)
        scaled = points / np.where(scale > 0, scale, 1.0)
        kept: list[FloatArray] = []
        for point in scaled:
            if not any(np.all(np.abs(point - other) <= _SAME * np.maximum(point, other)) for other in kept):
                kept.append(point)
        return len(kept)

    def intensities(self) -> FloatArray:
        """Return the different FLOP per byte, ascending; rows that move no bytes are always limited by the rate."""
        moving = self.moved_bytes > 0
        values = np.unique(self.flop[moving] / self.moved_bytes[moving])
        return values[np.append(True, np.diff(values) > _SAME * values[1:])] if len(values) else values

    def n_intensities(self) -> int:
        return len(self.intensities())


def _best_constants(
    rows: _Rows, overhead_s: float | None, *, by_flop: bool, has_bandwidth: bool, least_s_per_flop: float
) -> tuple[float, float, float]:
    """Return overhead, s per FLOP and s per byte of the least loss over all places of the limit."""
    constants = (0.0, 0.0, 0.0)
    least_loss = math.inf
    negligible = _CONVERGED * float(rows.weight.sum())
    for columns, to_constants in _designs(rows, by_flop=by_flop, has_bandwidth=has_bandwidth):
        least = np.zeros(len(columns))
        least[0] = least_s_per_flop
        c, coefficients = _robust_nnls(rows, columns, overhead_s, least)
        a, b = to_constants(coefficients)
        loss = robust_loss(TimeModel(c, a, b), rows.columns())
        # The simplest come first, and a later one must help by more than rounding.
        if loss < least_loss * (1 - _NEGLIGIBLE) - negligible:
            least_loss, constants = loss, (c, a, b)
    return constants


def _designs(rows: _Rows, *, by_flop: bool, has_bandwidth: bool) -> Iterator[tuple[list[FloatArray], _Constants]]:
    """Yield the regressors beside the overhead, and what turns their coefficients into s per FLOP and s per byte."""
    if not by_flop:
        yield [rows.moved_bytes], _Constants(0.0, 1.0)
        return
    yield [rows.flop], _Constants(1.0, 0.0)
    if not has_bandwidth:
        return
    for limit in rows.intensities():
        # The limit lies at this row's FLOP per byte, or between it and the next one's.
        yield [np.maximum(rows.flop, rows.moved_bytes * limit)], _Constants(1.0, float(limit))
        slow = rows.flop <= rows.moved_bytes * limit * (1 + _SAME)
        yield [np.where(slow, 0.0, rows.flop), np.where(slow, rows.moved_bytes, 0.0)], _Constants(1.0, 1.0)


@dataclass(frozen=True, slots=True)
class _Constants:
    """Turns one or two coefficients into s per FLOP and s per byte."""

    flop: float
    byte: float

    def __call__(self, coefficients: FloatArray) -> tuple[float, float]:
        return float(coefficients[0]) * self.flop, float(coefficients[-1]) * self.byte


def _robust_nnls(
    rows: _Rows, columns: list[FloatArray], overhead_s: float | None, least: FloatArray
) -> tuple[float, FloatArray]:
    """Return overhead and coefficients of least Huber loss of relative residuals, by reweighted least squares.

    The overhead is at least 0, the coefficients at least `least`.
    """
    from scipy.optimize import nnls

    regressors = np.stack(columns, axis=1) / rows.seconds[:, None]
    target = 1.0 - regressors @ least
    if overhead_s is None:
        regressors = np.column_stack([rows.n_launches / rows.seconds, regressors])
    else:
        target = target - overhead_s * rows.n_launches / rows.seconds
    norm = np.linalg.norm(regressors, axis=0)
    norm[norm == 0] = 1.0
    design = regressors / norm
    root = np.sqrt(rows.weight)
    factor = np.ones_like(target)
    solution = np.zeros(design.shape[1])
    for _ in range(_MAX_REWEIGHTINGS):
        scale = root * np.sqrt(factor)
        previous, solution = solution, nnls(design * scale[:, None], target * scale)[0]
        if np.max(np.abs(solution - previous)) <= _CONVERGED * np.max(np.abs(solution), initial=1e-300):
            break
        residual = np.abs(design @ solution - target)
        factor = OUTLIER / np.maximum(residual, OUTLIER)
    coefficients = solution / norm
    if overhead_s is None:
        return float(coefficients[0]), coefficients[1:] + least
    return overhead_s, coefficients + least
