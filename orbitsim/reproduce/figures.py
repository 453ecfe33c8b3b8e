"""Static figures of experiments: PNG, SVG and PDF, drawn without a display, the same bytes from the same data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orbitsim.report.figures.style import FORMATS, INK, PAPER, STYLE
from orbitsim.report.palette import COLORS
from orbitsim.types.experiment import Data, Experiment

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PUBLISHED = COLORS["ink"].light
"""Colour of what the paper states."""

# As the figures of a run, but lighter files and heavier lines; powers of ten stand on the axes.
_STYLE: dict[Any, Any] = {
    **STYLE,
    "savefig.dpi": 150,
    "text.parse_math": True,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.0,
    "hatch.linewidth": 0.6,
}


def new_figure(n_rows: int = 1, n_columns: int = 1, *, size: tuple[float, float], **more: Any) -> tuple[Figure, Any]:
    """Return a figure and its axes in the project's style. Sizes in inches, as matplotlib has them."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained", facecolor=PAPER)
        return figure, figure.subplots(n_rows, n_columns, **more)


def draw_figures(experiment: Experiment, data: Data, folder: Path) -> list[Path]:
    """Draw an experiment's figures and save each in every format.

    Parameters
    ----------
    experiment : Experiment
        What is drawn.
    data : mapping
        What it measured.
    folder : Path
        Where the files go; made if it is not there.

    Returns
    -------
    list of Path
        The files.
    """
    import matplotlib as mpl

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with mpl.rc_context(_STYLE):
        for stem, figure in experiment.draw(data).items():
            for suffix in FORMATS:
                path = folder / f"{stem}.{suffix}"
                # Without dates, so that equal data give equal files.
                dateless = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None, "ModDate": None}}
                figure.savefig(path, metadata=dateless[suffix])
                paths.append(path)
    return paths


def label_bars(axes: Axes, bars: Any, texts: Sequence[str]) -> None:
    """Write a text over each bar."""
    axes.bar_label(bars, labels=list(texts), padding=2, fontsize=7, color=INK)
