"""Summaries on the terminal: the schemes of one run, or of several side by side."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orbitsim.results.headline import HEADINGS, headline_row, reasons
from orbitsim.results.wording import seconds, share

Summary = tuple[str, Mapping[str, Any]]
"""A scenario's name, and what `summary.json` holds of its run."""


def folder_name(name: str) -> str:
    """Return a scenario's name as the name of a folder: letters, digits, '.', '_' and '-'."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "scenario"


def print_summaries(summaries: Sequence[Summary]) -> None:
    """Print one table for each run, and with several runs one of their mean delays side by side."""
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    for name, summary in summaries:
        console.print(_run_table(name, summary["schemes"]))
        for line in basis_lines(summary):
            console.print(escape(line))
    if len(summaries) > 1:
        console.print(_side_by_side(summaries))
    for name, summary in summaries:
        for reason in reasons(summary["schemes"]):
            console.print(escape(f"{name}: {reason}"))


def _run_table(name: str, schemes: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(title=escape(name), title_justify="left")
    table.add_column(HEADINGS[0], no_wrap=True)
    for heading in HEADINGS[1:]:
        table.add_column(heading, justify="right")
    for scheme, item in schemes.items():
        table.add_row(*(escape(cell) for cell in headline_row(scheme, item)))
    return table


def basis_lines(summary: Mapping[str, Any]) -> list[str]:
    """Say what compute times and energy rest on; schemes of which the same is true share a place in a line."""
    times: dict[str, list[str]] = {}
    energies: dict[str, list[str]] = {}
    for scheme, item in summary["compute"].items():
        if not item["seconds"]:
            continue
        origins = ", ".join(_shares(item["origin_s"]))
        methods = ", ".join(_shares(item["method_s"]))
        times.setdefault(f"{origins} ({methods})", []).append(scheme)
        energies.setdefault(item["energy_origin"] or "unknown", []).append(scheme)
    return [_line("compute times", times), _line("energy of computing", energies)] if times else []


def _line(what: str, found: Mapping[str, Sequence[str]]) -> str:
    parts = [f"{words} [{', '.join(schemes)}]" for words, schemes in found.items()]
    return f"{what}: {parts[0].rpartition(' [')[0] if len(parts) == 1 else '; '.join(parts)}"


def _shares(by_name: Mapping[str, float]) -> list[str]:
    total_s = sum(by_name.values())
    return [f"{share(value / total_s)} {name}" for name, value in by_name.items() if value > 0.0]


def _side_by_side(summaries: Sequence[Summary]) -> Table:
    table = Table(title="mean delay / service of delivered tasks (delivered of all)", title_justify="left")
    table.add_column("scheme", no_wrap=True)
    for name, _ in summaries:
        table.add_column(escape(name), justify="right")
    for scheme in dict.fromkeys(scheme for _, summary in summaries for scheme in summary["schemes"]):
        table.add_row(scheme, *(_cell(summary["schemes"].get(scheme)) for _, summary in summaries))
    return table


def _cell(item: Mapping[str, Any] | None) -> str:
    if item is None:
        return "not run"
    if item["status"] == "infeasible":
        return "infeasible"
    counts = f"({item['delivered']} of {item['tasks']})"
    if item["delay_s"]["mean"] is None:
        return f"none delivered {counts}"
    return f"{seconds(item['delay_s']['mean'])} / {seconds(item['service_s']['mean'])} {counts}"
