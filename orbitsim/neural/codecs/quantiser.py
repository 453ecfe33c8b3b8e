"""The quantiser of Eq. (6) of paper 001, read with its errata: magnitude and sign, each in its own bits.

Arithmetic is in float64 and uses single, correctly rounded operations only, so every machine gets the same bits, and
ranges from denormal to the largest float32 neither vanish nor overflow.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MIN_BITS, MAX_BITS = 2, 8
_PART_VALUES = 1 << 16


@dataclass(frozen=True)
class Ranges:
    """Smallest and largest magnitude of the active values, of the whole mini-batch () or of each channel (channels,).

    Where nothing is active both are zero.
    """

    low: Tensor
    high: Tensor

    def step(self, bits: int) -> Tensor:
        """Return the step Delta of Eq. (6) in float64; zero where all magnitudes are equal."""
        step: Tensor = (self.high.double() - self.low.double()) / (2 ** (bits - 1) - 1)
        return step


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


def with_zero(ranges: Ranges, bits: int) -> Ranges:
    """Return ranges that begin at zero wherever they begin below half a step.

    There Eq. (6) would restore values around zero as plus or minus the smallest magnitude, and pay a bit for a sign
    that says next to nothing. A zero has no sign.
    """
    return Ranges(torch.where(ranges.low.double() < 0.5 * ranges.step(bits), 0.0, ranges.low), ranges.high)


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
    divisor = torch.where(step > 0, step, torch.ones_like(step))
    largest = (step > 0).double() * (2 ** (bits - 1) - 1)
    from_zero = ranges.low == 0
    codes = torch.empty(x.shape, dtype=torch.uint8, device=x.device)
    for part, found in zip(_parts(x), _parts(codes), strict=True):
        index = part.abs().double().sub_(low).div_(divisor).add_(0.5).floor_().clamp_(min=0)
        index = torch.minimum(index, largest)
        negative = (part < 0).logical_and_((index > 0).logical_or_(~from_zero))
        found.copy_(index.add_(negative, alpha=2 ** (bits - 1)))
    return codes


def dequantise(codes: Tensor, ranges: Ranges, bits: int) -> Tensor:
    """Return the float32 values of codes, none of a larger magnitude than the range's end."""
    low, high, step = ranges.low.double(), ranges.high.double(), ranges.step(bits)
    x = torch.empty(codes.shape, dtype=torch.float32, device=codes.device)
    for part, found in zip(_parts(codes), _parts(x), strict=True):
        index = part.bitwise_and(2 ** (bits - 1) - 1).double()
        magnitude = torch.minimum(index.mul_(step).add_(low), high)
        found.copy_(magnitude.mul_(part.lt(2 ** (bits - 1)).double().mul_(2.0).sub_(1.0)))
    return x


def _parts(x: Tensor) -> tuple[Tensor, ...]:
    """Return views of a contiguous tensor, some rows of channels each, whose work fits a processor's cache."""
    rows = x.reshape(-1, x.shape[-1])
    return torch.split(rows, max(1, _PART_VALUES // max(1, x.shape[-1])))
