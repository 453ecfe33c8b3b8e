"""The recursion of a FIFO server against one addition after the other, and in the work domain as the formula says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.link.capacity import CapacityCurve
from orbitsim.link.fifo import fifo, fifo_link

gaps = st.lists(st.sampled_from([0.0, 0.1, 0.3, 1.0, 2.7, 40.0]), min_size=1, max_size=120)


def one_by_one(arrival_s, serve, free_s):
    turns, ends, end = [], [], free_s
    for i, arrival in enumerate(arrival_s):
        turn = max(arrival, end)
        end = serve(i, turn)
        turns.append(turn)
        ends.append(end)
    return np.array(turns), np.array(ends)


@given(gaps, st.data())
def test_a_server_gives_the_bits_of_one_addition_after_the_other(waits, data):
    arrival_s = 1e4 + np.cumsum(waits)
    n = len(waits)
    seconds = np.array(data.draw(st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.7, 5.0]), min_size=n, max_size=n)))
    free_s = data.draw(st.sampled_from([-math.inf, 0.0, 1e4 + 3.0, 1e4 + 60.0]))
    expected = one_by_one(arrival_s.tolist(), lambda i, t: t + float(seconds[i]), free_s)
    found = fifo(arrival_s, seconds, free_s)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("n_tasks", [1, 40])
@pytest.mark.parametrize("same", [True, False])
def test_long_busy_periods_keep_their_bits(n_tasks, same):
    rng = np.random.default_rng(n_tasks)
    arrival_s = np.sort(
        np.repeat(600.0 * np.arange(n_tasks), 700) + (0.0 if same else 1e-3 * rng.random(700 * n_tasks))
    )
    seconds = np.full(len(arrival_s), 0.3) if same else rng.uniform(0.1, 0.9, len(arrival_s))
    expected = one_by_one(arrival_s.tolist(), lambda i, t: t + float(seconds[i]), -math.inf)
    np.testing.assert_array_equal(fifo(arrival_s, seconds, -math.inf)[1], expected[1])
    # A second server that takes as long as the first: arrival and end before it differ by rounding alone.
    after = fifo(expected[1] + 0.012, seconds, -math.inf)
    again = one_by_one((expected[1] + 0.012).tolist(), lambda i, t: t + float(seconds[i]), -math.inf)
    np.testing.assert_array_equal(after[1], again[1])


curves = st.lists(
    st.tuples(st.sampled_from([0.5, 1.0, 7.3, 30.0]), st.sampled_from([0.0, 0.0, 1e5, 3e5, 8e6])),
    min_size=1,
    max_size=12,
)


@given(gaps, curves, st.booleans(), st.data())
def test_a_link_finishes_transfers_as_they_would_one_after_the_other(waits, parts, forever, data):
    edges = np.cumsum([0.0, *(length for length, _ in parts)])
    rates = np.array([rate for _, rate in parts])
    if forever:
        edges, rates = np.append(edges, np.inf), np.append(rates, 2e5)
    curve = CapacityCurve(edges, rates) if (rates > 0).any() else CapacityCurve.from_windows([], [], [])
    n = len(waits)
    n_bytes = np.array(data.draw(st.lists(st.sampled_from([0.0, 1e3, 1.25e4, 77777.0]), min_size=n, max_size=n)))
    arrival_s = np.cumsum(waits)
    free_s = data.draw(st.sampled_from([-math.inf, 2.0, 9.5]))
    expected = one_by_one(arrival_s.tolist(), lambda i, t: curve.finish_at(t, float(n_bytes[i])), free_s)
    found = fifo_link(arrival_s, n_bytes, curve, free_s)
    np.testing.assert_allclose(found[0], expected[0], rtol=0.0, atol=1e-9)
    np.testing.assert_allclose(found[1], expected[1], rtol=0.0, atol=1e-9)


@pytest.mark.parametrize("n_bytes", [2e4, 9e4])
def test_a_link_follows_the_formula_of_its_work_domain(n_bytes):
    rng = np.random.default_rng(3)
    rates = np.where(rng.random(400) < 0.3, 0.0, rng.uniform(1e5, 2e6, 400))
    curve = CapacityCurve(np.append(np.arange(400) * 15.0, np.inf), np.append(rates, 1e6)[:400])
    arrival_s = np.sort(rng.uniform(0.0, 5000.0, 20_000))
    work = curve.integral_bits(0.0, arrival_s)
    sums = np.cumsum(np.full(len(arrival_s), 8.0 * n_bytes))
    finished_bits = sums + np.maximum.accumulate(work - (sums - 8.0 * n_bytes))
    expected_s = curve.finish_s(0.0, finished_bits / 8.0)
    found_s = fifo_link(arrival_s, n_bytes, curve, -math.inf)[1]
    np.testing.assert_allclose(found_s, expected_s, rtol=1e-9)


def test_what_never_crosses_holds_up_all_behind_it():
    curve = CapacityCurve.constant(8.0, 0.0, 10.0)
    turn_s, finish_s = fifo_link(np.array([0.0, 1.0, 2.0]), np.array([4.0, 100.0, 1.0]), curve, -math.inf)
    assert finish_s.tolist() == [4.0, math.inf, math.inf]
    assert turn_s.tolist() == [0.0, 4.0, math.inf]


def test_no_arrivals_give_no_services():
    assert len(fifo(np.empty(0), 1.0, 0.0)[0]) == 0
    assert len(fifo_link(np.empty(0), 1.0, CapacityCurve.constant(1.0), 0.0)[1]) == 0
