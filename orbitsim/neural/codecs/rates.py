"""Differentiable estimates of coded bits, for rate-distortion training."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_SMALLEST_SCALE = 1e-3  # of a step; below it a bin holds everything and the gradient would be noise
_LN2 = math.log(2.0)


def laplace_bin_bits(deviation: Tensor, scale: Tensor) -> Tensor:
    """Return the bits of a value under a Laplace distribution cut into bins of width one around the value.

    -log2(F(d + 1/2) - F(d - 1/2)) for the distribution function F of scale b; everything in units of the quantiser's
    step, so that rounding (or uniform noise of width one) of `deviation` is what the coder sees.

    Parameters
    ----------
    deviation : Tensor
        Distance of each value from the distribution's centre. [steps]
    scale : Tensor, broadcastable
        Scale b, the mean absolute deviation. [steps]

    Returns
    -------
    Tensor
        Information of each value, at least 0. [bit]
    """
    b = scale.clamp_min(_SMALLEST_SCALE)
    d = deviation.abs()
    half = 0.5 / b
    # Outside the central bin: log(exp(-d / b) sinh(half)), written so that large arguments do not overflow.
    tail = -d / b + half + torch.log1p(-torch.exp(-2.0 * half)) - _LN2
    # Inside it: log(1 - exp(-half) cosh(d / b)); the argument is clamped where the other branch is taken.
    inner = d.clamp_max(0.5) / b
    centre = torch.log1p(-0.5 * (torch.exp(inner - half) + torch.exp(-inner - half)).clamp_max(2.0 - 1e-6))
    return -torch.where(d < 0.5, centre, tail) / _LN2


def laplace_fit(x: Tensor, weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return mean and mean absolute deviation of each channel, under weights (a soft mask) if given.

    Parameters
    ----------
    x : Tensor, (..., channels)
        Values.
    weight : Tensor, same shape, optional
        Weight of each value, at least 0.
    """
    rows = x.reshape(-1, x.shape[-1])
    if weight is None:
        mean = rows.mean(0)
        return mean, (rows - mean).abs().mean(0)
    w = weight.reshape(rows.shape)
    total = w.sum(0).clamp_min(1e-6)
    mean = (rows * w).sum(0) / total
    return mean, ((rows - mean).abs() * w).sum(0) / total
