"""Monotone regression by pooling adjacent violators, and its bootstrap band over images.

The paper fits accuracy against compression ratio and asks the fit, not single measurements, whether a ratio is allowed
(Eq. 12). Keeping more bytes cannot be expected to lose accuracy, so the fit here is the monotone one of least squares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def pool_adjacent_violators(y: ArrayLike, weight: ArrayLike | None = None) -> Array:
    """Return the non-decreasing sequence with the least weighted squared distance from `y`.

    Parameters
    ----------
    y : array_like, (n,)
        Values in the order of what they depend on.
    weight : array_like, (n,), optional
        Weight of each, above 0; equal when omitted.

    Raises
    ------
    ValueError
        When shapes do not fit, a value is not finite or a weight not above 0.

    References
    ----------
    M. Ayer et al., "An empirical distribution function for sampling with incomplete information", Ann. Math. Statist.
    26(4), 1955, pp. 641-647.
    """
    values = np.asarray(y, dtype=np.float64)
    weights = np.ones_like(values) if weight is None else np.asarray(weight, dtype=np.float64)
    if values.ndim != 1 or weights.shape != values.shape:
        raise ValueError(f"expected as many weights as values, got shapes {values.shape} and {weights.shape}")
    if not (np.isfinite(values).all() and np.isfinite(weights).all() and (weights > 0.0).all()):
        raise ValueError("expected finite values, and finite weights above 0")
    level: list[float] = []
    mass: list[float] = []
    length: list[int] = []
    for value, share in zip(values.tolist(), weights.tolist(), strict=True):
        level.append(value)
        mass.append(share)
        length.append(1)
        while len(level) > 1 and level[-2] > level[-1]:
            total = mass[-2] + mass[-1]
            merged = (level[-2] * mass[-2] + level[-1] * mass[-1]) / total
            count = length[-2] + length[-1]
            del level[-1], mass[-1], length[-1]
            level[-1], mass[-1], length[-1] = merged, total, count
    return np.repeat(level, length).astype(np.float64)


@dataclass(frozen=True, eq=False)
class MonotoneFit:
    """A non-decreasing function: values at knots, straight between them, constant outside.

    Attributes
    ----------
    x, y : ndarray, (n,)
        Knots, ascending, and values.
    """

    x: Array
    y: Array

    def __call__(self, x: ArrayLike) -> Array:
        """Return the function's values."""
        return np.asarray(np.interp(np.asarray(x, dtype=np.float64), self.x, self.y))


def fit_monotone(x: ArrayLike, y: ArrayLike, weight: ArrayLike | None = None) -> MonotoneFit:
    """Fit a non-decreasing function; equal `x` are one knot with their weighted mean.

    Parameters
    ----------
    x, y : array_like, (n,)
        Measurements in any order; at least one.
    weight : array_like, (n,), optional
        Weight of each, above 0.
    """
    at, values = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    weights = np.ones_like(values) if weight is None else np.asarray(weight, dtype=np.float64)
    if at.ndim != 1 or not len(at) or values.shape != at.shape or weights.shape != at.shape:
        raise ValueError(f"expected x, y and weights of one length, got {at.shape}, {values.shape}, {weights.shape}")
    if not np.isfinite(at).all():
        raise ValueError("expected finite x")
    knots, place = np.unique(at, return_inverse=True)
    mass = np.bincount(place, weights=weights)
    mean = np.bincount(place, weights=weights * values) / mass
    return MonotoneFit(knots, pool_adjacent_violators(mean, mass))


@dataclass(frozen=True, eq=False)
class MonotoneBand:
    """A fit with its pointwise bootstrap band at the points asked for.

    Attributes
    ----------
    x : ndarray, (n,)
        Points.
    fit, low, high : ndarray, (n,)
        The fit, and the ends of the band; both are non-decreasing.
    loss, loss_low, loss_high : ndarray, (n,)
        What the fit lies below its value at the largest x, and the band of that: both ends of a difference are drawn
        together, so this band is narrower than two of the other kind.
    confidence : float
        Of the band at each point. [1]
    """

    x: Array
    fit: Array
    low: Array
    high: Array
    loss: Array
    loss_low: Array
    loss_high: Array
    confidence: float


def monotone_band(
    x: ArrayLike,
    score: ArrayLike,
    points: ArrayLike,
    generator: np.random.Generator,
    *,
    confidence: float = 0.95,
    n_draws: int = 2000,
) -> MonotoneBand:
    """Fit the mean score against `x`, with a band from resampling the images.

    Parameters
    ----------
    x : array_like, (n_settings,)
        What the score depends on, such as the ratio of bytes kept.
    score : array_like, (n_settings, n_images)
        Score of every image under every setting: right or wrong, or the share of seeds under which it was right. An
        image is drawn with all of its scores, so that what the settings have in common stays together.
    points : array_like
        Where the fit is wanted.
    generator : numpy Generator
        Draws the images.
    confidence : float
        Of the band at each point. [1]
    n_draws : int
        Bootstrap samples.
    """
    at = np.asarray(x, dtype=np.float64)
    scores = np.asarray(score, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[0] != len(at) or not scores.shape[1]:
        raise ValueError(f"expected scores of shape ({len(at)}, n_images), got {scores.shape}")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"expected a confidence between 0 and 1, got {confidence}")
    wanted = np.asarray(points, dtype=np.float64)
    n_images = scores.shape[1]
    with_end = np.append(wanted, at.max())
    fit = fit_monotone(at, scores.mean(1))(with_end)
    drawn = np.empty((n_draws, len(with_end)))
    for draw in range(n_draws):
        counts = np.bincount(generator.integers(0, n_images, n_images), minlength=n_images)
        drawn[draw] = fit_monotone(at, scores @ counts / n_images)(with_end)
    ends = [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0]
    low, high = np.quantile(drawn[:, :-1], ends, axis=0)
    loss = fit[-1] - fit[:-1]
    loss_low, loss_high = np.quantile(drawn[:, -1:] - drawn[:, :-1], ends, axis=0)
    return MonotoneBand(
        wanted,
        fit[:-1],
        np.minimum(low, fit[:-1]),
        np.maximum(high, fit[:-1]),
        loss,
        np.minimum(loss_low, loss),
        np.maximum(loss_high, loss),
        confidence,
    )
