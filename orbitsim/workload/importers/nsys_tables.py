"""Tables as ``nsys stats`` prints them: CSV, or text in columns, one report or several below each other."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from orbitsim.workload.importers.base import Source
from orbitsim.workload.importers.strict_csv import brief, number_in, require_ended

_GAP = r"[\",\s]+"
HEADER = re.compile(
    rf"^[ \t\"]*(?:Time ?\(%\){_GAP}Total Time ?\(|Range{_GAP}Style{_GAP}Total Proj Time ?\(|"
    rf"(?:\w+{_GAP}){{0,3}}Count{_GAP}QCount\b)",
    re.MULTILINE,
)
"""What the header of a summary of times looks like, in either form."""

_REPORT = re.compile(r"^Processing \[.*/(\w+)\.py\]|^\s*\*\* .*\((\w+)[^()]*\):\s*$")
_RULE = re.compile(r"^\s*-+(?:\s+-+)+\s*$")
_DATA = re.compile(r"^(?:[^,]*,){2,}[0-9.]+,[0-9.]+,[0-9.]+,|^\s*[0-9.]+(?:\s+[0-9.,]+){4}")
_COLUMN = re.compile(r"^(.*?) ?\(([^()]*)\)$")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
_LARGEST = 1e18
_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0}
_ALIASES = {"Average": "Avg", "Minimum": "Min", "Maximum": "Max", "Median": "Med", "Calls": "Num Calls"}


@dataclass(frozen=True)
class Row:
    """One row of a table: its line and its cells by column."""

    line: int
    cells: dict[str, str]


@dataclass
class Table:
    """One report.

    Attributes
    ----------
    source : Source
        File that it stands in.
    line : int
        Line of the header.
    report : str
        nsys's name of it, where the file has it; else empty.
    units : dict of str to str
        Unit of each column, by its name without the unit, in order.
    is_text : bool
        Whether it is in columns, where nsys groups digits by commas and shortens names.
    rows : list of Row
        Rows in order.
    """

    source: Source
    line: int
    report: str
    units: dict[str, str]
    is_text: bool
    rows: list[Row] = field(default_factory=list)

    def number(self, row: Row, column: str) -> float:
        """Return a number of at least 0, as printed; InputError at its line else."""
        value = number_in(self.source, self._plain(row, column), line=row.line, key=column)
        if value > _LARGEST:
            raise self.source.fault(f"no such time or count: {brief(row.cells[column])}", line=row.line, key=column)
        return value

    def count(self, row: Row, column: str) -> int:
        """Return a whole number of at least 1; InputError at its line else."""
        value = self.number(row, column)
        if value != int(value) or not 1 <= value < 2**53:
            found = brief(row.cells[column])
            raise self.source.fault(f"expected a whole number above 0, found {found}", line=row.line, key=column)
        return int(value)

    def seconds(self, row: Row, column: str) -> float:
        """Return a time [s], by the unit in the header; InputError at its line if there is no such number."""
        return self.number(row, column) * self.unit_s(column)

    def unit_s(self, column: str) -> float:
        """Return the unit of a column of times [s]; InputError at the header if it is none."""
        unit = self.units[column]
        if unit not in _UNITS_S:
            message = f"expected a column of times in ns, us, ms or s, found unit {brief(unit)}"
            raise self.source.fault(message, line=self.line, key=column)
        return _UNITS_S[unit]

    def half_digit(self, row: Row, column: str) -> float:
        """Return half the last decimal that a number was printed with, in its unit."""
        return float(0.5 * 10.0 ** -len(self._plain(row, column).partition(".")[2][:30]))

    def _plain(self, row: Row, column: str) -> str:
        text = row.cells[column]
        return text.replace(",", "") if self.is_text and _THOUSANDS.fullmatch(text) else text


def read_tables(source: Source) -> Iterator[Table]:
    """Yield the summaries of times in a file; what is no such table is passed over.

    Raises
    ------
    InputError
        With the line of a row that does not fit its header, or of an end within a row.
    """
    lines = source.text.replace("\r\n", "\n").split("\n")
    require_ended(source)
    report = ""
    table: Table | None = None
    columns: list[slice] = []
    is_between = False
    for line, text in enumerate(lines, start=1):
        named = _REPORT.search(text)
        if HEADER.search(text) or named or not text.strip():
            is_between = is_between or table is not None
            if table is not None:
                yield table
            table = None
        if named:
            report = named[1] or named[2]
        elif HEADER.search(text):
            rule = lines[line] if line < len(lines) else ""
            columns = _columns(rule) if _RULE.match(rule) else []
            table = Table(
                source, line, report, _units(source, _cells(source, text, columns, line), line), bool(columns)
            )
            report, is_between = "", False
        elif table is not None and not _RULE.match(text):
            cells = _cells(source, text, columns, line)
            if len(cells) != len(table.units):
                message = f"expected {len(table.units)} cells as in the header, found {len(cells)}"
                hint = "; numbers need a decimal point, not a comma" if len(cells) > len(table.units) else ""
                raise source.fault(message + hint, line=line)
            table.rows.append(Row(line, dict(zip(table.units, cells, strict=True))))
        elif is_between and text.strip():
            if _DATA.match(text):
                raise source.fault(
                    "a row of figures without a header above it (a blank line within a table?)", line=line
                )
            is_between = False
    if table is not None:
        yield table


def _columns(rule: str) -> list[slice]:
    """Extents of the columns above a rule of dashes; the last one is open."""
    extents = [slice(match.start(), match.end()) for match in re.finditer("-+", rule)]
    return [*extents[:-1], slice(extents[-1].start, None)]


def _cells(source: Source, text: str, columns: list[slice], line: int) -> list[str]:
    if columns:
        return [text[extent].strip() for extent in columns]
    try:
        return [cell.strip() for cell in next(csv.reader([text], strict=True))]
    except (csv.Error, StopIteration) as error:
        raise source.fault(f"expected comma-separated cells ({error})", line=line) from error


def _units(source: Source, names: list[str], line: int) -> dict[str, str]:
    """Return the unit of each column by its name, older names replaced."""
    units: dict[str, str] = {}
    for name in names:
        parted = _COLUMN.match(name)
        bare, unit = (parted[1], parted[2]) if parted else (name, "")
        bare = _ALIASES.get(bare, bare)
        if bare in units:
            raise source.fault(f"column {brief(name)} stands twice in the header", line=line)
        units[bare] = unit
    return units
