"""The schemes of the papers as constrained plans on one route.

Every scheme is a plan over the satellites of the chain and, last, the ground station: *ground-only* puts all layers on
the station, *single-satellite* all on one satellite, *collaborative* up to K satellites and none on the station,
*hybrid* anywhere (arXiv:2604.04654, section VI-A6, and the heuristics of its Fig. 12).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from orbitsim.errors import InfeasibleError
from orbitsim.plan.evaluate import evaluate
from orbitsim.plan.planners import plan as plan_by_name
from orbitsim.plan.problem import Problem
from orbitsim.types.plan import Plan, PlanCost, PlanResult

Ask = Callable[[Problem], PlanResult]

FIXED_PLANNERS = {
    "single-satellite": "single-best",
    "collaborative-uniform": "uniform",
    "collaborative-proportional": "proportional",
}


def satellites_only(problem: Problem) -> Problem:
    """Return the problem without its last node, the station: the last hop then delivers to where results are wanted."""
    return replace(
        problem,
        compute_s=problem.compute_s[:-1],
        memory_bytes=problem.memory_bytes[:-1],
        memory_overhead_bytes=problem.memory_overhead_bytes[:-1],
        encode_s_per_byte=problem.encode_s_per_byte[:-1],
        decode_s_per_byte=problem.decode_s_per_byte[:-1],
        power_w=problem.power_w[:-1],
        node_names=problem.node_names[:-1],
    )


def first_satellites(problem: Problem, n_satellites: int) -> Problem:
    """Return the problem in which the first satellites of the chain send to the station directly.

    Parameters
    ----------
    problem : Problem
        Satellites of the chain and, last, the station; a hop fewer than nodes, the last of them the downlink.
    n_satellites : int
        How many satellites stay; with none the raw tiles go down from the sensor.
    """
    kept = [*range(n_satellites), problem.n_nodes - 1]
    hops = [*range(n_satellites - 1), problem.n_hops - 1] if n_satellites else []
    return replace(
        problem,
        compute_s=problem.compute_s[kept],
        memory_bytes=problem.memory_bytes[kept],
        memory_overhead_bytes=problem.memory_overhead_bytes[kept],
        encode_s_per_byte=problem.encode_s_per_byte[kept],
        decode_s_per_byte=problem.decode_s_per_byte[kept],
        power_w=problem.power_w[kept],
        node_names=tuple(problem.node_names[node] for node in kept),
        rate_bps=problem.rate_bps[hops],
        delay_s=problem.delay_s[hops],
        input_rate_bps=problem.input_rate_bps if n_satellites else float(problem.rate_bps[-1]),
    )


def n_satellites_used(plan: Plan) -> int:
    """Return how many satellites of the chain a plan needs: up to the last that computes."""
    return max((node + 1 for node in plan.computing_nodes if node < plan.n_nodes - 1), default=0)


def directly(problem: Problem, plan: Plan) -> PlanCost:
    """Evaluate a plan whose last computing satellite sends to the station directly, not over the rest of the chain."""
    used = n_satellites_used(plan)
    short = Plan((*plan.layers[:used], plan.layers[-1]), (*plan.ratio[:used], plan.ratio[-1]))
    return evaluate(first_satellites(problem, used), short)


def plan_scheme(
    scheme: str, problem: Problem, planner: Ask, *, ground_computes: bool, direct: bool = False
) -> PlanResult:
    """Plan one scheme.

    Parameters
    ----------
    scheme : str
        Name of the scheme.
    problem : Problem
        Satellites of the chain and, last, the station; a hop fewer than nodes.
    planner : callable
        The configured planner, used by ``collaborative`` and ``hybrid``.
    ground_computes : bool
        Whether the station has a computer.
    direct : bool
        What leaves the last computing satellite goes to the station directly (real contacts), not over the rest of the
        chain (the idealised downlink of its last satellite).

    Returns
    -------
    PlanResult
        A plan over all nodes; the station's interval is empty where the satellites compute everything. With `direct`
        its cost is that of the nodes it uses. An optimum is one over all lengths of the chain; a planner that proves
        nothing is asked for the whole chain only, which is what a uniform or proportional split means.

    Raises
    ------
    InfeasibleError
        When no plan of this scheme meets the constraints; says which one cannot be met.
    """
    n_chain = problem.n_nodes - 1
    if not direct:
        return _plan_on(scheme, problem, planner, ground_computes=ground_computes)
    if scheme == "ground-only":
        return _padded(
            _plan_on(scheme, first_satellites(problem, 0), planner, ground_computes=ground_computes), n_chain
        )
    whole = _plan_on(scheme, problem, planner, ground_computes=ground_computes)
    if not whole.optimal and scheme != "single-satellite":
        return replace(whole, cost=directly(problem, whole.plan))
    found: list[PlanResult] = []
    for n_satellites in range(n_chain + 1):
        short = first_satellites(problem, n_satellites)
        name = scheme if n_satellites else "ground-only"
        if n_satellites or (scheme == "hybrid" and ground_computes):
            try:
                found.append(_padded(_plan_on(name, short, planner, ground_computes=ground_computes), n_chain))
            except InfeasibleError:
                continue  # the whole chain has a plan, so one is found in the end
    best = min(found, key=lambda result: result.cost.total_s)
    return replace(
        best,
        planner=whole.planner,
        optimal=whole.optimal,
        lower_bound_s=min(result.lower_bound_s for result in found if result.optimal) if whole.optimal else 0.0,
        expanded=sum(result.expanded for result in found),
        pruned=sum(result.pruned for result in found),
    )


def _padded(result: PlanResult, n_chain: int) -> PlanResult:
    """Return a plan over the first satellites as one over the whole chain: the rest of it takes nothing."""
    layers, ratio = result.plan.layers, result.plan.ratio
    cut = layers[-1][0]
    n_idle = n_chain + 1 - len(layers)
    plan = Plan((*layers[:-1], *((cut, cut),) * n_idle, layers[-1]), (*ratio[:-1], *(None,) * n_idle, ratio[-1]))
    return replace(result, plan=plan)


def _plan_on(scheme: str, problem: Problem, planner: Ask, *, ground_computes: bool) -> PlanResult:
    """Plan one scheme on a problem as it is."""
    n_layers, n_nodes = problem.n_layers, problem.n_nodes
    if scheme == "ground-only":
        if not ground_computes:
            raise InfeasibleError("no ground station has a device that can compute")
        plan = Plan(layers=((0, 0),) * (n_nodes - 1) + ((0, n_layers),), ratio=(None,) * n_nodes)
        cost = evaluate(problem, plan)
        if cost.violations:
            raise InfeasibleError("; ".join(violation.message for violation in cost.violations))
        return PlanResult(plan, cost, "ground-only", optimal=False, lower_bound_s=0.0, expanded=0, pruned=0)
    if scheme == "hybrid" and ground_computes:
        return planner(problem)
    onboard = satellites_only(problem)
    name = FIXED_PLANNERS.get(scheme)
    result = planner(onboard) if name is None else plan_by_name(onboard, planner=name)
    plan = Plan(layers=(*result.plan.layers, (n_layers, n_layers)), ratio=(*result.plan.ratio, None))
    return replace(result, plan=plan, cost=evaluate(problem, plan))
