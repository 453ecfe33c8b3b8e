"""Monotone regression against known results, a slow plain twin, scipy, and the law that defines it."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.neural.evaluation.isotonic import fit_monotone, monotone_band, pool_adjacent_violators

values = st.lists(st.floats(-1e3, 1e3).map(lambda x: round(x, 3)), min_size=1, max_size=9)


def max_min(y, w):
    """The max-min formula: slow, and another way to the same solution (Robertson, Wright and Dykstra 1988, 1.4.4)."""
    n = len(y)

    def mean(i, j):
        return float(np.dot(w[i : j + 1], y[i : j + 1]) / np.sum(w[i : j + 1]))

    return [max(min(mean(i, j) for j in range(k, n)) for i in range(k + 1)) for k in range(n)]


def test_known_examples():
    np.testing.assert_allclose(pool_adjacent_violators([1, 3, 2, 4]), [1, 2.5, 2.5, 4])
    np.testing.assert_allclose(pool_adjacent_violators([4, 3, 2, 1]), [2.5] * 4)
    np.testing.assert_allclose(pool_adjacent_violators([1, 2, 3]), [1, 2, 3])
    np.testing.assert_allclose(pool_adjacent_violators([3, 1], [1, 3]), [1.5, 1.5])
    assert pool_adjacent_violators([]).size == 0


@given(values, st.data())
def test_it_equals_the_max_min_formula(y, data):
    w = data.draw(st.lists(st.floats(0.1, 10.0), min_size=len(y), max_size=len(y)))
    np.testing.assert_allclose(pool_adjacent_violators(y, w), max_min(np.array(y), np.array(w)), rtol=1e-9, atol=1e-7)


@given(values)
def test_it_equals_scipy(y):
    from scipy.optimize import isotonic_regression

    np.testing.assert_allclose(pool_adjacent_violators(y), isotonic_regression(y).x, rtol=1e-9, atol=1e-9)


@given(values)
def test_no_monotone_sequence_on_its_levels_is_nearer(y):
    fitted = pool_adjacent_violators(y)
    assert (np.diff(fitted) >= -1e-9).all()
    least = float(((fitted - y) ** 2).sum())
    levels = sorted(set(np.round(fitted, 9)) | {float(np.mean(y)), y[0]})[:4]
    for other in itertools.combinations_with_replacement(levels, len(y)):
        assert ((np.array(other) - y) ** 2).sum() >= least - 1e-6


@pytest.mark.parametrize("bad", [([1.0, np.nan], None), ([1.0], [0.0]), ([1.0, 2.0], [1.0]), ([[1.0]], None)])
def test_bad_input_is_refused(bad):
    with pytest.raises(ValueError, match="expected"):
        pool_adjacent_violators(*bad)


def test_equal_x_are_one_knot_and_outside_is_constant():
    fit = fit_monotone([0.5, 0.1, 0.5], [0.9, 0.6, 0.7])
    np.testing.assert_allclose(fit.x, [0.1, 0.5])
    np.testing.assert_allclose(fit([0.0, 0.1, 0.3, 0.5, 1.0]), [0.6, 0.6, 0.7, 0.8, 0.8])
    with pytest.raises(ValueError, match="one length"):
        fit_monotone([], [])


def test_the_band_holds_the_truth_about_as_often_as_it_says():
    truth = np.array([0.6, 0.7, 0.8, 0.82, 0.83])
    x = np.array([0.02, 0.03, 0.05, 0.1, 1.0])
    rng = np.random.default_rng(7)
    inside = []
    for trial in range(120):
        score = rng.random((5, 300)) < truth[:, None]
        band = monotone_band(x, score, x, np.random.default_rng(trial), n_draws=200)
        inside.append((band.low <= truth) & (truth <= band.high))
        assert (np.diff(band.fit) >= 0).all()
        assert (np.diff(band.low) >= -1e-12).all()
        assert (np.diff(band.high) >= -1e-12).all()
    # 600 checks of a 95 % band; pooling flat stretches pulls it in a little
    assert 0.90 <= np.mean(inside) <= 0.99


def test_a_band_of_perfect_scores_has_no_width():
    band = monotone_band([0.1, 1.0], np.ones((2, 50)), [0.1, 0.5, 1.0], np.random.default_rng(1), n_draws=50)
    np.testing.assert_array_equal(band.low, band.high)
    with pytest.raises(ValueError, match="n_images"):
        monotone_band([0.1, 1.0], np.ones((3, 5)), [0.1], np.random.default_rng(1))
    with pytest.raises(ValueError, match="confidence"):
        monotone_band([0.1], np.ones((1, 5)), [0.1], np.random.default_rng(1), confidence=95.0)
