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
    "[bold]orbitsim report runs/first --figures paper/figures --format pdf[/bold] · "
    "[bold]orbitsim report runs/first --out first.html --figures figures[/bold]"
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
        typer.Option(
            "--figures",
            metavar="DIR",
            help="Write static figures of one run there, for papers; with --out the page as well.",
        ),
    ] = None,
    formats: Annotated[
        list[FigureFormat] | None,
        typer.Option("--format", help="Of the figures; repeatable. Default: png, svg and pdf."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file, or figures.")] = False,
) -> None:
    """Write one self-contained HTML file, which opens without a network; or figures for papers; or both."""
    from orbitsim.errors import InputError, Problem
    from orbitsim.report.write import build_page, check_file, default_name, write_page

    if figures is None and formats:
        raise InputError(Problem("--format", "is for figures: give --figures DIR with it"))
    if figures is not None and len(folders) > 1:
        raise InputError(Problem("--figures", f"expected one run, got {len(folders)}: figures are of a single run"))
    if figures is not None and out is not None and figures.resolve() in out.resolve().parents:
        raise InputError(Problem("--out", "expected a place outside of the folder of figures", str(out)))
    path = default_name(folders) if out is None and figures is None else out
    page = None
    if path is not None:
        check_file(path, force=force)
        page = build_page(folders)
    if figures is not None:
        from orbitsim.report.figures.write import write_figures

        paths = write_figures(
            folders[0], figures, formats=[each.value for each in formats or FigureFormat], force=force
        )
        warn("written", f"{figures} ({len(paths)} files)")
    if path is not None and page is not None:
        write_page(page, path, force=force)
        warn("written", f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
