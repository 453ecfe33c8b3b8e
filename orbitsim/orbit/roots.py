"""Roots of many functions at once, each within its own bracket."""

from __future__ import annotations

from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_MAX_ITERATIONS = 200
_COMPRESS_BELOW = 0.75  # share of unfinished items below which the finished ones are dropped


class VectorFunction(Protocol):
    """n functions of one variable, evaluated together."""

    def __call__(self, x: FloatArray) -> FloatArray:
        """Return the n values at the n places `x`."""
        ...

    def take(self, keep: NDArray[np.bool_]) -> Self:
        """Return the functions that a mask picks."""
        ...


def bracketed_roots(
    function: VectorFunction,
    low: FloatArray,
    high: FloatArray,
    f_low: FloatArray,
    f_high: FloatArray,
    *,
    tolerance: float,
) -> FloatArray:
    """Find a root of each function by Chandrupatla's method: inverse quadratic steps where safe, halving elsewhere.

    Parameters
    ----------
    function : VectorFunction
        n functions; they need be neither smooth nor continuous.
    low, high : (n,) ndarray
        Brackets.
    f_low, f_high : (n,) ndarray
        Values there, of opposite sign (or zero).
    tolerance : float
        Each root is within this distance of a change of sign.

    Returns
    -------
    (n,) ndarray
        The roots.

    References
    ----------
    .. [1] T. R. Chandrupatla, "A new hybrid quadratic/bisection algorithm for finding the zero of a nonlinear function
       without using derivatives", Advances in Engineering Software 28(3), 145-149 (1997),
       doi:10.1016/S0965-9978(96)00051-8.
    """
    root = np.where(np.abs(f_low) <= np.abs(f_high), low, high)
    ids = np.flatnonzero((f_low != 0.0) & (f_high != 0.0))
    if ids.size < root.size:
        keep = np.zeros(root.size, dtype=bool)
        keep[ids] = True
        function = function.take(keep)
    # a is the newest point, b the other end of the bracket, c the point before.
    b, fb, a, fa = low[ids], f_low[ids], high[ids], f_high[ids]
    c, fc = a, fa
    unfinished = np.ones(ids.size, dtype=bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.clip(fa / (fa - fb), 0.02, 0.98)  # these functions are nearly straight: begin with the secant
    for _ in range(_MAX_ITERATIONS):
        if not ids.size:
            break
        x = a + t * (b - a)
        fx = function(x)
        same = (fx > 0.0) == (fa > 0.0)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = x, fx
        width = np.abs(b - a)
        done = unfinished & ((width <= 2.0 * tolerance) | (fa == 0.0))
        if done.any():
            best = np.where(np.abs(fa) <= np.abs(fb), a, b)
            root[ids[done]] = best[done]
            unfinished &= ~done
            if np.count_nonzero(unfinished) < _COMPRESS_BELOW * unfinished.size:
                keep = unfinished
                function, ids = function.take(keep), ids[keep]
                a, fa, b, fb, c, fc, width = (array[keep] for array in (a, fa, b, fb, c, fc, width))
                unfinished = unfinished[keep]
        with np.errstate(divide="ignore", invalid="ignore"):
            xi = (a - b) / (c - b)
            phi = (fa - fb) / (fc - fb)
            quadratic = (phi**2 < xi) & ((1.0 - phi) ** 2 < 1.0 - xi)
            step = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
            least = np.minimum(tolerance / width, 0.5)
        t = np.clip(np.where(quadratic, step, 0.5), least, 1.0 - least)
        t = np.where(np.isfinite(t), t, 0.5)
    return root
