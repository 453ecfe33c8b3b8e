"""Running a sweep: which cells are left, who runs them, and storing each as soon as it is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from orbitsim.errors import InputError, Problem
from orbitsim.sweep.cells import Cell
from orbitsim.sweep.folder import SweepFolder
from orbitsim.sweep.loading import Sweep, load_sweep
from orbitsim.sweep.local import n_cores, run_here, run_in_processes
from orbitsim.sweep.result import SweepResult
from orbitsim.sweep.work import CellResult


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a sweep is.

    Attributes
    ----------
    n_done, n_cells, n_failed : int
        Cells that are stored, all cells, and those of the stored ones that failed.
    share : float
        Share of the work of this run that is done, by the mini-batches that cells simulate: cells differ a lot.
    """

    n_done: int
    n_cells: int
    n_failed: int
    share: float


Progress = Callable[[Standing], None]
"""Told how far a sweep is, after every cell."""


def _silent(_standing: Standing) -> None:
    """Report progress to nobody."""


def run_sweep(
    sweep: str | Path | Sweep,
    out: str | Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    overrides: Sequence[str] = (),
    settings: Sequence[str] = (),
    progress: Progress = _silent,
    command: Iterable[str] | None = None,
) -> SweepResult:
    """Run a sweep and store each cell as soon as it is done.

    Parameters
    ----------
    sweep : str, Path or Sweep
        A sweep file, the name of a shipped sweep, or a sweep that is loaded.
    out : str or Path
        Folder for the results.
    workers : int, optional
        Processes on this machine; as many as there are cores when omitted, none but this one for 1. The results do not
        depend on it.
    scheduler : str, optional
        Address of a Dask scheduler whose workers run the cells instead.
    resume : bool
        Go on with what the folder holds of this sweep; begin where there is nothing.
    retry_failed : bool
        With `resume`: run cells again that ended in an error.
    overrides, settings : sequence of str
        As for `load_sweep`, which a loaded sweep has had.
    progress : callable
        Told how far the sweep is.
    command : iterable of str, optional
        What the provenance names as the command.

    Returns
    -------
    SweepResult
        The results as data frames, and how much there was to do.

    Raises
    ------
    InputError
        With every problem of the sweep; when the folder holds something else; when the cluster cannot be used.
    OutputError
        When the folder cannot be written. Cells that were stored before are kept.
    """
    if workers is not None and workers < 1:
        raise InputError(Problem("--workers", f"expected at least 1, got {workers}"))
    loaded = sweep if isinstance(sweep, Sweep) else load_sweep(sweep, overrides=overrides, settings=settings)
    folder = SweepFolder(Path(out), loaded)
    folder.check(resume=resume)
    folder.open(sys.argv if command is None else command)
    try:
        start_s = time.perf_counter()
        kept = {result.key: result.failed for result in folder.stored()}
        left = [cell for cell in loaded.cells if kept.get(cell.key, True) and (retry_failed or cell.key not in kept)]
        left.sort(key=lambda cell: -cell.work)
        work = {cell.key: cell.work for cell in left}
        n_failed = sum(kept.values()) - sum(kept.get(cell.key, False) for cell in left)
        n_done, done = len(loaded.cells) - len(left), 0.0
        folder.begin(left)
        progress(Standing(n_done, len(loaded.cells), n_failed, 0.0))
        with closing(_results(left, workers, scheduler)) as results:
            for result in results:
                folder.put(result)
                n_done, n_failed, done = n_done + 1, n_failed + result.failed, done + work[result.key]
                progress(Standing(n_done, len(loaded.cells), n_failed, done / sum(work.values())))
        folder.finish()
    finally:
        folder.close()
    axes = tuple(column.name for column in loaded.columns)
    return SweepResult(folder.path, loaded.name, axes, len(left), time.perf_counter() - start_s)


def _results(cells: Sequence[Cell], workers: int | None, scheduler: str | None) -> Generator[CellResult, None, None]:
    """Run cells, those with the most work first, and yield their results as they finish."""
    n_workers = min(n_cores() if workers is None else workers, len(cells))
    if not cells:
        return
    if scheduler is not None:
        from orbitsim.sweep.cluster import run_on_cluster

        yield from run_on_cluster(cells, scheduler)
    elif n_workers == 1:
        yield from run_here(cells)
    else:
        yield from run_in_processes(cells, n_workers)
