"""Which rows are repetitions of one measurement with other seeds, and which only bear the same name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from orbitsim.errors import InputError, Problem
from orbitsim.neural.evaluation.experiment import Experiment, RowSpec
from orbitsim.neural.evaluation.methods import Method
from orbitsim.neural.evaluation.row import Row
from orbitsim.neural.evaluation.row_origin import seen_words
from orbitsim.neural.evaluation.trained import TrainedCodecs


def row_groups(rows: Iterable[Row]) -> list[list[Row]]:
    """Return rows by what they rest on, in the order of their first; those of a group differ by their seed alone.

    Raises
    ------
    InputError
        When a seed stands twice for the same images and method: then one of the rows is of something else.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(_basis(row), []).append(row)
    problems = []
    for group in groups.values():
        seeds = [row.seed for row in group]
        if len(set(seeds)) != len(seeds):
            first = group[0]
            problems.append(
                Problem("rows", f"expected each seed once, got {seeds} of {first.method} on the {first.data}")
            )
    if problems:
        raise InputError(problems)
    return list(groups.values())


def _basis(row: Row) -> str:
    """Return all that the seeds of a measurement have in common."""
    # The seeds of a training may have had different numbers of images: they are one method all the same.
    calibration = None if row.kind == "trained" else [row.calibration, row.calibration_key]
    basis = [row.data, row.data_key, calibration, row.method, row.kind, row.facts, seen_words(row)]
    return json.dumps(basis, sort_keys=True)


def repeated_specs(experiment: Experiment, specs: Sequence[RowSpec]) -> Iterator[Problem]:
    """Yield a problem for everything that tables of these rows would mistake for seeds of one measurement.

    Keys are ``data``, ``trained``, and, for methods, the target that two of them share (or ``methods``).
    """
    yield from _repeated_data(experiment, specs)
    seen: dict[tuple[Path, str, str | None, int], RowSpec] = {}
    trained = {spec.method.label for spec in specs if isinstance(spec.method, TrainedCodecs)}
    told: set[str] = set()
    for spec in specs:
        label = spec.method.label
        others = None if isinstance(spec.method, TrainedCodecs) else spec.calibration_data
        other = others and experiment.name_of(others) + experiment.data_key(others)
        former = seen.setdefault((Path(spec.data).resolve(), label, other, spec.seed), spec)
        if label in told:
            continue
        if former is not spec:
            told.add(label)
            yield _repeated(former.method, spec.method)
        elif isinstance(spec.method, Method) and label in trained:
            told.add(label)
            yield Problem("trained", f"expected another name than that of the method {label}")


def _repeated(one: Method | TrainedCodecs, other: Method | TrainedCodecs) -> Problem:
    if isinstance(one, TrainedCodecs) and isinstance(other, TrainedCodecs):
        folders = " and ".join(dict.fromkeys([one.folder, other.folder]))
        return Problem("trained", f"expected each name once, {other.label!r} is twice that of {folders}")
    if isinstance(one, TrainedCodecs) or isinstance(other, TrainedCodecs):
        return Problem("trained", f"expected another name than that of the method {other.label}")
    key = "cut_ratio" if other.only_cut is not None else "ratio" if other.ratio else "error" if other.error else ""
    return Problem(key or "methods", f"expected each method once, got {other.label} twice")


def _repeated_data(experiment: Experiment, specs: Sequence[RowSpec]) -> Iterator[Problem]:
    names: dict[str, str] = {}
    keys: dict[str, str] = {}
    folders = {Path(spec.data).resolve(): spec.data for spec in specs}
    for folder in folders.values():
        name, key = experiment.name_of(folder), experiment.data_key(folder)
        one, same = names.setdefault(name, folder), keys.setdefault(key, folder)
        if same != folder:
            yield Problem("data", f"expected each image once, {same} and {folder} hold the same images")
        elif one != folder:
            yield Problem("data", f"{one} and {folder} would both be the {name!r} in tables; rename one of the folders")
