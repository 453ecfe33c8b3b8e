"""Frequency tables for the entropy coder: what they cost, how they are sent, how they become models."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orbitsim.neural.codecs.stream import PayloadReader, StreamError, varint

_STEPS_PER_OCTAVE = 4  # a sent weight is rounded to a quarter of an octave: 0.002 bit a symbol at most
_MAX_LEVEL = 255
_PART_SYMBOLS = 1 << 15
_FEW_SYMBOLS = 4
_PROBABILITY_FLOOR = 2.0**-24  # constriction's fixed-point models have 24 bits and give no symbol less

Counts = NDArray[np.int64]
Weights = NDArray[np.float64]


def counts_of(symbols: NDArray[np.integer[Any]], n_symbols: int) -> Counts:
    """Return how often each of the symbols 0 to `n_symbols` - 1 occurs."""
    if n_symbols <= _FEW_SYMBOLS:
        others = [np.count_nonzero(symbols == symbol) for symbol in range(1, n_symbols)]
        return np.array([symbols.size - sum(others), *others], dtype=np.int64)
    # numpy counts a copy in words of a pointer's size: in parts it stays in a processor's cache.
    counts: Counts = np.bincount(symbols[:_PART_SYMBOLS], minlength=n_symbols).astype(np.int64, copy=False)
    for start in range(_PART_SYMBOLS, symbols.size, _PART_SYMBOLS):
        counts += np.bincount(symbols[start : start + _PART_SYMBOLS], minlength=n_symbols)
    return counts


def code_length_bits(counts: Counts, weights: Weights) -> float:
    """Return the ideal code length of symbols with these counts under a model with these weights [bit].

    Parameters
    ----------
    counts : ndarray, (n,)
        How often each symbol occurs.
    weights : ndarray, (n,)
        Weight of each symbol in the model; they need not add up to one.
    """
    probability = np.maximum(weights / weights.sum(), _PROBABILITY_FLOOR)
    return float(-(counts * np.log2(probability)).sum())


def entropy_bits(counts: Counts | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the empirical entropy of each row of counts, times its number of symbols (Eq. 7 of paper 001) [bit]."""
    total = counts.sum(axis=-1, keepdims=True)
    share = np.where(counts > 0, counts, 1) / np.maximum(total, 1)
    return np.asarray(-(counts * np.log2(share)).sum(axis=-1), dtype=np.float64)


def levels_of(counts: Counts) -> NDArray[np.uint8]:
    """Return the level of each count, rounded to a quarter of an octave below the largest; 0 for an absent symbol."""
    largest = max(int(counts.max(initial=0)), 1)
    level = _MAX_LEVEL + np.rint(_STEPS_PER_OCTAVE * np.log2(np.maximum(counts, 1) / largest))
    return np.where(counts > 0, np.maximum(level, 1), 0).astype(np.uint8)


def weights_of(levels: NDArray[np.uint8]) -> Weights:
    """Return the weights that levels stand for."""
    return np.where(levels > 0, 2.0 ** ((levels.astype(np.float64) - _MAX_LEVEL) / _STEPS_PER_OCTAVE), 0.0)


def table_to_bytes(levels: NDArray[np.uint8]) -> bytes:
    """Return levels as bytes: first symbol, number of symbols, and their levels deflated where that is shorter."""
    present = np.flatnonzero(levels)
    if not present.size:
        return varint(0) + varint(0)
    first, last = int(present[0]), int(present[-1])
    plain = levels[first : last + 1].tobytes()
    deflated = _deflate(plain)
    body = varint(2 * len(deflated) + 1) + deflated if len(deflated) < len(plain) else varint(0) + plain
    return varint(first) + varint(last - first + 1) + body


def table_from_bytes(reader: PayloadReader, n_symbols: int) -> NDArray[np.uint8]:
    """Return the levels that `table_to_bytes` wrote."""
    first, n_levels = reader.varint(), reader.varint()
    if first + n_levels > n_symbols:
        raise StreamError(f"the codec stream's table goes beyond its {n_symbols} symbols")
    levels = np.zeros(n_symbols, dtype=np.uint8)
    if n_levels:
        n_deflated = reader.varint() // 2
        plain = _inflate(reader.take(n_deflated), n_levels) if n_deflated else reader.take(n_levels)
        levels[first : first + n_levels] = np.frombuffer(plain, dtype=np.uint8)
    if not levels.any():
        raise StreamError("the codec stream has a table without symbols")
    return levels


def _deflate(plain: bytes) -> bytes:
    packer = zlib.compressobj(level=9, wbits=-15)
    return packer.compress(plain) + packer.flush()


def _inflate(data: bytes, n_bytes: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=-15)
    try:
        plain = unpacker.decompress(data, n_bytes)
    except zlib.error as fault:
        raise StreamError(f"the codec stream's table cannot be inflated: {fault}") from fault
    if len(plain) != n_bytes:
        raise StreamError(f"expected a table of {n_bytes} levels in the codec stream, got {len(plain)}")
    return plain
