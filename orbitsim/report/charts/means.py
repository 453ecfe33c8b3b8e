"""Mean delay and service time of every scheme, run beside run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orbitsim.report.blocks import Choice, Figure, Table
from orbitsim.report.charts.axes import axis, scale_choice
from orbitsim.report.data import RunData
from orbitsim.report.palette import sequence_name
from orbitsim.report.wording import figures, in_plot
from orbitsim.results.wording import seconds

_SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")
_QUANTITIES = (("delay_s", "mean delay"), ("service_s", "mean service time"), ("delivered", "tasks delivered"))


def means(labels: Sequence[str], runs: Sequence[RunData]) -> Figure:
    """Return grouped bars, or dots on a logarithmic axis: a group for each scheme, a mark for each run."""
    schemes = list(dict.fromkeys(scheme for run in runs for scheme in run.summary["schemes"]))
    views: dict[str, dict[str, Any]] = {}
    for key, words in _QUANTITIES:
        bars, dots = [], []
        for index, (label, run) in enumerate(zip(labels, runs, strict=True)):
            values = [_value(run, scheme, key) for scheme in schemes]
            unit = "" if key == "delivered" else " s"
            color = f"@{sequence_name(index)}"
            mark = {
                "name": in_plot(label), "x": [in_plot(scheme) for scheme in schemes],
                "y": figures([float("nan") if value is None else value for value in values]),
                "hovertemplate": f"%{{x}}: %{{y:,.4g}}{unit}",
            }  # fmt: skip
            bars.append({**mark, "type": "bar", "marker": {"color": color}})
            dots.append(
                {
                    **mark, "type": "scatter", "mode": "markers", "offsetgroup": str(index),
                    "marker": {"color": color, "symbol": _SYMBOLS[index % len(_SYMBOLS)], "size": 11},
                }
            )  # fmt: skip
        title = words if key == "delivered" else f"{words} [s]"
        for scale in ("linear", "log"):
            views[f"{key}|{scale}"] = {
                "data": dots if scale == "log" else bars,
                "layout": {
                    "barmode": "group",
                    "scattermode": "group",
                    "bargap": 0.3,
                    "xaxis": axis("", type="category", showgrid=False),
                    "yaxis": axis(title, type=scale, **({} if scale == "log" else {"rangemode": "tozero"})),
                    "hovermode": "closest",
                },
            }
    rows = [
        [f"{label}: {scheme}", *(_text(run, scheme, key) for key, _ in _QUANTITIES)]
        for label, run in zip(labels, runs, strict=True)
        for scheme in schemes
    ]
    return Figure(
        key="means",
        title="The runs side by side",
        caption="Means over the tasks that a scheme delivers, which need not be the same ones in every run: see how"
        " many those are. Nothing is drawn where a scheme cannot run or delivers nothing. Bars start at zero on the"
        " linear scale; on the logarithmic one, which has no zero, there are dots.",
        alt="Grouped bars or dots: mean delay, mean service time or number of delivered tasks of each scheme in each"
        " run.",
        views=views,
        table=Table("Runs side by side", ["run and scheme", *(words for _, words in _QUANTITIES)], rows),
        choices=(
            Choice("quantity", "Show", _QUANTITIES),
            scale_choice([value for run in runs for scheme in schemes if (value := _value(run, scheme, "delay_s"))]),
        ),
        height=360,
    )


def _value(run: RunData, scheme: str, key: str) -> float | None:
    item = run.summary["schemes"].get(scheme)
    if item is None or item["status"] != "ok":
        return None
    value = item[key] if key == "delivered" else item[key]["mean"]
    return None if value is None else float(value)


def _text(run: RunData, scheme: str, key: str) -> str:
    item = run.summary["schemes"].get(scheme)
    if item is None:
        return "not run"
    value = _value(run, scheme, key)
    if value is None:
        return "infeasible" if item["status"] != "ok" else "none delivered"
    return f"{value:,.0f} of {item['tasks']:,}" if key == "delivered" else seconds(value)
