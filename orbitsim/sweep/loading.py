"""Sweep files by path or name: read, laid out, and every cell loaded and validated before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orbitsim import __version__
from orbitsim.errors import InputError, Problem
from orbitsim.loading import Layer, find_scenario, load_scenario
from orbitsim.loading.files import found_at, read_file
from orbitsim.loading.layers import assignment_of
from orbitsim.pipeline.stages import content_hash
from orbitsim.scenario import Scenario
from orbitsim.scenario.suggestions import suggestion
from orbitsim.scenario.wording import joined_key, shown
from orbitsim.shipped import shipped_path
from orbitsim.sweep.axes import Design, Point, flattened
from orbitsim.sweep.cells import BASE, AxisColumn, Cell, cell_of, columns_of
from orbitsim.sweep.model import SweepFile, faults_of

_BLOCKS = ("grid", "zip", "list", "sample")
FORMAT = 1
"""Of the folder of a sweep; a folder of another one is not gone on with."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """A sweep whose cells are all valid.

    Attributes
    ----------
    name : str
        Its name.
    source : Path
        Its file.
    file : SweepFile
        What the file holds.
    overrides : tuple of str
        Named overrides of the base, those of the file first.
    layers : tuple of Layer
        What is laid over the base in all cells: `set` of the file, and settings.
    cells : tuple of Cell
        What is run.
    columns : tuple of AxisColumn
        The axes.
    """

    name: str
    source: Path
    file: SweepFile
    overrides: tuple[str, ...]
    layers: tuple[Layer, ...]
    cells: tuple[Cell, ...]
    columns: tuple[AxisColumn, ...]

    @property
    def identity(self) -> str:
        """Hash of all that the results depend on; a folder holds the results of one."""
        columns = [[column.name, column.type] for column in self.columns]
        return content_hash([FORMAT, __version__, columns, [cell.key for cell in self.cells]])


def shipped_sweeps() -> dict[str, Path]:
    """Return the sweeps that travel with the package: name and file."""
    return {path.stem: path for path in sorted((shipped_path("scenarios") / "sweeps").glob("*.toml"))}


def find_sweep(name_or_path: str | Path) -> Path:
    """Return the file of a sweep given by path or by the name of a shipped one.

    Raises
    ------
    InputError
        When there is neither.
    """
    path = Path(name_or_path)
    found = found_at(path)
    if found == "file":
        return path
    shipped = shipped_sweeps()
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)]
    what = "there is no such file" if found == "nothing" else f"found {found}"
    hint = suggestion(path.name.removesuffix(".toml"), shipped)
    raise InputError(Problem("", f"expected a sweep file or one of {', '.join(shipped)}; {what}{hint}", str(path)))


def names_sweep(name_or_path: str | Path) -> bool:
    """Return whether a file or name is that of a sweep rather than of a scenario: it has axes, or names a base."""
    path = Path(name_or_path)
    if found_at(path) != "file":
        return str(name_or_path) in shipped_sweeps()
    try:
        table = read_file(path)
    except InputError:
        return False
    return not {"extends", "shells", "clock"} & table.keys() and bool({"base", *_BLOCKS} & table.keys())


def load_sweep(name_or_path: str | Path, *, overrides: Sequence[str] = (), settings: Sequence[str] = ()) -> Sweep:
    """Read a sweep file and load the scenario of every cell.

    Parameters
    ----------
    name_or_path : str or Path
        A TOML file, or the name of a shipped sweep.
    overrides : sequence of str
        Named overrides of the base scenario, applied after those of the file.
    settings : sequence of str
        ``key=value`` pairs as of ``--set``, laid over `set` of the file in all cells; no axes.

    Raises
    ------
    InputError
        With every problem of the file and of its cells, each once, with the key that it is about.
    """
    path = find_sweep(name_or_path)
    table = read_file(path)
    problems: list[Problem] = []
    try:
        file = SweepFile.model_validate(table)
    except ValidationError as error:
        problems += faults_of(error)
        file = _sound(table, problems)
    design = Design(file)
    if file.sample is None:
        design.check_ranges(_axes_of_sample(table))
    problems += design.problems
    if BASE not in design.paths and file.base is None and not any(problem.key == BASE for problem in problems):
        problems.append(Problem(BASE, "expected a scenario file or the name of a shipped scenario, got nothing"))
    if not design.paths and not problems:
        problems.append(Problem("", "expected axes: a table grid, zip, list or sample"))
    located = [Problem(p.key, p.message, p.source or str(path)) for p in problems]
    own = Layer(str(path), path.parent, tuple(_assignments(file.settings)))
    layers = (own, _settings(settings, design.paths, located))
    named = (*file.overrides, *overrides)
    loader = _Loader(path, file, named, layers, design)
    cells = loader.cells(is_whole=not located)
    located += loader.problems
    if located:
        raise InputError(located)
    return Sweep(file.name, path, file, named, layers, tuple(cells), columns_of(cells, design.paths))


def _sound(table: Mapping[str, Any], problems: Sequence[Problem]) -> SweepFile:
    """Return the part of a faulty file that is sound, so that faults of the rest are found too."""
    faulty = {problem.key.split(".")[0] for problem in problems}
    known = {field.alias or name for name, field in SweepFile.model_fields.items()}
    rest = {key: value for key, value in table.items() if key in known - faulty}
    return SweepFile.model_validate({"name": "unnamed", **rest})


def _axes_of_sample(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the axes of the sample of a file, whatever else is wrong with it."""
    sample = table.get("sample")
    axes = sample.get("axes") if isinstance(sample, Mapping) else None
    return axes if isinstance(axes, Mapping) else {}


