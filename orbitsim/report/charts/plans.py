"""The plans over time: layers of every node, and the ratio on every hop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from orbitsim.report.blocks import Choice, Figure, Table
from orbitsim.report.charts.axes import HOUR_S, axis, time_axis
from orbitsim.report.data import RunData, records
from orbitsim.report.palette import sequence_name
from orbitsim.report.wording import clock, figures, in_plot, number

MOST_SPANS = 400  # of the figure; the table behind it goes on
_MOST_NAMES = 12  # nodes with colours of their own; with more of them colours follow the position on the route


class Stage(NamedTuple):
    """A node of a plan: its name, first layer, layer after its last, and ratio of what it sends (None: not encoded)."""

    node: str
    start: int
    stop: int
    ratio: float | None


class Span(NamedTuple):
    """A time in which every answer of the planner was the same plan."""

    start_s: float
    end_s: float
    plan_of: str
    stages: tuple[Stage, ...]
    n_answers: int
    expected_s: float


def plan_spans(rows: pd.DataFrame, span_s: float) -> list[Span]:
    """Return the plans of a scheme over time.

    An answer that changed nothing is a row of its first node only and stands for the last plan of its route.

    Parameters
    ----------
    rows : DataFrame
        The scheme's rows of `plans`.
    span_s : float
        Length of the scenario. [s]
    """
    last_of_route: dict[str, tuple[Stage, ...]] = {}
    spans: list[Span] = []
    for answer in _answers(rows):
        first = answer[0]
        if first.changed:
            last_of_route[first.route] = tuple(
                Stage(str(row.node), int(row.layer_start), int(row.layer_stop),
                None if row.ratio != row.ratio else float(row.ratio))
                for row in answer
            )  # fmt: skip
        stages = last_of_route.get(first.route)
        if stages is None:
            continue
        same = spans and (spans[-1].stages, spans[-1].plan_of) == (stages, str(first.plan_of))
        if same:
            spans[-1] = spans[-1]._replace(n_answers=spans[-1].n_answers + 1)
            continue
        if spans:
            spans[-1] = spans[-1]._replace(end_s=first.t_s)
        spans.append(Span(first.t_s, span_s, str(first.plan_of), stages, 1, float(first.expected_s)))
    return spans


def _answers(rows: pd.DataFrame) -> Iterator[list[Any]]:
    """Yield the rows of one answer after another: a new one begins with the first node of its route."""
    answer: list[Any] = []
    for row in records(rows):
        if row.position == 0 and answer:
            yield answer
            answer = []
        answer.append(row)
    if answer:
        yield answer


def plans(run: RunData) -> Figure:
    """Return the figure of layers per node and ratio per hop over time."""
    views = {}
    rows = []
    note = ""
    for scheme in run.schemes:
        spans = plan_spans(run.of_scheme("plans", scheme), run.span_s)
        rows += [_row(scheme, span) for span in spans]
        if len(spans) > MOST_SPANS:
            note = f" The first {MOST_SPANS} changes of a scheme are drawn."
        views[scheme] = _view(spans[:MOST_SPANS], run)
    return Figure(
        key="plans",
        title="Plan over time",
        caption="Above: how many layers each node computes, from the answer of the planner that changed the plan to"
                " the next"
        " (a bar without computing nodes only relays). Below: bytes that the codec keeps of an fp32 activation, hop"
        " by hop; a"
        " hop that carries raw tiles or results has none." + note,
        alt="Stacked bars over time: layers of the model on each node; and lines of the codec's ratio on each hop.",
        views=views,
        table=Table(
            "Plans", ["scheme, from", "until", "plan of", "route: layers (ratio)", "answers", "expected delay [s]"],
            rows, frozenset({1, 2, 3}), "plans.parquet",
        ),
        choices=(Choice("scheme", "Scheme", [(scheme, scheme) for scheme in run.schemes]),),
        height=520,
    )  # fmt: skip


def _row(scheme: str, span: Span) -> list[str]:
    words = ", ".join(
        f"{stage.node}: " + ("relay" if stage.start == stage.stop else f"{stage.start}-{stage.stop - 1}")
        + ("" if stage.ratio is None else f" ({stage.ratio:.4g})")
        for stage in span.stages
    )  # fmt: skip
    return [
        f"{scheme}, {clock(span.start_s)}",
        clock(span.end_s),
        span.plan_of,
        words,
        str(span.n_answers),
        number(span.expected_s),
    ]


def _view(spans: list[Span], run: RunData) -> dict[str, Any]:
    names = list(dict.fromkeys(stage.node for span in spans for stage in span.stages if stage.stop > stage.start))
    by_position = len(names) > _MOST_NAMES
    bars: dict[str, dict[str, Any]] = {}
    hops: dict[str, dict[str, Any]] = {}
    for span in spans:
        middle_h, width_h = (span.start_s + span.end_s) / 2 / HOUR_S, (span.end_s - span.start_s) / HOUR_S
        for position, stage in enumerate(span.stages):
            if stage.stop == stage.start:
                continue
            label = f"node {position} of the route" if by_position else stage.node
            bar = bars.setdefault(label, {"x": [], "y": [], "width": [], "base": [], "customdata": []})
            bar["x"].append(middle_h)
            bar["y"].append(stage.stop - stage.start)
            bar["width"].append(width_h)
            bar["base"].append(stage.start)
            bar["customdata"].append(
                f"{in_plot(stage.node)}: layers {stage.start} to {stage.stop - 1}<br>"
                f"{clock(span.start_s)} to {clock(span.end_s)}, plan of {in_plot(span.plan_of)}"
            )
        for position, stage in enumerate(span.stages[:-1]):
            if stage.ratio is None:
                continue
            label = f"hop {position}" if by_position else f"{stage.node}>{span.stages[position + 1].node}"
            hop = hops.setdefault(label, {"x": [], "y": []})
            hop["x"] += [span.start_s / HOUR_S, span.end_s / HOUR_S, None]
            hop["y"] += [stage.ratio, stage.ratio, None]
    traces: list[dict[str, Any]] = []
    for index, (label, bar) in enumerate(bars.items()):
        traces.append(
            {
                "type": "bar", "name": in_plot(label), **bar, "x": figures(bar["x"], 8), "width": figures(bar["width"]),
                "hovertemplate": "%{customdata}<extra></extra>",
                "marker": {"color": f"@{sequence_name(index)}", "line": {"width": 0.5, "color": "@paper"}},
            }
        )  # fmt: skip
    for index, (label, hop) in enumerate(hops.items()):
        traces.append(
            {
                "type": "scatter", "mode": "lines+markers", "name": f"hop {in_plot(label)}", "yaxis": "y2",
                "x": figures([float("nan") if x is None else x for x in hop["x"]], 8),
                "y": figures([float("nan") if y is None else y for y in hop["y"]]),
                "connectgaps": False, "marker": {"size": 5, "color": f"@{sequence_name(index)}", "symbol": index % 5},
                "line": {"width": 2.4, "color": f"@{sequence_name(index)}"},
                "hovertemplate": "ratio %{y:.4g} from %{x:.2f} h",
            }
        )  # fmt: skip
    n_layers = int(run.summary["workload"]["n_layers"])
    layout: dict[str, Any] = {
        "barmode": "overlay",
        "xaxis": time_axis(run.span_s, anchor="y2" if hops else "y"),
        "yaxis": axis("layers", domain=[0.36, 1.0] if hops else [0.0, 1.0], range=[0, n_layers]),
        "hovermode": "closest",
        "height": 520 if hops else 360,
    }
    if hops:
        layout["yaxis2"] = axis("ratio kept", domain=[0.0, 0.24], rangemode="tozero", nticks=4)
    return {"data": traces, "layout": layout}
