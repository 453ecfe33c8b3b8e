"""The identity of a codec: a hash over its kind, its settings and the tensors that both ends must share."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from torch import Tensor

ID_BYTES = 8


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
