"""Executions and bytes that are replayed, under both engines: every mini-batch meets the same ones."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sim.engines import assert_same
from sim.test_maxplus import FixedWorld
from sim.test_random_worlds import RandomWorld

from orbitsim.plan.stages import Stage
from orbitsim.sim.engine import simulate_scheme
from orbitsim.sim.engines import Engine
from orbitsim.sim.maxplus import pace
from orbitsim.sim.maxplus.engine import simulate_scheme_vectorised
from orbitsim.sim.maxplus.undetermined import UndeterminedError
from orbitsim.sim.samples import NodeReplay, Recording
from orbitsim.sim.scheme import SchemeJob
from orbitsim.sim.sizes import ByteReplay
from orbitsim.types.codec_table import ByteSpread
from orbitsim.types.plan import Plan
from orbitsim.types.route import Route

N_LAYERS = 8


@pytest.fixture(autouse=True)
def _however_short_runs_are(monkeypatch):
    monkeypatch.setattr(pace, "FREE_RUNS", math.inf)


def node_replay(rng: np.random.Generator, node: int, order: str, n_batches: int) -> NodeReplay:
    """Return what a node replays: parts of equal or unequal numbers of executions, powers that are known or not."""
    passwise = rng.random() < 0.5
    n_samples = np.full(N_LAYERS, rng.integers(1, 9)) if passwise else rng.integers(1, 9, N_LAYERS)
    recording = Recording([rng.exponential(0.7, n) for n in n_samples], range(N_LAYERS))
    power_w = np.where(rng.random(N_LAYERS) < 0.9, 20.0, np.nan)
    origin = rng.integers(0, 3, N_LAYERS).astype(np.int8)
    return NodeReplay(f"p-{node:02d}", recording, order, 7, n_batches, power_w, origin, int(rng.integers(0, 5)))


def replaying(job: SchemeJob, seed: int, order: str, *, sizes: bool) -> SchemeJob:
    """Return a job whose nodes replay executions, some of them, and whose activations have bytes of their own."""
    rng = np.random.default_rng([78, seed])
    nodes = {k: node_replay(rng, k, order, job.n_batches) for k in range(6) if order and rng.random() < 0.8}
    spread = ByteSpread.of((0.0, 0.5, 1.0), [sorted(rng.uniform(0.2, 2.0, 3).tolist())], 64)

    def stages(route: Route, plan: Plan) -> tuple[Stage, ...]:
        """Return the stages with what replays are looked up by."""
        return tuple(
            replace(made, layers=layers, ratio=0.5 if layers[1] > layers[0] else None)
            for made, layers in zip(job.stages(route, plan), plan.layers, strict=True)
        )

    drawn = ByteReplay(spread, (0.5,), 7, job.n_batches) if sizes else None
    return replace(job, stages=stages, replay=nodes, bytes_replay=drawn)


ORDERS = st.sampled_from(["in-order", "bootstrap", ""])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), order=ORDERS, sizes=st.booleans(), backlog=st.sampled_from(["carry", "independent"]))
def test_every_begin_and_end_on_fixed_routes(seed, order, sizes, backlog):
    world, job = FixedWorld(seed, "overlapped").world_and_job()
    job = replaying(job, seed, order, sizes=sizes)
    assert_same(*(simulate(world, job, backlog=backlog) for simulate in (simulate_scheme, simulate_scheme_vectorised)))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), order=ORDERS, execution=st.sampled_from(["sequential", "serial"]))
@example(seed=2267, order="bootstrap", execution="serial")  # a node that begins nothing in a slice of time
def test_every_begin_and_end_where_nodes_are_held(seed, order, execution):
    world, job = FixedWorld(seed, execution).world_and_job()
    job = replaying(job, seed, order, sizes=True)
    engine = Engine("vectorised")
    assert_same(simulate_scheme(world, job), engine.simulate(world, job))
    assert order == "in-order" or not engine.fell_back


@pytest.mark.parametrize("order", ["in-order", "bootstrap"])
def test_every_begin_and_end_in_worlds_of_contacts(order):
    n_same = n_left = 0
    for seed in range(30):
        case = RandomWorld(seed, "overlapped")
        job = replaying(case.job(), seed, order, sizes=True)
        try:
            found = simulate_scheme_vectorised(case.world(), job)
        except UndeterminedError:
            n_left += not case.world().half_duplex  # with contacts those are all left
            continue
        assert_same(simulate_scheme(case.world(), job), found)
        n_same += 1
    assert n_same > 2 * n_left


def test_replays_differ_from_the_mean_in_what_they_test():
    world, job = FixedWorld(3, "overlapped").world_and_job()
    plain = simulate_scheme(world, job).passages[0]
    in_order = simulate_scheme(world, replaying(job, 3, "in-order", sizes=True)).passages[0]
    assert len(np.unique((in_order.end_s - in_order.start_s).round(9))) > len(
        np.unique((plain.end_s - plain.start_s).round(9))
    )
