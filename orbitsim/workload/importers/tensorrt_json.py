"""Times of every layer of a TensorRT engine, one list of samples per layer, each with the time of day (JSON).

This is what a program writes that hooks TensorRT's IProfiler (Fuzzy Labs' edge-vision-power-estimation):
``{"layer": [[milliseconds, "YYYYMMDD-HH:MM:SS.ffffff"], ...]}``. TensorRT reports the layers of a pass after the pass,
so the time of day is when it was told, not when the layer began.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Any

from orbitsim.workload.importers.base import Format, Imported, Recording, Source, Timing
from orbitsim.workload.importers.strict_json import number_at, parse_json, shown

_NAME = "tensorrt-json"
_MS = 1e-3
_TIME_OF_DAY = "%Y%m%d-%H:%M:%S.%f"
_START = re.compile(r'\s*\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\[\s*\[\s*[^\],"]+,\s*"\d{8}-')


def _matches(source: Source) -> bool:
    return _START.match(source.head) is not None


def _read(source: Source) -> Imported:
    document = parse_json(source)
    if not isinstance(document, dict) or not document:
        raise source.fault(f"expected layers with their samples, found {shown(document)}", byte=0)
    times: list[str] = []
    parts = tuple(_timing(source, name, samples, times) for name, samples in document.items())
    counts = sorted({part.n_samples or 0 for part in parts})
    facts: dict[str, Any] = {
        "n_layers": len(parts),
        "n_samples": counts if len(counts) > 1 else counts[0],
        "sum_of_means_s": math.fsum(part.mean_s for part in parts),
        "reported_from": min(times),
        "reported_to": max(times),
    }
    notes = ["time of day is when TensorRT reported a layer, after the pass; it is not when the layer began"]
    if len(counts) > 1:
        notes.append("layers have unlike numbers of samples: some passes were not recorded whole")
    recording = Recording(parts, how_timed="tensorrt-iprofiler", parts_are_complete=True)
    return Imported(_NAME, (recording,), facts=facts, notes=tuple(notes))


def _timing(source: Source, name: str, samples: Any, times: list[str]) -> Timing:
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


def _time_of_day(source: Source, text: Any, key: str) -> str:
    try:
        return datetime.strptime(text, _TIME_OF_DAY).isoformat()
    except (TypeError, ValueError) as error:
        raise source.fault(f"expected a time such as 20241030-15:06:45.910735, found {shown(text)}", key=key) from error


FORMAT = Format(_NAME, "times of TensorRT layers (IProfiler JSON with a time of day)", _matches, _read)
