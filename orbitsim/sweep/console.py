"""A sweep on the terminal: what there is to run, and what came of it."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orbitsim.results.wording import seconds, share
from orbitsim.sweep.loading import Sweep
from orbitsim.sweep.result import SweepResult
from orbitsim.sweep.table import LEADING

_MOST_ROWS = 200
_MOST_VALUES = 8


def print_check(sweep: Sweep) -> None:
    """Print number of cells, axes and schemes of a valid sweep."""
    console = _console()
    n_runs = sum(len(cell.scenario.run.schemes) for cell in sweep.cells)
    counts = f"{counted(len(sweep.cells), 'cell')}, {counted(n_runs, 'run')} of a scheme"
    console.print(f"[bold]{escape(sweep.name)}: valid, {counts}[/bold]")
    table = Table(title="axes", title_justify="left")
    for heading in ("scenario path", "type", "values"):
        table.add_column(heading)
    for column in sweep.columns:
        values = list(dict.fromkeys(cell.values[column.name] for cell in sweep.cells))
        table.add_row(escape(column.name), column.type, escape(_values(values)))
    console.print(table)


def _values(values: Sequence[Any]) -> str:
    if len(values) > _MOST_VALUES and all(isinstance(value, int | float) for value in values):
        return f"{len(values)} from {_cell(min(values))} to {_cell(max(values))}"
    more = f", ... ({len(values)})" if len(values) > _MOST_VALUES else ""
    return ", ".join(_cell(value) for value in values[:_MOST_VALUES]) + more


def print_results(result: SweepResult, fmt: str) -> None:
    """Print the results: every row as CSV or JSON, or a table of cells with their schemes side by side."""
    if fmt == "json":
        json.dump(result.records(), sys.stdout, indent=1, allow_nan=False, ensure_ascii=False)
        sys.stdout.write("\n")
        return
    if fmt == "csv":
        writer = csv.DictWriter(sys.stdout, fieldnames=list(result.frame.columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(result.records())
        return
    _print_table(result)


def _print_table(result: SweepResult) -> None:
    cells: dict[int, dict[str, Mapping[str, Any]]] = {}
    for row in result.records():
        cells.setdefault(row[LEADING[0].name], {})[row["scheme"]] = row
    schemes = list(dict.fromkeys(scheme for rows in cells.values() for scheme in rows))
    table = Table(title=escape(f"{result.name}: mean delay (delivered/all tasks)"), title_justify="left")
    for name in ("cell", *result.axes, *schemes):
        table.add_column(escape(name), justify="right", overflow="fold")
    for index, rows in list(cells.items())[:_MOST_ROWS]:
        axes = next(iter(rows.values()))
        table.add_row(
            str(index),
            *(escape(_cell(axes[name])) for name in result.axes),
            *(_outcome(rows.get(scheme)) for scheme in schemes),
        )
    console = _console()
    console.print(table)
    if len(cells) > _MOST_ROWS:
        console.print(f"the first {_MOST_ROWS} of {len(cells)} cells; results.parquet has all")
    for index, error in _errors(cells):
        console.print(f"cell {index}: {escape(error)}")
    for line in summary_lines(result):
        console.print(line)


def _errors(cells: Mapping[int, Mapping[str, Mapping[str, Any]]]) -> list[tuple[int, str]]:
    found = [
        (index, row["error"]) for index, rows in cells.items() for row in [next(iter(rows.values()))] if row["error"]
    ]
    return found[:_MOST_VALUES]


def _outcome(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    if row["status"] != "ok":
        return str(row["status"])
    counts = f"({row['delivered']}/{row['tasks']})"
    return f"none {counts}" if row["delay_mean_s"] is None else f"{seconds(row['delay_mean_s'])} {counts}"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)


def counted(n: int, thing: str) -> str:
    """Return a number of things: ``1 cell``, ``2 cells``."""
    return f"{n} {thing}{'' if n == 1 else 's'}"


def summary_lines(result: SweepResult) -> list[str]:
    """Say how many cells ran and failed, how long it took, and what reuse saved."""
    failed = f", {result.n_failed} failed (status error)" if result.n_failed else ""
    lines = [f"{counted(result.n_cells, 'cell')}{failed}; {result.n_run} run now in {seconds(result.seconds)}"]
    if result.cpu_s:
        lines.append(
            f"processor time of cells: {seconds(result.cpu_s)}, of it {seconds(result.made_s)} for geometry, links and "
            f"costs; reusing these saved {seconds(result.reused_s)} ({share(result.saved_share)} of the time without)"
        )
    return lines


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 160, highlight=False)
