"""`orbitsim sweep`: one scenario over many values of its keys."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from orbitsim.cli.sweep_progress import sweep_progress
from orbitsim.cli.terminal import Format, FormatOption, OverrideOption, SettingOption, warn

NAME = "sweep"
EXAMPLE = (
    "Examples: [bold]orbitsim sweep s2g-small --out runs/small[/bold] · "
    "[bold]orbitsim sweep my-sweep.toml --out runs/mine --workers 2 --format csv > mine.csv[/bold] · "
    "[bold]orbitsim sweep my-sweep.toml --out runs/mine --resume[/bold] · "
    "[bold]orbitsim sweep my-sweep.toml --out runs/mine --scheduler tcp://10.0.0.1:8786[/bold]"
)
EXIT_INTERRUPTED = 130


def command(
    sweep: Annotated[str, typer.Argument(metavar="SWEEP", help="A TOML file, or the name of a shipped sweep.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder for the results.")] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", min=1, help="Processes on this machine; default: one for each core."),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", metavar="ADDRESS", help="Run on the Dask cluster of this scheduler.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what the folder holds.")] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="With --resume: run cells again that ended in an error.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Validate every cell and say what there is to run.")] = False,
    fmt: FormatOption = Format.TABLE,
    settings: SettingOption = None,
    overrides: OverrideOption = None,
) -> None:
    """Run a scenario over many values of its keys, in parallel, and keep every cell as soon as it is done."""
    from orbitsim.errors import InputError, Problem
    from orbitsim.sweep import load_sweep, run_sweep
    from orbitsim.sweep.console import print_check, print_results

    if not check and out is None:
        raise InputError(Problem("--out", "expected a folder for the results, got nothing"))
    if workers is not None and scheduler is not None:
        raise InputError(
            Problem("--workers", "expected either --workers or --scheduler: a cluster has its own workers")
        )
    if retry_failed and not resume:
        raise InputError(Problem("--retry-failed", "expected --resume with it"))
    loaded = load_sweep(sweep, overrides=overrides or (), settings=settings or ())
    if check or out is None:
        print_check(loaded)
        return
    if scheduler is not None:
        warn("scheduler", f"connecting to {scheduler}")
    try:
        with sweep_progress() as progress:
            result = run_sweep(
                loaded,
                out,
                workers=workers,
                scheduler=scheduler,
                resume=resume,
                retry_failed=retry_failed,
                progress=progress,
                command=["orbitsim", *sys.argv[1:]],
            )
    except KeyboardInterrupt:
        warn("interrupted", f"finished cells are kept in {out}; the same command with --resume goes on")
        sys.exit(EXIT_INTERRUPTED)
    warn("written", f"{result.folder}")
    print_results(result, fmt)
    if not result.n_ok:
        raise typer.Exit(1)
