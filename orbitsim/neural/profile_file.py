"""The trace that a profile is written to: whole after each combination, and gone on with after an interruption."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from orbitsim.errors import InputError, Problem
from orbitsim.neural.measurement import SUM_TOLERANCE, Combination, Measured
from orbitsim.neural.memory import how_measured
from orbitsim.neural.timing import BUSY_SHARE, WINDOW_S
from orbitsim.types.profile import BlockTiming
from orbitsim.workload.traces import read_trace, write_trace

_SAME = ("tool", "orbitsim", "torch", "transformers", "device", "model", "order")  # when a trace is gone on with


class ProfileFile:
    """A trace in the making.

    Parameters
    ----------
    path : Path
        Where it is.
    provenance : mapping
        What it is the measurement of.
    force : bool
        Replace a file that is there.
    resume : bool
        Go on with it.

    Attributes
    ----------
    rows : list of BlockTiming
        All rows so far.
    checks : list of dict
        Of each combination, how well its parts add up.
    failed : dict
        Combinations that the device cannot do, with its reason.

    Raises
    ------
    InputError
        When the file is there and may not be replaced, or is of another measurement.
    """

    def __init__(self, path: Path, provenance: Mapping[str, Any], *, force: bool, resume: bool) -> None:
        self.path = path
        self.rows: list[BlockTiming] = []
        self.checks: list[dict[str, Any]] = []
        self.failed: dict[str, str] = {}
        self._provenance: dict[str, Any] = json.loads(json.dumps(dict(provenance)))  # as it is when it is read again
        self._created_utc = _now()
        if force and resume:
            raise InputError("expected --force or --resume, not both")
        if not path.parent.is_dir():
            raise InputError(f"expected a folder at {path.parent} for the trace")
        if not path.exists() or force:
            return
        if not resume:
            raise InputError(Problem("", "is there already; replace it with --force, go on with --resume", str(path)))
        self._go_on()

    def _go_on(self) -> None:
        trace = read_trace(self.path)
        before = trace.provenance
        differing = [
            Problem(key, f"expected {there} to go on with, got {here}", str(self.path))
            for name in _SAME
            for key, there, here in _differences(name, before.get(name), self._provenance.get(name))
        ]
        if differing:
            raise InputError(differing)
        self.rows = list(trace.rows)
        self.checks = list(before.get("sum_of_parts_against_forward", []))
        self._created_utc = str(before["created_utc"])

    def has(self, device: str, power_mode: str, model: str, combination: Combination) -> bool:
        """Whether a combination was measured before."""
        key = (device, power_mode, model, combination.batch_size, combination.precision)
        return any(row.profile_key == key for row in self.rows)

    def add(self, measured: Measured) -> None:
        """Add what was measured, and write the file."""
        self.rows.extend(measured.rows)
        self.checks.append(measured.check)
        self._write()

    def fail(self, combination: str, reason: str) -> None:
        """Note a combination that the device cannot do."""
        self.failed[combination] = reason
        if self.rows:
            self._write()

    def _write(self) -> None:
        device = torch.device("cuda" if str(self.rows[0].how_timed).startswith("cuda") else "cpu")
        provenance = {
            **self._provenance,
            "python": platform.python_version(),
            "created_utc": self._created_utc,
            "finished_utc": _now(),
            "load_average_after": [round(v, 2) for v in os.getloadavg()] if hasattr(os, "getloadavg") else None,
            "peak_memory": how_measured(device),
            "repeats_end_when": "half of Student's 95 % interval of the mean of the passes is within the target, or at "
            "a limit",
            "dropped_when": f"others use more than {BUSY_SHARE:g} of the processors allowed, beside those left free, "
            f"in {WINDOW_S:g} s (Linux, processor only)",
            "sum_tolerance": SUM_TOLERANCE,
            "sum_of_parts_against_forward": self.checks,
            "failed": self.failed,
        }
        write_trace(self.rows, self.path, provenance)


def _differences(key: str, there: Any, here: Any) -> Iterator[tuple[str, str, str]]:
    """Yield the dotted keys in which two JSON values differ, with both values in words."""
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for name in sorted({*there, *here}):
            yield from _differences(f"{key}.{name}", there.get(name), here.get(name))
    elif there != here:
        yield key, "none" if there is None else repr(there), "none" if here is None else repr(here)


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
