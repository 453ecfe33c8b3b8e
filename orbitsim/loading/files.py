"""Scenario files: TOML, or the JSON that a run folder holds."""

from __future__ import annotations

import json
import stat
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from orbitsim.errors import InputError, Problem
from orbitsim.scenario.wording import shown

# A scenario of ten thousand stations has about a megabyte.
_MAX_BYTES = 8_000_000


def found_at(path: Path) -> Literal["file", "a folder", "something else", "nothing"]:
    """Return what there is at a path; nothing also where it is too long, or may not be looked at."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return "nothing"
    return "file" if stat.S_ISREG(mode) else "a folder" if stat.S_ISDIR(mode) else "something else"


def read_file(path: Path) -> dict[str, Any]:
    """Read a scenario file; the suffix ``.json`` means JSON, any other TOML.

    Raises
    ------
    InputError
        When it cannot be read, or is not a table of keys.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _fault(path, f"expected a scenario of at most {_MAX_BYTES / 1e6:g} MB")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise _fault(path, f"expected UTF-8 text, which byte {error.start} is not") from None
    except OSError as error:
        raise _fault(path, f"cannot be read: {error.strerror or error}") from None
    is_json = path.suffix.lower() == ".json"
    try:
        table = json.loads(text, object_pairs_hook=_object) if is_json else tomllib.loads(text)
    except ValueError as error:  # syntax, keys given twice, and whole numbers with thousands of digits
        raise _fault(path, f"expected {'JSON' if is_json else 'TOML'}: {error}") from None
    except RecursionError:
        raise _fault(path, "expected tables and lists that are nested less deeply") from None
    if not isinstance(table, dict):
        raise _fault(path, f"expected a table of keys, got {shown(table)}")
    return table


def _fault(path: Path, message: str) -> InputError:
    return InputError(Problem("", message, str(path)))


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {repeated!r} stands twice in one object")
    return table
