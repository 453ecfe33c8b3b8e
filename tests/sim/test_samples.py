"""Recorded executions: which of them a mini-batch meets, in recorded order and drawn at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.sim.replay import Counter, StageReplay
from orbitsim.sim.samples import CHUNK, NodeReplay, Recording, first_execution, stream
from orbitsim.types.profile import BlockTiming, Profile

SAMPLES = st.lists(st.floats(1e-6, 10.0), min_size=1, max_size=9)


def node(recording: Recording, order: str, *, name: str = "p-00", seed: int = 1, n_batches: int = 50) -> NodeReplay:
    n_layers = recording.n_layers
    return NodeReplay(
        name, recording, order, seed, n_batches, np.arange(1.0, n_layers + 1), np.zeros(n_layers, dtype=np.int8)
    )


def row(kind: str, index: int, samples: tuple[float, ...] | None) -> BlockTiming:
    return BlockTiming("board", "mode", "toy", kind, index, 1, "fp32", 1.0, "measured", "clock", samples_s=samples)


def test_a_profile_s_parts_belong_to_their_layers():
    profile = Profile(
        "board", "mode", "toy", 1, "fp32", row("embedding", 0, (1.0, 2.0)),
        (row("block", 0, (10.0, 20.0)), row("block", 1, (100.0, 200.0))), row("head", 0, (1000.0, 2000.0)), None,
    )  # fmt: skip
    got = Recording.of(profile)
    assert got.is_passwise
    np.testing.assert_array_equal(got.layer_s(got.in_order(0, 3)), [[11.0, 1100.0], [22.0, 2200.0], [11.0, 1100.0]])


def test_parts_without_samples_and_layers_without_parts_are_refused():
    with pytest.raises(ValueError, match="at least one execution"):
        Recording([[1.0], []], [0, 1])
    with pytest.raises(ValueError, match="at least one part of every layer"):
        Recording([[1.0], [2.0]], [0, 2])


@given(st.lists(SAMPLES, min_size=1, max_size=5), st.integers(0, 5000), st.integers(1, 60))
def test_recorded_order_begins_again_after_the_last_execution_of_each_part(rows, first, n):
    recording = Recording(rows, range(len(rows)))
    got = recording.layer_s(recording.in_order(first, n))
    expected = [[samples[number % len(samples)] for samples in rows] for number in range(first, first + n)]
    np.testing.assert_array_equal(got, expected)


def test_what_one_pass_has_in_common_stays_together():
    """Three slow passes of ten: both layers are slow in the same mini-batches."""
    slow = np.array([1.0] * 7 + [5.0] * 3)
    recording = Recording([slow, 2.0 * slow], [0, 1])
    layer_s = recording.layer_s(recording.drawn(np.random.default_rng(5), 4000))
    np.testing.assert_array_equal(layer_s[:, 1], 2.0 * layer_s[:, 0])
    # Of unequal numbers nothing is known of which executions belong together.
    apart = Recording([slow, 2.0 * slow[:-1]], [0, 1])
    assert not apart.is_passwise
    layer_s = apart.layer_s(apart.drawn(np.random.default_rng(5), 4000))
    assert abs(np.corrcoef(layer_s.T)[0, 1]) < 4.0 / np.sqrt(4000)


@pytest.mark.parametrize("n_other", [40, 31])
def test_the_mean_of_many_draws_is_the_mean_of_the_samples(n_other):
    rng = np.random.default_rng(8)
    rows = [rng.exponential(1.0, 40), rng.gamma(2.0, 0.5, n_other)]
    recording = Recording(rows, [0, 1])
    drawn = np.concatenate([node(recording, "bootstrap", n_batches=500).layer_s(task) for task in range(40)])
    standard_error = [samples.std() / np.sqrt(len(drawn)) for samples in rows]
    deviation = np.abs(drawn.mean(axis=0) - [samples.mean() for samples in rows]) / standard_error
    assert (deviation < 4.0).all(), deviation  # chance of a false alarm below 2e-4, and the seed is fixed
    # Not the mean alone: every execution comes with the same chance (chi-squared, 39 degrees of freedom, 0.1 %).
    counts = np.array([np.count_nonzero(drawn[:, 0] == sample) for sample in rows[0]])
    expected = len(drawn) / 40
    assert ((counts - expected) ** 2 / expected).sum() < 72.1


def test_streams_are_a_function_of_seed_node_and_task_alone():
    base = stream(1, "p-00", 3).integers(0, 2**62, 8).tolist()
    assert base == stream(1, "p-00", 3).integers(0, 2**62, 8).tolist()
    others = [stream(2, "p-00", 3), stream(1, "p-01", 3), stream(1, "p-00", 4)]
    assert all(base != other.integers(0, 2**62, 8).tolist() for other in others)
    assert stream(2**63 - 1, "p-00", 0).integers(0, 10) in range(10)


def test_a_stage_s_draws_do_not_depend_on_when_they_are_asked_for():
    rng = np.random.default_rng(2)
    recording = Recording(rng.exponential(1.0, (4, 30)), range(4))
    pairs = [(task, batch) for task in range(600) for batch in (0, 7, 49)]  # more tasks than are kept
    shuffled = [pairs[i] for i in rng.permutation(len(pairs))]

    def drawn(layers, order):
        stage = StageReplay(node(recording, "bootstrap"), layers, 0.25, Counter())
        return {pair: stage.draw(*pair) for pair in order}

    forward = drawn((0, 4), pairs)
    assert forward == drawn((0, 4), shuffled)
    # Another split of the same layers meets the same executions.
    parts = [drawn((0, 1), shuffled), drawn((1, 4), pairs)]
    for pair in pairs:
        assert parts[0][pair] + parts[1][pair] - 0.25 == pytest.approx(forward[pair], rel=1e-12)


def test_stages_of_a_node_go_through_its_executions_together():
    recording = Recording([np.arange(1.0, 6.0), 10.0 * np.arange(1.0, 6.0)], [0, 1])
    replayed, counter = node(recording, "in-order"), Counter()
    first, second = (StageReplay(replayed, layers, 0.0, counter) for layers in ((0, 1), (0, 2)))
    got = [first.draw(9, 9), first.draw(0, 0), second.draw(0, 0), first.draw(0, 0), second.draw(0, 1), first.draw(1, 1)]
    assert got == [1.0, 2.0, 33.0, 4.0, 55.0, 1.0]
    many = [first.draw(0, 0) for _ in range(2 * CHUNK)]
    assert many == [float(1 + number % 5) for number in range(6, 6 + 2 * CHUNK)]


def test_recorded_order_begins_where_the_node_begins():
    recording = Recording([np.arange(1.0, 6.0)], [0])
    begun = replace(node(recording, "in-order"), first=3)
    stage = StageReplay(begun, (0, 1), 0.0, Counter())
    assert [stage.draw(0, 0) for _ in range(6)] == [4.0, 5.0, 1.0, 2.0, 3.0, 4.0]
    many = [stage.draw(0, 0) for _ in range(2 * CHUNK)]
    assert many == [float(1 + number % 5) for number in range(9, 9 + 2 * CHUNK)]


def test_nodes_begin_apart_and_every_execution_is_begun_with_alike():
    recording = Recording([np.arange(10.0), np.arange(7.0)], [0, 0])
    names = [f"p-{index:02d}" for index in range(2000)]
    begun = np.array([first_execution(1, name, recording) for name in names])
    assert begun.tolist() == [first_execution(1, name, recording) for name in names]
    assert begun.tolist() != [first_execution(2, name, recording) for name in names]
    counts = np.bincount(begun, minlength=10)
    assert len(counts) == 10
    assert ((counts - 200.0) ** 2 / 200.0).sum() < 27.9  # chi-squared, 9 degrees of freedom, 0.1 %


def test_satellites_in_recorded_order_do_not_jitter_in_lockstep():
    recording = Recording([np.random.default_rng(4).exponential(1.0, 500)], [0])

    def served(name: str) -> np.ndarray:
        begun = replace(node(recording, "in-order", name=name), first=first_execution(1, name, recording))
        stage = StageReplay(begun, (0, 1), 0.0, Counter())
        return np.array([stage.draw(0, 0) for _ in range(400)])

    together = np.corrcoef([served(f"p-{index:02d}") for index in range(6)])
    assert np.abs(together[np.triu_indices(6, 1)]).max() < 4.0 / np.sqrt(400)


def test_energy_is_power_times_the_time_drawn_and_only_what_is_done_counts():
    recording = Recording([[1.0, 2.0], [10.0, 30.0]], [0, 1])
    replayed = NodeReplay("p-00", recording, "in-order", 1, 1, np.array([5.0, 7.0]), np.array([0, 2], dtype=np.int8))
    stage = StageReplay(replayed, (0, 2), 0.5, Counter())
    for _ in range(2):
        stage.draw(0, 0)
        stage.done()
    stage.draw(0, 0)  # still in service at the end of the run
    assert stage.spent.seconds == pytest.approx(44.0)
    assert stage.spent.origin_s == pytest.approx((3.0, 0.0, 40.0))
    assert stage.spent.energy_j == pytest.approx(3.0 * 5.0 + 40.0 * 7.0)
    unknown = NodeReplay("p-00", recording, "in-order", 1, 1, np.full(2, np.nan), np.zeros(2, dtype=np.int8))
    stage = StageReplay(unknown, (0, 1), 0.0, Counter())
    stage.draw(0, 0)
    stage.done()
    assert stage.spent.energy_j is None
