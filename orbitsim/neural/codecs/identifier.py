"""The identity of a codec: a hash over its kind, its settings and the tensors that both ends must share.

Hashing takes milliseconds, so it is done again only when the state is another one; `state_checksum`, which takes a
fraction of one, tells.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

ID_BYTES = 8
_COLUMNS = 1021  # words; a prime, so that rows of a matrix that change places change the sums
_WORD_BYTES = 8


def codec_id(kind: str, settings: dict[str, Any], tensors: dict[str, Tensor]) -> bytes:
    """Return the first eight bytes of the SHA-256 over kind, settings (canonical JSON) and named tensors.

    Tensors count with name, type, shape and little-endian bytes, in the order of their names.
    """
    digest = hashlib.sha256()
    digest.update(json.dumps([kind, settings], sort_keys=True, separators=(",", ":")).encode())
    for name in sorted(tensors):
        values = tensors[name].detach().cpu().contiguous().numpy()
        little = values.astype(values.dtype.newbyteorder("<"), copy=False)
        digest.update(json.dumps([name, str(values.dtype), list(values.shape)]).encode())
        digest.update(little.tobytes())
    return digest.digest()[:ID_BYTES]


def state_checksum(tensors: Iterable[Tensor]) -> int:
    """Return a checksum over the contents of tensors that runs at the speed of memory.

    It finds what torch's count of writes does not: writes through ``.data``, or through an array that shares the
    memory. Large tensors are added up in columns of 64-bit words first, so it is no hash: who wants to can deceive it.
    """
    checksum = 0
    for tensor in tensors:
        octets = tensor.detach().reshape(-1).view(torch.uint8)
        n_summed = octets.numel() // (_WORD_BYTES * _COLUMNS) * _WORD_BYTES * _COLUMNS
        if n_summed and octets.storage_offset() % _WORD_BYTES == 0:
            sums = octets[:n_summed].view(torch.int64).view(-1, _COLUMNS).sum(0)
            checksum = zlib.crc32(sums.cpu().numpy().tobytes(), checksum)
            octets = octets[n_summed:]
        checksum = zlib.crc32(octets.cpu().numpy().tobytes(), checksum)
    return checksum
