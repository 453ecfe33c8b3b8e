"""Scenarios by file or name: found, put together, and validated with every problem at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orbitsim.errors import InputError, Problem
from orbitsim.loading.device_traces import SUFFIX as TRACE_SUFFIX
from orbitsim.loading.files import found_at, read_file
from orbitsim.loading.layers import Assignment, Layers, assignment_of, assignments_of
from orbitsim.loading.rules import RULES
from orbitsim.scenario import Scenario
from orbitsim.scenario.root import check_scenario
from orbitsim.scenario.suggestions import suggestion
from orbitsim.scenario.wording import joined_key, shown
from orbitsim.shipped import shipped_path

_MAX_FILES = 16  # of a chain of extends


def shipped_scenarios() -> dict[str, Path]:
    """Return the scenarios that travel with the package: name and file."""
    return {path.stem: path for path in sorted(shipped_path("scenarios").glob("*.toml"))}


def find_scenario(name_or_path: str | Path) -> Path:
    """Return the file of a scenario given by path or by the name of a shipped one.

    Raises
    ------
    InputError
        When there is neither.
    """
    path = Path(name_or_path)
    found = found_at(path)
    if found == "file":
        return path
    shipped = shipped_scenarios()
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)]
    if found != "nothing":
        run = path / "scenario.json"
        hint = f"; did you mean {run}?" if found_at(run) == "file" else ""
        raise InputError(Problem("", f"expected a scenario file, found {found}{hint}", str(path)))
    hint = suggestion(str(name_or_path).removesuffix(".toml"), shipped)
    raise InputError(
        Problem("", f"expected a scenario file or one of {', '.join(shipped)}; there is no such file{hint}", str(path))
    )


Settings = Sequence[str] | Mapping[str, Any]
"""Changes of keys: ``key=value`` texts as of ``--set``, or plain values by dotted key."""


@dataclass(frozen=True)
class Layer:
    """Changes of keys that come from somewhere else than a scenario file.

    Attributes
    ----------
    source : str
        What errors name.
    folder : Path
        Where files that it names are found.
    assignments : tuple of (path, value)
        Keys by the parts of their path, and their values.
    """

    source: str
    folder: Path
    assignments: tuple[Assignment, ...]


def load_scenario(
    name_or_path: str | Path,
    *,
    overrides: Sequence[str] = (),
    settings: Settings = (),
    layers: Sequence[Layer] = (),
) -> Scenario:
    """Read, merge and validate a scenario.

    Parameters
    ----------
    name_or_path : str or Path
        A TOML file, the ``scenario.json`` of a run folder, or the name of a shipped scenario.
    overrides : sequence of str
        Names of tables under ``[overrides]`` of the file or of those that it extends, applied in order.
    settings : sequence of str, or mapping of str to value
        ``key=value`` pairs as of ``--set``, whose value is TOML, or plain text; or values by dotted key
        (``{"links.downlink.rate_bps": 0.2e9}``).
    layers : sequence of Layer
        Laid over overrides and settings, one after the other.

    Raises
    ------
    InputError
        With every problem found, each with the file and the key that it is about.
    """
    path = find_scenario(name_or_path)
    try:
        return _load(path, overrides, settings, layers)
    except RecursionError:
        raise InputError(Problem("", "expected tables and lists that are nested less deeply", str(path))) from None


def change_scenario(scenario: Scenario, settings: Settings) -> Scenario:
    """Return a scenario with some keys changed, validated as one from a file.

    Parameters
    ----------
    scenario : Scenario
        What to change; stays as it is.
    settings : sequence of str, or mapping of str to value
        As for `load_scenario`.

    Raises
    ------
    InputError
        With every problem found.
    """
    layers = Layers(scenario.name)
    problems = layers.lay(assignments_of(scenario.model_dump(mode="json")), scenario.name)
    problems += layers.lay(_settings(settings, problems), _named(settings))
    checked = check_scenario(layers.data, rules=RULES)
    found = (*checked.faults, *checked.broken)
    problems += [Problem(p.key, p.message, p.source or layers.source_of(p.key)) for p in found]
    if problems or checked.scenario is None:
        raise InputError(problems)
    return checked.scenario


def _load(path: Path, overrides: Sequence[str], settings: Settings, further: Sequence[Layer]) -> Scenario:
    layers = Layers(str(path))
    problems: list[Problem] = []
    named: dict[str, _Override] = {}
    files = _chain(path)
    for file in files:
        problems += layers.lay(file.assignments(), str(file.path))
        named |= file.overrides(problems)
    for name in overrides:
        if name in named:
            problems += layers.lay(named[name].assignments(), named[name].source)
        else:
            hint = suggestion(name, named) or f"; there are {', '.join(named) or 'none'}"
            problems.append(Problem(joined_key("overrides", name), f"expected a named override{hint}", str(path)))
    problems += layers.lay(_settings(settings, problems), _named(settings))
    for layer in further:
        problems += layers.lay(_anchored(layer.assignments, layer.folder), layer.source)
    checked = check_scenario(layers.data, rules=RULES)
    problems += [Problem(p.key, p.message, layers.source_of(p.key)) for p in checked.faults]
    # Keys that do not go together are nobody's fault but that of the file that brings them together.
    extended = {str(file.path) for file in files[:-1]}
    for problem in checked.broken:
        source = problem.source or layers.source_of(problem.key)
        problems.append(Problem(problem.key, problem.message, str(path) if source in extended else source))
    if problems or checked.scenario is None:
        raise InputError(problems)
    return checked.scenario


@dataclass(frozen=True)
class _Override:
    """A table of ``[overrides]``."""

    source: str
    folder: Path
    table: Mapping[str, Any]

    def assignments(self) -> Iterator[Assignment]:
        return _anchored(assignments_of(self.table), self.folder)


@dataclass(frozen=True)
class _File:
    """A scenario file, without what it extends."""

    path: Path
    table: Mapping[str, Any]

    def assignments(self) -> Iterator[Assignment]:
        own = {key: value for key, value in self.table.items() if key not in ("extends", "overrides")}
        return _anchored(assignments_of(own), self.path.parent)

    def overrides(self, problems: list[Problem]) -> dict[str, _Override]:
        """Return the file's named overrides; append a problem for what is none."""
        given = self.table.get("overrides", {})
        if not isinstance(given, Mapping):
            expected = f"expected a table of named tables, got {shown(given)}"
            problems.append(Problem("overrides", expected, str(self.path)))
            return {}
        found = {}
        for name, table in given.items():
            if isinstance(table, Mapping):
                found[name] = _Override(f"{self.path} [{joined_key('overrides', name)}]", self.path.parent, table)
            else:
                key = joined_key("overrides", name)
                problems.append(Problem(key, f"expected a table, got {shown(table)}", str(self.path)))
        return found


