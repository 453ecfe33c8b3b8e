"""What ``trtexec --exportTimes`` writes: begin and end of every execution, in milliseconds since the run began.

trtexec prints six significant digits, so that a begin of 5000.23 ms is known to 0.005 ms and no better; its durations
come from the same CUDA events at full precision. The two are compared within what was printed.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from orbitsim.workload.importers.base import Format, Imported, Recording, Source, Timing
from orbitsim.workload.importers.strict_json import number_at, parse_json, shown

_HEAD = re.compile(r"\s*\[\s*\{[^{}\[\]]*\"(?:start|end)\w+Ms\"\s*:")
_EVENT_MS = 2.5e-3
"""Resolution of a CUDA event is about 0.5 us, and single precision at 10 s another 1 us. [ms]"""


def printed_half_digit(value: float, n_digits: int = 6) -> float:
    """Return half the last of the significant digits that C++ streams print by default, in the unit of `value`."""
    if value == 0:
        return 0.0
    return 0.5 * 10.0 ** (math.floor(math.log10(abs(value))) - n_digits + 1)


def matches(source: Source) -> bool:
    """Whether a source is a list of objects whose first has trtexec's ``start...Ms`` keys."""
    return _HEAD.match(source.head) is not None


def read(source: Source) -> Imported:
    """Read the executions, in the order of the file.

    Raises
    ------
    InputError
        With the byte of broken JSON, or the index of an element that lacks a time, has one that is not positive, or
        whose begin and end do not agree with its duration.
    """
    rows = parse_json(source)
    if not isinstance(rows, list) or not rows:
        raise source.fault(f"expected a list of executions, found {'an empty list' if rows == [] else shown(rows)}")
    compute_ms, start_ms, end_ms = np.array([_execution(source, i, row) for i, row in enumerate(rows)]).T
    samples_s = compute_ms / 1000.0
    forward = Timing(
        name="forward",
        mean_s=float(samples_s.mean()),
        std_s=float(samples_s.std(ddof=1)) if len(rows) > 1 else None,
        min_s=float(samples_s.min()),
        max_s=float(samples_s.max()),
        p50_s=float(np.median(samples_s)),
        p95_s=float(np.percentile(samples_s, 95)),
        n_samples=len(rows),
        samples_s=tuple(samples_s.tolist()),
        start_s=tuple((start_ms / 1000.0).tolist()),
    )
    facts: dict[str, Any] = {"n_executions": len(rows)}
    for key, name in (("latencyMs", "latency_mean_s"), ("h2dMs", "h2d_mean_s"), ("d2hMs", "d2h_mean_s")):
        if all(key in row for row in rows):
            facts[name] = float(np.mean([float(row[key]) for row in rows])) / 1000.0
    notes = [
        "times are GPU compute times: copies between host and device are left out (their means are in the facts)",
        "trtexec names neither model, device, batch size nor precision in this file",
    ]
    if np.any(start_ms[1:] < end_ms[:-1] - 2 * _tolerance_ms(start_ms[1:], end_ms[:-1])):
        notes.append("executions overlap (several streams), so that each took longer than it would alone")
    return Imported(FORMAT.name, (Recording(forward=forward, how_timed="trtexec"),), facts=facts, notes=tuple(notes))


def _execution(source: Source, index: int, row: Any) -> tuple[float, float, float]:
    """Duration, begin and end of one execution [ms]."""
    if not isinstance(row, dict):
        raise source.fault(f"expected an object with trtexec's times, found {shown(row)}", key=f"[{index}]")
    compute = number_at(source, row.get("computeMs"), f"[{index}].computeMs", positive=True)
    start = number_at(source, row.get("startComputeMs"), f"[{index}].startComputeMs")
    end = number_at(source, row.get("endComputeMs"), f"[{index}].endComputeMs")
    for key in (key for key in row if key.endswith("Ms")):
        number_at(source, row[key], f"[{index}].{key}")
    if abs(end - start - compute) > float(_tolerance_ms(np.array(start), np.array(end))) + printed_half_digit(compute):
        message = f"endComputeMs - startComputeMs is {end - start:.6g}, but computeMs says {compute:.6g}"
        raise source.fault(message, key=f"[{index}]")
    copies = [row[key] for key in ("h2dMs", "d2hMs", "inMs", "outMs") if key in row]
    if len(copies) == 2 and "latencyMs" in row:
        whole = float(sum(map(float, copies))) + compute
        latency = float(row["latencyMs"])
        if abs(whole - latency) > _EVENT_MS + 2 * printed_half_digit(max(whole, latency)):
            message = f"copies and computeMs come to {whole:.6g}, but latencyMs says {latency:.6g}"
            raise source.fault(message, key=f"[{index}]")
    return compute, start, end


def _tolerance_ms(start: np.ndarray[Any, Any], end: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """How far two printed moments may lie from the true ones, together [ms]."""
    largest = np.maximum(np.maximum(start, end), 1e-9)
    return np.asarray(_EVENT_MS + 10.0 ** (np.floor(np.log10(largest)) - 5))


FORMAT = Format("trtexec-times", "trtexec --exportTimes (JSON)", matches, read)
