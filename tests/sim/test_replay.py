"""Recorded executions in the simulation, against a plain recurrence of machines in a row."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from sim.worlds import make_job, make_world, stage, times_of

from orbitsim.sim.engine import simulate_scheme
from orbitsim.sim.samples import NodeReplay, Recording
from orbitsim.types.route import Route

N_NODES, N_BATCHES, STATION = 3, 7, 3
STARTS_S = [0.0, 20.0, 20.0 + 1 / 3]
RATE_BPS, DELAY_S, CODEC_S = 1e7, 0.011, 0.05
BYTES = [2e6, 3e6, 1e5]


def setting(order: str, seed: int, n_samples: tuple[int, ...] = (5, 5, 5)):
    """Return a world, a job of one layer on each of three satellites that replay, and the samples."""
    rng = np.random.default_rng([31, *n_samples])
    samples = [rng.exponential(1.5, n) for n in n_samples]
    recording = Recording(samples, [0, 1, 2])
    nodes = {
        node: NodeReplay(
            f"p-{node:02d}", recording, order, seed, N_BATCHES, np.full(3, 10.0), np.zeros(3, dtype=np.int8)
        )
        for node in range(N_NODES)
    }
    world = make_world(
        N_NODES, ["ground"], RATE_BPS, {(2, STATION): [(0.0, math.inf, RATE_BPS)]},
        horizon_s=1e5, crosslink_delay_s=DELAY_S,
    )  # fmt: skip
    stages = [replace(stage(1.5, BYTES[k], codec_s=CODEC_S), layers=(k, k + 1)) for k in range(3)]
    stages.append(replace(stage(0.0, 0.0), layers=(3, 3)))
    route = Route(0, (0, 1, 2), STATION, fixed=True)
    job = replace(make_job(route, stages, STARTS_S, n_batches=N_BATCHES), replay=nodes)
    return world, job, samples


def recurrence(compute_s: np.ndarray, *, independent: bool = False) -> np.ndarray:
    """Return the delivery of each mini-batch of all tasks, in order: one machine after the other, first in first out.

    ``compute_s[i, k]`` is the time of the i-th mini-batch on satellite k.
    """
    delivered = []
    free_s = [0.0] * 6
    for i, times in enumerate(compute_s):
        start_s = STARTS_S[i // N_BATCHES]
        if independent and i % N_BATCHES == 0:
            free_s = [0.0] * 6
        t_s = start_s
        for k in range(3):
            for machine, seconds in ((2 * k, times[k]), (2 * k + 1, 8.0 * BYTES[k] / RATE_BPS)):
                t_s = max(t_s, free_s[machine]) + seconds
                free_s[machine] = t_s
            t_s += DELAY_S if k < 2 else 0.0
        delivered.append(t_s)
    return np.array(delivered)


@pytest.mark.parametrize("backlog", ["carry", "independent"])
@pytest.mark.parametrize("n_samples", [(5, 5, 5), (5, 3, 11)])
def test_recorded_order_is_a_flow_shop_with_the_samples_as_times(n_samples, backlog):
    world, job, samples = setting("in-order", 1, n_samples)
    numbers = np.arange(N_BATCHES * len(STARTS_S))
    if backlog == "independent":  # every task meets an idle network, and the first recorded execution
        numbers %= N_BATCHES
    compute_s = CODEC_S + np.column_stack([sample[numbers % len(sample)] for sample in samples])
    expected = recurrence(compute_s, independent=backlog == "independent").reshape(len(STARTS_S), N_BATCHES)
    run = simulate_scheme(world, job, backlog=backlog)
    np.testing.assert_allclose([task.end_s for task in run.tasks], expected.max(axis=1), rtol=0.0, atol=1e-9)
    ends_s = [services[-1][2] for number in range(len(run.passages)) for services in times_of(run, number).values()]
    np.testing.assert_allclose(np.sort(ends_s), np.sort(expected.ravel()), rtol=0.0, atol=1e-9)


@pytest.mark.parametrize("n_samples", [(5, 5, 5), (5, 3, 11)])
def test_drawn_executions_are_the_node_s_own_and_the_tasks_meet_the_flow_shop(n_samples):
    world, job, samples = setting("bootstrap", 3, n_samples)
    drawn_s = np.empty((N_BATCHES * len(STARTS_S), 3))
    for task in range(len(STARTS_S)):
        for node in range(N_NODES):
            drawn_s[task * N_BATCHES : (task + 1) * N_BATCHES, node] = job.replay[node].layer_s(task)[:, node]
    for node in range(N_NODES):
        assert set(drawn_s[:, node]) <= set(samples[node])
    run = simulate_scheme(world, job)
    expected = recurrence(CODEC_S + drawn_s).reshape(len(STARTS_S), N_BATCHES)
    np.testing.assert_allclose([task.end_s for task in run.tasks], expected.max(axis=1), rtol=0.0, atol=1e-9)
    spent = [step.spent for step in run.steps if step.draws is not None]
    assert sum(each.energy_j for each in spent) == pytest.approx(10.0 * drawn_s.sum(), rel=1e-12)
    assert sum(each.origin_s[0] for each in spent) == pytest.approx(drawn_s.sum(), rel=1e-12)


def test_seeds_differ_and_the_same_seed_does_not():
    def ends(seed: int) -> list[float]:
        world, job, _ = setting("bootstrap", seed)
        return [task.end_s for task in simulate_scheme(world, job).tasks]

    assert ends(1) == ends(1)
    assert len({tuple(ends(seed)) for seed in range(5)}) == 5


@pytest.mark.parametrize("execution", ["overlapped", "sequential", "serial"])
@pytest.mark.parametrize("order", ["in-order", "bootstrap"])
def test_the_laws_hold_and_nothing_of_the_codec_is_drawn(order, execution):
    world, job, _ = setting(order, 2, (4, 9, 2))
    run = simulate_scheme(world, replace(job, execution=execution))  # checks the laws at its end
    for task in run.tasks:
        assert task.last is not None
        assert task.last.parts[2] == pytest.approx(3 * CODEC_S)
