"""A plain dynamic programme over partitions: the shortest bottleneck, without a choice of codec setting.

The idea of PipeEdge (Hu et al., "PipeEdge: pipeline parallelism for large-scale model inference on heterogeneous edge
devices", Euromicro DSD 2022, arXiv:2110.14895): computing and sending overlap, the slowest of them sets the pace, and
the activation is sent as it is. Here the order of the nodes is the route's, and "as it is" means the largest ratio that
the codec table allows.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from orbitsim.errors import InfeasibleError
from orbitsim.plan.evaluate import evaluate
from orbitsim.plan.graph import build_graph
from orbitsim.plan.infeasible import explain
from orbitsim.plan.problem import Problem
from orbitsim.types.plan import Plan, PlanResult


def partition_dp(problem: Problem) -> PlanResult:
    """Find the split whose longest stage is shortest, with one fixed ratio.

    Parameters
    ----------
    problem : Problem
        What to plan.

    Returns
    -------
    PlanResult
        The plan, evaluated under the problem's delay model; not proved optimal.

    Raises
    ------
    InfeasibleError
        If no split meets the constraints with that ratio.
    """
    allowed = np.flatnonzero(problem.allowed_ratio)
    fixed = problem
    if allowed.size:
        largest = allowed[problem.codec_ratio[allowed].argmax()]
        fixed = replace(
            problem,
            codec_ratio=problem.codec_ratio[[largest]],
            codec_accuracy=problem.codec_accuracy[[largest]],
            codec_loss=problem.codec_loss[[largest]],
        )
    graph = build_graph(fixed)
    n_cuts = problem.n_layers + 1
    most = problem.most_compute_nodes
    worst_s = np.full((most + 1, n_cuts), np.inf)
    worst_s[:, 0] = problem.input_s
    tables = [worst_s]
    for arcs, sent_s in zip(graph.arcs, graph.transfer_s[:, :, 0], strict=True):
        before = tables[-1]
        after = np.maximum(before, sent_s) if problem.relay else np.full_like(before, np.inf)
        for used in range(1, most + 1):
            stage_s = np.maximum(arcs.compute_s, sent_s[arcs.stop])
            np.minimum.at(after[used], arcs.stop, np.maximum(before[used - 1][arcs.start], stage_s))
        tables.append(after)
    if not np.isfinite(tables[-1][most, -1]):
        raise InfeasibleError(f"partition-dp: {explain(problem)}")
    used, cuts = most, [problem.n_layers]
    for node in reversed(range(problem.n_nodes)):
        cut, arcs, sent_s = cuts[-1], graph.arcs[node], graph.transfer_s[node, :, 0]
        here = np.flatnonzero(arcs.stop == cut)
        goal_s = tables[node + 1][used, cut]
        if problem.relay and max(tables[node][used, cut], sent_s[cut]) <= goal_s:
            cuts.append(cut)
            continue
        reach_s = np.maximum(tables[node][used - 1][arcs.start[here]], np.maximum(arcs.compute_s[here], sent_s[cut]))
        cuts.append(int(arcs.start[here[reach_s.argmin()]]))
        used -= 1
    layers = tuple(pairwise(reversed(cuts)))
    ratio = float(graph.ratio[0])
    encodes = [start < stop < problem.n_layers for start, stop in layers]
    plan = Plan(layers, tuple(ratio if encoded else None for encoded in encodes))
    cost = evaluate(problem, plan)
    if not cost.is_feasible:
        raise InfeasibleError("partition-dp: " + "; ".join(violation.message for violation in cost.violations))
    n_labels = sum(int(np.isfinite(table).sum()) for table in tables)
    return PlanResult(plan, cost, "partition-dp", optimal=False, lower_bound_s=0.0, expanded=n_labels, pruned=0)
