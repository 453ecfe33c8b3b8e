"""What a reproduction prints: for each experiment the statements beside ours, one line each."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orbitsim.reproduce.reproduction import TABLE, Reproduction

_COLORS = {"yes": "green", "partly": "yellow", "no": "red", "not comparable": "dim"}


def print_outcomes(outcome: Reproduction, folder: Path) -> None:
    """Print a compact table of every experiment to stdout; texts in full and reasons are in the folder's table.md."""
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    for name, result in outcome.results.items():
        table = Table(title=escape(f"{name}: {result['title']}"), title_justify="left", box=SIMPLE_HEAD, expand=True)
        table.add_column("the paper states", ratio=5, no_wrap=True, overflow="ellipsis")
        table.add_column("ours", ratio=8, no_wrap=True, overflow="ellipsis")
        table.add_column("agrees", width=max(len(each) for each in _COLORS), no_wrap=True)
        for statement, finding in zip(result["statements"], result["findings"], strict=True):
            lines = [f"{condition}: {text}" for condition, text in finding["ours"].items()] or ["-"]
            for index, line in enumerate(lines):
                first = index == 0
                agrees = f"[{_COLORS[finding['agrees']]}]{finding['agrees']}[/]" if first else ""
                table.add_row(escape(statement["claim"]) if first else "", escape(line), agrees)
        console.print(table)
    console.print(f"In full, with the reasons: {escape(str(folder / TABLE))}", soft_wrap=True)
