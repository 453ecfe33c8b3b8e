"""Split execution: a model cut at block boundaries into stages that run one after another, with codecs between them.

Cut `c` lies after `c` blocks: the first stage is the embedding and the blocks 0 .. c-1, the next one begins with block
c, the last one ends with the head. Stages share their weights with the model that they were cut from.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from orbitsim.errors import InputError, Problem
from orbitsim.neural.codecs.base import Codec
from orbitsim.neural.parts import ModelParts


def cut_problems(cuts: Sequence[int], n_blocks: int, key: str = "cuts") -> list[Problem]:
    """Return what is wrong with a set of cuts of a model with so many blocks; empty if nothing is."""
    problems = []
    wrong = [c for c in cuts if not isinstance(c, int) or isinstance(c, bool) or not 0 < c < n_blocks]
    if wrong:
        message = f"expected whole numbers from 1 to {n_blocks - 1} (the model has {n_blocks} blocks), got {wrong}"
        problems.append(Problem(key, message))
    elif list(cuts) != sorted(set(cuts)):
        problems.append(Problem(key, f"expected each cut once, in ascending order, got {list(cuts)}"))
    return problems


class Stage(nn.Module):
    """Consecutive parts of a model: what one node computes.

    Parameters
    ----------
    parts : ModelParts
        The model.
    start, stop : int
        Its blocks start .. stop-1; with 0 the embedding comes first, with the number of blocks the head comes last.
    """

    def __init__(self, parts: ModelParts, start: int, stop: int) -> None:
        super().__init__()
        n_blocks = len(parts.blocks)
        before = [parts.embedding] if start == 0 else []
        after = [parts.head] if stop == n_blocks else []
        self.start, self.stop = start, stop
        self.parts = nn.ModuleList([*before, *parts.blocks[start:stop], *after])

    def forward(self, x: Tensor) -> Tensor:
        """Return what the stage hands on: an activation, or the model's output."""
        for part in self.parts:
            x = part(x)
        return x


class SplitModel(nn.Module):
    """A model in stages, each of which sees what the codec before it restored.

    Parameters
    ----------
    parts : ModelParts
        The model with its weights (`orbitsim.neural.zoo.load_model`).
    cuts : sequence of int
        Blocks before each cut: ascending, from 1 to one less than the number of blocks; none is the whole model.
    codecs : sequence of Codec or None, optional
        One for each cut; None where the activation crosses as it is. Without codecs all do.

    Raises
    ------
    InputError
        When cuts or codecs do not fit; one error for all that is wrong.
    """

    def __init__(self, parts: ModelParts, cuts: Sequence[int], codecs: Sequence[Codec | None] | None = None) -> None:
        super().__init__()
        problems = cut_problems(cuts, len(parts.blocks))
        if parts.whole is None:
            problems.append(Problem("model", f"expected a model with weights, {parts.name} was only laid out"))
        if codecs is not None and len(codecs) != len(cuts):
            problems.append(Problem("codecs", f"expected one for each of {len(cuts)} cuts, got {len(codecs)}"))
        if problems:
            raise InputError(problems).located(f"split of {parts.name}")
        self.cuts = tuple(cuts)
        bounds = [0, *self.cuts, len(parts.blocks)]
        self.stages = nn.ModuleList(Stage(parts, start, stop) for start, stop in pairwise(bounds))
        # nn.Identity stands where there is no codec, so that places of a state do not depend on which cuts have one.
        chosen = [None] * len(cuts) if codecs is None else codecs
        self.codecs = nn.ModuleList(nn.Identity() if codec is None else codec for codec in chosen)

    def codec(self, number: int) -> Codec | None:
        """Return the codec of a cut, counted from 0; None where the activation crosses as it is."""
        codec = self.codecs[number]
        return None if isinstance(codec, nn.Identity) else cast("Codec", codec)

    def forward(self, x: Tensor) -> Tensor:
        """Return the model's output, every activation replaced by its codec's `forward` (differentiable)."""
        for stage, codec in zip(self.stages, [*self.codecs, nn.Identity()], strict=True):
            x = codec(stage(x))
        return x

    def forward_with_rate(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return output and, for each cut, a differentiable estimate of the bits of the mini-batch [bit].

        Where there is no codec the bits are those of the activation in fp32.
        """
        bits = []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number == len(self.cuts):
                break
            codec = self.codec(number)
            if codec is None:
                bits.append(torch.tensor(32.0 * x.numel(), device=x.device))
            else:
                x, bits_of_cut = codec.forward_with_rate(x)
                bits.append(bits_of_cut)
        return x, bits

    def run_bytes(self, x: Tensor) -> tuple[Tensor, list[int]]:
        """Return the output computed from real streams, encoded and decoded at each cut, and their lengths [byte].

        Where there is no codec the length is that of the activation in its own type, without a header.
        """
        n_bytes = []
        with torch.no_grad():
            for number, stage in enumerate(self.stages):
                x = stage(x)
                if number == len(self.cuts):
                    break
                codec = self.codec(number)
                if codec is None:
                    n_bytes.append(x.numel() * x.element_size())
                else:
                    data = codec.encode(x)
                    n_bytes.append(len(data))
                    x = codec.decode(data)
        return x, n_bytes

    def activations(self, x: Tensor, *, coded: bool = False) -> list[Tensor]:
        """Return the activation that leaves each stage but the last, before its codec.

        Parameters
        ----------
        x : Tensor
            Input of the model.
        coded : bool
            Whether each stage works on what the codec before it restored, as in `forward`, or on the activation itself.
        """
        found = []
        for number in range(len(self.cuts)):
            x = self.stages[number](x)
            found.append(x)
            if coded:
                x = self.codecs[number](x)
        return found
