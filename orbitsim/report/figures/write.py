"""All static figures of a run, written into a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from orbitsim.errors import InputError, OutputError, Problem
from orbitsim.report.charts.gantt import chosen_tasks
from orbitsim.report.charts.utilisation import SlotCounter
from orbitsim.report.data import RunData, read_run
from orbitsim.report.figures import day, delays, links, load, pipeline
from orbitsim.report.figures.style import FORMATS, require_matplotlib, save, style
from orbitsim.results.store import write_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIMPLE: dict[str, Callable[[RunData], Figure | None]] = {
    "day": day.day,
    "delay-by-scheme": delays.delay_by_scheme,
    "delay-parts": delays.delay_parts,
    "delay-distribution": delays.cumulative,
    "contacts": day.contact_timeline,
    "rate-over-time": links.rate_over_time,
    "rate-over-elevation": links.rate_over_elevation,
    "plans": pipeline.plans,
}
NAMES = (*_SIMPLE, "utilisation", "gantt")
"""Figures by name, which are the names of their files; that of a pipeline (gantt) has its scheme added."""


def draw_figures(
    run: RunData, names: Sequence[str] | None = None, *, task: int | None = None
) -> Iterator[tuple[str, Figure]]:
    """Draw figures of a run, one after the other.

    Parameters
    ----------
    run : RunData
        The run.
    names : sequence of str, optional
        Which of `NAMES`; all when omitted.
    task : int, optional
        Whose pipeline is drawn; by default the task of median delay of each scheme.

    Yields
    ------
    name : str
        Of the figure.
    figure : matplotlib.figure.Figure
        The figure; none for what the run has nothing of (no contact, no plan that spreads the model, ...).

    Raises
    ------
    InputError
        When matplotlib is not installed, there is no such figure or no such task, or a table is damaged.
    """
    require_matplotlib()
    unknown = [name for name in names or () if name not in NAMES]
    if unknown:
        raise InputError(f"expected figures among {', '.join(NAMES)}, got {', '.join(unknown)}")
    chosen = names or NAMES
    for name in (name for name in _SIMPLE if name in chosen):
        with style():
            figure = _SIMPLE[name](run)
        if figure is not None:
            yield name, figure
    if not run.has_batches or not run.schemes or not {"utilisation", "gantt"} & set(chosen):
        return
    counter, rows_of = _read_batches(run, _tasks(run, task))
    if "utilisation" in chosen:
        with style():
            figure = load.utilisation(run, counter)
        if figure is not None:
            yield "utilisation", figure
    for scheme, (each, rows) in rows_of.items() if "gantt" in chosen else ():
        with style():
            figure = pipeline.gantt(run, rows, scheme, each)
        if figure is not None:
            yield f"gantt-{scheme}", figure


def _tasks(run: RunData, task: int | None) -> dict[str, int]:
    """Return the task of each scheme whose pipeline is drawn."""
    if task is None:
        return {scheme: tasks[0] for scheme, tasks in chosen_tasks(run).items() if tasks}
    known = set(run.tables["tasks"]["task"].tolist())
    if task not in known:
        raise InputError(Problem("task", f"expected one of the run, {min(known)} to {max(known)}, got {task}"))
    return dict.fromkeys(run.schemes, task)


def _read_batches(run: RunData, tasks: dict[str, int]) -> tuple[SlotCounter, dict[str, tuple[int, pd.DataFrame]]]:
    """Go once through the mini-batches: busy time by slot, and the rows of the chosen tasks."""
    counter = SlotCounter(run.span_s, run.scenario.clock.slot_s)
    parts: dict[str, list[pd.DataFrame]] = {scheme: [] for scheme in tasks}
    for rows in run.batches():
        counter.add(rows)
        for scheme, task in tasks.items():
            mine = rows[(rows["scheme"] == scheme) & (rows["task"] == task)]
            if len(mine):
                parts[scheme].append(mine.astype({"scheme": str, "place": str, "service": str}))
    found = {scheme: (tasks[scheme], pd.concat(each, ignore_index=True)) for scheme, each in parts.items() if each}
    return counter, found


def write_figures(
    folder: str | Path,
    out: str | Path,
    *,
    formats: Sequence[str] = FORMATS,
    names: Sequence[str] | None = None,
    task: int | None = None,
    force: bool = False,
) -> list[Path]:
    """Write the figures of a run into a folder, which appears only when all are drawn.

    Parameters
    ----------
    folder : str or Path
        The run folder.
    out : str or Path
        Folder for the figures.
    formats : sequence of str
        Of ``"png"``, ``"svg"`` and ``"pdf"``.
    names, task
        As for `draw_figures`.
    force : bool
        Replace figures that are there; a folder that holds anything else is never replaced.

    Returns
    -------
    list of Path
        The files. The same run gives the same bytes with the same versions of matplotlib and its fonts.

    Raises
    ------
    InputError
        When matplotlib is not installed, the run is damaged, a format or figure is unknown, or `out` must not be
        replaced.
    OutputError
        When `out` cannot be written.
    """
    wrong = [name for name in formats if name not in FORMATS]
    if wrong or not formats:
        raise InputError(
            Problem("--format", f"expected some of {', '.join(FORMATS)}, got {', '.join(wrong) or 'none'}")
        )
    require_matplotlib()
    target = Path(out)
    _check(target, force=force)
    run = read_run(Path(folder))
    files: list[str] = []

    def fill(work: Path) -> None:
        for name, figure in draw_figures(run, names, task=task):
            for suffix in dict.fromkeys(formats):
                with style():
                    save(figure, work / f"{name}.{suffix}")
                files.append(f"{name}.{suffix}")

    place = write_folder(target, fill, force=force, check=_check)
    return [place / name for name in files]


def _check(folder: Path, *, force: bool) -> None:
    """Refuse a folder that exists, unless it is empty, or holds figures alone and may be replaced."""
    try:
        if not folder.exists() and not folder.is_symlink():
            return
        if not folder.is_dir():
            raise InputError(Problem("--figures", "expected a folder, found a file", str(folder)))
        foreign = sorted(path.name for path in folder.iterdir() if path.suffix[1:] not in FORMATS)
        if foreign:
            raise InputError(
                Problem("--figures", f"expected a folder of figures; this one holds {foreign[0]}", str(folder))
            )
        if any(folder.iterdir()) and not force:
            raise InputError(Problem("--figures", "holds figures; give --force to replace them", str(folder)))
    except OSError as error:
        raise OutputError(f"{folder}: cannot be looked at: {error.strerror or error}") from error
