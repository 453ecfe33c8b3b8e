"""Results: the tables and the summary of a run as data frames, made now or read from a run folder."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orbitsim.errors import InputError
from orbitsim.loading import load_scenario
from orbitsim.results import store
from orbitsim.results.console import basis_lines, folder_name
from orbitsim.results.headline import HEADINGS, headline_row, reasons, scheme_table
from orbitsim.results.reading import StoredRun
from orbitsim.scenario import Scenario
from orbitsim.scenario.root import validate_scenario
from orbitsim.types.tables import TABLES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_TABLES = tuple(TABLES)


class Results:
    """What a run found.

    Parameters
    ----------
    summary : mapping
        What `summary.json` holds.
    tables : mapping of str to DataFrame, or StoredRun
        Tables by name; those of a run folder are read when they are asked for.

    Attributes
    ----------
    summary : mapping
        Figures of every scheme, what compute times and costs rest on, provenance, what to cite.
    folder : Path or None
        The run folder, if the results were written or read.
    """

    def __init__(self, summary: Mapping[str, Any], tables: Mapping[str, pd.DataFrame] | StoredRun) -> None:
        self.summary = summary
        self._tables = tables
        self.folder: Path | None = tables.folder if isinstance(tables, StoredRun) else None
        self._kept: tempfile.TemporaryDirectory[str] | None = None

    # -- tables ----------------------------------------------------------------------------------------------------

    @property
    def table_names(self) -> tuple[str, ...]:
        """Tables that there are; their columns are described in `orbitsim.types.tables`."""
        if isinstance(self._tables, StoredRun):
            return self._tables.table_names
        return tuple(name for name in _TABLES if name in self._tables)

    def table(self, name: str) -> pd.DataFrame:
        """Return a table by name.

        Raises
        ------
        InputError
            When there is no table of that name, this run made none, or its file is damaged.
        """
        if name not in _TABLES:
            raise InputError(f"expected a table, one of {', '.join(_TABLES)}, got {name!r}")
        if isinstance(self._tables, StoredRun):
            return self._tables.table(name)
        if name not in self._tables:
            why = "it recorded tasks only (run.record)" if name == "batches" and self.schemes_ran else "no scheme ran"
            raise InputError(f"this run made no table {name}: {why}")
        return self._tables[name]

    @property
    def tasks(self) -> pd.DataFrame:
        """One row for each scheme and task: delay, service time, its parts, bytes. [s, B]"""
        return self.table("tasks")

    @property
    def batches(self) -> pd.DataFrame:
        """One row for each passage of a mini-batch through a processor or a link. [s]"""
        return self.table("batches")

    @property
    def contacts(self) -> pd.DataFrame:
        """One row for each contact of a satellite with a station or target. [s, deg, m]"""
        return self.table("contacts")

    @property
    def links(self) -> pd.DataFrame:
        """One row for each step and link that carried something: range, elevation, SNR, rate. [s, m, deg, dB, bit/s]"""
        return self.table("links")

    @property
    def plans(self) -> pd.DataFrame:
        """One row for each answer of the planner and node. [s, bit/s]"""
        return self.table("plans")

    @property
    def resources(self) -> pd.DataFrame:
        """One row for each scheme and place that was used: busy time, utilisation, bytes. [s, B]"""
        return self.table("resources")

    @property
    def devices(self) -> pd.DataFrame:
        """One row for each scheme and computer: what its times rest on, energy. [s, J, W]"""
        return self.table("devices")

    # -- summary ---------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of the scenario."""
        return str(self.summary["scenario"]["name"])

    @cached_property
    def scenario(self) -> Scenario:
        """The resolved scenario; running it again makes the same tables.

        Raises
        ------
        InputError
            When a file that it names is not there any more.
        """
        if isinstance(self._tables, StoredRun):
            return load_scenario(self._tables.scenario_file)
        return validate_scenario(self.summary["scenario"])

    @cached_property
    def schemes(self) -> pd.DataFrame:
        """One row for each scheme: status, counts, delay and service time, bytes, energy. [s, B, J]"""
        return scheme_table(self.summary["schemes"])

    @property
    def schemes_ran(self) -> tuple[str, ...]:
        """Schemes that could run."""
        return tuple(name for name, item in self.summary["schemes"].items() if item["status"] == "ok")

    @property
    def notes(self) -> tuple[str, ...]:
        """What one should know beside the figures."""
        return tuple(self.summary["notes"])

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Versions, command, seed, time, hashes of the inputs."""
        found: Mapping[str, Any] = self.summary["provenance"]
        return found

    # -- files -----------------------------------------------------------------------------------------------------

    def save(self, out: str | Path, *, force: bool = False) -> Path:
        """Write a run folder, as `orbitsim run --out` does; it appears only when complete.

        Parameters
        ----------
        out : str or Path
            The folder.
        force : bool
            Replace an existing run folder.

        Raises
        ------
        InputError
            When the folder exists and must not be replaced.
        OutputError
            When it cannot be written.
        """
        tables = {name: self.table(name) for name in self.table_names}
        folder = store.write_run(Path(out), self.summary, tables, force=force)
        if self.folder is None:
            self.folder = folder
        return folder

    def report(self, out: str | Path, *, force: bool = False) -> Path:
        """Write the report, one self-contained HTML file, as `orbitsim report` does.

        Parameters
        ----------
        out : str or Path
            The file.
        force : bool
            Replace an existing file.

        Raises
        ------
        InputError
            When the file must not be written, or a table is damaged.
        OutputError
            When it cannot be written.
        """
        from orbitsim.report.write import build_page, check_file, write_page

        path = Path(out)
        check_file(path, force=force)
        return write_page(build_page([self._stored()]), path, force=force)

    def figures(
        self,
        out: str | Path,
        *,
        formats: Sequence[str] = ("png", "svg", "pdf"),
        names: Sequence[str] | None = None,
        task: int | None = None,
        force: bool = False,
    ) -> list[Path]:
        """Write static figures for papers, as `orbitsim report --figures` does.

        Parameters
        ----------
        out : str or Path
            Folder for them.
        formats : sequence of str
            Of ``"png"``, ``"svg"`` and ``"pdf"``.
        names : sequence of str, optional
            Which of `orbitsim.report.figures.write.NAMES`; all when omitted.
        task : int, optional
            Whose pipeline is drawn; by default the task of median delay.
        force : bool
            Replace figures that are there.

        Raises
        ------
        InputError
            When a figure or format is unknown, the folder must not be written, or matplotlib is not installed.
        OutputError
            When it cannot be written.
        """
        from orbitsim.report.figures.write import write_figures

        return write_figures(self._stored(), out, formats=formats, names=names, task=task, force=force)

    def figure(self, name: str, *, task: int | None = None) -> Figure | None:
        """Draw one figure, which a notebook shows.

        Parameters
        ----------
        name : str
            One of `orbitsim.report.figures.write.NAMES`; of a pipeline with its scheme (``"gantt-hybrid"``).
        task : int, optional
            Whose pipeline is drawn; by default the task of median delay.

        Returns
        -------
        matplotlib.figure.Figure or None
            None where the run has nothing of it.

        Raises
        ------
        InputError
            When there is no such figure, or matplotlib is not installed.
        """
        from orbitsim.report.data import read_run
        from orbitsim.report.figures.write import draw_figures

        kind = "gantt" if name.startswith("gantt-") else name
        return dict(draw_figures(read_run(self._stored()), [kind], task=task)).get(name)

    def export(
        self,
        kind: str,
        out: str | Path,
        *,
        schemes: Sequence[str] | None = None,
        tasks: Sequence[int] | None = None,
        arrows: bool | None = None,
        at_s: float | None = None,
        force: bool = False,
    ) -> Path:
        """Write the run in a format of other tools, as `orbitsim export` does.

        Parameters
        ----------
        kind : str
            ``"perfetto"``, ``"czml"``, ``"contact-plan"``, ``"ion"`` or ``"graph"``.
        out : str or Path
            The file.
        schemes, tasks, arrows
            Of a timeline: only these schemes and tasks; draw arrows between the stages of a mini-batch.
        at_s : float, optional
            Of a graph: when, since the epoch. [s]
        force : bool
            Replace an existing file.

        Raises
        ------
        InputError
            When there is no such kind, an option is for another one, or the file must not be written.
        OutputError
            When it cannot be written.
        """
        from orbitsim.export.kinds import Options, export

        options = Options(schemes=schemes, tasks=tasks, arrows=arrows, at_s=at_s)
        export(kind, out, scenario=self.scenario, run=StoredRun(self._stored()), options=options, force=force)
        return Path(out)

    def _stored(self) -> Path:
        """Return the run folder to work with: its own, or one that is kept as long as these results."""
        if self.folder is not None:
            return self.folder
        if self._kept is None:
            kept = tempfile.TemporaryDirectory(prefix="orbitsim-")
            tables = {name: self.table(name) for name in self.table_names}
            store.write_run(Path(kept.name) / folder_name(self.name), self.summary, tables)
            self._kept = kept
        return Path(self._kept.name) / folder_name(self.name)

    # -- on the screen ---------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"<Results of {self.name}: {', '.join(self.summary['schemes'])}; tables {', '.join(self.table_names)}>"

    def _repr_html_(self) -> str:
        """Return the headline table for a notebook; every text of the scenario is escaped."""
        heads = "".join(f'<th scope="col" style="{_cell(i)}">{escape(text)}</th>' for i, text in enumerate(HEADINGS))
        rows = []
        for scheme, item in self.summary["schemes"].items():
            cells = [escape(text) for text in headline_row(scheme, item)]
            first = f'<th scope="row" style="{_cell(0)}">{cells[0]}</th>'
            rest = "".join(f'<td style="{_cell(i)}">{text}</td>' for i, text in enumerate(cells[1:], start=1))
            rows.append(f"<tr>{first}{rest}</tr>")
        lines = [*basis_lines(self.summary), *reasons(self.summary["schemes"]), *(f"note: {n}" for n in self.notes)]
        below = "".join(f"<div>{escape(line)}</div>" for line in lines)
        return (
            f'<table><caption style="caption-side: top; text-align: left"><b>{escape(self.name)}</b></caption>'
            f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>{below}"
        )


def _cell(column: int) -> str:
    return "text-align: left" if column == 0 else "text-align: right"


def read_results(folder: str | Path) -> Results:
    """Read a run folder; its tables are read when they are asked for.

    Parameters
    ----------
    folder : str or Path
        The folder that `orbitsim run` or `Results.save` wrote.

    Raises
    ------
    InputError
        When it is no run folder, or its summary cannot be read.
    """
    stored = StoredRun(folder)
    return Results(stored.summary, stored)
