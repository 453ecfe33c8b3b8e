"""Simulated cells: each a scenario and its schemes, run in some process, kept as a file as soon as it is done."""

from __future__ import annotations

import hashlib
import json
import math
import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from orbitsim import __version__
from orbitsim.errors import OutputError
from orbitsim.reproduce.setting import IDEALISED, Setting, shared_stages
from orbitsim.types.experiment import Bench

_PARTS = ("queue_s", "compute_s", "codec_s", "isl_s", "downlink_s", "propagation_s", "contact_wait_s")


def one_task(setting: Setting, delay_s: float) -> Setting:
    """Return the idealised twin with one task, in a scenario that is long enough for it.

    Every task of the twin runs alone on the same static network, so one stands for all.

    Parameters
    ----------
    setting : Setting
        What is run.
    delay_s : float
        The longest delay to expect. [s]
    """
    span_s = 600.0 * math.ceil(1.01 * delay_s / 600.0 + 1.0)
    return setting.plus(*IDEALISED, f"clock.duration_s={span_s!r}", f"clock.slot_s={span_s!r}")


def simulate(setting: Setting) -> dict[str, Any]:
    """Run a setting and return its figures by scheme, as plain data."""
    from orbitsim.pipeline.run import run_scenario

    scenario = setting.plus('run.record="tasks"', 'run.engine="vectorised"').scenario()
    result = run_scenario(scenario, stages=shared_stages())
    return {
        "schemes": {
            scheme: _figures(scheme, item, result.tables, scenario.clock.duration_s)
            for scheme, item in result.summary["schemes"].items()
        },
        "compute": {
            scheme: {"origin_s": dict(item["origin_s"]), "method_s": dict(item["method_s"])}
            for scheme, item in result.summary["compute"].items()
        },
        "codec": dict(result.summary["codec"]),
        "workload": dict(result.summary["workload"]),
        "settings": setting.in_words(),
    }


def _figures(scheme: str, item: Mapping[str, Any], tables: Mapping[str, Any], span_s: float) -> dict[str, Any]:
    """Return what is kept of a scheme: its tasks one by one, and sums."""
    if item["status"] != "ok":
        return {"status": item["status"], "reason": item["reason"], "delay_s": None}
    rows = tables["tasks"][tables["tasks"]["scheme"] == scheme]
    delivered = rows["status"] == "delivered"
    plans = tables["plans"][tables["plans"]["scheme"] == scheme]
    first = plans[(plans["t_s"] == plans["t_s"].min()) & (plans["task"] == plans["task"].min())]
    first = first.drop_duplicates("position").sort_values("position")
    return {
        "status": "ok",
        "delay_s": item["delay_s"]["mean"],
        "service_s": item["service_s"]["mean"],
        "tasks": item["tasks"],
        "delivered": item["delivered"],
        "undeliverable": item["undeliverable"],
        "isl_bytes": item["isl_bytes"],
        "downlink_bytes": item["downlink_bytes"],
        "energy_j": item["energy_j"],
        "delays_s": [_number(value) if ok else None for value, ok in zip(rows["delay_s"], delivered, strict=True)],
        "services_s": [_number(value) if ok else None for value, ok in zip(rows["service_s"], delivered, strict=True)],
        "task_bytes": [float(isl + down) for isl, down in zip(rows["isl_bytes"], rows["downlink_bytes"], strict=True)],
        # What a task that is never delivered has waited for when the scenario ends: a lower bound of its delay.
        "censored_s": [float(span_s - start_s) for start_s in rows["start_s"]],
        "parts_s": {part: _number(rows.loc[delivered, part].mean()) for part in _PARTS},
        "layers": [[int(a), int(b)] for a, b in zip(first["layer_start"], first["layer_stop"], strict=True)],
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def run_cells(bench: Bench, cells: Mapping[str, Setting]) -> dict[str, dict[str, Any]]:
    """Simulate cells, several at a time where the bench allows it; what an earlier attempt finished is not run again.

    Parameters
    ----------
    bench : Bench
        Processes, and the folder in which finished cells are kept.
    cells : mapping of str to Setting
        By a name of the caller's choice.

    Returns
    -------
    dict
        What `simulate` returns, by the same names.
    """
    found: dict[str, dict[str, Any]] = {}
    missing: dict[str, Setting] = {}
    for name, setting in cells.items():
        kept = _read(_file_of(bench, setting))
        if kept is None:
            missing[name] = setting
        else:
            found[name] = kept
    bench.progress("simulating", len(found), len(cells))
    for name, figures in _simulated(missing, bench.workers):
        _keep(_file_of(bench, cells[name]), figures)
        found[name] = figures
        bench.progress("simulating", len(found), len(cells))
    return {name: found[name] for name in cells}


def _simulated(cells: Mapping[str, Setting], workers: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the figures of cells as they are done."""
    if min(workers, len(cells)) <= 1:
        for name, setting in cells.items():
            yield name, simulate(setting)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(cells)), context, _leave_interrupts) as pool:
        futures = {pool.submit(simulate, setting): name for name, setting in cells.items()}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _leave_interrupts() -> None:
    """Let the first process alone be interrupted; the others end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _file_of(bench: Bench, setting: Setting) -> Path:
    """Return where a cell is kept: named by everything that determines it."""
    whole = json.dumps([__version__, setting.scenario().model_dump(mode="json")], sort_keys=True)
    return bench.folder / f"{hashlib.sha256(whole.encode()).hexdigest()[:24]}.json"


def _read(path: Path) -> dict[str, Any] | None:
    """Return a kept cell; None where there is none, or what is there cannot be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "schemes" in found else None


def _keep(path: Path, figures: Mapping[str, Any]) -> None:
    """Store a finished cell: it appears under its name only when complete."""
    partial = path.with_suffix(f".{os.getpid()}.partial")  # two runs may work on the same cell
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(figures, allow_nan=False), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def restricted_mean_s(figures: Mapping[str, Any]) -> float | None:
    """Return the mean delay over all tasks, those never delivered counted up to the end of the scenario. [s]

    Means over delivered tasks only compare different tasks where schemes deliver different ones. This is the restricted
    mean of survival analysis: every task counts, an undelivered one with a lower bound of its delay.
    """
    if figures["status"] != "ok" or not figures["delays_s"]:
        return None
    both = zip(figures["delays_s"], figures["censored_s"], strict=True)
    delays_s: Sequence[float] = [limit if delay is None else delay for delay, limit in both]
    return sum(delays_s) / len(delays_s)
