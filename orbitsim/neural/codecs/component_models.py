"""Symbols of many components under a known table for each class of components; rare large ones escape the table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orbitsim.neural.codecs.entropy import SymbolReader, SymbolWriter
from orbitsim.neural.codecs.stream import StreamError
from orbitsim.neural.codecs.tables import Weights

DROPPED = -1
_ESCAPE_BYTES = 4

Symbols = NDArray[np.int32]


@dataclass(frozen=True)
class ComponentModels:
    """Tables of classes, and the class of each component.

    Attributes
    ----------
    tables : ndarray of float64, (n_classes, 2 * n_levels + 2)
        Weights of the symbols -n_levels to n_levels, and of the escape.
    classes : ndarray of int, (n_components,)
        Class of each component; -1 for one that is not sent.
    """

    tables: Weights
    classes: NDArray[np.int64]

    @property
    def n_levels(self) -> int:
        """Largest symbol within the tables."""
        return self.tables.shape[1] // 2 - 1

    def ordered(self) -> tuple[NDArray[np.intp], list[tuple[int, int, int]]]:
        """Return the sent components in the order of their classes, and (class, start, stop) of each class in use."""
        order = np.argsort(self.classes, kind="stable")
        order = order[np.count_nonzero(self.classes == DROPPED) :]
        used, starts = np.unique(self.classes[order], return_index=True)
        stops = [*starts[1:].tolist(), order.size]
        return order, list(zip(used.tolist(), starts.tolist(), stops, strict=True))

    def write(self, writer: SymbolWriter, symbols: Symbols) -> Symbols:
        """Add symbols (rows, n_components) to the writer, a group for each class; return those that escape."""
        order, spans = self.ordered()
        sent = symbols[:, order]
        shifted = sent + np.int32(self.n_levels)
        escaped = (shifted < 0) | (shifted > 2 * self.n_levels)
        escapes = sent[escaped]
        if escapes.size:
            shifted[escaped] = 2 * self.n_levels + 1
        for number, start, stop in spans:
            writer.add(shifted[:, start:stop].ravel(), self.tables.shape[1], self.tables[number])
        return escapes

    def read(self, reader: SymbolReader, n_rows: int) -> tuple[Symbols, NDArray[np.bool_] | None]:
        """Return symbols (rows, sent components) in the order of `ordered`, and which of them escape (None: none)."""
        order, spans = self.ordered()
        sent = np.empty((n_rows, order.size), dtype=np.int32)
        for number, start, stop in spans:
            group = reader.take(n_rows * (stop - start), self.tables.shape[1], self.tables[number])
            sent[:, start:stop] = group.reshape(n_rows, stop - start)
        escaped = sent == 2 * self.n_levels + 1
        sent -= np.int32(self.n_levels)
        return sent, escaped if escaped.any() else None

    def placed(self, sent: Symbols) -> Symbols:
        """Return symbols (rows, n_components) of those sent; zero for components that are not."""
        order, _ = self.ordered()
        symbols = np.zeros((len(sent), self.classes.size), dtype=np.int32)
        symbols[:, order] = sent
        return symbols


def write_escapes(writer: SymbolWriter, escapes: Symbols) -> None:
    """Add escaped symbols to the writer, as bytes of their two's complement."""
    plain = np.frombuffer(escapes.astype("<i4").tobytes(), dtype=np.uint8)
    writer.add(plain.reshape(-1, _ESCAPE_BYTES).T.ravel(), 256)  # like bytes together: the high ones are all alike


def read_escapes(reader: SymbolReader, n: int) -> Symbols:
    """Return escaped symbols that `write_escapes` added."""
    plain = reader.take(n * _ESCAPE_BYTES, 256).astype(np.uint8).reshape(_ESCAPE_BYTES, n).T
    values: Symbols = np.frombuffer(plain.tobytes(), dtype="<i4").astype(np.int32)
    return values


def restore_escapes(sent: Symbols, escaped: NDArray[np.bool_], values: Symbols, n_levels: int) -> None:
    """Put escaped symbols in their places; one that its table holds was not written by an encoder."""
    if bool((np.abs(values.astype(np.int64)) <= n_levels).any()):
        raise StreamError("the codec stream escapes a symbol that its table holds")
    sent[escaped] = values
