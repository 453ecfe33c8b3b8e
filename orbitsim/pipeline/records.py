"""From a scheme's simulation to rows of the run's tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from orbitsim.plan.stages import ORIGINS
from orbitsim.results.frames import categories, frame
from orbitsim.sim.controller import Decision
from orbitsim.sim.jobs import PART_COLUMNS, Part, Task
from orbitsim.sim.scheme import SchemeRun
from orbitsim.types.route import Route

if TYPE_CHECKING:
    import pandas as pd

_SERVICES = {Part.COMPUTE: "compute", Part.ISL: "isl", Part.DOWNLINK: "downlink"}


def task_table(scheme: str, run: SchemeRun) -> pd.DataFrame:
    """Return the rows of `tasks` of one scheme."""
    tasks = run.tasks
    done = np.array([not math.isnan(task.end_s) for task in tasks], dtype=bool)
    start_s = np.array([task.start_s for task in tasks])
    end_s = np.array([task.end_s for task in tasks])
    parts = np.array([_parts(task) for task in tasks]).reshape(-1, len(PART_COLUMNS))
    delay_s = end_s - start_s
    columns: dict[str, Any] = {
        "scheme": _repeated(scheme, len(tasks)),
        "task": [task.index for task in tasks],
        "start_s": start_s,
        "end_s": end_s,
        "delay_s": delay_s,
        "service_s": delay_s - parts[:, Part.CONTACT_WAIT],
        "status": np.where(done, "delivered", "unfinished"),
        "undeliverable": [task.undeliverable for task in tasks],
        "n_batches": [task.n_batches for task in tasks],
        "n_delivered": [task.n_delivered for task in tasks],
        "isl_bytes": [task.isl_bytes for task in tasks],
        "downlink_bytes": [task.downlink_bytes for task in tasks],
    }
    columns |= {name: parts[:, index] for index, name in enumerate(PART_COLUMNS)}
    return frame("tasks", columns)


def _parts(task: Task) -> list[float]:
    finished = task.last is not None and not math.isnan(task.end_s)
    return task.last.parts if finished and task.last is not None else [math.nan] * len(PART_COLUMNS)


def batch_table(scheme: str, run: SchemeRun) -> pd.DataFrame:
    """Return the rows of `batches` of one scheme."""

    def joined(name: str, dtype: Any) -> Any:
        arrays = [getattr(passages, name) for passages in run.passages]
        return np.concatenate(arrays) if arrays else np.empty(0, dtype)

    part = joined("part", np.int8)
    services = list(_SERVICES)
    codes = np.full(len(Part), -1, dtype=np.int8)
    codes[services] = range(len(services))
    return frame(
        "batches",
        {
            "scheme": _repeated(scheme, len(part)),
            "task": joined("task", np.int32),
            "batch": joined("batch", np.int32),
            "place": categories(joined("place", np.int32), run.place_names),
            "service": categories(codes[part], list(_SERVICES.values())),
            "start_s": joined("start_s", np.float64),
            "end_s": joined("end_s", np.float64),
        },
    )


def plan_table(scheme: str, run: SchemeRun, node_names: Callable[[Route], Sequence[str]]) -> pd.DataFrame:
    """Return the rows of `plans` of one scheme: a row for each node where the plan changed, one where it did not."""
    rows: list[tuple[Any, ...]] = []
    for record in run.plans:
        decision = record.decision
        nodes = range(decision.plan.n_nodes) if record.changed else range(1)
        names = node_names(decision.route)
        rows.extend(
            (
                record.t_s,
                record.reason,
                -1 if record.task is None else record.task,
                record.changed,
                decision.kept,
                decision.switch_s,
                decision.planner_used,
                decision.plan_of,
                ">".join(names),
                *_proof(decision),
                names[node],
                node,
                *decision.plan.layers[node],
                math.nan if decision.plan.ratio[node] is None else decision.plan.ratio[node],
                decision.total_s,
                decision.lower_bound_s,
                decision.downlink_bps,
            )
            for node in nodes
        )
    columns_of_row = (
        "t_s", "reason", "task", "changed", "kept", "switch_s", "planner_used", "plan_of", "route", "candidates",
        "simulated", "proved", "node", "position", "layer_start", "layer_stop", "ratio", "expected_s",
        "lower_bound_s", "downlink_bps",
    )  # fmt: skip
    columns: dict[str, Any] = {name: [row[index] for row in rows] for index, name in enumerate(columns_of_row)}
    return frame("plans", {"scheme": _repeated(scheme, len(rows)), **columns})


def _proof(decision: Decision) -> tuple[int, int, bool]:
    """Return how many candidates a choice had, how many were simulated, and whether it is proved."""
    chosen = decision.chosen
    if chosen is None:
        return 0, 0, True
    proved = chosen.lower_bound_s >= chosen.delivery_s
    return chosen.n_candidates, chosen.n_simulated, proved


def resource_table(scheme: str, run: SchemeRun, open_s: Mapping[str, float], span_s: float) -> pd.DataFrame:
    """Return the rows of `resources` of one scheme.

    Parameters
    ----------
    scheme : str
        Its name.
    run : SchemeRun
        Its simulation.
    open_s : mapping of str to float
        Open time of each link by name; other places are open all the time. [s]
    span_s : float
        Length of the scenario. [s]
    """
    places = run.places
    available_s = np.array([open_s.get(place.name, span_s) for place in places])
    busy_s = np.array([place.busy_s for place in places])
    utilisation = np.divide(busy_s, available_s, out=np.zeros_like(busy_s), where=available_s > 0.0)
    return frame(
        "resources",
        {
            "scheme": _repeated(scheme, len(places)),
            "place": [place.name for place in places],
            "kind": [place.kind for place in places],
            "busy_s": busy_s,
            "open_s": available_s,
            "utilisation": utilisation,
            "n_bytes": [place.n_bytes for place in places],
            "n_served": [place.n_served for place in places],
        },
    )


def links_used(run: SchemeRun) -> set[tuple[int, int]]:
    """Return the links over which a mini-batch was sent: source and target by node index.

    Transmissions that the end of the scenario cuts off do not count, as in `resources`.
    """
    return {(step.node, step.target) for step in run.steps if step.count and step.target is not None}


def energy_j(run: SchemeRun) -> float | None:
    """Return the energy of all computing, or None where a step's energy is not known. [J]"""
    energies = [step.spent.energy_j for step in _computing(run)]
    return None if any(energy is None for energy in energies) else math.fsum(e for e in energies if e is not None)


def origin_seconds(run: SchemeRun) -> list[float]:
    """Return simulated compute time by origin of its cost, in the order of `ORIGINS`. [s]"""
    seconds = [step.spent.origin_s for step in _computing(run)]
    return [math.fsum(by_origin[index] for by_origin in seconds) for index in range(len(ORIGINS))]


def _computing(run: SchemeRun) -> list[Any]:
    return [step for step in run.steps if step.part is Part.COMPUTE and step.count]


def _repeated(value: str, n: int) -> Any:
    return categories(np.zeros(n, dtype=np.int8), [value])
