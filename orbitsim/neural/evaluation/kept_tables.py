"""What is in a folder of tables that a new call would write over without having it itself."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from orbitsim.errors import InputError, Problem
from orbitsim.neural.evaluation.experiment import Experiment, RowSpec
from orbitsim.neural.evaluation.row import Row
from orbitsim.neural.evaluation.table import RECORD, TABLES
from orbitsim.neural.evaluation.table_record import without_folders

_SHOWN = 3
_Line = tuple[str, str | None, str]
"""Data set, what codecs were calibrated on (None: trained ones say it themselves), method."""


def check_tables(folder: Path, experiment: Experiment, rows: Sequence[RowSpec | Row]) -> None:
    """Raise unless tables of these rows would have all that the folder's tables have.

    The rows themselves are never written over; going on with a call, or adding to it, loses nothing.

    Parameters
    ----------
    folder : Path
        Where `write_tables` would write.
    experiment : Experiment
        What measures the rows.
    rows : sequence of RowSpec or Row
        Rows that the new tables will have.

    Raises
    ------
    InputError
        Naming what would be lost.
    """
    if words := lost_words(folder, experiment, rows):
        advice = "name another folder, or give --force to replace the tables (the rows are kept)"
        raise InputError(Problem("--out", f"{words}; {advice}", str(folder)))


def lost_words(folder: Path, experiment: Experiment, rows: Sequence[RowSpec | Row]) -> str:
    """Return what a folder's tables have and tables of these rows would not; nothing where nothing would be lost.

    Tables that cannot be read may have anything.
    """
    path = folder / TABLES
    if not path.exists():
        return ""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8")) if (folder / RECORD).exists() else {}
        lost = _lost(json.loads(path.read_text(encoding="utf-8")), record, experiment, rows)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        return f"holds tables that cannot be read ({error!r})"
    if not lost:
        return ""
    more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
    return f"holds tables with what this call does not measure: {', '.join(lost[:_SHOWN])}{more}"


def _lost(
    content: dict[str, Any], record: dict[str, Any], experiment: Experiment, rows: Sequence[RowSpec | Row]
) -> list[str]:
    """Return the lines of a table of methods that a new one would not have with all its seeds, images and cuts.

    Tables from before a record stood beside them are compared by what they say themselves.
    """
    planned: dict[_Line, set[int]] = defaultdict(set)
    for row in rows:
        planned[_planned_line(experiment, row)].add(row.seed)
    n_seeds: Counter[_Line] = Counter()
    for r in content["methods"]:
        n_seeds[_line(r, r["codecs_calibrated_on"])] += r["n_seeds"]
    seeds: dict[_Line, set[int]] = defaultdict(set)
    for r in record.get("rows", []):
        seeds[_line(r, "; ".join(r["codecs_calibrated_on"]))] |= set(r["seeds"])
    measured_otherwise = any(facts != without_folders(experiment.facts()) for facts in record.get("models", []))
    kept_images = {(each["name"], each["key"]) for each in record.get("data", [])}
    other_images = {name for name, key in kept_images - _images(experiment, rows)}
    cuts: dict[tuple[str, str], set[int]] = defaultdict(set)
    for r in content["cuts"]:
        cuts[r["data"], r["method"]].add(r["cut"])
    lost = []
    for r in content["methods"]:
        line = _line(r, r["codecs_calibrated_on"])
        if (
            r["model"] != experiment.parts.name
            or measured_otherwise
            or r["data"] in other_images
            or len(planned[line]) < n_seeds[line]
            or not seeds[line] <= planned[line]
            or cuts[r["data"], r["method"]] != {*experiment.cuts}
        ):
            lost.append(f"{r['method']} on the {r['data']}")
    return list(dict.fromkeys(lost))


def _line(record: dict[str, Any], calibrated_on: str) -> _Line:
    return record["data"], None if record["kind"] == "trained" else calibrated_on, record["method"]


def _planned_line(experiment: Experiment, row: RowSpec | Row) -> _Line:
    if isinstance(row, Row):
        return row.data, None if row.kind == "trained" else row.calibrated_on, row.method
    other = None if row.calibration_data is None else experiment.name_of(row.calibration_data)
    calibrated_on = None if row.method.kind == "trained" else other or "training folds"
    return experiment.name_of(row.data), calibrated_on, row.method.label


def _images(experiment: Experiment, rows: Iterable[RowSpec | Row]) -> set[tuple[str, str]]:
    """Return names and keys of the images under test."""
    measured = {(row.data, row.data_key) for row in rows if isinstance(row, Row)}
    folders = {row.data for row in rows if isinstance(row, RowSpec)}
    return measured | {(experiment.name_of(folder), experiment.data_key(folder)) for folder in folders}
