"""What makes a recorded split run sound: shape of the file, order of events on each host, and causes before effects."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from orbitsim.errors import Problem

SPLIT_RUN_FORMAT = "orbitsim-split-run"
SPLIT_RUN_VERSION = 1
CONDITIONS = ("together", "alone")
TIME_COLUMNS = ("receive_start_s", "receive_end_s", "compute_start_s", "compute_end_s", "send_start_s", "send_end_s")

_LARGEST = 1e15  # seconds, bytes and bits per second above it are no measurement
_MAX_PROBLEMS = 20
_CLOCK_STEP_S = 1e-6  # events that a clock's resolution or rounding in the file may turn around


def split_run_problems(document: Any) -> list[Problem]:
    """Return the faults of a JSON document as a recorded split run; empty when it is sound.

    Parameters
    ----------
    document : object
        What the JSON parser returned.
    """
    if not isinstance(document, Mapping) or document.get("format") != SPLIT_RUN_FORMAT:
        if isinstance(document, Mapping) and document.get("format") == "orbitsim-recorder":
            return [
                Problem("format", "expected a split run, found the times of one board: use `orbitsim trace import`")
            ]
        return [Problem("format", f"expected {SPLIT_RUN_FORMAT!r}: a split run that record_jetson.py recorded")]
    version = document.get("version")
    if version != SPLIT_RUN_VERSION or isinstance(version, bool):
        return [Problem("version", f"expected {SPLIT_RUN_VERSION}, found {version!r}")]
    problems = list(_top(document))
    if not problems:
        n_batches = int(document["n_batches"])
        for k, stage in enumerate(document["stages"]):
            problems += [Problem(f"stages.{k}.{key}", text) for key, text in _stage(stage, k, n_batches)]
        for k, link in enumerate(document["links"]):
            problems += [Problem(f"links.{k}.{key}", text) for key, text in _link(link, k, len(document["stages"]))]
        problems += list(_ends(document["end_to_end"], n_batches))
    if not problems:
        problems += list(_causality(document))
    if len(problems) > _MAX_PROBLEMS:
        problems = [*problems[:_MAX_PROBLEMS], Problem("", f"and {len(problems) - _MAX_PROBLEMS} more")]
    return problems


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _LARGEST


def _top(document: Mapping[str, Any]) -> Iterator[Problem]:
    for key in ("batch_size", "n_batches"):
        if not _is_count(document.get(key)):
            yield Problem(key, f"expected a whole number of at least 1, found {document.get(key)!r}")
    if not isinstance(document.get("precision"), str):
        yield Problem("precision", "expected a name such as fp32")
    model = document.get("model")
    if not isinstance(model, Mapping) or not isinstance(model.get("name"), str):
        yield Problem("model", "expected an object with the model's name")
    rate = document.get("rate_bps", 0)
    if rate is not None and not (_is_number(rate) and rate > 0):
        yield Problem("rate_bps", f"expected a rate above 0, or null for none, found {rate!r}")
    for key, least in (("stages", 2), ("links", 2), ("cuts", 1)):
        value = document.get(key)
        if not isinstance(value, list) or len(value) < least:
            yield Problem(key, f"expected a list of at least {least}")
            return
    n_stages = len(document["stages"])
    if len(document["links"]) != n_stages:
        yield Problem("links", f"expected one link after each of {n_stages} stages, found {len(document['links'])}")
    if len(document["cuts"]) != n_stages - 1 or not all(isinstance(cut, int) for cut in document["cuts"]):
        yield Problem("cuts", f"expected {n_stages - 1} whole numbers, one for each cut")
    if not isinstance(document.get("end_to_end"), Mapping):
        yield Problem("end_to_end", "expected an object with start_s and delivered_s")


def _numbers(value: Any, n: int | None, *, least: float = -math.inf, above: bool = False) -> str | None:
    """Return what is wrong with a list of numbers, or None."""
    if not isinstance(value, list) or (n is None and not value):
        return "expected a list of numbers"
    if n is not None and len(value) != n:
        return f"expected {n} numbers, one for each mini-batch, found {len(value)}"
    bound = f"above {least:g}" if above else f"of at least {least:g}" if least > -math.inf else ""
    for i, entry in enumerate(value):
        if not _is_number(entry) or entry < least or (above and entry == least):
            return f"expected finite numbers {bound}".rstrip() + f", found {entry!r} at {i}"
    return None


def _stage(stage: Any, k: int, n_batches: int) -> Iterator[tuple[str, str]]:
    if not isinstance(stage, Mapping):
        yield "", "expected an object"
        return
    if stage.get("rank") != k:
        yield "rank", f"expected {k}, found {stage.get('rank')!r}"
    parts = stage.get("parts")
    if not isinstance(parts, list) or not parts or not all(isinstance(part, str) for part in parts):
        yield "parts", "expected the names of its parts"
    for key in ("device", "power_mode"):
        if not isinstance(stage.get(key), str) or not stage[key].strip():
            yield key, "expected a name"
    yield from _isolated(stage.get("isolated"))
    yield from _offset(stage.get("clock_offset"))
    columns = stage.get("batches")
    if not isinstance(columns, Mapping):
        yield "batches", "expected an object with columns of times"
        return
    found = False
    for name in (*TIME_COLUMNS, "sent_bytes"):
        if k == 0 and name.startswith("receive"):
            continue
        is_size = name == "sent_bytes"
        fault = _numbers(columns.get(name), n_batches, least=0 if is_size else -math.inf, above=is_size)
        if fault:
            found = True
            yield f"batches.{name}", fault
    if not found:
        yield from _order(columns, k)


def _isolated(entries: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(entries, list) or not entries:
        yield "isolated", "expected times of the stage by itself"
        return
    names = [entry.get("condition") if isinstance(entry, Mapping) else None for entry in entries]
    if any(name not in CONDITIONS for name in names) or len(set(names)) != len(names):
        yield "isolated", f"expected each condition once, of {', '.join(CONDITIONS)}; found {names}"
        return
    for i, entry in enumerate(entries):
        fault = _numbers(entry.get("samples_s"), None, least=0, above=True)
        if fault:
            yield f"isolated.{i}.samples_s", fault


def _offset(offsets: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(offsets, Mapping) or set(offsets) != {"before", "after"}:
        yield "clock_offset", "expected estimates before and after the run"
        return
    for name, entry in offsets.items():
        good = (
            isinstance(entry, Mapping) and _is_number(entry.get("offset_s")) and _is_number(entry.get("round_trip_s"))
        )
        if not good or entry["round_trip_s"] < 0:
            yield f"clock_offset.{name}", "expected offset_s, and round_trip_s of at least 0"


def _order(columns: Mapping[str, Sequence[float]], k: int) -> Iterator[tuple[str, str]]:
    """Yield breaches of the order of events on one host; its clock is one, so only its resolution is forgiven."""
    pairs = [("compute_start_s", "compute_end_s"), ("compute_end_s", "send_start_s"), ("send_start_s", "send_end_s")]
    if k > 0:
        pairs = [("receive_start_s", "receive_end_s"), ("receive_end_s", "compute_start_s"), *pairs]
    for early, late in pairs:
        wrong = np.asarray(columns[late]) < np.asarray(columns[early]) - _CLOCK_STEP_S
        if wrong.any():
            yield f"batches.{late}", f"expected not to precede {early}; it does for mini-batch {int(wrong.argmax())}"
    for name in ("compute", "send"):
        starts, ends = np.asarray(columns[f"{name}_start_s"]), np.asarray(columns[f"{name}_end_s"])
        wrong = starts[1:] < ends[:-1] - _CLOCK_STEP_S
        if wrong.any():
            yield f"batches.{name}_start_s", f"expected one at a time; mini-batch {int(wrong.argmax()) + 1} overlaps"


def _link(link: Any, k: int, n_stages: int) -> Iterator[tuple[str, str]]:
    if not isinstance(link, Mapping):
        yield "", "expected an object"
        return
    if (link.get("source"), link.get("target")) != (k, (k + 1) % n_stages):
        yield "source", f"expected a link from {k} to {(k + 1) % n_stages}"
    if not _is_count(link.get("frame_bytes")):
        yield "frame_bytes", f"expected a whole number of at least 1, found {link.get('frame_bytes')!r}"
    for name in ("round_trip_s", "send_s", "acknowledged_s"):
        fault = _numbers(link.get(name), None, least=0, above=True)
        if fault:
            yield name, fault
            return
    if len(link["send_s"]) != len(link["acknowledged_s"]):
        yield "acknowledged_s", f"expected {len(link['send_s'])} numbers as in send_s"


def _ends(ends: Mapping[str, Any], n_batches: int) -> Iterator[Problem]:
    if not _is_number(ends.get("start_s")):
        yield Problem("end_to_end.start_s", f"expected a finite number, found {ends.get('start_s')!r}")
        return
    fault = _numbers(ends.get("delivered_s"), n_batches)
    if fault:
        yield Problem("end_to_end.delivered_s", fault)
    elif ends["delivered_s"][0] <= ends["start_s"]:
        yield Problem("end_to_end.delivered_s", "expected results after the start")
    elif np.any(np.diff(ends["delivered_s"]) < 0):
        yield Problem("end_to_end.delivered_s", "expected results in the order of the mini-batches")


def _causality(document: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield breaches between hosts: nothing arrives before it was sent, as far as the clocks can tell."""
    stages, start_s = document["stages"], document["end_to_end"]["start_s"]
    offsets = [np.mean([each["offset_s"] for each in stage["clock_offset"].values()]) for stage in stages]
    drift = [np.ptp([each["offset_s"] for each in stage["clock_offset"].values()]) for stage in stages]
    errors = [max(each["round_trip_s"] for each in stage["clock_offset"].values()) for stage in stages]
    if stages[0]["batches"]["compute_start_s"][0] < start_s - _CLOCK_STEP_S:
        yield Problem("stages.0.batches.compute_start_s", "expected nothing before end_to_end.start_s")
    for k, stage in enumerate(stages):
        is_last = k + 1 == len(stages)
        arrived = document["end_to_end"]["delivered_s"] if is_last else stages[k + 1]["batches"]["receive_end_s"]
        there = 0 if is_last else k + 1
        tolerance = errors[k] + errors[there] + drift[k] + drift[there] + _CLOCK_STEP_S
        sent = np.asarray(stage["batches"]["send_start_s"]) - offsets[k]
        wrong = np.asarray(arrived) - offsets[there] < sent - tolerance
        if wrong.any():
            key = "end_to_end.delivered_s" if is_last else f"stages.{k + 1}.batches.receive_end_s"
            text = f"mini-batch {int(wrong.argmax())} arrives before stage {k} sends it: the clocks do not agree"
            yield Problem(key, text)
