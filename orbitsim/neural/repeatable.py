"""Models that answer the same input differently, each time or in parts, cannot be cut, coded or compared."""

from __future__ import annotations

import torch

from orbitsim.errors import InputError, Problem
from orbitsim.neural.parts import ModelParts

_TOLERANCE = 1e-3  # of the largest value: far above what the order of additions changes


def check_repeatable(parts: ModelParts) -> None:
    """Raise unless a vision model gives one image the same output whole and in parts; others are taken as they are.

    Some draw in every forward pass (masked autoencoders hide random patches): the error of a codec would then be mostly
    the model's own. Others look into their blocks in place of calling them.

    Parameters
    ----------
    parts : ModelParts
        Model with weights.

    Raises
    ------
    InputError
        When they differ, or the model does more with its blocks than call them.
    """
    if parts.whole is None or len(parts.input_shape) != 3:
        return
    was_training = parts.whole.training
    like = next(parts.whole.parameters())
    image = torch.randn((1, *parts.input_shape), generator=torch.Generator().manual_seed(0)).to(like)
    parts.whole.eval()
    try:
        with torch.no_grad():
            first, second = parts.whole(image), image
            for part in parts.chain:
                second = part(second)
    finally:
        parts.whole.train(was_training)
    if first.shape != second.shape or (first - second).abs().max() > _TOLERANCE * first.abs().max():
        expected = "expected a model that gives an image the same output each time, whole and in parts"
        raise InputError(Problem("--model", f"{expected}; {parts.name} does not (it may draw at random)"))
