"""The planner of docs/own-planner.md, run as a user would, and the conformance check on good and bad planners."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from orbitsim.errors import InfeasibleError, InputError, OrbitsimError
from orbitsim.plan.evaluate import evaluate
from orbitsim.plan.planners import plan
from orbitsim.plan.user_planner import planner_named
from orbitsim.testing import check_planner, sample_problems
from orbitsim.types.plan import Plan

PAGE = Path(__file__).resolve().parents[1] / "docs" / "own-planner.md"


@pytest.fixture
def own_planner(tmp_path, monkeypatch):
    """The page's code as a module that Python can import."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    source = next(block for block in blocks if "class " in block)
    assert len(source.splitlines()) <= 45
    (tmp_path / "my_planners.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    planner_named.cache_clear()
    yield planner_named("my_planners:GreedyFill")
    planner_named.cache_clear()


def test_the_page_s_planner_makes_feasible_plans(own_planner):
    n_planned = 0
    for problem in sample_problems(np.random.default_rng(5), 200):
        try:
            result = own_planner(problem)
        except InfeasibleError:
            continue
        n_planned += 1
        assert result.planner == "my_planners:GreedyFill"
        assert result.cost.is_feasible
        assert result.cost.total_s >= plan(problem).cost.total_s * (1 - 1e-12)
    assert n_planned > 100


def test_the_page_s_planner_runs_in_a_scenario(own_planner, tmp_path):
    from orbitsim.loading import load_scenario
    from orbitsim.pipeline.run import run_scenario

    assert own_planner is not None
    settings = ["planner.kind=my_planners:GreedyFill", 'run.schemes=["collaborative"]']
    result = run_scenario(load_scenario("quick", settings=settings))
    assert result.summary["schemes"]["collaborative"]["planner_used"] == "my_planners:GreedyFill"
    assert result.summary["schemes"]["collaborative"]["delivered"] > 0


@pytest.mark.parametrize("name", ["optimal", "proportional", "uniform", "paper-astar", "partition-dp", "brute-force"])
def test_built_in_planners_conform(name):
    report = check_planner(lambda problem: plan(problem, planner=name).plan, n_problems=24)
    assert report.n_feasible > 15
    assert report.worst_ratio >= 1.0 - 1e-12
    if name in ("optimal", "brute-force"):
        assert report.worst_ratio <= 1.0 + 1e-12


def not_a_plan(problem):
    return [(0, problem.n_layers)]


def of_another_size(problem):
    return Plan(
        ((0, problem.n_layers),) * 1 + ((problem.n_layers, problem.n_layers),) * problem.n_nodes,
        (None,) * (problem.n_nodes + 1),
    )


def everything_on_the_first_node(problem):
    return Plan(
        ((0, problem.n_layers),) + ((problem.n_layers,) * 2,) * (problem.n_nodes - 1), (None,) * problem.n_nodes
    )


def gives_up(problem):
    raise InfeasibleError("too hard")


class Moody:
    """Answers well the first time and otherwise the second."""

    def __init__(self):
        self.asked = 0

    def __call__(self, problem):
        self.asked += 1
        return plan(problem, planner="optimal" if self.asked % 2 else "uniform").plan


@pytest.mark.parametrize(
    ("planner", "fault"),
    [
        (not_a_plan, "must return a Plan"),
        (of_another_size, "must plan"),
        (everything_on_the_first_node, "broke a constraint"),
        (gives_up, "gave up"),
        (Moody(), "answered differently"),
    ],
)
def test_the_check_names_what_is_wrong(planner, fault):
    with pytest.raises(AssertionError, match=fault):
        check_planner(planner)


def test_the_check_notices_a_planner_that_changes_its_problem():
    def meddler(problem):
        answer = plan(problem).plan
        object.__setattr__(problem, "n_batches", problem.n_batches + 1)
        return answer

    with pytest.raises(AssertionError, match="changed its problem"):
        check_planner(meddler)


def test_a_planner_must_raise_where_there_is_no_plan():
    def blind(problem):
        try:
            return plan(problem).plan
        except InfeasibleError:
            return everything_on_the_first_node(problem)

    with pytest.raises(AssertionError, match="must raise InfeasibleError"):
        check_planner(blind)


def test_planners_that_do_not_exist_or_do_not_fit(tmp_path, monkeypatch):
    (tmp_path / "odd_planners.py").write_text("number = 3\ndef wrong(problem):\n    return 'left'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    planner_named.cache_clear()
    for kind in ("optimum", "no_such_module:Planner", "odd_planners:missing", "odd_planners:number"):
        with pytest.raises(InputError):
            planner_named(kind)
    problem = next(sample_problems(np.random.default_rng(1), 1))
    with pytest.raises(OrbitsimError, match="must return"):
        planner_named("odd_planners:wrong")(problem)


def test_sample_problems_can_be_repeated():
    first = [
        json.dumps(dataclasses.asdict(p), default=np.ndarray.tolist)
        for p in sample_problems(np.random.default_rng(2), 5)
    ]
    second = [
        json.dumps(dataclasses.asdict(p), default=np.ndarray.tolist)
        for p in sample_problems(np.random.default_rng(2), 5)
    ]
    assert first == second


def test_plans_are_evaluated_by_the_same_model():
    problem = next(sample_problems(np.random.default_rng(3), 1))
    assert plan(problem).cost.total_s == evaluate(problem, plan(problem).plan).total_s
