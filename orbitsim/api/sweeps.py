"""Sweeps from Python: what `orbitsim sweep` does, of a file, of a shipped sweep, or of plain tables."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from orbitsim.api.scenarios import plain_settings
from orbitsim.errors import InputError, Problem
from orbitsim.scenario import Scenario
from orbitsim.sweep.loading import Sweep, load_sweep
from orbitsim.sweep.result import SweepResult
from orbitsim.sweep.run import Progress, Standing, run_sweep


def sweep(
    sweep: Sweep | Mapping[str, Any] | str | Path,
    out: str | Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    settings: Sequence[str] = (),
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
) -> SweepResult:
    """Run a scenario over many values of its keys, and keep every cell as soon as it is done.

    Parameters
    ----------
    sweep : Sweep, mapping, str or Path
        A sweep file, the name of a shipped sweep, or the tables of such a file:
        ``{"base": "quick", "grid": {"links.downlink.rate_bps": [0.2e9, 0.8e9]}}``, whose ``base`` may also be a
        loaded scenario.
    out : str or Path
        Folder for the results.
    workers : int, optional
        Processes on this machine; by default as many as there are cores, and with 1 none but this one.
    scheduler : str, optional
        Address of a Dask scheduler whose workers run the cells instead.
    resume : bool
        Go on with what the folder holds of this sweep.
    retry_failed : bool
        With `resume`: run cells again that ended in an error.
    settings, overrides : sequence of str
        Changes of the base scenario in all cells, as of ``--set`` and ``--override``.
    progress : callable, optional
        Told how far the sweep is, after every cell.

    Returns
    -------
    SweepResult
        Its `frame` has a row for each cell and scheme.

    Raises
    ------
    InputError
        With every problem of the sweep and its cells, before anything runs; when `out` holds something else; when the
        cluster cannot be reached.
    OutputError
        When `out` cannot be written. Cells that were stored before are kept.
    """
    is_table = isinstance(sweep, Mapping)
    with tempfile.TemporaryDirectory(prefix="orbitsim-") if is_table else nullcontext() as place:
        if isinstance(sweep, Mapping):
            loaded = _from_tables(sweep, Path(str(place)), settings, overrides)
        else:
            loaded = sweep if isinstance(sweep, Sweep) else load_sweep(sweep, settings=settings, overrides=overrides)
        return run_sweep(
            loaded,
            out,
            workers=workers,
            scheduler=scheduler,
            resume=resume,
            retry_failed=retry_failed,
            command=["orbitsim.sweep"],
            progress=progress or _silent,
        )


def _silent(_standing: Standing) -> None:
    """Report progress to nobody."""


def _from_tables(tables: Mapping[str, Any], folder: Path, settings: Sequence[str], overrides: Sequence[str]) -> Sweep:
    """Load a sweep from the tables of a file, which is made for it."""
    plain = dict(plain_settings(tables))  # type: ignore[arg-type]
    base = tables.get("base")
    if isinstance(base, Scenario):
        plain["base"] = str(folder / "scenario.json")
        Path(plain["base"]).write_text(base.model_dump_json(), encoding="utf-8")
    elif isinstance(base, str | Path) and Path(base).is_file():
        plain["base"] = str(Path(base).absolute())
    path = folder / "sweep.json"
    try:
        path.write_text(json.dumps({"name": "sweep"} | plain, allow_nan=False), encoding="utf-8")
    except (TypeError, ValueError) as error:
        raise InputError(f"expected a sweep of plain values: {error}") from None
    try:
        return load_sweep(path, settings=settings, overrides=overrides)
    except InputError as error:
        problems = [Problem(p.key, p.message, p.source.replace(str(path), "sweep")) for p in error.problems]
        raise InputError(problems) from None
