"""A split model that trains for any choice of cuts: at each step other codecs act, the rest let activations pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from orbitsim.neural.codecs.base import Codec
from orbitsim.neural.parts import ModelParts
from orbitsim.neural.split import SplitModel


class RandomCuts(SplitModel):
    """A model with a codec at every cut, of which so many, drawn at random, act in one training step.

    Parameters
    ----------
    parts, cuts, codecs
        See `SplitModel`.
    n_acting : int
        Codecs that act at a step; drawn with torch's generator.
    """

    def __init__(
        self,
        parts: ModelParts,
        cuts: Sequence[int],
        codecs: Sequence[Codec | None] | None = None,
        *,
        n_acting: int = 4,
    ) -> None:
        super().__init__(parts, cuts, codecs)
        self.n_acting = min(n_acting, len(self.cuts))

    def forward_with_rate(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return output and bits of one step; those of cuts that let activations pass are zero."""
        acting = set(torch.randperm(len(self.cuts))[: self.n_acting].tolist())
        bits = [torch.zeros((), device=x.device) for _ in self.cuts]
        for number, stage in enumerate(self.stages):
            x = stage(x)
            codec = self.codec(number) if number in acting else None
            if codec is not None:
                x, bits[number] = codec.forward_with_rate(x)
        return x, bits
