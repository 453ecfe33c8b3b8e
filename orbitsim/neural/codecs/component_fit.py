"""Tables and roundings of the transform codec's components, from calibration coefficients; pure functions of arrays.

Coefficients come as planes (rows, components), in steps: those of the grid, then those of the prefix tokens.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from orbitsim.neural.codecs.component_models import DROPPED

_ESCAPING = 2e-5  # share of a class's symbols that may lie outside its table
_ESCAPE_BITS = 16.0  # two of the four bytes of an escaped symbol say little
_PART_VALUES = 1 << 15
_SMOOTHING = 0.02  # symbols of the fitted Laplace distribution added to each table, as a share of those seen


def symbol_sizes(
    plane: NDArray[np.float64], zero: NDArray[np.float64] | float, up: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    """Return magnitudes of symbols, as `ExactTransform` rounds them.

    Parameters
    ----------
    plane : ndarray, (rows, components) or (n,)
        Coefficients. [steps]
    zero, up : ndarray, (components,), or float
        Magnitude at which a coefficient becomes 1, and fraction from which a larger one is rounded up. [steps]
    """
    found = np.empty_like(plane)
    for part in _parts(plane):
        size, symbols = np.abs(plane[part]), found[part]
        np.add(size, 1.0 - up, out=symbols)
        np.floor(symbols, out=symbols)
        np.maximum(symbols, 1.0, out=symbols)
        symbols *= size >= zero
    return found


def _parts(plane: NDArray[np.float64]) -> list[slice]:
    """Return slices of the rows whose work fits a processor's cache."""
    n_rows = max(1, _PART_VALUES // max(1, math.prod(plane.shape[1:])))
    return [slice(first, first + n_rows) for first in range(0, len(plane), n_rows)]


def component_classes(size: NDArray[np.float64], n_classes: int) -> NDArray[np.int64]:
    """Return the class of each component by the logarithm of its mean magnitude; -1 where it is zero."""
    classes = np.full(size.size, DROPPED, dtype=np.int64)
    sent = size > 0.0
    if sent.any():
        level = np.log(size[sent])
        width = max(float(level.max() - level.min()), 1e-9) / n_classes
        classes[sent] = np.minimum(((level.max() - level) / width).astype(np.int64), n_classes - 1)
    return classes


def _by_class(planes: list[NDArray[np.float64]], classes: NDArray[np.int64], number: int) -> NDArray[np.float64]:
    """Return the coefficients of a class."""
    first, parts = 0, []
    for plane in planes:
        columns = np.flatnonzero(classes[first : first + plane.shape[1]] == number)
        parts.append(plane.take(columns, axis=1).ravel())
        first += plane.shape[1]
    return np.concatenate(parts)


def class_counts(
    planes: list[NDArray[np.float64]],
    classes: NDArray[np.int64],
    thresholds: NDArray[np.float64],
    n_classes: int,
    n_levels: int,
) -> NDArray[np.float64]:
    """Return smoothed counts (n_classes, 2 * n_levels + 2) of the symbols of each class, the escape last."""
    counts = np.empty((n_classes, 2 * n_levels + 2))
    symbols = np.arange(-n_levels, n_levels + 1)
    for number in range(n_classes):
        values = _by_class(planes, classes, number)
        signed = np.copysign(symbol_sizes(values, *thresholds[number]), values).astype(np.int64)
        n_used = _levels_used(np.abs(signed), n_levels)
        inside = np.abs(signed) <= n_used
        seen = np.bincount(signed[inside] + n_levels, minlength=2 * n_levels + 1)
        scale = max(float(np.abs(values).mean()) if values.size else 0.0, 0.05)
        tail = np.exp(-np.abs(symbols) / scale)
        # Both signs are as likely: the calibration's imbalance is mostly noise.
        balanced = (seen + seen[::-1]) / 2.0
        counts[number, :-1] = balanced + _SMOOTHING * max(values.size, 1) * tail / tail.sum()
        counts[number, -1] = values.size - inside.sum()
        counts[number] += 1e-6 * max(values.size, 1)
        counts[number, :-1] *= np.abs(symbols) <= n_used
    return counts


def _levels_used(size: NDArray[np.int64], n_levels: int) -> int:
    """Return the smallest of 1, 3, 7, ... `n_levels` that hardly any symbol exceeds: small tables decode faster."""
    allowed = _ESCAPING * size.size
    n_used = 1
    while n_used < n_levels and np.count_nonzero(size > n_used) > allowed:
        n_used = min(2 * n_used + 1, n_levels)
    return n_used


def code_lengths(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the bits of each symbol of each class; one outside its table costs an escape and its four bytes."""
    escape = -np.log2(counts[:, -1:] / counts.sum(1, keepdims=True)) + _ESCAPE_BITS
    share = counts / counts.sum(1, keepdims=True)
    lengths = np.where(counts > 0.0, -np.log2(np.where(counts > 0.0, share, 1.0)), escape)
    lengths[:, -1:] = escape
    return np.asarray(lengths)


def rounding_limits(
    lengths: NDArray[np.float64], counts: NDArray[np.float64], price: float, n_levels: int
) -> NDArray[np.float64]:
    """Return where a coefficient becomes 1 and where it rounds up, at a price of a bit, in [1/2, 1].

    Between symbols n and n + 1 with code lengths b, squared error plus price is equal at n + 1/2 + price * (b(n + 1) -
    b(n)) / 2; of a Laplace distribution this difference is the same for all n >= 1.
    """
    zero = n_levels
    rise = np.diff(lengths[:, zero : zero + n_levels + 1], axis=1)
    weight = counts[:, zero + 2 : zero + n_levels + 1]
    # A step into an escape says nothing about the others; a class without larger symbols rounds them as it does ones.
    later = (np.where(weight > 0.0, rise[:, 1:], 0.0) * weight).sum(1) / np.maximum(weight.sum(1), 1e-300)
    later = np.where(weight.sum(1) > 0.0, later, rise[:, 0])
    return np.clip(0.5 + 0.5 * price * np.stack([rise[:, 0], later], axis=1), 0.5, 1.0)


def without_dear_components(
    planes: list[NDArray[np.float64]],
    classes: NDArray[np.int64],
    thresholds: NDArray[np.float64],
    lengths: NDArray[np.float64],
    price: float,
    n_levels: int,
) -> NDArray[np.int64]:
    """Return the classes without the components whose bits cost more than the error that they save."""
    kept = classes.copy()
    first = 0
    for plane in planes:
        span = slice(first, first + plane.shape[1])
        first += plane.shape[1]
        if not len(plane):
            kept[span] = DROPPED
            continue
        of_class = classes[span]
        limits = thresholds[of_class.clip(0)]
        size = symbol_sizes(plane, limits[:, 0], limits[:, 1])
        gain = np.empty_like(plane)
        for part in _parts(plane):
            gain[part] = plane[part] ** 2 - (np.abs(plane[part]) - size[part]) ** 2
        saved = gain.mean(0)
        spent = np.empty(plane.shape[1])
        first_length = of_class.clip(0) * lengths.shape[1] + n_levels
        for start in range(0, plane.shape[1], 256):  # a table of lengths for each value would be large
            columns = slice(start, start + 256)
            symbol = np.minimum(size[:, columns], n_levels + 1).astype(np.int64)
            spent[columns] = lengths.take(symbol + first_length[columns]).mean(0)
        kept[span] = np.where((saved <= price * spent) | (size.max(0) == 0.0), DROPPED, of_class)
    return kept


def centroid_shrinkage(
    planes: list[NDArray[np.float64]], classes: NDArray[np.int64], thresholds: NDArray[np.float64], n_classes: int
) -> NDArray[np.float64]:
    """Return how far below 1, and below larger symbols, the mean of their coefficients lies, for each class."""
    shrinkage = np.zeros((n_classes, 2))
    for number in range(n_classes):
        values = np.abs(_by_class(planes, classes, number))
        size = symbol_sizes(values, *thresholds[number])
        for column, chosen in enumerate((size == 1.0, size > 1.0)):
            n = np.count_nonzero(chosen)
            if n:  # a few samples say little: they are drawn towards zero shrinkage
                shrinkage[number, column] = (size[chosen] - values[chosen]).sum() / (n + 10.0)
    return np.clip(shrinkage, -0.5, 0.5)