def _chain(path: Path) -> list[_File]:
    """Return a file and all that it extends, the last one extended first."""
    files: list[_File] = []
    seen: list[Path] = []
    while True:
        if path.resolve() in seen or len(seen) == _MAX_FILES:
            way = " -> ".join(file.path.name for file in [*files, _File(path, {})])
            problem = f"expected a chain of at most {_MAX_FILES} files that ends, got {way}"
            raise InputError(Problem("extends", problem, str(files[-1].path)))
        seen.append(path.resolve())
        files.append(_File(path, read_file(path)))
        parent = files[-1].table.get("extends")
        if parent is None:
            return files[::-1]
        path = _extended(path, parent)


def _extended(path: Path, parent: Any) -> Path:
    """Return the file that a file extends: one given relative to its folder, or a shipped scenario."""
    shipped = shipped_scenarios()
    if isinstance(parent, str) and found_at(path.parent / parent) == "file":
        return path.parent / parent
    if isinstance(parent, str) and parent in shipped:
        return shipped[parent]
    expected = f"expected a file, relative to the folder of this one, or one of {', '.join(shipped)}"
    hint = suggestion(str(parent).removesuffix(".toml"), shipped)
    raise InputError(Problem("extends", f"{expected}; got {shown(parent)}{hint}", str(path)))


def _settings(settings: Settings, problems: list[Problem]) -> list[Assignment]:
    """Return the assignments of settings; append a problem for what is none."""
    if isinstance(settings, Mapping):
        return list(_anchored([(tuple(str(key).split(".")), value) for key, value in settings.items()], Path()))
    found = []
    for setting in settings:
        assignment = assignment_of(setting)
        if assignment is None:
            expected = "expected key=value, such as links.downlink.rate_bps=0.2e9"
            problems.append(Problem("", f"{expected}; got {shown(setting)}", _named(settings)))
        else:
            found.append(assignment)
    return list(_anchored(found, Path()))


def _named(settings: Settings) -> str:
    """Return where faults of settings are said to be."""
    return "settings" if isinstance(settings, Mapping) else "--set"


def _anchored(assignments: Iterable[Assignment], folder: Path) -> Iterator[Assignment]:
    """Make the paths of files absolute, so that a saved scenario finds them from wherever it is loaded again."""
    for path, value in assignments:
        if path == ("shells",) and isinstance(value, list):
            yield path, [_with_file(shell, folder) if isinstance(shell, Mapping) else shell for shell in value]
        elif path[0] == "device" and isinstance(value, Mapping) and value:
            yield from _anchored(assignments_of(value, path), folder)  # a table given in one piece
        elif (path[0] == "shells" and path[-1] == "file") or _is_file(path, value):
            yield path, _absolute(value, folder)
        else:
            yield path, value


def _is_file(path: tuple[str, ...], value: Any) -> bool:
    """Return whether a value that may also be a shipped name is the path of a file."""
    if path == ("codec", "table"):
        return isinstance(value, str) and value.endswith((".toml", ".json"))
    is_trace = path[0] == "device" and len(path) == 3 and path[-1] == "trace"
    return is_trace and isinstance(value, str) and value.endswith(TRACE_SUFFIX)


def _with_file(shell: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    return {key: _absolute(value, folder) if key == "file" else value for key, value in shell.items()}


def _absolute(value: Any, folder: Path) -> Any:
    return str((folder / value).absolute()) if isinstance(value, str) and value else value
