"""Read a run folder into data frames, checked against the schemas of the tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orbitsim import __version__
from orbitsim.errors import InputError, Problem
from orbitsim.results.store import SCENARIO, SUMMARY
from orbitsim.scenario import Scenario
from orbitsim.scenario.root import validate_scenario
from orbitsim.types.tables import TABLES, Column

if TYPE_CHECKING:
    import pandas as pd

_ALWAYS = ("contacts", "links")
_OF_SCHEMES = ("tasks", "plans", "resources", "devices")
_BATCHES = "batches"
_ROWS_AT_ONCE = 1_000_000
_FIGURES = ("tasks", "delivered", "undeliverable", "delay_s", "service_s", "isl_bytes", "downlink_bytes", "energy_j")
_SPREAD = ("mean", "p50", "p95", "max")
_KINDS = {
    "category": ("string", "dictionary"),
    "string": ("string", "null"),
    "int32": ("int",),
    "int64": ("int",),
    "float64": ("double", "float"),
    "bool": ("bool",),
}


@dataclass(frozen=True, eq=False)
class RunData:
    """A run as its folder holds it.

    Attributes
    ----------
    folder : Path
        The folder.
    scenario : Scenario
        The resolved scenario.
    summary : dict
        Content of `summary.json`.
    tables : dict of str to DataFrame
        Every table but `batches`; the tables of schemes are missing where no scheme could run.
    warnings : tuple of str
        What the reader should know of the folder itself.
    """

    folder: Path
    scenario: Scenario
    summary: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    warnings: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """Name of the scenario."""
        return self.scenario.name

    @property
    def span_s(self) -> float:
        """Length of the scenario. [s]"""
        return self.scenario.clock.duration_s

    @property
    def schemes(self) -> list[str]:
        """Schemes that ran, in the order of the run."""
        return [name for name, item in self.summary["schemes"].items() if item["status"] == "ok"]

    @property
    def has_batches(self) -> bool:
        """Whether mini-batches were recorded."""
        return (self.folder / f"{_BATCHES}.parquet").is_file()

    def of_scheme(self, table: str, scheme: str) -> pd.DataFrame:
        """Return a scheme's rows of a table."""
        rows = self.tables[table]
        return rows[rows["scheme"] == scheme]

    def batches(self) -> Iterator[pd.DataFrame]:
        """Yield the rows of `batches` in order, a million at a time: a long run has tens of millions."""
        path = self.folder / f"{_BATCHES}.parquet"
        with _readable(path):
            import pyarrow.parquet as parquet

            with parquet.ParquetFile(path) as file:
                _check_schema(path, file.schema_arrow, TABLES[_BATCHES], self.summary)
                for part in file.iter_batches(batch_size=_ROWS_AT_ONCE):
                    yield part.to_pandas()


def records(table: pd.DataFrame) -> list[Any]:
    """Return the rows of a table as named tuples."""
    return list(table.itertuples(index=False))


def is_run(folder: Path) -> bool:
    """Return whether a folder looks like one of a run."""
    return (folder / SUMMARY).is_file()


def read_run(folder: Path) -> RunData:
    """Read a run folder.

    Raises
    ------
    InputError
        If it is no run folder, or a file of it is missing, damaged, or of another version's form.
    """
    if not folder.is_dir():
        found = "found a file" if folder.exists() else "there is nothing at that place"
        raise InputError(Problem("", f"expected a folder of a run; {found}", str(folder)))
    if not is_run(folder):
        raise InputError(Problem("", f"expected a folder of a run or of a sweep; it holds no {SUMMARY}", str(folder)))
    summary = _read_summary(folder / SUMMARY)
    try:
        scenario = validate_scenario(summary["scenario"])
    except InputError as error:
        problems = [Problem(p.key, f"{p.message}{_versions(summary)}", str(folder / SUMMARY)) for p in error.problems]
        raise InputError(problems) from None
    ran = any(item["status"] == "ok" for item in summary["schemes"].values())
    names = (*_ALWAYS, *(_OF_SCHEMES if ran else ()))
    if ran and scenario.run.record == "batches":
        names = (*names, _BATCHES)
    missing = [f"{name}.parquet" for name in names if not (folder / f"{name}.parquet").is_file()]
    if missing:
        raise InputError([Problem("", "missing from the run folder", str(folder / name)) for name in missing])
    tables = {
        name: _read_table(folder / f"{name}.parquet", TABLES[name], summary) for name in names if name != _BATCHES
    }
    return RunData(folder, scenario, summary, tables, tuple(_warnings(folder, summary)))


