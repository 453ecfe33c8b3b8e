"""Top-k sparsification, plain and randomised (Zheng et al., IJCAI 2023), with the places of what is kept."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orbitsim.neural.codecs.base import Shape
from orbitsim.neural.codecs.elementwise import ElementwiseCodec
from orbitsim.neural.codecs.entropy import SymbolReader, SymbolWriter
from orbitsim.neural.codecs.places import read_places, write_places
from orbitsim.neural.codecs.setting_faults import SettingFaults, is_number


class TopKCodec(ElementwiseCodec):
    """The values of largest magnitude of each sample are kept, quantised and coded, and so are their places.

    Parameters
    ----------
    keep : float
        Share of a sample's values that is kept, in (0, 1]. [1]
    **quantisation
        Those of `ElementwiseCodec`.
    """

    kind = "topk"
    number = 4

    def __init__(self, *, keep: float = 0.2, **quantisation: Any) -> None:
        faults = SettingFaults(f"codec {self.kind}")
        faults.share("keep", keep)
        with faults.and_those_inside():
            super().__init__(**quantisation)
        self.keep = float(keep)

    def settings(self) -> dict[str, Any]:
        """Return the arguments that build the codec."""
        return {**super().settings(), "keep": self.keep}

    def _n_kept(self, x: Tensor) -> int:
        """Return how many values of each sample are kept."""
        return min(x[0].numel(), max(1, round(self.keep * x[0].numel())))

    def _mask(self, x: Tensor) -> Tensor:
        return largest(x.abs().reshape(x.shape[0], -1), self._n_kept(x)).reshape(x.shape)

    def _write_mask(self, writer: SymbolWriter, mask: Tensor | None) -> None:
        if mask is not None:
            write_places(writer, mask.cpu().numpy())

    def _read_mask(self, reader: SymbolReader, shape: Shape) -> Tensor | None:
        return torch.from_numpy(read_places(reader, shape)).to(self._place.device)

    def _mask_bytes(self, mask: Tensor | None) -> int:
        """Return the bytes of the places, coded as in a stream."""
        if mask is None:
            return 0
        writer = SymbolWriter()
        write_places(writer, mask.cpu().numpy())
        return len(writer.to_bytes())

    def _masked_rate_bits(self, x: Tensor, mask: Tensor | None, soft: Tensor | None) -> Tensor:
        # The places cost about log2 of the number of choices, whatever is trained; coding them each step would be slow.
        n, k = x[0].numel(), self._n_kept(x)
        choices = (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)) / math.log(2.0)
        return super()._masked_rate_bits(x, mask, soft) + x.shape[0] * choices


class RandomTopKCodec(TopKCodec):
    """Top-k that in training now and then keeps a smaller value instead; in evaluation it is plain Top-k.

    Each kept value is drawn without replacement, with weight (1 - `chance`) / k for those of the k largest and
    `chance` / (n - k) for the others, where n is the number of a sample's values.

    Parameters
    ----------
    chance : float
        Weight of all values outside the k largest, in [0, 1). [1]
    keep, **quantisation
        Those of `TopKCodec`.
    """

    kind = "random-topk"
    number = 5

    def __init__(self, *, chance: float = 0.1, keep: float = 0.2, **quantisation: Any) -> None:
        faults = SettingFaults(f"codec {self.kind}")
        if not (is_number(chance) and 0.0 <= chance < 1.0):
            faults.add("chance", f"expected a share of at least 0 and below 1, got {chance!r}")
        with faults.and_those_inside():
            super().__init__(keep=keep, **quantisation)
        self.chance = float(chance)
        self.generator: torch.Generator | None = None  # of the training noise; torch's own where there is none

    def settings(self) -> dict[str, Any]:
        """Return the arguments that build the codec."""
        return {**super().settings(), "chance": self.chance}

    def _drawn_masks(self, x: Tensor) -> tuple[Tensor | None, Tensor | None]:
        mask = self._mask(x)
        n, k = x[0].numel(), self._n_kept(x)
        if self.chance > 0.0 and k < n:
            # Drawing without replacement by weights is taking the k largest of log weight plus Gumbel noise.
            uniform = torch.rand(x.shape, generator=self.generator, device=x.device).clamp_min(1e-30)
            gumbel = -torch.log((-torch.log(uniform)).clamp_min(1e-30))
            inside, outside = math.log((1.0 - self.chance) / k), math.log(self.chance / (n - k))
            score = gumbel + torch.where(mask, inside, outside)
            mask = largest(score.reshape(x.shape[0], -1), k).reshape(x.shape)
        return mask, self._soft_mask(x, mask)


def _kth_largest(score: Tensor, k: int) -> Tensor:
    """Return the k-th largest value of each row, (rows, 1)."""
    place = score.shape[1] - k
    if score.device.type != "cpu" or score.dtype != torch.float32:
        return score.kthvalue(place + 1, dim=1, keepdim=True).values
    # numpy selects with vector instructions where the processor has them, many times faster; row by row in its cache.
    found = [np.partition(row, place)[place : place + 1] for row in score.detach().numpy()]
    return torch.from_numpy(np.stack(found)) if found else score.new_zeros(0, 1)


def largest(score: Tensor, k: int) -> Tensor:
    """Return a mask of the k largest of each row, those first in the row among equals.

    Parameters
    ----------
    score : Tensor, (rows, n)
        Scores without NaN.
    k : int
        How many, 1 to n.
    """
    threshold = _kth_largest(score, k)
    mask = score >= threshold
    if int(mask.count_nonzero()) == k * len(mask):  # each row has k at least
        return mask
    above = score > threshold
    missing = k - above.sum(1, keepdim=True)
    equal = mask & ~above
    return above | (equal & (equal.cumsum(1) <= missing))
