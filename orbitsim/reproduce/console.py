"""What a reproduction prints: for each experiment the statements beside ours."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orbitsim.reproduce.reproduction import Reproduction

_COLORS = {"yes": "green", "partly": "yellow", "no": "red", "not comparable": "dim"}


def print_outcomes(outcome: Reproduction) -> None:
    """Print a table of every experiment to stdout, and why ours differs below it."""
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    for name, result in outcome.results.items():
        conditions = list(dict.fromkeys(key for finding in result["findings"] for key in finding["ours"]))
        table = Table(title=escape(f"{name}: {result['title']}"), title_justify="left", show_lines=True)
        table.add_column("the paper states", ratio=3)
        for condition in conditions:
            table.add_column(escape(f"ours, {condition}"), ratio=3)
        table.add_column("agrees", no_wrap=True)
        reasons = []
        for statement, finding in zip(result["statements"], result["findings"], strict=True):
            table.add_row(
                escape(f"{statement['claim']} ({statement['where']})"),
                *(escape(finding["ours"].get(condition, "-")) for condition in conditions),
                f"[{_COLORS[finding['agrees']]}]{finding['agrees']}[/]",
            )
            if finding["reason"]:
                reasons.append(f"{statement['name']}: {finding['reason']}")
        console.print(table)
        for reason in reasons:
            console.print(escape(f"- {reason}"))
        console.print()
