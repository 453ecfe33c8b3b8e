"""Intervals: published values, scipy, and how often they hold the truth."""

import numpy as np
import pytest
from scipy import optimize, stats

from orbitsim.neural.evaluation.intervals import (
    bootstrap_mean,
    mcnemar_exact,
    paired_loss,
    tango_interval,
    wilson_interval,
)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (81, 263), (15, 148), (1, 29)])
def test_wilson_equals_scipy(k, n):
    ours = wilson_interval(k, n)
    theirs = stats.binomtest(k, n).proportion_ci(0.95, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_equals_a_published_value():
    # R. G. Newcombe, Statist. Med. 17, 1998, pp. 857-872, Table I, method 3: 81 of 263
    found = wilson_interval(81, 263)
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (5, 5), (9, 1), (0, 6), (30, 12)])
def test_mcnemar_equals_the_binomial_tail(lost, won):
    n = lost + won
    if n == 0:
        assert mcnemar_exact(lost, won) == 1.0
        return
    tail = 2.0 * stats.binom.cdf(min(lost, won), n, 0.5)
    assert mcnemar_exact(lost, won) == pytest.approx(min(1.0, tail), rel=1e-9)


@pytest.mark.parametrize(("lost", "won", "n"), [(12, 2, 50), (1, 0, 44), (4, 9, 300), (0, 8, 120)])
def test_tango_is_the_score_interval_of_the_restricted_likelihood(lost, won, n):
    """A slow twin: the share of rarer changes is found by maximising the likelihood under a supposed difference."""

    def statistic(difference):
        low, high = max(0.0, -difference) + 1e-12, (1.0 - difference) / 2.0 - 1e-12  # of the share that is won

        def minus_log(p):
            return -(
                lost * np.log(p + difference) + won * np.log(p) + (n - lost - won) * np.log(1 - 2 * p - difference)
            )

        best = optimize.minimize_scalar(minus_log, bounds=(low, high), method="bounded", options={"xatol": 1e-13}).x
        variance = n * (2.0 * best + difference * (1.0 - difference))
        return (lost - won - n * difference) / np.sqrt(variance)

    found = tango_interval(lost, won, n)
    assert statistic(found.low) == pytest.approx(stats.norm.ppf(0.975), abs=2e-3)
    assert statistic(found.high) == pytest.approx(-stats.norm.ppf(0.975), abs=2e-3)


def test_tango_has_width_where_nothing_changed_and_mirrors():
    n, z2 = 100, stats.norm.ppf(0.975) ** 2
    none = tango_interval(0, 0, n)
    # b = c = 0: the score equation gives z^2 / (n + z^2)
    assert (none.low, none.high) == pytest.approx((-z2 / (n + z2), z2 / (n + z2)), rel=1e-6)
    one, other = tango_interval(7, 2, 80), tango_interval(2, 7, 80)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-9)
    assert tango_interval(20, 0, 20).high == 1.0


def test_tango_agrees_with_mcnemar_where_zero_is_at_the_border():
    # The interval's end is zero exactly where the score test of no difference has |z| = 1.96.
    z = stats.norm.ppf(0.975)
    lost = 40.0
    won = optimize.brentq(lambda w: (lost - w) / np.sqrt(lost + w) - z, 0.0, lost)
    assert tango_interval(lost, won, 500).low == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize(("p_lost", "p_won", "n"), [(0.02, 0.01, 300), (0.05, 0.05, 150), (0.15, 0.03, 100)])
def test_tango_holds_the_truth_as_often_as_it_says(p_lost, p_won, n):
    rng = np.random.default_rng(5)
    counts = rng.multinomial(n, [p_lost, p_won, 1 - p_lost - p_won], size=1500)
    unique, number = np.unique(counts[:, :2], axis=0, return_counts=True)
    held = 0
    for (lost, won), times in zip(unique, number, strict=True):
        found = tango_interval(int(lost), int(won), n)
        held += times * (found.low <= p_lost - p_won <= found.high)
    assert held / 1500 == pytest.approx(0.95, abs=0.02)  # three standard errors of 1500 trials, and discreteness


def test_paired_loss_against_scipy_bootstrap_of_the_differences():
    rng = np.random.default_rng(11)
    clean = rng.random(800) < 0.85
    coded = np.where(rng.random(800) < 0.05, ~clean, clean)
    ours = paired_loss(clean, coded)
    difference = clean.astype(float) - coded
    theirs = stats.bootstrap((difference,), np.mean, method="percentile", rng=rng).confidence_interval
    assert ours.loss.estimate == pytest.approx(difference.mean())
    assert (ours.loss.low, ours.loss.high) == pytest.approx((theirs.low, theirs.high), abs=0.003)
    assert ours.p_value == pytest.approx(mcnemar_exact(int(ours.n_lost), int(ours.n_won)))
    mine = bootstrap_mean(difference, np.random.default_rng(1))
    assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=0.003)


def test_seeds_are_not_more_images():
    rng = np.random.default_rng(2)
    clean = rng.random(200) < 0.8
    coded = np.where(rng.random(200) < 0.1, ~clean, clean)
    one = paired_loss(clean, coded)
    ten = paired_loss(np.tile(clean, (10, 1)), np.tile(coded, (10, 1)))
    assert ten == one
    with pytest.raises(ValueError, match="one shape"):
        paired_loss(clean, coded[:-1])
    with pytest.raises(ValueError, match="within 0 to n"):
        tango_interval(30, 30, 50)
    with pytest.raises(ValueError, match="successes"):
        wilson_interval(3, 2)
