"""How delays are distributed: cumulative shares and histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orbitsim.report.blocks import Choice, Figure, Table
from orbitsim.report.charts.axes import axis, heading, panels, scale_choice, suffix
from orbitsim.report.wording import figures, in_plot, number
from orbitsim.results.metrics import distribution

QUANTITIES = (
    ("delay_s", "delay"),
    ("service_s", "service time (delay without the wait for a contact)"),
    ("contact_wait_s", "wait for a contact"),
)
_MOST_POINTS = 600  # of a cumulative line: more than there are pixels
_BINS = 40
_SHORTEST_S = 1e-9  # what is shorter is nothing: rounding of times
_PANEL_PX = 118


class Series(NamedTuple):
    """A group of tasks and how it is drawn: label, rows of `tasks`, name of the colour, Plotly's dash.

    Where there are several panels, `panel` is the one it belongs to and `line` its name there.
    """

    label: str
    tasks: pd.DataFrame
    color: str
    dash: str
    panel: str = ""
    line: str = ""


def cumulative(series: Sequence[Series]) -> Figure:
    """Return the empirical distribution functions, by panel; tasks that are not delivered never arrive at 1."""
    names = list(dict.fromkeys(one.panel for one in series))
    domains = panels(max(1, len(names)), 0.3 / max(1, len(names)))
    several = len(names) > 1
    views: dict[str, dict[str, Any]] = {}
    rows = []
    for column, words in QUANTITIES:
        traces = []
        listed: set[str] = set()
        values_of = [_values(one, column) for one in series]
        longest_s = max((float(values[-1]) for values in values_of if len(values)), default=0.0)
        for one, values in zip(series, values_of, strict=True):
            n_all = max(1, len(one.tasks))
            shares = np.arange(1, len(values) + 1) / n_all
            keep = np.unique(np.linspace(0, len(values) - 1, min(len(values), _MOST_POINTS)).astype(int))
            x, y = values[keep], shares[keep]
            if len(x):
                x, y = np.concatenate([x[:1], x, [1.03 * longest_s]]), np.concatenate([[0.0], y, y[-1:]])
            traces.append(
                {
                    "type": "scatter", "mode": "lines", "name": in_plot(one.line or one.label), "x": figures(x),
                    "yaxis": f"y{suffix(names.index(one.panel))}", "legendgroup": one.line or one.label,
                    "showlegend": (one.line or one.label) not in listed,
                    "y": figures(100.0 * y), "line": {"color": f"@{one.color}", "dash": one.dash, "width": 2.2,
                    "shape": "hv"},
                    "hovertemplate": "%{y:.1f} % within %{x:,.4g} s",
                }
            )  # fmt: skip
            listed.add(one.line or one.label)
            rows.append(_row(one, words, values))
        for scale in ("linear", "log"):
            views[f"{column}|{scale}"] = {
                "data": traces,
                "layout": {
                    "xaxis": axis(f"{words.partition(' (')[0]} [s]", type=scale,
                    **({"rangemode": "tozero"} if scale == "linear" else {})),
                    "hovermode": "closest",
                },
            }  # fmt: skip
            layout = views[f"{column}|{scale}"]["layout"]
            layout["xaxis"]["anchor"] = f"y{suffix(max(0, len(names) - 1))}"
            for index in range(len(domains)):
                title = "tasks [%]" if several else "share of all tasks [%]"
                layout[f"yaxis{suffix(index)}"] = axis(title, range=[0, 103], domain=domains[index], nticks=6)
            if several:
                layout["annotations"] = [
                    heading(in_plot(name), 0.0, domain[1]) for name, domain in zip(names, domains, strict=True)
                ]
                layout["legend"] = {"y": 1.0 + 34.0 / (150.0 * len(names))}
    return Figure(
        key="cumulative",
        title="Distribution of delays",
        caption="Share of all tasks that are delivered within a time. A line that ends below 100 % leaves tasks"
        " undelivered within the scenario."
        + (" A panel for each scheme, a line for each run, over the same times." if several else ""),
        alt="Step lines: the share of tasks delivered within a time, for each scheme.",
        views=views,
        table=Table("Distribution of delays", ["scheme", "quantity", "n", "mean [s]", "median [s]", "95 % [s]",
        "max [s]"],
                    rows, frozenset({1})),
        choices=(
            Choice("quantity", "Show", [(column, words) for column, words in QUANTITIES]),
            scale_choice([float(found.mean()) for one in series if len(found := _values(one, "delay_s"))]),
        ),
        height=90 + 150 * len(names) if several else 380,
    )  # fmt: skip


def histogram(series: Sequence[Series]) -> Figure:
    """Return histograms, one panel for each group, on bins that they share."""
    views: dict[str, dict[str, Any]] = {}
    rows: list[list[str]] = []
    for column, words in QUANTITIES:
        values_of = [_values(one, column) for one in series]
        every = np.concatenate(values_of) if values_of else np.empty(0)
        for scale, edges in (("linear", _edges(every)), ("log", _log_edges(every))):
            views[f"{column}|{scale}"] = _panels(series, values_of, edges, words.partition(" (")[0], scale)
        rows += _counts(series, values_of, _edges(every), words.partition(" (")[0])
    return Figure(
        key="histogram",
        title="Histogram of delays",
        caption="Delivered tasks by delay, on the same bins for every scheme."
        + (" Each panel counts tasks on a scale of its own." if any(one.panel for one in series) else ""),
        alt="Histograms: number of delivered tasks by delay, one panel for each scheme.",
        views=views,
        table=Table("Histogram of delays", ["scheme and quantity", "bin [s]", "tasks"], rows, frozenset({1})),
        choices=(
            Choice("quantity", "Show", [(column, words) for column, words in QUANTITIES]),
            scale_choice([float(found.mean()) for one in series if len(found := _values(one, "delay_s"))]),
        ),
        height=_panel_height(len(series)),
    )


def _panel_height(n: int) -> int:
    return 90 + _PANEL_PX * max(2, n)


def _panels(
    series: Sequence[Series],
    values_of: Sequence[NDArray[np.float64]],
    edges: NDArray[np.float64],
    words: str,
    scale: str,
) -> dict[str, Any]:
    """Return a panel for each group."""
    n = max(1, len(series))
    domains = panels(n, 0.3 / n)
    traces, notes = [], []
    layout: dict[str, Any] = {"bargap": 0.04, "showlegend": False, "margin": {"t": 30}}
    own = any(one.panel for one in series)  # runs of very different numbers of tasks
    most = np.ones(len(series), dtype=int)
    bins = [f"{number(a)} to {number(b)} s" for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)]
    for index, (one, values) in enumerate(zip(series, values_of, strict=True)):
        counts, _ = np.histogram(values, edges)
        most[index if own else slice(None)] = max(int(most[index]), int(counts.max(initial=0)))
        traces.append(
            {
                "type": "bar", "name": in_plot(one.label), "x": figures((edges[1:] + edges[:-1]) / 2),
                "y": counts.tolist(), "width": figures(np.diff(edges)), "yaxis": f"y{suffix(index)}",
                "customdata": bins, "hovertemplate": "%{customdata}: %{y} tasks",
                "marker": {"color": f"@{one.color}", "line": {"width": 0.5, "color": "@paper"}},
            }
        )  # fmt: skip
        text = in_plot(f"{one.label}, {len(values)} of {len(one.tasks)} delivered")
        notes.append(heading(text, 0.0, domains[index][1]))
    for index in range(len(series)):
        layout[f"yaxis{suffix(index)}"] = axis(
            "tasks", domain=domains[index], range=[0, 1.08 * float(most[index])], nticks=4
        )
    layout["xaxis"] = axis(f"{words} [s]", anchor=f"y{suffix(n - 1)}", type=scale)
    return {"data": traces, "layout": {**layout, "annotations": notes}}


def _counts(
    series: Sequence[Series], values_of: Sequence[NDArray[np.float64]], edges: NDArray[np.float64], words: str
) -> list[list[str]]:
    """Return the bins that hold tasks as rows of a table."""
    return [
        [f"{one.label}, {words}", f"{number(a)} to {number(b)}", str(count)]
        for one, values in zip(series, values_of, strict=True)
        for a, b, count in zip(
            edges[:-1].tolist(), edges[1:].tolist(), np.histogram(values, edges)[0].tolist(), strict=True
        )
        if count
    ]


def _values(one: Series, column: str) -> NDArray[np.float64]:
    found = one.tasks.loc[one.tasks["status"] == "delivered", column].to_numpy(dtype=np.float64)
    return np.sort(found[np.isfinite(found)])


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return edges of bins of a round width from zero, or around values that are nearly the same."""
    if not len(values) or float(values.max()) < _SHORTEST_S:
        return np.array([0.0, 1.0])
    low, high = float(values.min()), float(values.max())
    if high - low < 0.2 * high:
        centre, half = (low + high) / 2, max((high - low) * 0.75, 0.05 * high, 1e-9)
        return np.linspace(max(0.0, centre - half), centre + half, _BINS // 2 + 1)
    scale = 10.0 ** np.floor(np.log10(high / _BINS))
    width = float(next(step * scale for step in (1, 2, 2.5, 5, 10, 20) if step * scale * _BINS >= high))
    return width * np.arange(int(np.ceil(high / width)) + 1, dtype=np.float64)


def _log_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return edges of bins of equal ratio; what is not above zero is in none of them."""
    positive = values[values > _SHORTEST_S]
    if not len(positive):
        return np.array([0.1, 1.0])
    low, high = float(positive.min()), float(positive.max())
    if high < 1.2 * low:
        low, high = low / 1.1, high * 1.1
    return np.geomspace(low * (1.0 - 1e-9), high * (1.0 + 1e-9), _BINS + 1)


def _row(one: Series, words: str, values: NDArray[np.float64]) -> list[str]:
    found = distribution(values)
    return [
        one.label,
        words.partition(" (")[0],
        f"{len(values):,}",
        *(number(found[k]) for k in ("mean", "p50", "p95", "max")),
    ]
