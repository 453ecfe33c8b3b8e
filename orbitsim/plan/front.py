"""The Pareto front: every plan that no other beats in delay, throughput, bytes and energy at once.

A label-setting search without a goal in mind: all undominated partial plans of a state are kept, with one component for
each criterion. The total delay of two plans compares as their startup and theta do, so both are components.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from orbitsim.errors import InfeasibleError, InputError
from orbitsim.plan.evaluate import evaluate
from orbitsim.plan.graph import StageGraph, build_graph
from orbitsim.plan.infeasible import explain
from orbitsim.plan.labels import Labels, extensions, state_number
from orbitsim.plan.problem import Problem, loss_limit
from orbitsim.types.plan import Plan, PlanCost

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
IntArray = NDArray[np.intp]

CRITERIA = ("delay", "throughput", "isl_bytes", "downlink_bytes", "energy")
DIGITS = 12
"""Digits to which criteria are compared: differences below are rounding."""

MOST_LABELS = 400_000


def front(
    problem: Problem, criteria: Sequence[str] = CRITERIA, most_labels: int = MOST_LABELS
) -> list[tuple[Plan, PlanCost]]:
    """Find all Pareto-optimal plans.

    Parameters
    ----------
    problem : Problem
        What to plan.
    criteria : sequence of str
        What counts, of `CRITERIA`: total delay (least), throughput 1 / theta (most), bytes on the hops before the last
        and on the last (least), energy of computing (least). Energy is left out where the power of a node is not known.
    most_labels : int
        Give up when more partial plans than this are undominated at a node.

    Returns
    -------
    list of (Plan, PlanCost)
        One plan for every undominated set of values, by total delay.

    Raises
    ------
    InputError
        If a criterion is not known, or the front needs more than `most_labels`; fewer criteria need fewer.
    InfeasibleError
        If no plan meets the constraints.
    """
    unknown = [name for name in criteria if name not in CRITERIA]
    if unknown or not criteria:
        raise InputError(f"criteria {', '.join(unknown) or '(none)'}: expected some of {', '.join(CRITERIA)}")
    chosen = [name for name in CRITERIA if name in criteria]
    if np.isnan(problem.power_w).any():
        chosen = [name for name in chosen if name != "energy"]
    plans = _candidates(build_graph(problem), chosen, most_labels)
    if not plans:
        raise InfeasibleError(explain(problem))
    costs = [evaluate(problem, plan) for plan in plans]
    values = np.array([_values(cost, chosen) for cost in costs])
    kept = undominated_rows(np.zeros(len(plans), dtype=np.intp), values)
    order = sorted(
        kept.tolist(), key=lambda index: (costs[index].total_s, *values[index].tolist(), plans[index].layers)
    )
    return [(plans[index], costs[index]) for index in order]


def front_table(plans: Sequence[tuple[Plan, PlanCost]]) -> pd.DataFrame:
    """Lay out a front as a table.

    Parameters
    ----------
    plans : sequence of (Plan, PlanCost)
        What `front` returns.

    Returns
    -------
    pandas.DataFrame
        One row per plan: ``total_s``, ``startup_s``, ``theta_s``, ``throughput_per_s`` (mini-batches), ``isl_bytes``,
        ``downlink_bytes``, ``energy_j``, ``loss``, ``n_compute``, ``layers``, ``ratio``.
    """
    import pandas as pd

    rows = [
        {
            "total_s": cost.total_s,
            "startup_s": cost.startup_s,
            "theta_s": cost.theta_s,
            "throughput_per_s": 1.0 / cost.theta_s if cost.theta_s > 0.0 else np.inf,
            "isl_bytes": cost.isl_bytes,
            "downlink_bytes": cost.downlink_bytes,
            "energy_j": np.nan if cost.energy_j is None else cost.energy_j,
            "loss": np.nan if cost.loss is None else cost.loss,
            "n_compute": plan.n_compute,
            "layers": plan.layers,
            "ratio": plan.ratio,
        }
        for plan, cost in plans
    ]
    return pd.DataFrame(rows)


def undominated_rows(state: IntArray, values: Array) -> IntArray:
    """Return the rows that no other row of their state beats or equals in every column.

    Parameters
    ----------
    state : ndarray of int, (n,)
        Rows are compared within equal states only.
    values : ndarray, (n, n_criteria)
        Criteria, the less the better, compared to `DIGITS` digits of the largest in a column.

    Returns
    -------
    ndarray of int, (n_kept,)
        Indices of the rows kept, one for each distinct set of values.
    """
    scale = np.abs(values).max(axis=0, initial=0.0)
    rounded = np.round(values / np.where(scale > 0.0, scale, 1.0), DIGITS)
    rounded = rounded[:, np.ptp(rounded, axis=0) > 0.0] if len(rounded) else rounded
    if not rounded.shape[1]:
        return np.asarray(np.unique(state, return_index=True)[1], dtype=np.intp)
    order = np.lexsort((*rounded.T[::-1], rounded.sum(axis=1), state))
    first = np.flatnonzero(np.diff(state[order], prepend=state[order[0]] - 1))
    kept = [group[_undominated_sorted(rounded[group])] for group in np.split(order, first[1:])]
    return np.asarray(np.concatenate(kept), dtype=np.intp)


def _undominated_sorted(rows: Array) -> IntArray:
    """Return the undominated rows of one state, given by ascending sum: a row is only beaten by earlier ones."""
    alive = np.arange(len(rows))
    kept = []
    while alive.size:
        kept.append(alive[0])
        alive = alive[1:][(rows[alive[1:]] < rows[alive[0]]).any(axis=1)]
    return np.asarray(kept, dtype=np.intp)


def _values(cost: PlanCost, chosen: Sequence[str]) -> list[float]:
    by_name = {
        "delay": cost.total_s,
        "throughput": cost.theta_s,
        "isl_bytes": cost.isl_bytes,
        "downlink_bytes": cost.downlink_bytes,
        "energy": cost.energy_j if cost.energy_j is not None else 0.0,
    }
    return [by_name[name] for name in chosen]


def _candidates(graph: StageGraph, chosen: Sequence[str], most_labels: int) -> list[Plan]:
    """Return the plans of all undominated labels at the end of the route."""
    problem = graph.problem
    zero = np.zeros(1, dtype=np.intp)
    none = np.zeros(1)
    labels = Labels(zero, zero, zero + graph.n_slots - 1, none, none, none, zero, np.zeros(1, dtype=np.bool_))
    values = np.zeros((1, 4))
    history: list[Labels] = []
    for node in range(problem.n_nodes):
        parts = [part for part in extensions(graph, labels, node, np.inf) if len(part)]
        if not parts:
            return []
        grown = Labels.joined(parts)
        grown_values = _grown_values(graph, labels, grown, values[grown.parent], node)
        keep = grown.loss <= loss_limit(problem.max_loss)
        if node == problem.n_nodes - 1:
            keep &= grown.cut == problem.n_layers
        grown, grown_values = grown.take(keep), grown_values[keep]
        if not len(grown):
            return []
        columns = _columns(graph, grown, grown_values, chosen)
        best = undominated_rows(state_number(graph, grown), columns)
        if len(best) > most_labels:
            raise InputError(f"the Pareto front needs more than {most_labels} labels: choose fewer criteria")
        labels, values = grown.take(best), grown_values[best]
        history.append(labels)
    return [_plan(graph, history, index) for index in range(len(labels))]


def _grown_values(graph: StageGraph, before: Labels, grown: Labels, values: Array, node: int) -> Array:
    """Add to theta, bytes before the last hop, bytes on the last hop, and energy what the node adds."""
    problem = graph.problem
    sent_s = graph.transfer_s[node, grown.cut, grown.ratio]
    compute_s = np.where(grown.computes, grown.spent_s - before.spent_s[grown.parent] - sent_s, 0.0)
    sent_bytes = np.zeros(len(grown))
    if node < problem.n_hops:
        size = np.concatenate([[problem.input_bytes], problem.activation_bytes])[grown.cut]
        is_activation = (grown.cut > 0) & (grown.cut < problem.n_layers)
        sent_bytes = size * np.where(is_activation, graph.ratio[grown.ratio], 1.0)
    is_last_hop = node == problem.n_hops - 1
    return np.column_stack(
        [
            np.maximum(values[:, 0], grown.stage_s),
            values[:, 1] + (0.0 if is_last_hop else sent_bytes),
            values[:, 2] + (sent_bytes if is_last_hop else 0.0),
            values[:, 3] + np.nan_to_num(problem.power_w[node]) * compute_s,
        ]
    )


def _columns(graph: StageGraph, labels: Labels, values: Array, chosen: Sequence[str]) -> Array:
    """Return the components that partial plans are compared by."""
    problem = graph.problem
    theta_s = values[:, 0]
    if problem.delay_model in ("exact", "sequential"):
        theta_s = np.maximum(theta_s, problem.input_s)
    columns = []
    if problem.delay_model == "serial":
        columns += [labels.spent_s] if {"delay", "throughput"} & set(chosen) else []
    else:
        columns += [labels.spent_s] if "delay" in chosen else []
        columns += [theta_s] if {"delay", "throughput"} & set(chosen) else []
    columns += [values[:, 1]] if "isl_bytes" in chosen else []
    columns += [values[:, 2]] if "downlink_bytes" in chosen else []
    columns += [values[:, 3]] if "energy" in chosen else []
    columns += [labels.loss] if problem.rule == "cumulative" else []
    return np.column_stack(columns)


def _plan(graph: StageGraph, history: list[Labels], index: int) -> Plan:
    cuts, ratio = [graph.problem.n_layers], []
    for node in reversed(range(len(history))):
        labels = history[node]
        encodes = bool(labels.computes[index]) and cuts[-1] < graph.problem.n_layers
        ratio.append(float(graph.ratio[labels.ratio[index]]) if encodes else None)
        index = int(labels.parent[index])
        cuts.append(int(history[node - 1].cut[index]) if node else 0)
    cuts.reverse()
    return Plan(tuple(pairwise(cuts)), tuple(reversed(ratio)))
