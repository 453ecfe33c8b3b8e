"""The Pareto front against the enumeration of all plans."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from plan.example import OPTIMUM_S, example
from plan.random_problems import random_problem

from orbitsim.errors import InfeasibleError, InputError
from orbitsim.plan.evaluate import evaluate
from orbitsim.plan.front import CRITERIA, front, front_table
from orbitsim.types.plan import Plan


def values_of(cost, criteria):
    known = {
        "delay": cost.total_s,
        "throughput": cost.theta_s,
        "isl_bytes": cost.isl_bytes,
        "downlink_bytes": cost.downlink_bytes,
        "energy": cost.energy_j,
    }
    return tuple(known[name] for name in criteria)


def every_value(problem, criteria):
    found = set()
    last = problem.n_layers
    for inner in itertools.combinations_with_replacement(range(last + 1), problem.n_nodes - 1):
        layers = tuple(itertools.pairwise((0, *inner, last)))
        options = [list(problem.codec_ratio) if start < stop < last else [None] for start, stop in layers]
        for ratio in itertools.product(*options):
            cost = evaluate(problem, Plan(layers, ratio))
            if cost.is_feasible:
                found.add(tuple(float(f"{value:.10g}") for value in values_of(cost, criteria)))
    return found


def undominated(values):
    return {
        one
        for one in values
        if not any(all(o <= m for o, m in zip(other, one, strict=True)) for other in values if other != one)
    }


@pytest.mark.parametrize("criteria", [CRITERIA, ("delay", "energy"), ("throughput", "isl_bytes"), ("delay",)])
def test_the_front_is_that_of_all_plans(criteria):
    for seed in range(40):
        rng = np.random.default_rng([seed, 29])
        problem = random_problem(rng, *(int(rng.integers(1, most)) for most in (6, 4, 4)))
        expected = undominated(every_value(problem, criteria))
        if not expected:
            with pytest.raises(InfeasibleError):
                front(problem, criteria)
            continue
        found = [values_of(cost, criteria) for _, cost in front(problem, criteria)]
        rounded = {tuple(float(f"{value:.10g}") for value in one) for one in found}
        assert rounded == expected, seed


def test_the_front_of_the_example():
    plans = front(example(relay=True, power_w=[50.0, 30.0, 15.0]))
    table = front_table(plans)
    assert table["total_s"].is_monotonic_increasing
    assert table["total_s"].iloc[0] == pytest.approx(OPTIMUM_S, rel=1e-12)
    assert len(table) > 3
    np.testing.assert_allclose(table["throughput_per_s"] * table["theta_s"], 1.0)
    assert table["energy_j"].min() < table["energy_j"].iloc[0]


def test_energy_is_left_out_where_power_is_not_known():
    assert np.isnan(front_table(front(example()))["energy_j"]).all()


def test_bad_requests():
    with pytest.raises(InputError, match="speed"):
        front(example(), ["delay", "speed"])
    with pytest.raises(InputError, match="fewer criteria"):
        front(example(relay=True), most_labels=2)
