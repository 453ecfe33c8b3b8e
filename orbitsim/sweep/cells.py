"""A cell of a sweep: one scenario, the values of the axes, and the hash by which its result is known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from orbitsim import __version__, catalog
from orbitsim.loading.device_traces import find_trace, hash_of
from orbitsim.pipeline.stages import content_hash
from orbitsim.scenario import Scenario
from orbitsim.workload.imagery import mini_batches, tiles_per_image
from orbitsim.workload.models import model_graph

BASE = "base"
"""The axis that is no scenario path: which scenario a cell starts from."""
_HASH_LENGTH = 24
_OVERHEAD_BATCHES = 5_000


@dataclass(frozen=True, slots=True)
class Cell:
    """One scenario of a sweep.

    Attributes
    ----------
    index : int
        Its place in the sweep.
    values : dict
        By dotted scenario path: the value that each axis of the sweep has here, as the columns hold it.
    scenario : Scenario
        What is run.
    key : str
        Hash of all that its result depends on: version, place, values, scenario, and the content of its files.
    """

    index: int
    values: Mapping[str, Any]
    scenario: Scenario
    key: str

    @property
    def work(self) -> float:
        """Amount of work, in mini-batches of all tasks and schemes; what any cell needs counts as some of them."""
        load, run = self.scenario.workload, self.scenario.run
        input_px = model_graph(catalog.model(load.model)).input_px
        per_image = 1 if input_px is None else tiles_per_image(load.resolution, input_px)
        n_batches = mini_batches(load.images_per_task * per_image, load.batch_size)
        return len(run.schemes) * (self.scenario.n_slots * n_batches + _OVERHEAD_BATCHES)


@dataclass(frozen=True, slots=True)
class AxisColumn:
    """A column with the values of an axis: its scenario path, and its type in Arrow's words."""

    name: str
    type: str


def cell_of(index: int, given: Mapping[str, Any], paths: Sequence[str], scenario: Scenario) -> Cell:
    """Return the cell of a scenario; `given` are the values that the sweep file sets in it."""
    resolved = scenario.model_dump(mode="json")
    values = {path: _value(path, given, resolved) for path in paths}
    parts = [__version__, index, values, fingerprint(resolved)]
    return Cell(index, values, scenario, content_hash(parts)[:_HASH_LENGTH])


def _value(path: str, given: Mapping[str, Any], resolved: Mapping[str, Any]) -> Any:
    """Return what a column shows of an axis: what the file says, in the type that the scenario has for it."""
    found = value_at(resolved, path)
    value = given.get(path, found)
    if isinstance(value, int) and not isinstance(value, bool) and isinstance(found, float):
        return found
    if isinstance(value, datetime | date | time):
        return found if isinstance(found, str) else value.isoformat()
    return value if value is None or isinstance(value, bool | int | float | str) else json.dumps(value, default=str)


def value_at(resolved: Mapping[str, Any], path: str) -> Any:
    """Return what a resolved scenario holds at a dotted path; None where there is nothing."""
    place: Any = resolved
    for part in path.split("."):
        if isinstance(place, Mapping):
            place = place.get(part)
        elif isinstance(place, list) and part.isdigit() and int(part) < len(place):
            place = place[int(part)]
        else:
            return None
    return place


def columns_of(cells: Sequence[Cell], paths: Sequence[str]) -> tuple[AxisColumn, ...]:
    """Return the columns of the axes: each of the narrowest type that holds its values in all cells."""
    return tuple(AxisColumn(path, _type([cell.values[path] for cell in cells])) for path in paths)


def _type(values: Sequence[Any]) -> str:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool} and kinds:
        return "bool"
    if kinds <= {int} and kinds and all(abs(value) < 2**63 for value in values if value is not None):
        return "int64"
    return "float64" if kinds <= {int, float} and kinds else "string"


def fingerprint(resolved: Mapping[str, Any]) -> Any:
    """Return a resolved scenario with the files that it names replaced by the hash of their content."""
    copy = json.loads(json.dumps(resolved))
    for shell in copy["shells"]:
        if "file" in shell:
            shell["file"] = _hash(Path(shell["file"]))
    if copy["codec"]["table"] is not None:
        copy["codec"]["table"] = _hash(Path(copy["codec"]["table"]))
    for device in copy["device"].values():
        device["trace"] = _hash(find_trace(device["trace"]) or Path(device["trace"]))
    module, _, name = copy["planner"]["kind"].partition(":")
    if name:
        spec = find_spec(module)
        origin = None if spec is None else spec.origin
        copy["planner"]["kind"] = [name, origin and _hash(Path(origin))]
    return copy


def _hash(path: Path) -> str:
    return hash_of(path) if path.is_file() else str(path)


def input_files(scenario: Scenario) -> set[Path]:
    """Return the user's files that a scenario names: element sets, traces, codec tables."""
    named = [Path(shell.file) for shell in scenario.shells if shell.kind in ("tle", "omm")]
    named += [Path(scenario.codec.table or "")]
    named += [find_trace(device.trace) or Path(device.trace) for device in scenario.device.values()]
    return {path for path in named if path.is_file()}
