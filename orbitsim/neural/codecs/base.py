"""The interface of every activation codec: bytes, their tensor, and a differentiable surrogate of the round trip.

A stream carries one mini-batch (batch, tokens, channels). In evaluation mode ``codec(x)`` equals
``codec.decode(codec.encode(x))`` bit for bit. `orbitsim.ports.Codec`, the port of the simulator, speaks of numpy arrays
and knows no training; `NumpyCodec` gives a codec that face.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from orbitsim.errors import InputError
from orbitsim.neural.codecs.identifier import codec_id, state_checksum
from orbitsim.neural.codecs.straight_through import straight_through
from orbitsim.neural.codecs.stream import DTYPES, Header, PayloadReader, StreamError, pack, size_fault, unpack

Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class SizeParts:
    """Bytes of one mini-batch after each stage of a codec (the stages of Fig. 8 of paper 001).

    Attributes
    ----------
    uncompressed_bytes : int
        The activation in fp32. [byte]
    sparsified_bytes : int
        Values kept, in fp32, and their places where the receiver does not know them. [byte]
    quantised_bytes : int
        The same with codes of a fixed number of bits, and the ranges. [byte]
    coded_bytes : int
        The stream, header and checksum included: ``len(codec.encode(x))``. [byte]
    """

    uncompressed_bytes: int
    sparsified_bytes: int
    quantised_bytes: int
    coded_bytes: int

    def ratios(self) -> dict[str, float]:
        """Return how often each stage's bytes go into the uncompressed fp32 bytes [1]."""
        sizes = asdict(self)
        return {name.removesuffix("_bytes"): self.uncompressed_bytes / max(n, 1) for name, n in sizes.items()}


