"""Summaries on the terminal: the schemes of one run, or of several side by side."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orbitsim.results.wording import energy, seconds, size

Summary = tuple[str, Mapping[str, Mapping[str, Any]]]


def folder_name(name: str) -> str:
    """Return a scenario's name as the name of a folder: letters, digits, '.', '_' and '-'."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "scenario"


def print_summaries(summaries: Sequence[Summary]) -> None:
    """Print one table for each run, and with several runs one of their mean delays side by side."""
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    for name, schemes in summaries:
        console.print(_run_table(name, schemes))
    if len(summaries) > 1:
        console.print(_side_by_side(summaries))
    for name, schemes in summaries:
        for scheme, item in schemes.items():
            if item["status"] == "infeasible":
                console.print(f"{escape(name)}: {scheme} cannot run: {escape(str(item['reason']))}")


def _run_table(name: str, schemes: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(title=escape(name), title_justify="left", caption=_origin_caption(schemes), caption_justify="left")
    table.add_column("scheme", no_wrap=True)
    for heading in (
        "tasks", "delivered", "undeliv.", "delay mean", "p95", "max", "service mean", "ISL", "downlink", "energy",
    ):  # fmt: skip
        table.add_column(heading, justify="right")
    for scheme, item in schemes.items():
        if item["status"] == "infeasible":
            table.add_row(scheme, "infeasible", *[""] * 9)
            continue
        delay, service = item["delay_s"], item["service_s"]
        table.add_row(
            scheme,
            str(item["tasks"]),
            str(item["delivered"]),
            str(item["undeliverable"]),
            seconds(delay["mean"]),
            seconds(delay["p95"]),
            seconds(delay["max"]),
            seconds(service["mean"]),
            size(item["isl_bytes"]),
            size(item["downlink_bytes"]),
            "unknown" if item["energy_j"] is None else energy(item["energy_j"]),
        )
    return table


def _origin_caption(schemes: Mapping[str, Mapping[str, Any]]) -> str:
    """Say what the compute times rest on."""
    parts = []
    for scheme, item in schemes.items():
        shares = {name: share for name, share in item["cost_origin"].items() if share}
        if shares:
            parts.append(f"{scheme} " + ", ".join(f"{share:.0%} {name}" for name, share in shares.items()))
    return "compute times: " + "; ".join(parts) if parts else ""


def _side_by_side(summaries: Sequence[Summary]) -> Table:
    table = Table(title="mean delay / service of delivered tasks (delivered of all)", title_justify="left")
    table.add_column("scheme", no_wrap=True)
    for name, _ in summaries:
        table.add_column(escape(name), justify="right")
    for scheme in dict.fromkeys(scheme for _, schemes in summaries for scheme in schemes):
        table.add_row(scheme, *(_cell(schemes.get(scheme)) for _, schemes in summaries))
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
