"""The run folder: written under a temporary name, and moved to its own name only when complete."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from orbitsim.errors import InputError, OutputError, Problem
from orbitsim.results.files import reason

if TYPE_CHECKING:
    import pandas as pd

SUMMARY = "summary.json"
SCENARIO = "scenario.json"
WRITTEN = (".json", ".parquet")
"""Suffixes of what runs write; a folder that holds anything else is not replaced."""


class Check(Protocol):
    """Refuses a folder that must not be written."""

    def __call__(self, folder: Path, *, force: bool) -> None:
        """Raise an error if the folder must not be written."""


def check_target(folder: Path, *, force: bool) -> None:
    """Refuse a folder that exists, unless it is empty, or a run folder with nothing else in it that may be replaced.

    Raises
    ------
    InputError
        If the folder must not be written.
    OutputError
        If it cannot be looked at.
    """
    try:
        _check_target(folder, force=force)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be looked at: {reason(folder, error)}") from error


def _check_target(folder: Path, *, force: bool) -> None:
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir():
        raise InputError(Problem("--out", "expected a folder, found a file", str(folder)))
    is_run = (folder / SUMMARY).is_file()
    if not any(folder.iterdir()):
        return
    if not is_run:
        raise InputError(Problem("--out", "expected a new or empty folder; this one holds other files", str(folder)))
    foreign = sorted(path.name for path in folder.iterdir() if path.suffix not in WRITTEN)
    if foreign:
        names = ", ".join(foreign[:3]) + (", ..." if len(foreign) > 3 else "")
        message = f"holds a finished run and other files ({names}): move them away"
        raise InputError(Problem("--out", message, str(folder)))
    if not force:
        raise InputError(Problem("--out", "holds a finished run; give --force to replace it", str(folder)))


def write_folder(
    folder: Path, fill: Callable[[Path], None], *, force: bool = False, check: Check = check_target
) -> Path:
    """Let `fill` write into a temporary folder, then move it to its name.

    Parameters
    ----------
    folder : Path
        Final name.
    fill : callable
        Writes the files into the folder it is given.
    force : bool
        Replace an existing folder, if `check` lets it.
    check : callable
        Refuses a folder that must not be written; by default one of other things than a run.

    Raises
    ------
    InputError
        If the folder exists and must not be replaced.
    OutputError
        If writing fails; whatever existed before is unchanged.
    """
    folder = folder.absolute()
    check(folder, force=force)
    work: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".partial", dir=folder.parent))
        fill(work)
        work.chmod(0o777 & ~_umask())
        check(folder, force=force)  # again: it may have appeared meanwhile
        _replace(work, folder)
    except OSError as error:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)
        raise OutputError(f"{folder}: cannot be written: {reason(folder, error)}") from error
    except BaseException:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)
        raise
    return folder


def _replace(work: Path, folder: Path) -> None:
    """Move `work` to `folder`; an existing folder is put back if that fails."""
    if not folder.exists():
        work.rename(folder)
        return
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.replaced")
    folder.rename(aside)
    try:
        work.rename(folder)
    except OSError:
        aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_run(
    folder: Path, document: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], *, force: bool = False
) -> Path:
    """Write a run folder: its summary, its scenario and its tables.

    Parameters
    ----------
    folder : Path
        Final name.
    document : mapping
        What `summary.json` holds, the resolved scenario among it.
    tables : mapping of str to DataFrame
        Tables by name.
    force : bool
        Replace an existing run folder.

    Raises
    ------
    InputError, OutputError
        As `write_folder` does.
    """

    def fill(work: Path) -> None:
        write_json(work / SCENARIO, document["scenario"])
        write_tables(work, tables)
        write_json(work / SUMMARY, document)

    return write_folder(folder, fill, force=force)


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write each table as ``<name>.parquet``; the bytes depend on the data alone."""
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False, compression="zstd")


def write_json(path: Path, data: Any) -> None:
    """Write JSON with stable order and no NaN."""
    path.write_text(json.dumps(data, indent=2, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")
