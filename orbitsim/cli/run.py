"""`orbitsim run`: the main job."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from orbitsim.cli.terminal import OverrideOption, SettingOption, progress_bar, warn

NAME = "run"
EXAMPLE = (
    "Examples: [bold]orbitsim run leo12-vitg[/bold] · "
    "[bold]orbitsim run my.toml --out runs/a --scheme hybrid --set links.downlink.rate_bps=0.2e9[/bold]"
)


def command(
    scenarios: Annotated[
        list[str],
        typer.Argument(metavar="SCENARIO", help="TOML files, or names of shipped scenarios; several are compared."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Run folder (with several scenarios: their parent folder)."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing run folder.")] = False,
    scheme: Annotated[
        list[str] | None, typer.Option("--scheme", metavar="NAME", help="Run this scheme only; repeatable.")
    ] = None,
    settings: SettingOption = None,
    overrides: OverrideOption = None,
) -> None:
    """Run scenarios over all their schemes and write a folder of results for each."""
    from orbitsim.errors import InputError
    from orbitsim.loading import load_scenario
    from orbitsim.pipeline.run import run_scenario, save_run
    from orbitsim.results import console, store

    chosen = list(settings or [])
    if scheme:
        chosen.append("run.schemes=[" + ", ".join(f'"{name}"' for name in scheme) + "]")
    loaded = [load_scenario(name, overrides=overrides or (), settings=chosen) for name in scenarios]
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folders: list[Path] = []
    for scenario in loaded:
        name = console.folder_name(scenario.name)
        default = Path("runs") / f"{name}-{stamp}"
        folders.append(default if out is None else out / name if len(loaded) > 1 else out)
    if len(set(folders)) < len(folders):
        raise InputError("expected scenarios of different names, to give each a folder of its own")
    for folder in folders:
        store.check_target(folder, force=force)
    summaries = []
    for scenario, folder in zip(loaded, folders, strict=True):
        with progress_bar() as progress:
            result = run_scenario(scenario, progress=progress)
        save_run(result, folder, command=["orbitsim", *sys.argv[1:]], force=force)
        for note in result.notes:
            warn("note", note)
        warn("written", f"{folder}")
        summaries.append((scenario.name, result.summary))
    console.print_summaries(summaries)
    if not any(item["status"] == "ok" for _, summary in summaries for item in summary["schemes"].values()):
        raise typer.Exit(1)
