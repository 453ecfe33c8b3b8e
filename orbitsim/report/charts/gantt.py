"""The pipeline of a chosen task: every mini-batch on every processor and link."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orbitsim.report.blocks import Choice, Figure
from orbitsim.report.data import RunData
from orbitsim.report.palette import SERVICES
from orbitsim.report.wording import clock, duration

MOST_BARS = 90_000  # on a page: 20 bytes each
_MOST_ROWS = 600_000  # looked at for it
MOST_BARS_OF_TASK = 6_000  # drawn one by one; more of them are joined to blocks
_PIXELS = 1_500
_SAME_S = 1e-6  # bars of two tasks that differ by less are stored once


def chosen_tasks(run: RunData) -> dict[str, list[int]]:
    """Return which tasks of every scheme are looked at: telling ones first, then spread over the day."""
    per_scheme = _MOST_ROWS // max(1, len(run.schemes))
    chosen = {}
    for scheme in run.schemes:
        tasks = run.of_scheme("tasks", scheme)
        n_rows = float(run.of_scheme("resources", scheme)["n_served"].sum()) / max(1, len(tasks))
        most = max(1, int(per_scheme / max(1.0, n_rows)))
        chosen[scheme] = _priority(tasks)[:most]
    return chosen


def _priority(tasks: pd.DataFrame) -> list[int]:
    """Return the tasks in the order in which they matter: median, fastest, slowest, first, last, then ever finer."""
    order: list[int] = []
    delivered = tasks[tasks["status"] == "delivered"].sort_values(["delay_s", "task"], kind="stable")["task"].tolist()
    if delivered:
        order += [delivered[len(delivered) // 2], delivered[0], delivered[-1]]
    every = tasks["task"].tolist()
    order += [every[0], every[-1]] if every else []
    step = 1 << max(0, len(every) - 1).bit_length()
    while step:
        order += every[::step]
        step //= 2
    return list(dict.fromkeys(int(task) for task in order))


class GanttData:
    """Collects the bars of the chosen tasks, a part of the table at a time.

    Parameters
    ----------
    run : RunData
        The run.
    """

    def __init__(self, run: RunData) -> None:
        self._run = run
        self._chosen = chosen_tasks(run)
        self._parts: dict[str, list[pd.DataFrame]] = {scheme: [] for scheme in run.schemes}

    def add(self, rows: pd.DataFrame) -> None:
        """Add rows of `batches`."""
        for scheme, tasks in self._chosen.items():
            part = rows[(rows["scheme"] == scheme) & rows["task"].isin(tasks)]
            if len(part):
                self._parts[scheme].append(part.astype({"scheme": str, "place": str, "service": str}))

    def figure(self) -> Figure:
        """Return the figure."""
        blobs: list[dict[str, Any]] = []
        index_of: dict[bytes, int] = {}
        schemes: dict[str, list[dict[str, Any]]] = {}
        budget = MOST_BARS // max(1, len(self._run.schemes))
        n_left = 0
        joined = False
        for scheme in self._run.schemes:
            tasks = self._run.of_scheme("tasks", scheme).set_index("task")
            starts_s = tasks["start_s"].to_dict()
            parts = self._parts[scheme]
            rows = pd.concat(parts, ignore_index=True) if parts else None
            by_task: dict[Any, Any] = dict(iter(rows.groupby("task"))) if rows is not None else {}
            found: list[dict[str, Any]] = []
            spent = 0
            for task in self._chosen[scheme]:
                if spent >= budget:
                    break
                part = by_task.get(task)
                start_s = float(starts_s[task])
                lines = []
                if part is not None:
                    joined |= len(part) > MOST_BARS_OF_TASK
                    for place, service, bars in _lines(part, start_s):
                        key = _key(bars)
                        if key not in index_of:
                            index_of[key] = len(blobs)
                            blobs.append(_blob(bars))
                            spent += len(bars[0])
                        lines.append([place, service, index_of[key]])
                found.append({"task": task, "label": _label(task, tasks.loc[task]), "lines": lines})
            schemes[scheme] = sorted(found, key=lambda item: int(item["task"]))
            n_left += len(tasks) - len(found)
        first = {
            scheme: next((task for task in self._chosen[scheme] if any(i["task"] == task for i in items)), None)
            for scheme, items in schemes.items()
        }
        note = f" {n_left:,} more tasks are in batches.parquet." if n_left else ""
        if joined:
            note += f" Tasks of more than {MOST_BARS_OF_TASK:,} bars are drawn as blocks of neighbouring mini-batches."
        return Figure(
            key="gantt",
            title="Pipeline of a task",
            caption="Every bar is a mini-batch on a processor (p-00) or a link (p-00>p-01); neighbouring ones differ"
            " in shade."
            " Bars above one another are computing and sending that overlap. A transfer that an outage interrupts is"
            " one bar from its start to its end. No bar is drawn narrower than a thin line, so that transfers shorter"
            " than a pixel are seen; the true times stand in the label under the pointer and in the data." + note,
            alt="Gantt chart: when each processor computes and each link sends the mini-batches of the chosen task.",
            views={"": {"data": [], "layout": {}}},
            choices=(Choice("scheme", "Scheme", [(scheme, scheme) for scheme in schemes]),),
            height=460,
            kind="gantt",
            extra={"schemes": schemes, "first": first, "blobs": blobs, "services": dict(SERVICES)},
        )


def without_batches() -> str:
    """Return what stands in place of the figure where mini-batches were not recorded."""
    return (
        '<div class="card note"><h3>Pipeline of a task</h3><p>This run recorded tasks alone '
        '(<code>run.record = "tasks"</code>), so there is nothing to draw the pipeline from. '
        'Run the scenario with <code>--set run.record="batches"</code> to see every mini-batch.</p></div>'
    )


Bars = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]


def _lines(part: pd.DataFrame, start_s: float) -> list[tuple[str, str, Bars]]:
    """Return places of a task in the order of their first bars, each with start, length and mini-batch of its bars."""
    found = []
    for (place, service), of_place in part.groupby(["place", "service"], sort=False):
        rows = of_place.sort_values("start_s", kind="stable")
        begin = rows["start_s"].to_numpy() - start_s
        length = rows["end_s"].to_numpy() - rows["start_s"].to_numpy()
        bars: Bars = (begin, length, rows["batch"].to_numpy(dtype=np.int32))
        if len(part) > MOST_BARS_OF_TASK:
            span_s = float(part["end_s"].max() - part["start_s"].min())
            bars = _joined(bars, span_s / _PIXELS)
        found.append((str(place), str(service), bars))
    return sorted(found, key=lambda line: (float(line[2][0][0]), line[0]))


def _joined(bars: Bars, gap_s: float) -> Bars:
    """Join bars that follow within a gap; the mini-batch of a block is minus their number."""
    begin, length, _ = bars
    end = np.maximum.accumulate(begin + length)
    fresh = np.concatenate([[True], begin[1:] > end[:-1] + gap_s])
    first = np.flatnonzero(fresh)
    last = np.append(first[1:], len(begin)) - 1
    return begin[first], end[last] - begin[first], -(last - first + 1).astype(np.int32)


def _key(bars: Bars) -> bytes:
    begin, length, batch = bars
    return b"".join(
        (np.round(begin / _SAME_S).tobytes(), np.round(length / _SAME_S).tobytes(), batch.astype("<i4").tobytes())
    )


def _blob(bars: Bars) -> dict[str, Any]:
    begin, length, batch = bars
    consecutive = bool(len(batch)) and bool((np.diff(batch) == 1).all()) and int(batch[0]) >= 0
    return {
        "n": len(begin),
        "begin": _packed(np.round(begin, 6).astype("<f8")),
        "length": _packed(length.astype("<f4")),
        "batch": int(batch[0]) if consecutive else _packed(batch.astype("<i4")),
    }


def _packed(values: NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")


def _label(task: int, row: Any) -> str:
    when = f"task {task}, starts {clock(float(row['start_s']))}"
    if row["undeliverable"]:
        return f"{when}, undeliverable"
    return f"{when}, " + (f"delay {duration(float(row['delay_s']))}" if row["status"] == "delivered" else "unfinished")


def bars_of(run: RunData, counters: Sequence[Any]) -> None:
    """Show every row of `batches` to some counters, in one pass."""
    for rows in run.batches():
        for counter in counters:
            counter.add(rows)
