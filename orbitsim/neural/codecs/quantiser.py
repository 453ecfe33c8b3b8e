"""The quantiser of Eq. (6) of paper 001, read with its errata: magnitude and sign, each in its own bits.

Arithmetic is in float64 and uses single, correctly rounded operations only, so every machine gets the same bits, and
ranges from denormal to the largest float32 neither vanish nor overflow.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MIN_BITS, MAX_BITS = 2, 8


@dataclass(frozen=True)
class Ranges:
    """Smallest and largest magnitude of the active values, of the whole mini-batch () or of each channel (channels,).

    Where nothing is active both are zero.
    """

    low: Tensor
    high: Tensor

    def step(self, bits: int) -> Tensor:
        """Return the step Delta of Eq. (6) in float64; zero where all magnitudes are equal."""
        return (self.high.double() - self.low.double()) / (2 ** (bits - 1) - 1)


def measure_ranges(x: Tensor, active: Tensor | None, per_channel: bool) -> Ranges:
    """Return the ranges of the active values of a mini-batch.

    Parameters
    ----------
    x : Tensor, (..., channels)
        Finite float32 values.
    active : Tensor of bool, broadcastable to `x`, or None
        Which values count; None for all.
    per_channel : bool
        Whether each channel has a range of its own.
    """
    magnitude = x.abs()
    low = high = magnitude
    if active is not None:
        low = magnitude.masked_fill(~active, torch.inf)
        high = magnitude.masked_fill(~active, 0.0)
    if per_channel:
        n_channels = x.shape[-1]
        low, high = low.reshape(-1, n_channels).amin(0), high.reshape(-1, n_channels).amax(0)
    else:
        low, high = low.amin(), high.amax()
    return Ranges(torch.where(torch.isinf(low), torch.zeros_like(low), low), high)


def quantise(x: Tensor, ranges: Ranges, bits: int) -> Tensor:
    """Return the codes of values: the sign in the highest of `bits` bits, the magnitude's index in the others.

    Parameters
    ----------
    x : Tensor, (..., channels)
        Float32 values; magnitudes outside the range become its nearest end.
    ranges : Ranges
        Range of magnitudes.
    bits : int
        Bits of a code, 2 to 8.

    Returns
    -------
    Tensor of uint8
        Codes; a zero has no sign.
    """
    low, step = ranges.low.double(), ranges.step(bits)
    index = x.abs().double()
    index.sub_(low).div_(torch.where(step > 0, step, torch.ones_like(step))).add_(0.5).floor_()
    index.clamp_(0, 2 ** (bits - 1) - 1).mul_((step > 0).double())
    codes = index.to(torch.uint8)
    negative = (x < 0) & ~((codes == 0) & (ranges.low == 0))
    return codes | (negative.to(torch.uint8) << (bits - 1))


def dequantise(codes: Tensor, ranges: Ranges, bits: int) -> Tensor:
    """Return the float32 values of codes, none of a larger magnitude than the range's end."""
    index = (codes & (2 ** (bits - 1) - 1)).double()
    index.mul_(ranges.step(bits)).add_(ranges.low.double())
    magnitude = torch.minimum(index, ranges.high.double()).to(torch.float32)
    return torch.where(codes >= 2 ** (bits - 1), -magnitude, magnitude)
