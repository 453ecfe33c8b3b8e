"""Running one cell, wherever the process that does it is: this one, another one, or one on a cluster."""

from __future__ import annotations

import os
import platform
import threading
import time
import traceback
from dataclasses import dataclass
from typing import Any

from orbitsim import __version__
from orbitsim.errors import OrbitsimError
from orbitsim.loading import load_scenario
from orbitsim.pipeline.links import LinkBook
from orbitsim.pipeline.run import run_scenario
from orbitsim.pipeline.space import Space
from orbitsim.pipeline.stages import Stages
from orbitsim.pipeline.work import build_work, codec_of
from orbitsim.sweep.cells import Cell
from orbitsim.sweep.table import error_rows, result_rows


@dataclass(frozen=True, slots=True)
class CellResult:
    """What came of a cell.

    Attributes
    ----------
    key : str
        Hash of the cell.
    version : str
        Version of orbitsim that ran it.
    rows : list of dict
        Its rows of the results; the same wherever it ran.
    times : dict
        Its row of the times, which is not.
    """

    key: str
    version: str
    rows: list[Any]
    times: dict[str, Any]

    @property
    def failed(self) -> bool:
        """Whether it ended in an error."""
        return any(row["status"] == "error" for row in self.rows)


_kept = threading.local()


def own_stages() -> Stages:
    """Return the stages that all cells of this process share; those of this thread, where it has several."""
    if not hasattr(_kept, "stages"):
        warm_up()
        _kept.stages = Stages()
    stages: Stages = _kept.stages
    return stages


def warm_up() -> None:
    """Compute stages of a small scenario, so that what is done once in a process is not taken for a part's own time.

    Without it the first part of each stage would be charged with imports, tables of the Earth's rotation and the
    catalogue, and each reuse of it would count as if it had saved them too.
    """
    scenario = load_scenario("quick", settings={"clock.duration_s": 1200.0, "shells.0.n_satellites": 3})
    space = Space(scenario)
    links = LinkBook(space)
    for pair in ((0, 1), (0, space.n_satellites)):
        links.link(*pair)
    build_work(scenario)


def run_cell(cell: Cell, stages: Stages | None = None) -> CellResult:
    """Run a cell; whatever goes wrong becomes rows with its error.

    Parameters
    ----------
    cell : Cell
        The cell.
    stages : Stages, optional
        Parts that cells before it have left; omitted: those of this process.
    """
    stages = own_stages() if stages is None else stages
    before, start_s, start_cpu_s = stages.total(), time.perf_counter(), time.thread_time()
    trace = None
    try:
        result = run_scenario(cell.scenario, stages=stages, world_tables=False)
        rows = result_rows(cell, result.summary, result.tables.get("plans"), codec_of(cell.scenario))
    except OrbitsimError as error:
        rows = error_rows(cell, str(error))
    except Exception as error:  # noqa: BLE001 - one cell must not stop the others, and its row says what happened
        rows = error_rows(cell, f"{type(error).__name__}: {error}")
        trace = traceback.format_exc()
    spent = stages.total() - before
    times = {
        "cell": cell.index,
        "key": cell.key,
        "worker": f"{platform.node()}:{os.getpid()}",
        "seconds": time.perf_counter() - start_s,
        "cpu_s": time.thread_time() - start_cpu_s,
        "made_s": spent.made_s,
        "reused_s": spent.reused_s,
        "n_made": spent.n_made,
        "n_reused": spent.n_reused,
        "traceback": trace,
    }
    return CellResult(cell.key, __version__, rows, times)


def lost_cell(cell: Cell, message: str) -> CellResult:
    """Return the result of a cell whose process died."""
    nothing = {
        "seconds": 0.0,
        "cpu_s": 0.0,
        "made_s": 0.0,
        "reused_s": 0.0,
        "n_made": 0,
        "n_reused": 0,
        "traceback": None,
    }
    times = {"cell": cell.index, "key": cell.key, "worker": "", **nothing}
    return CellResult(cell.key, __version__, error_rows(cell, message), times)


def worker_version() -> str:
    """Return the version of orbitsim of the process that is asked."""
    return __version__
