"""Times of every layer of a TensorRT engine, one list of samples per layer, each with the time of day (JSON).

This is what a program writes that hooks TensorRT's IProfiler (Fuzzy Labs' edge-vision-power-estimation):
``{"layer": [[milliseconds, "YYYYMMDD-HH:MM:SS.ffffff"], ...]}``. TensorRT reports the layers of a pass after the pass,
so the time of day is when it was told, not when the layer began.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from orbitsim.workload.importers.base import Format, Imported, Recording, Source, Timing
from orbitsim.workload.importers.strict_json import number_at, parse_json, shown

_NAME = "tensorrt-json"
_MS = 1e-3
_TIME_OF_DAY = "%Y%m%d-%H:%M:%S.%f"
_PASSES_AFTER_A_SLOW_ONE = 10
_START = re.compile(r'\s*\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\[\s*\[\s*[^\],"]+,\s*"\d{8}-')


def _matches(source: Source) -> bool:
    return _START.match(source.head) is not None


def _read(source: Source) -> Imported:
    document = parse_json(source)
    if not isinstance(document, dict) or not document:
        raise source.fault(f"expected layers with their samples, found {shown(document)}", byte=0)
    times: list[datetime] = []
    parts = tuple(_timing(source, name, samples, times) for name, samples in document.items())
    counts = sorted({part.n_samples or 0 for part in parts})
    _require_within_report(source, document, times)
    facts: dict[str, Any] = {
        "n_layers": len(parts),
        "n_samples": counts if len(counts) > 1 else counts[0],
        "sum_of_means_s": math.fsum(part.mean_s for part in parts),
        "reported_from": min(times).isoformat(),
        "reported_to": max(times).isoformat(),
    }
    notes = ["time of day is when TensorRT reported a layer, after the pass; it is not when the layer began"]
    if len(counts) > 1:
        notes.append("layers have unlike numbers of samples: some passes were not recorded whole")
    recording = Recording(parts, how_timed="tensorrt-iprofiler", parts_are_complete=True)
    return Imported(_NAME, (recording,), facts=facts, notes=tuple(notes))


def _timing(source: Source, name: str, samples: Any, times: list[datetime]) -> Timing:
    if not isinstance(samples, list) or not samples:
        raise source.fault(f"expected a list of samples, found {shown(samples)}", key=shown(name))
    samples_s = []
    for index, sample in enumerate(samples):
        key = f"{shown(name)}[{index}]"
        if not isinstance(sample, list) or len(sample) != 2:
            raise source.fault(f"expected [milliseconds, time of day], found {shown(sample)}", key=key)
        samples_s.append(number_at(source, sample[0], key) * _MS)
        times.append(_time_of_day(source, sample[1], key))
    n = len(samples_s)
    mean_s = max(math.fsum(samples_s) / n, min(samples_s))
    deviation = math.fsum((sample - mean_s) ** 2 for sample in samples_s)
    return Timing(
        name=name,
        mean_s=mean_s,
        std_s=math.sqrt(deviation / (n - 1)) if n > 1 else None,
        min_s=min(samples_s),
        max_s=max(samples_s),
        n_samples=n,
        samples_s=tuple(samples_s),
    )


def _require_within_report(source: Source, document: Mapping[str, Any], times: Sequence[datetime]) -> None:
    """Raise InputError where layers took longer than the file's own times of day leave room for.

    All passes but the first ran between the first report and the last. The first one may be slow (kernels are loaded
    then), but where ten or more passes follow it is not ten times as long as all of them.
    """
    if max(len(samples) for samples in document.values()) < 2:
        return
    span_s = (max(times) - min(times)).total_seconds()
    later = [(row[0] * _MS, name, i) for name, rows in document.items() for i, row in enumerate(rows) if i]
    first = [(rows[0][0] * _MS, name, 0) for name, rows in document.items()]
    checks = [(later, 1.05 * span_s + 1e-3, "all passes but the first")]
    if min(len(samples) for samples in document.values()) > _PASSES_AFTER_A_SLOW_ONE:
        checks.append((first, 10.0 * span_s + 1.0, "the first pass"))
    for samples, most_s, what in checks:
        total_s = math.fsum(time_s for time_s, _, _ in samples)
        if total_s > most_s:
            _, name, index = max(samples)
            message = f"layers of {what} come to {total_s:.6g} s, but the times of day span {span_s:.6g} s"
            raise source.fault(f"{message}; this sample is the longest", key=f"{shown(name)}[{index}]")


def _time_of_day(source: Source, text: Any, key: str) -> datetime:
    try:
        return datetime.strptime(text, _TIME_OF_DAY)
    except (TypeError, ValueError) as error:
        raise source.fault(f"expected a time such as 20241030-15:06:45.910735, found {shown(text)}", key=key) from error


FORMAT = Format(_NAME, "times of TensorRT layers (IProfiler JSON with a time of day)", _matches, _read)
