"""A split whose mini-batches differ, against the closed form, a plain recurrence and the laws of every run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.plan import delay
from orbitsim.sim.split import simulate_split

SECONDS = st.floats(0.0, 10.0)


def recurrence(compute: np.ndarray, send: np.ndarray, travel: np.ndarray) -> np.ndarray:
    """Arrival of each mini-batch by two nested loops over departures; no events."""
    arrived = np.zeros(compute.shape[1])
    for k in range(len(compute)):
        for times in (compute[k], send[k]):
            free = 0.0
            for b in range(len(arrived)):
                free = max(free, arrived[b]) + times[b]
                arrived[b] = free
        arrived = arrived + travel[k]
    return arrived


@given(
    compute_s=st.lists(SECONDS, min_size=1, max_size=4),
    send_s=st.floats(0.001, 10.0),
    travel_s=SECONDS,
    n_batches=st.integers(1, 30),
)
def test_equal_mini_batches_take_what_the_flow_shop_takes(
    compute_s: list[float], send_s: float, travel_s: float, n_batches: int
) -> None:
    n_stages = len(compute_s)
    table = np.repeat(np.array(compute_s)[:, None], n_batches, axis=1)
    run = simulate_split(table, 1000.0, 8000.0 / send_s, travel_s)
    closed = delay.exact(0.0, compute_s, [send_s] * n_stages, [travel_s] * n_stages, n_batches)
    assert run.makespan_s == pytest.approx(float(closed.total_s), rel=1e-9)
    assert run.n_passages == 2 * n_stages * n_batches


@pytest.mark.parametrize("seed", range(20))
def test_unequal_mini_batches_follow_the_recurrence(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 5)), int(rng.integers(1, 25)))
    compute, send = rng.exponential(1.0, shape), rng.exponential(0.7, shape) + 1e-6
    travel = np.repeat(rng.exponential(0.2, (shape[0], 1)), shape[1], axis=1)
    run = simulate_split(compute, 500.0, 4000.0 / send, travel, record=True)
    np.testing.assert_allclose(run.delivered_s, recurrence(compute, send, travel), rtol=1e-9)
    passages = run.passages
    for k in range(shape[0]):
        served = passages.place == k
        order = np.argsort(passages.batch[served])
        lasted = (passages.end_s - passages.start_s)[served][order]
        np.testing.assert_allclose(lasted, compute[k], rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize(
    ("compute_s", "n_bytes", "rate_bps", "delay_s"),
    [
        ([1.0], 1.0, 1.0, 0.0),
        (np.empty((2, 0)), 1.0, 1.0, 0.0),
        ([[-1.0]], 1.0, 1.0, 0.0),
        ([[np.nan]], 1.0, 1.0, 0.0),
        ([[1.0]], np.inf, 1.0, 0.0),
        ([[1.0]], 1.0, 0.0, 0.0),
        ([[1.0]], 1.0, np.inf, 0.0),
        ([[1.0]], 1.0, 1.0, -1.0),
        ([[1.0, 2.0]], [1.0, 2.0, 3.0], 1.0, 0.0),
    ],
)
def test_impossible_times_are_refused(compute_s: object, n_bytes: object, rate_bps: object, delay_s: object) -> None:
    with pytest.raises(ValueError, match=r"must|broadcast"):
        simulate_split(compute_s, n_bytes, rate_bps, delay_s)  # type: ignore[arg-type]
