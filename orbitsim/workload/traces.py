"""Trace files: read with every fault named, written under their name only when complete, found where they ship."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from orbitsim.errors import InputError, OutputError, Problem
from orbitsim.types.profile import TRACE_COLUMNS, TRACE_SCHEMA_VERSION, BlockTiming, Profile
from orbitsim.workload.trace_checks import column_problems, profile_problems, row_problems

VERSION_KEY = b"orbitsim.trace_schema_version"
PROVENANCE_KEY = b"orbitsim.provenance"
REQUIRED_PROVENANCE = ("tool", "created_utc")
_MAX_PROBLEMS = 50  # a table with a broken column would otherwise repeat one fault for every row


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace file that was read and found sound.

    Attributes
    ----------
    path : str
        Where it was read.
    sha256 : str
        Hash of the file's bytes, for the provenance of a run.
    provenance : mapping
        What wrote it, when, how and where; at least `tool` and `created_utc`.
    rows : tuple of BlockTiming
        Its rows, in file order.
    """

    path: str
    sha256: str
    provenance: Mapping[str, Any]
    rows: tuple[BlockTiming, ...] = field(repr=False)

    def profiles(self) -> tuple[Profile, ...]:
        """Return the rows as profiles: one per device, power mode, model, batch size and precision."""
        groups: dict[tuple[str, str, str, int, str], list[BlockTiming]] = {}
        for row in self.rows:
            groups.setdefault(row.profile_key, []).append(row)
        return tuple(_as_profile(rows, Path(self.path).name) for rows in groups.values())


def _as_profile(rows: Sequence[BlockTiming], source: str) -> Profile:
    device, power_mode, model, batch_size, precision = rows[0].profile_key
    single = {row.block_kind: row for row in rows if row.block_kind != "block"}
    blocks = sorted((row for row in rows if row.block_kind == "block"), key=lambda row: row.block_index)
    return Profile(
        device=device,
        power_mode=power_mode,
        model=model,
        batch_size=batch_size,
        precision=precision,
        embedding=single.get("embedding"),
        blocks=tuple(blocks),
        head=single.get("head"),
        forward=single.get("forward"),
        source=source,
    )


def shipped_traces_dir() -> Path:
    """Return the folder of the traces that travel with orbitsim, from a wheel or a checkout."""
    from orbitsim.shipped import shipped_path

    return shipped_path("traces")


def find_traces(folder: str | Path | None = None) -> tuple[Path, ...]:
    """Return the trace files of a folder (default: the shipped ones), sorted by name."""
    root = shipped_traces_dir() if folder is None else Path(folder)
    return tuple(sorted(root.glob("*.parquet")))


@lru_cache(maxsize=1)
def shipped_profiles() -> tuple[Profile, ...]:
    """Return the profiles of all shipped traces."""
    return tuple(profile for path in find_traces() for profile in read_trace(path).profiles())


