"""A recorded split run: a model cut over several hosts, timed per mini-batch, with one clock from end to end.

The JSON file (format ``orbitsim-split-run``, version 1) is what ``traces/record_jetson.py --pipeline`` writes. Times of
a host are on that host's monotonic clock; only `SplitRun.delay_s` and the makespan are taken on one clock alone, that
of the first host, from the moment when all mini-batches were handed to it to the arrival of each result.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from orbitsim.constants import BITS_PER_BYTE
from orbitsim.errors import InputError, OutputError, Problem
from orbitsim.workload.importers.base import Source
from orbitsim.workload.importers.strict_json import parse_json
from orbitsim.workload.split_run_checks import SPLIT_RUN_FORMAT, split_run_problems

FloatArray = npt.NDArray[np.float64]
Condition = Literal["together", "alone"]


@dataclass(frozen=True, eq=False, slots=True)
class SplitStage:
    """One host of a split run.

    Attributes
    ----------
    parts : tuple of str
        What it computed: ``embedding``, ``block 0``, ..., ``head``.
    device, power_mode : str
        As the recorder named them.
    isolated_s : mapping of str to ndarray
        Times of the stage by itself, before the run, by condition: all hosts at the same time (``together``) or one
        after another (``alone``). [s]
    receive_end_s : ndarray, shape (n_batches,)
        When each mini-batch had arrived whole; the start of the run for the first host. [s on the host's clock]
    compute_start_s, compute_end_s : ndarray, shape (n_batches,)
        Computing, copies to and from a GPU included. [s on the host's clock]
    send_start_s, send_end_s : ndarray, shape (n_batches,)
        Sending, checksum included. [s on the host's clock]
    sent_bytes : ndarray, shape (n_batches,)
        Bytes on the wire, headers of the frames included. [B]
    clock_offset_s : float
        The host's clock less that of the first host. [s]
    clock_error_s : float
        Bound on the error of that: half of the shortest round trip. [s]
    """

    parts: tuple[str, ...]
    device: str
    power_mode: str
    isolated_s: Mapping[str, FloatArray]
    receive_end_s: FloatArray
    compute_start_s: FloatArray
    compute_end_s: FloatArray
    send_start_s: FloatArray
    send_end_s: FloatArray
    sent_bytes: FloatArray
    clock_offset_s: float
    clock_error_s: float


@dataclass(frozen=True, eq=False, slots=True)
class SplitLink:
    """The connection after a stage, measured while nothing else ran.

    Attributes
    ----------
    frame_bytes : int
        Size of the frames that were sent: that of the stage's activation. [B]
    round_trip_s : ndarray
        Round trips of empty frames. [s]
    send_s : ndarray, shape (n,)
        Until a frame was handed over to the network whole. [s]
    acknowledged_s : ndarray, shape (n,)
        Until its acknowledgement was back. [s]
    """

    frame_bytes: int
    round_trip_s: FloatArray
    send_s: FloatArray
    acknowledged_s: FloatArray

    @property
    def rate_bps(self) -> float:
        """Mean rate at which the link takes frames over. [bit/s]"""
        return float(BITS_PER_BYTE * self.frame_bytes / self.send_s.mean())

    @property
    def delay_s(self) -> float:
        """From the end of sending a frame until the receiver has checked it, without the way back. [s]"""
        return max(0.0, float((self.acknowledged_s - self.send_s).mean() - self.round_trip_s.min() / 2.0))


@dataclass(frozen=True, eq=False, slots=True)
class SplitRun:
    """A recorded split run.

    Attributes
    ----------
    model, precision : str
        What ran.
    batch_size, n_batches : int
        Samples in a mini-batch, and mini-batches.
    cuts : tuple of int
        Blocks before each cut.
    paced_bps : float or None
        Rate to which every sender was held, if it was. [bit/s]
    stages : tuple of SplitStage
        Hosts in the order of the data.
    links : tuple of SplitLink
        Connection after each stage; the last one carries results back to the first host.
    start_s : float
        When all mini-batches were handed to the first stage. [s on the first host's clock]
    delivered_s : ndarray, shape (n_batches,)
        When each result was back. [s on the first host's clock]
    document : mapping
        The whole file, with what is not needed here: hosts, telemetry, command, versions.
    source, sha256 : str
        The file, and its hash.
    """

    model: str
    precision: str
    batch_size: int
    n_batches: int
    cuts: tuple[int, ...]
    paced_bps: float | None
    stages: tuple[SplitStage, ...]
    links: tuple[SplitLink, ...]
    start_s: float
    delivered_s: FloatArray
    document: Mapping[str, Any]
    source: str = ""
    sha256: str = ""

    @property
    def delay_s(self) -> FloatArray:
        """Delay of each mini-batch from the start of the run to its result, on one clock. [s]"""
        return self.delivered_s - self.start_s

    @property
    def makespan_s(self) -> float:
        """From the start of the run to the last result, on one clock. [s]"""
        return float(self.delay_s[-1])

    @property
    def compute_s(self) -> FloatArray:
        """Computing of each stage on each mini-batch, (n_stages, n_batches). [s]"""
        return np.stack([stage.compute_end_s - stage.compute_start_s for stage in self.stages])

    @property
    def send_s(self) -> FloatArray:
        """Sending of each mini-batch after each stage, (n_stages, n_batches). [s]"""
        return np.stack([stage.send_end_s - stage.send_start_s for stage in self.stages])

    @property
    def sent_bytes(self) -> FloatArray:
        """Bytes of each mini-batch after each stage, (n_stages, n_batches). [B]"""
        return np.stack([stage.sent_bytes for stage in self.stages])

    @property
    def travel_s(self) -> FloatArray:
        """From the end of sending to the arrival, (n_stages, n_batches); between hosts known to `clock_error_s`. [s]"""
        arrivals = [stage.receive_end_s - stage.clock_offset_s for stage in self.stages[1:]]
        arrivals.append(self.delivered_s)
        sent = [stage.send_end_s - stage.clock_offset_s for stage in self.stages]
        return np.maximum(np.stack(arrivals) - np.stack(sent), 0.0)

    @property
    def utilisation(self) -> FloatArray:
        """Share of the makespan in which each stage computed, (n_stages,)."""
        return np.asarray(self.compute_s.sum(axis=1) / self.makespan_s)


def is_split_run(source: Source) -> bool:
    """Whether a source claims to be a recorded split run."""
    head = source.head.lstrip()[:200]
    return head.startswith("{") and f'"{SPLIT_RUN_FORMAT}"' in head


def read_split_run(path: str | Path) -> SplitRun:
    """Read and validate a recorded split run.

    Parameters
    ----------
    path : str or Path
        JSON file that ``traces/record_jetson.py --pipeline`` wrote.

    Returns
    -------
    SplitRun

    Raises
    ------
    InputError
        With every fault found, each with its key; or with the byte at which the JSON is broken.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(Problem("", f"cannot be read: {error.strerror or error}", str(path))) from error
    source = Source(str(path), content, hashlib.sha256(content).hexdigest())
    return split_run_of(parse_json(source), source=source.path, sha256=source.sha256)


def write_split_run(document: Mapping[str, Any], path: str | Path) -> Path:
    """Write a split run: it appears under its name only when complete, and only when it would be read back.

    Raises
    ------
    InputError
        When it is not sound: the faults that `read_split_run` would name.
    OutputError
        When the file cannot be written.
    """
    target = Path(path)
    split_run_of(document, source=str(target))
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(document, file, separators=(",", ":"), allow_nan=False)
                file.write("\n")
            Path(temporary).chmod(0o644)
            Path(temporary).replace(target)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from error
    return target


def split_run_of(document: Any, *, source: str = "", sha256: str = "") -> SplitRun:
    """Return the run that a JSON document holds.

    Raises
    ------
    InputError
        With every fault found.
    """
    problems = split_run_problems(document)
    if problems:
        raise InputError(problems).located(source)
    ends = document["end_to_end"]
    return SplitRun(
        model=document["model"]["name"],
        precision=document["precision"],
        batch_size=document["batch_size"],
        n_batches=document["n_batches"],
        cuts=tuple(document["cuts"]),
        paced_bps=document["rate_bps"],
        stages=tuple(_stage(entry, document) for entry in document["stages"]),
        links=tuple(
            SplitLink(
                int(link["frame_bytes"]),
                *(np.asarray(link[name], dtype=np.float64) for name in ("round_trip_s", "send_s", "acknowledged_s")),
            )
            for link in document["links"]
        ),
        start_s=float(ends["start_s"]),
        delivered_s=np.asarray(ends["delivered_s"], dtype=np.float64),
        document=document,
        source=source,
        sha256=sha256,
    )


def _stage(entry: Mapping[str, Any], document: Mapping[str, Any]) -> SplitStage:
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in entry["batches"].items()}
    if entry["rank"] == 0:  # its mini-batches were there from the start
        columns["receive_end_s"] = np.full(document["n_batches"], float(document["end_to_end"]["start_s"]))
    offsets = entry["clock_offset"].values()
    return SplitStage(
        parts=tuple(entry["parts"]),
        device=entry["device"],
        power_mode=entry["power_mode"],
        isolated_s={each["condition"]: np.asarray(each["samples_s"], dtype=np.float64) for each in entry["isolated"]},
        receive_end_s=columns["receive_end_s"],
        compute_start_s=columns["compute_start_s"],
        compute_end_s=columns["compute_end_s"],
        send_start_s=columns["send_start_s"],
        send_end_s=columns["send_end_s"],
        sent_bytes=columns["sent_bytes"],
        clock_offset_s=float(np.mean([offset["offset_s"] for offset in offsets])),
        clock_error_s=max(float(offset["round_trip_s"]) for offset in offsets) / 2.0,
    )
