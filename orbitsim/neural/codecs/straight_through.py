"""The straight-through estimator: the forward value of one tensor with the gradient of another."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hard: Tensor, soft: Tensor) -> Tensor:  # noqa: ARG004 (the names that torch prescribes)
        return hard.view_as(hard)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:  # noqa: ARG004
        return None, gradient


def straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    """Return `hard`, bit for bit, with the gradient of `soft` (the usual ``soft + (hard - soft).detach()`` rounds).

    Parameters
    ----------
    hard : Tensor
        The value; no gradient flows into it.
    soft : Tensor, same shape
        The differentiable stand-in.
    """
    if not (torch.is_grad_enabled() and soft.requires_grad):
        return hard
    result: Tensor = _StraightThrough.apply(hard, soft)  # type: ignore[no-untyped-call]
    return result
