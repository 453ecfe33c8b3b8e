"""Tasks over the day: how many are delivered, and how late each one is."""

from __future__ import annotations

from typing import Any

import numpy as np

from orbitsim.report.blocks import Figure, Table
from orbitsim.report.charts.axes import HOUR_S, axis, time_axis
from orbitsim.report.data import RunData, records
from orbitsim.report.palette import scheme_style
from orbitsim.report.wording import clock, duration, figures, in_plot


def deliveries(run: RunData) -> Figure:
    """Return the figure of tasks started and delivered over time."""
    starts_s = np.sort(run.tables["tasks"].drop_duplicates("task")["start_s"].to_numpy())
    traces: list[dict[str, Any]] = [
        _steps("started", starts_s, run.span_s, {"color": "@grey", "width": 1.5}, "tasks started")
    ]
    rows = []
    for index, scheme in enumerate(run.schemes):
        tasks = run.of_scheme("tasks", scheme)
        ends_s = np.sort(tasks.loc[tasks["status"] == "delivered", "end_s"].to_numpy())
        style = scheme_style(scheme, index)
        line = {"color": f"@{style.name}", "width": 2.5, "dash": style.dash}
        traces.append(_steps(in_plot(scheme), ends_s, run.span_s, line, "delivered"))
        rows.append(
            [
                scheme,
                f"{len(tasks):,}",
                f"{len(ends_s):,}",
                f"{int(tasks['undeliverable'].sum()):,}",
                clock(ends_s[0]) if len(ends_s) else "-",
                clock(ends_s[-1]) if len(ends_s) else "-",
            ]
        )
    columns = ["scheme", "tasks", "delivered", "undeliverable", "first delivery [h:mm:ss]", "last delivery [h:mm:ss]"]
    return Figure(
        key="deliveries",
        title="Tasks started and delivered",
        caption="Each line counts the tasks whose last mini-batch has arrived. What lies between a line and the grey"
        " one"
        " is still under way, or can no longer be delivered within the scenario.",
        alt="Step lines: tasks started, and tasks delivered by each scheme, over time.",
        views={
            "": {
                "data": traces,
                "layout": {"xaxis": time_axis(run.span_s), "yaxis": axis("tasks", rangemode="tozero")},
            }
        },
        table=Table("Deliveries of each scheme", columns, rows),
        height=360,
    )


def _steps(name: str, times_s: Any, span_s: float, line: dict[str, Any], what: str) -> dict[str, Any]:
    x = np.concatenate([[0.0], times_s, [span_s]]) / HOUR_S
    y = np.concatenate([[0], np.arange(1, len(times_s) + 1), [len(times_s)]])
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": figures(x), "y": y.tolist(),
        "line": {**line, "shape": "hv"}, "hovertemplate": f"%{{x:.2f}} h: %{{y}} {what}",
    }  # fmt: skip


def delay_by_start(run: RunData) -> Figure:
    """Return the figure of every task's delay over its start."""
    traces: list[dict[str, Any]] = []
    rows = []
    for index, scheme in enumerate(run.schemes):
        tasks = run.of_scheme("tasks", scheme)
        style = scheme_style(scheme, index)
        delivered = tasks[tasks["status"] == "delivered"]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": in_plot(scheme),
                "x": figures(delivered["start_s"] / HOUR_S),
                "y": figures(delivered["delay_s"]),
                "customdata": [
                    f"task {row.task}, delay {duration(row.delay_s)}<br>of it waiting for a contact"
                    f" {duration(row.contact_wait_s)}"
                    for row in records(delivered)
                ],
                "hovertemplate": "%{customdata}",
                "line": {"color": f"@{style.name}", "width": 1.2, "dash": style.dash},
                "marker": {"color": f"@{style.name}", "size": 5, "symbol": style.symbol},
            }
        )
        rows += [
            [
                f"{scheme}, task {row.task}",
                clock(row.start_s),
                "undeliverable" if row.undeliverable else str(row.status),
                duration(row.delay_s),
                duration(row.service_s),
                duration(row.contact_wait_s),
            ]
            for row in records(tasks)
        ]
    columns = ["scheme and task", "start [h:mm:ss]", "status", "delay", "service", "waiting for a contact"]
    return Figure(
        key="delay-by-start",
        title="Delay of every task, by its start",
        caption="Tasks that are not delivered within the scenario have no point. A falling line is the wait for one and"
        " the same contact, which gets shorter the later a task starts.",
        alt="Points: delay of each delivered task of each scheme over the time at which the task started.",
        views={
            "": {
                "data": traces,
                "layout": {
                    "xaxis": time_axis(run.span_s),
                    "yaxis": axis("delay [s]", rangemode="tozero"),
                    "hovermode": "closest",
                },
            }
        },
        table=Table("Delay of every task", columns, rows, frozenset({2}), "tasks.parquet"),
        height=360,
    )
