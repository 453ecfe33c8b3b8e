"""CSV without second guesses: each row has the header's columns, each number a decimal point, and the end is not cut.

A semicolon table with decimal commas, a row that lost a cell and a last line that ends within a number would all parse
somehow; here each is a fault with its line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass

from orbitsim.errors import InputError
from orbitsim.workload.importers.base import Source

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_LOCAL_NUMBER = re.compile(r"[+-]?\d+([.' ]\d{3})*,\d+", re.ASCII)
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes
    ----------
    source : Source
        File that it stands in.
    line : int
        Line on which it ends, counted from 1.
    cells : dict of str to str
        By column, without surrounding blanks.
    """

    source: Source
    line: int
    cells: dict[str, str]

    def fault(self, column: str, message: str) -> InputError:
        """Return the error that names file, line and column."""
        return self.source.fault(message, line=self.line, key=column)

    def text(self, column: str) -> str:
        """Return a cell, or raise InputError at the header if there is no such column."""
        if column not in self.cells:
            raise self.source.fault("column is missing", line=1, key=column)
        return self.cells[column]

    def number(self, column: str, *, signed: bool = False) -> float:
        """Return a finite number, not below zero unless `signed`."""
        return number_in(self.source, self.text(column), line=self.line, key=column, signed=signed)

    def count(self, column: str, *, at_least: int = 0) -> int:
        """Return a whole number."""
        value = self.number(column)
        if value != int(value) or not at_least <= value < 2**53:
            wanted = f"a whole number of at least {at_least}"
            raise self.fault(column, f"expected {wanted}, found {brief(self.cells[column])}")
        return int(value)


def header_of(source: Source) -> tuple[str, ...]:
    """Return the column names of the first line, also where semicolons or tabs part them: to tell a format.

    Empty if the first line is no CSV header. Never raises.
    """
    first = next(_lines(source.head))
    delimiter = max(",;\t", key=first.count)
    return tuple(cell.strip().strip('"').strip() for cell in first.split(delimiter)) if first.strip() else ()


def read_rows(source: Source, *, optional_last: bool = False) -> Iterator[Row]:
    """Yield the rows of a table whose first line is its header.

    Parameters
    ----------
    source : Source
        Comma-separated text.
    optional_last : bool
        Whether a nameless last column (a comma at the end of each line) is let pass.

    Raises
    ------
    InputError
        At the first line that does not fit, the last line if it is not ended, or if there is no row.
    """
    lines = _reader(source)
    line, names = next(lines, (1, []))
    columns = [name.strip() for name in names]
    if optional_last and columns and not columns[-1]:
        columns[-1] = "(last)"
    if len(columns) < 2:
        raise source.fault(f"expected columns parted by commas, found {brief(','.join(names))}", line=line)
    for column in columns:
        if columns.count(column) > 1:
            raise source.fault(f"column {brief(column)} stands twice in the header", line=line)
    row = None
    for line, cells in lines:
        if len(cells) != len(columns):
            message = f"expected {len(columns)} cells as in the header, found {len(cells)}"
            if len(cells) > len(columns):
                message += "; numbers need a decimal point, not a comma"
            elif not _is_ended(source):
                message += "; the file may be cut"
            raise source.fault(message, line=line)
        row = Row(source, line, {name: cell.strip() for name, cell in zip(columns, cells, strict=True)})
        yield row
    if row is None:
        raise source.fault("expected rows below the header, found none", line=line)
    require_ended(source)


def require_ended(source: Source) -> None:
    """Raise InputError at the last line unless it is ended: a number at its end might be cut."""
    if not _is_ended(source):
        line = source.text.count("\n") + 1
        message = "the file ends within this line, so its last value may be cut; end the line if it is whole"
        raise source.fault(message, line=line)


def number_in(source: Source, text: str, *, line: int, key: str = "", signed: bool = False) -> float:
    """Return the finite number that a text is, not below zero unless `signed`.

    Raises
    ------
    InputError
        At `line` and `key`, for anything else: blanks, NaN, an infinity, a decimal comma, digits of another script.
    """
    match = _NUMBER.fullmatch(text)
    value = float(text) if match else float("nan")
    if abs(value) < float("inf") and (signed or value >= 0):
        return value
    wanted = "a number" if signed else "a number of at least 0"
    hint = " (decimal comma)" if _LOCAL_NUMBER.fullmatch(text) else ""
    raise source.fault(f"expected {wanted}, found {brief(text)}{hint}", line=line, key=key)


def brief(text: str) -> str:
    """Return a text as a message shows it: quoted and short."""
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}...") if text else "nothing"


def _is_ended(source: Source) -> bool:
    return source.content.endswith((b"\n", b"\r"))


def _lines(text: str) -> Iterator[str]:
    """Yield lines that end where CSV readers and people agree: not at form feeds or Unicode separators."""
    return iter(text.replace("\r\n", "\n").split("\n"))


def _reader(source: Source) -> Iterator[tuple[int, list[str]]]:
    """Yield lines with their cells; blank lines are passed over."""
    text = source.text
    if "\0" in text:
        raise source.fault("expected text, found a zero byte", line=text[: text.index("\0")].count("\n") + 1)
    reader = csv.reader((f"{line}\n" for line in _lines(text)), strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise source.fault(f"expected comma-separated cells ({error})", line=max(reader.line_num, 1)) from error
        if len(cells) > 1 or any(cell.strip() for cell in cells):
            yield reader.line_num, cells
