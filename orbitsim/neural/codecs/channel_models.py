"""Codes of many channels under a few models: channels with like distributions share one, and the shares are sent.

A mini-batch is a matrix of codes whose columns belong to channels. One model for all channels is cheap to say and fits
none of them; one for each channel fits and costs a table each. Here the channels are clustered by code length (k-means
with the Kullback-Leibler divergence), for a few numbers of classes, and the cheapest in all is taken.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orbitsim.neural.codecs.entropy import SymbolReader, SymbolWriter
from orbitsim.neural.codecs.tables import counts_of, entropy_bits

N_CLASSES = (1, 4, 16, 48)
_ROUNDS = 4
_PART_CODES = 1 << 17
_TABLE_BITS_PER_SYMBOL = 5.0  # about what a deflated table takes

Codes = NDArray[np.integer[Any]]


def write_codes(
    writer: SymbolWriter,
    codes: Codes,
    channel: NDArray[np.intp],
    n_channels: int,
    n_symbols: int,
    classes: NDArray[np.int32] | None = None,
) -> None:
    """Add a matrix of codes to the writer: the classes of the channels, then the codes of each class.

    Parameters
    ----------
    writer : SymbolWriter
        Where the groups go.
    codes : ndarray of int, (rows, columns)
        Codes from 0 to `n_symbols` - 1.
    channel : ndarray of int, (columns,)
        The channel of each column, from 0 to `n_channels` - 1.
    n_channels, n_symbols : int
        Number of channels and size of the alphabet.
    classes : ndarray of int, (n_channels,), optional
        What `channel_classes` finds, where it is known already.
    """
    if classes is None:
        classes, _ = channel_classes(codes, channel, n_channels, n_symbols)
    n_classes = int(classes.max(initial=0)) + 1
    writer.add(np.array([n_classes - 1]), N_CLASSES[-1])
    writer.add(classes, n_classes)
    order, edges = _by_class(classes, channel, n_classes)
    ordered = codes if n_classes == 1 else codes.take(order, axis=1)
    for first, end in edges:
        writer.add(np.ascontiguousarray(ordered[:, first:end], dtype=np.int32).ravel(), n_symbols)


def read_codes(
    reader: SymbolReader, n_rows: int, channel: NDArray[np.intp], n_channels: int, n_symbols: int
) -> NDArray[np.uint8]:
    """Return the matrix of codes that `write_codes` added."""
    n_classes = int(reader.take(1, N_CLASSES[-1])[0]) + 1
    classes = reader.take(n_channels, n_classes)
    order, edges = _by_class(classes, channel, n_classes)
    ordered = np.empty((n_rows, channel.size), dtype=np.uint8)
    for first, end in edges:
        ordered[:, first:end] = reader.take(n_rows * (end - first), n_symbols).reshape(n_rows, end - first)
    if n_classes == 1:
        return ordered
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    return ordered.take(place, axis=1)


def channel_classes(
    codes: Codes, channel: NDArray[np.intp], n_channels: int, n_symbols: int
) -> tuple[NDArray[np.int32], float]:
    """Return the class of each channel and the estimated bits of codes, tables and classes.

    Parameters are those of `write_codes`.
    """
    counts = _channel_counts(codes, channel, n_channels, n_symbols).astype(np.float64)  # whole numbers all the same
    rank = np.argsort(np.argsort(entropy_bits(counts) / np.maximum(counts.sum(1), 1), kind="stable"), kind="stable")
    candidates = [_cluster(counts, rank, n) for n in N_CLASSES if n <= n_channels]
    classes, bits = min(candidates, key=lambda found: found[1])
    # Numbered without gaps, so that the largest number says how many there are.
    return np.unique(classes, return_inverse=True)[1].astype(np.int32), bits


def _channel_counts(codes: Codes, channel: NDArray[np.intp], n_channels: int, n_symbols: int) -> NDArray[np.int64]:
    """Return how often each channel has each symbol, (n_channels, n_symbols)."""
    if np.array_equal(channel, np.arange(n_channels)):
        if n_symbols == 2:
            n_ones = codes.sum(0, dtype=np.int64)
            return np.stack([len(codes) - n_ones, n_ones], axis=1)
        of_channels = np.ascontiguousarray(codes.T)
        return np.stack([counts_of(row, n_symbols) for row in of_channels])
    n = n_channels * n_symbols
    counts = np.zeros(n, dtype=np.int64)
    first = channel * n_symbols
    columns = max(1, min(_PART_CODES, channel.size))
    rows = max(1, _PART_CODES // columns)
    for top in range(0, len(codes), rows):
        for left in range(0, channel.size, columns):
            part = first[left : left + columns] + codes[top : top + rows, left : left + columns]
            counts += np.bincount(part.ravel(), minlength=n)
    return counts.reshape(n_channels, n_symbols)


def _cluster(counts: NDArray[np.float64], rank: NDArray[np.intp], n_classes: int) -> tuple[NDArray[np.intp], float]:
    """Return the class of each row of counts and the bits of all symbols under their class's frequencies.

    The first classes divide the channels by their rank, the place in the order of their bits a symbol.
    """
    n_channels = len(counts)
    classes = rank * n_classes // n_channels
    for _ in range(_ROUNDS if n_classes > 1 else 0):
        before = classes
        total = _class_counts(counts, classes, n_classes) + 0.01
        length = -np.log2(total / total.sum(1, keepdims=True))
        classes = np.argmin(counts @ length.T, axis=1)
        if np.array_equal(classes, before):
            break
    merged = _class_counts(counts, classes, n_classes)
    table_bits = _TABLE_BITS_PER_SYMBOL * np.count_nonzero(merged)
    return classes, float(entropy_bits(merged).sum() + table_bits + n_channels * np.log2(n_classes))


def _class_counts(counts: NDArray[np.float64], classes: NDArray[np.intp], n_classes: int) -> NDArray[np.float64]:
    """Return the sum of the counts of each class: of whole numbers, so exact in any order."""
    belongs = classes == np.arange(n_classes)[:, None]
    merged: NDArray[np.float64] = belongs.astype(np.float64) @ counts
    return merged


def _by_class(
    classes: NDArray[np.int32], channel: NDArray[np.intp], n_classes: int
) -> tuple[NDArray[np.intp], list[tuple[int, int]]]:
    """Return the columns class by class, in ascending order in each, and where each class begins and ends there."""
    of_column = classes.astype(np.uint8)[channel]  # of 48 classes at most; bytes are sorted in a pass over them
    edges = np.cumsum(np.bincount(of_column, minlength=n_classes)).tolist()
    return np.argsort(of_column, kind="stable"), list(pairwise([0, *edges]))
