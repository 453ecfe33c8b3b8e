"""What every importer is given and gives back: a source file in, timings and telemetry as its tool recorded them out.

An importer states only what stands in the file. Which part is which block of a model is decided afterwards, by rules
(`mapping`), and so is what cannot be told apart (`attribution`) and what was drawn meanwhile (`telemetry_join`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from orbitsim.errors import InputError, Problem

MEAN_POWER = "energy of one mean power times time"
"""What `how_timed` ends with where nothing but the mean power of a whole log stands behind the energy of a row."""

FloatArray = npt.NDArray[np.float64]
TimeBasis = Literal["utc", "local", "relative", "index"]


@dataclass(frozen=True)
class Source:
    """A file to import, read whole (and unpacked, if it was gzip).

    Attributes
    ----------
    path : str
        Where it was read; for messages and provenance only, never for detection.
    content : bytes
        Its bytes, unpacked. [B]
    sha256 : str
        Hash of the file as it lies on disk.
    """

    path: str
    content: bytes = field(repr=False)
    sha256: str = ""

    @classmethod
    def of(cls, content: bytes | str, path: str = "memory") -> Source:
        """Return a source held in memory."""
        raw = content.encode() if isinstance(content, str) else content
        return cls(path, raw, hashlib.sha256(raw).hexdigest())

    @cached_property
    def text(self) -> str:
        """Content as text.

        Raises
        ------
        InputError
            At the first byte that is not UTF-8.
        """
        try:
            return self.content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            found = f"expected UTF-8 text, found byte 0x{self.content[error.start]:02x}{self.encoding_hint()}"
            raise self.fault(found, byte=error.start) from error

    @cached_property
    def head(self) -> str:
        """First 64 KiB as text, undecodable bytes replaced: enough to tell a format."""
        return self.content[:65536].decode("utf-8-sig", errors="replace")

    def encoding_hint(self) -> str:
        """Return what encoding a text that is not UTF-8 seems to be in and how to convert it; empty if none is seen."""
        how = "; convert it, for example with 'iconv -f {0} -t UTF-8 FILE > NEW'"
        for mark, name in ((b"\xff\xfe", "UTF-16LE"), (b"\xfe\xff", "UTF-16BE")):
            if self.content.startswith(mark) and len(self.content) > 4 and 0 in self.content[2:6]:
                what = f": this is UTF-16 text ({name}, by its byte order mark), as PowerShell's > writes it"
                return f"{what}{how.format('UTF-16')}, or write it with '| Out-File -Encoding utf8'"
        seen = self.content[:65536]
        if any(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in seen):
            return ""
        try:
            self.content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            place = f"byte {error.start} is 0x{self.content[error.start]:02x}"
            return f": this looks like Latin-1 or Windows-1252 text ({place}){how.format('LATIN1')}"
        return ""

    def fault(self, message: str, *, line: int | None = None, byte: int | None = None, key: str = "") -> InputError:
        """Return the error that says what is wrong with this file, and where (lines count from 1, bytes from 0)."""
        where = f"line {line}" if line is not None else f"byte {byte}" if byte is not None else ""
        return InputError(Problem(", ".join(part for part in (where, key) if part), message, self.path))


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one named thing took, as the tool recorded it.

    Attributes
    ----------
    name : str
        As the tool names it: a layer, a subgraph, a kernel; ``forward`` for a whole model.
    mean_s : float
        Mean of one execution on the whole mini-batch. [s]
    std_s, min_s, max_s, p50_s, p95_s : float, optional
        Statistics of a single execution, where the file has them. [s]
    n_samples : int, optional
        Executions behind them.
    samples_s : tuple of float, optional
        Single executions in recorded order. [s]
    start_s : tuple of float, optional
        When each of them began, on the clock of `Recording.time_basis`. [s]
    flop : float, optional
        Operations of one execution, where the tool states (computes) them. [FLOP]
    output_bytes, weights_bytes, peak_memory_bytes : int, optional
        Sizes, where the tool states them. [B]
    energy_j : float, optional
        Energy of one execution, where the file has it. [J]
    throttled : bool, optional
        Whether the device reported that it lowered its clock.
    """

    name: str
    mean_s: float
    std_s: float | None = None
    min_s: float | None = None
    max_s: float | None = None
    p50_s: float | None = None
    p95_s: float | None = None
    n_samples: int | None = None
    samples_s: tuple[float, ...] | None = None
    start_s: tuple[float, ...] | None = None
    flop: float | None = None
    output_bytes: int | None = None
    weights_bytes: int | None = None
    peak_memory_bytes: int | None = None
    energy_j: float | None = None
    throttled: bool | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """Timings of one model on one device at one batch size and precision.

    Attributes
    ----------
    parts : tuple of Timing
        What ran one after another, in order; their sum is a time of the whole. Empty if only the whole was timed.
    forward : Timing or None
        The whole model in one go, where that was timed.
    device, power_mode, model, precision : str, optional
        As far as the file itself says so.
    batch_size : int, optional
        As far as the file itself says so.
    how_timed : str
        Clock and synchronisation (`cuda-events`, `trtexec`, ...).
    time_basis : {'utc', 'local', 'relative', 'index'}
        Clock of `Timing.start_s`: seconds since 1970 UTC, the same from a wall clock whose zone is not stated, or
        seconds since some moment of the recording.
    parts_are_complete : bool
        False where the parts leave something out or count something twice (kernels that overlap).
    covered_share : float, optional
        Time of the parts over that of the iterations that they stand in, where both are known. [1]
    """

    parts: tuple[Timing, ...] = ()
    forward: Timing | None = None
    device: str | None = None
    power_mode: str | None = None
    model: str | None = None
    precision: str | None = None
    batch_size: int | None = None
    how_timed: str = "unknown"
    time_basis: TimeBasis = "relative"
    parts_are_complete: bool = True
    covered_share: float | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Telemetry:
    """What a board's monitor saw: power rails, temperatures, clocks, loads, memory, against time.

    Attributes
    ----------
    time_s : ndarray, shape (n,)
        When each line was written; the line number where `time_basis` is ``index``. [s]
    time_basis : {'utc', 'local', 'relative', 'index'}
        Clock of `time_s`, as in `Recording`.
    power_w : mapping of str to ndarray, shape (n,)
        By rail; nan where a line lacks it. [W]
    temperature_k : mapping of str to ndarray, shape (n,)
        By sensor; nan where it is off or missing. [K]
    clock_hz : mapping of str to ndarray, shape (n,)
        By unit (`gpu`, `emc`, `cpu0`, ...). [Hz]
    load : mapping of str to ndarray, shape (n,)
        By unit, from 0 to 1.
    ram_used_bytes, ram_total_bytes : ndarray, shape (n,)
        Memory; nan where missing. [B]
    device, power_mode : str, optional
        As far as the file itself says so.
    """

    time_s: FloatArray
    time_basis: TimeBasis
    power_w: Mapping[str, FloatArray]
    temperature_k: Mapping[str, FloatArray]
    clock_hz: Mapping[str, FloatArray]
    load: Mapping[str, FloatArray]
    ram_used_bytes: FloatArray
    ram_total_bytes: FloatArray
    device: str | None = None
    power_mode: str | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """Everything one file says.

    Attributes
    ----------
    format : str
        Name of the format that it was read as.
    recordings : tuple of Recording
        Timings, one entry per model, device, batch size and precision.
    telemetry : Telemetry or None
        A monitor's log.
    facts : mapping
        What else is worth keeping in the provenance (versions, engine, host), JSON values.
    notes : tuple of str
        What a reader should know of these numbers (an upper bound, synchronised after every node, ...).
    """

    format: str
    recordings: tuple[Recording, ...] = ()
    telemetry: Telemetry | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Format:
    """One importer: every module of this package that reads a format has one, named ``FORMAT``.

    Attributes
    ----------
    name : str
        Short name, as `trace import --format` takes it.
    title : str
        What it is, for people.
    matches : callable
        Whether a source is in this format, by content alone. Cheap, and never raises.
    read : callable
        Reads it whole, or raises InputError with the place of the fault.
    """

    name: str
    title: str
    matches: Callable[[Source], bool]
    read: Callable[[Source], Imported]
