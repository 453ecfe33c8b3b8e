"""The entropy stage: groups of integer symbols to bytes and back with constriction's ANS coder.

Symbols come in groups, each with one model for all its symbols, so the coder runs once for a group and never in a
Python loop over symbols. For every group the writer takes the shortest of up to four models, and counts what it costs
to say so:

- ``KNOWN``: a table that both ends hold (calibrated);
- ``ADAPTIVE``: counts of the symbols decoded so far, brought up to date in blocks that double in length, starting from
  the known table where there is one;
- ``SENT``: the group's own frequencies, rounded and sent with it;
- ``FLAT``: all symbols alike, which is plain bit packing.

ANS is a stack: groups are pushed in reverse order, so that they are decoded in the order in which they were added and
what was decoded before may choose the model of what follows.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import constriction
import numpy as np
from numpy.typing import NDArray

from orbitsim.neural.codecs.stream import PayloadReader, StreamError, varint
from orbitsim.neural.codecs.tables import (
    Counts,
    Weights,
    code_length_bits,
    counts_of,
    levels_of,
    table_from_bytes,
    table_to_bytes,
    weights_of,
)

KNOWN, ADAPTIVE, SENT, FLAT = range(4)
MAX_SYMBOLS = 1 << 16  # constriction's models have 24 bits; a larger alphabet would waste them on rare symbols
_FIRST_BLOCK = 32
_KT_WEIGHT = 0.5  # Krichevsky and Trofimov's estimator
_PRIOR_SYMBOLS = 256.0  # what the known table counts for at the start of an adaptive group
_WORD = np.dtype("<u4")


class SymbolWriter:
    """Collects groups of symbols and turns them into bytes."""

    def __init__(self) -> None:
        self._modes: list[int] = []
        self._tables: list[bytes] = []
        self._pieces: list[tuple[NDArray[np.int32], Weights]] = []

    def add(self, symbols: NDArray[np.integer[Any]], n_symbols: int, known: Weights | None = None) -> None:
        """Add a group.

        Parameters
        ----------
        symbols : ndarray of int, (n,)
            Symbols from 0 to `n_symbols` - 1.
        n_symbols : int
            Size of the alphabet, at most 65,536. Of an alphabet of one nothing is written.
        known : ndarray, (n_symbols,), optional
            Weights that the reader will also have.
        """
        _check_alphabet(n_symbols)
        if not symbols.size or n_symbols == 1:
            return
        group: NDArray[np.int32] = np.ascontiguousarray(symbols, dtype=np.int32)
        blocks = [group[start:stop] for start, stop in _blocks(group.size)]
        block_counts = [counts_of(block, n_symbols) for block in blocks]
        block_weights = _running_weights(block_counts, n_symbols, known)
        counts = np.sum(block_counts, axis=0)
        levels = levels_of(counts)
        table = table_to_bytes(levels)
        bits = {
            ADAPTIVE: sum(map(code_length_bits, block_counts, block_weights)),
            SENT: code_length_bits(counts, weights_of(levels)) + 8 * len(table),
            FLAT: float(group.size * np.log2(n_symbols)),
        }
        if known is not None:
            bits[KNOWN] = code_length_bits(counts, known)
        mode = min(sorted(bits), key=lambda name: bits[name])
        self._modes.append(mode)
        if mode == ADAPTIVE:
            self._pieces += zip(blocks, block_weights, strict=True)
            return
        if mode == SENT:
            self._tables.append(table)
            present, weights = _present(levels)
            self._pieces.append((_ranked(group, present, n_symbols), weights))
        else:
            self._pieces.append((group, _common(mode, n_symbols, known)))

    def to_bytes(self) -> bytes:
        """Return modes, tables and the coder's words."""
        coder = constriction.stream.stack.AnsCoder()
        for symbols, weights in reversed(self._pieces):
            if weights.size > 1:
                coder.encode_reverse(symbols, _model(weights))
        words = coder.get_compressed().astype(_WORD)
        tables = b"".join(self._tables)
        return b"".join(
            [_modes_to_bytes(self._modes), varint(len(tables)), tables, varint(words.size), words.tobytes()]
        )


