"""A part file: the rows of one cell as Parquet, which proves on reading that it is whole."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orbitsim import __version__
from orbitsim.errors import InputError, OutputError, Problem
from orbitsim.pipeline.stages import content_hash
from orbitsim.sweep.table import schema
from orbitsim.sweep.work import CellResult

if TYPE_CHECKING:
    import pyarrow as pa

    from orbitsim.sweep.cells import AxisColumn

_FACTS = b"orbitsim"


def write_part(path: Path, result: CellResult, columns: Sequence[AxisColumn]) -> None:
    """Write a part file under a temporary name, and give it its own when it is on the disk.

    Raises
    ------
    OutputError
        If it cannot be written; nothing is left of it then.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist(result.rows, schema=schema(columns))
    rows = content_hash(table.to_pylist())  # as they are read again, not as they came
    facts = {"version": result.version, "key": result.key, "rows": rows, "times": result.times}
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({_FACTS: json.dumps(facts)}), buffer)
    write_durably(path, buffer.getvalue())


def write_durably(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, whatever happens to the process or the machine.

    Raises
    ------
    OutputError
        If it cannot be written; what was there before stays.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def _sync_folder(folder: Path) -> None:
    """Make a rename last; some file systems do not know how, and need not be told."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        return
    finally:
        os.close(handle)


def read_part(path: Path, columns: Sequence[AxisColumn]) -> CellResult:
    """Read a part file.

    Raises
    ------
    InputError
        When it is not whole, or was written by another version.
    """
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(path.read_bytes()))
        facts = json.loads(table.schema.metadata[_FACTS])
        result = CellResult(facts["key"], facts["version"], table.to_pylist(), facts["times"])
        is_whole = _is_whole(table, facts, path, columns)
    except Exception as error:
        raise _damaged(path, _words(error)) from error
    if result.version != __version__:
        message = f"was written by orbitsim {result.version}, this is {__version__}: go on with that version"
        raise InputError(Problem("", message, str(path)))
    if not is_whole:
        raise _damaged(path, "its rows are not those that were written")
    return result


def _is_whole(table: pa.Table, facts: Any, path: Path, columns: Sequence[AxisColumn]) -> bool:
    return bool(
        facts["key"] == path.stem
        and content_hash(table.to_pylist()) == facts["rows"]
        and (facts["version"] != __version__ or table.schema.equals(schema(columns)))
    )


def _damaged(path: Path, why: str) -> InputError:
    message = f"is damaged ({why}); delete it, and --resume runs its cell again"
    return InputError(Problem("", message, str(path)))


def _words(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
