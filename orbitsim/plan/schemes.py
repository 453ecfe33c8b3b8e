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
from orbitsim.types.plan import Plan, PlanResult

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


def plan_scheme(scheme: str, problem: Problem, planner: Ask, *, ground_computes: bool) -> PlanResult:
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

    Returns
    -------
    PlanResult
        A plan over all nodes; the station's interval is empty where the satellites compute everything.

    Raises
    ------
    InfeasibleError
        When no plan of this scheme meets the constraints; says which one cannot be met.
    """
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
