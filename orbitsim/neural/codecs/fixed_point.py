"""Matrix products that are exact, so that every machine, batch and number of threads gives the same bits.

Floating-point products depend on the order in which a library sums, which changes with shapes, threads and devices; a
value near a rounding threshold would then get another code at the other end. Products of integers held in float64 are
exact as long as no sum reaches 2**53, in any order and with fused operations or without.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_EXACT = 2.0**52


class FixedPointMatrix:
    """A matrix rounded to integers times a power of two, as fine as exact products with bounded integers allow.

    Parameters
    ----------
    matrix : Tensor, (n_out, n_in)
        Finite numbers.
    bound : float
        Largest magnitude of the integers that it will be multiplied with.

    Attributes
    ----------
    rounded : Tensor of float64, (n_out, n_in)
        The rounded matrix: integers times ``2**-exponent``.
    exponent : int
        Number of binary places kept.
    """

    def __init__(self, matrix: Tensor, bound: float) -> None:
        wide = matrix.detach().double()
        largest = float(wide.abs().amax()) if wide.numel() else 0.0
        exponent = math.floor(math.log2(_EXACT / bound)) - math.frexp(largest)[1]
        integers = torch.round(wide * 2.0**exponent)
        while integers.numel() and float(integers.abs().sum(1).amax()) * bound > _EXACT:
            exponent -= 1
            integers = torch.round(wide * 2.0**exponent)
        # A power of two changes no digit: products are as exact as those of the integers, and need no scaling after.
        self.rounded, self.exponent = integers * 2.0**-exponent, exponent

    def __call__(self, values: Tensor) -> Tensor:
        """Return ``values @ rounded.T``, exact for integers in float64 within the bound.

        Parameters
        ----------
        values : Tensor of float64, (..., n_in)
            Integers.
        """
        return values @ self.rounded.T

    def on_axis(self, values: Tensor) -> Tensor:
        """Return ``rounded @ values`` over the last but one axis, exact too: (..., n_in, m) to (..., n_out, m)."""
        return self.rounded @ values
