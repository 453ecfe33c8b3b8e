"""The quantiser of Eq. (6) of paper 001, read with its errata: magnitude and sign, each in its own bits.

Arithmetic is in float64 and uses single, correctly rounded operations only, so every machine gets the same bits, and
ranges from denormal to the largest float32 neither vanish nor overflow.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

MIN_BITS, MAX_BITS = 2, 8
_PART_VALUES = 1 << 15


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
    if not x.numel():
        nothing = torch.zeros(x.shape[-1:] if per_channel else (), device=x.device)
        return Ranges(nothing, nothing)
    lows, highs = [], []
    chosen = itertools.repeat(None) if active is None else _parts(active.expand(x.shape))
    for part, kept in zip(_parts(x), chosen, strict=False):
        magnitude = low = high = part.abs()
        if kept is not None:
            low = magnitude.masked_fill(~kept, torch.inf)
            high = magnitude.masked_fill(~kept, 0.0)
        lows.append(low.amin(0) if per_channel else low.amin())
        highs.append(high.amax(0) if per_channel else high.amax())
    low, high = torch.stack(lows).amin(0), torch.stack(highs).amax(0)
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
    signed_zero = ranges.low != 0
    all_from_zero = not bool(signed_zero.any())
    codes = torch.empty(x.shape, dtype=torch.uint8, device=x.device)
    for part, found in zip(_parts(x), _parts(codes), strict=True):
        index = part.abs().double()
        if not all_from_zero:
            index.sub_(low)
        index.div_(divisor).add_(0.5)
        if not all_from_zero:
            index.clamp_(min=0)
        found.copy_(torch.minimum(index, largest, out=index))  # this cuts the fraction off
        has_sign = found.ne(0) if all_from_zero else found.ne(0).logical_or_(signed_zero)
        found.add_(part.lt(0).logical_and_(has_sign).view(torch.uint8), alpha=2 ** (bits - 1))
    return codes


def dequantise(codes: Tensor, ranges: Ranges, bits: int) -> Tensor:
    """Return the float32 values of codes, none of a larger magnitude than the range's end."""
    x = torch.empty(codes.shape, dtype=torch.float32, device=codes.device)
    if ranges.low.numel() > 1 or codes.numel() < 2**bits:
        for part, found in zip(_parts(codes), _parts(x), strict=True):
            _dequantise(part, ranges, bits, found)
        return x
    # With one range there are so few values that looking each up is faster.
    every = torch.arange(2**bits, dtype=torch.uint8, device=codes.device)
    table = torch.empty(every.shape, dtype=torch.float32, device=codes.device)
    _dequantise(every, ranges, bits, table)
    for part, found in zip(_parts(codes), _parts(x), strict=True):
        torch.index_select(table, 0, part.reshape(-1).int(), out=found.view(-1))
    return x


def _dequantise(codes: Tensor, ranges: Ranges, bits: int, found: Tensor) -> None:
    low, high, step = ranges.low.double(), ranges.high.double(), ranges.step(bits)
    magnitude = codes.bitwise_and(2 ** (bits - 1) - 1).double().mul_(step).add_(low)
    found.copy_(torch.minimum(magnitude, high, out=magnitude))
    found.copysign_(codes.bitwise_left_shift(MAX_BITS - bits).view(torch.int8))  # its sign is the code's highest bit


def _parts(x: Tensor) -> tuple[Tensor, ...]:
    """Return views of a contiguous tensor, some rows of channels each, whose work fits a processor's cache."""
    if not x.numel():
        return ()
    rows = x.reshape(-1, x.shape[-1])
    return torch.split(rows, max(1, _PART_VALUES // max(1, x.shape[-1])))
