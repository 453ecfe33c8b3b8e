"""Planners that users bring: found by ``module:Name`` or by entry point, and held to the planner port."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from importlib import metadata
from typing import Any

from orbitsim.errors import InfeasibleError, InputError, OrbitsimError
from orbitsim.errors import Problem as Fault
from orbitsim.plan.evaluate import evaluate
from orbitsim.plan.planners import PLANNERS
from orbitsim.plan.planners import plan as plan_by_name
from orbitsim.plan.problem import Problem
from orbitsim.types.plan import Plan, PlanResult

ENTRY_POINTS = "orbitsim.planners"


@cache
def planner_named(kind: str) -> Callable[[Problem], PlanResult]:
    """Return the planner that a scenario names.

    Parameters
    ----------
    kind : str
        A built-in planner, an entry point of the group ``orbitsim.planners``, or ``module:Name``.

    Raises
    ------
    InputError
        When there is no such planner, or it cannot be imported.
    """
    if kind in PLANNERS:
        return lambda problem: plan_by_name(problem, planner=kind)
    points = {point.name: point for point in metadata.entry_points(group=ENTRY_POINTS)}
    if kind in points:
        return held_to_port(kind, points[kind].load())
    module_name, separator, name = kind.partition(":")
    if not separator:
        names = ", ".join([*PLANNERS, *points])
        raise InputError(Fault("planner.kind", f"expected one of {names}, or module:Name, got {kind!r}"))
    try:
        found = getattr(importlib.import_module(module_name), name)
        return held_to_port(kind, found() if isinstance(found, type) else found)
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a user's module raises is a fault of that module
        raise InputError(Fault("planner.kind", f"cannot be imported: {kind!r}: {_named(error)}")) from None


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def held_to_port(kind: str, planner: Any) -> Callable[[Problem], PlanResult]:
    """Return a user's planner as one whose plans are checked and costed; faults carry the name `kind`."""
    if not callable(planner):
        raise InputError(Fault("planner.kind", f"expected a callable Problem -> Plan, got {planner!r} from {kind!r}"))

    def ask(problem: Problem) -> PlanResult:
        try:
            plan = planner(problem)
        except OrbitsimError:
            raise
        except Exception as error:
            raise OrbitsimError(f"planner {kind} failed: {_named(error)}") from error
        if not isinstance(plan, Plan):
            raise OrbitsimError(f"planner {kind} must return orbitsim.types.plan.Plan, returned {type(plan).__name__}")
        try:
            cost = evaluate(problem, plan)
        except ValueError as error:
            raise OrbitsimError(f"planner {kind} returned a plan that does not fit its problem: {error}") from None
        if cost.violations:
            broken = "; ".join(violation.message for violation in cost.violations)
            raise InfeasibleError(f"planner {kind} returned a plan that breaks its constraints: {broken}")
        return PlanResult(plan, cost, kind, optimal=False, lower_bound_s=0.0, expanded=0, pruned=0)

    return ask
