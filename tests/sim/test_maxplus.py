"""The vectorised engine against the event loop: the same times, counts and decisions wherever it does not pass."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sim.engines import assert_same
from sim.slow_twin import random_segments
from sim.test_random_worlds import RandomWorld
from sim.worlds import changing_job, make_world, one_layer_each, stage

from orbitsim.plan.stages import Stage
from orbitsim.plan.switching import Weights
from orbitsim.sim.engine import simulate_scheme
from orbitsim.sim.engines import Engine
from orbitsim.sim.maxplus import pace
from orbitsim.sim.maxplus.engine import simulate_scheme_vectorised
from orbitsim.sim.maxplus.pace import FREE_RUNS, PASSAGES_OF_A_RUN, Pace
from orbitsim.sim.maxplus.undetermined import UndeterminedError
from orbitsim.types.route import Route


@pytest.fixture(autouse=True, scope="module")
def _however_short_runs_are():
    """Let the recursion go on where the event loop would be faster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace, "FREE_RUNS", math.inf)
        yield


class FixedWorld:
    """A route that is fixed beforehand: random stages, rates, outages, propagation, backlog, plans that change."""

    def __init__(self, seed: int, execution: str, *, weights: bool = False) -> None:
        rng = np.random.default_rng([77, seed])
        n = int(rng.integers(2, 5))
        forever = bool(rng.random() < 0.8)
        outages = bool(rng.random() < 0.7)
        rate = float(rng.choice([2e5, 2e6, 2e7]))
        self.crosslinks = {
            (a, a + 1): random_segments(rng, 500.0, rate, outages=outages, forever=forever) for a in range(n)
        }
        self.downlinks = {(n - 1, n): random_segments(rng, 500.0, rate, outages=outages, forever=forever)}
        self.n, self.execution = n, execution
        self.delay_s = float(rng.choice([0.0, 0.013]))
        sensor_computes = bool(rng.random() < 0.6)
        self.route = Route(0, tuple(range(0 if sensor_computes else 1, n)), n, fixed=True)
        length = len(self.route.chain) + 1
        self.stages: dict = {}
        for _ in range(int(rng.integers(1, 4))):
            on = rng.random(length) < 0.7
            on[int(rng.integers(0, length))] = True
            made = [stage(float(rng.uniform(0.05, 3.0)) * c, float(rng.choice([1e3, 1e5, 1e6])), 0.01 * c) for c in on]
            self.stages[one_layer_each(made)] = made
        if weights:
            loaded_by_s = np.cumsum(np.concatenate(([0.0], rng.uniform(0.0, 2.0, length)))).tolist()
            self.stages = {
                plan: [
                    Stage(s.seconds, s.codec_s, s.energy_j, s.origin_s, s.n_bytes, s.computes, weights=(
                        Weights(a, b, loaded_by_s) if b > a else None
                    ))
                    for s, (a, b) in zip(made, plan.layers, strict=True)
                ]
                for plan, made in self.stages.items()
            }  # fmt: skip
        self.switch_s = float(rng.choice([31.0, 90.0, 1e9]))
        self.n_batches = int(rng.integers(1, 40))
        self.starts = (np.sort(rng.choice(np.arange(20), rng.integers(1, 9), replace=False)) * 23.7).tolist()
        self.horizon_s = float(rng.choice([480.0, 5000.0]))

    def world_and_job(self):
        world = make_world(
            self.n, ["ground"], self.crosslinks, self.downlinks, horizon_s=self.horizon_s,
            crosslink_delay_s=self.delay_s, downlink_delay_s=self.delay_s / 2,
        )  # fmt: skip
        plans = list(self.stages)
        job = changing_job(
            self.route, self.stages, lambda t_s: plans[int(t_s / self.switch_s) % len(plans)], self.starts,
            n_batches=self.n_batches, input_bytes=1.5e5, execution=self.execution,
        )  # fmt: skip
        return world, job

    def runs(self, backlog: str):
        """Return the run of either engine."""
        world, job = self.world_and_job()
        return (simulate(world, job, backlog=backlog) for simulate in (simulate_scheme, simulate_scheme_vectorised))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), backlog=st.sampled_from(["carry", "independent"]))
def test_every_begin_and_end_on_fixed_routes(seed, backlog):
    assert_same(*FixedWorld(seed, "overlapped").runs(backlog))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), execution=st.sampled_from(["sequential", "serial"]))
