"""`orbitsim check`: all errors of a scenario, or what it amounts to."""

from __future__ import annotations

import typer

from orbitsim.cli.terminal import OverrideOption, ScenarioArgument, SettingOption

NAME = "check"
EXAMPLE = "Example: [bold]orbitsim check my.toml --set workload.resolution=4K[/bold]"


def command(scenario: ScenarioArgument, settings: SettingOption = None, overrides: OverrideOption = None) -> None:
    """Print every error of a scenario or sweep, or its sizes and a preview."""
    from orbitsim.loading import load_scenario
    from orbitsim.pipeline.preview import preview
    from orbitsim.sweep.loading import load_sweep, names_sweep

    if names_sweep(scenario):
        from orbitsim.sweep.console import print_check

        print_check(load_sweep(scenario, overrides=overrides or (), settings=settings or ()))
        return

    loaded = load_scenario(scenario, overrides=overrides or (), settings=settings or ())
    typer.secho(
        f"{loaded.name}: valid, {loaded.n_slots} slots from {loaded.clock.epoch_utc:%Y-%m-%dT%H:%M:%S}Z", bold=True
    )
    for title, lines in preview(loaded):
        typer.secho(f"\n{title}", bold=True)
        for line in lines:
            mark = "!" if line.attention else " "
            typer.echo(f" {mark} {line.label}: {line.text}")
