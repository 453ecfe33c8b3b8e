"""The folder of a sweep: made at once, filled cell by cell, gone on with after any interruption."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from orbitsim import __version__
from orbitsim.errors import InputError, OutputError, Problem
from orbitsim.results import store
from orbitsim.results.provenance import provenance
from orbitsim.sweep.cells import Cell, input_files
from orbitsim.sweep.differences import differences
from orbitsim.sweep.loading import FORMAT, Sweep
from orbitsim.sweep.parts import read_part, write_durably, write_part
from orbitsim.sweep.resolved import resolved_files
from orbitsim.sweep.table import schema, times_schema
from orbitsim.sweep.work import CellResult

PROVENANCE = "provenance.json"
RESULTS = "results.parquet"
TIMES = "times.parquet"
CELLS = "cells"


class SweepFolder:
    """Where the results of a sweep are kept.

    Parameters
    ----------
    path : Path
        The folder.
    sweep : Sweep
        The sweep.
    """

    def __init__(self, path: Path, sweep: Sweep) -> None:
        self.path = path.absolute()
        self._sweep = sweep
        self._lock: int | None = None

    # -- beginning and going on ----------------------------------------------------------------------------------

    def check(self, *, resume: bool) -> None:
        """Refuse a folder that must not be written.

        Raises
        ------
        InputError
            When it holds something else, another sweep, or one that was not asked to be gone on with.
        OutputError
            When it cannot be looked at.
        """
        try:
            known = self._facts()
            if known is None:
                if (self.path / CELLS).is_dir():
                    raise self._refused(f"holds cells of a sweep, but no {PROVENANCE}: choose another folder")
                store.check_target(self.path, force=False)
                return
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be looked at: {error.strerror or error}") from error
        if known.get("version") != __version__ or known.get("format") != FORMAT:
            made = f"holds a sweep that orbitsim {known.get('version')} made, and this is {__version__}"
            raise self._refused(f"{made}: go on with that version, or choose another folder")
        n_done = sum(1 for _ in (self.path / CELLS).glob("*.parquet"))
        if not resume and (n_done or known.get("identity") != self._sweep.identity):
            done = "a finished sweep" if (self.path / RESULTS).is_file() else f"a sweep with {n_done} finished cells"
            raise self._refused(f"holds {done}: give --resume to go on with it, or choose another folder")
        if known.get("identity") != self._sweep.identity:
            message = f"was made from another sweep ({differences(self.path, self._sweep)})"
            raise self._refused(f"{message}: choose another folder")

    def _facts(self) -> dict[str, Any] | None:
        """Return what the folder says of the sweep that it holds; None where it holds none."""
        path = self.path / PROVENANCE
        if not path.is_file():
            return None
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))["sweep"]
            return {"version": facts["version"], **facts}
        except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise InputError(Problem("", "is damaged: choose another folder for the sweep", str(path))) from error

    def _refused(self, message: str) -> InputError:
        return InputError(Problem("--out", message, str(self.path)))

    def open(self, command: Iterable[str]) -> None:
        """Make the folder, with everything but results, or take the one that is there; nobody else may write in it.

        Raises
        ------
        InputError
            When another process writes in it.
        OutputError
            When it cannot be written.
        """
        if not (self.path / PROVENANCE).is_file():
            store.write_folder(self.path, lambda work: self._fill(work, command))
        self._lock = _locked(self.path)
        for left in (*self.path.glob(".*.partial"), *(self.path / CELLS).glob(".*.partial")):
            left.unlink(missing_ok=True)

    def _fill(self, work: Path, command: Iterable[str]) -> None:
        sweep = self._sweep
        (work / CELLS).mkdir()
        for name, text in resolved_files(sweep).items():
            (work / name).write_text(text, encoding="utf-8")
        files = set().union(*(input_files(cell.scenario) for cell in sweep.cells), {sweep.source})
        known = provenance(command, 0, files)
        del known["seed"]  # every cell has its own
        facts = {
            "format": FORMAT,
            "version": __version__,
            "name": sweep.name,
            "identity": sweep.identity,
            "n_cells": len(sweep.cells),
            "axes": {column.name: column.type for column in sweep.columns},
        }
        store.write_json(work / PROVENANCE, {**known, "sweep": facts})

    def close(self) -> None:
        """Let others write in it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def begin(self, left: Sequence[Cell]) -> None:
        """Take away the data set of all cells while some of them are run."""
        if left:
            (self.path / RESULTS).unlink(missing_ok=True)

    # -- cells ---------------------------------------------------------------------------------------------------

    def _part(self, key: str) -> Path:
        return self.path / CELLS / f"{key}.parquet"

    def put(self, result: CellResult) -> None:
        """Store a cell.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        write_part(self._part(result.key), result, self._sweep.columns)

    def stored(self) -> list[CellResult]:
        """Return what is stored, in the order of the cells.

        Raises
        ------
        InputError
            With every part file that is not whole, or not of this version.
        """
        found: list[CellResult] = []
        problems: list[Problem] = []
        for cell in self._sweep.cells:
            path = self._part(cell.key)
            if path.is_file():
                try:
                    found.append(read_part(path, self._sweep.columns))
                except InputError as error:
                    problems += error.problems
        if problems:
            raise InputError(problems)
        return found

    def finish(self) -> None:
        """Write the data set of all cells, and their times.

        Raises
        ------
        InputError
            When cells are missing or not whole.
        OutputError
            If it cannot be written.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        results = self.stored()
        missing = {cell.key for cell in self._sweep.cells} - {result.key for result in results}
        if missing:
            message = f"{len(missing)} of {len(self._sweep.cells)} cells are missing; --resume runs them"
            raise InputError(Problem("", message, str(self.path / CELLS)))
        tables = {
            TIMES: pa.Table.from_pylist([result.times for result in results], schema=times_schema()),
            RESULTS: pa.Table.from_pylist(
                [row for result in results for row in result.rows], schema=schema(self._sweep.columns)
            ),
        }
        for name, table in tables.items():
            buffer = io.BytesIO()
            pq.write_table(table, buffer, compression="zstd")
            write_durably(self.path / name, buffer.getvalue())


def _locked(folder: Path) -> int | None:
    """Lock a folder for this process as long as it lives; None where the file system has no locks."""
    try:
        import fcntl
    except ImportError:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise InputError(Problem("--out", "another process is running this sweep now", str(folder))) from None
    except OSError:
        os.close(handle)
        return None
    return handle
