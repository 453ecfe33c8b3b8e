"""Intervals of accuracies and of paired differences: the same images, once clean and once through the codecs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its interval; shares, not percent. [1]"""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PairedLoss:
    """Accuracy lost on the same images, with its score interval.

    Attributes
    ----------
    loss : Interval
        Accuracy without codecs less accuracy with them; negative where codecs helped. [1]
    n_images : int
        Images, each counted once whatever the number of seeds.
    n_lost, n_won : float
        Images right only without codecs, and right only with them; means over the seeds.
    p_value : float
        Of McNemar's exact test of no difference; of the counts rounded to whole images where there are several seeds.
    """

    loss: Interval
    n_images: int
    n_lost: float
    n_won: float
    p_value: float


def wilson_interval(n_right: float, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the score interval of a share (E. B. Wilson, JASA 22, 1927).

    Parameters
    ----------
    n_right, n : float, int
        Successes (a mean over seeds need not be whole) and trials.
    confidence : float
        Of the interval. [1]
    """
    if n < 1 or not 0.0 <= n_right <= n:
        raise ValueError(f"expected 0 to n successes of n >= 1 trials, got {n_right} of {n}")
    z = _normal_quantile(confidence)
    share = n_right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(share, min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half)))


def mcnemar_exact(n_lost: int, n_won: int) -> float:
    """Return the two-sided p-value of McNemar's exact test: that many of the images that changed went one way [1]."""
    from scipy.stats import binomtest

    changed = n_lost + n_won
    return 1.0 if changed == 0 else float(binomtest(n_lost, changed, 0.5).pvalue)


def tango_interval(n_lost: float, n_won: float, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the score interval of the difference of two paired shares (T. Tango, Statist. Med. 17, 1998, Eq. 8).

    It does not shrink to a point where no image changed, and keeps its level where few did, as Wald's does not.

    Parameters
    ----------
    n_lost, n_won : float
        Images right only the first time, and only the second time.
    n : int
        All images.
    confidence : float
        Of the interval. [1]
    """
    if n < 1 or min(n_lost, n_won) < 0.0 or n_lost + n_won > n * (1.0 + 1e-12):
        raise ValueError(f"expected n_lost + n_won within 0 to n, got {n_lost} + {n_won} of {n}")
    from scipy.optimize import brentq

    z = _normal_quantile(confidence)
    estimate = (n_lost - n_won) / n

    def score(difference: float) -> float:
        """Return the score statistic of a supposed difference; falls with it."""
        a = 2.0 * n
        b = -n_lost - n_won + (2.0 * n - n_lost + n_won) * difference
        c = -n_won * difference * (1.0 - difference)
        rare = (math.sqrt(max(b * b - 4.0 * a * c, 0.0)) - b) / (2.0 * a)
        variance = n * (2.0 * rare + difference * (1.0 - difference))
        distance = n_lost - n_won - n * difference
        if distance == 0.0:
            return 0.0
        return distance / math.sqrt(variance) if variance > 0.0 else math.copysign(math.inf, distance)

    edge = 1.0 - 1e-12
    low = -1.0 if score(-edge) <= z else float(brentq(lambda d: score(d) - z, -edge, estimate))
    high = 1.0 if score(edge) >= -z else float(brentq(lambda d: score(d) + z, estimate, edge))
    return Interval(estimate, low, high)


def paired_loss(clean: ArrayLike, coded: ArrayLike, confidence: float = CONFIDENCE) -> PairedLoss:
    """Compare the same images without and with codecs.

    Several seeds are repetitions on the same images, not more images: how often an image was lost or won is averaged
    over them, and the interval is that of the number of images, so it is no narrower than that of one seed.

    Parameters
    ----------
    clean, coded : array_like of bool, (n_images,) or (n_seeds, n_images)
        Whether each image was recognised.
    confidence : float
        Of the interval. [1]
    """
    before, after = (np.atleast_2d(np.asarray(a, dtype=bool)) for a in (clean, coded))
    if before.shape != after.shape or not before.size:
        raise ValueError(f"expected both of one shape and not empty, got {before.shape} and {after.shape}")
    n_seeds, n = before.shape
    n_lost = float((before & ~after).sum()) / n_seeds
    n_won = float((~before & after).sum()) / n_seeds
    p_value = mcnemar_exact(round(n_lost), round(n_won))
    return PairedLoss(tango_interval(n_lost, n_won, n, confidence), n, n_lost, n_won, p_value)


def mean_interval(values: ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """Return the mean of independent repetitions with Student's t interval.

    Parameters
    ----------
    values : array_like, (n,)
        At least two.
    confidence : float
        Of the interval. [1]
    """
    from scipy.special import stdtrit

    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or len(found) < 2:
        raise ValueError(f"expected at least two values, got an array of shape {found.shape}")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"expected a confidence between 0 and 1, got {confidence}")
    mean = float(found.mean())
    half = float(stdtrit(len(found) - 1, (1.0 + confidence) / 2.0)) * float(found.std(ddof=1)) / math.sqrt(len(found))
    return Interval(mean, mean - half, mean + half)


def bootstrap_mean(
    values: NDArray[np.floating], generator: np.random.Generator, confidence: float = CONFIDENCE, n_draws: int = 4000
) -> Interval:
    """Return the mean with its percentile bootstrap interval over the values."""
    if not len(values):
        raise ValueError("expected at least one value")
    drawn = np.asarray(values, dtype=np.float64)[generator.integers(0, len(values), (n_draws, len(values)))].mean(1)
    low, high = np.quantile(drawn, [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0])
    return Interval(float(np.mean(values)), float(low), float(high))


def _normal_quantile(confidence: float) -> float:
    from scipy.special import ndtri

    if not 0.0 < confidence < 1.0:
        raise ValueError(f"expected a confidence between 0 and 1, got {confidence}")
    return float(ndtri((1.0 + confidence) / 2.0))
