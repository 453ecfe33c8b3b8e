"""Codes of many channels under a few models: channels with like distributions share one, and the shares are sent.

A mini-batch is a matrix of codes whose columns belong to channels. One model for all channels is cheap to say and fits
none of them; one for each channel fits and costs a table each. Here the channels are clustered by code length (k-means
with the Kullback-Leibler divergence), for a few numbers of classes, and the cheapest in all is taken.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from orbitsim.neural.codecs.entropy import SymbolReader, SymbolWriter
from orbitsim.neural.codecs.tables import entropy_bits

N_CLASSES = (1, 4, 16, 48)
_ROUNDS = 4
_TABLE_BITS_PER_SYMBOL = 5.0  # about what a deflated table takes

Codes = NDArray[np.integer[Any]]


def write_codes(writer: SymbolWriter, codes: Codes, channel: NDArray[np.intp], n_channels: int, n_symbols: int) -> None:
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
    """
    classes, _ = channel_classes(codes, channel, n_channels, n_symbols)
    n_classes = int(classes.max(initial=0)) + 1
    writer.add(np.array([n_classes - 1]), N_CLASSES[-1])
    writer.add(classes, n_classes)
    for columns in _columns(classes[channel], n_classes):
        writer.add(codes[:, columns].ravel(), n_symbols)


def read_codes(
    reader: SymbolReader, n_rows: int, channel: NDArray[np.intp], n_channels: int, n_symbols: int
) -> NDArray[np.uint8]:
    """Return the matrix of codes that `write_codes` added."""
    n_classes = int(reader.take(1, N_CLASSES[-1])[0]) + 1
    classes = reader.take(n_channels, n_classes)
    codes = np.empty((n_rows, channel.size), dtype=np.uint8)
    for columns in _columns(classes[channel], n_classes):
        codes[:, columns] = reader.take(n_rows * columns.size, n_symbols).reshape(n_rows, columns.size)
    return codes


def channel_classes(
    codes: Codes, channel: NDArray[np.intp], n_channels: int, n_symbols: int
) -> tuple[NDArray[np.int32], float]:
    """Return the class of each channel and the estimated bits of codes, tables and classes.

    Parameters are those of `write_codes`.
    """
    flat = (channel * n_symbols + codes).ravel()
    counts = np.bincount(flat, minlength=n_channels * n_symbols).reshape(n_channels, n_symbols)
    candidates = [_cluster(counts, n) for n in N_CLASSES if n <= n_channels]
    classes, bits = min(candidates, key=lambda found: found[1])
    # Numbered without gaps, so that the largest number says how many there are.
    return np.unique(classes, return_inverse=True)[1].astype(np.int32), bits


def _cluster(counts: NDArray[np.int64], n_classes: int) -> tuple[NDArray[np.intp], float]:
    """Return the class of each row of counts and the bits of all symbols under their class's frequencies."""
    n_channels = len(counts)
    rank = np.argsort(np.argsort(entropy_bits(counts) / np.maximum(counts.sum(1), 1), kind="stable"), kind="stable")
    classes = rank * n_classes // n_channels
    for _ in range(_ROUNDS if n_classes > 1 else 0):
        total = _class_counts(counts, classes, n_classes) + 0.01
        length = -np.log2(total / total.sum(1, keepdims=True))
        classes = np.argmin(counts @ length.T, axis=1)
    merged = _class_counts(counts, classes, n_classes)
    table_bits = _TABLE_BITS_PER_SYMBOL * np.count_nonzero(merged)
    return classes, float(entropy_bits(merged).sum() + table_bits + n_channels * np.log2(n_classes))


def _class_counts(counts: NDArray[np.int64], classes: NDArray[np.intp], n_classes: int) -> NDArray[np.int64]:
    merged = np.zeros((n_classes, counts.shape[1]), dtype=np.int64)
    np.add.at(merged, classes, counts)
    return merged


def _columns(class_of_column: NDArray[np.int32], n_classes: int) -> list[NDArray[np.intp]]:
    return [np.flatnonzero(class_of_column == i) for i in range(n_classes)]
