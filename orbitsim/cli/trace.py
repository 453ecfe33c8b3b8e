"""`orbitsim trace`: measured times of models on devices, imported, shown and compared."""

from __future__ import annotations

import typer

from orbitsim.cli import trace_compare, trace_fit, trace_import, trace_replay, trace_show

NAME = "trace"

trace_app = typer.Typer(
    name=NAME,
    help="Import, show and compare traces: measured times of models on devices, block by block.",
    epilog="Example: [bold]orbitsim trace import profile.json --out board.parquet[/bold]",
    rich_markup_mode="rich",
    no_args_is_help=True,
)
for module in (trace_import, trace_show, trace_compare, trace_fit, trace_replay):
    trace_app.command(name=module.NAME, epilog=module.EXAMPLE)(module.command)
