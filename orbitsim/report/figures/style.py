"""How static figures look, and how they are saved: without a display, the same bytes from the same data."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orbitsim.errors import InputError
from orbitsim.report.palette import COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
INK, MUTED, GRID, PAPER, PALE = (COLORS[name].light for name in ("ink", "muted", "grid", "paper", "pale"))
WIDTH_IN = 7.2  # of a figure: the text of two columns
_HOUR_S, _MINUTE_S = 3600.0, 60.0
STYLE: dict[Any, Any] = {
    "figure.dpi": 150,
    "savefig.dpi": 200,
    "font.size": 9.0,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": COLORS["axis"].light,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "lines.linewidth": 1.6,
    "svg.hashsalt": "orbitsim",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
}
# Without dates and versions, so that equal data give equal files.
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None},
}


def require_matplotlib() -> None:
    """Raise an `InputError` that says what to install, unless matplotlib is there."""
    try:
        found = importlib.util.find_spec("matplotlib") is not None
    except ValueError:  # a module that was taken out by hand
        found = False
    if not found:
        raise InputError("matplotlib is not installed; figures need it: pip install 'orbitsim[report]'")


@contextmanager
def style() -> Iterator[None]:
    """Draw in the project's style while the block lasts; the settings of the caller are left alone."""
    require_matplotlib()
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def new_figure(n_rows: int = 1, n_columns: int = 1, *, height_in: float, **more: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure and its axes row by row."""
    from orbitsim.report.figures.paper import PaperFigure

    figure = PaperFigure(figsize=(WIDTH_IN, height_in), layout="constrained", facecolor=PAPER)
    axes = figure.subplots(n_rows, n_columns, squeeze=False, **more)
    return figure, list(axes.ravel())


def save(figure: Figure, path: Path, suffix: str | None = None) -> None:
    """Save a figure in the format that its name, or else the suffix given, ends in."""
    kind = (suffix or path.suffix)[1:]
    figure.savefig(path, format=kind, metadata=_METADATA[kind])


def time_unit(span_s: float) -> tuple[float, str]:
    """Return the unit in which a span of time reads well, and its name: hours, minutes or seconds. [s]"""
    if span_s >= 3 * _HOUR_S:
        return _HOUR_S, "h"
    return (_MINUTE_S, "min") if span_s >= 10 * _MINUTE_S else (1.0, "s")


def time_axis(axes: Axes, span_s: float, *, label: bool = True) -> float:
    """Give axes the time of a scenario, and return the unit. [s]"""
    unit_s, name = time_unit(span_s)
    axes.set_xlim(0.0, span_s / unit_s)
    if name == "h" and span_s <= 48 * _HOUR_S:
        step = 3.0 if span_s > 8 * _HOUR_S else 1.0
        axes.set_xticks([step * i for i in range(int(span_s / _HOUR_S / step) + 1)])
    if label:
        axes.set_xlabel(f"time since the start of the scenario [{name}]")
    return unit_s


def duration(value_s: float) -> str:
    """Return a duration in the unit in which it reads well."""
    unit_s, name = time_unit(value_s)
    return f"{value_s / unit_s:.3g} {name}"


def logarithmic(axes: Axes) -> None:
    """Make the horizontal axis logarithmic, with its powers of ten as plain numbers."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def bare(axes: Axes) -> None:
    """Take away what rows of bars do not need: the grid across them and the marks of their names."""
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
