"""Which values are kept, as symbols: a map of bits with a model for each class of channels, or gaps between places.

A map coded with the shares of ones takes as good as log2 of the number of masks with so many ones, which is what
enumerating them (combinatorial coding) would take; with shares that differ between channels it takes less. Gaps are as
short where the places are spread evenly and there are far fewer symbols. Whichever is estimated shorter is written.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orbitsim.neural.codecs.channel_models import channel_classes, read_codes, write_codes
from orbitsim.neural.codecs.entropy import SymbolReader, SymbolWriter
from orbitsim.neural.codecs.stream import StreamError
from orbitsim.neural.codecs.tables import counts_of, entropy_bits

MAP, GAPS = 0, 1
_LONG = 255  # a gap symbol that means: 255 places without a kept value, and more
_BYTES = 8


def write_places(writer: SymbolWriter, mask: NDArray[np.bool_]) -> None:
    """Add a mask to the writer.

    Parameters
    ----------
    writer : SymbolWriter
        Where the groups go.
    mask : ndarray of bool, (batch, tokens, channels)
        True for kept values.
    """
    n_channels = mask.shape[-1]
    bits = np.ascontiguousarray(mask).reshape(-1, n_channels).view(np.uint8)
    channel = np.arange(n_channels)
    gaps = _gaps(np.flatnonzero(mask))
    classes, map_bits = channel_classes(bits, channel, n_channels, 2)
    form = GAPS if float(entropy_bits(counts_of(gaps, _LONG + 1))) < map_bits else MAP
    writer.add(np.array([form]), 2)
    if form == MAP:
        write_codes(writer, bits, channel, n_channels, 2, classes)
        return
    writer.add(np.frombuffer(gaps.size.to_bytes(_BYTES, "little"), dtype=np.uint8), 256)
    writer.add(gaps, _LONG + 1)


def read_places(reader: SymbolReader, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Return the mask that `write_places` added."""
    n_channels = shape[-1]
    if reader.take(1, 2)[0] == MAP:
        bits = read_codes(reader, shape[0] * shape[1], np.arange(n_channels), n_channels, 2)
        return bits.reshape(shape).view(np.bool_)
    n_gaps = int.from_bytes(reader.take(_BYTES, 256).astype(np.uint8).tobytes(), "little")
    n = shape[0] * shape[1] * shape[2]
    if n_gaps > 2 * n:
        raise StreamError(f"the codec stream has {n_gaps} gaps for {n} values")
    gaps = reader.take(n_gaps, _LONG + 1).astype(np.int64)
    places = np.cumsum(gaps + (gaps < _LONG))[gaps < _LONG] - 1
    if places.size and places[-1] >= n:
        raise StreamError("the codec stream keeps a value beyond the end of its tensor")
    mask = np.zeros(n, dtype=np.bool_)
    mask[places] = True
    return mask.reshape(shape)


def _gaps(places: NDArray[np.intp]) -> NDArray[np.int32]:
    """Return the runs of dropped values before each kept one, in symbols of at most 255."""
    runs = np.diff(places, prepend=-1) - 1
    if int(runs.max(initial=0)) < _LONG:
        return runs.astype(np.int32)
    last = np.cumsum(runs // _LONG + 1) - 1
    symbols = np.full(int(last[-1]) + 1 if last.size else 0, _LONG, dtype=np.int32)
    symbols[last] = runs % _LONG
    return symbols
