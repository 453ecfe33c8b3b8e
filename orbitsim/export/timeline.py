"""A run as Chrome trace JSON, which opens in Perfetto: a process for each node, a thread for each of its places.

The Trace Event Format counts microseconds; here they carry three decimals, so that services that follow each other
touch exactly. Events are written as they are read: memory grows with tasks and places, not with passages.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from orbitsim.errors import InputError, Problem
from orbitsim.export.tracks import Tracks
from orbitsim.results.files import whole_file
from orbitsim.results.reading import StoredRun

_MOST_ARROWS = 100_000  # passages: beyond, arrows double a file that is large already
_COLUMNS = ["scheme", "task", "batch", "place", "service", "start_s", "end_s"]


def write_timeline(
    run: StoredRun,
    out: Path,
    *,
    schemes: Sequence[str] | None = None,
    tasks: Sequence[int] | None = None,
    arrows: bool | None = None,
    force: bool = False,
) -> list[str]:
    """Write the timeline of a run as Chrome trace JSON.

    Parameters
    ----------
    run : StoredRun
        The run, with its table of mini-batches.
    out : Path
        File to write; compressed when its name ends in ``.gz``, which Perfetto opens too.
    schemes : sequence of str, optional
        Only these.
    tasks : sequence of int, optional
        Only these, by slot.
    arrows : bool, optional
        Draw arrows from each service of a mini-batch to its next; by default where that leaves the file small.
    force : bool
        Replace an existing file.

    Returns
    -------
    list of str
        What the user should know.

    Raises
    ------
    InputError
        When a table is missing or damaged, a scheme or task is not in the run, or the file must not be replaced.
    OutputError
        When it cannot be written.
    """
    chosen = _chosen(run, schemes, tasks)
    counts = _passages_of_batches(run, chosen, tasks)
    n_passages = int(sum(each.sum() for each in counts.values()))
    drawn = n_passages <= _MOST_ARROWS if arrows is None else arrows
    notes = [] if drawn or arrows is False else [f"no arrows between {n_passages:,} passages; --arrows draws them"]
    with whole_file(out, force=force) as work, _opened(work, compressed=out.suffix == ".gz") as file:
        writer = _EventWriter(file)
        tracks = Tracks(writer.write)
        _write_contacts(run, tracks)
        _write_rates(run, tracks)
        for scheme in chosen:
            _write_tasks(run, scheme, tasks, tracks)
        _write_passages(run, tracks, chosen, tasks, counts if drawn else None)
        writer.close(
            {
                "scenario": run.name,
                "schemes": chosen,
                "software": f"orbitsim {run.version}",
                "clock": f"microseconds since {run.summary['scenario']['clock']['epoch_utc']}",
                "rates": "sampled at the steps of the scenario's clock; contacts and services are exact",
            }
        )
    return notes


class _EventWriter:
    """Writes events one after the other into one JSON object."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._separator = '{"traceEvents":[\n'

    def write(self, event: str) -> None:
        """Write one event, given as JSON."""
        self._file.write(self._separator)
        self._file.write(event)
        self._separator = ",\n"

    def close(self, facts: Mapping[str, Any]) -> None:
        """Write the end of the object."""
        if self._separator != ",\n":
            self._file.write(self._separator)
        self._file.write('\n],"displayTimeUnit":"ms","otherData":')
        json.dump(facts, self._file, ensure_ascii=False)
        self._file.write("}\n")


@contextmanager
def _opened(path: Path, *, compressed: bool) -> Iterator[IO[str]]:
    with ExitStack() as stack:
        raw: Any = stack.enter_context(path.open("wb"))
        if compressed:  # without name and time in its header, so that equal runs give equal bytes
            raw = stack.enter_context(gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=raw, mtime=0))
        yield stack.enter_context(io.TextIOWrapper(raw, encoding="utf-8", newline="\n"))


def _chosen(run: StoredRun, schemes: Sequence[str] | None, tasks: Sequence[int] | None) -> list[str]:
    """Return the schemes to write; all that ran where none is named."""
    ran = [name for name, item in run.summary["schemes"].items() if item["status"] == "ok"]
    unknown = [name for name in schemes or () if name not in ran]
    found = [Problem("--scheme", f"expected one of {', '.join(ran)}, got {name!r}") for name in unknown]
    slots = set(run.table("tasks")["task"].tolist())
    late = [task for task in tasks or () if task not in slots]
    expected = f"expected a task of the run ({min(slots)} to {max(slots)})" if slots else "this run has no task"
    found += [Problem("--task", f"{expected}, got {task}") for task in late]
    if found:
        raise InputError(found)
    return [name for name in ran if not schemes or name in schemes]


def _slices(run: StoredRun, columns: list[str], chosen: Sequence[str], tasks: Sequence[int] | None) -> Iterator[Any]:
    """Yield the chosen passages, a few rows at a time, each of one scheme, in the order of the table."""
    for rows in run.slices("batches", columns):
        kept = rows[rows["task"].isin(tasks)] if tasks else rows
        for scheme, part in kept.groupby("scheme", observed=True, sort=False):
            if scheme in chosen:
                yield str(scheme), part