def _assignments(table: Mapping[str, Any]) -> list[tuple[tuple[str, ...], Any]]:
    return [(tuple(path.split(".")), value) for path, value in flattened(table)]


def _settings(settings: Sequence[str], paths: Sequence[str], problems: list[Problem]) -> Layer:
    """Return the layer of ``--set``; append a problem for what is none, or sets an axis."""
    assignments = []
    for setting in settings:
        assignment = assignment_of(setting)
        if assignment is None:
            expected = "expected key=value, such as links.downlink.rate_bps=0.2e9"
            problems.append(Problem("", f"{expected}; got {shown(setting)}", "--set"))
        elif joined_key(*assignment[0]) in paths:
            problems.append(Problem(joined_key(*assignment[0]), "expected a key that is no axis of the sweep", "--set"))
        else:
            assignments.append(assignment)
    return Layer("--set", Path(), tuple(assignments))


class _Loader:
    """Loads the scenario of every cell, and says each problem once."""

    def __init__(
        self, path: Path, file: SweepFile, overrides: Sequence[str], layers: Sequence[Layer], design: Design
    ) -> None:
        self._path, self._file, self._overrides, self._layers, self._design = path, file, overrides, layers, design
        self._found: dict[Problem, list[int]] = {}
        self._is_whole = True

    def cells(self, *, is_whole: bool) -> list[Cell]:
        """Return the cells whose scenarios are valid; of a faulty file only what its sound part says counts."""
        self._is_whole = is_whole
        found = []
        for index, point in enumerate(self._design.points):
            scenario = self._load(index, point)
            if scenario is not None and is_whole:
                found.append(cell_of(index, point, self._design.paths, scenario))
        return found

    def _load(self, index: int, point: Point) -> Scenario | None:
        base = point.get(BASE, self._file.base)
        if base is None:
            return None
        axes = [(tuple(path.split(".")), value) for path, value in point.items() if path != BASE]
        layers = (*self._layers, Layer(str(self._path), self._path.parent, tuple(axes)))
        try:
            return load_scenario(base_file(self._path, base), overrides=self._overrides, layers=layers)
        except InputError as error:
            for problem in error.problems:
                self._found.setdefault(problem, []).append(index)
        return None

    @property
    def problems(self) -> list[Problem]:
        """Problems of the cells, each once, with the cells that have it where not all have."""
        n_cells = len(self._design.points)
        found = []
        for problem, cells in self._found.items():
            if not self._is_whole and problem.source not in (str(self._path), "--set"):
                continue  # it may come of what is missing
            if problem.key in self._design.faulty:
                continue  # its axis is, and is said to be
            if len(cells) == n_cells:
                found.append(problem)
                continue
            point = self._design.points[cells[0]]
            values = ", ".join(f"{path} = {shown(value)}" for path, value in point.items())
            first = "" if problem.key in point else f", first with {values}"
            where = f"(in {len(cells)} of {n_cells} cells{first})"
            found.append(Problem(problem.key, f"{problem.message} {where}", problem.source))
        return found


def base_file(sweep: Path, base: Any) -> Path:
    """Return the file of a base scenario: one relative to the folder of the sweep, or a shipped one.

    Raises
    ------
    InputError
        When there is neither.
    """
    if isinstance(base, str) and found_at(sweep.parent / base) == "file":
        return sweep.parent / base
    if not isinstance(base, str):
        expected = "expected a scenario file or the name of a shipped scenario"
        raise InputError(Problem(BASE, f"{expected}, got {shown(base)}", str(sweep)))
    try:
        return find_scenario(base)
    except InputError as error:
        raise InputError(Problem(BASE, problem.message, str(sweep)) for problem in error.problems) from None
