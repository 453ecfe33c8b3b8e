"""Where the delay goes: its seven parts, scheme by scheme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from orbitsim.report.blocks import Figure, Table
from orbitsim.report.charts.axes import axis, heading, suffix
from orbitsim.report.palette import PARTS
from orbitsim.report.wording import figures, in_plot, number

Group = tuple[str, pd.DataFrame]
"""A label, and the task rows that belong to it."""


def delay_parts(runs: Sequence[tuple[str, Sequence[Group]]]) -> Figure:
    """Return the stacked means of the parts over delivered tasks: all of the delay, and the service time alone.

    Parameters
    ----------
    runs : sequence of (str, sequence of Group)
        Label and groups of every run; each run has panels with scales of their own.
    """
    shown: list[tuple[str, dict[str, Any], list[str]]] = []  # label of a run, means and names of its groups
    rows, none = [], []
    for run, groups in runs:
        means = {}
        for label, tasks in groups:
            delivered = tasks.loc[tasks["status"] == "delivered", list(PARTS)]
            name = f"{run}: {label}" if run else label
            if not len(delivered):
                none.append(name)
                continue
            mean = means[label] = delivered.mean()
            rows.append(
                [
                    name,
                    f"{len(delivered):,}",
                    *(number(float(mean[part])) for part in PARTS),
                    number(float(mean.sum())),
                ]
            )
        if means:
            shown.append((run, means, [in_plot(label) for label in means]))
    traces: list[dict[str, Any]] = []
    layout: dict[str, Any] = {"barmode": "stack", "bargap": 0.35, "hovermode": "closest", "annotations": []}
    narrow: dict[str, Any] = {"height": 330 + 70 * max(1, len(rows))}
    listed: set[str] = set()
    domains = _domains([len(means) for _, means, _ in shown])
    for index, (run, means, names) in enumerate(shown):
        left, right = suffix(2 * index), suffix(2 * index + 1)
        for side, skipped in ((left, ""), (right, "contact_wait_s")):
            traces += _stack(means, names, side, skipped, listed)
        words = ("mean of all of the delay [s]", "mean without waiting for a contact [s]")
        category = {"type": "category", "categoryorder": "array", "categoryarray": names, "autorange": "reversed"}
        layout |= {
            f"xaxis{left}": axis(words[0], domain=[0.0, 0.48], rangemode="tozero", anchor=f"y{left}", nticks=7),
            f"xaxis{right}": axis(words[1], domain=[0.52, 1.0], rangemode="tozero", anchor=f"y{right}", nticks=7),
            f"yaxis{left}": axis(
                "", automargin=True, showgrid=False, anchor=f"x{left}", domain=domains[index], **category
            ),
            f"yaxis{right}": axis(
                "", showticklabels=False, showgrid=False, anchor=f"x{right}", domain=domains[index], **category
            ),
        }
        if run:
            layout["annotations"].append(heading(in_plot(run), 0.0, domains[index][1]))
    if len(shown) > 1:
        layout["legend"] = {"y": 1.0 + 26.0 / (60.0 * len(rows))}  # above the first heading
    if len(shown) == 1:
        narrow |= _one_above_the_other()
    several = " Each run has scales of its own." if len(shown) > 1 else ""
    columns = ["scheme", "delivered tasks", *(f"{words} [s]" for words, _ in PARTS.values()), "delay [s]"]
    return Figure(
        key="delay-parts",
        title="Where the delay goes",
        caption="Means over delivered tasks; the parts of a task are those of its mini-batch delivered last, and add"
        " up to its delay. Queueing is often the largest: all mini-batches of a task start together, so the last one"
        " waits while those ahead of it, its own task's among them, are computed and sent. The right panels leave out"
        f" the wait for a contact, on a scale of their own.{several}"
        + (f" Nothing was delivered by: {', '.join(none)}." if none else ""),
        alt="Stacked bars: mean seconds of each part of the delay for each scheme, with and without waiting for a"
        " contact.",
        views={"": {"data": traces, "layout": layout, "narrow": narrow}},
        table=Table("Mean parts of the delay", columns, rows),
        height=200 + 46 * max(1, len(rows)) + 70 * max(0, len(shown) - 1),
    )


def _stack(
    means: Mapping[str, Any], names: Sequence[str], side: str, skipped: str, listed: set[str]
) -> list[dict[str, Any]]:
    """Return the bars of a panel; `listed` holds the parts that the legend has already."""
    traces = []
    for part, (words, color) in PARTS.items():
        values = [float(mean[part]) for mean in means.values()]
        if part == skipped or not any(value > 0.0 for value in values):
            continue
        traces.append(
            {
                "type": "bar", "orientation": "h", "name": words, "legendgroup": part,
                "showlegend": part not in listed, "x": figures(values), "y": list(names), "xaxis": f"x{side}",
                "yaxis": f"y{side}",
                "marker": {"color": f"@{color}", "line": {"color": "@paper", "width": 0.5}},
                "customdata": [_hover(mean, part) for mean in means.values()],
                "hovertemplate": "%{y}<br>%{customdata}<extra></extra>",
            }
        )  # fmt: skip
        listed.add(part)
    return traces


def _domains(n_bars: Sequence[int]) -> list[list[float]]:
    """Return the heights of the panels of every run, the first on top, in proportion to their bars."""
    gap = 1.9  # bars: the axis below and the heading of the next
    unit = 1.0 / (sum(n_bars) + gap * max(0, len(n_bars) - 1)) if n_bars else 1.0
    found, top = [], 1.0
    for n in n_bars:
        found.append([max(0.0, top - n * unit), top])
        top -= (n + gap) * unit
    return found


def _one_above_the_other() -> dict[str, Any]:
    """Return what differs on a narrow screen for one run."""
    return {
        "xaxis": {"domain": [0.0, 1.0]},
        "xaxis2": {"domain": [0.0, 1.0]},
        "yaxis": {"domain": [0.62, 1.0]},
        "yaxis2": {"domain": [0.0, 0.38], "showticklabels": True, "automargin": True},
    }


def _hover(mean: Any, part: str) -> str:
    total = float(mean.sum())
    value = float(mean[part])
    return f"{PARTS[part][0]}: {number(value)} s" + (f", {value / total:.1%} of the delay" if total > 0.0 else "")
