"""Activations as they are: float32, or rounded to float16."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from orbitsim.errors import InputError, Problem
from orbitsim.neural.codecs.base import Codec, Shape, SizeParts
from orbitsim.neural.codecs.stream import PayloadReader

_LIMIT = torch.finfo(torch.float16).max


class IdentityCodec(Codec):
    """No compression: each value in 32 or 16 bits, without an entropy stage.

    Parameters
    ----------
    bits : int
        32 for float32, which loses nothing, or 16 for float16: rounded to nearest even, and what lies beyond its
        largest value 65,504 becomes that value.
    """

    kind = "identity"
    number = 1

    def __init__(self, bits: int = 32) -> None:
        super().__init__()
        if not isinstance(bits, int) or bits not in (16, 32):
            raise InputError(Problem("bits", f"expected 16 or 32, got {bits!r}", f"codec {self.kind}"))
        self.bits = bits

    def settings(self) -> dict[str, Any]:
        """Return the arguments that build the codec."""
        return {"bits": self.bits}

    def wire_state(self) -> dict[str, Tensor]:
        """Return nothing: the codec has no state."""
        return {}

    def size_parts(self, tensor: Tensor) -> SizeParts:
        """Return the bytes after each stage; only rounding to float16 changes them."""
        n = tensor.numel()
        return SizeParts(4 * n, 4 * n, self.bits // 8 * n, len(self.encode(tensor)))

    def _write(self, x: Tensor) -> bytes:
        if self.bits == 32:
            return x.cpu().contiguous().numpy().astype("<f4", copy=False).tobytes()
        return _to_float16(x).cpu().contiguous().numpy().astype("<f2", copy=False).tobytes()

    def _read(self, reader: PayloadReader, shape: Shape) -> Tensor:
        values = reader.array("<f4" if self.bits == 32 else "<f2", shape[0] * shape[1] * shape[2])
        return torch.from_numpy(values.reshape(shape)).to(self._place.device, torch.float32)

    def _hard(self, x: Tensor) -> Tensor:
        return x if self.bits == 32 else _to_float16(x).to(torch.float32)

    def _soft(self, x: Tensor) -> Tensor:
        return x

    def _rate_bits(self, x: Tensor) -> Tensor:
        return torch.tensor(float(self.bits * x.numel()), device=x.device)


def _to_float16(x: Tensor) -> Tensor:
    return x.clamp(-_LIMIT, _LIMIT).to(torch.float16)
