"""A reproduction: experiments measured one after the other, each kept as soon as it is done, then one folder of all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orbitsim import __version__
from orbitsim.errors import InputError, OutputError, Problem
from orbitsim.report.figures.style import require_matplotlib
from orbitsim.reproduce.document import write_table
from orbitsim.reproduce.figures import draw_figures
from orbitsim.reproduce.redo import RESULTS, result_of
from orbitsim.reproduce.registry import load_experiment, missing_extra
from orbitsim.results.provenance import provenance
from orbitsim.results.store import write_json
from orbitsim.types.experiment import Bench, Experiment, Progress

TABLE = "table.md"
_KEPT = "measured.json"


@dataclass
class Reproduction:
    """What came of it.

    Attributes
    ----------
    results : dict
        By experiment: what ``results.json`` holds of it.
    notes : list of str
        What the user should know beside the tables: experiments that were left out, and why.
    """

    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def reproduce(
    names: Sequence[str],
    folder: Path,
    *,
    command: Sequence[str],
    small: bool,
    workers: int,
    resume: bool,
    force: bool,
    data: Sequence[Path] = (),
    shared: Path | None = None,
    progress: Progress,
) -> Reproduction:
    """Measure experiments and write the folder of their results.

    The folder appears under its name only when complete. Until then everything measured lies in a hidden folder beside
    it, from which `resume` goes on.

    Parameters
    ----------
    names : sequence of str
        Experiments. One whose optional dependencies or data are missing is left out with a note where several are
        asked for; it is an error where it is the only one.
    folder : Path
        Where the results go.
    command : sequence of str
        Command line, for the record.
    small, workers, data, shared
        Of `Bench`.
    resume, force : bool
        Go on with an interrupted run of the same folder; replace what is there.
    progress : callable
        Told how far the run is.

    Raises
    ------
    InputError
        If the folder must not be replaced, or nothing asked for can run.
    OutputError
        If something cannot be written.
    """
    require_matplotlib()
    outcome = Reproduction()
    experiments = _available(names, outcome)
    folder = folder.absolute()
    work = folder.with_name(f".{folder.name}.unfinished")
    _check_targets(folder, work, resume=resume, force=force)
    _check_version(_made(work), work, small=small)
    for experiment in experiments:
        with_name = _renamed(progress, experiment.name)
        bench = Bench(small, workers, work / experiment.name, with_name, tuple(data), shared)
        try:
            measured = _measured(experiment, bench)
        except InputError as error:
            if len(experiments) == 1:
                raise
            outcome.notes.append(f"{experiment.name} left out: {'; '.join(str(p) for p in error.problems)}")
            continue
        outcome.results[experiment.name] = result_of(experiment, measured)
        _write(lambda e=experiment, m=measured: draw_figures(e, m, work / "figures"), work)
    if not outcome.results:
        raise InputError([Problem("", note) for note in outcome.notes])
    _write(lambda: _fill(work, outcome, command, small=small), work)
    _write(lambda: _move(work, folder), folder)
    return outcome


def _available(names: Sequence[str], outcome: Reproduction) -> list[Experiment]:
    """Return the experiments that can run; a note for each that cannot."""
    found = []
    for name in names:
        missing = missing_extra(name)
        if missing and len(names) > 1:
            outcome.notes.append(f"{name} left out: {missing}")
        else:
            found.append(load_experiment(name))
    if not found:
        raise InputError([Problem("", note) for note in outcome.notes])
    return found


def _check_targets(folder: Path, work: Path, *, resume: bool, force: bool) -> None:
    try:
        if folder.exists() and not folder.is_dir():
            raise InputError(Problem("--out", "expected a folder, found a file", str(folder)))
        if folder.is_dir() and any(folder.iterdir()):
            if not (folder / RESULTS).is_file():
                message = "expected a new or empty folder; this one holds other files"
                raise InputError(Problem("--out", message, str(folder)))
            if not force:
                raise InputError(Problem("--out", "holds finished results; give --force to replace them", str(folder)))
        if work.exists() and not resume:
            if not force:
                message = f"an interrupted run is kept in {work.name}; --resume goes on with it, --force starts anew"
                raise InputError(Problem("--out", message, str(folder)))
            shutil.rmtree(work)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be looked at: {error.strerror or error}") from error


def _made(work: Path) -> Path:
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{work.parent}: cannot be written: {error.strerror or error}") from error
    return work


def _check_version(work: Path, shown: Path, *, small: bool) -> None:
    """Refuse to go on with what another version, or a run of the other size, has measured."""
    mark, now = work / "run.json", {"version": __version__, "small": small}
    try:
        before = json.loads(mark.read_text(encoding="utf-8")) if mark.is_file() else None
    except (OSError, ValueError):
        before = {}
    if before is not None and before != now:
        found = (
            "cannot be read" if not before else f"is of version {before.get('version')}, small = {before.get('small')}"
        )
        message = (
            f"the interrupted run {found}; this one is of version {__version__}, small = {small}: --force starts anew"
        )
        raise InputError(Problem("--resume", message, str(shown)))
    _write(lambda: write_json(mark, now), work)


def _renamed(progress: Progress, name: str) -> Progress:
    def report(words: str, done: int, total: int) -> None:
        progress(f"{name}: {words}", done, total)

    return report


def _measured(experiment: Experiment, bench: Bench) -> dict[str, Any]:
    """Return what an experiment measures; what an earlier attempt kept is not measured again."""
    kept = bench.folder / _KEPT
    with suppress(OSError, ValueError):
        found = json.loads(kept.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    _write(lambda: bench.folder.mkdir(parents=True, exist_ok=True), bench.folder)
    bench.progress("measuring", 0, 1)
    measured = experiment.measure(bench)
    partial = kept.with_suffix(f".{os.getpid()}.partial")
    _write(lambda: write_json(partial, measured), bench.folder)
    _write(lambda: partial.replace(kept), bench.folder)
    # As it will be read: numbers and texts only, keys as texts.
    reread: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return reread


def _fill(work: Path, outcome: Reproduction, command: Sequence[str], *, small: bool) -> None:
    document = {
        "small": small,
        "provenance": provenance(command, 1, []),
        "notes": outcome.notes,
        "experiments": outcome.results,
    }
    write_json(work / RESULTS, document)
    write_table(work / TABLE, document)


def _move(work: Path, folder: Path) -> None:
    """Move results and figures to their folder, and drop what was kept to go on from."""
    finished = work / "finished"
    shutil.rmtree(finished, ignore_errors=True)
    finished.mkdir()
    for name in (RESULTS, TABLE, "figures"):
        (work / name).rename(finished / name)
    if folder.is_dir():
        aside = folder.with_name(f".{folder.name}.{datetime.now(UTC):%Y%m%dT%H%M%S%f}.replaced")
        folder.rename(aside)
        try:
            finished.rename(folder)
        except OSError:
            aside.rename(folder)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    else:
        finished.rename(folder)
    shutil.rmtree(work, ignore_errors=True)


def _write(action: Any, where: Path) -> None:
    try:
        action()
    except OSError as error:
        raise OutputError(f"{where}: cannot be written: {error.strerror or error}") from error
