"""From the tables of a sweep file to points: which values the axes have in each cell."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import ValidationError

from orbitsim.errors import Problem
from orbitsim.scenario.wording import joined_key, shown
from orbitsim.sweep.model import MAX_CELLS, RANGE_KEYS, Range, Sample, SweepFile, faults_of

Path = tuple[str, ...]
Point = dict[str, Any]
"""Values of some axes, by their dotted scenario paths."""

_DIGITS = 9  # significant ones of generated values: they look tidy, and do not depend on the machine's logarithm


class Design:
    """The points of a sweep file, and what is wrong with its blocks.

    Parameters
    ----------
    file : SweepFile
        The file.

    Attributes
    ----------
    paths : list of str
        Axes in the order of the file.
    points : list of dict
        One for each cell, in order: the last block varies fastest.
    problems : list of Problem
        Faults of axes.
    faulty : set of str
        Axes without sound values; no point has them.
    """

    def __init__(self, file: SweepFile) -> None:
        self.problems: list[Problem] = []
        self.paths: list[str] = []
        self._owners: dict[str, str] = {}
        self._set = {path for path, _ in flattened(file.settings)}
        self.faulty: set[str] = set()
        blocks: list[Sequence[Point]] = [self._grid_axis(path, value) for path, value in self._axes(file.grid, "grid")]
        blocks += [self._zip(table, f"zip.{index}") for index, table in enumerate(file.zipped)]
        if file.listed:
            blocks.append(self._list(file.listed))
        if file.sample is not None:
            blocks.append(self._sample(file.sample))
        n_cells = math.prod(len(block) for block in blocks)
        if n_cells > MAX_CELLS:
            self.problems.append(Problem("", f"expected at most {MAX_CELLS} cells, got {n_cells}"))
            blocks = [block[:1] for block in blocks]
        self.points: list[Point] = [
            {path: value for part in parts for path, value in part.items()} for parts in itertools.product(*blocks)
        ]

    def _axes(self, table: Mapping[str, Any], block: str) -> Iterator[tuple[str, Any]]:
        """Yield the axes of a block, refusing those that another block has."""
        for path, value in flattened(table):
            owner = self._owners.setdefault(path, block)
            if owner != block:
                self._fault(f"{block}.{path}", f"expected each axis once, but it stands in {owner} too")
                continue
            if path not in self.paths:
                self.paths.append(path)
                self._check_set(block, path)
            yield path, value

    def _check_set(self, block: str, path: str) -> None:
        """Refuse an axis that `set` would set too, alone or as part of a table."""
        clash = next(
            (own for own in sorted(self._set) if f"{own}.".startswith(f"{path}.") or path.startswith(f"{own}.")), None
        )
        if clash is not None:
            self._fault(f"{block}.{path}", f"expected each key once, but {clash} stands in set too")

    def _fault(self, key: str, message: str) -> None:
        self.problems.append(Problem(key, message))

    # -- blocks --------------------------------------------------------------------------------------------------

    def _grid_axis(self, path: str, value: Any) -> list[Point]:
        return [{path: item} for item in self._values(f"grid.{path}", value)] or self._without(path)

    def _without(self, *paths: str) -> list[Point]:
        """Note that axes have no sound values; return a block that says nothing of them."""
        self.faulty.update(paths)
        return [{}]

    def _zip(self, table: Mapping[str, Any], block: str) -> list[Point]:
        columns = {
            path: self._values(f"{block}.{path}", value, unique=False) for path, value in self._axes(table, block)
        }
        if table and not columns:
            return [{}]  # all of them stand elsewhere, which is said already
        if not all(columns.values()):
            return self._without(*columns)  # which is said already
        lengths = {len(values) for values in columns.values()}
        if len(lengths) != 1:
            found = ", ".join(f"{path}: {len(values)}" for path, values in columns.items()) or "none"
            self._fault(block, f"expected lists of equal length, got {found}")
            return self._without(*columns)
        rows = zip(*columns.values(), strict=True)
        return self._unique(block, [dict(zip(columns, row, strict=True)) for row in rows])

    def _list(self, tables: Sequence[Mapping[str, Any]]) -> list[Point]:
        points = [dict(self._axes(table, "list")) for table in tables]
        return self._unique("list", points)

    def _sample(self, sample: Sample) -> list[Point]:
        from orbitsim.sweep.sampling import drawn

        ranges: dict[str, Range] = {}
        for path, value in self._axes(sample.axes, "sample.axes"):
            found = self._range(f"sample.axes.{path}", value)
            if found is not None and found.n is not None:
                self._fault(f"sample.axes.{path}.n", "expected no n: the sample says how many cells it has")
            elif found is not None:
                ranges[path] = found
            if path not in ranges:
                self._without(path)
        return drawn(sample.method, sample.n, sample.seed, ranges) or [{}]

    def check_ranges(self, axes: Mapping[str, Any]) -> None:
        """Note the faults of the axes of a sample whose other keys are not sound."""
        for path, value in self._axes(axes, "sample.axes"):
            self._without(path)
            self._range(f"sample.axes.{path}", value)

    # -- values --------------------------------------------------------------------------------------------------

    def _values(self, key: str, value: Any, *, unique: bool = True) -> list[Any]:
        """Return the values of an axis of a grid or zip, a list or a range with n; none of one that is faulty."""
        if isinstance(value, list) and value:
            return self._unique(key, value) if unique else value
        if not isinstance(value, Mapping):
            self._fault(
                key, f"expected a list of values, or a range such as {{min = 1, max = 9, n = 3}}, got {shown(value)}"
            )
            return []
        found = self._range(key, value)
        if found is None:
            return []
        if found.choices is not None or found.n is None:
            self._fault(
                key,
                "expected n, the number of values of the range"
                if found.choices is None
                else "expected a list of values, not choices, outside a sample",
            )
            return []
        return self._unique(key, [between(found, share) for share in np.linspace(0.0, 1.0, found.n).tolist()])

    def _range(self, key: str, value: Any) -> Range | None:
        if not isinstance(value, Mapping):
            expected = 'expected a range, such as {min = 1e6, max = 1e9, scale = "log"} or {choices = [...]}'
            self._fault(key, f"{expected}, got {shown(value)}")
            return None
        try:
            return Range.model_validate(dict(value))
        except ValidationError as error:
            self.problems += faults_of(error, key)
            return None

    def _unique(self, key: str, values: list[Any]) -> list[Any]:
        texts = [json.dumps(value, sort_keys=True, default=str) for value in values]
        repeated = next((value for index, value in enumerate(values) if texts[index] in texts[:index]), None)
        if repeated is not None:
            what = (
                ", ".join(f"{k} = {shown(v)}" for k, v in repeated.items())
                if isinstance(repeated, dict)
                else shown(repeated)
            )
            self._fault(key, f"expected values that differ, got {what} twice")
        return values


def between(span: Range, share: float) -> Any:
    """Return the value at a share of the way from the lower to the upper end of a range, both included."""
    low, high = float(span.min or 0.0), float(span.max or 0.0)
    if share in (0.0, 1.0):
        end = (span.min if share == 0.0 else span.max) or 0
        return int(end) if span.integer else end
    value = (
        math.exp(math.log(low) + share * math.log(high / low)) if span.scale == "log" else low + share * (high - low)
    )
    return round(value) if span.integer else float(f"{value:.{_DIGITS}g}")


def flattened(table: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[str, Any]]:
    """Yield dotted paths and what they hold; ranges and empty tables are values."""
    for key, value in table.items():
        inner = (*path, key)
        if isinstance(value, Mapping) and value and not RANGE_KEYS & value.keys():
            yield from flattened(value, inner)
        else:
            yield joined_key(*inner), value
