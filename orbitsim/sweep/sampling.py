"""Cells drawn from ranges: independent, or as a Latin hypercube."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from orbitsim.sweep.axes import Point, between
from orbitsim.sweep.model import Range


def drawn(method: Literal["random", "latin-hypercube"], n: int, seed: int, ranges: Mapping[str, Range]) -> list[Point]:
    """Draw values of all axes.

    Parameters
    ----------
    method : {"random", "latin-hypercube"}
        Independent uniform draws, or `scipy.stats.qmc.LatinHypercube` (McKay, Beckman and Conover, 1979).
    n : int
        Number of draws.
    seed : int
        Of numpy's default generator.
    ranges : mapping of str to Range
        By dotted scenario path.

    Returns
    -------
    list of dict
        The points, n of them; none without ranges.
    """
    if not ranges:
        return []
    generator = np.random.default_rng(seed)
    if method == "random":
        shares = generator.random((n, len(ranges)))
    else:
        from scipy.stats import qmc

        shares = qmc.LatinHypercube(len(ranges), seed=generator).random(n)
    return [
        {path: _value(span, share) for (path, span), share in zip(ranges.items(), row, strict=True)}
        for row in shares.tolist()
    ]


def _value(span: Range, share: float) -> Any:
    """Return the value at a share in [0, 1) of a range; whole numbers have equal shares (of the logarithm, if so)."""
    if span.choices is not None:
        return span.choices[int(share * len(span.choices))]
    if not span.integer:
        return between(span, share)
    low, high = int(span.min or 0), int(span.max or 0)
    if span.scale == "linear":
        return low + int(share * (high - low + 1))
    return min(high, math.floor(math.exp(math.log(low) + share * math.log((high + 1) / low)) * (1.0 + 1e-12)))
