"""Cells on a Dask cluster: the scheduler's workers run them, this process stores them."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager
from typing import Any

from orbitsim import __version__
from orbitsim.errors import InputError, OutputError, Problem
from orbitsim.sweep.cells import Cell
from orbitsim.sweep.work import CellResult, lost_cell, run_cell, worker_version

CONNECT_S = 15.0
_ADDRESS = re.compile(r"(?:(?:tcp|tls|ucx|ws|wss)://)?\S+:\d+")
_LOST = "the workers that ran it died, one after the other (ended from outside, or out of memory)"


def run_on_cluster(cells: Sequence[Cell], address: str, *, connect_s: float | None = None) -> Iterator[CellResult]:
    """Yield the results of cells as they finish on a cluster.

    A worker that dies takes no cell with it: the scheduler gives its cells to the others.

    Parameters
    ----------
    cells : sequence of Cell
        What to run.
    address : str
        Of the scheduler, such as ``tcp://10.0.0.1:8786``.
    connect_s : float, optional
        How long to wait for the scheduler, and for its first worker; `CONNECT_S` when omitted. [s]

    Raises
    ------
    InputError
        When `distributed` is not installed, the scheduler cannot be reached or has no workers, or a worker has another
        version of orbitsim.
    OutputError
        When the scheduler is lost on the way.
    """
    connect_s = CONNECT_S if connect_s is None else connect_s
    if not _ADDRESS.fullmatch(address):
        raise _fault(address, "expected the address of a scheduler, such as tcp://10.0.0.1:8786")
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise _fault(address, "needs the package distributed (pip install 'orbitsim[sweep]')") from None
    with _quiet(), closing(_client(Client, address, connect_s)) as client:
        _check_workers(client, address, connect_s)
        run = secrets.token_hex(4)  # a name of its own: a cluster keeps the results of a name that it knows
        futures = {_submitted(client, cell, run): cell for cell in cells}
        suspects: list[Cell] = []
        for future in as_completed(list(futures), loop=client.loop):  # type: ignore[no-untyped-call]
            cell = futures.pop(future)
            result = _outcome(future, cell, address)
            if result is None:
                suspects.append(cell)
            else:
                yield result
        # The scheduler blames every cell that a dead worker had, those that only waited there too: each is tried alone.
        for cell in suspects:
            yield _outcome(_submitted(client, cell, f"{run}-alone"), cell, address) or lost_cell(cell, _LOST)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from saying in a page of its own what is said here in a line."""
    known = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in ("distributed", "tornado")]
    levels = {name: logging.getLogger(name).level for name in known}
    for name in known:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _submitted(client: Any, cell: Cell, run: str) -> Any:
    return client.submit(run_cell, cell, key=f"orbitsim-{run}-{cell.key}", pure=False)


def _outcome(future: Any, cell: Cell, address: str) -> CellResult | None:
    """Return the result of a cell; None where workers died over it."""
    from distributed import KilledWorker

    try:
        result: CellResult = future.result()
    except KilledWorker:
        return None
    except CancelledError:
        raise OutputError(f"{address}: the scheduler was lost; --resume goes on where it stopped") from None
    except Exception as error:  # noqa: BLE001 - a worker that cannot even unpack a cell must not stop the others
        return lost_cell(cell, f"the worker could not run it: {type(error).__name__}: {error}")
    if result.version != __version__:  # of a worker that came later
        raise _fault(address, f"expected orbitsim {__version__} on every worker, got {result.version}")
    return result


def _client(make: Any, address: str, connect_s: float) -> Any:
    try:
        return make(address, timeout=connect_s, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        words = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise _fault(address, f"the scheduler cannot be reached within {connect_s:g} s: {words}") from None


def _check_workers(client: Any, address: str, connect_s: float) -> None:
    try:
        client.wait_for_workers(1, timeout=connect_s)
    except TimeoutError:
        raise _fault(address, f"the scheduler has no worker within {connect_s:g} s") from None
    versions: Mapping[str, Any] = client.run(_version, on_error="return")
    other = {worker: version for worker, version in versions.items() if version != __version__}
    if other:
        found = "; ".join(f"{worker} has {_words(version)}" for worker, version in sorted(other.items()))
        raise _fault(address, f"expected orbitsim {__version__} on every worker, but {found}")


def _version() -> str:
    return worker_version()


def _words(version: Any) -> str:
    return f"orbitsim {version}" if isinstance(version, str) else f"none that can be imported ({version})"


def _fault(address: str, message: str) -> InputError:
    return InputError(Problem("--scheduler", message, address))
