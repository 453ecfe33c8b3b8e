"""The delay models against hand-computed values, against slow simulations of the shops, and against each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.plan.delay import DELAY_MODELS, exact, paper, sequential, serial

times = st.floats(0.0, 10.0, allow_nan=False)
stages = st.integers(1, 5).flatmap(lambda n: st.tuples(*(st.lists(times, min_size=n, max_size=n) for _ in range(3))))


def flow_shop_makespan(machines: list[tuple[float, float]], n_batches: int) -> float:
    """Simulate identical jobs through machines with unbounded buffers; each machine is (service, delay after it)."""
    free = [0.0] * len(machines)
    finished = 0.0
    for _ in range(n_batches):
        ready = 0.0
        for index, (service_s, delay_s) in enumerate(machines):
            free[index] = max(free[index], ready) + service_s
            ready = free[index] + delay_s
        finished = ready
    return finished


@given(times, stages, st.integers(1, 30))
def test_exact_is_the_makespan_of_the_flow_shop(input_s, parts, n_batches):
    machines = [(input_s, 0.0)]
    for busy_s, send_s, delay_s in zip(*parts, strict=True):
        machines += [(busy_s, 0.0), (send_s, delay_s)]
    expected = flow_shop_makespan(machines, n_batches)
    assert float(exact(input_s, *parts, n_batches).total_s) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(times, stages, st.integers(1, 30))
def test_sequential_is_the_makespan_with_one_machine_per_node(input_s, parts, n_batches):
    machines = [(input_s, 0.0), *((busy + send, delay) for busy, send, delay in zip(*parts, strict=True))]
    expected = flow_shop_makespan(machines, n_batches)
    assert float(sequential(input_s, *parts, n_batches).total_s) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(times, stages, st.integers(1, 30))
def test_serial_runs_one_batch_after_the_other(input_s, parts, n_batches):
    expected = n_batches * (input_s + sum(map(sum, parts)))
    assert float(serial(input_s, *parts, n_batches).total_s) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(times, stages, st.integers(1, 30))
def test_paper_is_its_equations(input_s, parts, n_batches):
    comp, comm, prop = parts
    received = [input_s, *comm[:-1]]
    theta = max(a + b - min(a, r) for a, b, r in zip(comp, comm, received, strict=True))
    expected = input_s + sum(comp) + sum(comm) + sum(prop) + (n_batches - 1) * theta
    assert float(paper(input_s, *parts, n_batches).total_s) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(times, st.lists(times, min_size=1, max_size=5), st.integers(1, 30))
def test_paper_equals_exact_when_all_transfers_are_equal(transfer_s, comp, n_batches):
    comm, prop = [transfer_s] * len(comp), [0.0] * len(comp)
    ours = exact(transfer_s, comp, comm, prop, n_batches)
    assert float(paper(transfer_s, comp, comm, prop, n_batches).total_s) == pytest.approx(
        float(ours.total_s), rel=1e-12
    )


@given(times, stages, st.integers(1, 30))
def test_models_are_ordered(input_s, parts, n_batches):
    total = {name: float(model(input_s, *parts, n_batches).total_s) for name, model in DELAY_MODELS.items()}
    assert total["exact"] <= total["sequential"] * (1 + 1e-12)
    assert total["sequential"] <= total["serial"] * (1 + 1e-12)


def test_paper_falls_below_what_a_link_can_carry():
    # A long incoming transfer hides all computing: theta is 1 s although hop 0 alone takes 5 s per mini-batch.
    delay = paper(0.0, [0.0, 5.0], [5.0, 1.0], [0.0, 0.0], 10)
    assert float(delay.theta_s) == 5.0
    delay = paper(9.0, [5.0], [1.0], [0.0], 10)
    assert float(delay.total_s) == 9.0 + 6.0 + 9 * 1.0
    assert float(delay.total_s) < 10 * 9.0


@pytest.mark.parametrize("model", DELAY_MODELS.values(), ids=DELAY_MODELS)
def test_models_broadcast(model):
    rng = np.random.default_rng(1)
    input_s, n_batches = rng.random(4), np.array([1, 2, 30, 4])
    parts = [rng.random((3, 4, 5)), rng.random((3, 1, 5)), rng.random(5)]
    together = model(input_s, *parts, n_batches)
    assert together.total_s.shape == together.startup_s.shape == together.theta_s.shape == (3, 4)
    for row in range(3):
        for column in range(4):
            alone = model(input_s[column], parts[0][row, column], parts[1][row, 0], parts[2], n_batches[column])
            np.testing.assert_allclose(together.total_s[row, column], alone.total_s, rtol=1e-14)
    split = together.startup_s + (n_batches - 1) * together.theta_s
    np.testing.assert_allclose(together.total_s, split, rtol=1e-15)


@pytest.mark.parametrize("model", DELAY_MODELS.values(), ids=DELAY_MODELS)
def test_no_batch_is_refused(model):
    with pytest.raises(ValueError, match="n_batches"):
        model(0.0, [1.0], [1.0], [0.0], 0)
