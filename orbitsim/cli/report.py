"""`orbitsim report`: one HTML file of a run, or of several side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orbitsim.cli.terminal import warn

NAME = "report"
EXAMPLE = (
    "Examples: [bold]orbitsim report runs/first[/bold] · "
    "[bold]orbitsim report runs/a runs/b --out comparison.html[/bold]"
)


def command(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR", help="Folders of runs; several are compared. Or one of a sweep.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The HTML file; by default beside the folder, under its name."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write one self-contained HTML file, which opens without a network."""
    from orbitsim.report.write import build_page, check_file, default_name, write_page

    path = default_name(folders) if out is None else out
    check_file(path, force=force)
    page = build_page(folders)
    write_page(page, path, force=force)
    warn("written", f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