class SymbolReader:
    """Takes groups of symbols from the bytes of a `SymbolWriter`, in the order in which they were added."""

    def __init__(self, reader: PayloadReader) -> None:
        self._n_modes, self._modes = _modes_from_bytes(reader)
        self._next = 0
        self._tables = PayloadReader(reader.take(reader.varint()))
        words = reader.array("<u4", reader.varint()).astype(np.uint32)
        if words.size and not words[-1]:
            raise StreamError("the codec stream's coded words end with zero, which no encoder writes")
        self._coder = constriction.stream.stack.AnsCoder(words if words.size else None)

    def take(self, n: int, n_symbols: int, known: Weights | None = None) -> NDArray[np.int32]:
        """Return the next group: `n` symbols of an alphabet, with the weights that the writer was given."""
        _check_alphabet(n_symbols)
        if not n or n_symbols == 1:
            return np.zeros(n, dtype=np.int32)
        if self._next >= self._n_modes:
            raise StreamError("the codec stream has fewer groups of symbols than its codec expects")
        mode = self._modes[self._next % len(self._modes)]
        self._next += 1
        if mode == KNOWN and known is None:
            raise StreamError("the codec stream names a calibrated table that its codec does not have")
        if mode == ADAPTIVE:
            return self._take_adaptive(n, n_symbols, known)
        if mode == SENT:
            present, weights = _present(table_from_bytes(self._tables, n_symbols))
            return _unranked(self._decode(n, weights), present)
        return self._decode(n, _common(mode, n_symbols, known))

    def end(self) -> None:
        """Raise if groups, tables or coded words are left."""
        self._tables.end()
        if self._next != self._n_modes or not self._coder.is_empty():
            raise StreamError("the codec stream has more symbols than its codec expects")

    def _take_adaptive(self, n: int, n_symbols: int, known: Weights | None) -> NDArray[np.int32]:
        blocks: list[NDArray[np.int32]] = []
        counts = np.zeros(n_symbols, dtype=np.int64)
        for start, stop in _blocks(n):
            blocks.append(self._decode(stop - start, _prior(n_symbols, known) + counts))
            counts += counts_of(blocks[-1], n_symbols)
        return np.concatenate(blocks)

    def _decode(self, n: int, weights: Weights) -> NDArray[np.int32]:
        if weights.size == 1:
            return np.zeros(n, dtype=np.int32)
        return np.asarray(self._coder.decode(_model(weights), n), dtype=np.int32)


def _check_alphabet(n_symbols: int) -> None:
    if not 1 <= n_symbols <= MAX_SYMBOLS:
        raise ValueError(f"expected an alphabet of 1 to {MAX_SYMBOLS} symbols, got {n_symbols}")


def _blocks(n: int) -> list[tuple[int, int]]:
    """Return the start and stop of the blocks of an adaptive group: 32, 32, 64, 128, ... symbols."""
    edges = [0]
    length = _FIRST_BLOCK
    while edges[-1] < n:
        edges.append(min(n, length))
        length *= 2
    return list(pairwise(edges))


def _prior(n_symbols: int, known: Weights | None) -> Weights:
    if known is None:
        return np.full(n_symbols, _KT_WEIGHT)
    return np.asarray(known / known.sum() * _PRIOR_SYMBOLS, dtype=np.float64)


def _running_weights(block_counts: list[Counts], n_symbols: int, known: Weights | None) -> list[Weights]:
    """Return the weights of each block: the prior and the counts of the blocks before it."""
    weights = [_prior(n_symbols, known)]
    counts = np.zeros(n_symbols, dtype=np.int64)
    for block in block_counts[:-1]:
        counts += block
        weights.append(weights[0] + counts)
    return weights


def _present(levels: NDArray[np.uint8]) -> tuple[NDArray[np.int32], Weights]:
    """Return the symbols of a sent table that occur, and their weights: decoding time grows with the alphabet."""
    present = np.flatnonzero(levels).astype(np.int32)
    return present, weights_of(levels[present])


def _ranked(symbols: NDArray[np.int32], present: NDArray[np.int32], n_symbols: int) -> NDArray[np.int32]:
    """Return the place of each symbol among those that occur."""
    if _has_no_gaps(present):
        return symbols if present[0] == 0 else symbols - present[0]
    rank = np.zeros(n_symbols, dtype=np.int32)
    rank[present] = np.arange(present.size)
    return rank.take(symbols)


def _unranked(ranks: NDArray[np.int32], present: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the symbols at places among those that occur."""
    if _has_no_gaps(present):
        return ranks if present[0] == 0 else ranks + present[0]
    return present.take(ranks)


def _has_no_gaps(present: NDArray[np.int32]) -> bool:
    return int(present[-1]) - int(present[0]) == present.size - 1


def _common(mode: int, n_symbols: int, known: Weights | None) -> Weights:
    return known if mode == KNOWN and known is not None else np.ones(n_symbols)


def _model(weights: Weights) -> Any:
    # With lazy=False the model is a lookup table: several times faster for a group than one model for each symbol.
    probabilities = np.asarray(weights / weights.sum(), dtype=np.float64)
    return constriction.stream.model.Categorical(probabilities, lazy=False, perfect=False)


def _modes_to_bytes(modes: list[int]) -> bytes:
    """Return the modes: their number, doubled, and either one mode for all or two bits for each."""
    if len(set(modes)) <= 1:
        return varint(2 * len(modes)) + bytes(modes[:1])
    padded = np.array(modes + [0] * (-len(modes) % 4), dtype=np.uint8).reshape(-1, 4)
    packed: bytes = (padded << np.array([0, 2, 4, 6], dtype=np.uint8)).sum(1).astype(np.uint8).tobytes()
    return varint(2 * len(modes) + 1) + packed


def _modes_from_bytes(reader: PayloadReader) -> tuple[int, list[int]]:
    """Return the number of modes, and them, or the one that all are: a forged number takes no memory."""
    n, differ = divmod(reader.varint(), 2)
    if not n:
        return 0, []
    if not differ:
        (mode,) = reader.take(1)
        if mode > FLAT:
            raise StreamError(f"expected a model from {KNOWN} to {FLAT} in the codec stream, got {mode}")
        return n, [mode]
    packed = np.frombuffer(reader.take(-(-n // 4)), dtype=np.uint8)
    modes: list[int] = (packed[:, None] >> np.array([0, 2, 4, 6], dtype=np.uint8) & 3).ravel()[:n].tolist()
    return n, modes
