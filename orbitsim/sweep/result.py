"""What came of a sweep, as data frames."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orbitsim.errors import InputError, Problem
from orbitsim.sweep.folder import PROVENANCE, RESULTS, TIMES
from orbitsim.sweep.table import FIGURES

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class SweepResult:
    """A finished sweep.

    Attributes
    ----------
    folder : Path
        Where it is kept.
    name : str
        Its name.
    axes : tuple of str
        Scenario paths of its axes, which are columns of the results.
    n_run : int
        Cells that were run now; the others were there before.
    seconds : float
        Time that running and storing them took. [s]
    """

    folder: Path
    name: str
    axes: tuple[str, ...]
    n_run: int = 0
    seconds: float = 0.0

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The results: a row for each cell and scheme; whole numbers that may be missing are of pandas' type Int64."""
        frame: pd.DataFrame = _table(self.folder / RESULTS).to_pandas()
        counts = [column.name for column in FIGURES if column.dtype == "int64"]
        return frame.astype(dict.fromkeys(counts, "Int64"))

    @cached_property
    def times(self) -> pd.DataFrame:
        """What the cells took, and what reuse saved: a row for each cell."""
        frame: pd.DataFrame = _table(self.folder / TIMES).to_pandas()
        return frame

    @property
    def n_cells(self) -> int:
        """Cells of the sweep."""
        return int(self.frame["cell"].nunique())

    @property
    def n_failed(self) -> int:
        """Cells that ended in an error."""
        return int(self.frame.loc[self.frame["status"] == "error", "cell"].nunique())

    @property
    def n_ok(self) -> int:
        """Cells in which at least one scheme ran."""
        return int(self.frame.loc[self.frame["status"] == "ok", "cell"].nunique())

    @property
    def reused_s(self) -> float:
        """Processor time of stages that cells took over from others instead of computing them again. [s]"""
        return float(self.times["reused_s"].sum())

    @property
    def made_s(self) -> float:
        """Processor time of stages that were computed. [s]"""
        return float(self.times["made_s"].sum())

    @property
    def cpu_s(self) -> float:
        """Processor time of all cells. [s]"""
        return float(self.times["cpu_s"].sum())

    @property
    def saved_share(self) -> float:
        """Share of the processor time without reuse that reuse saved. [1]"""
        without_s = self.cpu_s + self.reused_s
        return self.reused_s / without_s if without_s else 0.0

    def records(self) -> list[dict[str, Any]]:
        """Return the results as plain values, None where there is none."""
        rows: list[dict[str, Any]] = _table(self.folder / RESULTS).to_pylist()
        return rows


def read_sweep(folder: str | Path) -> SweepResult:
    """Read the folder of a finished sweep.

    Raises
    ------
    InputError
        When it is no such folder, or the sweep is not finished.
    """
    folder = Path(folder)
    path = folder / PROVENANCE
    try:
        facts: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))["sweep"]
        result = SweepResult(folder, str(facts["name"]), tuple(facts["axes"]))
    except FileNotFoundError:
        raise InputError(
            Problem("", f"expected the folder of a sweep; there is no {PROVENANCE}", str(folder))
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            Problem("", f"expected the provenance of a sweep, which this is not ({error})", str(path))
        ) from None
    if not (folder / RESULTS).is_file():
        message = "expected a finished sweep; go on with it with orbitsim sweep --resume"
        raise InputError(Problem("", message, str(folder)))
    return result


def _table(path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path)
    except (OSError, ValueError) as error:  # Arrow's errors are of these kinds
        words = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        message = f"cannot be read ({words}); delete it, and orbitsim sweep --resume writes it again"
        raise InputError(Problem("", message, str(path))) from error
