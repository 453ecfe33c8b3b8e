"""Words to stderr, data to stdout: messages, progress and formats that the commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    import pandas as pd

ScenarioArgument = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A TOML file, or the name of a shipped scenario.")
]
SettingOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key, such as links.downlink.rate_bps=0.2e9; repeatable."),
]
OverrideOption = Annotated[
    list[str] | None,
    typer.Option("--override", metavar="NAME", help="Apply a named table of the file's overrides; repeatable."),
]


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="How to print the rows.")]


def warn(label: str, message: str) -> None:
    """Print one message to stderr."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(Text.assemble((f"{label}: ", "bold"), message))


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Show progress on stderr while it is a terminal; nothing otherwise."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks: dict[str, TaskID] = {}

        def report(name: str, done: int, total: int) -> None:
            if name not in tasks:
                for other in tasks.values():
                    progress.update(other, visible=False)
                tasks[name] = progress.add_task(name, total=total)
            progress.update(tasks[name], completed=done)

        yield report


def print_rows(rows: pd.DataFrame, fmt: Format, *, title: str, records: list[dict[str, object]]) -> None:
    """Print rows to stdout as a table for people, or as CSV or JSON for programs.

    Parameters
    ----------
    rows : DataFrame
        Columns as people read them, for the table.
    fmt : Format
        How.
    title : str
        Heading of the table.
    records : list of dict
        The same rows as CSV and JSON hold them.
    """
    import csv
    import json

    if fmt is Format.JSON:
        json.dump(records, sys.stdout, indent=1, allow_nan=False, ensure_ascii=False)
        sys.stdout.write("\n")
    elif fmt is Format.CSV:
        writer = csv.DictWriter(
            sys.stdout, fieldnames=list(records[0]) if records else list(rows.columns), lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(records)
    else:
        from rich.markup import escape
        from rich.table import Table

        table = Table(title=title, title_justify="left")
        for name in rows.columns:
            table.add_column(
                escape(str(name)), justify="right" if rows[name].dtype.kind in "fi" else "left", no_wrap=True
            )
        for row in rows.itertuples(index=False):
            table.add_row(*("" if value is None or value != value else str(value) for value in row))
        wide = Console(width=None if sys.stdout.isatty() else 200)
        wide.print(table)
