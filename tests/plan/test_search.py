"""The optimal planner against brute force, HiGHS and known facts, and the proof that it gives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from plan.example import OPTIMUM_S, SHARED, example
from plan.random_problems import random_problem

from orbitsim.errors import InfeasibleError
from orbitsim.plan.brute_force import brute_force, count_plans
from orbitsim.plan.evaluate import evaluate
from orbitsim.plan.planners import plan
from orbitsim.plan.problem_file import read_problem
from orbitsim.plan.search import optimal

RELATIVE = 1e-11


def solved(planner, problem):
    try:
        return planner(problem)
    except InfeasibleError:
        return None


@pytest.mark.parametrize("model", ["exact", "paper", "sequential", "serial"])
@pytest.mark.parametrize("relay", [False, True])
@pytest.mark.parametrize("rule", ["per-hop", "cumulative"])
def test_small_problems_equal_brute_force(model, relay, rule):
    n_solved = 0
    for seed in range(60):
        rng = np.random.default_rng([seed, 7])
        sizes = [int(rng.integers(1, most)) for most in (8, 5, 5)]
        problem = random_problem(rng, *sizes, delay_model=model, relay=relay, rule=rule)
        ours, theirs = solved(optimal, problem), solved(brute_force, problem)
        assert (ours is None) == (theirs is None), seed
        if ours is None:
            continue
        n_solved += 1
        assert ours.cost.total_s == pytest.approx(theirs.lower_bound_s, rel=RELATIVE), seed
        assert ours.cost.is_feasible
        assert ours.optimal
        assert ours.lower_bound_s <= ours.cost.total_s
        assert ours.lower_bound_s == pytest.approx(ours.cost.total_s, rel=1e-12)
    assert n_solved >= 15


def test_ties_on_whole_numbers_equal_brute_force():
    for seed in range(60):
        rng = np.random.default_rng([seed, 11])
        problem = random_problem(
            rng,
            6,
            3,
            2,
            compute_s=rng.integers(1, 3, (3, 6)).astype(float),
            activation_bytes=1e6 * rng.integers(1, 3, 6),
            layer_memory_bytes=1.0,
            memory_bytes=rng.integers(2, 6, 3).astype(float),
            memory_overhead_bytes=0.0,
            rate_bps=8e6,
        )
        ours, theirs = solved(optimal, problem), solved(brute_force, problem)
        assert (ours is None) == (theirs is None), seed
        if ours is not None:
            assert ours.cost.total_s == pytest.approx(theirs.cost.total_s, rel=RELATIVE), seed


def test_medium_problems_equal_highs():
    pytest.importorskip("highspy")
    n_solved = 0
    for seed in range(40):
        rng = np.random.default_rng([seed, 13])
        sizes = int(rng.integers(8, 16)), int(rng.integers(3, 6)), int(rng.integers(3, 6))
        problem = random_problem(rng, *sizes)
        ours, theirs = solved(optimal, problem), solved(lambda p: plan(p, "milp"), problem)
        assert (ours is None) == (theirs is None), seed
        if ours is not None:
            n_solved += 1
            assert ours.cost.total_s == pytest.approx(theirs.cost.total_s, rel=1e-7), seed
            assert ours.cost.total_s <= theirs.cost.total_s * (1 + 1e-12)
    assert n_solved >= 20


@pytest.mark.parametrize("model", ["exact", "paper", "sequential", "serial"])
def test_the_search_that_fixes_arcs_equals_the_one_that_does_not(model, monkeypatch):
    # Large enough for reduced-cost fixing to act; without it the same optimum must come out.
    for seed in range(3):
        rng = np.random.default_rng([seed, 17])
        problem = random_problem(
            rng, 90, 6, 6, delay_model=model, memory_bytes=np.inf, rule="per-hop", relay=bool(seed % 2)
        )
        with monkeypatch.context() as patch:
            fast = optimal(problem)
            patch.setattr("orbitsim.plan.search.WORTH_FIXING", math.inf)
            slow = optimal(problem)
        assert fast.cost.total_s == pytest.approx(slow.cost.total_s, rel=1e-12)


@pytest.mark.parametrize("model", ["exact", "paper", "sequential", "serial"])
def test_pricing_the_loss_does_not_change_the_optimum(model, monkeypatch):
    # With room for two labels only, the priced bound and its second search decide; the optimum must stay.
    monkeypatch.setattr("orbitsim.plan.labels.FEW_LABELS", 2)
    n_solved = 0
    for seed in range(40):
        rng = np.random.default_rng([seed, 31])
        sizes = [int(rng.integers(2, most)) for most in (8, 5, 5)]
        problem = random_problem(rng, *sizes, delay_model=model, rule="cumulative")
        ours, theirs = solved(optimal, problem), solved(brute_force, problem)
        assert (ours is None) == (theirs is None), seed
        if ours is not None:
            n_solved += 1
            assert ours.cost.total_s == pytest.approx(theirs.lower_bound_s, rel=RELATIVE), seed
            assert ours.optimal
    assert n_solved >= 10


def test_the_example():
    result = optimal(example())
    assert result.cost.total_s == pytest.approx(OPTIMUM_S, rel=1e-12)
    assert result.plan.layers == ((0, 6), (6, 10), (10, 12))
    assert result.plan.ratio == (0.1, 0.1, None)
    assert result.optimal


@pytest.mark.skipif(not SHARED.exists(), reason="the shared example is not beside the repository")
def test_the_shared_example_is_the_same_problem():
    shared, ours = read_problem(SHARED), example()
    assert optimal(shared).cost.total_s == pytest.approx(OPTIMUM_S, rel=1e-12)
    assert optimal(shared).plan == optimal(ours).plan


def test_the_paper_model_promises_less_than_the_input_link_needs():
    # Design, section 7: 7.27 s under `paper`, while the input link alone needs 64 x 0.154 s = 9.87 s.
    result = optimal(example(delay_model="paper"))
    assert result.cost.total_s == pytest.approx(7.2680849152, rel=1e-10)
    assert 64 * result.cost.input_s == pytest.approx(9.865, abs=1e-3)
    assert result.cost.total_s < 64 * result.cost.input_s
    # What that plan really costs is never below the optimum of the network.
    assert evaluate(example(), result.plan).total_s >= OPTIMUM_S * (1 - 1e-12)


def test_bound_and_incumbent_converge():
    rng = np.random.default_rng(5)
    problem = random_problem(
        rng, 60, 6, 5, delay_model="exact", rule="per-hop", relay=True, memory_bytes=np.inf, n_batches=8
    )
    result = optimal(problem)
    bounds = [step.lower_bound_s for step in result.trace]
    incumbents = [step.incumbent_s for step in result.trace]
    assert len(result.trace) >= 2
    assert [step.step for step in result.trace] == list(range(1, len(result.trace) + 1))
    assert bounds == sorted(bounds)
    assert incumbents == sorted(incumbents, reverse=True)
    assert all(bound <= incumbent * (1 + 1e-12) for bound, incumbent in zip(bounds, incumbents, strict=True))
    assert bounds[-1] == pytest.approx(incumbents[-1], rel=1e-12)
    assert result.expanded > 0
    assert result.pruned > 0


def test_decimal_sums_meet_their_budgets():
    # 0.1 + 0.2 is a little more than 0.3 in binary; the user's budget of 0.3 is met all the same.
    problem = example(
        rule="cumulative",
        codec_ratio=[0.1, 0.2],
        codec_loss=[0.2, 0.1],
        max_loss=0.3,
        codec_accuracy=np.nan,
        layer_memory_bytes=0.1,
        memory_bytes=[0.6, 0.3, 0.3],
    )
    result = optimal(problem)
    assert result.cost.is_feasible
    assert result.plan.layers == ((0, 6), (6, 9), (9, 12))
    assert sorted(q for q in result.plan.ratio if q is not None) == [0.1, 0.2]


def test_a_large_problem_needs_no_recursion_and_beats_the_rivals():
    rng = np.random.default_rng(3)
    problem = random_problem(
        rng, 300, 24, 8, delay_model="exact", rule="per-hop", relay=True, memory_bytes=np.inf, max_compute_nodes=None
    )
    result = optimal(problem)
    assert result.optimal
    assert result.cost.total_s <= plan(problem, "proportional").cost.total_s * (1 + 1e-12)


def test_one_node_and_one_layer():
    problem = example(
        compute_s=[[2.0]], activation_bytes=[8.0], layer_memory_bytes=[1.0], memory_bytes=1.0, rate_bps=np.zeros(0)
    )
    assert optimal(problem).plan.layers == ((0, 1),)
    assert optimal(problem).cost.transfer_s == (0.0,)


@pytest.mark.parametrize(
    ("given", "constraint", "figures"),
    [
        ({"memory_bytes": 100e6}, "memory", ["3.48e+08", "1.6e+07", "p-"]),
        ({"memory_bytes": [100e6, 300e6, 30e6], "memory_overhead_bytes": 5e6}, "memory", ["4e+06", "p-02"]),
        ({"min_accuracy": 0.99}, "accuracy", ["2 hops", "0.985", "0.005"]),
        ({"max_compute_nodes": 2}, "max_compute_nodes", ["3 nodes", "2 may", "1 too few"]),
        ({"relay": True, "max_compute_nodes": 1}, "max_compute_nodes", ["no fewer than 2 nodes", "1.48e+08"]),
        ({"relay": True, "max_compute_nodes": 2, "min_accuracy": 0.999}, "accuracy", ["1 hop ", "0.014"]),
        (
            {"rule": "cumulative", "codec_loss": [0.4, 0.3, 0.2, 0.1], "max_loss": 0.15},
            "loss",
            ["0.2", "0.05 too much"],
        ),
        ({"rule": "cumulative", "max_loss": 0.15}, "loss", ["not known"]),
        ({"codec_accuracy": np.nan}, "accuracy", ["not known"]),
    ],
)
def test_infeasible_problems_say_what_cannot_be_met_and_by_how_much(given, constraint, figures):
    problem = example(node_names=("p-00", "p-01", "p-02"), **given)
    with pytest.raises(InfeasibleError) as error:
        optimal(problem)
    message = str(error.value)
    assert message.startswith(constraint)
    for figure in figures:
        assert figure in message
    assert solved(brute_force, problem) is None


def test_more_nodes_than_layers():
    problem = example(compute_s=np.ones((3, 2)), activation_bytes=[1.0, 1.0], layer_memory_bytes=[1.0, 1.0])
    with pytest.raises(InfeasibleError, match=r"relay: .*3 nodes.*2 \(1 too few\)"):
        optimal(problem)


def test_the_least_excess_of_memory_is_least():
    # The figure in the message is the memory that every node must gain for a plan to exist.
    for seed in range(30):
        rng = np.random.default_rng([seed, 19])
        problem = random_problem(
            rng, 7, 3, 2, memory_bytes=rng.uniform(1e8, 3e8, 3), min_accuracy=-np.inf, rule="per-hop"
        )
        try:
            optimal(problem)
        except InfeasibleError as error:
            if not str(error).startswith("memory"):
                continue
            lacking = float(str(error).split("lacks ")[1].split(" B")[0])
            fields = {name: getattr(problem, name) for name in problem.__dataclass_fields__}
            enough = type(problem)(**(fields | {"memory_bytes": problem.memory_bytes + lacking * 1.0001}))
            assert solved(optimal, enough) is not None
            short = type(problem)(**(fields | {"memory_bytes": problem.memory_bytes + lacking * 0.9999}))
            assert solved(optimal, short) is None


def test_count_of_plans():
    assert count_plans(example()) == math.comb(11, 2) * 4**2
    assert brute_force(example(min_accuracy=-np.inf, memory_bytes=np.inf)).expanded == count_plans(example())
    relayed = example(relay=True, memory_bytes=np.inf)
    assert brute_force(relayed).expanded == count_plans(relayed)
