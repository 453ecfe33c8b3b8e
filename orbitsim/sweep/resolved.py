"""The sweep as it was run, as files that run again without those that it was made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orbitsim.errors import InputError
from orbitsim.loading import load_scenario
from orbitsim.loading.files import found_at
from orbitsim.sweep.axes import flattened
from orbitsim.sweep.cells import BASE
from orbitsim.sweep.loading import Sweep, base_file

SWEEP = "sweep.toml"
_HEADING = "# What was run, with everything resolved: this file runs again as it is, from wherever the folder is.\n\n"


def resolved_files(sweep: Sweep) -> dict[str, str]:
    """Return name and text of the files: ``sweep.toml``, and the base scenarios that it names.

    A base that is valid only together with the axes stays a reference to its file.
    """
    names = {base: "" for base in (sweep.file.base, *_bases(sweep)) if base is not None}
    files: dict[str, str] = {}
    for number, base in enumerate(names):
        try:
            scenario = load_scenario(base_file(sweep.source, base), overrides=sweep.overrides, layers=sweep.layers)
        except InputError:
            return {SWEEP: _HEADING + _text(_as_given(sweep))}
        names[base] = "base.json" if len(names) == 1 else f"base-{number}.json"
        files[names[base]] = json.dumps(scenario.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    table = sweep.file.model_dump(mode="python", by_alias=True, exclude_none=True, exclude_defaults=True)
    table = {key: value for key, value in table.items() if key not in ("set", "overrides")}
    return {SWEEP: _HEADING + _text(_renamed(table, names, sweep.source.parent)), **files}


def _bases(sweep: Sweep) -> list[str]:
    return [cell.values[BASE] for cell in sweep.cells if BASE in cell.values]


def _as_given(sweep: Sweep) -> dict[str, Any]:
    table = sweep.file.model_dump(mode="python", by_alias=True, exclude_none=True, exclude_defaults=True)
    settings = {".".join(path): value for layer in sweep.layers for path, value in layer.assignments}
    table |= {"overrides": list(sweep.overrides), "set": settings}
    names = {base: str(base_file(sweep.source, base).absolute()) for base in (sweep.file.base, *_bases(sweep)) if base}
    kept = {base: name if found_at(sweep.source.parent / base) == "file" else base for base, name in names.items()}
    return _renamed(table, kept, sweep.source.parent)


def _renamed(table: Mapping[str, Any], names: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Return the table of a sweep with other names for its bases, and files that axes name found from anywhere."""

    def walk(value: Any, *, is_base: bool = False) -> Any:
        if isinstance(value, Mapping):
            return {key: walk(item, is_base=is_base or key == BASE) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [walk(item, is_base=is_base) for item in value]
        if not isinstance(value, str) or is_base:
            return names.get(value, value) if isinstance(value, str) else value
        is_file = Path(value).suffix and found_at(folder / value) == "file"
        return str((folder / value).absolute()) if is_file else value

    return {key: value if key == "name" else walk(value, is_base=key == BASE) for key, value in table.items()}


def _text(table: Mapping[str, Any]) -> str:
    """Write a sweep as TOML: plain keys first, then a table for each block, its axes by dotted path."""
    lines = [f"{key} = {_value(value)}" for key, value in table.items() if not _is_block(value)]
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{key}]", *_block(key, value)]
        elif _is_block(value):
            for item in value:
                lines += ["", f"[[{key}]]", *_pairs(flattened(item))]
    return "\n".join(lines) + "\n"


def _is_block(value: Any) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, list | tuple) and bool(value) and all(isinstance(item, Mapping) for item in value)
    )


def _block(key: str, table: Mapping[str, Any]) -> list[str]:
    if key != "sample":
        return _pairs(flattened(table))
    plain = _pairs((name, value) for name, value in table.items() if name != "axes")
    return [*plain, "", "[sample.axes]", *_pairs(flattened(table["axes"]))]


def _pairs(items: Any) -> list[str]:
    return [f"{_string(path)} = {_value(value)}" for path, value in items]


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_string(key)} = {_value(item)}' for key, item in value.items())} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    return str(value.isoformat())


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
