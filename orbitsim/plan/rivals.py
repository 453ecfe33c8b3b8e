"""Simple rivals of the optimal planner: uniform, proportional, single best node, ground only.

Each fixes the layers by a rule and then takes the smallest ratio that may be used on every hop: the smallest allowed
one under the per-hop rule, the smallest that keeps the sum within the budget under the cumulative rule. When only some
nodes may compute (`Problem.max_compute_nodes`), uniform and proportional use the first ones of the route.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from orbitsim.errors import InfeasibleError
from orbitsim.plan.evaluate import evaluate
from orbitsim.plan.problem import Problem, loss_limit, memory_limit
from orbitsim.types.plan import Plan, PlanResult

Array = NDArray[np.float64]


def uniform(problem: Problem) -> PlanResult:
    """Spread the layers evenly over the nodes (arXiv:2604.04654, Section VI-B4, "uniform strategy").

    Parameters
    ----------
    problem : Problem
        What to plan.

    Returns
    -------
    PlanResult
        The plan closest to the even split that fits the memory of every node.

    Raises
    ------
    InfeasibleError
        If no split over these nodes, or no single ratio, meets the constraints.
    """
    return _spread(problem, np.ones(_n_spread(problem)), "uniform")


def proportional(problem: Problem) -> PlanResult:
    """Spread the layers in proportion to the nodes' speed (arXiv:2604.04654, Section VI-B4, "heuristic strategy").

    Parameters
    ----------
    problem : Problem
        What to plan.

    Returns
    -------
    PlanResult
        The plan closest to the proportional split, rounded by largest remainders, that fits the memory of every node.

    Raises
    ------
    InfeasibleError
        If no split over these nodes, or no single ratio, meets the constraints.
    """
    whole_s = problem.compute_s[: _n_spread(problem)].sum(axis=1)
    speed = 1.0 / np.maximum(whole_s, np.finfo(np.float64).tiny)
    return _spread(problem, speed / speed.max(), "proportional")


def single_best(problem: Problem) -> PlanResult:
    """Put all layers on the one node where that is fastest; the others relay.

    Parameters
    ----------
    problem : Problem
        What to plan.

    Returns
    -------
    PlanResult
        The best plan with one computing node.

    Raises
    ------
    InfeasibleError
        If no node can take the whole model, or the others may not relay.
    """
    results = [_result(problem, _all_on(problem, node), "single-best") for node in range(problem.n_nodes)]
    feasible = [result for result in results if result.cost.is_feasible]
    if not feasible:
        nearest = min(results, key=lambda result: max(violation.amount for violation in result.cost.violations))
        reasons = dict.fromkeys(violation.message for violation in nearest.cost.violations)
        raise InfeasibleError("no node can take the whole model; the nearest to it: " + "; ".join(reasons))
    return min(feasible, key=lambda result: result.cost.total_s)


def ground_only(problem: Problem) -> PlanResult:
    """Put all layers on the last node; the others relay raw tiles.

    Parameters
    ----------
    problem : Problem
        What to plan.

    Returns
    -------
    PlanResult
        The plan with all layers on the last node.

    Raises
    ------
    InfeasibleError
        If the last node cannot take the whole model, or the others may not relay.
    """
    return _checked(_result(problem, _all_on(problem, problem.n_nodes - 1), "ground-only"))


def nearest_partition(problem: Problem, share: NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    """Find the split closest to the wanted numbers of layers that fits memory.

    Closest means the least sum of the distances between wanted and taken cuts; ties go to earlier cuts.

    Parameters
    ----------
    problem : Problem
        The nodes and their memory.
    share : ndarray of int, (n_spread,)
        Wanted number of layers on each of the first nodes; those after them take none.

    Returns
    -------
    tuple of (int, int)
        Interval of layers for every node of the problem.

    Raises
    ------
    InfeasibleError
        If no split over these nodes fits.
    """
    n_layers = problem.n_layers
    wanted = np.cumsum(share)
    cuts = np.arange(n_layers + 1)
    taken = np.concatenate([[0.0], np.cumsum(problem.layer_memory_bytes)])
    used_bytes = taken[None, :] - taken[:, None]
    cost = np.where(cuts == 0, 0.0, np.inf)
    before: list[NDArray[np.int64]] = []
    for node, target in enumerate(wanted):
        limit = float(memory_limit(problem.memory_bytes[node])) - float(problem.memory_overhead_bytes[node])
        fits = (cuts[:, None] < cuts[None, :]) & (used_bytes <= limit)
        if problem.relay:
            fits |= cuts[:, None] == cuts[None, :]
        step = np.where(fits, cost[:, None] + np.abs(cuts - target)[None, :], np.inf)
        before.append(step.argmin(axis=0))
        cost = step.min(axis=0)
    if not np.isfinite(cost[n_layers]):
        raise InfeasibleError(f"no split of {n_layers} layers over {len(share)} nodes fits their memory")
    stops = [n_layers]
    for choice in reversed(before):
        stops.append(int(choice[stops[-1]]))
    stops.reverse()
    intervals = list(pairwise(stops))
    return tuple(intervals + [(n_layers, n_layers)] * (problem.n_nodes - len(share)))


def with_smallest_ratio(problem: Problem, layers: tuple[tuple[int, int], ...]) -> Plan:
    """Complete a split with the smallest ratio that may be used on all its hops at once.

    Parameters
    ----------
    problem : Problem
        The codec table and its rule.
    layers : tuple of (int, int)
        Interval of layers for every node.

    Returns
    -------
    Plan
        The split with one ratio on every encoded hop.

    Raises
    ------
    InfeasibleError
        If no ratio of the table is allowed on all encoded hops.
    """
    encodes = [stop > start and stop < problem.n_layers for start, stop in layers]
    n_encoded = sum(encodes)
    allowed = problem.allowed_ratio
    if problem.rule == "cumulative":
        allowed = allowed & (n_encoded * problem.codec_loss <= loss_limit(problem.max_loss))
    if n_encoded and not allowed.any():
        raise InfeasibleError(f"no ratio of the codec table is allowed on {n_encoded} encoded hops")
    smallest = float(problem.codec_ratio[allowed].min()) if n_encoded else None
    return Plan(layers, tuple(smallest if encoded else None for encoded in encodes))


def _n_spread(problem: Problem) -> int:
    return problem.most_compute_nodes if problem.relay else problem.n_nodes


def _spread(problem: Problem, weight: Array, name: str) -> PlanResult:
    exact_share = problem.n_layers * weight / weight.sum()
    share = np.floor(exact_share).astype(np.int64)
    left = problem.n_layers - int(share.sum())
    share[np.argsort(share - exact_share, kind="stable")[:left]] += 1
    plan = with_smallest_ratio(problem, nearest_partition(problem, share))
    return _checked(_result(problem, plan, name))


def _all_on(problem: Problem, node: int) -> Plan:
    last = problem.n_layers
    layers = [(0, 0)] * node + [(0, last)] + [(last, last)] * (problem.n_nodes - node - 1)
    return Plan(tuple(layers), (None,) * problem.n_nodes)


def _result(problem: Problem, plan: Plan, name: str) -> PlanResult:
    return PlanResult(plan, evaluate(problem, plan), name, optimal=False, lower_bound_s=0.0, expanded=0, pruned=0)


def _checked(result: PlanResult) -> PlanResult:
    if not result.cost.is_feasible:
        raise InfeasibleError(f"{result.planner}: " + "; ".join(v.message for v in result.cost.violations))
    return result
