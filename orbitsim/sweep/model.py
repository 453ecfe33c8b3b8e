"""What a sweep file holds, and its faults in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from orbitsim.errors import Problem
from orbitsim.scenario.base import AsTuple, Section, Text, Title
from orbitsim.scenario.suggestions import suggestion
from orbitsim.scenario.wording import joined_key, shown

MAX_CELLS = 50_000
RANGE_KEYS = frozenset({"min", "max", "n", "scale", "integer", "choices"})

Table = dict[str, Any]


class Range(Section):
    """Values between two ends, or a choice of values, instead of a list of them."""

    min: float | int | None = None
    """Lowest value."""
    max: float | int | None = None
    """Highest value."""
    n: Annotated[int, Field(ge=2, le=MAX_CELLS)] | None = None
    """Values from end to end, both included (grid and zip; a sample says how many cells it has)."""
    scale: Literal["linear", "log"] = "linear"
    """Whether equal steps are equal differences or equal ratios."""
    integer: bool = False
    """Whole numbers only."""
    choices: Annotated[tuple[Any, ...], AsTuple, Field(min_length=1)] | None = None
    """Values to choose from, each with the same probability (sample)."""

    @model_validator(mode="after")
    def _check(self) -> Range:
        if self.choices is not None:
            if self.model_fields_set != {"choices"}:
                raise PydanticCustomError("range", "expected either choices alone, or min and max")
            return self
        if self.min is None or self.max is None:
            raise PydanticCustomError("range", "expected min and max (or choices)")
        if not self.min < self.max:
            raise PydanticCustomError("range", f"expected min below max, got {shown(self.min)} and {shown(self.max)}")
        if self.scale == "log" and self.min <= 0:
            raise PydanticCustomError("range", f"expected min above 0 for a log scale, got {shown(self.min)}")
        if self.integer and (self.min != math.floor(self.min) or self.max != math.floor(self.max)):
            raise PydanticCustomError("range", "expected whole numbers as min and max of integers")
        return self


class Sample(Section):
    """Cells drawn from ranges instead of laid out on a grid."""

    method: Literal["random", "latin-hypercube"]
    """Independent draws, or a Latin hypercube: every axis is cut into as many equal strata as there are cells, and each
    stratum is met once."""
    n: Annotated[int, Field(ge=1, le=MAX_CELLS)]
    """Number of draws."""
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 1
    """Seed of the draws."""
    axes: Annotated[Table, Field(min_length=1)]
    """Scenario paths and their ranges."""


class SweepFile(Section):
    """A sweep: a base scenario, and blocks of axes. Its cells are the product of all blocks."""

    name: Title
    """Name of the sweep."""
    base: Text | None = None
    """Scenario file (relative to this file) or name of a shipped scenario; may be left out where `base` is an axis."""
    overrides: Annotated[tuple[Text, ...], AsTuple] = ()
    """Named overrides of the base scenario, applied in order."""
    settings: Annotated[Table, Field(alias="set", default_factory=dict)]
    """Scenario paths and the values that they have in all cells."""
    grid: Annotated[Table, Field(default_factory=dict)]
    """Scenario paths and their lists of values; every combination is a cell."""
    zipped: Annotated[tuple[Table, ...], AsTuple, Field(alias="zip")] = ()
    """Groups of scenario paths with equally long lists of values, which go together."""
    listed: Annotated[tuple[Table, ...], AsTuple, Field(alias="list")] = ()
    """Cells one by one: scenario paths and one value each."""
    sample: Sample | None = None
    """Cells drawn at random or as a Latin hypercube."""


_KEYS = {field.alias or name: field for name, field in SweepFile.model_fields.items()}
_EXPECTED: Mapping[str, str] = {
    "name": "expected a name of at most 120 characters",
    "base": "expected a scenario file or the name of a shipped scenario",
    "overrides": "expected a list of names",
    "set": "expected a table of scenario paths and values",
    "grid": "expected a table of scenario paths and lists of values",
    "zip": "expected tables ([[zip]]) of scenario paths and lists of values",
    "list": "expected tables ([[list]]) of scenario paths and values, one a cell",
    "sample": "expected a table with method, n, seed and axes",
    "sample.method": "expected one of random, latin-hypercube",
    "sample.n": f"expected a whole number from 1 to {MAX_CELLS}",
    "sample.seed": "expected a whole number of at least 0",
    "sample.axes": "expected a table of scenario paths and ranges, one at least",
    "min": "expected a number",
    "max": "expected a number",
    "n": f"expected a whole number from 2 to {MAX_CELLS}",
    "scale": "expected one of linear, log",
    "integer": "expected true or false",
    "choices": "expected a list of at least one value",
}


def faults_of(error: ValidationError, key: str = "") -> list[Problem]:
    """Translate pydantic's errors of a sweep file, or of the table at `key` of one; one problem for a key."""
    found: dict[str, Problem] = {}
    for fault in error.errors(include_url=False):
        loc = [part for part in fault["loc"] if part not in ("float", "int")]
        own = ".".join(str(part) for part in loc if not isinstance(part, int))
        where = joined_key(key, *loc)
        if where not in found:
            found[where] = Problem(where, _message(fault, own, is_range=bool(key)))
    return list(found.values())


def _message(fault: Any, own: str, *, is_range: bool) -> str:
    if fault["type"] == "extra_forbidden":
        known = RANGE_KEYS if is_range else Sample.model_fields if own.startswith("sample.") else _KEYS
        name = own.rpartition(".")[2]
        return f"expected a known key{suggestion(name, list(known)) or ', which are ' + ', '.join(sorted(known))}"
    if fault["type"] in ("range", "printable"):
        return f"{fault['msg']}"
    got = "nothing" if fault["type"] == "missing" else shown(fault.get("input"))
    return f"{_EXPECTED.get(own, 'expected another value')}, got {got}"