def test_every_begin_and_end_where_nodes_are_held(seed, execution):
    assert_same(*FixedWorld(seed, execution).runs("carry"))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_every_begin_and_end_where_weights_are_loaded(seed):
    assert_same(*FixedWorld(seed, "overlapped", weights=True).runs("carry"))


@pytest.mark.parametrize("backlog", ["carry", "independent"])
def test_every_begin_and_end_in_worlds_of_contacts(backlog):
    n_same = n_left = 0
    for seed in range(50):
        case = RandomWorld(seed, "overlapped")
        try:
            found = simulate_scheme_vectorised(case.world(), case.job(), backlog=backlog)
        except UndeterminedError:
            n_left += not case.world().half_duplex  # with contacts those are all left
            continue
        assert_same(simulate_scheme(case.world(), case.job(), backlog=backlog), found)
        n_same += 1
    assert n_same > 4 * n_left


# Worlds that were found among 47,000: a mini-batch that meets its own way back on a half-duplex crosslink (48268);
# things at the very same second: contacts missed in two places (14779, 26786), or when others look for one (4296,
# 20100), servers laid out (2343); one contact that closes for two runs in turns (37171); a change of plan among
# mini-batches without contact (6993), and several runs of these that take turns (8753, 14680).
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(1000, 10**6))
@example(seed=48268)
@example(seed=14779)
@example(seed=26786)
@example(seed=4296)
@example(seed=20100)
@example(seed=2343)
@example(seed=37171)
@example(seed=6993)
@example(seed=8753)
@example(seed=14680)
def test_every_begin_and_end_in_any_world_whichever_engine_it_takes(seed):
    case = RandomWorld(seed, "overlapped")
    engine = Engine("vectorised")
    assert_same(simulate_scheme(case.world(), case.job()), engine.simulate(case.world(), case.job()))
    assert all(note.startswith("hybrid was simulated event by event, because ") for note in engine.take_notes("hybrid"))


def test_what_is_not_determined_is_left_to_the_event_loop_with_a_reason():
    case = RandomWorld(0, "sequential")
    engine = Engine("vectorised")
    assert_same(simulate_scheme(case.world(), case.job()), engine.simulate(case.world(), case.job()))
    (note,) = engine.take_notes("hybrid")
    assert note.startswith("hybrid was simulated event by event, because a node that chooses a contact")
    assert not engine.take_notes("hybrid")


@pytest.mark.parametrize(
    ("seed", "reason"),
    [
        (183, "its mini-batches take turns on so many ways"),
        (847, "its mini-batches take turns on so many ways"),
        (163, "a mini-batch missed its contact when another looked for one"),
        (679, "a service began when the controller looked"),
        (1010, "mini-batches reached a queue when the controller looked"),
        (1, ""),
    ],
)
def test_the_event_loop_takes_over_where_it_is_faster_or_the_order_is_open(seed, reason, monkeypatch):
    monkeypatch.setattr(pace, "FREE_RUNS", FREE_RUNS)  # the limit that the other tests of this module lift
    case = RandomWorld(seed, "overlapped")
    engine = Engine("vectorised")
    assert_same(simulate_scheme(case.world(), case.job()), engine.simulate(case.world(), case.job()))
    notes = engine.take_notes("hybrid")
    assert [note.partition(", because ")[2][: len(reason)] for note in notes] == [reason] * bool(reason)


def test_short_runs_are_allowed_until_they_are_many(monkeypatch):
    monkeypatch.setattr(pace, "FREE_RUNS", FREE_RUNS)
    counted = Pace()
    counted.check(n_runs=FREE_RUNS)
    with pytest.raises(UndeterminedError, match="take turns"):
        counted.check(n_runs=FREE_RUNS + 1)
    counted.n_passages = PASSAGES_OF_A_RUN
    counted.check(n_runs=FREE_RUNS + 1)


@pytest.mark.parametrize("case", [FixedWorld(11, "overlapped"), FixedWorld(12, "serial")])
def test_recording_tasks_only_changes_nothing_else(case):
    world, job = case.world_and_job()
    one, two = (simulate_scheme_vectorised(world, job, record=record) for record in (True, False))
    assert not two.passages
    one.passages.clear()
    assert_same(one, two)