class Codec(nn.Module, ABC):
    """A codec of activations; its parameters are trainable, its buffers are what calibration found.

    A subclass defines the kind and its number, its settings, and how a float32 tensor becomes a payload, comes back,
    and is imitated with gradients. Everything else (checks, types, header, checksum, identity) is here.

    The state may be changed in any way between two calls: each call that needs what is derived from it (identity,
    exact matrices, tables) looks first whether the tensors are what they were, by torch's count of writes and by a
    checksum, and derives it again if not. During a call it must stay as it is.
    """

    kind: ClassVar[str]
    number: ClassVar[int]

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("_place", torch.zeros(()), persistent=False)  # says on which device the codec lives
        self._place: Tensor
        self._known_id: tuple[object, bytes] | None = None
        self._checksum = 0  # of the state, when the present call began

    # What a subclass defines

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return the arguments of `make_codec` that build an untrained codec of the same form; JSON values only."""

    @abstractmethod
    def wire_state(self) -> dict[str, Tensor]:
        """Return the tensors that sender and receiver must share; the codec's identity is the hash over them."""

    @abstractmethod
    def _write(self, x: Tensor) -> bytes:
        """Return the payload of a finite float32 tensor."""

    @abstractmethod
    def _read(self, reader: PayloadReader, shape: Shape) -> Tensor:
        """Return the float32 tensor of a payload."""

    @abstractmethod
    def _hard(self, x: Tensor) -> Tensor:
        """Return what the receiver would get for a float32 tensor; called without gradients."""

    @abstractmethod
    def _soft(self, x: Tensor) -> Tensor:
        """Return a differentiable approximation of the round trip; only its gradient is used outside training."""

    @abstractmethod
    def _rate_bits(self, x: Tensor) -> Tensor:
        """Return a differentiable estimate of the bits of the payload, 0-dimensional."""

    @abstractmethod
    def size_parts(self, tensor: Tensor) -> SizeParts:
        """Return the bytes of a mini-batch after each stage."""

    def _train(self, x: Tensor, with_rate: bool) -> tuple[Tensor, Tensor | None]:
        """Return round trip and rate in training mode: the evaluated ones, unless a codec trains with noise."""
        with torch.no_grad():
            hard = self._hard(x)
        return straight_through(hard, self._soft(x)), self._rate_bits(x) if with_rate else None

    # What every codec does alike

    @property
    def codec_id(self) -> str:
        """Sixteen hexadecimal digits: the hash of kind, settings and shared state, carried by every stream."""
        self._look_at_state()
        return self._id().hex()

    def encode(self, tensor: Tensor) -> bytes:
        """Return the stream of one mini-batch.

        Parameters
        ----------
        tensor : Tensor, (batch, tokens, channels)
            Activations in float32, float16 or bfloat16.

        Raises
        ------
        InputError
            If type or shape do not fit, a value is NaN or infinite, or there are more than 2**25 values (and more than
            64 for each byte of payload), which no decoder takes.
        """
        self._check(tensor)
        _check_finite(tensor)
        self._look_at_state()
        with torch.no_grad(), _full_precision(tensor):
            payload = self._write(tensor.to(torch.float32)) if tensor.numel() else b""
        fault = size_fault(_shape(tensor), len(payload))
        if fault:
            raise InputError(f"{fault}: encode smaller mini-batches")
        return pack(Header(self.number, self._id(), tensor.dtype, _shape(tensor)), payload)

    def decode(self, data: bytes) -> Tensor:
        """Return the tensor of a stream, in the type that was encoded.

        Raises
        ------
        StreamError
            If the stream is damaged or was made by another codec, or by this codec in another state.
        """
        header, payload = unpack(data)
        if header.kind != self.number:
            raise StreamError(
                f"expected a stream of the codec {self.kind} (kind {self.number}), got kind {header.kind}"
            )
        self._look_at_state()
        if header.codec_id != self._id():
            raise StreamError(
                f"expected a stream of the codec {self.kind} in state {self.codec_id}, got {header.codec_id.hex()}"
            )
        self._check_shape(header.shape, StreamError)
        fault = size_fault(header.shape, len(payload))
        if fault:
            raise StreamError(fault)
        reader = PayloadReader(payload)
        if 0 in header.shape:
            restored = torch.zeros(header.shape, device=self._place.device)
        else:
            with torch.no_grad(), _full_precision(self._place):
                restored = self._read(reader, header.shape)
        reader.end()
        return _cast(restored, header.dtype)

    def forward(self, tensor: Tensor) -> Tensor:
        """Return the decoded activation, differentiably.

        In evaluation mode this is ``decode(encode(tensor))`` bit for bit, with the surrogate's gradient; in training
        mode the surrogate itself, with whatever noise the codec trains with.
        """
        return self._round_trip(tensor, with_rate=False)[0]

    def forward_with_rate(self, tensor: Tensor) -> tuple[Tensor, Tensor]:
        """Return `forward` and a differentiable estimate of the stream's payload, 0-dimensional [bit]."""
        restored, bits = self._round_trip(tensor, with_rate=True)
        return restored, torch.zeros((), device=tensor.device) if bits is None else bits

    def _round_trip(self, tensor: Tensor, *, with_rate: bool) -> tuple[Tensor, Tensor | None]:
        self._check(tensor)
        if not tensor.numel():
            return tensor, None
        with _full_precision(tensor):
            x = tensor.to(torch.float32)
            if self.training:
                restored, bits = self._train(x, with_rate)
                return _cast(restored, tensor.dtype), bits
            _check_finite(tensor)
            self._look_at_state()
            with torch.no_grad():
                hard = self._hard(x.detach())
            restored = straight_through(hard, self._soft(x)) if torch.is_grad_enabled() else hard
            return _cast(restored, tensor.dtype), self._rate_bits(x) if with_rate else None

    def describe(self) -> dict[str, Any]:
        """Return what a table of results must say about the codec: kind, settings, identity, number of parameters."""
        return {
            "kind": self.kind,
            "settings": self.settings(),
            "codec_id": self.codec_id,
            "n_parameters": sum(p.numel() for p in self.parameters()),
        }

    def _id(self) -> bytes:
        """Return the identity, hashed again only when the state was found to be another one."""
        versions = self._versions()
        if self._known_id is None or self._known_id[0] != versions:
            self._known_id = (versions, codec_id(self.kind, self.settings(), self.wire_state()))
        return self._known_id[1]

    def _versions(self) -> object:
        """Return what changes when a tensor of the codec is replaced or written to, its memory included."""
        tensors = (*self.parameters(), *self.buffers())
        return self._checksum, tuple((id(t), t.data_ptr(), _n_writes(t)) for t in tensors)

    def _look_at_state(self) -> None:
        """Note the contents of the state, once at the beginning of each call that uses it."""
        self._checksum = state_checksum((*self.parameters(), *self.buffers()))

    def _check(self, tensor: Tensor) -> None:
        if tensor.dtype not in DTYPES.values():
            raise InputError(f"expected a tensor of float32, float16 or bfloat16, got {tensor.dtype}")
        if tensor.ndim != 3:
            raise InputError(f"expected a mini-batch (batch, tokens, channels), got shape {tuple(tensor.shape)}")
        self._check_shape(_shape(tensor), InputError)

    def _check_shape(self, shape: Shape, error: type[InputError]) -> None:
        """Raise `error` if the codec, which may have a state for each token or channel, cannot take this shape."""