def _warnings(folder: Path, summary: Mapping[str, Any]) -> Iterator[str]:
    written = summary["provenance"].get("version")
    if written != __version__:
        yield f"written by orbitsim {written}, read by {__version__}: its tables have the same form"
    if not (folder / SCENARIO).is_file():
        yield f"{SCENARIO} is missing from the run folder: the scenario is that of {SUMMARY}"


def _read_summary(path: Path) -> dict[str, Any]:
    """Read `summary.json` and check that what the report needs of it is there."""
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(Problem("", f"expected UTF-8 text, which byte {error.start} is not", str(path))) from None
    except (ValueError, RecursionError) as error:
        raise InputError(Problem("", f"expected JSON: {error}", str(path))) from None
    except OSError as error:
        raise InputError(Problem("", f"cannot be read: {error.strerror or error}", str(path))) from None
    problems = list(_faults(summary))
    if problems:
        raise InputError([Problem(p.key, f"{p.message}{_versions(summary)}", str(path)) for p in problems])
    return dict(summary)


def _faults(summary: Any) -> Iterator[Problem]:
    if not isinstance(summary, dict):
        yield Problem("", "expected an object")
        return
    for key in ("scenario", "provenance", "schemes", "compute", "costs", "codec", "cite", "workload"):
        if not isinstance(summary.get(key), dict):
            yield Problem(key, "expected an object")
    if not isinstance(summary.get("notes"), list):
        yield Problem("notes", "expected a list")
    schemes = summary.get("schemes")
    for name, item in schemes.items() if isinstance(schemes, dict) else ():
        if not isinstance(item, dict) or item.get("status") not in ("ok", "infeasible"):
            yield Problem(f"schemes.{name}.status", "expected 'ok' or 'infeasible'")
        elif item["status"] == "ok":
            lacking = [key for key in _FIGURES if key not in item]
            if lacking:
                yield Problem(f"schemes.{name}", f"expected also {', '.join(lacking)}")
            for key in _FIGURES:
                yield from _faults_of_figure(f"schemes.{name}.{key}", item.get(key))


def _faults_of_figure(key: str, value: Any) -> Iterator[Problem]:
    """Check a figure of a scheme: a number, a distribution of numbers, or nothing where it is not known."""
    if key.endswith("_s") and value is not None:
        if not isinstance(value, dict) or not set(_SPREAD) <= set(value):
            yield Problem(key, f"expected an object with {', '.join(_SPREAD)}")
            return
        values = [value[name] for name in _SPREAD]
    else:
        values = [value]
    if not all(item is None or (isinstance(item, (int, float)) and not isinstance(item, bool)) for item in values):
        yield Problem(key, "expected a number" if len(values) == 1 else "expected numbers")


def _read_table(path: Path, columns: Sequence[Column], summary: Mapping[str, Any]) -> pd.DataFrame:
    """Read a table; one that is damaged or of another form is an `InputError`."""
    with _readable(path):
        import pyarrow.parquet as parquet

        with parquet.ParquetFile(path) as file:
            _check_schema(path, file.schema_arrow, columns, summary)
            table: pd.DataFrame = file.read(columns=[column.name for column in columns]).to_pandas()
            return table


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what pyarrow raises on a damaged file into one clear error."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(Problem("", f"expected a Parquet table; it is damaged: {reason}", str(path))) from None


def _check_schema(path: Path, schema: Any, columns: Sequence[Column], summary: Mapping[str, Any]) -> None:
    """Refuse a table whose columns are missing or of another kind than this version writes."""
    found = {name: str(schema.field(name).type) for name in schema.names}
    problems = []
    for column in columns:
        kind = found.get(column.name)
        if kind is None:
            problems.append(Problem(column.name, f"expected this column{_versions(summary)}", str(path)))
        elif not any(kind == prefix or kind.lstrip("large_").startswith(prefix) for prefix in _KINDS[column.dtype]):
            message = f"expected {column.dtype}, got {kind}{_versions(summary)}"
            problems.append(Problem(column.name, message, str(path)))
    if problems:
        raise InputError(problems)


def _versions(summary: Any) -> str:
    """Say which versions meet, where they differ."""
    written = summary.get("provenance") if isinstance(summary, dict) else None
    version = written.get("version") if isinstance(written, dict) else None
    if version is None or version == __version__:
        return ""
    return f" (written by orbitsim {version}, read by {__version__}: run the scenario again)"
