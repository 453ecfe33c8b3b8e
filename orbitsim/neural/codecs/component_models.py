"""Symbols of many components under a known table for each class of components; rare large ones escape the table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from orbitsim.neural.codecs.entropy import SymbolReader, SymbolWriter
from orbitsim.neural.codecs.stream import StreamError
from orbitsim.neural.codecs.tables import Weights

DROPPED = -1
_ESCAPE_BYTES = 4

Symbols = NDArray[np.int32]
EscapedPlaces = tuple[NDArray[np.intp], NDArray[np.intp]]  # rows and columns


@dataclass(frozen=True)
class ComponentModels:
    """Tables of classes, and the class of each component.

    Attributes
    ----------
    tables : ndarray of float64, (n_classes, 2 * n_levels + 2)
        Weights of the symbols -n_levels to n_levels, and of the escape. A class may use fewer levels: the weights of
        the others are zero, and such symbols escape.
    classes : ndarray of int, (n_components,)
        Class of each component; -1 for one that is not sent.
    """

    tables: Weights
    classes: NDArray[np.int64]

    @cached_property
    def sent(self) -> NDArray[np.intp]:
        """Components that are sent, class by class: the order of the columns of symbols."""
        order = np.argsort(self.classes, kind="stable")
        return order[np.count_nonzero(self.classes == DROPPED) :]

    def table(self, number: int) -> tuple[Weights, np.int32]:
        """Return the weights of a class without those at both ends that it does not use, and its number of levels."""
        weights = self.tables[number]
        middle = weights.size // 2 - 1
        used = np.flatnonzero(weights[:-1])
        n_levels = int(np.abs(used - middle).max(initial=1))
        return weights[[*range(middle - n_levels, middle + n_levels + 1), -1]], np.int32(n_levels)

    def groups(self) -> list[tuple[int, slice]]:
        """Return each class in use and its columns of symbols."""
        used, first = np.unique(self.classes[self.sent], return_index=True)
        edges = pairwise([*first.tolist(), self.sent.size])
        return [(number, slice(*ends)) for number, ends in zip(used.tolist(), edges, strict=True)]

    @cached_property
    def _tables_of_groups(self) -> list[tuple[slice, Weights, np.int32]]:
        return [(columns, *self.table(number)) for number, columns in self.groups()]

    def write(self, writer: SymbolWriter, symbols: Symbols) -> Symbols:
        """Add symbols (rows, components sent) to the writer, a group for each class; return those that escape."""
        escapes = []
        for columns, weights, n_levels in self._tables_of_groups:
            group = np.add(symbols[:, columns], n_levels).ravel()
            if group.size and int(group.view(np.uint32).max()) > 2 * n_levels:  # below zero is far above, too
                escaped = (group < 0) | (group > 2 * n_levels)
                escapes.append(group[escaped] - n_levels)
                group[escaped] = 2 * n_levels + 1
            writer.add(group, weights.size, weights)
        return np.concatenate(escapes) if escapes else np.zeros(0, dtype=np.int32)

    def read(self, reader: SymbolReader, n_rows: int) -> tuple[Symbols, list[EscapedPlaces]]:
        """Return symbols (rows, components sent), and the places of those that escape, class by class."""
        symbols = np.empty((n_rows, self.sent.size), dtype=np.int32)
        places: list[EscapedPlaces] = []
        for columns, weights, n_levels in self._tables_of_groups:
            n_columns = columns.stop - columns.start
            group = reader.take(n_rows * n_columns, weights.size, weights).reshape(n_rows, n_columns)
            np.subtract(group, n_levels, out=symbols[:, columns])
            if group.size and int(group.max()) > 2 * n_levels:
                row, column = np.nonzero(group > 2 * n_levels)
                places.append((row, columns.start + column))
        return symbols, places


def write_escapes(writer: SymbolWriter, escapes: Symbols) -> None:
    """Add escaped symbols to the writer, as bytes of their two's complement."""
    plain = np.frombuffer(escapes.astype("<i4").tobytes(), dtype=np.uint8)
    writer.add(plain.reshape(-1, _ESCAPE_BYTES).T.ravel(), 256)  # like bytes together: the high ones are all alike


def read_escapes(reader: SymbolReader, planes: list[tuple[Symbols, list[EscapedPlaces]]], largest: int) -> None:
    """Put the escaped symbols that `write_escapes` added into their places."""
    n = sum(row.size for _, places in planes for row, _ in places)
    plain = reader.take(n * _ESCAPE_BYTES, 256).astype(np.uint8).reshape(_ESCAPE_BYTES, n).T
    values = np.frombuffer(plain.tobytes(), dtype="<i4").astype(np.int32)
    if values.size and int(np.abs(values.astype(np.int64)).max()) > largest:
        raise StreamError(f"the codec stream has a symbol beyond the largest, {largest}")
    first = 0
    for symbols, places in planes:
        for row, column in places:
            symbols[row, column] = values[first : first + row.size]
            first += row.size
