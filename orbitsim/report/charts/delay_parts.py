"""Where the delay goes: its seven parts, scheme by scheme."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from orbitsim.report.blocks import Figure, Table
from orbitsim.report.charts.axes import axis
from orbitsim.report.palette import PARTS
from orbitsim.report.wording import figures, in_plot, number

Group = tuple[str, pd.DataFrame]
"""A label, and the task rows that belong to it."""


def delay_parts(groups: Sequence[Group]) -> Figure:
    """Return the stacked means of the parts over delivered tasks: all of the delay, and the service time alone."""
    means = {
        label: tasks.loc[tasks["status"] == "delivered", list(PARTS)].mean()
        for label, tasks in groups
        if (tasks["status"] == "delivered").any()
    }
    labels = list(means)
    shown = [in_plot(label) for label in labels]
    traces: list[dict[str, Any]] = []
    for panel, parts in (("", tuple(PARTS)), ("2", tuple(part for part in PARTS if part != "contact_wait_s"))):
        for part in parts:
            words, color = PARTS[part]
            values = [float(means[label][part]) for label in labels]
            if not any(value > 0.0 for value in values):
                continue
            traces.append(
                {
                    "type": "bar", "orientation": "h", "name": words, "legendgroup": part,
                    "showlegend": panel == "", "x": figures(values), "y": shown, "xaxis": f"x{panel}",
                    "yaxis": f"y{panel}",
                    "marker": {"color": f"@{color}", "line": {"color": "@paper", "width": 0.5}},
                    "customdata": [_hover(means[label], part) for label in labels],
                    "hovertemplate": "%{y}<br>%{customdata}<extra></extra>",
                }
            )  # fmt: skip
    category = {"type": "category", "categoryorder": "array", "categoryarray": shown, "autorange": "reversed"}
    layout = {
        "barmode": "stack",
        "bargap": 0.35,
        "xaxis": axis("all of the delay, mean [s]", domain=[0.0, 0.48], rangemode="tozero"),
        "xaxis2": axis("without waiting for a contact, mean [s]", domain=[0.52, 1.0], anchor="y2", rangemode="tozero"),
        "yaxis": axis("", automargin=True, showgrid=False, **category),
        "yaxis2": axis("", anchor="x2", showticklabels=False, showgrid=False, **category),
        "hovermode": "closest",
    }
    columns = ["scheme", "delivered tasks", *(f"{words} [s]" for words, _ in PARTS.values()), "delay [s]"]
    rows = [
        [
            label,
            f"{int((tasks['status'] == 'delivered').sum()):,}",
            *(number(float(means[label][part])) for part in PARTS),
            number(float(means[label].sum())),
        ]
        for label, tasks in groups
        if label in means
    ]
    none = [label for label, _ in groups if label not in means]
    return Figure(
        key="delay-parts",
        title="Where the delay goes",
        caption="Means over delivered tasks; the parts of a task are those of its mini-batch delivered last, and add"
        " up to"
        " its delay: its queueing is mostly behind earlier mini-batches, those of its own task among them. The second"
        " panel leaves out the wait for a contact, on a scale of its own."
        + (f" Nothing was delivered by: {', '.join(none)}." if none else ""),
        alt="Stacked bars: mean seconds of each part of the delay for each scheme, with and without waiting for a"
        " contact.",
        views={"": {"data": traces, "layout": layout, "narrow": _stacked(len(labels))}},
        table=Table("Mean parts of the delay", columns, rows),
        height=200 + 46 * max(1, len(labels)),
    )


def _stacked(n: int) -> dict[str, Any]:
    """Return what differs on a narrow screen: the panels one above the other."""
    return {
        "height": 330 + 70 * max(1, n),
        "xaxis": {"domain": [0.0, 1.0]},
        "xaxis2": {"domain": [0.0, 1.0]},
        "yaxis": {"domain": [0.62, 1.0]},
        "yaxis2": {"domain": [0.0, 0.38], "showticklabels": True, "automargin": True},
    }


def _hover(mean: Any, part: str) -> str:
    total = float(mean.sum())
    value = float(mean[part])
    return f"{PARTS[part][0]}: {number(value)} s" + (f", {value / total:.1%} of the delay" if total > 0.0 else "")
