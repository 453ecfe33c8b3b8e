"""The byte stream of one mini-batch: header, payload and checksum; a damaged stream is an error, never a tensor.

The layout is written out in ``docs/codec-stream.md``.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from orbitsim.errors import InputError

MAGIC = b"OSAC"
VERSION = 1
_HEADER = struct.Struct("<4sBBBBQ8sIII")  # magic, version, kind, dtype, 0, bytes in all, codec id, shape
_CHECKSUM = struct.Struct("<I")
OVERHEAD_BYTES = _HEADER.size + _CHECKSUM.size

DTYPES: dict[int, torch.dtype] = {0: torch.float32, 1: torch.float16, 2: torch.bfloat16}
_DTYPE_CODES = {dtype: code for code, dtype in DTYPES.items()}
_VARINT_BYTES = 9  # 63 bits
# Symbols that are all alike take no bits, so no payload is too short for any number of values: what a few forged bytes
# can ask for has a limit instead, far above real mini-batches (64 of a ViT-G/14: 2.5e7 values) and ratios (256 here).
FREE_VALUES = 1 << 25
VALUES_PER_BYTE = 64


class StreamError(InputError):
    """A stream of a codec that is damaged, cut short, or was made by another codec or another state of it."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a stream says about itself.

    Attributes
    ----------
    kind : int
        Number of the codec's kind, 0 to 255.
    codec_id : bytes
        The first eight bytes of the hash of the codec's state.
    dtype : torch.dtype
        Type of the tensor: float32, float16 or bfloat16.
    shape : tuple of int
        Batch, tokens, channels.
    """

    kind: int
    codec_id: bytes
    dtype: torch.dtype
    shape: tuple[int, int, int]


def pack(header: Header, payload: bytes) -> bytes:
    """Return the stream: header, payload, and the CRC-32 of all bytes before it."""
    n_bytes = OVERHEAD_BYTES + len(payload)
    head = _HEADER.pack(
        MAGIC, VERSION, header.kind, _DTYPE_CODES[header.dtype], 0, n_bytes, header.codec_id, *header.shape
    )
    body = head + payload
    return body + _CHECKSUM.pack(zlib.crc32(body))


def unpack(data: bytes) -> tuple[Header, bytes]:
    """Return header and payload of a stream.

    Raises
    ------
    StreamError
        If the stream is cut, longer than it says, damaged, or of another format or version.
    """
    data = bytes(data)
    if len(data) < OVERHEAD_BYTES:
        raise StreamError(f"expected a codec stream of at least {OVERHEAD_BYTES} bytes, got {len(data)}")
    magic, version, kind, dtype, reserved, n_bytes, codec_id, *shape = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise StreamError(f"expected a codec stream that begins with {MAGIC!r}, got {magic!r}")
    if version != VERSION:
        raise StreamError(f"expected version {VERSION} of the codec stream, got {version}")
    if n_bytes != len(data):
        raise StreamError(f"expected a codec stream of {n_bytes} bytes, as it says itself, got {len(data)}")
    (checksum,) = _CHECKSUM.unpack_from(data, len(data) - _CHECKSUM.size)
    if zlib.crc32(memoryview(data)[: -_CHECKSUM.size]) != checksum:
        raise StreamError("the codec stream is damaged: its checksum does not match its bytes")
    if dtype not in DTYPES or reserved:
        raise StreamError(f"expected a type from {sorted(DTYPES)} and a zero after it, got {dtype} and {reserved}")
    header = Header(kind, codec_id, DTYPES[dtype], (shape[0], shape[1], shape[2]))
    return header, data[_HEADER.size : -_CHECKSUM.size]


def size_fault(shape: tuple[int, int, int], n_payload_bytes: int) -> str:
    """Return what is wrong with a tensor of more values than a payload may stand for; empty if nothing is."""
    # Dimensions of zero count as one: the strides of an empty tensor can overflow, too.
    n, most = math.prod(max(side, 1) for side in shape), max(FREE_VALUES, VALUES_PER_BYTE * n_payload_bytes)
    if n <= most:
        return ""
    return f"expected at most {most} values in a stream with {n_payload_bytes} bytes of payload, got shape {shape}"


def varint(value: int) -> bytes:
    """Return a number from 0 to 2**63 - 1 in groups of seven bits, the lowest first (LEB128)."""
    if not 0 <= value < 1 << (7 * _VARINT_BYTES):
        raise ValueError(f"expected a number from 0 to 2**63 - 1, got {value}")
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


class PayloadReader:
    """Takes a payload apart from its front; whatever is missing or left over is a `StreamError`."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._at = 0

    def take(self, n_bytes: int) -> bytes:
        """Return the next bytes."""
        if n_bytes > len(self._payload) - self._at:
            raise StreamError(f"the codec stream's payload ends {n_bytes} bytes too early at byte {self._at}")
        self._at += n_bytes
        return self._payload[self._at - n_bytes : self._at]

    def varint(self) -> int:
        """Return the next number written by `varint`."""
        value = 0
        for i in range(_VARINT_BYTES):
            (group,) = self.take(1)
            value |= (group & 0x7F) << (7 * i)
            if group < 0x80:
                return value
        raise StreamError("the codec stream holds a number of more than 63 bits")

    def array(self, dtype: str, n: int) -> NDArray[np.generic]:
        """Return the next `n` numbers of a little-endian type such as ``<f4``."""
        kind = np.dtype(dtype)
        return np.frombuffer(self.take(n * kind.itemsize), dtype=kind).astype(kind.newbyteorder("="))

    def end(self) -> None:
        """Raise if something is left."""
        left = len(self._payload) - self._at
        if left:
            raise StreamError(f"the codec stream's payload has {left} bytes too many")
