"""Events of a Kineto trace, read into integer nanoseconds and sorted by what they are.

Kineto writes microseconds with up to three decimals, newer versions relative to ``baseTimeNanoseconds``. In double
precision a time stamp since 1970 is good to 0.25 us only, so the digits are kept as they stand.
"""

from __future__ import annotations

import decimal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orbitsim.workload.importers.base import Source
from orbitsim.workload.importers.strict_json import number_at, shown

Thread = tuple[str, str]

_LAUNCHES = {"cuda_runtime", "cuda_driver", "runtime", "driver"}
_GPU_WORK = {"kernel": "kernel", "gpu_memcpy": "copy", "memcpy": "copy", "gpu_memset": "set", "memset": "set"}
_UTC_NS = (1_000_000_000_000_000_000, 4_000_000_000_000_000_000)
"""Plausible moments since 1970: 2001 to 2096. [ns]"""


@dataclass(frozen=True, slots=True)
class Work:
    """Something that ran on a GPU.

    Attributes
    ----------
    name, kind : str
        Kernel's name; ``kernel``, ``copy`` (between host and device), ``set`` or ``device-copy``.
    start_ns, end_ns : int
        When it ran. [ns]
    device : str
        Number of the GPU, as text.
    launch : tuple, optional
        Thread and moment [ns] of the call that launched it, if the trace has that call.
    """

    name: str
    kind: str
    start_ns: int
    end_ns: int
    device: str
    launch: tuple[Thread, int] | None


@dataclass(slots=True)
class Span:
    """An annotation on a thread of the host, with the annotations inside it."""

    name: str
    thread: Thread
    start_ns: int
    end_ns: int
    children: list[Span] = field(default_factory=list)


@dataclass(frozen=True)
class Events:
    """What of a trace matters here.

    Attributes
    ----------
    work : list of Work
        Kernels, copies and fills, by start.
    spans : list of Span
        Annotations of the host, by start (outer before inner); nesting is not resolved.
    n_events, n_cpu_ops : int
        All events, and operators on the host.
    whole_microseconds : bool
        Whether no duration on the GPU has decimals (an older Kineto, which cuts them off).
    origin_ns : int
        What to add to a moment to have nanoseconds since 1970, if `is_utc`. [ns]
    is_utc : bool
        Whether moments are then plausible as such.
    """

    work: list[Work]
    spans: list[Span]
    n_events: int
    n_cpu_ops: int
    whole_microseconds: bool
    origin_ns: int
    is_utc: bool


def exact(literal: str) -> decimal.Decimal | float:
    """Return a JSON number with all its digits, or as a float where it has absurdly many."""
    try:
        return decimal.Decimal(literal) if len(literal) <= 40 else float(literal)
    except decimal.InvalidOperation:
        return float(literal)


def read_events(source: Source, document: Mapping[str, Any]) -> Events:
    """Sort the events of a trace.

    Parameters
    ----------
    source : Source
        File, for errors.
    document : mapping
        Its JSON, numbers parsed with `exact`.

    Raises
    ------
    InputError
        With the index of an event of interest that lacks a time, or has one that is no number or below 0.
    """
    rows = document.get("traceEvents")
    if not isinstance(rows, list):
        raise source.fault(f"expected a list of events, found {shown(rows)}", key="traceEvents")
    raw_work: list[tuple[str, str, int, int, Mapping[str, Any]]] = []
    launches: dict[Any, tuple[Thread, int]] = {}
    spans: list[Span] = []
    n_cpu_ops = 0
    whole = True
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise source.fault(f"expected an object, found {shown(row)}", key=f"traceEvents[{index}]")
        category = str(row.get("cat", "")).lower()
        if row.get("ph") != "X":
            continue
        if category in ("cpu_op", "operator"):
            n_cpu_ops += 1
        elif category in _GPU_WORK or category in _LAUNCHES or category == "user_annotation":
            name, start_ns, duration_ns, args = _timed(source, index, row)
            if category in _GPU_WORK:
                raw_work.append((name, _GPU_WORK[category], start_ns, start_ns + duration_ns, args))
                whole = whole and duration_ns % 1000 == 0
            elif category == "user_annotation":
                spans.append(Span(name, _thread(row), start_ns, start_ns + duration_ns))
            elif isinstance(args.get("correlation"), int):
                launches.setdefault(args["correlation"], (_thread(row), start_ns))
    work = [
        Work(name, _kind(name, kind), start, end, str(args.get("device", "")), _launch(launches, args))
        for name, kind, start, end, args in raw_work
    ]
    work.sort(key=lambda item: (item.start_ns, item.end_ns))
    spans.sort(key=lambda span: (span.start_ns, -span.end_ns))
    base = document.get("baseTimeNanoseconds", 0)
    origin_ns = base if isinstance(base, int) and 0 <= base < _UTC_NS[1] else 0
    moments = [item.start_ns + origin_ns for item in work] + [span.start_ns + origin_ns for span in spans]
    is_utc = bool(moments) and all(_UTC_NS[0] <= moment <= _UTC_NS[1] for moment in moments)
    return Events(work, spans, len(rows), n_cpu_ops, whole, origin_ns, is_utc)


def _timed(source: Source, index: int, row: Mapping[str, Any]) -> tuple[str, int, int, Mapping[str, Any]]:
    """Name, start [ns], duration [ns] and arguments of an event."""
    where = f"traceEvents[{index}]"
    if not isinstance(row.get("name"), str):
        raise source.fault(f"expected a name, found {shown(row.get('name'))}", key=f"{where}.name")
    args = row.get("args", {})
    return (
        row["name"],
        _nanoseconds(source, row.get("ts"), f"{where}.ts"),
        _nanoseconds(source, row.get("dur"), f"{where}.dur"),
        args if isinstance(args, dict) else {},
    )


def _nanoseconds(source: Source, value: Any, key: str) -> int:
    """Microseconds as whole nanoseconds."""
    number = number_at(source, value, key)
    if isinstance(value, int):
        return value * 1000
    return round(value * 1000) if number > 1e-9 else 0


def _thread(row: Mapping[str, Any]) -> Thread:
    return str(row.get("pid", "")), str(row.get("tid", ""))


def _kind(name: str, kind: str) -> str:
    return "device-copy" if kind == "copy" and "DtoD" in name else kind


def _launch(launches: Mapping[Any, tuple[Thread, int]], args: Mapping[str, Any]) -> tuple[Thread, int] | None:
    correlation = args.get("correlation")
    return launches.get(correlation) if isinstance(correlation, int) else None
