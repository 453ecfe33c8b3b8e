"""The time model and its fit: known constants come back, the best of all limits is found, poor data say so."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbitsim.workload.fit import OUTLIER, TimeModel, fit_time_model, robust_loss

OVERHEADS_S = st.floats(1e-5, 1e-2)
RATES = st.floats(1e9, 1e14)
INTENSITIES = st.floats(1.0, 1e3)


def work(seed, n_rows, ridge):
    """FLOP and bytes of rows on both sides of a ridge [FLOP/B], each at least twice, and none close to it."""
    rng = np.random.default_rng(seed)
    flop = 10 ** rng.uniform(7, 12, n_rows)
    side = np.where(np.arange(n_rows) % 2 == 0, 1.0, -1.0)
    return flop, flop / (ridge * 10 ** (side * rng.uniform(0.2, 2.0, n_rows)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), OVERHEADS_S, RATES, INTENSITIES)
def test_constants_come_back_from_exact_times(seed, overhead_s, rate, ridge):
    flop, moved_bytes = work(seed, 12, ridge)
    truth = TimeModel(overhead_s, 1 / rate, ridge / rate)
    seconds = truth.seconds(flop, moved_bytes)
    fitted = fit_time_model(flop, moved_bytes, seconds)
    assert fitted.seconds(flop, moved_bytes) == pytest.approx(seconds, rel=1e-5)
    # a limit is found where rows feel it: where it is most of some row's time
    limited = seconds > 2 * overhead_s
    by_rate = flop / rate >= moved_bytes * ridge / rate
    if np.sum(limited & by_rate) > 1 and np.sum(limited & ~by_rate) > 1:
        assert fitted.rate_flop_s == pytest.approx(rate, rel=1e-3)
        assert fitted.bandwidth_bytes_s == pytest.approx(rate / ridge, rel=1e-3)
        assert fitted.fixed == ()


def test_units():
    """2 TFLOP at 1 TFLOP/s and 100 GB at 25 GB/s take 2 and 4 s; with a launch of half a second, 2.5 and 4.5 s."""
    model = TimeModel(0.5, 1e-12, 4e-11)
    assert model.seconds(2e12, 0.0) == pytest.approx(2.5)
    assert model.seconds([2e12, 2e12], [0.0, 1e11]) == pytest.approx([2.5, 4.5])
    assert model.seconds(2e12, 0.0, n_launches=3) == pytest.approx(3.5)
    assert model.rate_flop_s == pytest.approx(1e12)
    assert model.bandwidth_bytes_s == pytest.approx(25e9)
    twice = model.scaled(rate=2.0, bandwidth=4.0, overhead=0.5)
    assert twice.seconds([2e12, 2e12], [0.0, 1e11]) == pytest.approx([1.25, 1.25])
    with pytest.raises(ValueError, match="expected rate and bandwidth above 0"):
        model.scaled(rate=0.0, bandwidth=1.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_whatever_the_times_predictions_are_finite_positive_and_never_fall_with_work(seed, n_rows):
    rng = np.random.default_rng(seed)
    flop, moved_bytes, seconds = (10 ** rng.uniform(low, low + 4, n_rows) for low in (8, 5, -5))
    model = fit_time_model(flop, moved_bytes, seconds)
    grid = np.array(list(itertools.product(np.geomspace(1e7, 1e14, 8), np.geomspace(1e4, 1e11, 8))))
    predicted = model.seconds(*grid.T).reshape(8, 8)
    assert np.all(np.isfinite(predicted))
    assert np.all(predicted > 0)
    assert np.all(np.diff(predicted, axis=0) >= 0)
    assert np.all(np.diff(predicted, axis=1) >= 0)
    assert model.overhead_s >= 0
    assert model.s_per_flop >= 0
    assert model.s_per_byte >= 0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
def test_the_unit_of_work_and_of_time_does_not_matter(seed, factor):
    rng = np.random.default_rng(seed)
    flop, moved_bytes, seconds = (10 ** rng.uniform(low, low + 2, 9) for low in (8, 6, -3))
    model = fit_time_model(flop, moved_bytes, seconds)
    other = fit_time_model(flop * factor, moved_bytes / factor, seconds * factor)
    assert other.seconds(flop * factor, moved_bytes / factor) == pytest.approx(
        model.seconds(flop, moved_bytes) * factor, rel=1e-6
    )


@pytest.mark.parametrize("seed", range(4))
def test_no_constants_on_a_fine_grid_are_better(seed):
    """A slow twin: all combinations of a grid around the fit, and one over many decades."""
    rng = np.random.default_rng(seed)
    flop, moved_bytes = work(seed, 8, 50.0)
    noise = rng.lognormal(0.0, 0.3, 8)
    seconds = TimeModel(3e-4, 1e-12, 5e-11).seconds(flop, moved_bytes) * noise
    rows = (flop, moved_bytes, seconds, np.ones(8), np.ones(8))
    fitted = fit_time_model(flop, moved_bytes, seconds)
    least = robust_loss(fitted, rows)
    wide = [np.append(0.0, np.geomspace(10**low, 10.0 ** (low + 4), 19)) for low in (-5, -14, -13)]
    near = [
        value * np.linspace(0.8, 1.2, 19) if value else np.zeros(1)
        for value in (fitted.overhead_s, fitted.s_per_flop, fitted.s_per_byte)
    ]
    for grid in (wide, near):
        losses = [robust_loss(TimeModel(c, a, b), rows) for c, a, b in itertools.product(*grid)]
        assert least <= min(losses) * (1 + 1e-9) + 1e-12


def test_loss_is_quadratic_below_the_outlier_and_linear_beyond():
    rows = tuple(np.array([value]) for value in (1.0, 0.0, 1.0, 1.0, 1.0))
    for residual, loss in ((0.05, 0.05**2 / 2), (OUTLIER, OUTLIER**2 / 2), (0.5, OUTLIER * (0.5 - OUTLIER / 2))):
        assert robust_loss(TimeModel(0.0, 1.0 + residual, 0.0), rows) == pytest.approx(loss)


def test_a_disturbed_row_hardly_bends_the_rest():
    flop, moved_bytes = work(3, 24, 50.0)
    seconds = TimeModel(1e-3, 1e-12, 5e-11).seconds(flop, moved_bytes)
    disturbed = seconds.copy()
    disturbed[5] *= 20
    others = np.delete(np.arange(24), 5)
    fitted = fit_time_model(flop, moved_bytes, disturbed).seconds(flop, moved_bytes)
    assert fitted[others] == pytest.approx(seconds[others], rel=0.1)


def test_one_row_gives_a_rate_and_says_what_is_fixed():
    model = fit_time_model(1e9, 1e6, 1e-3)
    assert model.rate_flop_s == pytest.approx(1e12)
    assert (model.overhead_s, model.s_per_byte, model.n_rows, model.n_points) == (0.0, 0.0, 1, 1)
    assert model.fixed == ("overhead at 0", "no limit by bandwidth")


def test_rows_of_one_amount_of_work_give_their_mean():
    model = fit_time_model(np.full(5, 1e9), np.full(5, 1e6), [0.99e-3, 1e-3, 1e-3, 1e-3, 1.01e-3])
    assert model.seconds(1e9, 1e6) == pytest.approx(1e-3, rel=1e-3)
    assert (model.n_rows, model.n_points) == (5, 1)


def test_two_amounts_give_overhead_and_rate():
    model = fit_time_model([1e9, 3e9], [1e6, 3e6], [2e-3, 4e-3])
    assert model.overhead_s == pytest.approx(1e-3)
    assert model.rate_flop_s == pytest.approx(1e12)
    assert model.fixed == ("no limit by bandwidth",)


def test_known_overhead_is_kept():
    model = fit_time_model(1e9, 1e6, 1e-3, overhead_s=4e-4)
    assert model.overhead_s == 4e-4
    assert model.rate_flop_s == pytest.approx(1e9 / 6e-4)
    assert model.fixed[0] == "overhead at 0.0004 s"


def test_rate_never_exceeds_the_peak():
    """Times that hardly grow with FLOP would give a rate beyond the hardware's; the peak stands in, and is named."""
    flop = np.array([1e9, 2e9])
    free = fit_time_model(flop, flop / 100, [5e-3, 5e-3])
    assert free.rate_flop_s == math.inf
    assert "no row was limited by a rate" in free.fixed
    bound = fit_time_model(flop, flop / 100, [5e-3, 5e-3], peak_flop_s=1e12)
    assert bound.rate_flop_s == pytest.approx(1e12)
    assert "rate at the hardware's peak" in bound.fixed
    assert bound.seconds(flop, flop / 100) == pytest.approx(5e-3, rel=0.11)


def test_work_without_flop_is_limited_by_bytes():
    model = fit_time_model([0.0, 0.0], [1e6, 2e6], [1e-3, 1.5e-3])
    assert model.overhead_s == pytest.approx(5e-4)
    assert model.bandwidth_bytes_s == pytest.approx(2e9)
    assert model.fixed == ("no limit by rate",)


def test_several_launches_share_an_overhead():
    model = fit_time_model([1e12, 2e12], [0.0, 0.0], [1.0 + 12e-3, 2.0 + 24e-3], n_launches=[12, 24])
    assert model.seconds([1e12, 2e12], 0.0, [12, 24]) == pytest.approx([1.012, 2.024])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([], [], []), "at least one row"),
        (([1.0], [1.0], [0.0]), "times above 0"),
        (([1.0], [1.0], [math.nan]), "finite"),
        (([math.inf], [1.0], [1.0]), "finite"),
        (([-1.0], [1.0], [1.0]), "from 0"),
    ],
)
def test_bad_rows_are_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        fit_time_model(*columns)


def test_bad_peak_is_refused():
    with pytest.raises(ValueError, match="peak rate above 0"):
        fit_time_model(1.0, 1.0, 1.0, peak_flop_s=0.0)
