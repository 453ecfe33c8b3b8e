"""Two-line element sets: their fixed columns, checked line by line, and sgp4's reader."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sgp4.api import Satrec
from sgp4.io import compute_checksum

from orbitsim.errors import Problem
from orbitsim.orbit.elements import Element, finite_number, initialised

_TLE_LENGTH = 69
# Columns (from 0) that a two-line element set fixes: those that are blank, and those that hold a decimal point.
_BLANKS = {"1": (1, 8, 17, 32, 43, 52, 61, 63), "2": (1, 7, 16, 25, 33, 42, 51)}
_POINTS = {"1": (23, 34), "2": (11, 20, 37, 46, 54)}
# Fields with a decimal point left out and an exponent of one digit: name, first column, end column.
_EXPONENTIALS: dict[str, tuple[tuple[str, int, int], ...]] = {
    "1": (("mean motion second derivative", 44, 52), ("drag term", 53, 61)),
    "2": (),
}
_EXPONENTIAL = re.compile(r"[ +-][ \d]{5}[ +-]\d")
# Fields that hold a number: name, first column, end column.
_NUMBERS: dict[str, tuple[tuple[str, int, int], ...]] = {
    "1": (("epoch year", 18, 20), ("epoch day", 20, 32), ("mean motion dot", 33, 43)),
    "2": (
        ("inclination", 8, 16),
        ("right ascension of the node", 17, 25),
        ("eccentricity", 26, 33),
        ("argument of perigee", 34, 42),
        ("mean anomaly", 43, 51),
        ("mean motion", 52, 63),
    ),
}


def parse_tle(text: str, problems: list[Problem]) -> list[Element]:
    """Return the element sets of a text of two-line element sets, with or without a name line before each.

    Parameters
    ----------
    text : str
        Content of the file. Blank lines and lines that start with ``#`` are skipped.
    problems : list of Problem
        Every fault found is appended; its element set is left out of the result.

    Returns
    -------
    list of Element
        In the order of the text.

    References
    ----------
    .. [1] D. A. Vallado and P. J. Cefola, "Two-line element sets: practice and use", IAC-12-A6.6.11 (2012).
    """
    elements: list[Element] = []
    name = ""
    first: tuple[int, str] | None = None
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.rstrip()
        if not line or line.startswith("#"):
            continue
        if first is not None:
            if line.startswith("2 "):
                element = _tle_element(name, first, (number, line), problems)
                elements.extend([element] if element else [])
                name, first = "", None
                continue
            problems.append(Problem(f"line {first[0]}", "expected line 2 of the element set to follow"))
            first = None
        if line.startswith("1 "):
            first = (number, line)
        elif line.startswith("2 ") and len(line) >= _TLE_LENGTH - 1:
            problems.append(Problem(f"line {number}", "expected line 1 of the element set before it"))
        else:
            if name:
                problems.append(Problem(f"line {number}", f"expected the element set of {name!r}, found {line[:40]!r}"))
            name = line.removeprefix("0 ").strip()
    if first is not None:
        problems.append(Problem(f"line {first[0]}", "expected line 2 of the element set to follow"))
    elif name:
        problems.append(Problem("", f"expected the element set of {name!r} before the end of the file"))
    return elements


def _tle_element(name: str, first: tuple[int, str], second: tuple[int, str], problems: list[Problem]) -> Element | None:
    faults = [Problem(f"line {number}", fault) for number, line in (first, second) for fault in _tle_line_faults(line)]
    if not faults and first[1][2:7] != second[1][2:7]:
        faults.append(
            Problem(f"line {second[0]}", f"expected catalogue number {first[1][2:7]}, found {second[1][2:7]}")
        )
    problems.extend(faults)
    if faults:
        return None
    return initialised(
        f"line {first[0]}", name, first[1][2:7].strip(), lambda: Satrec.twoline2rv(first[1], second[1]), problems
    )


def _tle_line_faults(line: str) -> Iterator[str]:
    if len(line) != _TLE_LENGTH:
        yield f"expected {_TLE_LENGTH} characters, found {len(line)}"
        return
    if not line.isascii():
        yield "expected ASCII characters only"
        return
    misplaced = [column + 1 for column in _BLANKS[line[0]] if line[column] != " "]
    misplaced += [column + 1 for column in _POINTS[line[0]] if line[column] != "."]
    if misplaced:
        yield f"expected the fixed columns of an element set, wrong in column {', '.join(map(str, sorted(misplaced)))}"
        return
    for field, start, end in _NUMBERS[line[0]]:
        text = line[start:end].strip() if field != "eccentricity" else "0." + line[start:end].replace(" ", "0")
        if finite_number(text) is None:
            yield f"expected a number as {field} in columns {start + 1}-{end}, found {line[start:end]!r}"
    for field, start, end in _EXPONENTIALS[line[0]]:
        if not _EXPONENTIAL.fullmatch(line[start:end]):
            yield f"expected digits and an exponent as {field} in columns {start + 1}-{end}, found {line[start:end]!r}"
    if line[-1] != str(compute_checksum(line)):
        yield f"expected checksum {compute_checksum(line)}, found {line[-1]!r}"
