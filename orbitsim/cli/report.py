"""`orbitsim report`: one HTML file of a run, or of several side by side."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from orbitsim.cli.terminal import warn

NAME = "report"
EXAMPLE = (
    "Examples: [bold]orbitsim report runs/first[/bold] · "
    "[bold]orbitsim report runs/a runs/b --out comparison.html[/bold] · "
    "[bold]orbitsim report runs/first --figures paper/figures --format pdf[/bold]"
)


class FigureFormat(StrEnum):
    """Formats of static figures."""

    PNG = "png"
    SVG = "svg"
    PDF = "pdf"


def command(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR", help="Folders of runs; several are compared. Or one of a sweep.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The HTML file; by default beside the folder, under its name."),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option("--figures", metavar="DIR", help="Write static figures of one run there instead, for papers."),
    ] = None,
    formats: Annotated[
        list[FigureFormat] | None,
        typer.Option("--format", help="Of the figures; repeatable. Default: png, svg and pdf."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file, or figures.")] = False,
) -> None:
    """Write one self-contained HTML file, which opens without a network; or figures for papers."""
    from orbitsim.errors import InputError, Problem
    from orbitsim.report.write import build_page, check_file, default_name, write_page

    if figures is not None:
        from orbitsim.report.figures.write import write_figures

        if len(folders) > 1 or out is not None:
            raise InputError(Problem("--figures", "expected one run, and no --out: figures are of a single run"))
        paths = write_figures(
            folders[0], figures, formats=[each.value for each in formats or FigureFormat], force=force
        )
        warn("written", f"{figures} ({len(paths)} files)")
        return
    if formats:
        raise InputError(Problem("--format", "is for figures: give --figures DIR with it"))
    path = default_name(folders) if out is None else out
    check_file(path, force=force)
    page = build_page(folders)
    write_page(page, path, force=force)
    warn("written", f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
