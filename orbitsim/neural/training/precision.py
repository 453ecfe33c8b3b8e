"""Mixed precision of a training run: what autocast computes in, and the scaling of gradients that fp16 needs."""

from __future__ import annotations

import torch

from orbitsim.errors import InputError, Problem

PRECISIONS = ("fp32", "bf16", "fp16")
_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def precision_problems(precision: str, device: str) -> list[Problem]:
    """Return what is wrong with a precision on a device; empty if nothing is."""
    if precision not in PRECISIONS:
        return [Problem("--precision", f"expected one of {', '.join(PRECISIONS)}, got {precision!r}")]
    if precision == "fp16" and not device.startswith("cuda"):
        return [Problem("--precision", "expected fp16 only with a CUDA device; bf16 needs no scaling of gradients")]
    return []


def chosen_device(name: str) -> torch.device:
    """Return a device that is there.

    Raises
    ------
    InputError
        When it is not.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(Problem("--device", f"expected cpu, cuda or cuda:N, got {name!r}")) from error
    if device.type not in ("cpu", "cuda"):
        raise InputError(Problem("--device", f"expected cpu, cuda or cuda:N, got {name!r}"))
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise InputError(Problem("--device", f"expected a device that torch finds, got {name!r}"))
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device


def mixed(precision: str, device: torch.device) -> torch.autocast:
    """Return the context in which a model computes; weights stay in fp32."""
    return torch.autocast(device.type, _TYPES[precision], enabled=precision != "fp32")


def gradient_scaler(precision: str, device: torch.device) -> torch.amp.GradScaler:
    """Return the scaler of the loss; it does nothing but for fp16."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")
