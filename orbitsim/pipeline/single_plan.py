"""One plan, without a run: of a scheme at a moment of a scenario, as a run would make it; and its simulation."""

from __future__ import annotations

import math
from dataclasses import replace

from orbitsim.errors import InputError
from orbitsim.errors import Problem as Fault
from orbitsim.pipeline.jobs import JobFactory
from orbitsim.pipeline.links import LinkBook
from orbitsim.pipeline.run import build_world
from orbitsim.pipeline.space import Space
from orbitsim.pipeline.work import build_work
from orbitsim.plan.problem import Problem
from orbitsim.plan.schemes import first_satellites
from orbitsim.scenario import Scenario
from orbitsim.sim.controller import Question
from orbitsim.sim.static import simulate_static
from orbitsim.types.plan import Plan, PlanResult

_MOST_SIMULATED = 1_000_000  # mini-batches: a minute or so of simulation


def plan_scenario(scenario: Scenario, scheme: str, t_s: float = 0.0) -> tuple[Problem, PlanResult]:
    """Plan a task of a scenario that starts at a moment.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    scheme : str
        Whose plan.
    t_s : float
        Start of the task, since the epoch. [s]

    Returns
    -------
    problem : Problem
        The route that was chosen, as far as the plan uses it, under the rates that the planner reckons with then.
    result : PlanResult
        Its plan.

    Raises
    ------
    InputError
        When the moment lies outside the scenario, or something that the scenario names is missing.
    InfeasibleError
        When the scheme has no plan.
    """
    duration_s = scenario.clock.duration_s
    if not 0.0 <= t_s <= duration_s:
        raise InputError(Fault("t_s", f"expected a moment of the scenario, 0 to {duration_s:g} s, got {t_s:g}"))
    links = LinkBook(Space(scenario))
    factory = JobFactory(scenario, build_work(scenario), links, build_world(links))
    desk = factory.desk
    decision = desk.answer(scheme, Question(t_s), factory.deliver)
    rates = desk.rates.at(decision.route, t_s)
    problem, result = desk.problem(decision.route, rates)[0], desk.plan(decision.plan_of, decision.route, rates)
    n_used = len(result.cost.compute_s)
    if n_used == problem.n_nodes:
        return problem, result
    # What leaves the last satellite that computes goes down directly, past the rest of the chain.
    layers, ratio = result.plan.layers, result.plan.ratio
    used = Plan((*layers[: n_used - 1], layers[-1]), (*ratio[: n_used - 1], ratio[-1]))
    return first_satellites(problem, n_used - 1), replace(result, plan=used)


def checked(result: PlanResult) -> PlanResult:
    """Return a planner's answer after a look at its delay.

    Raises
    ------
    InputError
        When the figures of the problem are so large or small that the delay is no finite number.
    """
    if not math.isfinite(result.cost.total_s):
        raise InputError("expected figures whose delay is a finite number of seconds; some are too large or too small")
    return result


def simulated_total_s(problem: Problem, plan: Plan) -> float:
    """Return the delay of a task on the static route, simulated mini-batch by mini-batch. [s]

    Raises
    ------
    InputError
        When the task has more mini-batches than can be simulated in reasonable time.
    """
    if problem.n_batches > _MOST_SIMULATED:
        raise InputError(f"expected at most {_MOST_SIMULATED} mini-batches to simulate, got {problem.n_batches}")
    return simulate_static(problem, plan).makespan_s