def read_trace(path: str | Path) -> Trace:
    """Read and validate one trace.

    Parameters
    ----------
    path : str or Path
        Parquet file in trace schema version 1 (`orbitsim.types.profile.TRACE_COLUMNS`).

    Returns
    -------
    Trace
        Its rows and provenance.

    Raises
    ------
    InputError
        With every fault found, each with file, column and row (0 is the first).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(Problem("", f"cannot be read: {error.strerror or error}", str(path))) from error
    try:
        # Without threads, read-ahead and the scanner behind `read_table`, which has threads of its own: a thread of
        # pyarrow that outlives the program's last line aborts it.
        with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True, pre_buffer=False) as file:
            table = file.read(use_threads=False)
        records = table.to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(Problem("", f"expected a Parquet file with a trace table; {reason}", str(path))) from error
    provenance, problems = _read_metadata(table.schema.metadata or {})
    problems += column_problems({entry.name: _type_name(entry.type) for entry in table.schema})
    if not problems and not records:
        problems.append(Problem("", "expected at least one row, the table is empty"))
    if problems:
        raise InputError(problems).located(path)
    for number, record in enumerate(records):
        problems += [Problem(f"{column}[{number}]", message) for column, message in row_problems(record)]
    if not problems:
        rows = tuple(BlockTiming(**_frozen(record)) for record in records)
        problems += profile_problems(rows)
    if problems:
        raise InputError(_shortened(problems)).located(path)
    return Trace(str(path), hashlib.sha256(content).hexdigest(), provenance, rows)


def _type_name(arrow_type: Any) -> str:
    """Name an Arrow type as `TRACE_COLUMNS` does; wide strings and lists count as plain ones."""
    import pyarrow as pa

    if pa.types.is_list(arrow_type) or pa.types.is_large_list(arrow_type):
        return f"list<{_type_name(arrow_type.value_type)}>"
    names = {"double": "float64", "large_string": "string", "string_view": "string"}
    return names.get(str(arrow_type), str(arrow_type))


def _read_metadata(metadata: Mapping[bytes, bytes]) -> tuple[Mapping[str, Any], list[Problem]]:
    problems: list[Problem] = []
    version = metadata.get(VERSION_KEY)
    if version is None:
        problems.append(Problem("", f"expected a trace: the file's metadata has no {VERSION_KEY.decode()}"))
    elif version != str(TRACE_SCHEMA_VERSION).encode():
        found = version.decode(errors="replace")
        problems.append(Problem("", f"expected trace schema version {TRACE_SCHEMA_VERSION}, found {found}"))
    try:
        provenance = json.loads(metadata.get(PROVENANCE_KEY, b"null"))
    except (ValueError, RecursionError):
        provenance = None
    if not isinstance(provenance, dict):
        problems.append(Problem("", f"expected a JSON object in the file's metadata under {PROVENANCE_KEY.decode()}"))
        return {}, problems
    return provenance, problems + _provenance_problems(provenance)


def _provenance_problems(provenance: Mapping[str, Any]) -> list[Problem]:
    missing = [key for key in REQUIRED_PROVENANCE if not provenance.get(key)]
    return [Problem(f"provenance.{key}", "expected a value, found none") for key in missing]


def _frozen(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}


def _shortened(problems: list[Problem]) -> list[Problem]:
    if len(problems) <= _MAX_PROBLEMS:
        return problems
    return [*problems[:_MAX_PROBLEMS], Problem("", f"and {len(problems) - _MAX_PROBLEMS} more")]


def write_trace(rows: Sequence[BlockTiming], path: str | Path, provenance: Mapping[str, Any]) -> Path:
    """Write a trace: it appears under its name only when complete, and only when it is sound.

    Parameters
    ----------
    rows : sequence of BlockTiming
        The rows.
    path : str or Path
        File to write; an existing one is replaced in one step.
    provenance : mapping
        What made the rows (JSON values): at least `tool` and `created_utc`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        When the rows would not be read back: the faults that `read_trace` would name.
    OutputError
        When the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = Path(path)
    records = [asdict(row) for row in rows]
    problems = ([] if rows else [Problem("", "expected at least one row")]) + _provenance_problems(provenance)
    for number, record in enumerate(records):
        problems += [Problem(f"{column}[{number}]", message) for column, message in row_problems(record)]
    problems = problems or profile_problems(rows)
    if problems:
        raise InputError(_shortened(problems)).located(target)
    arrow_types = {
        "string": pa.string(), "int32": pa.int32(), "int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_(),
        "list<float64>": pa.list_(pa.float64()),
    }  # fmt: skip
    schema = pa.schema(
        [pa.field(column.name, arrow_types[column.dtype], column.nullable) for column in TRACE_COLUMNS],
        metadata={
            VERSION_KEY: str(TRACE_SCHEMA_VERSION).encode(),
            PROVENANCE_KEY: json.dumps(dict(provenance), sort_keys=True, ensure_ascii=False).encode(),
        },
    )
    table = pa.Table.from_pylist(records, schema=schema)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
        try:
            pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(target)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from error
    return target