def _passages_of_batches(
    run: StoredRun, chosen: Sequence[str], tasks: Sequence[int] | None
) -> dict[str, NDArray[np.int64]]:
    """Count the passages of every mini-batch, by scheme, task and place in the task."""
    table = run.table("tasks")
    n_tasks = int(table["task"].max()) + 1 if len(table) else 0
    n_batches = int(table["n_batches"].max()) if len(table) else 0
    counts = {scheme: np.zeros(n_tasks * n_batches, dtype=np.int64) for scheme in chosen}
    for scheme, rows in _slices(run, ["scheme", "task", "batch"], chosen, tasks):
        keys = rows["task"].to_numpy(np.int64) * n_batches + rows["batch"].to_numpy(np.int64)
        counts[scheme] += np.bincount(keys, minlength=n_tasks * n_batches)
    return counts


def _nanoseconds(seconds: Any) -> list[int]:
    """Return times as whole nanoseconds: what ends when another begins does so in them too."""
    found: list[int] = np.rint(np.asarray(seconds, dtype=np.float64) * 1e9).astype(np.int64).tolist()
    return found


def _write_contacts(run: StoredRun, tracks: Tracks) -> None:
    table = run.table("contacts")
    for (site, satellite), rows in table.groupby(["station", "satellite"], observed=True, sort=False):
        starts, ends = _nanoseconds(rows["start_s"]), _nanoseconds(rows["end_s"])
        for start, end, elevation in zip(starts, ends, rows["max_elevation_deg"].tolist(), strict=True):
            args = {"max_elevation_deg": round(elevation, 3)}
            tracks.slice("contacts", f"{site} sees {satellite}", str(satellite), "contact", start, end, args)


def _write_rates(run: StoredRun, tracks: Tracks) -> None:
    """Write the rate of every link that changes it, whenever it does."""
    step_s = float(run.summary["scenario"]["clock"]["step_s"])
    for link, rows in run.table("links").groupby("link", observed=True, sort=False):
        rate_bps = rows["rate_bps"].to_numpy()
        changes = np.flatnonzero(np.diff(rate_bps, prepend=np.nan) != 0.0)
        if len(changes) < 2:
            continue
        for start, rate in zip(
            _nanoseconds(np.maximum(rows["t_s"].to_numpy()[changes] - step_s / 2, 0.0)),
            rate_bps[changes].tolist(),
            strict=True,
        ):
            tracks.counter("link rates", str(link), "Mbit/s", start, rate / 1e6)


def _write_tasks(run: StoredRun, scheme: str, chosen: Sequence[int] | None, tracks: Tracks) -> None:
    """Write every task from start to end, with the parts of its delay, and how many there are at a time."""
    table = run.table("tasks")
    rows = table[table["scheme"] == scheme]
    if chosen:
        rows = rows[rows["task"].isin(chosen)]
    horizon_s = float(run.summary["scenario"]["clock"]["duration_s"])
    ends_s = rows["end_s"].fillna(max(horizon_s, rows["start_s"].max() if len(rows) else 0.0))
    starts, ends = _nanoseconds(rows["start_s"]), _nanoseconds(ends_s)
    parts = [name for name in rows.columns if name.endswith("_s") and name not in ("start_s", "end_s")]
    records = rows[["task", "status", *parts]].to_dict(orient="records")
    for record, start, end in zip(records, starts, ends, strict=True):
        args = {key: record[key] for key in parts if record[key] == record[key]} | {"status": str(record["status"])}
        tracks.task(f"{scheme}: tasks", scheme, int(record["task"]), start, end, args)
    delivered = (rows["status"] == "delivered").to_numpy()
    changes = sorted([(t, 1) for t in starts] + [(t, -1) for t, done in zip(ends, delivered, strict=True) if done])
    under_way = 0
    for index, (t, change) in enumerate(changes):
        under_way += change
        if index + 1 == len(changes) or changes[index + 1][0] > t:
            tracks.counter(f"{scheme}: tasks", "tasks under way", "tasks", t, under_way)


def _write_passages(
    run: StoredRun,
    tracks: Tracks,
    chosen: Sequence[str],
    tasks: Sequence[int] | None,
    counts: Mapping[str, NDArray[np.int64]] | None,
) -> None:
    """Write every service of a mini-batch, and arrows from each to its next."""
    n_batches = int(run.table("tasks")["n_batches"].max()) if len(run.table("tasks")) else 0
    left = {scheme: each.copy() for scheme, each in (counts or {}).items()}
    for scheme, rows in _slices(run, _COLUMNS, chosen, tasks):
        columns = (
            rows["task"].tolist(),
            rows["batch"].tolist(),
            rows["place"].astype(str).tolist(),
            rows["service"].astype(str).tolist(),
            _nanoseconds(rows["start_s"]),
            _nanoseconds(rows["end_s"]),
        )
        for task, batch, place, service, start, end in zip(*columns, strict=True):
            node, arrow, target = place.partition(">")
            thread = f"to {target}" if arrow else "computing"
            lane = tracks.passage(f"{scheme}: {node}", thread, task, batch, service, start, end)
            if counts is None:
                continue
            key = task * n_batches + batch
            n_all, n_left = int(counts[scheme][key]), int(left[scheme][key])
            left[scheme][key] -= 1
            if n_all > 1:
                phase = "s" if n_left == n_all else "f" if n_left == 1 else "t"
                tracks.arrow(phase, f"{scheme}/{task}/{batch}", lane, (start + end) // 2)
