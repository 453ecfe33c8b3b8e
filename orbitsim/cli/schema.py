"""`orbitsim schema`: the reference of every key."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

NAME = "schema"
EXAMPLE = "Example: [bold]orbitsim schema --filter links.downlink[/bold]"


def command(
    filter_: Annotated[str, typer.Option("--filter", help="Only keys that contain this text.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Print every key of a scenario: type, default, range and meaning."""
    from orbitsim.errors import InputError, Problem
    from orbitsim.scenario.reference import reference

    keys = [key for key in reference() if filter_ in key.path]
    if not keys:
        raise InputError(Problem("--filter", f"expected text that a key contains, got {filter_!r}"))
    if as_json:
        json.dump([asdict(key) for key in keys], sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
        return
    for key in keys:
        typer.secho(key.path, bold=True)
        limits = f", {key.limits}" if key.limits else ""
        where = f" ({key.applies_to})" if key.applies_to else ""
        typer.echo(f"    {key.type}{limits}; default: {key.default}{where}")
        typer.echo(f"    {key.meaning}")
