"""`orbitsim codec download`: the paper's data sets, when a user asks for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orbitsim.cli.terminal import warn

NAME = "download"
EXAMPLE = "Example: [bold]orbitsim codec download eurosat --out eurosat[/bold] and then [bold]--data eurosat[/bold]"


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="eurosat (94 MB) or resisc45.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of class folders to make.")],
    sha256: Annotated[
        str | None,
        typer.Option("--sha256", metavar="HEX", help="Hash that the archive must have beside its known MD5."),
    ] = None,
) -> None:
    """Download a data set of the paper, check it, and unpack it. Nothing else in orbitsim downloads anything."""
    from orbitsim.neural.extra import require_neural

    require_neural()
    from orbitsim.neural.download import ARCHIVES, download

    if name in ARCHIVES:
        archive = ARCHIVES[name]
        warn("downloading", f"{archive.title} from {archive.url}; MD5 as in {archive.checked_by}")
        warn("cite", f"{archive.citation}; licence: {archive.licence}")
    n_images = download(name, out, sha256=sha256)
    warn("written", f"{out}: {n_images} images")
