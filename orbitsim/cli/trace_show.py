"""`orbitsim trace show`: what a trace holds, profile by profile."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orbitsim.cli.terminal import Format, FormatOption, print_rows, warn

if TYPE_CHECKING:
    from rich.console import Console

    from orbitsim.types.profile import BlockTiming, Profile
    from orbitsim.workload.traces import Trace

NAME = "show"
EXAMPLE = (
    "Examples: [bold]orbitsim trace show board.parquet[/bold] · "
    "[bold]orbitsim trace show board.parquet --format csv > rows.csv[/bold]"
)
_LEVELS = "▁▂▃▄▅▆▇█"
_BAR_WIDTH = 32
_PLOTTED = 4  # profiles of which every block is drawn unless --blocks asks for all


def command(
    trace: Annotated[str, typer.Argument(metavar="TRACE", help="A trace (Parquet), or the name of a shipped one.")],
    fmt: FormatOption = Format.TABLE,
    blocks: Annotated[bool, typer.Option("--blocks", help="Draw the blocks of every profile.")] = False,
) -> None:
    """Show a trace: each profile with its sum, spread, origin and energy (table), or all rows (CSV, JSON)."""
    from orbitsim.loading.device_traces import trace_at

    found = trace_at(trace)
    if fmt is Format.JSON:
        json.dump(_document(found), sys.stdout, indent=1, allow_nan=False, ensure_ascii=False)
        sys.stdout.write("\n")
        return
    if fmt is Format.CSV:
        import pandas as pd

        print_rows(pd.DataFrame(), fmt, title="", records=[_record(row) for row in found.rows])
        return
    _print(found, blocks)


def _record(row: BlockTiming) -> dict[str, Any]:
    from orbitsim.types.profile import TRACE_COLUMNS

    return {column.name: getattr(row, column.name) for column in TRACE_COLUMNS if column.name != "samples_s"}


def _document(trace: Trace) -> dict[str, Any]:
    return {
        "trace": trace.path,
        "sha256": trace.sha256,
        "provenance": dict(trace.provenance),
        "rows": [{**_record(row), "samples_s": row.samples_s and list(row.samples_s)} for row in trace.rows],
    }


def _print(trace: Trace, every_block: bool) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 180, highlight=False)
    profiles = trace.profiles()
    table = Table(title=escape(f"{trace.path}: {len(profiles)} profiles"), title_justify="left")
    table.add_column("device", no_wrap=True)
    for heading in ("mode", "model"):
        table.add_column(heading)
    for heading in ("batch", "precision", "blocks", "sum [ms]", "forward [ms]", "spread", "energy [J]"):
        table.add_column(escape(heading), justify="right")
    table.add_column("origin")
    table.add_column("blocks, from 0")
    for profile in profiles:
        table.add_row(*(escape(word) for word in _summary(profile)))
    console.print(table)
    for profile in profiles if every_block else profiles[:_PLOTTED]:
        _print_blocks(console, profile)
    if len(profiles) > _PLOTTED and not every_block:
        warn("note", f"the blocks of {len(profiles) - _PLOTTED} more profiles are shown with --blocks")
    for note in trace.provenance.get("notes", []) if isinstance(trace.provenance.get("notes"), list) else []:
        warn("note", str(note))


def _summary(profile: Profile) -> tuple[str, ...]:
    parts = profile.parts
    every = [*parts, *([profile.forward] if profile.forward else [])]
    energies = [row.energy_j for row in parts] if parts else [row.energy_j for row in every]
    known = [value for value in energies if value is not None]
    origins = dict.fromkeys(row.origin for row in every)
    return (
        profile.device,
        profile.power_mode,
        profile.model,
        str(profile.batch_size),
        profile.precision,
        str(profile.n_layers) if profile.covers_model or not profile.blocks else f"{profile.n_layers} (no edges)",
        f"{1e3 * math.fsum(row.mean_s for row in parts):.4f}" if parts else "-",
        f"{1e3 * profile.forward.mean_s:.4f}" if profile.forward else "-",
        _spread(every),
        f"{math.fsum(known):.4g}" if known and len(known) == len(energies) else "-",
        ", ".join(origins),
        sparkline([row.mean_s for row in profile.blocks]),
    )


def _spread(rows: list[BlockTiming]) -> str:
    """Return the largest coefficient of variation of the rows, the usual measure of jitter."""
    ratios = [row.std_s / row.mean_s for row in rows if row.std_s is not None]
    return f"{max(ratios):.1%}" if ratios else "-"


def sparkline(values: list[float]) -> str:
    """Return values as a row of bars from 0 to the largest, one character each."""
    top = max(values, default=0.0)
    return "".join(_LEVELS[min(int(value / top * len(_LEVELS)), len(_LEVELS) - 1)] for value in values) if top else ""


def _print_blocks(console: Console, profile: Profile) -> None:
    from rich.markup import escape
    from rich.table import Table

    parts = profile.parts
    if not parts:
        return
    top = max(row.mean_s for row in parts)
    total = math.fsum(row.mean_s for row in parts)
    words = (profile.device, profile.power_mode, profile.model, profile.batch_size, profile.precision)
    table = Table(title=escape(" ".join(map(str, words))), title_justify="left")
    table.add_column("part")
    for heading in ("mean [ms]", "std [ms]", "p95 [ms]", "n", "share", "energy [J]"):
        table.add_column(escape(heading), justify="right")
    table.add_column("origin")
    table.add_column("")
    for row in parts:
        table.add_row(
            row.block_kind if row.block_kind != "block" else f"block {row.block_index}",
            f"{1e3 * row.mean_s:.4f}",
            "-" if row.std_s is None else f"{1e3 * row.std_s:.4f}",
            "-" if row.p95_s is None else f"{1e3 * row.p95_s:.4f}",
            "-" if row.n_samples is None else str(row.n_samples),
            f"{row.mean_s / total:.1%}",
            "-" if row.energy_j is None else f"{row.energy_j:.4g}",
            row.origin,
            "█" * max(1, round(_BAR_WIDTH * row.mean_s / top)),
        )
    console.print(table)
