"""The pipeline of a task, and the plans behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orbitsim.report.charts.contacts import merged
from orbitsim.report.charts.plans import Span, plan_spans
from orbitsim.report.data import RunData
from orbitsim.report.figures.style import bare, new_figure, time_axis, time_unit
from orbitsim.report.palette import COLORS, SERVICES, sequence_name
from orbitsim.results.wording import seconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_THINNEST = 1 / 900  # of a panel: a bar that is thinner is drawn so thick, or else it could not be seen
_FINE = 0.05  # share of the time before it from which a late spell counts from its own beginning
_PAUSE = 0.2  # share of a task's time from which a pause is cut out of the picture
_WORDS = {"compute": "computing", "isl": "crosslink", "downlink": "downlink"}


def gantt(run: RunData, rows: pd.DataFrame, scheme: str, task: int) -> Figure | None:
    """Draw every mini-batch of a task on its processors and links; long pauses are cut out.

    Parameters
    ----------
    run : RunData
        The run.
    rows : DataFrame
        Rows of `batches` of that scheme and task.
    scheme : str
        The scheme.
    task : int
        The task.
    """
    if not len(rows):
        return None
    from matplotlib.patches import Patch

    of_scheme = run.of_scheme("tasks", scheme)
    facts = of_scheme[of_scheme["task"] == task].iloc[0].to_dict()
    delay_s = facts["delay_s"]
    start_s, end_s = (rows[name].to_numpy() - facts["start_s"] for name in ("start_s", "end_s"))
    busy = merged(start_s, end_s, _PAUSE * float(end_s.max()))
    spells = [(max(0.0, float(first)), float(last)) for first, last in zip(*busy, strict=True)]
    spells[0] = (0.0, spells[0][1])
    shown = [spells[0]] if len(spells) == 1 else [spells[0], spells[-1]]
    places = _in_order(rows)
    widths = [4] if len(shown) == 1 else [4, 2]
    figure, panels = new_figure(
        1, len(shown), height_in=1.5 + 0.2 * len(places), sharey=True, width_ratios=widths[: len(shown)]
    )
    row_of = {place: index for index, place in enumerate(places)}
    at = rows["place"].astype(str).map(row_of).to_numpy()
    service = rows["service"].astype(str).to_numpy()
    odd = rows["batch"].to_numpy() % 2
    for index, (axes, (first, last)) in enumerate(zip(panels, shown, strict=True)):
        length_s = max(last - first, 1e-9)
        # A short spell late in a task counts from its own beginning: digits before it would be all one reads.
        zero_s = first if index and length_s < _FINE * first else 0.0
        factor, unit = _fine_unit(last - zero_s)
        for name, color in SERVICES.items():
            for shade in (0, 1):  # neighbouring mini-batches differ in shade
                mine = (service == name) & (odd == shade) & (end_s >= first) & (start_s <= last)
                width = np.maximum(end_s[mine] - start_s[mine], _THINNEST * length_s)
                axes.barh(
                    at[mine], width * factor, left=(start_s[mine] - zero_s) * factor, height=0.74,
                    color=COLORS[color].light, alpha=0.6 if shade else 1.0, linewidth=0.0,
                )  # fmt: skip
        low, high = first - zero_s, last - zero_s
        axes.set_xlim((low - 0.01 * length_s) * factor, (high + 0.01 * length_s) * factor)
        since = "since the task started" if zero_s == 0.0 else f"from {zero_s:,.1f} s on"
        axes.set_xlabel(f"time {since} [{unit}]")
        axes.ticklabel_format(axis="x", style="plain", useOffset=False)
        axes.locator_params(axis="x", nbins=6 if index == 0 else 3)
        bare(axes)
    panels[0].set_yticks(range(len(places)), places)
    panels[0].set_ylim(len(places) - 0.4, -0.6)
    ended = f"delivered after {seconds(float(delay_s))}" if facts["status"] == "delivered" else "not delivered"
    title = f"{run.name}, {scheme}: task {task}, {len(set(rows['batch']))} mini-batches, {ended}"
    if len(shown) > 1:
        n_cut = len(spells) - 2
        title += "\n(the pause between the panels is cut out" + (
            f", with {n_cut} spells of work in it)" if n_cut else ")"
        )
    figure.suptitle(title, fontsize=9.5, x=0.01, ha="left")
    present = [name for name in SERVICES if (service == name).any()]
    patches = [Patch(color=COLORS[SERVICES[name]].light, label=_WORDS[name]) for name in present]
    figure.legend(handles=patches, loc="outside lower center", ncols=3)
    return figure


def _fine_unit(length_s: float) -> tuple[float, str]:
    """Return the unit in which a short time reads well: how many of it a second has, and its name."""
    for factor, unit in ((1.0, "s"), (1e3, "ms")):
        if length_s * factor >= 1.0:
            return factor, unit
    return 1e6, "\N{MICRO SIGN}s"


def _in_order(rows: pd.DataFrame) -> list[str]:
    """Return the places in the order in which the task reaches them."""
    first = rows.groupby(rows["place"].astype(str))["start_s"].min()
    return [str(place) for place in first.sort_values(kind="stable").index]


def plans(run: RunData) -> Figure | None:
    """Draw which layers each node has over time, and the ratio on every hop, for each scheme that spreads the model."""
    from matplotlib.patches import Patch

    spread = {}
    for scheme in run.schemes:
        spans = plan_spans(run.of_scheme("plans", scheme), run.span_s)
        if any(sum(stage.stop > stage.start for stage in span.stages) > 1 for span in spans):
            spread[scheme] = spans
    if not spread:
        return None
    ratios = sorted({stage.ratio for spans in spread.values() for span in spans for stage in span.stages
                     if stage.ratio is not None})  # fmt: skip
    nodes = list(dict.fromkeys(
        stage.node for spans in spread.values() for span in spans for stage in span.stages if stage.stop > stage.start
    ))  # fmt: skip
    per_scheme = 2 if len(ratios) > 1 else 1  # a ratio that never changes needs no panel
    figure, panels = new_figure(
        per_scheme * len(spread), 1, height_in=0.7 + (1.1 + 0.7 * per_scheme) * len(spread), sharex=True,
        height_ratios=(2.4, 1.0)[:per_scheme] * len(spread),
    )  # fmt: skip
    unit_s, _ = time_unit(run.span_s)
    same = f"; every encoded hop keeps {100.0 * ratios[0]:.3g} %" if len(ratios) == 1 else ""
    for index, (scheme, spans) in enumerate(spread.items()):
        layers = panels[per_scheme * index]
        _layers(layers, spans, nodes, unit_s)
        layers.set_ylim(0, int(run.summary["workload"]["n_layers"]))
        layers.set_ylabel("layers")
        layers.set_title(f"{run.name}, {scheme}: the plan in force{same}")
        if per_scheme == 2:
            kept = panels[2 * index + 1]
            _ratios(kept, spans, nodes, unit_s)
            kept.set_ylabel("kept [%]")
            kept.set_ylim(0.0, 115.0 * ratios[-1])
    time_axis(panels[-1], run.span_s)
    patches = [Patch(color=COLORS[sequence_name(index)].light, label=node) for index, node in enumerate(nodes)]
    figure.legend(handles=patches[::-1], loc="outside right upper", title="node")
    return figure


def _layers(axes: Axes, spans: list[Span], nodes: list[str], unit_s: float) -> None:
    for index, node in enumerate(nodes):
        found = [
            (span.start_s, span.end_s, stage.start, stage.stop)
            for span in spans
            for stage in span.stages
            if stage.node == node and stage.stop > stage.start
        ]
        if not found:
            continue
        start, end, low, high = (np.array(column, dtype=np.float64) for column in zip(*found, strict=True))
        axes.bar(
            start / unit_s, high - low, width=(end - start) / unit_s, bottom=low, align="edge", linewidth=0.0,
            color=COLORS[sequence_name(index)].light,
        )  # fmt: skip
        axes.hlines(low, start / unit_s, end / unit_s, color="white", linewidth=0.6)
    axes.grid(visible=False)


def _ratios(axes: Axes, spans: list[Span], nodes: list[str], unit_s: float) -> None:
    """Draw the ratio of what each node sends, in its colour; equal ones side by side."""
    for span in spans:
        for stage in span.stages:
            if stage.ratio is not None:
                index = nodes.index(stage.node)
                dashes = (3.0 * index, (3.0, 3.0 * max(1, len(nodes) - 1)))
                axes.hlines(
                    100.0 * stage.ratio, span.start_s / unit_s, span.end_s / unit_s,
                    color=COLORS[sequence_name(index)].light, linewidth=1.8, linestyle=dashes,
                )  # fmt: skip
