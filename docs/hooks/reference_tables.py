"""The page of every table of results, from the schemas by which they are written."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from markdown_table import plain, table

from orbitsim.sweep import table as sweep_table
from orbitsim.types import tables
from orbitsim.types.tables import Column

HEAD = """# Result tables

Parquet files of a run folder, made from the schemas by which they are written: a column's unit ends its name (`_s`
seconds, since the scenario's epoch where it is a moment; `_bytes`; `_bps` bit/s). Missing values are null, in the
columns marked so only.
"""

# What the end of a column's name says of its unit, the longest first.
UNITS = {
    "_bytes": "B", "_share": "1", "_bps": "bit/s", "_deg": "deg", "_db": "dB", "_m": "m", "_s": "s", "_j": "J",
    "_w": "W", "_k": "K", "ratio": "1", "utilisation": "1", "accuracy_loss_max": "1", "accuracy_min": "1",
}  # fmt: skip


def tables_page() -> str:
    """Return the page."""
    said = _docstrings(Path(tables.__file__))
    parts = [HEAD]
    for name, columns in tables.TABLES.items():
        parts.append(f"## {name}.parquet\n\n{plain(said[name.upper()])}\n\n{_columns(columns)}")
    rows = "`results.parquet` of a [sweep](../sweeps.md): a row for each cell and scheme. Between `scheme` and `status`"
    parts.append(f"## Table of a sweep\n\n{rows} stand the axes, each under the scenario path that it changes.\n")
    parts.append(_columns([*sweep_table.LEADING, *sweep_table.FIGURES]))
    return "\n".join(parts)


def unit_of(name: str) -> str:
    """Return the unit that a column's name says; empty for names, counts and flags."""
    if name.startswith("n_"):
        return "B" if name == "n_bytes" else "1"
    return next((unit for end, unit in UNITS.items() if name.endswith(end)), "")


def _columns(columns: Sequence[Column]) -> str:
    rows = [(f"`{c.name}`", c.dtype, unit_of(c.name), "yes" if c.nullable else "", plain(c.meaning)) for c in columns]
    return table(("column", "type", "unit", "may be null", "meaning"), rows)


def _docstrings(module: Path) -> dict[str, str]:
    """Return the docstring below each assignment of a module, as its readers see them."""
    body = ast.parse(module.read_text(encoding="utf-8")).body
    found = {}
    for before, after in pairwise(body):
        is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if is_text and isinstance(before, ast.Assign) and isinstance(before.targets[0], ast.Name):
            found[before.targets[0].id] = str(after.value.value)
    return found
