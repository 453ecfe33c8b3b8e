"""What differs between the sweep that a folder holds and the one that it is to go on with."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orbitsim.scenario.wording import joined_key, shown
from orbitsim.sweep.axes import flattened
from orbitsim.sweep.loading import Sweep
from orbitsim.sweep.resolved import resolved_files

_MOST = 4
_BLOCKS = ("grid", "zip", "list", "sample", "set")


def differences(folder: Path, sweep: Sweep) -> str:
    """Return in words what changed since the folder was made, such as ``grid seed: [1, 2] -> [1, 3]``.

    What changed is found in the files that say what was run; where these are the same, or cannot be read, a file that
    a scenario names has other content.
    """
    found: list[str] = []
    for name, text in resolved_files(sweep).items():
        try:
            before, after = _entries(name, (folder / name).read_text(encoding="utf-8")), _entries(name, text)
        except (OSError, ValueError):
            continue
        for key in dict.fromkeys((*before, *after)):
            if before.get(key) != after.get(key):
                was, now = (shown(side[key]) if key in side else "nothing" for side in (before, after))
                found.append(f"{key}: {was} -> {now}")
    more = f"; and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return "; ".join(found[:_MOST]) + more if found else "a file that its scenarios name has other content"


def _entries(name: str, text: str) -> dict[str, Any]:
    return dict(_leaves(json.loads(text)) if name.endswith(".json") else _parts(tomllib.loads(text)))


def _parts(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield keys of a sweep file, those of its axes behind the name of their block."""
    for key, value in table.items():
        if key not in _BLOCKS:
            yield key, value
            continue
        for index, item in enumerate(value if isinstance(value, list) else [value]):
            block = joined_key(key, index) if isinstance(value, list) else key
            for path, held in flattened(item):
                yield f"{block} {path}", held


def _leaves(value: Any, *path: str | int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, *path, key)
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, *path, index)
    else:
        yield joined_key(*path), value