class NumpyCodec:
    """A codec behind the simulator's port `orbitsim.ports.Codec`: numpy arrays of float32 in and out."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec

    def encode(self, tensor: NDArray[np.float32]) -> bytes:
        """Return the bytes that cross the hop."""
        return self.codec.encode(torch.from_numpy(np.array(tensor, dtype=np.float32)))

    def decode(self, data: bytes) -> NDArray[np.float32]:
        """Return the activation that the next node computes with; raise on corrupted data."""
        restored: NDArray[np.float32] = self.codec.decode(data).to(torch.float32).cpu().numpy()
        return restored


def fixed_shape_fault(shape: Shape, n_tokens: int | None, n_channels: int | None) -> str:
    """Return what is wrong with a shape for a codec made for so many tokens and channels; empty if nothing is."""
    wanted = [("tokens", n_tokens, shape[1]), ("channels", n_channels, shape[2])]
    return "; ".join(f"expected {n} {name}, got {got}" for name, n, got in wanted if n is not None and n != got)


def n_packed_bytes(n_values: int, bits_per_value: float) -> int:
    """Return the bytes that values of a fixed number of bits fill."""
    return int(np.ceil(n_values * bits_per_value / 8))


def _n_writes(tensor: Tensor) -> int:
    """Return how often torch saw a tensor written to; it does not count for those made in inference mode."""
    return 0 if tensor.is_inference() else tensor._version  # noqa: SLF001 (torch has no public name)


def _shape(tensor: Tensor) -> Shape:
    batch, tokens, channels = tensor.shape
    return batch, tokens, channels


def _check_finite(tensor: Tensor) -> None:
    # Smallest and largest pass NaN on, and need no copy of the tensor.
    if not tensor.numel() or bool(torch.isfinite(torch.stack(tensor.aminmax())).all()):
        return
    faults: Iterable[tuple[str, Tensor]] = (("NaN", torch.isnan(tensor)), ("infinite", torch.isinf(tensor)))
    found = [
        f"{int(fault.sum())} {name} (first at {fault.nonzero()[0].tolist()})" for name, fault in faults if fault.any()
    ]
    raise InputError(f"expected finite activations, got {' and '.join(found)} among {tensor.numel()} values")


def _cast(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return `x` in a type, its finite values kept finite."""
    if dtype == torch.float32:
        return x
    limit = torch.finfo(dtype).max
    return x.clamp(-limit, limit).to(dtype)


def _full_precision(tensor: Tensor) -> torch.autocast:
    """Return a context in which mixed precision is off: both ends must round alike."""
    return torch.autocast(tensor.device.type, enabled=False)
