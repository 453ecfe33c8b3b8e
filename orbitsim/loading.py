"""From a scenario's file or name to a validated `Scenario`: extends, overrides, ``--set``, catalogue."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from orbitsim import catalog
from orbitsim.errors import InputError, Problem
from orbitsim.scenario import Scenario, validate_scenario
from orbitsim.scenario.checks import suggestion
from orbitsim.shipped import shipped_path
from orbitsim.workload.imagery import pixels_of

_MAX_EXTENDS = 16


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
    if path.is_file():
        return path
    shipped = shipped_scenarios()
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)]
    if path.is_dir():
        raise InputError(Problem("", "expected a scenario file, found a folder", str(path)))
    hint = suggestion(str(name_or_path), list(shipped))
    raise InputError(
        Problem("", f"expected a scenario file or one of {', '.join(shipped)}; there is no such file{hint}", str(path))
    )


def load_scenario(
    name_or_path: str | Path, *, overrides: Sequence[str] = (), settings: Sequence[str] = ()
) -> Scenario:
    """Read, merge and validate a scenario.

    Parameters
    ----------
    name_or_path : str or Path
        A TOML file, or the name of a shipped scenario.
    overrides : sequence of str
        Names of tables under ``[overrides]`` of the file, applied in order.
    settings : sequence of str
        ``key=value`` pairs as of ``--set``; the value is TOML, or plain text.

    Raises
    ------
    InputError
        With every problem found.
    """
    path = find_scenario(name_or_path)
    data = _read_extended(path, ())
    named = data.pop("overrides", {})
    problems: list[Problem] = []
    if not isinstance(named, dict):
        problems.append(Problem("overrides", "expected a table of named tables", str(path)))
        named = {}
    for name in overrides:
        if isinstance(named.get(name), dict):
            _apply(data, named[name], f"{path} [overrides.{name}]", problems)
        else:
            hint = suggestion(name, list(named)) or f"; the file has: {', '.join(named) or 'none'}"
            problems.append(Problem(f"overrides.{name}", f"expected a named override of the file{hint}", str(path)))
    for setting in settings:
        key, separator, text = setting.partition("=")
        if not separator or not key.strip():
            problems.append(Problem(setting, "expected key=value, such as links.downlink.rate_bps=0.2e9", "--set"))
            continue
        _set(data, key.strip(), _value(text.strip()), "--set", problems)
    if problems:
        raise InputError(problems + _validation_problems(data, str(path)))
    scenario = validate_scenario(data, str(path))
    _check_catalogue(scenario, str(path))
    return scenario


def _validation_problems(data: Mapping[str, Any], source: str) -> list[Problem]:
    try:
        validate_scenario(data, source)
    except InputError as error:
        return list(error.problems)
    return []


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(Problem("", f"expected TOML: {error}", str(path))) from None
    except UnicodeDecodeError as error:
        raise InputError(Problem("", f"expected UTF-8 text: byte {error.start} is not", str(path))) from None
    except OSError as error:
        raise InputError(Problem("", f"cannot be read: {error.strerror}", str(path))) from None
    except RecursionError:
        raise InputError(Problem("", "expected TOML that is not nested without end", str(path))) from None


def _read_extended(path: Path, chain: tuple[Path, ...]) -> dict[str, Any]:
    """Read a file onto what it extends; paths of files inside it become relative to its own folder."""
    if path.resolve() in chain or len(chain) >= _MAX_EXTENDS:
        raise InputError(Problem("extends", "expected a chain of files that ends; it comes back to itself", str(path)))
    data = _read_toml(path)
    _anchor_files(data, path.parent)
    parent = data.pop("extends", None)
    if parent is None:
        return data
    if not isinstance(parent, str):
        raise InputError(Problem("extends", f"expected a file or the name of a shipped scenario, got {parent!r}", str(path)))
    beside = path.parent / parent
    try:
        base_path = beside if beside.is_file() else find_scenario(parent)
    except InputError as error:
        raise InputError(Problem("extends", error.problems[0].message, str(path))) from None
    merged = _read_extended(base_path, (*chain, path.resolve()))
    problems: list[Problem] = []
    own_overrides = data.pop("overrides", {})
    _apply(merged, data, str(path), problems)
    if own_overrides:
        if isinstance(merged.get("overrides"), dict) and isinstance(own_overrides, dict):
            merged["overrides"] = merged["overrides"] | own_overrides
        else:
            merged["overrides"] = own_overrides
    if problems:
        raise InputError(problems)
    return merged


def _anchor_files(data: dict[str, Any], folder: Path) -> None:
    shells = data.get("shells")
    for shell in shells if isinstance(shells, list) else []:
        if isinstance(shell, dict) and isinstance(shell.get("file"), str):
            shell["file"] = str(folder / shell["file"])
    codec = data.get("codec")
    if isinstance(codec, dict) and isinstance(codec.get("table"), str) and codec["table"].endswith((".toml", ".json")):
        codec["table"] = str(folder / codec["table"])


def _apply(data: dict[str, Any], changes: Mapping[str, Any], source: str, problems: list[Problem]) -> None:
    """Merge `changes` into `data`: tables key by key, everything else replaced; quoted dotted keys reach into lists."""
    for key, value in changes.items():
        if "." in key:
            _set(data, key, value, source, problems)
        elif isinstance(value, dict) and isinstance(data.get(key), dict):
            if "kind" in value and value["kind"] != data[key].get("kind"):
                data[key] = {k: v for k, v in data[key].items() if k in _KEPT_ON_NEW_KIND}
            _apply(data[key], value, source, problems)
        else:
            data[key] = deepcopy(value)


# When an override changes the kind of a link, the old kind's terminal figures mean nothing for the new one.
_KEPT_ON_NEW_KIND = {
    "mode", "rate_bps", "availability", "min_elevation_deg", "max_off_nadir_deg", "topology", "duplex",
    "grazing_altitude_m", "max_range_m",
}  # fmt: skip


def _set(data: dict[str, Any], key: str, value: Any, source: str, problems: list[Problem]) -> None:
    *parents, last = key.split(".")
    place: Any = data
    for depth, part in enumerate(parents):
        here = ".".join(parents[: depth + 1])
        if isinstance(place, list):
            index = _index(place, part)
            if index is None:
                problems.append(Problem(key, f"expected an index of {here.rpartition('.')[0]} below {len(place)}, got {part!r}", source))
                return
            place = place[index]
        elif isinstance(place, dict):
            place = place.setdefault(part, {})
        if not isinstance(place, dict | list):
            problems.append(Problem(key, f"expected a table at {here}, which is a value", source))
            return
    if isinstance(place, list):
        index = _index(place, last)
        if index is None:
            problems.append(Problem(key, f"expected an index below {len(place)}, got {last!r}", source))
            return
        place[index] = deepcopy(value)
    else:
        place[last] = deepcopy(value)


def _index(items: list[Any], text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and int(text) < len(items) else None


def _value(text: str) -> Any:
    """Read the value of a ``--set``: TOML if it is, else the text itself (so that names need no quotes)."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError, KeyError):
        return text


