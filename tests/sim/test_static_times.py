"""Stage times that differ from one mini-batch to the next, on a static route, against a plain flow-shop recurrence."""

from __future__ import annotations

import numpy as np
import pytest
from sim.test_static import by_hand, draw

from orbitsim.plan.problem import Problem
from orbitsim.sim.static import simulate_static
from orbitsim.types.plan import Plan


def flow_shop(problem: Problem, plan: Plan, stage_s: np.ndarray, mode: str) -> np.ndarray:
    """Return when each mini-batch is delivered: every machine takes them in order, one at a time. [s]

    ``end[i, m] = max(end[i, m - 1], end[i - 1, m]) + time[i, m]``, in ``"sequential"`` with the computing of a node and
    the hop after it as one machine, in ``"serial"`` with all of them as one, held through propagation.
    """
    _, hop_bytes = by_hand(problem, plan)
    machines: list[tuple[list[object], float]] = []  # times of all mini-batches, propagation afterwards
    if problem.input_rate_bps < np.inf:
        machines.append(([8.0 * problem.input_bytes / problem.input_rate_bps] * problem.n_batches, 0.0))
    joined: list[bool] = [False] * len(machines)
    for node, (start, stop) in enumerate(plan.layers):
        computes = stop > start
        if computes:
            machines.append((stage_s[node].tolist(), 0.0))
            joined.append(False)
        if node < problem.n_hops:
            seconds = 8.0 * hop_bytes[node] / problem.rate_bps[node]
            machines.append(([seconds] * problem.n_batches, float(problem.delay_s[node])))
            joined.append(mode == "sequential" and computes)
    machine_of = np.zeros(len(machines), dtype=int) if mode == "serial" else np.cumsum(~np.array(joined)) - 1
    free_s = np.zeros(len(machines))
    delivered = np.zeros(problem.n_batches)
    for i in range(problem.n_batches):
        t_s = 0.0
        for m, (seconds, delay_s) in enumerate(machines):
            holds_already = m > 0 and machine_of[m] == machine_of[m - 1]
            t_s = (t_s if holds_already else max(t_s, free_s[machine_of[m]])) + seconds[i]
            free_s[machine_of[m]] = t_s
            t_s += delay_s
            if mode == "serial":
                free_s[machine_of[m]] = t_s
        delivered[i] = t_s
    return delivered


@pytest.mark.parametrize("mode", ["overlapped", "sequential", "serial"])
@pytest.mark.parametrize("seed", range(25))
def test_times_by_mini_batch_give_the_flow_shop(seed, mode):
    rng, problem, plan = draw(seed)
    stage_s = rng.exponential(0.3, (problem.n_nodes, problem.n_batches)) * rng.choice(
        [1.0, 5.0], (1, problem.n_batches)
    )
    run = simulate_static(problem, plan, execution=mode, stage_s=stage_s, record=True)
    np.testing.assert_allclose(run.delivered_s, flow_shop(problem, plan, stage_s, mode), rtol=1e-9)
    assert run.makespan_s == max(run.delivered_s)


@pytest.mark.parametrize("seed", range(5))
def test_equal_times_are_the_plan_s_own(seed):
    _, problem, plan = draw(seed)
    compute_s, _ = by_hand(problem, plan)
    stage_s = np.tile(np.array(compute_s)[:, None], (1, problem.n_batches))
    given, own = simulate_static(problem, plan, stage_s=stage_s), simulate_static(problem, plan)
    np.testing.assert_allclose(given.delivered_s, own.delivered_s, rtol=1e-9)


def test_faulty_times_are_refused():
    _, problem, plan = draw(3)
    shape = (problem.n_nodes, problem.n_batches)
    with pytest.raises(ValueError, match="shape"):
        simulate_static(problem, plan, stage_s=np.ones((shape[0], shape[1] + 1)))
    for bad in (np.nan, np.inf, -1.0):
        with pytest.raises(ValueError, match="finite seconds"):
            simulate_static(problem, plan, stage_s=np.full(shape, bad))
