"""`orbitsim export`: a run, or what a scenario amounts to, for Perfetto, Cesium, contact-plan routing, networkx."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orbitsim.cli.terminal import OverrideOption, SettingOption, warn

NAME = "export"
EXAMPLE = (
    "Examples: [bold]orbitsim export runs/first --as perfetto --out day.json.gz[/bold] · "
    "[bold]orbitsim export leo12-vitg --as czml --out day.czml[/bold] · "
    "[bold]orbitsim export leo12-vitg --as graph --at 54000 --out network.graphml[/bold]"
)


def command(
    source: Annotated[
        str,
        typer.Argument(metavar="DIR|SCENARIO", help="A run folder; without a timeline, a scenario will do."),
    ],
    kind: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="FORMAT",
            help="perfetto (Chrome trace JSON), czml (Cesium), contact-plan (CSV), ion (commands of ionadmin), "
            "graph (GraphML, or node-link JSON).",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="File to write; .gz compresses a timeline.")],
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    scheme: Annotated[
        list[str] | None, typer.Option("--scheme", metavar="NAME", help="Timeline: this scheme only; repeatable.")
    ] = None,
    task: Annotated[
        list[int] | None, typer.Option("--task", metavar="SLOT", help="Timeline: this task only; repeatable.")
    ] = None,
    arrows: Annotated[
        bool | None,
        typer.Option(help="Timeline: arrows from stage to stage of a mini-batch; by default up to 100,000."),
    ] = None,
    at_s: Annotated[
        float | None, typer.Option("--at", metavar="SECONDS", help="Graph: when, since the epoch; by default 0.")
    ] = None,
    settings: SettingOption = None,
    overrides: OverrideOption = None,
) -> None:
    """Write a run or a scenario in a format of the tools that people already use."""
    from orbitsim.errors import InputError
    from orbitsim.export.kinds import Options, export
    from orbitsim.loading import load_scenario
    from orbitsim.results.reading import StoredRun, is_run_folder

    run = StoredRun(source) if is_run_folder(source) else None
    if run is not None and (settings or overrides):
        raise InputError("expected no --set and no --override with a run folder: what ran cannot be changed")
    scenario = load_scenario(
        source if run is None else run.scenario_file, overrides=overrides or (), settings=settings or ()
    )
    options = Options(schemes=scheme or None, tasks=task or None, arrows=arrows, at_s=at_s)
    for note in export(kind, out, scenario=scenario, run=run, options=options, force=force):
        warn("note", note)
    warn("written", f"{out}")
