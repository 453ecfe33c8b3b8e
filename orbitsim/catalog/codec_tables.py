"""Codec tables by name (shipped with the traces) or by file, TOML or JSON."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from orbitsim.catalog.catalogue import unknown_name
from orbitsim.catalog.measured_tables import MEASURED_VERSION, measured_table
from orbitsim.errors import InputError, Problem
from orbitsim.types.codec_table import IDENTITY, CodecTable

CODEC_TABLE_VERSION = 1
_SUFFIXES = (".toml", ".json")
_REQUIRED = {"schema_version", "name", "origin", "source", "ratio"}
_OPTIONAL = {"loss", "accuracy", "title", "notes"}


def codec_table(name_or_path: str | Path) -> CodecTable:
    """Return a codec table.

    Parameters
    ----------
    name_or_path : str or Path
        Name of a shipped table (`codec_table_names`), or a file that ends in .toml or .json.

    Returns
    -------
    CodecTable
        The table, ratios ascending.

    Raises
    ------
    InputError
        When there is no such table or file, or with every fault of the file.
    """
    text = str(name_or_path)
    if text.endswith(_SUFFIXES):
        return read_codec_table(text)
    if text == IDENTITY.name:
        return IDENTITY
    shipped = _shipped_files()
    if text not in shipped:
        raise InputError(Problem("", unknown_name("codec table or a .toml or .json file", text, codec_table_names())))
    return read_codec_table(shipped[text])


def codec_table_names() -> tuple[str, ...]:
    """Return the names of the shipped codec tables, sorted; `identity` is one of them."""
    return tuple(sorted({*_shipped_files(), IDENTITY.name}))


def _shipped_files() -> dict[str, Path]:
    from orbitsim.shipped import shipped_path

    folder = shipped_path("traces") / "codec"
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix in _SUFFIXES}


def read_codec_table(path: str | Path) -> CodecTable:
    """Read and validate one codec table file; `InputError` names every fault with file and key."""
    source = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
        data: Any = json.loads(text) if source.endswith(".json") else tomllib.loads(text)
    except OSError as error:
        raise InputError(Problem("", f"cannot be read: {error.strerror or error}", source)) from error
    except (ValueError, RecursionError) as error:  # TOML, JSON and UTF-8 faults alike, and endless nesting
        expected = "JSON" if source.endswith(".json") else "TOML"
        raise InputError(Problem("", f"expected {expected}; {error}", source)) from error
    if not isinstance(data, dict):
        raise InputError(Problem("", "expected a table of keys at the top level", source))
    if data.get("schema_version") == MEASURED_VERSION:
        return measured_table(data, source)
    return _plain_table(data, source)


def _plain_table(data: dict[str, Any], source: str) -> CodecTable:
    """Return the table of a file that holds ratios and losses only."""
    problems = [Problem(key, "expected a value, found none") for key in sorted(_REQUIRED - set(data))]
    problems += [Problem(key, "expected no such key") for key in sorted(set(data) - _REQUIRED - _OPTIONAL)]
    if data.get("schema_version", CODEC_TABLE_VERSION) != CODEC_TABLE_VERSION:
        versions = f"expected {CODEC_TABLE_VERSION} or {MEASURED_VERSION}"
        problems.append(Problem("schema_version", f"{versions}, got {data['schema_version']!r}"))
    if ("loss" in data) == ("accuracy" in data):
        problems.append(Problem("loss", "expected either loss or accuracy beside ratio"))
    problems += [
        Problem(key, f"expected a list of numbers, got {data[key]!r}")
        for key in ("ratio", "loss", "accuracy")
        if key in data and not isinstance(data[key], list)
    ]
    problems += [
        Problem(key, f"expected text, got {data[key]!r}")
        for key in ("name", "origin", "source", "title", "notes")
        if key in data and not (isinstance(data[key], str) and data[key].strip())
    ]
    if problems:
        raise InputError(problems).located(source)
    make, key = (CodecTable.from_loss, "loss") if "loss" in data else (CodecTable.from_accuracy, "accuracy")
    try:
        table = make(data["name"], data["ratio"], data[key], origin=data["origin"], source=data["source"])
        return replace(table, notes=data.get("notes", ""))
    except InputError as error:
        raise InputError(Problem(p.key, p.message, source) for p in error.problems) from None
