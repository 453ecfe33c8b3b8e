"""The day: tasks delivered over time, and the contacts that deliver them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from orbitsim.report.charts.contacts import merged
from orbitsim.report.data import RunData
from orbitsim.report.figures.style import MUTED, bare, duration, new_figure, time_axis, time_unit
from orbitsim.report.palette import COLORS, CONTACTS, scheme_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_SATELLITES = 40  # of the timeline: those with the most contacts
_LEAST_WIDTH = 1 / 800  # of a contact's bar, as a share of the axis: a shorter one could not be seen


def day(run: RunData) -> Figure | None:
    """Draw how many tasks have started and how many are delivered, scheme by scheme, over the contacts."""
    if not run.schemes:
        return None
    figure, (above, below) = new_figure(2, 1, height_in=3.6, sharex=True, height_ratios=(4, 1))
    unit_s, _ = time_unit(run.span_s)
    started = run.of_scheme("tasks", run.schemes[0])["start_s"].sort_values().to_numpy() / unit_s
    above.step(started, np.arange(1, len(started) + 1), where="post", color=MUTED, linewidth=1.0, label="started")
    for index, scheme in enumerate(run.schemes):
        rows = run.of_scheme("tasks", scheme)
        rows = rows[rows["status"] == "delivered"]
        ends = np.sort(rows["end_s"].to_numpy()) / unit_s
        look = scheme_style(scheme, index)
        words = f", mean delay {duration(float(rows['delay_s'].mean()))}" if len(rows) else ""
        above.step(
            np.concatenate(([0.0], ends, [run.span_s / unit_s])),
            np.append(np.arange(len(ends) + 1), len(ends)),
            where="post",
            color=look.color.light,
            linestyle=look.line,
            label=f"{scheme}: {len(ends)} delivered{words}",
        )
    above.set_ylabel("tasks")
    above.set_ylim(bottom=0.0)
    above.set_title(run.name)
    above.legend(loc="upper left")
    contacts = run.tables["contacts"]
    rows = contacts[contacts["kind"] == "station"]
    start_s, end_s = merged(rows["start_s"].to_numpy(), rows["end_s"].to_numpy())
    _bars(below, start_s, end_s, unit_s, 0, CONTACTS["station"], run.span_s)
    below.set_yticks([0], ["any contact\nwith the ground"])
    below.set_ylim(-0.5, 0.5)
    bare(below)
    time_axis(below, run.span_s)
    return figure


def contact_timeline(run: RunData) -> Figure | None:
    """Draw when which satellite is in contact with which station or target."""
    contacts = run.tables["contacts"]
    if not len(contacts):
        return None
    per_satellite = contacts["satellite"].astype(str).value_counts()
    names = sorted(per_satellite.index[:_MOST_SATELLITES])
    kinds = [kind for kind in CONTACTS if (contacts["kind"] == kind).any()]
    figure, (axes,) = new_figure(1, 1, height_in=1.3 + 0.2 * (len(names) + len(kinds)))
    unit_s, _ = time_unit(run.span_s)
    lines = [(f"any satellite, {kind}", contacts[contacts["kind"] == kind], kind) for kind in kinds]
    for row, (_, rows, kind) in enumerate(lines):
        start_s, end_s = merged(rows["start_s"].to_numpy(), rows["end_s"].to_numpy())
        _bars(axes, start_s, end_s, unit_s, row, CONTACTS[kind], run.span_s)
    for row, name in enumerate(names, start=len(lines)):
        mine = contacts[contacts["satellite"] == name]
        for kind in kinds:
            rows = mine[mine["kind"] == kind]
            label = f"with a {kind}" if row == len(lines) else None
            start_s, end_s = rows["start_s"].to_numpy(), rows["end_s"].to_numpy()
            shift = 0.0 if len(kinds) == 1 else -0.19 if kind == kinds[0] else 0.19
            height = 0.7 if len(kinds) == 1 else 0.34
            _bars(axes, start_s, end_s, unit_s, row + shift, CONTACTS[kind], run.span_s, height, label)
    axes.axhline(len(lines) - 0.5, color=MUTED, linewidth=0.6)
    axes.set_yticks(range(len(lines) + len(names)), [words for words, *_ in lines] + names)
    axes.set_ylim(len(lines) + len(names) - 0.5, -0.5)
    bare(axes)
    time_axis(axes, run.span_s)
    left_out = len(per_satellite) - len(names)
    also = f" ({len(names)} of {len(per_satellite)} satellites, those with the most)" if left_out > 0 else ""
    axes.set_title(f"{run.name}: contacts{also}")
    if len(kinds) > 1:
        figure.legend(loc="outside upper right", ncols=2)
    return figure


def _bars(
    axes: Axes,
    start_s: np.typing.NDArray[np.float64],
    end_s: np.typing.NDArray[np.float64],
    unit_s: float,
    row: float,
    color: str,
    span_s: float,
    height: float = 0.7,
    label: str | None = None,
) -> None:
    """Draw intervals as bars on a row; short ones are widened about their middle so that they can be seen."""
    width_s = np.maximum(end_s - start_s, _LEAST_WIDTH * span_s)
    left_s = 0.5 * (start_s + end_s) - 0.5 * width_s
    axes.barh(
        np.full(len(start_s), row), width_s / unit_s, left=left_s / unit_s, height=height, color=COLORS[color].light,
        linewidth=0.0, label=label,
    )  # fmt: skip
