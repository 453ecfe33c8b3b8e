"""The models that are evaluated, and the arithmetic they are evaluated in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import nn

from orbitsim.neural.huggingface import OneTensor, parts_of_model
from orbitsim.neural.parts import ModelParts
from orbitsim.neural.repeatable import check_repeatable
from orbitsim.neural.zoo import load_model

Precision = Literal["fp32", "bf16"]


def evaluation_model(name: str, *, allow_download: bool = False) -> ModelParts:
    """Return a model without a head by a name that `orbitsim.neural.zoo.load_model` knows.

    The probe stands in for the head: of a classifier of `transformers` only what comes before its head is taken, so
    that a small ViT trained on one data set is measured on another whose classes it does not have.
    """
    parts = load_model(name, allow_download=allow_download)
    check_repeatable(parts)
    if parts.output == "logits" and isinstance(parts.whole, OneTensor):
        base = getattr(parts.whole.model, "base_model", None)
        if base is not None and base is not parts.whole.model:
            return parts_of_model(base, parts.name)
    return parts


def arithmetic(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Return the context in which stages run; codecs leave it, so that both ends round alike."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def weights_hash(parts: ModelParts) -> str:
    """Return sixteen hexadecimal digits that tell a model's weights from others'."""
    return _hash_of(parts.chain)


def blocks_hash(parts: ModelParts) -> str:
    """Return sixteen hexadecimal digits that tell the weights of a model's blocks: the same with and without a head."""
    return _hash_of(parts.blocks)


def _hash_of(modules: Iterable[nn.Module]) -> str:
    digest = hashlib.sha256()
    for part in modules:
        for name, tensor in sorted(part.state_dict().items()):
            values = tensor.detach().cpu().contiguous()
            digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
            digest.update(values.view(torch.uint8).numpy().tobytes() if values.ndim else str(values.item()).encode())
    return digest.hexdigest()[:16]
