"""Tables and figures from finished results: judged and drawn anew, nothing measured again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orbitsim.errors import InputError, OrbitsimError, Problem
from orbitsim.reproduce.registry import EXPERIMENTS, load_experiment, missing_extra
from orbitsim.types.experiment import Effect, Experiment, Finding

RESULTS = "results.json"


def result_of(experiment: Experiment, measured: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything about an experiment as plain data.

    Parameters
    ----------
    experiment : Experiment
        What was measured.
    measured : mapping
        What `Experiment.measure` returned, as JSON holds it.

    Raises
    ------
    OrbitsimError
        If the findings are not those of the statements: a defect of the experiment.
    """
    findings: list[Finding] = list(experiment.judge(measured))
    effects: list[Effect] = list(experiment.effects(measured)) if experiment.effects is not None else []
    stated = [statement.name for statement in experiment.statements]
    if [finding.statement for finding in findings] != stated:
        raise OrbitsimError(f"{experiment.name}: found {[f.statement for f in findings]}, the statements are {stated}")
    return {
        "title": experiment.title,
        "source": experiment.source,
        "caption": experiment.caption,
        "settings": list(experiment.settings),
        "statements": [asdict(statement) for statement in experiment.statements],
        "findings": [asdict(finding) for finding in findings],
        "assumptions": [asdict(assumption) for assumption in experiment.assumptions],
        "effects": [asdict(effect) for effect in effects],
        "figures": sorted(experiment.draw(measured)),
        "data": dict(measured),
    }


def read_results(folder: Path) -> dict[str, Any]:
    """Return what ``results.json`` of a finished reproduction holds.

    Raises
    ------
    InputError
        If the folder holds none, or one that cannot be read.
    """
    path = folder / RESULTS
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = "expected a folder of a finished reproduction"
        raise InputError(Problem("", f"{message}: {error.strerror or error}", str(path))) from None
    except ValueError as error:
        raise InputError(Problem("", f"expected JSON: {error}", str(path))) from None
    if not isinstance(found, dict) or not isinstance(found.get("experiments"), dict):
        raise InputError(Problem("experiments", "expected the results of a reproduction", str(path)))
    return found


def judged_again(document: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[Experiment, Mapping[str, Any]]]]:
    """Judge measured data anew, with the statements and reasons that the code has now.

    Parameters
    ----------
    document : mapping
        Of `read_results`.

    Returns
    -------
    dict
        The same with new findings; experiments that cannot be loaded here stay as they are.
    list of (Experiment, mapping)
        Those that can be drawn anew, with their data.
    """
    results: dict[str, Any] = {}
    drawable: list[tuple[Experiment, Mapping[str, Any]]] = []
    for name, item in document["experiments"].items():
        if name not in EXPERIMENTS or missing_extra(name):
            results[name] = item
            continue
        experiment = load_experiment(name)
        results[name] = result_of(experiment, item["data"])
        drawable.append((experiment, item["data"]))
    return {**document, "experiments": results}, drawable
