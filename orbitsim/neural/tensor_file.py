"""Files of tensors and JSON that appear whole or not at all, and that notice when a bit of them changes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file; a kill at any moment leaves the one before it or this one, whole.

    The unfinished file has one name, so that kills do not pile up files: the next write replaces it.

    Parameters
    ----------
    path : Path
        File.
    tensors : mapping of str to Tensor
        On the CPU, contiguous.
    metadata : mapping of str to str
        The file's header.

    Raises
    ------
    OSError
        When it cannot be written; what was there before is unchanged.
    """
    unfinished = path.with_name(path.name + ".part")
    try:
        with unfinished.open("wb") as file:
            file.write(save(dict(tensors), metadata=dict(metadata)))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise


def contents_hash(tensors: Mapping[str, Tensor], content: str) -> str:
    """Return the SHA-256 over a text and tensors, each with name, type, shape and bytes."""
    digest = hashlib.sha256(content.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