def _check_catalogue(scenario: Scenario, source: str) -> None:
    """Look up every catalogue name of a scenario; raise with all that are unknown."""
    problems: list[Problem] = []

    def look_up(key: str, lookup: Any, *names: str) -> None:
        try:
            lookup(*names)
        except InputError as error:
            problems.extend(Problem(key, p.message, source) for p in error.problems)

    for index, shell in enumerate(scenario.shells):
        for number, device in enumerate(shell.devices):
            look_up(f"shells.{index}.devices.{number}", catalog.device, device)
    for index, station in enumerate(scenario.stations):
        if station.device is not None:
            look_up(f"stations.{index}.device", catalog.device, station.device)
    look_up("workload.model", catalog.model, scenario.workload.model)
    if isinstance(scenario.workload.resolution, str):
        look_up("workload.resolution", pixels_of, scenario.workload.resolution)
    if scenario.codec.table is not None:
        look_up("codec.table", catalog.codec_table, scenario.codec.table)
    if problems:
        raise InputError(problems)


def describe_settings(scenario: Scenario) -> Iterable[tuple[str, Any]]:
    """Yield every key of a resolved scenario as a dotted path with its value."""

    def walk(prefix: str, value: Any) -> Iterable[tuple[str, Any]]:
        if isinstance(value, dict):
            for key, item in value.items():
                yield from walk(f"{prefix}.{key}" if prefix else str(key), item)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for index, item in enumerate(value):
                yield from walk(f"{prefix}.{index}", item)
        else:
            yield prefix, value

    yield from walk("", scenario.model_dump(mode="json"))
