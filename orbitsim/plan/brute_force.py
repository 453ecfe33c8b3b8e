"""Every plan of a small problem, one after the other: the slow twin that the optimal planner is checked against.

Written from the contract alone and in plain Python: it shares no formula with the search, the delay models or
`orbitsim.plan.evaluate`, except that the answer is reported through the latter.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from orbitsim.errors import InfeasibleError, InputError
from orbitsim.plan.evaluate import evaluate
from orbitsim.plan.infeasible import explain
from orbitsim.plan.problem import Problem
from orbitsim.types.plan import Plan, PlanResult

MOST_PLANS = 20_000_000
SLACK = 1.0 + 1e-12


def brute_force(problem: Problem, most_plans: int = MOST_PLANS) -> PlanResult:
    """Try every split and every combination of ratios.

    Parameters
    ----------
    problem : Problem
        A small problem.
    most_plans : int
        Refuse a problem with more plans than this.

    Returns
    -------
    PlanResult
        The fastest plan; the first one in order of cuts and ratios among equals. `expanded` counts the plans tried.

    Raises
    ------
    InputError
        If the problem has more than `most_plans` plans.
    InfeasibleError
        If no plan meets the constraints.
    """
    n_plans = count_plans(problem)
    if n_plans > most_plans:
        raise InputError(f"brute-force: {n_plans:.3g} plans to try, small problems only (at most {most_plans:.3g})")
    best_s, best, n_tried = math.inf, None, 0
    for intervals in _splits(problem):
        encoding = [k for k, (start, stop) in enumerate(intervals) if start < stop < problem.n_layers]
        for chosen in itertools.product(range(len(problem.codec_ratio)), repeat=len(encoding)):
            n_tried += 1
            if not _codec_allows(problem, chosen):
                continue
            setting = dict(zip(encoding, chosen, strict=True))
            total_s = _total_s(problem, intervals, setting)
            if total_s < best_s:
                best_s, best = total_s, (intervals, setting)
    if best is None:
        raise InfeasibleError(explain(problem))
    intervals, setting = best
    ratio = tuple(float(problem.codec_ratio[setting[k]]) if k in setting else None for k in range(problem.n_nodes))
    plan = Plan(intervals, ratio)
    return PlanResult(
        plan, evaluate(problem, plan), "brute-force", optimal=True, lower_bound_s=best_s, expanded=n_tried, pruned=0
    )


def count_plans(problem: Problem) -> int:
    """Return how many plans there are before memory and accuracy are looked at.

    Parameters
    ----------
    problem : Problem
        Any problem.

    Returns
    -------
    int
        Splits times ratios.
    """
    n_nodes, n_layers, n_ratios = problem.n_nodes, problem.n_layers, len(problem.codec_ratio)
    computing = range(1, problem.most_compute_nodes + 1) if problem.relay else [n_nodes]
    return sum(
        math.comb(n_nodes, n) * math.comb(n_layers - 1, n - 1) * n_ratios ** (n - 1) for n in computing if n <= n_layers
    )


def _splits(problem: Problem) -> Iterator[tuple[tuple[int, int], ...]]:
    last = problem.n_layers
    for inner in itertools.combinations_with_replacement(range(last + 1), problem.n_nodes - 1):
        intervals = tuple(itertools.pairwise((0, *inner, last)))
        n_computing = sum(stop > start for start, stop in intervals)
        if n_computing < problem.n_nodes and not problem.relay:
            continue
        if problem.max_compute_nodes is not None and n_computing > problem.max_compute_nodes:
            continue
        if all(_fits(problem, node, *interval) for node, interval in enumerate(intervals)):
            yield intervals


def _fits(problem: Problem, node: int, start: int, stop: int) -> bool:
    if start == stop:
        return True
    needed = sum(float(size) for size in problem.layer_memory_bytes[start:stop])
    return needed + float(problem.memory_overhead_bytes[node]) <= float(problem.memory_bytes[node]) * SLACK


def _codec_allows(problem: Problem, chosen: tuple[int, ...]) -> bool:
    if problem.rule == "per-hop":
        floor = problem.min_accuracy
        return floor == -math.inf or all(float(problem.codec_accuracy[i]) >= floor for i in chosen)
    spent = sum(float(problem.codec_loss[i]) for i in chosen)
    return spent <= problem.max_loss + 1e-12 * max(1.0, abs(problem.max_loss))


def _total_s(problem: Problem, intervals: tuple[tuple[int, int], ...], setting: dict[int, int]) -> float:
    compute_s: list[float] = []
    send_s: list[float] = []
    ratio = 1.0
    for node, (start, stop) in enumerate(intervals):
        busy_s = sum(float(layer_s) for layer_s in problem.compute_s[node, start:stop])
        if stop > start > 0:
            busy_s += float(problem.decode_s_per_byte[node]) * float(problem.activation_bytes[start - 1])
        if node in setting:
            ratio = float(problem.codec_ratio[setting[node]])
            busy_s += float(problem.encode_s_per_byte[node]) * float(problem.activation_bytes[stop - 1])
        compute_s.append(busy_s)
        if node == problem.n_hops:
            send_s.append(0.0)
            continue
        n_bytes = float(problem.input_bytes) if stop == 0 else float(problem.activation_bytes[stop - 1])
        if 0 < stop < problem.n_layers:
            n_bytes *= ratio
        send_s.append(n_bytes * 8.0 / float(problem.rate_bps[node]))
    input_s = 8.0 * problem.input_bytes / problem.input_rate_bps
    once_s = input_s + sum(compute_s) + sum(send_s) + sum(float(delay) for delay in problem.delay_s)
    if problem.delay_model == "serial":
        return problem.n_batches * once_s
    if problem.delay_model == "exact":
        theta_s = max([input_s, *compute_s, *send_s])
    elif problem.delay_model == "sequential":
        theta_s = max([input_s, *(busy + send for busy, send in zip(compute_s, send_s, strict=True))])
    else:
        received_s = [input_s, *send_s[:-1]]
        theta_s = max(
            busy + send - min(busy, received)
            for busy, send, received in zip(compute_s, send_s, received_s, strict=True)
        )
    return once_s + (problem.n_batches - 1) * theta_s
