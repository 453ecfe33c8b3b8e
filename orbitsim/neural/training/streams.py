"""Random streams by name: what step 17 draws depends on the seed and on 17, not on what was drawn before.

So a run that goes on after a kill needs no generator's state, and measuring between two steps disturbs nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def numpy_stream(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
    """Return the generator of a purpose, at given numbers (epoch, step, ...)."""
    # How many numbers there are goes in too: numpy takes zeros at the end for nothing.
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), len(numbers), *numbers])


@contextmanager
def torch_stream(seed: int, purpose: str, *numbers: int, device: torch.device | None = None) -> Iterator[None]:
    """Let torch's global generators draw the stream of a purpose inside, and leave them as they were."""
    devices = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(numpy_stream(seed, purpose, *numbers).integers(2**62)))
        yield
