"""Read the folder of a sweep: its tidy table of cells and schemes, and what its axes are."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orbitsim import __version__
from orbitsim.errors import InputError, Problem

if TYPE_CHECKING:
    import pandas as pd

PROVENANCE = "provenance.json"
RESULTS = "results.parquet"
TIMES = "times.parquet"
SOURCE = "sweep.toml"
NEEDED = ("cell", "scheme", "status", "tasks", "delivered", "delay_mean_s", "service_mean_s")
"""Columns that a page of a sweep cannot do without."""


@dataclass(frozen=True, eq=False)
class SweepData:
    """A finished sweep as its folder holds it.

    Attributes
    ----------
    folder : Path
        The folder.
    provenance : dict
        Content of `provenance.json`.
    results : DataFrame
        A row for each cell and scheme.
    times : DataFrame or None
        A row for each cell: what it took, and what reuse saved.
    axes : tuple of str
        Scenario paths that were swept, which are columns of `results`.
    sampled : frozenset of str
        Those that were drawn at random.
    warnings : tuple of str
        What the reader should know of the folder itself.
    """

    folder: Path
    provenance: Mapping[str, Any]
    results: pd.DataFrame
    times: pd.DataFrame | None
    axes: tuple[str, ...]
    sampled: frozenset[str]
    warnings: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the sweep."""
        return str(self.provenance["sweep"]["name"])


def is_sweep(folder: Path) -> bool:
    """Return whether a folder looks like one of a sweep."""
    return (folder / PROVENANCE).is_file() or (folder / RESULTS).is_file()


def read_sweep(folder: Path) -> SweepData:
    """Read the folder of a finished sweep.

    Raises
    ------
    InputError
        If it is not finished, or a file of it is missing, damaged, or of another version's form.
    """
    provenance = _provenance(folder / PROVENANCE)
    sweep = provenance["sweep"]
    path = folder / RESULTS
    if not path.is_file():
        message = "expected a finished sweep; go on with it with orbitsim sweep --resume"
        raise InputError(Problem("", message, str(path)))
    results = _read(path)
    axes = tuple(str(name) for name in sweep["axes"])
    written = sweep.get("version")
    versions = "" if written == __version__ else f" (written by orbitsim {written}, read by {__version__})"
    lacking = [name for name in (*NEEDED, *axes) if name not in results.columns]
    if lacking:
        raise InputError([Problem(name, f"expected this column{versions}", str(path)) for name in lacking])
    found = int(results["cell"].nunique())
    if found != sweep.get("n_cells"):
        message = f"expected {sweep.get('n_cells')} cells, found {found}; orbitsim sweep --resume writes it again"
        raise InputError(Problem("cell", message, str(path)))
    times = _read(folder / TIMES) if (folder / TIMES).is_file() else None
    warnings = []
    if versions:
        warnings.append(f"written by orbitsim {written}, read by {__version__}: its table has the same columns")
    if times is None:
        warnings.append(f"{TIMES} is missing from the folder")
    return SweepData(folder, provenance, results, times, axes, _sampled(folder / SOURCE), tuple(warnings))


def _sampled(path: Path) -> frozenset[str]:
    """Return the axes that a sweep drew at random, as its own file says; none where it cannot be read."""
    try:
        sample = tomllib.loads(path.read_text(encoding="utf-8")).get("sample", {})
    except (OSError, ValueError):
        return frozenset()
    axes = sample.get("axes", {}) if isinstance(sample, dict) else {}
    return frozenset(_dotted(axes)) if isinstance(axes, dict) else frozenset()


def _dotted(table: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys of nested tables down to those that hold what an axis is drawn from."""
    for key, value in table.items():
        if isinstance(value, Mapping) and not {"min", "max", "choices"} & set(value):
            yield from _dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _provenance(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        str(data["sweep"]["name"]), dict(data["sweep"]["axes"])
    except FileNotFoundError:
        raise InputError(
            Problem("", f"expected the folder of a sweep; there is no {path.name}", str(path.parent))
        ) from None
    except OSError as error:
        raise InputError(Problem("", f"cannot be read: {error.strerror or error}", str(path))) from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            Problem("", f"expected the provenance of a sweep; it is damaged: {error}", str(path))
        ) from None
    return dict(data)


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    try:
        return pd.read_parquet(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        message = f"expected a Parquet table; it is damaged: {reason} (orbitsim sweep --resume writes it again)"
        raise InputError(Problem("", message, str(path))) from None
