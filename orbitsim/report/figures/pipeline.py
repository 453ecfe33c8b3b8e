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
    facts = run.of_scheme("tasks", scheme).set_index("task").loc[task]
    start_s, end_s = (rows[name].to_numpy() - facts["start_s"] for name in ("start_s", "end_s"))
    busy = merged(start_s, end_s, _PAUSE * float(end_s.max()))
    spells = [(max(0.0, first), last) for first, last in zip(*busy, strict=True)]
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
    for axes, (first, last) in zip(panels, shown, strict=True):
        length_s = max(last - first, 1e-9)
        factor, unit = (1e3, "ms") if length_s < 1.0 and first == 0.0 else (1.0, "s")
        for name, color in SERVICES.items():
            for shade in (0, 1):  # neighbouring mini-batches differ in shade
                mine = (service == name) & (odd == shade) & (end_s >= first) & (start_s <= last)
                axes.barh(
                    at[mine], (end_s[mine] - start_s[mine]) * factor, left=start_s[mine] * factor, height=0.74,
                    color=COLORS[color].light, alpha=1.0 if shade else 0.6, linewidth=0.0,
                    label=_WORDS[name] if shade == 0 and mine.any() else None,
                )  # fmt: skip
        axes.set_xlim((first - 0.01 * length_s) * factor, (last + 0.01 * length_s) * factor)
        axes.set_xlabel(f"time since the task started [{unit}]")
        axes.ticklabel_format(axis="x", style="plain", useOffset=False)
        axes.locator_params(axis="x", nbins=6 if first == 0.0 else 2)
        bare(axes)
    panels[0].set_yticks(range(len(places)), places)
    panels[0].set_ylim(len(places) - 0.4, -0.6)
    ended = "not delivered" if facts["status"] != "delivered" else f"delivered after {seconds(float(facts['delay_s']))}"
    n_cut = len(spells) - len(shown)
    cut = "" if len(shown) == 1 else "; the pause between the panels is cut out"
    cut += f", with {n_cut} spells of work in it" if n_cut else ""
    panels[0].set_title(f"{run.name}, {scheme}: task {task}, {int(facts['n_batches'])} mini-batches, {ended}{cut}")
    figure.legend(*_legend(panels), loc="outside lower center", ncols=3)
    return figure


def _legend(panels: list[Axes]) -> tuple[list[object], list[str]]:
    found: dict[str, object] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return list(found.values()), list(found)


def _in_order(rows: pd.DataFrame) -> list[str]:
    """Return the places in the order in which the task reaches them."""
    first = rows.groupby(rows["place"].astype(str))["start_s"].min()
    return [str(place) for place in first.sort_values(kind="stable").index]


def plans(run: RunData) -> Figure | None:
    """Draw which layers each node has over time, and the ratio on every hop, for each scheme that spreads the model."""
    spread = {}
    for scheme in run.schemes:
        spans = plan_spans(run.of_scheme("plans", scheme), run.span_s)
        if any(sum(stage.stop > stage.start for stage in span.stages) > 1 for span in spans):
            spread[scheme] = spans
    if not spread:
        return None
    figure, panels = new_figure(2 * len(spread), 1, height_in=0.6 + 2.5 * len(spread), sharex=True,
                                height_ratios=(2.4, 1.0) * len(spread))  # fmt: skip
    nodes = list(dict.fromkeys(
        stage.node for spans in spread.values() for span in spans for stage in span.stages if stage.stop > stage.start
    ))  # fmt: skip
    unit_s, _ = time_unit(run.span_s)
    for index, (scheme, spans) in enumerate(spread.items()):
        layers, ratios = panels[2 * index], panels[2 * index + 1]
        _layers(layers, spans, nodes, unit_s)
        layers.set_ylim(0, int(run.summary["workload"]["n_layers"]))
        layers.set_ylabel("layers")
        layers.set_title(f"{run.name}, {scheme}: plan in force at each answer of the planner")
        most = _ratios(ratios, spans, nodes, unit_s)
        ratios.set_ylabel("ratio\nkept [1]")
        ratios.set_ylim(0.0, max(1.15 * most, 1e-3))
    time_axis(panels[-1], run.span_s)
    handles, labels = _legend(panels)
    figure.legend(handles, labels, loc="outside right upper", title="node")
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
            color=COLORS[sequence_name(index)].light, label=node,
        )  # fmt: skip
        axes.hlines(low, start / unit_s, end / unit_s, color="white", linewidth=0.6)
    axes.grid(visible=False)


def _ratios(axes: Axes, spans: list[Span], nodes: list[str], unit_s: float) -> float:
    """Draw the ratio of what each node sends, in its colour; return the highest."""
    most = 0.0
    for span in spans:
        for stage in span.stages:
            if stage.ratio is not None:
                color = COLORS[sequence_name(nodes.index(stage.node))].light
                axes.hlines(stage.ratio, span.start_s / unit_s, span.end_s / unit_s, color=color, linewidth=1.8)
                most = max(most, stage.ratio)
    return most
