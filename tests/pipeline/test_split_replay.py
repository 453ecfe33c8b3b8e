"""Replay of recorded split runs: exact where the record is ideal, apart where prediction and replay must be apart."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from workload.split_documents import constant_document, split_document

from orbitsim.errors import InputError
from orbitsim.pipeline.split_replay import FIGURES, figures_of, replay_split
from orbitsim.plan import delay
from orbitsim.workload.split_run import split_run_of


def test_constant_times_give_the_flow_shop_by_every_method() -> None:
    compute_s, send_s, travel_s, n_batches = (0.3, 0.2, 0.25), (0.05, 0.4, 0.01), (0.002, 0.004, 0.001), 17
    run = split_run_of(constant_document(compute_s, send_s, travel_s, n_batches))
    closed = delay.exact(0.0, compute_s, send_s, travel_s, n_batches)
    replayed = replay_split(run, n_runs=5)
    assert run.makespan_s == pytest.approx(float(closed.total_s), rel=1e-9)
    assert [c.basis for c in replayed.comparisons] == ["predicted", "predicted", "replayed"]
    for comparison in replayed.comparisons:
        assert comparison.simulated.makespan_s == pytest.approx(float(closed.total_s), rel=1e-9)
        assert max(abs(error) for error in comparison.error.values()) < 1e-8
        assert comparison.simulated.utilisation == pytest.approx(replayed.recorded.utilisation)


@pytest.mark.parametrize("seed", range(5))
def test_durations_in_order_give_back_an_ideal_record(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (3, 25)
    travel = np.repeat(rng.uniform(0.0, 0.05, (3, 1)), 25, axis=1)
    document = split_document(
        rng.gamma(2.0, 0.2, shape), rng.gamma(2.0, 0.1, shape), travel, offsets_s=(0.0, 7e3, -9.0)
    )
    replayed = replay_split(split_run_of(document), methods=("in-order",))
    assert max(abs(error) for error in replayed.comparisons[0].error.values()) < 1e-7


def test_a_prediction_uses_nothing_of_the_run_but_its_sizes() -> None:
    before = constant_document((0.3, 0.2), (0.05, 0.01), (0.002, 0.001), 12)
    slow = constant_document((0.9, 0.8), (0.5, 0.1), (0.02, 0.01), 12)
    for k in range(2):
        slow["stages"][k]["isolated"] = before["stages"][k]["isolated"]
        slow["links"][k] = before["links"][k]
    predicted, of_slow = (
        replay_split(split_run_of(document), methods=("mean", "bootstrap"), n_runs=3) for document in (before, slow)
    )
    for a, b in zip(predicted.comparisons, of_slow.comparisons, strict=True):
        assert a.simulated == b.simulated
    assert of_slow.comparisons[0].error["makespan"] < -0.5


def test_drawn_times_repeat_with_their_seed_and_spread_with_their_samples() -> None:
    rng = np.random.default_rng(1)
    compute = rng.gamma(3.0, 0.1, (2, 30))
    run = split_run_of(split_document(compute, np.full((2, 30), 0.01), np.zeros((2, 30))))
    one, same, other = (
        replay_split(run, methods=("bootstrap",), n_runs=20, seed=seed).comparisons[0] for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other
    assert one.interval_s is not None
    for name in FIGURES:
        low, high = one.interval_s[name]
        assert low < one.simulated.delays_s[name] < high


def test_conditions_are_kept_apart() -> None:
    document = constant_document((0.3, 0.2), (0.05, 0.01), (0.002, 0.001), 12)
    with pytest.raises(InputError, match="alone"):
        replay_split(split_run_of(document), condition="alone")
    for stage in document["stages"]:
        stage["isolated"].append({"condition": "alone", "samples_s": [0.1]})
    run = split_run_of(document)
    assert replay_split(run).condition == "together"
    alone = replay_split(run, condition="alone", methods=("mean",)).comparisons[0]
    closed = delay.exact(0.0, [0.1, 0.1], [0.05, 0.01], [0.002, 0.001], 12)
    assert alone.simulated.makespan_s == pytest.approx(float(closed.total_s), rel=1e-9)
    only_alone = copy.deepcopy(document)
    for stage in only_alone["stages"]:
        del stage["isolated"][0]
    assert replay_split(split_run_of(only_alone), methods=("mean",)).condition == "alone"


def test_figures_are_numpys() -> None:
    delays = np.array([1.0, 2.0, 3.0, 4.0])
    figures = figures_of(delays, np.array([[0.5] * 4, [1.0] * 4]))
    assert figures.makespan_s == 4.0
    assert figures.mean_s == 2.5
    assert (figures.p50_s, figures.p95_s) == (2.5, pytest.approx(3.85))
    assert figures.utilisation == (0.5, 1.0)
