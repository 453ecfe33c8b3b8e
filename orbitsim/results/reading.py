"""A run folder read back: its summary at once, its tables when they are asked for, each checked against its schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orbitsim import __version__
from orbitsim.errors import InputError, Problem
from orbitsim.results.store import SCENARIO, SUMMARY
from orbitsim.types.tables import TABLES

if TYPE_CHECKING:
    import pandas as pd

_SECTIONS = ("scenario", "provenance", "schemes", "compute", "notes")


class StoredRun:
    """A finished run, as its folder holds it.

    Parameters
    ----------
    folder : str or Path
        The run folder.

    Attributes
    ----------
    folder : Path
        The same.
    summary : dict
        What `summary.json` holds.

    Raises
    ------
    InputError
        When the folder is no run folder, or its summary cannot be read.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.summary: dict[str, Any] = _read_summary(self.folder)
        self._tables: dict[str, pd.DataFrame] = {}

    @property
    def name(self) -> str:
        """Name of the scenario."""
        return str(self.summary["scenario"]["name"])

    @property
    def version(self) -> str:
        """Version of orbitsim that wrote the folder."""
        return str(self.summary["provenance"].get("version", "unknown"))

    @property
    def scenario_file(self) -> Path:
        """The resolved scenario, which `load_scenario` takes."""
        return self.folder / SCENARIO

    @cached_property
    def table_names(self) -> tuple[str, ...]:
        """Tables that the folder holds, in the order of their schemas."""
        return tuple(name for name in TABLES if self._path(name).is_file())

    def table(self, name: str) -> pd.DataFrame:
        """Return a table; read once, and to be left unchanged.

        Raises
        ------
        InputError
            When the table is missing or cannot be read, or lacks columns of its schema.
        """
        if name not in self._tables:
            import pandas as pd

            path = self.checked_path(name)
            try:
                self._tables[name] = pd.read_parquet(path, columns=[column.name for column in TABLES[name]])
            except Exception as error:
                raise InputError(Problem("", _damaged(error), str(path))) from error
        return self._tables[name]

    def slices(self, name: str, columns: list[str], n_rows: int = 200_000) -> Iterator[pd.DataFrame]:
        """Yield some columns of a table a few rows at a time, so that a large one need not fit into memory.

        Raises
        ------
        InputError
            As `table` does.
        """
        import pyarrow.parquet as pq

        path = self.checked_path(name)
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=n_rows, columns=columns):
                    yield batch.to_pandas()
        except (OSError, ValueError) as error:  # Arrow's errors are of these kinds
            raise InputError(Problem("", _damaged(error), str(path))) from error

    def checked_path(self, name: str) -> Path:
        """Return the file of a table after a look at its columns.

        Raises
        ------
        InputError
            As `table` does.
        """
        import pyarrow.parquet as pq

        path = self._path(name)
        if not path.is_file():
            raise InputError(Problem("", self._missing(name), str(path)))
        try:
            found = set(pq.read_schema(path).names)
        except Exception as error:
            raise InputError(Problem("", _damaged(error), str(path))) from error
        lacking = [column.name for column in TABLES[name] if column.name not in found]
        if lacking:
            raise InputError(
                Problem("", f"expected the columns {', '.join(lacking)} too{self._other_version()}", str(path))
            )
        return path

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"

    def _missing(self, name: str) -> str:
        if name == "batches" and self.summary["scenario"]["run"]["record"] != "batches":
            return 'no such table: the run recorded tasks only; run it again with run.record = "batches"'
        if not any(item["status"] == "ok" for item in self.summary["schemes"].values()):
            return "no such table: no scheme of this run could run"
        return f"no such table: the run folder is not complete{self._other_version()}"

    def _other_version(self) -> str:
        if self.version == __version__:
            return ""
        return f"; orbitsim {self.version} wrote it, this is {__version__}: run its scenario.json again"


def is_run_folder(path: str | Path) -> bool:
    """Tell whether a path is that of a run folder, whole or damaged: a folder with a summary or a table of tasks."""
    try:
        return any((Path(path) / name).is_file() for name in (SUMMARY, "tasks.parquet"))
    except OSError:
        return False


def _read_summary(folder: Path) -> dict[str, Any]:
    path = folder / SUMMARY
    try:
        if not folder.is_dir():
            what = "a file" if folder.exists() else "nothing"
            raise InputError(Problem("", f"expected a run folder, found {what}", str(folder)))
        if not path.is_file():
            hint = _runs_within(folder)
            raise InputError(Problem("", f"expected a run folder: it holds no {SUMMARY}{hint}", str(folder)))
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(Problem("", f"cannot be read: {error.strerror or error}", str(folder))) from error
    except UnicodeDecodeError as error:
        raise InputError(Problem("", "expected UTF-8 text", str(path))) from error
    try:
        summary: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(Problem("", f"expected JSON: {error}", str(path))) from error
    lacking = [key for key in _SECTIONS if not isinstance(summary, dict) or key not in summary]
    if lacking:
        raise InputError(Problem("", f"expected the summary of a run, with {', '.join(lacking)}", str(path)))
    return dict(summary)


def _runs_within(folder: Path) -> str:
    """Return a hint at run folders one level below, where a folder of several runs was given."""
    inner = sorted(path.parent.name for path in folder.glob(f"*/{SUMMARY}"))
    return f"; did you mean {folder / inner[0]}?" if inner else ""


def _damaged(error: Exception) -> str:
    words = str(error).strip().splitlines()
    return f"cannot be read as a table: {words[0] if words else type(error).__name__}"
