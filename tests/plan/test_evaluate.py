"""A plan's cost, computed by hand."""

from __future__ import annotations

import pytest
from plan.example import example

from orbitsim.errors import InputError
from orbitsim.plan.evaluate import evaluate
from orbitsim.plan.problem import Problem
from orbitsim.types.plan import Plan


def small(**given):
    options = {
        "compute_s": [[1.0, 2.0, 3.0, 4.0]] * 3,
        "activation_bytes": [10.0, 20.0, 30.0, 2.0],
        "layer_memory_bytes": [1.0, 1.0, 2.0, 2.0],
        "memory_bytes": [4.0, 4.0, 4.0],
        "memory_overhead_bytes": [0.5, 0.5, 0.5],
        "rate_bps": [8.0, 16.0, 8.0],
        "delay_s": [0.25, 0.0, 0.5],
        "input_bytes": 7.0,
        "input_rate_bps": 56.0,
        "n_batches": 5,
        "codec_ratio": [0.5, 1.0],
        "codec_accuracy": [0.8, 0.9],
        "codec_loss": [0.1, 0.0],
        "min_accuracy": 0.85,
        "encode_s_per_byte": [0.1, 0.2, 0.3],
        "decode_s_per_byte": [0.01, 0.02, 0.03],
        "power_w": [2.0, 3.0, 5.0],
        "relay": True,
    }
    return Problem(**(options | given))


def test_cost_of_a_plan_with_a_relay():
    cost = evaluate(small(), Plan(((0, 2), (2, 2), (2, 4)), (1.0, None, None)))
    # Layers 1 + 2 and encoding 20 B at 0.1 s/B; nothing on the relay; decoding 20 B at 0.03 s/B and layers 3 + 4.
    assert cost.compute_s == pytest.approx((5.0, 0.0, 7.6))
    assert cost.hop_bytes == (20.0, 20.0, 2.0)
    assert cost.transfer_s == (20.0, 10.0, 2.0)
    assert cost.input_s == 1.0
    assert cost.startup_s == pytest.approx(1.0 + 12.6 + 32.0 + 0.75)
    assert cost.theta_s == 20.0
    assert cost.total_s == pytest.approx(46.35 + 4 * 20.0)
    assert (cost.isl_bytes, cost.downlink_bytes) == (5 * 40.0, 5 * 2.0)
    assert cost.energy_j == pytest.approx(5 * (2.0 * 5.0 + 5.0 * 7.6))
    assert cost.loss == 0.0
    # 4 layers' memory of 4 B and 0.5 B overhead in 4 B.
    assert [(v.constraint, v.node) for v in cost.violations] == [("memory", 2)]
    assert cost.violations[0].amount == pytest.approx(0.5)


def test_raw_input_and_results_on_the_hops_where_they_belong():
    cost = evaluate(small(), Plan(((0, 0), (0, 4), (4, 4)), (None, None, None)))
    assert cost.hop_bytes == (7.0, 2.0, 2.0)
    assert cost.compute_s == (0.0, 10.0, 0.0)


def test_last_node_without_a_hop_sends_nothing():
    problem = small(rate_bps=[8.0, 16.0], delay_s=[0.0, 0.0])
    cost = evaluate(problem, Plan(((0, 1), (1, 1), (1, 4)), (0.5, None, None)))
    assert cost.transfer_s == (5.0, 2.5, 0.0)
    assert (cost.isl_bytes, cost.downlink_bytes) == (25.0, 25.0)
    assert [v.constraint for v in cost.violations] == ["memory", "accuracy"]
    assert cost.violations[1].amount == pytest.approx(0.05)


def test_every_constraint_is_named():
    problem = small(relay=False, max_compute_nodes=1, rule="cumulative", max_loss=0.05)
    cost = evaluate(problem, Plan(((0, 2), (2, 2), (2, 4)), (0.5, None, None)))
    assert [v.constraint for v in cost.violations] == ["relay", "max_compute_nodes", "memory", "loss"]
    assert not cost.is_feasible
    cost = evaluate(small(), Plan(((0, 2), (2, 2), (2, 4)), (0.7, None, None)))
    assert "ratio" in [v.constraint for v in cost.violations]


def test_what_is_not_known_is_none():
    problem = small(power_w=[2.0, 3.0, float("nan")], codec_loss=float("nan"))
    assert evaluate(problem, Plan(((0, 4), (4, 4), (4, 4)), (None,) * 3)).energy_j is not None
    cost = evaluate(problem, Plan(((0, 2), (2, 2), (2, 4)), (1.0, None, None)))
    assert cost.energy_j is None
    assert cost.loss is None


def test_plans_for_another_problem_are_refused():
    with pytest.raises(ValueError, match="the problem has"):
        evaluate(small(), Plan(((0, 4),), (None,)))
    with pytest.raises(ValueError, match="no ratio"):
        evaluate(small(), Plan(((0, 2), (2, 2), (2, 4)), (None, None, None)))


def test_faults_of_a_problem_are_told_together():
    with pytest.raises(InputError) as error:
        example(
            memory_bytes=[1.0, 2.0], rate_bps=[1.0], n_batches=0, delay_model="fast", codec_ratio=[0.0, 0.1, 0.2, 1.0]
        )
    keys = {problem.key for problem in error.value.problems}
    assert keys == {"memory_bytes", "rate_bps", "n_batches", "delay_model", "codec_ratio"}
    with pytest.raises(InputError, match="compute_s"):
        example(compute_s=[1.0, 2.0])
    with pytest.raises(InputError, match="activation_bytes"):
        example(activation_bytes=[float("nan")] * 12)
