"""Codecs that treat each value by itself: centre, keep some (a subclass says which), quantise, code."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from orbitsim.errors import InputError
from orbitsim.neural.codecs.base import Codec, Shape, SizeParts, fixed_shape_fault, n_packed_bytes
from orbitsim.neural.codecs.channel_models import read_codes, write_codes
from orbitsim.neural.codecs.entropy import SymbolReader, SymbolWriter
from orbitsim.neural.codecs.quantiser import MAX_BITS, MIN_BITS, Ranges, dequantise, measure_ranges, quantise, with_zero
from orbitsim.neural.codecs.rates import laplace_bin_bits, laplace_fit
from orbitsim.neural.codecs.setting_faults import SettingFaults
from orbitsim.neural.codecs.straight_through import straight_through
from orbitsim.neural.codecs.stream import PayloadReader, StreamError

_LIMIT = torch.finfo(torch.float32).max
RANGE_KINDS = ("tensor", "channel")


class ElementwiseCodec(Codec):
    """Values kept or dropped one by one, the kept ones quantised by Eq. (6) and entropy coded.

    Parameters
    ----------
    bits : int
        Bits of a code, its sign included, 2 to 8.
    ranges : str
        ``"tensor"``: one range of magnitudes; ``"channel"``: one for each channel.
    calibrated : bool
        Whether the ranges are part of the codec's state (values beyond them become their ends) or measured on each
        mini-batch and sent with it. Measured ranges make a value's code depend on the whole mini-batch.
    centred : bool
        Whether a calibrated mean of each token and channel is taken off first and added again at the end; a dropped
        value is then restored as its mean, and as zero otherwise.
    signed_zero : bool
        Whether a range may begin just above zero, as Eq. (6) has it, so that each value near zero keeps its sign; by
        default such a range begins at zero, which saves that bit (`quantiser.with_zero`).
    n_tokens, n_channels : int, optional
        Tokens and channels of an activation; needed for what has a value for each.
    """

    def __init__(
        self,
        *,
        bits: int = 8,
        ranges: str = "tensor",
        calibrated: bool = False,
        centred: bool = False,
        signed_zero: bool = False,
        n_tokens: int | None = None,
        n_channels: int | None = None,
    ) -> None:
        super().__init__()
        faults = SettingFaults(f"codec {self.kind}")
        faults.whole("bits", bits, MIN_BITS, MAX_BITS)
        faults.choice("ranges", ranges, RANGE_KINDS)
        for name, flag in (("calibrated", calibrated), ("centred", centred), ("signed_zero", signed_zero)):
            faults.flag(name, flag)
        for name, number in (("n_tokens", n_tokens), ("n_channels", n_channels)):
            if number is not None:
                faults.whole(name, number, 1)
        if calibrated is True and ranges == "channel" and n_channels is None:
            faults.add("n_channels", "expected the number of channels, for a calibrated range of each")
        if centred is True and (n_tokens is None or n_channels is None):
            faults.add("centred", "expected n_tokens and n_channels with it, for a mean of each")
        faults.raise_any()
        self.bits, self.ranges, self.calibrated, self.centred = bits, ranges, calibrated, centred
        self.signed_zero = signed_zero
        self.n_tokens, self.n_channels = n_tokens, n_channels
        self.low: Tensor
        self.high: Tensor
        self.centre: Tensor
        if calibrated:
            form = () if ranges == "tensor" else (n_channels or 0,)
            self.register_buffer("low", torch.zeros(form))
            self.register_buffer("high", torch.zeros(form))
        if centred:
            self.register_buffer("centre", torch.zeros(n_tokens or 0, n_channels or 0))

    # What a subclass says about the values that are kept

    def _mask(self, x: Tensor) -> Tensor | None:  # noqa: ARG002 (for subclasses that look at the values)
        """Return which values are kept, broadcastable to `x`; None for all."""
        return None

    def _write_mask(self, writer: SymbolWriter, mask: Tensor | None) -> None:
        """Add to the stream what the receiver does not know of the mask."""

    def _read_mask(self, reader: SymbolReader, shape: Shape) -> Tensor | None:  # noqa: ARG002
        """Return the mask of a stream."""
        return None

    def _mask_bytes(self, mask: Tensor | None) -> int:  # noqa: ARG002
        """Return the bytes that say which values are kept [byte]."""
        return 0

    def _soft_mask(self, x: Tensor, mask: Tensor | None) -> Tensor | None:
        """Return the mask of evaluation as numbers, with a gradient where it can be trained."""
        return None if mask is None else mask.to(x.dtype)

    def _drawn_masks(self, x: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Return the mask of one training step, and the same as numbers with a gradient where it can be trained."""
        mask = self._mask(x)
        return mask, self._soft_mask(x, mask)

    # Codec

    def settings(self) -> dict[str, Any]:
        """Return the arguments that build the codec."""
        names = ("bits", "ranges", "calibrated", "centred", "signed_zero", "n_tokens", "n_channels")
        return {name: getattr(self, name) for name in names}

    def wire_state(self) -> dict[str, Tensor]:
        """Return calibrated ranges and centre."""
        state = {"low": self.low, "high": self.high} if self.calibrated else {}
        return {**state, "centre": self.centre} if self.centred else state

    def size_parts(self, tensor: Tensor) -> SizeParts:
        """Return the bytes after each stage; quantised values are counted with ranges and packed codes."""
        with torch.no_grad():
            mask = self._mask(self.centre_off(tensor.to(torch.float32))) if tensor.numel() else None
        n_kept = tensor.numel() if mask is None else int(mask.expand(tensor.shape).sum())
        mask_bytes = self._mask_bytes(mask)
        n_ranges = 0 if self.calibrated else 1 if self.ranges == "tensor" else tensor.shape[-1]
        return SizeParts(
            4 * tensor.numel(),
            4 * n_kept + mask_bytes,
            n_packed_bytes(n_kept, self.bits) + 8 * n_ranges + mask_bytes,
            len(self.encode(tensor)),
        )

    def _write(self, x: Tensor) -> bytes:
        x = self.centre_off(x)
        mask = self._mask(x)
        places = _places(mask, (x.shape[0], x.shape[1], x.shape[2]))
        kept = places.taken(x)
        ranges = self._ranges(x, mask) if self.ranges == "channel" else self._ranges(kept, None)
        codes = quantise(kept, places.of_columns(ranges), self.bits)
        sent = b"" if self.calibrated else _ranges_to_bytes(ranges)
        writer = SymbolWriter()
        self._write_mask(writer, mask)
        write_codes(writer, codes.cpu().numpy(), places.channel, x.shape[-1], 2**self.bits)
        return sent + writer.to_bytes()

    def _read(self, reader: PayloadReader, shape: Shape) -> Tensor:
        ranges = Ranges(self.low, self.high) if self.calibrated else self._read_ranges(reader, shape[2])
        symbols = SymbolReader(reader)
        mask = self._read_mask(symbols, shape)
        places = _places(mask, shape)
        kept = read_codes(symbols, places.n_rows, places.channel, shape[2], 2**self.bits)
        symbols.end()
        codes = torch.from_numpy(kept).to(self._place.device)
        return self.centre_on(places.put(dequantise(codes, places.of_columns(ranges), self.bits), shape))

    def _hard(self, x: Tensor) -> Tensor:
        x = self.centre_off(x)
        return self.centre_on(self._quantised(x, self._mask(x)))

    def _soft(self, x: Tensor) -> Tensor:
        x = self.centre_off(x)
        soft = self._soft_mask(x, self._mask(x))
        return self.centre_on(x if soft is None else x * soft)

    def _rate_bits(self, x: Tensor) -> Tensor:
        x = self.centre_off(x)
        mask = self._mask(x)
        return self._masked_rate_bits(x, mask, self._soft_mask(x, mask))

    def _train(self, x: Tensor, with_rate: bool) -> tuple[Tensor, Tensor | None]:
        x = self.centre_off(x)
        mask, soft = self._drawn_masks(x)
        with torch.no_grad():
            hard = self.centre_on(self._quantised(x, mask))
        restored = straight_through(hard, self.centre_on(x if soft is None else x * soft))
        return restored, self._masked_rate_bits(x, mask, soft) if with_rate else None

    def _masked_rate_bits(self, x: Tensor, mask: Tensor | None, soft: Tensor | None) -> Tensor:
        """Return the bits of the kept values under a Laplace distribution fitted to each channel."""
        with torch.no_grad():
            step = self._ranges(x, mask).step(self.bits).to(x.dtype).clamp_min(torch.finfo(x.dtype).tiny)
        weight = None if soft is None else soft.expand(x.shape)
        mean, scale = laplace_fit(x, weight)
        bits = laplace_bin_bits((x - mean) / step, scale / step).clamp_max(float(self.bits))
        return (bits if weight is None else bits * weight).sum()

    def _check_shape(self, shape: Shape, error: type[InputError]) -> None:
        fault = fixed_shape_fault(shape, self.n_tokens, self.n_channels)
        if fault:
            raise error(f"codec {self.kind}: {fault}")

    def measured(self, x: Tensor, mask: Tensor | None) -> Ranges:
        """Return the ranges of the kept values of centred activations."""
        ranges = measure_ranges(x, mask, self.ranges == "channel")
        return ranges if self.signed_zero else with_zero(ranges, self.bits)

    def _ranges(self, x: Tensor, mask: Tensor | None) -> Ranges:
        return Ranges(self.low, self.high) if self.calibrated else self.measured(x, mask)

    def _read_ranges(self, reader: PayloadReader, n_channels: int) -> Ranges:
        n = 1 if self.ranges == "tensor" else n_channels
        ends = torch.from_numpy(reader.array("<f4", 2 * n).reshape(2, n)).to(self._place.device)
        if not bool(torch.isfinite(ends).all() and (ends[0] >= 0).all() and (ends[1] >= ends[0]).all()):
            raise StreamError("the codec stream's ranges are not magnitudes in ascending order")
        return Ranges(ends[0], ends[1])

    def _quantised(self, x: Tensor, mask: Tensor | None) -> Tensor:
        ranges = self._ranges(x, mask)
        restored = dequantise(quantise(x, ranges, self.bits), ranges, self.bits)
        return restored if mask is None else torch.where(mask, restored, 0.0)

    def kept(self, x: Tensor) -> Tensor | None:
        """Return which values of centred activations evaluation keeps, broadcastable to them; None for all."""
        return self._mask(x)

    def centre_off(self, x: Tensor) -> Tensor:
        """Return activations without their calibrated mean."""
        return (x - self.centre).clamp(-_LIMIT, _LIMIT) if self.centred else x

    def centre_on(self, x: Tensor) -> Tensor:
        """Return activations with their calibrated mean."""
        return (x + self.centre).clamp(-_LIMIT, _LIMIT) if self.centred else x


