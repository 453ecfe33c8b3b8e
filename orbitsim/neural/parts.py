"""A model as a chain of parts: embedding, blocks, head; each takes one tensor and returns one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from orbitsim.types.profile import BlockKind

ModelKind = Literal["vision", "decoder", "custom"]


@dataclass(frozen=True, eq=False)
class ModelParts:
    """A model cut at its block boundaries: ``head(blocks[-1](...blocks[0](embedding(x))))`` is ``whole(x)``.

    Every part is called with one tensor of shape (batch, ...) and returns one; attention masks, rotary positions and
    whatever else a block is given by its model are supplied inside. The parts share their weights with `whole`.

    Attributes
    ----------
    name : str
        Name of the model, as traces and scenarios know it.
    kind : str
        ``vision`` (images in), ``decoder`` (token numbers in) or ``custom``.
    embedding : Module
        All that the model does before its first block.
    blocks : tuple of Module
        The blocks 0 .. L-1, in the order of execution.
    head : Module
        All that the model does after its last block.
    output : str
        What the head returns: ``logits``, ``last-token logits``, ``last_hidden_state``, or ``output`` (custom).
    input_shape : tuple of int
        Shape of one sample: (channels, height, width), (tokens,), or a custom module's own.
    n_vocabulary : int or None
        Token numbers run from 0 to this, exclusive; None where the input is not tokens.
    whole : Module or None
        The whole model, one tensor in and one out; None when it was only laid out for one part at a time.
    build : callable
        ``build(number, device, dtype)``: a part of its own with weights, number 0 the embedding and L + 1 the head.
    """

    name: str
    kind: ModelKind
    embedding: nn.Module
    blocks: tuple[nn.Module, ...]
    head: nn.Module
    output: str
    input_shape: tuple[int, ...]
    n_vocabulary: int | None
    whole: nn.Module | None
    build: Callable[[int, torch.device, torch.dtype], nn.Module] = field(repr=False)

    @property
    def chain(self) -> tuple[nn.Module, ...]:
        """Embedding, blocks and head, in the order of execution."""
        return (self.embedding, *self.blocks, self.head)

    @property
    def labels(self) -> tuple[tuple[BlockKind, int], ...]:
        """Kind and index of every part of `chain`, as in the rows of a trace."""
        blocks: list[tuple[BlockKind, int]] = [("block", index) for index in range(len(self.blocks))]
        return (("embedding", 0), *blocks, ("head", 0))

    @property
    def n_parameters(self) -> int:
        """Parameters of the whole model, a tied one counted once [1]."""
        seen = {id(p): p.numel() for part in self.chain for p in part.parameters()}
        return sum(seen.values())

    def build_part(
        self, number: int, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> nn.Module:
        """Return one part with weights of its own, to be used and dropped; the other parts take no memory.

        Parameters
        ----------
        number : int
            Place in `chain`: 0 is the embedding, L + 1 the head.
        device, dtype
            Where the part is built, and the type of its weights.

        Notes
        -----
        With random weights the part has the values that the same part of the whole model has for the same seed. A
        block needs what the embedding part hands to all blocks (rotary positions, masks). It is remembered when an
        embedding part runs, and otherwise computed by building one.
        """
        return self.build(number, torch.device(device), dtype)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> ModelParts:
        """Move the whole model, and so all parts, to a device and a type of weights; returns itself."""
        for module in self.chain if self.whole is None else (self.whole, *self.chain):
            module.to(device=device, dtype=dtype)
        return self

    def example_input(
        self,
        batch_size: int,
        generator: torch.Generator | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Return a random input: standard normal values, or uniform token numbers; drawn on the CPU, then moved.

        Parameters
        ----------
        batch_size : int
            Samples. [1]
        generator : torch.Generator, optional
            Generator on the CPU; torch's global one when omitted.
        device, dtype
            Of the result; token numbers are int64 whatever `dtype` says.
        """
        shape = (batch_size, *self.input_shape)
        if self.n_vocabulary is not None:
            return torch.randint(self.n_vocabulary, shape, generator=generator).to(device)
        return torch.randn(shape, generator=generator).to(device=device, dtype=dtype)

    def run_chain(self, x: Tensor) -> Tensor:
        """Run all parts, one after another."""
        for part in self.chain:
            x = part(x)
        return x


def largest_difference(parts: ModelParts, x: Tensor) -> float:
    """Return how far the chain is from the whole model on `x`: largest difference relative to the largest value.

    A model whose blocks are not a plain chain (values that skip blocks, inputs that depend on the data) shows here.
    """
    if parts.whole is None:
        raise ValueError(f"{parts.name} was laid out one part at a time: there is no whole model to compare with")
    with torch.no_grad():
        whole = parts.whole(x).double()
        chain = parts.run_chain(x).double()
    return float((whole - chain).abs().max() / whole.abs().max().clamp_min(torch.finfo(torch.float64).tiny))
