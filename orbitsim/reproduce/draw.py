"""The figure that most experiments share: delays over an axis in both twins, beside what is published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orbitsim.report.figures.style import INK
from orbitsim.report.palette import scheme_style
from orbitsim.reproduce.figures import PUBLISHED, new_figure
from orbitsim.reproduce.grid import delays_s
from orbitsim.types.experiment import Data

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OTHERS = ("single-satellite", "ground-only")
ALL = ("collaborative", *OTHERS)
TWINS = (("idealised", "idealised: downlink always open"), ("real", "real contacts, undelivered counted to the end"))


def delay_panels(
    data: Data,
    x_label: str,
    *,
    published: Mapping[str, float] | None = None,
    log: bool = True,
    numeric: bool = False,
    against: Sequence[str] = OTHERS,
) -> Figure:
    """Draw the delays of schemes, one panel for each twin.

    Parameters
    ----------
    data : mapping
        Of `orbitsim.reproduce.grid.measure_grid`.
    x_label : str
        Of the axis, with its unit.
    published : mapping of str to float
        By the label of a point: by which share the paper has the collaborative scheme below `against`.
    log : bool
        Whether idealised delays are on a logarithmic axis.
    numeric : bool
        Whether points stand at their values rather than side by side.
    against : sequence of str
        Of which schemes the fastest is meant.
    """
    figure, panels = new_figure(1, 2, size=(8.6, 3.5))
    for axes, (twin, title) in zip(panels, TWINS, strict=True):
        rows = data["points"]
        x = [row["value"] if numeric else float(i) for i, row in enumerate(rows)]
        lines(axes, rows, x, twin, ALL)
        axes.set_title(title)
        axes.set_xlabel(x_label)
        axes.set_ylabel("delay of a task [s]" if twin == "idealised" else "mean delay of a task [s]")
        if log and twin == "idealised":
            axes.set_yscale("log")
            axes.margins(y=0.14)
        else:
            axes.set_ylim(0.0, 1.1 * max((max(delays_s(row, twin).values(), default=1.0) for row in rows), default=1.0))
        if not numeric:
            axes.set_xticks(x, [_tick(row["label"], rows) for row in rows])
            axes.set_xlim(-0.7, len(rows) - 0.3)
        if twin == "idealised":
            stated(axes, rows, x, published or {}, against)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4)
    return figure


def _tick(label: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a point's label without the unit that all share, which stands on the axis."""
    number, _, unit = label.partition(" ")
    return number if all(row["label"].endswith(f" {unit}") for row in rows) and unit else label


def lines(axes: Axes, rows: Sequence[Mapping[str, Any]], x: Sequence[float], twin: str, schemes: Sequence[str]) -> None:
    """Draw one line for each scheme; a scheme that has no delay anywhere is named as infeasible."""
    for index, scheme in enumerate(schemes):
        style = scheme_style(scheme, index)
        points = [(at, delays_s(row, twin).get(scheme)) for at, row in zip(x, rows, strict=True)]
        known = [(at, delay_s) for at, delay_s in points if delay_s is not None]
        label = scheme if known else f"{scheme}: infeasible"
        axes.plot(
            [at for at, _ in known],
            [delay_s for _, delay_s in known],
            color=style.color.light,
            linestyle=style.line,
            marker=style.marker,
            label=label,
            zorder=3,
        )


_LOW_SHARE = 0.1  # of the largest delay: below it a label stands beside its mark, not between it and the axis


def stated(
    axes: Axes,
    rows: Sequence[Mapping[str, Any]],
    x: Sequence[float],
    published: Mapping[str, float],
    against: Sequence[str],
) -> None:
    """Mark where the paper's gains would put the collaborative scheme, beside the fastest other of ours."""
    marked = False
    for at, row in zip(x, rows, strict=True):
        delays = delays_s(row, "idealised")
        rivals = [delays[scheme] for scheme in against if scheme in delays]
        if row["label"] not in published or not rivals:
            continue
        share = published[row["label"]]
        y_s = (1.0 - share) * min(rivals)
        is_low = y_s < _LOW_SHARE * max(delays.values())
        aside, down = (12, -3) if is_low else (-8, -10)
        axes.plot(
            [at],
            [y_s],
            color=PUBLISHED,
            marker="_",
            markersize=16,
            markeredgewidth=2.0,
            linestyle="none",
            label=None if marked else f"the paper's gain over {' and '.join(against)}",
            zorder=4,
        )
        axes.annotate(
            f"\N{MINUS SIGN}{100.0 * share:.0f} %",
            (at, y_s),
            textcoords="offset points",
            # Aligned with the mark at the ends of the axis, so that it touches no border.
            xytext=(aside if at == x[0] else -aside if at == x[-1] else 0, down),
            ha="left" if at == x[0] else "right" if at == x[-1] else "center",
            fontsize=7,
            color=INK,
        )
        marked = True


def model_panels(
    data: Data, x_label: str, *, published: Mapping[str, float] | None = None, against: Sequence[str] = OTHERS
) -> Figure:
    """Draw the idealised delays of every model side by side: variations of the model, and the figure's own.

    Parameters
    ----------
    data : mapping
        Of `orbitsim.reproduce.grid.measure_grid`, with variations of the assumption ``model``.
    x_label : str
        Of the axis, with its unit.
    published, against
        As of `delay_panels`.
    """
    rows = data["points"]
    series = {
        variant["words"]: [{**row, "idealised": item} for row, item in zip(rows, variant["forecasts"], strict=True)]
        for variant in data["variants"]
        if variant["assumption"] == "model"
    }
    series["ViT-G"] = list(rows)
    figure, panels = new_figure(1, len(series), size=(2.5 * len(series), 2.9), squeeze=False)
    x = [float(i) for i in range(len(rows))]
    for index, (axes, (model, points)) in enumerate(zip(panels[0], series.items(), strict=True)):
        lines(axes, points, x, "idealised", ALL)
        stated(axes, points, x, published or {}, against)
        axes.set_title(f"{model}, idealised")
        axes.set_ylim(bottom=0.0)
        axes.set_xticks(x, [row["label"].split()[0] for row in rows])
        axes.set_xlim(-0.7, len(rows) - 0.3)
        if index == 0:
            axes.set_ylabel("delay of a task [s]")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4)
    figure.supxlabel(x_label, fontsize=9.0)
    return figure
