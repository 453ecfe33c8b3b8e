"""Many choices of cuts on the same images: what choices have in common from the input on is computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from orbitsim.neural.codecs.base import Codec
from orbitsim.neural.parts import ModelParts
from orbitsim.types.experiment import Progress

Cuts = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class ChoiceResult:
    """What one choice of cuts did.

    Attributes
    ----------
    cuts : tuple of int
        Blocks before each cut.
    output : Tensor
        Of the model, all images.
    n_values, n_bytes : int
        Values of all activations that crossed, and the bytes of their streams. [1, byte]
    """

    cuts: Cuts
    output: Tensor
    n_values: int
    n_bytes: int


def random_choices(n_blocks: int, n_cuts: int, n_choices: int, seed: int) -> list[Cuts]:
    """Return different choices of so many cuts among the boundaries of a model's blocks; all, if there are no more."""
    every = list(combinations(range(1, n_blocks), n_cuts))
    drawn = np.random.default_rng([seed, 10]).permutation(len(every))[:n_choices]
    return [every[i] for i in sorted(drawn)]


def run_choices(
    parts: ModelParts,
    codecs: Mapping[int, Codec],
    choices: Sequence[Cuts],
    images: Tensor,
    *,
    batch_size: int = 64,
    report: Progress = lambda _words, _done, _total: None,
) -> list[ChoiceResult]:
    """Send images through every choice of cuts, as real streams.

    Parameters
    ----------
    parts : ModelParts
        The model with its weights.
    codecs : mapping of int to Codec
        The codec of each cut, in evaluation mode.
    choices : sequence of tuple of int
        Cuts, ascending; each choice once.
    images : Tensor, (n, 3, height, width)
        As the model takes them.
    batch_size : int
        Images of a stream.
    report : callable
        Told of progress.
    """
    walk = _Walk(parts, codecs, sorted(set(choices)), batch_size, report)
    with torch.inference_mode():
        hidden = torch.cat([parts.embedding(x) for x in torch.split(images, batch_size)])
        walk.go(hidden, (), walk.choices, 0, 0)
    return walk.found


class _Walk:
    """Depth-first over the tree of choices: a node is an activation that some choices share up to its last cut."""

    def __init__(
        self,
        parts: ModelParts,
        codecs: Mapping[int, Codec],
        choices: list[Cuts],
        batch_size: int,
        report: Progress,
    ) -> None:
        self.parts, self.codecs, self.choices = parts, codecs, choices
        self.batch_size, self.report = batch_size, report
        self.found: list[ChoiceResult] = []

    def go(self, x: Tensor, done: Cuts, choices: list[Cuts], n_values: int, n_bytes: int) -> None:
        """Follow all choices that begin with the cuts done, from the activation after the last of them."""
        block = done[-1] if done else 0
        if done in choices:
            self._end(x, done, n_values, n_bytes)
        following = sorted({choice[len(done)] for choice in choices if len(choice) > len(done)})
        for cut in following:
            x = self._through(x, block, cut)
            block = cut
            sent, size = self._cross(x, self.codecs[cut])
            ahead = (*done, cut)
            among = [choice for choice in choices if choice[: len(ahead)] == ahead]
            self.go(sent, ahead, among, n_values + x.numel(), n_bytes + size)

    def _through(self, x: Tensor, start: int, stop: int) -> Tensor:
        for block in self.parts.blocks[start:stop]:
            x = torch.cat([block(some) for some in torch.split(x, self.batch_size)])
        return x

    def _cross(self, x: Tensor, codec: Codec) -> tuple[Tensor, int]:
        streams = [codec.encode(some) for some in torch.split(x, self.batch_size)]
        return torch.cat([codec.decode(stream) for stream in streams]), sum(len(stream) for stream in streams)

    def _end(self, x: Tensor, done: Cuts, n_values: int, n_bytes: int) -> None:
        x = self._through(x, done[-1] if done else 0, len(self.parts.blocks))
        output = torch.cat([self.parts.head(some) for some in torch.split(x, self.batch_size)])
        self.found.append(ChoiceResult(done, output, n_values, n_bytes))
        self.report("choices of cuts", len(self.found), len(self.choices))
