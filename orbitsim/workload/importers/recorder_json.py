"""What traces/record_jetson.py writes: times of embedding, blocks and head, and the board's sensors meanwhile (JSON).

A recorded split run comes from the same program; it has no times of single blocks and is compared with its simulation
instead, so reading one here ends with the command that does that.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np

from orbitsim.workload.importers.base import FloatArray, Format, Imported, Recording, Source, Telemetry, Timing
from orbitsim.workload.importers.strict_json import number_at, parse_json, shown
from orbitsim.workload.split_run_checks import SPLIT_RUN_FORMAT

_NAME = "recorder-json"
_FORMAT = "orbitsim-recorder"
_VERSION = 1
_FACTS = ("created_utc", "command", "recorder_sha256", "host", "nvpmodel", "faults")


def _matches(source: Source) -> bool:
    head = source.head.lstrip()[:200]
    return head.startswith("{") and (f'"{_FORMAT}"' in head or f'"{SPLIT_RUN_FORMAT}"' in head)


def _read(source: Source) -> Imported:
    document = parse_json(source)
    if not isinstance(document, dict):
        raise source.fault(f"expected an object, found {shown(document)}", byte=0)
    if document.get("format") == SPLIT_RUN_FORMAT:
        raise source.fault(
            "this is a recorded split run, without times of single blocks: compare it with its simulation by "
            "`orbitsim trace replay`"
        )
    if document.get("format") != _FORMAT:
        raise source.fault(f"expected {_FORMAT!r}, found {shown(document.get('format'))}", key="format")
    if document.get("version") != _VERSION or isinstance(document["version"], bool):
        raise source.fault(f"expected {_VERSION}, found {shown(document.get('version'))}", key="version")
    clock = _object(source, document, "clock", "")
    zero_s = number_at(source, clock.get("at_s"), "clock.at_s")
    unix_s = number_at(source, clock.get("unix_s"), "clock.unix_s")
    shift_s = unix_s - zero_s
    entries = document.get("recordings")
    if not isinstance(entries, list) or not entries:
        raise source.fault(f"expected at least one recording, found {shown(entries)}", key="recordings")
    device, mode = (_text(source, document, key, "") for key in ("device", "power_mode"))
    sensors = document.get("telemetry")
    events = sensors.get("throttle_events") if isinstance(sensors, dict) else None
    throttled = True if isinstance(events, int) and events > 0 else None
    recordings = tuple(
        _recording(source, entry, f"recordings[{i}]", device, mode, shift_s, throttled)
        for i, entry in enumerate(entries)
    )
    telemetry = None if sensors is None else _telemetry(source, sensors, device, mode, shift_s)
    notes = [
        f"{recording.model}, batch {recording.batch_size}, {recording.precision}: parts were timed one at a time, each "
        "repeated by itself; caches may keep a small part's weights warm"
        for recording, entry in zip(recordings, entries, strict=True)
        if entry.get("resident") == "one"
    ]
    if any(part.energy_j is not None for recording in recordings for part in recording.parts):
        notes.append("energy: mean power of the board while parts in memory together were timed, times a part's time")
    faults = document.get("faults") or []
    if isinstance(faults, list) and faults:
        notes.append(f"{len(faults)} combinations could not run on the board; the facts name them")
    facts = {key: document[key] for key in _FACTS if document.get(key) is not None}
    return Imported(_NAME, recordings, telemetry, facts, tuple(notes))


def _object(source: Source, parent: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    value = parent.get(key)
    if not isinstance(value, dict):
        raise source.fault(f"expected an object, found {shown(value)}", key=where + key)
    return value


def _text(source: Source, parent: Mapping[str, Any], key: str, where: str) -> str:
    value = parent.get(key)
    if not isinstance(value, str) or not value.strip():
        raise source.fault(f"expected text, found {shown(value)}", key=where + key)
    return value


def _recording(
    source: Source, entry: Any, where: str, device: str, mode: str, shift_s: float, throttled: bool | None
) -> Recording:
    if not isinstance(entry, dict):
        raise source.fault(f"expected an object, found {shown(entry)}", key=where)
    model = _object(source, entry, "model", f"{where}.")
    n_blocks = _count(source, model.get("n_blocks"), f"{where}.model.n_blocks")
    names = ["embedding", *(f"block {i}" for i in range(n_blocks)), "head"]
    parts = entry.get("parts")
    if not isinstance(parts, list) or len(parts) != len(names):
        found = len(parts) if isinstance(parts, list) else shown(parts)
        raise source.fault(
            f"expected {len(names)} parts (embedding, blocks, head), found {found}", key=f"{where}.parts"
        )
    timings = []
    for i, (part, name) in enumerate(zip(parts, names, strict=True)):
        key = f"{where}.parts[{i}]"
        if not isinstance(part, dict) or part.get("name") != name:
            raise source.fault(f"expected the part {name!r}", key=key)
        timings.append(_timing(source, part, name, key, shift_s, throttled))
    whole = entry.get("forward")
    return Recording(
        parts=tuple(timings),
        forward=None if whole is None else _timing(source, whole, "forward", f"{where}.forward", shift_s, throttled),
        device=device,
        power_mode=mode,
        model=_text(source, model, "name", f"{where}.model."),
        precision=_text(source, entry, "precision", f"{where}."),
        batch_size=_count(source, entry.get("batch_size"), f"{where}.batch_size"),
        how_timed=_text(source, entry, "how_timed", f"{where}."),
        time_basis="utc",
    )


def _timing(source: Source, part: Any, name: str, where: str, shift_s: float, throttled: bool | None) -> Timing:
    if not isinstance(part, dict):
        raise source.fault(f"expected an object, found {shown(part)}", key=where)
    samples = _numbers(source, part.get("samples_s"), f"{where}.samples_s", positive=True)
    starts = _numbers(source, part.get("start_s"), f"{where}.start_s")
    if len(starts) != len(samples):
        raise source.fault(f"expected {len(samples)} starts, found {len(starts)}", key=f"{where}.start_s")
    energy = part.get("energy_j")
    flop = part.get("flop")
    return Timing(
        name=name,
        mean_s=math.fsum(samples) / len(samples),
        std_s=statistics.stdev(samples) if len(samples) > 1 else None,
        min_s=min(samples),
        max_s=max(samples),
        p50_s=float(np.percentile(samples, 50)),
        p95_s=float(np.percentile(samples, 95)),
        n_samples=len(samples),
        samples_s=tuple(samples),
        start_s=tuple(start + shift_s for start in starts),
        flop=None if flop is None else number_at(source, flop, f"{where}.flop"),
        output_bytes=_size(source, part, "output_bytes", where),
        weights_bytes=_size(source, part, "weights_bytes", where),
        peak_memory_bytes=_size(source, part, "peak_memory_bytes", where),
        energy_j=None if energy is None else number_at(source, energy, f"{where}.energy_j"),
        throttled=throttled,
    )


def _numbers(source: Source, values: Any, where: str, *, positive: bool = False) -> list[float]:
    if not isinstance(values, list) or not values:
        raise source.fault(f"expected a list of numbers, found {shown(values)}", key=where)
    return [number_at(source, value, f"{where}[{i}]", positive=positive) for i, value in enumerate(values)]


def _count(source: Source, value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 10**9:
        raise source.fault(f"expected a whole number of at least 1, found {shown(value)}", key=where)
    return value


def _size(source: Source, part: Mapping[str, Any], key: str, where: str) -> int | None:
    value = part.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise source.fault(f"expected a whole number of bytes, found {shown(value)}", key=f"{where}.{key}")
    return value


def _telemetry(source: Source, sensors: Any, device: str, mode: str, shift_s: float) -> Telemetry:
    if not isinstance(sensors, dict):
        raise source.fault(f"expected an object, found {shown(sensors)}", key="telemetry")
    times = _numbers(source, sensors.get("time_s"), "telemetry.time_s")

    def group(name: str) -> dict[str, FloatArray]:
        channels = _object(source, sensors, name, "telemetry.")
        return {
            key: _channel(source, values, f"telemetry.{name}.{key}", len(times)) for key, values in channels.items()
        }

    unknown = np.full(len(times), np.nan)
    return Telemetry(
        time_s=np.array(times) + shift_s,
        time_basis="utc",
        power_w=group("power_w"),
        temperature_k=group("temperature_k"),
        clock_hz=group("clock_hz"),
        load={},
        ram_used_bytes=unknown,
        ram_total_bytes=unknown,
        device=device,
        power_mode=mode,
    )


def _channel(source: Source, values: Any, where: str, n: int) -> FloatArray:
    if not isinstance(values, list) or len(values) != n:
        found = len(values) if isinstance(values, list) else shown(values)
        raise source.fault(f"expected {n} readings, found {found}", key=where)
    return np.array(
        [math.nan if v is None else number_at(source, v, f"{where}[{i}]") for i, v in enumerate(values)],
        dtype=np.float64,
    )


FORMAT = Format(_NAME, "blocks timed by record_jetson.py", _matches, _read)
