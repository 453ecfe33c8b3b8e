"""A checker of the Trace Event Format, written from its document and used by no code that writes it."""

import math
from bisect import bisect_right

REQUIRED = {
    "X": {"ts", "dur", "pid", "tid", "name"},
    "M": {"pid", "name", "args"},
    "C": {"ts", "pid", "name", "args"},
    "b": {"ts", "pid", "id", "cat", "name"},
    "e": {"ts", "pid", "id", "cat", "name"},
    "s": {"ts", "pid", "tid", "id", "name", "cat"},
    "t": {"ts", "pid", "tid", "id", "name", "cat"},
    "f": {"ts", "pid", "tid", "id", "name", "cat"},
}
METADATA = {"process_name", "process_sort_index", "thread_name", "thread_sort_index"}


def check(trace):
    """Assert that a parsed trace keeps the format, and return its events by phase."""
    assert set(trace) <= {"traceEvents", "displayTimeUnit", "otherData"}
    assert trace["displayTimeUnit"] in ("ms", "ns")
    by_phase = {phase: [] for phase in REQUIRED}
    for event in trace["traceEvents"]:
        assert REQUIRED[event["ph"]] <= set(event), event
        assert isinstance(event["pid"], int)
        assert math.isfinite(event.get("ts", 0.0))
        assert event.get("ts", 0.0) >= 0.0
        by_phase[event["ph"]].append(event)
    _check_metadata(by_phase)
    _check_slices(by_phase["X"])
    _check_pairs(by_phase["b"], by_phase["e"])
    _check_counters(by_phase["C"])
    _check_flows(by_phase)
    return by_phase


def _check_metadata(by_phase):
    named = {(event["pid"], event["tid"]) for event in by_phase["M"] if event["name"] == "thread_name"}
    processes = [event["pid"] for event in by_phase["M"] if event["name"] == "process_name"]
    assert len(processes) == len(set(processes))
    assert all(event["name"] in METADATA for event in by_phase["M"])
    for event in by_phase["X"]:
        assert (event["pid"], event["tid"]) in named
    assert {event["pid"] for event in by_phase["C"]} <= set(processes)


def _threads(slices):
    threads = {}
    for event in slices:
        threads.setdefault((event["pid"], event["tid"]), []).append(event)
    return threads


def _check_slices(slices):
    """Slices of a thread come in order and nest: here, none begins before the one before it has ended."""
    for events in _threads(slices).values():
        ends = -1
        for event in events:
            start = round(event["ts"] * 1000)
            assert event["dur"] >= 0.0
            assert start >= ends, event
            ends = start + round(event["dur"] * 1000)


def _check_pairs(begins, ends):
    """Every asynchronous event has one beginning and one end, in this order, with the same name."""
    opened = {(event["cat"], event["id"]): event for event in begins}
    closed = {(event["cat"], event["id"]): event for event in ends}
    assert len(opened) == len(begins)
    assert len(closed) == len(ends)
    assert set(opened) == set(closed)
    for key, event in opened.items():
        assert event["ts"] <= closed[key]["ts"]
        assert event["name"] == closed[key]["name"]


def _check_counters(counters):
    last = {}
    for event in counters:
        assert event["args"]
        assert all(isinstance(value, int | float) and math.isfinite(value) for value in event["args"].values())
        key = (event["pid"], event["name"])
        assert event["ts"] >= last.get(key, -1.0), event
        last[key] = event["ts"]


def _check_flows(by_phase):
    """Every flow starts once, ends once, never goes back, and each of its points lies on a slice."""
    threads = _threads(by_phase["X"])
    flows = {}
    for phase in "stf":
        for event in by_phase[phase]:
            flows.setdefault(event["id"], []).append(event)
    for points in flows.values():
        points.sort(key=lambda event: event["ts"])
        assert [event["ph"] for event in points] == ["s", *"t" * (len(points) - 2), "f"]
        for event in points:
            slices = threads[event["pid"], event["tid"]]  # in order, as `_check_slices` has seen
            around = slices[bisect_right(slices, event["ts"], key=lambda each: each["ts"]) - 1]
            assert around["ts"] <= event["ts"] <= around["ts"] + around["dur"]
        assert points[-1]["bp"] == "e"
