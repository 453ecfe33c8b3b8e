"""The formats that orbitsim reads: a file is opened, its format told by content, and what was read is checked."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Sequence
from pathlib import Path

from orbitsim.errors import InputError, Problem
from orbitsim.workload.importers import (
    jtop_csv,
    kineto,
    mlperf_log,
    nsys_csv,
    pipeedge_yaml,
    recorder_json,
    split_csv,
    stage_json,
    subgraph_json,
    tegrastats,
    tensorrt_json,
    trtexec_log,
    trtexec_profile,
    trtexec_times,
    vidur_csv,
)
from orbitsim.workload.importers.base import Format, Imported, Source
from orbitsim.workload.importers.soundness import faults_of

FORMATS: tuple[Format, ...] = (
    trtexec_log.FORMAT,
    trtexec_times.FORMAT,
    trtexec_profile.FORMAT,
    kineto.FORMAT,
    nsys_csv.FORMAT,
    tegrastats.FORMAT,
    jtop_csv.FORMAT,
    subgraph_json.FORMAT,
    tensorrt_json.FORMAT,
    mlperf_log.FORMAT,
    pipeedge_yaml.FORMAT,
    vidur_csv.FORMAT,
    split_csv.FORMAT,
    stage_json.FORMAT,
    recorder_json.FORMAT,
)

MAX_BYTES = 512 * 2**20  # unpacked: a profile beyond it would not fit a workstation's memory as Python objects
_GZIP = b"\x1f\x8b"
_MAX_FAULTS = 20


def open_source(path: str | Path, *, max_bytes: int = MAX_BYTES) -> Source:
    """Read a file whole, and unpack it if it is gzip.

    Parameters
    ----------
    path : str or Path
        File to read; its name says nothing of its format.
    max_bytes : int
        Largest size that is read, unpacked. [B]

    Returns
    -------
    Source
        Unpacked content, and the hash of the file as it lies on disk.

    Raises
    ------
    InputError
        When it cannot be read or unpacked, is empty, or is too large.
    """
    name = str(path)
    try:
        with Path(path).open("rb") as file:
            raw = file.read(max_bytes + 1)
    except OSError as error:
        raise InputError(Problem("", f"cannot be read: {error.strerror or error}", name)) from error
    _check_size(raw, max_bytes, name)
    digest = hashlib.sha256(raw).hexdigest()
    if raw.startswith(_GZIP):
        raw = _unpacked(raw, max_bytes, name)
        _check_size(raw, max_bytes, name)
    if not raw.strip():
        raise InputError(Problem("", "expected a recording, found an empty file", name))
    return Source(name, raw, digest)


def _check_size(content: bytes, max_bytes: int, name: str) -> None:
    if len(content) > max_bytes:
        raise InputError(Problem("", f"expected at most {max_bytes} bytes (unpacked), found more", name))


def _unpacked(raw: bytes, max_bytes: int, name: str) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as packed:
            return packed.read(max_bytes + 1)
    except (EOFError, zlib.error, OSError) as error:
        raise InputError(Problem("", f"expected sound gzip data of {len(raw)} bytes: {error}", name)) from error


def detect(source: Source, formats: Sequence[Format] = FORMATS) -> Format:
    """Return the one format that a source is in, told by content alone.

    Raises
    ------
    InputError
        When none matches, naming what is supported; or several do, naming them.
    """
    matching = [known for known in formats if known.matches(source)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        names = " and ".join(known.name for known in matching)
        raise InputError(Problem("", f"expected one format, found marks of {names}: say which, --format", source.path))
    supported = ", ".join(known.name for known in formats)
    message = f"expected a recording in a known format{source.encoding_hint()} (known: {supported})"
    raise InputError(Problem("", message, source.path))


def named_format(name: str, formats: Sequence[Format] = FORMATS) -> Format:
    """Return a format by name; `InputError` with all names when there is none."""
    for known in formats:
        if known.name == name:
            return known
    names = ", ".join(known.name for known in formats)
    raise InputError(Problem("--format", f"expected one of {names}, got {name!r}"))


def read_source(source: Source, fmt: Format | None = None) -> Imported:
    """Read a source.

    Parameters
    ----------
    source : Source
        What was opened.
    fmt : Format, optional
        Its format; told by content where it is not given.

    Returns
    -------
    Imported
        What it says: at least one recording or one line of a monitor.

    Raises
    ------
    InputError
        At the first thing that is not as the format has it, with its place; or when a time or a size that was read
        cannot be one.
    """
    chosen = detect(source) if fmt is None else fmt
    imported = chosen.read(source)
    faults = faults_of(imported)
    if faults:
        raise InputError(Problem(key, message, source.path) for key, message in faults[:_MAX_FAULTS])
    return imported
