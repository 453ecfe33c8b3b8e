"""Cells on processes of this machine, which end with the one that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from types import ModuleType

from orbitsim.errors import OutputError
from orbitsim.pipeline.stages import Stages
from orbitsim.sweep.cells import Cell
from orbitsim.sweep.work import CellResult, lost_cell, run_cell, warm_up, worker_version

_LOST = "the process that ran it died (ended from outside, or out of memory)"


def n_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_here(cells: Sequence[Cell]) -> Iterator[CellResult]:
    """Yield the results of cells that are run in this process, one after the other."""
    warm_up()
    stages = Stages()
    for cell in cells:
        yield run_cell(cell, stages)


def run_in_processes(cells: Sequence[Cell], n_workers: int) -> Iterator[CellResult]:
    """Yield the results of cells as they finish in processes of their own.

    A process that dies takes no cell with it: those that were under way are run again, each in a process by itself;
    only a cell whose own process dies then gets an error.

    Parameters
    ----------
    cells : sequence of Cell
        What to run.
    n_workers : int
        Number of processes.

    Raises
    ------
    OutputError
        When no process can be started.
    """
    waiting = deque(cells)
    pool = _Pool(min(n_workers, len(cells)))
    try:
        pool.greet()
        running: dict[Future[CellResult], Cell] = {}
        while waiting or running:
            while waiting and len(running) <= n_workers:  # one more than run at a time, so that none has to wait
                try:
                    running[pool.submit(waiting[0])] = waiting[0]
                except BrokenProcessPool:  # a process died since the last results; what it ran is told of below
                    break
                waiting.popleft()
            if not running:  # it died with nothing to do
                pool.end()
                pool = _Pool(n_workers)
                pool.greet()
                continue
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            lost: list[Cell] = []
            for future in done:
                cell = running.pop(future)
                try:
                    yield future.result()
                except BrokenProcessPool:
                    lost.append(cell)
            if lost:
                lost += running.values()
                running.clear()
                pool.end()
                yield from map(_alone, sorted(lost, key=lambda cell: cell.index))
                pool = _Pool(n_workers)
    finally:
        pool.end()


def _alone(cell: Cell) -> CellResult:
    pool = _Pool(1)
    try:
        return pool.submit(cell).result()
    except BrokenProcessPool:
        return lost_cell(cell, _LOST)
    finally:
        pool.end()


class _Pool:
    """Processes that end when told to, and when this process ends, however it does."""

    def __init__(self, n_workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        # Only this process holds the other end: when it is closed, or gone, the workers read the end of the line.
        reading, self._lifeline = context.Pipe(duplex=False)
        self._n_workers = n_workers
        self._pool = ProcessPoolExecutor(n_workers, context, initializer=_prepare, initargs=(reading,))
        self._reading = reading

    def greet(self) -> None:
        """Start all processes, and wait for the first of their answers.

        Raises
        ------
        OutputError
            When one dies at once.
        """
        try:
            with _no_main():  # one is started for every task that finds none idle
                answers = [self._pool.submit(worker_version) for _ in range(self._n_workers)]
            wait(answers, return_when=FIRST_COMPLETED)
            for answer in answers:
                if answer.done():
                    answer.result()
        except BrokenProcessPool:
            raise OutputError("worker processes cannot be started; --workers 1 does without") from None

    def submit(self, cell: Cell) -> Future[CellResult]:
        """Run a cell as soon as a process is free."""
        with _no_main():
            return self._pool.submit(run_cell, cell)

    def end(self) -> None:
        """End the processes at once."""
        self._lifeline.close()
        self._reading.close()
        self._pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _no_main() -> Iterator[None]:
    """Start processes that do not run the caller's script again: they need nothing of it, and it may have no guard."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _prepare(lifeline: Connection) -> None:
    """Prepare a worker: an interrupt is the main process's to handle, and the worker ends with that process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()


def _end_with(lifeline: Connection) -> None:
    try:
        lifeline.recv_bytes()
    except (EOFError, OSError):
        os._exit(0)
