"""What cannot be a measurement, whatever the format: the last check before numbers of a file are used."""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np

from orbitsim.workload.importers.base import Imported, Recording, Telemetry, Timing

_POSITIVE = ("min_s", "max_s", "p50_s", "p95_s")
_NON_NEGATIVE = ("mean_s", "std_s", "flop", "output_bytes", "weights_bytes", "peak_memory_bytes", "energy_j")


def faults_of(imported: Imported) -> list[tuple[str, str]]:
    """Return (place, message) for everything in a file's numbers that cannot be a measurement.

    Parameters
    ----------
    imported : Imported
        What an importer read.

    Returns
    -------
    list of (str, str)
        Empty when all is sound.
    """
    found: list[tuple[str, str]] = []
    has_lines = imported.telemetry is not None and len(imported.telemetry.time_s) > 0
    if not imported.recordings and not has_lines and not imported.facts:
        found.append(
            ("", f"expected at least one timing or one line of a monitor in this {imported.format}, found none")
        )
    for number, recording in enumerate(imported.recordings):
        found += [(f"recording {number}, {key}", message) for key, message in _recording_faults(recording)]
    if imported.telemetry is not None:
        found += _telemetry_faults(imported.telemetry)
    return found


def _recording_faults(recording: Recording) -> list[tuple[str, str]]:
    found = [
        (timing.name[:80], message)
        for timing in (*recording.parts, *((recording.forward,) if recording.forward else ()))
        for message in _timing_faults(timing)
    ]
    if recording.forward is not None and not recording.forward.mean_s > 0:
        found.append((recording.forward.name, f"expected a time above 0, found {recording.forward.mean_s!r}"))
    if recording.forward is None and not math.fsum(part.mean_s for part in recording.parts) > 0:
        found.append(("parts", "expected parts whose times add up to more than 0"))
    if recording.batch_size is not None and recording.batch_size < 1:
        found.append(("batch_size", f"expected a whole number of at least 1, found {recording.batch_size}"))
    return found


def _timing_faults(timing: Timing) -> list[str]:
    """Return what is wrong with one timing; a part may take no time at all (a layer that an engine removed)."""
    found = []
    for name in _NON_NEGATIVE:
        value = getattr(timing, name)
        if value is not None and not (math.isfinite(value) and value >= 0):
            found.append(f"expected {name} as a finite number from 0, found {value!r}")
    for name in _POSITIVE:
        value = getattr(timing, name)
        if value is not None and not (math.isfinite(value) and (value > 0 or timing.mean_s == 0 == value)):
            found.append(f"expected {name} as a finite number above 0, found {value!r}")
    if timing.n_samples is not None and timing.n_samples < 1:
        found.append(f"expected n_samples of at least 1, found {timing.n_samples}")
    if timing.samples_s is not None and not all(math.isfinite(value) and value >= 0 for value in timing.samples_s):
        found.append("expected samples_s as finite numbers from 0")
    if timing.start_s is not None and not all(math.isfinite(value) for value in timing.start_s):
        found.append("expected start_s as finite numbers")
    return found


def _telemetry_faults(telemetry: Telemetry) -> list[tuple[str, str]]:
    found = []
    n_lines = len(telemetry.time_s)
    if not np.all(np.isfinite(telemetry.time_s)):
        found.append(("time_s", "expected finite times only"))
    for field in fields(telemetry):
        value = getattr(telemetry, field.name)
        arrays = value.items() if hasattr(value, "items") else [("", value)] if isinstance(value, np.ndarray) else []
        for name, array in arrays:
            where = " ".join(part for part in (field.name, name) if part)
            if array.shape != (n_lines,):
                found.append((where, f"expected {n_lines} values, found {array.shape}"))
            elif np.isinf(array).any():
                found.append((where, "expected finite numbers"))
            elif field.name not in {"time_s", "power_w"} and (array < 0).any():
                found.append((where, "expected numbers from 0"))
    return found
