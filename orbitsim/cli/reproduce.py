"""`orbitsim reproduce`: the published figures and tables beside ours."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from orbitsim.cli.terminal import progress_bar, warn

NAME = "reproduce"
EXIT_INTERRUPTED = 130
EXAMPLE = (
    "Examples: [bold]orbitsim reproduce fig4[/bold] · [bold]orbitsim reproduce map --out runs/map[/bold] · "
    "[bold]orbitsim reproduce all --out runs/reproduction --workers 2[/bold]"
)


def command(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="table2 fig3 fig4 fig5 fig6 fig7 fig8 fig9 fig10 fig11 fig12 table4 table5 map, or all.",
        ),
    ],
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder of the results.")] = None,
    small: Annotated[
        bool, typer.Option("--small", help="A reduced version, in seconds; its figures are not for print.")
    ] = False,
    workers: Annotated[int, typer.Option("--workers", metavar="N", min=1, max=1024, help="Processes to use.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run of the same folder.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a finished folder, or an interrupted run.")] = False,
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", metavar="DIR", help="Images, for the figures on accuracy; repeatable."),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", metavar="DIR", help="Keep trained models here, for later runs.")
    ] = None,
) -> None:
    """Run the settings behind published figures, and set what they state beside what is found."""
    from orbitsim.reproduce.console import print_outcomes
    from orbitsim.reproduce.registry import chosen_experiments
    from orbitsim.reproduce.reproduction import reproduce

    chosen = chosen_experiments(names)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = Path("runs") / f"reproduce-{stamp}" if out is None else out
    try:
        with progress_bar() as progress:
            outcome = reproduce(
                chosen,
                folder,
                command=["orbitsim", *sys.argv[1:]],
                small=small,
                workers=workers,
                resume=resume,
                force=force,
                data=data or (),
                shared=cache,
                progress=progress,
            )
    except KeyboardInterrupt:
        warn("interrupted", f"what is measured is kept; the same command with --out {folder} --resume goes on with it")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    for note in outcome.notes:
        warn("note", note)
    warn("written", f"{folder}")
    print_outcomes(outcome, folder)
