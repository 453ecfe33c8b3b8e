"""Drawn bytes of encoded mini-batches in the simulation, against a plain recurrence of machines in a row."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from sim.worlds import assert_sound, make_job, make_world, stage

from orbitsim.sim.engine import simulate_scheme
from orbitsim.sim.jobs import GroundStage
from orbitsim.sim.sizes import ByteReplay
from orbitsim.types.codec_table import ByteSpread
from orbitsim.types.route import Route

N_NODES, N_BATCHES, STATION = 3, 9, 3
STARTS_S = [0.0, 3.0, 60.0]
RATE_BPS, DELAY_S = 1e7, 0.011
BYTES = [2e6, 3e6, 1e5]
COMPUTE_S = [1.5, 1.2, 0.9]
SPREAD = ByteSpread.of([0.0, 0.5, 1.0], [[0.6, 0.9, 1.8], [1.0, 1.0, 1.0]], 64)
RATIO = (0.05, 1.0)


def setting(seed: int, ratio: float | None = 0.05, *, drawn: bool = True):
    """Return a world and a job of one layer on each of three satellites; the last one sends results."""
    world = make_world(
        N_NODES, ["ground"], RATE_BPS, {(2, STATION): [(0.0, math.inf, RATE_BPS)]},
        horizon_s=1e5, crosslink_delay_s=DELAY_S,
    )  # fmt: skip
    stages = [
        replace(stage(COMPUTE_S[k], BYTES[k]), layers=(k, k + 1), ratio=ratio if k < 2 else None) for k in range(3)
    ]
    stages.append(replace(stage(0.0, 0.0), layers=(3, 3)))
    route = Route(0, (0, 1, 2), STATION, fixed=True)
    replay = ByteReplay(SPREAD, RATIO, seed, N_BATCHES) if drawn else None
    return world, replace(make_job(route, stages, STARTS_S, n_batches=N_BATCHES), bytes_replay=replay)


def sizes_of(replay: ByteReplay, setting: int = 0) -> np.ndarray:
    """Return the bytes of each mini-batch on each hop, (batches of all tasks, 3)."""
    rows = []
    for task in range(len(STARTS_S)):
        factors = [replay.factors(cut, setting, task) for cut in (1, 2)]
        rows += [(BYTES[0] * a, BYTES[1] * b, BYTES[2]) for a, b in zip(*factors, strict=True)]
    return np.array(rows)


def recurrence(sizes: np.ndarray) -> np.ndarray:
    """Return the delivery of each mini-batch of all tasks: one machine after the other, first in first out."""
    free_s, delivered = [0.0] * 6, []
    for i, row in enumerate(sizes):
        t_s = STARTS_S[i // N_BATCHES]
        for k in range(3):
            for machine, seconds in ((2 * k, COMPUTE_S[k]), (2 * k + 1, 8.0 * row[k] / RATE_BPS)):
                t_s = max(t_s, free_s[machine]) + seconds
                free_s[machine] = t_s
            t_s += DELAY_S if k < 2 else 0.0
        delivered.append(t_s)
    return np.array(delivered).reshape(len(STARTS_S), N_BATCHES)


def test_drawn_sizes_meet_the_flow_shop_and_every_byte_is_counted():
    world, job = setting(5)
    sizes = sizes_of(job.bytes_replay)
    assert np.ptp(sizes[:, 0]) > 0.3 * BYTES[0]
    assert (sizes[:, 0] / BYTES[0] != sizes[:, 1] / BYTES[1]).all()
    run = simulate_scheme(world, job)  # checks the laws, bytes within capacity among them
    np.testing.assert_allclose([t.end_s for t in run.tasks], recurrence(sizes).max(axis=1), rtol=0.0, atol=1e-9)
    by_place = {place.name: place.n_bytes for place in run.places if place.kind != "processor"}
    assert sorted(by_place.values()) == pytest.approx(sorted(sizes.sum(axis=0)), rel=1e-12)
    assert sum(t.isl_bytes for t in run.tasks) == pytest.approx(sizes[:, :2].sum(), rel=1e-12)
    assert sum(t.downlink_bytes for t in run.tasks) == pytest.approx(sizes[:, 2].sum(), rel=1e-12)


def test_without_it_and_without_scatter_all_is_as_before():
    def ends(**arguments) -> list[float]:
        world, job = setting(1, **arguments)
        return [task.end_s for task in simulate_scheme(world, job).tasks]

    means = ends(drawn=False)
    assert ends(ratio=None) == means  # nothing that a codec made is in flight
    assert ends(ratio=0.7) == means  # a ratio that the table does not know has no scatter
    assert ends(ratio=1.0) == means  # one that scatters by nothing
    assert ends() != means


def test_the_seed_decides_and_nothing_else():
    def ends(seed: int, execution: str = "overlapped") -> list[float]:
        world, job = setting(seed)
        return [task.end_s for task in simulate_scheme(world, replace(job, execution=execution)).tasks]

    assert ends(1) == ends(1)
    assert len({tuple(ends(seed)) for seed in range(4)}) == 4
    for execution in ("sequential", "serial"):
        assert ends(1, execution) == ends(1, execution)
    replay = ByteReplay(SPREAD, RATIO, 1, N_BATCHES)
    first = replay.of(2, 0.05, 10.0)
    other = replay.of(2, 0.05, 10.0)
    assert first.bytes_of(4, 2) == other.bytes_of(4, 2)  # asked in another order, on another hop
    assert [other.bytes_of(0, b) for b in range(3)] == [first.bytes_of(0, b) for b in range(3)]
    assert replay.factors(1, 0, 0) != replay.factors(2, 0, 0)
    assert replay.factors(1, 0, 0) != replay.factors(1, 0, 1)


def test_means_are_kept_over_many_tasks():
    replay = ByteReplay(SPREAD, RATIO, 3, 50)
    factors = np.array([replay.factors(1, 0, task) for task in range(200)])
    assert factors.mean() == pytest.approx(1.0, abs=4 * factors.std() / math.sqrt(factors.size))
    assert factors.min() >= SPREAD.quantile[0][0]
    assert factors.max() <= SPREAD.quantile[0][-1]
    drawn = replay.of(1, 0.05, 7.0)
    for task in range(600):  # more than are remembered
        drawn.bytes_of(task, 0)
    assert drawn.bytes_of(0, 1) == 7.0 * replay.factors(1, 0, 0)[1]


@pytest.mark.parametrize("seed", range(4))
def test_contacts_are_booked_with_the_bytes_of_each_mini_batch(seed):
    """Activations go down to a station through short contacts, each of which holds a few of them only."""
    windows = [(10.0 * i, 10.0 * i + 4.0, RATE_BPS) for i in range(40)]
    world = make_world(N_NODES, ["ground"], 1e9, {(1, STATION): windows, (2, STATION): windows[1::2]}, horizon_s=400.0)
    stages = [replace(stage(0.4, 1.9e6), layers=(0, 1), ratio=0.05), stage(0.0, 1.9e6), stage(0.0, 1.9e6)]
    stages.append(replace(stage(0.5, 0.0), layers=(1, 2)))
    ground = {STATION: GroundStage(0.5, 0.0, None, (0.0, 0.5, 0.0), (1, 2))}
    job = make_job(Route(0, (0, 1, 2), None, fixed=False), stages, [0.0, 30.0], n_batches=12, ground=ground)
    job = replace(job, bytes_replay=ByteReplay(SPREAD, RATIO, seed, 12))
    run = simulate_scheme(world, job)
    assert_sound(run, world, 0, places_are_links=False)
    assert all(task.n_delivered == 12 for task in run.tasks)
    expected = 1.9e6 * sum(sum(job.bytes_replay.factors(1, 0, task)) for task in range(2))
    assert sum(task.downlink_bytes for task in run.tasks) == pytest.approx(expected, rel=1e-12)