class UniformCodec(ElementwiseCodec):
    """Plain quantisation: every value is kept, quantised by Eq. (6) and entropy coded."""

    kind = "uniform"
    number = 2


class _Places:
    """Where the kept values of a mini-batch lie: the same columns in every row, or all (columns None)."""

    def __init__(self, n_rows: int, columns: NDArray[np.intp] | None, channel: NDArray[np.intp]) -> None:
        self.n_rows, self.columns, self.channel = n_rows, columns, channel

    def taken(self, x: Tensor) -> Tensor:
        """Return the kept values, (rows, columns)."""
        if self.columns is None:
            return x.reshape(self.n_rows, -1)
        rows = x.reshape(self.n_rows, -1)
        if x.device.type != "cpu":
            return rows.index_select(1, torch.from_numpy(self.columns).to(x.device))
        return torch.from_numpy(rows.numpy().take(self.columns, axis=1))

    def put(self, kept: Tensor, shape: Shape) -> Tensor:
        """Return a mini-batch with kept values in their places and zeros elsewhere."""
        if self.columns is None:
            return kept.reshape(shape)
        x = torch.zeros((self.n_rows, math.prod(shape) // self.n_rows), device=kept.device)
        if kept.device.type == "cpu":
            x.numpy()[:, self.columns] = kept.numpy()
        else:
            x[:, torch.from_numpy(self.columns).to(kept.device)] = kept
        return x.reshape(shape)

    def of_columns(self, ranges: Ranges) -> Ranges:
        """Return one range for all columns, or that of each column's channel."""
        if self.columns is None or ranges.low.numel() == 1:
            return ranges
        channel = torch.from_numpy(self.channel).to(ranges.low.device)
        return Ranges(ranges.low[channel], ranges.high[channel])


def _places(mask: Tensor | None, shape: Shape) -> _Places:
    batch, tokens, channels = shape
    if mask is None:
        return _Places(batch * tokens, None, np.arange(channels))
    kept = np.flatnonzero(mask.cpu().numpy())
    return _Places(batch if mask.ndim == 2 else 1, kept, kept % channels)


def _ranges_to_bytes(ranges: Ranges) -> bytes:
    ends = np.stack([ranges.low.cpu().numpy().reshape(-1), ranges.high.cpu().numpy().reshape(-1)])
    return ends.astype("<f4").tobytes()
