"""What the figures of the codec experiments share: colours that all eyes tell apart, and panels side by side."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Of the palette of M. Okabe and K. Ito, Color Universal Design (2008); the same method always has the same colour.
COLOURS = {
    "identity": "#7f7f7f",
    "gumbel": "#0072b2",
    "topk": "#d55e00",
    "random-topk": "#cc79a7",
    "transform": "#009e73",
    "mask": "#56b4e9",
}
MARKERS = {"identity": "s", "gumbel": "o", "topk": "^", "random-topk": "v", "transform": "D", "mask": "P"}
PAPER_COLOUR = "#1a1a1a"


def panels(
    titles: Sequence[str], *, height: float = 3.4, width: float = 4.3, share_y: bool = True
) -> tuple[Figure, Any]:
    """Return a figure and a list of axes side by side, one for each title. Sizes in inches, as matplotlib has them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(width * len(titles), 6.5), height), layout="constrained", facecolor="white")
    axes = figure.subplots(1, len(titles), squeeze=False, sharey=share_y)[0]
    for one, title in zip(axes, titles, strict=True):
        lines = [fill(line, int(13 * figure.get_figwidth() / len(titles))) for line in title.splitlines()]
        one.set_title("\n".join(lines), loc="left", fontsize=9)
        one.spines[["top", "right"]].set_visible(False)
    return figure, axes


def legend_below(figure: Figure, *axes: Axes, n_columns: int = 3) -> None:
    """Put one legend below all panels: every label of some axes once."""
    handles = {label: handle for one in axes for handle, label in zip(*one.get_legend_handles_labels(), strict=True)}
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=n_columns, frameon=False, fontsize=8
    )
