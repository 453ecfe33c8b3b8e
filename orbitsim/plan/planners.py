"""One entry for every planner: `plan(problem, planner="optimal")`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from orbitsim.errors import InputError
from orbitsim.plan import rivals, search
from orbitsim.plan.brute_force import brute_force
from orbitsim.plan.milp import milp
from orbitsim.plan.problem import Problem
from orbitsim.plan.rivals_paper import paper_astar, paper_astar_tree
from orbitsim.plan.rivals_partition import partition_dp
from orbitsim.types.plan import PlanResult

PLANNERS: Mapping[str, Callable[[Problem], PlanResult]] = MappingProxyType(
    {
        "optimal": search.optimal,
        "uniform": rivals.uniform,
        "proportional": rivals.proportional,
        "single-best": rivals.single_best,
        "ground-only": rivals.ground_only,
        "partition-dp": partition_dp,
        "paper-astar": paper_astar,
        "paper-astar-tree": paper_astar_tree,
        "brute-force": brute_force,
        "milp": milp,
    }
)


def plan(problem: Problem, planner: str = "optimal") -> PlanResult:
    """Plan a problem with a planner of that name.

    Parameters
    ----------
    problem : Problem
        What to plan.
    planner : str
        A key of `PLANNERS`.

    Returns
    -------
    PlanResult
        The plan, its cost and its proof.

    Raises
    ------
    InputError
        If there is no planner of that name.
    InfeasibleError
        If the planner finds no plan that meets the constraints; says which one cannot be met.
    """
    if planner not in PLANNERS:
        raise InputError(f"no planner named {planner!r}: expected one of {', '.join(PLANNERS)}")
    return PLANNERS[planner](problem)
