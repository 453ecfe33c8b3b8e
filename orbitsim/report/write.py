"""The report's file: written under a temporary name and moved to its own when complete."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from orbitsim.errors import InputError, Problem
from orbitsim.report.comparison_page import comparison_page
from orbitsim.report.data import RunData, is_run, read_run
from orbitsim.report.page import Page
from orbitsim.report.run_page import run_page
from orbitsim.report.sweep_data import is_sweep, read_sweep
from orbitsim.report.sweep_page import sweep_page
from orbitsim.results.files import whole_file


def default_name(folders: Sequence[Path]) -> Path:
    """Return the file that a report goes to unless told otherwise: beside the folder, or here for several."""
    if len(folders) > 1:
        return Path("comparison.html")
    folder = folders[0].absolute()
    return folder.with_name(re.sub(r"[\x00-\x1f/]+", "-", folder.name or "report") + ".html")


def build_page(folders: Sequence[Path]) -> Page:
    """Read folders and return the page: of a run, of several side by side, or of a sweep.

    Raises
    ------
    InputError
        If a folder is not of a run, damaged, or given twice; every faulty folder is named.
    """
    if not folders:
        raise InputError("expected at least one folder of a run")
    places = [folder.resolve() for folder in folders]
    twice = sorted({str(folder) for folder, place in zip(folders, places, strict=True) if places.count(place) > 1})
    if twice:
        raise InputError([Problem("", "expected every folder once", folder) for folder in twice])
    sweeps = [folder for folder in folders if not is_run(folder) and is_sweep(folder)]
    if sweeps and len(folders) > 1:
        message = "expected one sweep alone, or runs alone; give a sweep a report of its own"
        raise InputError([Problem("", message, str(folder)) for folder in sweeps])
    if sweeps:
        return sweep_page(read_sweep(folders[0]))
    runs: list[RunData] = []
    problems: list[Problem] = []
    for folder in folders:
        try:
            runs.append(read_run(folder))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return run_page(runs[0]) if len(runs) == 1 else comparison_page(runs)


def check_file(path: Path, *, force: bool) -> None:
    """Refuse a file that exists unless it may be replaced, and one inside a run folder.

    Raises
    ------
    InputError
        If the file must not be written.
    """
    if path.is_dir():
        raise InputError(Problem("--out", "expected a file, found a folder", str(path)))
    parent = path.absolute().parent
    if is_run(parent) or is_sweep(parent):
        raise InputError(
            Problem("--out", "expected a place outside of the folder of results, which holds these alone", str(path))
        )
    if path.exists() and not force:
        raise InputError(Problem("--out", "exists; give --force to replace it", str(path)))


def write_page(page: Page, path: Path, *, force: bool = False) -> Path:
    """Write a page; the file appears under its name only when complete.

    Raises
    ------
    InputError
        If the file must not be written.
    OutputError
        If it cannot be; whatever existed before is unchanged.
    """
    check_file(path, force=force)
    text = page.html()
    with whole_file(path, force=force) as work:
        work.write_text(text, encoding="utf-8", newline="\n")
    return path
