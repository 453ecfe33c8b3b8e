"""Two traces side by side: matching, ratios, and Welch's test against scipy's own and a published example."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from orbitsim.errors import InputError
from orbitsim.types.profile import BlockTiming, Profile
from orbitsim.workload.trace_compare import compare_profiles, welch_p_value


def row(kind="block", index=0, mean_s=1.0, std_s=None, n=None, **key):
    facts = {"device": "d", "power_mode": "m", "model": "v", "batch_size": 1, "precision": "fp16", **key}
    return BlockTiming(
        block_kind=kind, block_index=index, mean_s=mean_s, std_s=std_s, n_samples=n, origin="measured", how_timed="t",
        **facts,
    )  # fmt: skip


def profile(scale=1.0, n_blocks=2, **key):
    facts = {"device": "d", "power_mode": "m", "model": "v", "batch_size": 1, "precision": "fp16", **key}
    return Profile(
        **facts,
        embedding=row("embedding", mean_s=0.5 * scale, **key),
        blocks=tuple(row(index=i, mean_s=(1.0 + i) * scale, **key) for i in range(n_blocks)),
        head=row("head", mean_s=0.25 * scale, **key),
        forward=row("forward", mean_s=4.0 * scale, **key),
    )


def test_ratios_and_sums():
    (found,) = compare_profiles([profile()], [profile(2.0)])
    assert [d.name for d in found.differences] == ["embedding", "block 0", "block 1", "head", "sum", "forward"]
    assert all(d.ratio == pytest.approx(2.0) for d in found.differences)
    assert found.differences[4].a_s == pytest.approx(3.75)
    assert all(d.p_value is None for d in found.differences)


def test_welch_is_scipys():
    rng = np.random.default_rng(3)
    a, b = rng.normal(1.0, 0.1, 12), rng.normal(1.1, 0.3, 30)
    rows = [row(mean_s=float(x.mean()), std_s=float(x.std(ddof=1)), n=len(x)) for x in (a, b)]
    expected = stats.ttest_ind(a, b, equal_var=False).pvalue
    assert welch_p_value([rows[0]], [rows[1]]) == pytest.approx(expected, rel=1e-9)


def test_welch_without_spread():
    still = row(std_s=0.0, n=5)
    assert welch_p_value([still], [still]) == 1.0
    assert welch_p_value([still], [row(mean_s=2.0, std_s=0.0, n=5)]) == 0.0
    assert welch_p_value([row(std_s=0.1, n=1)], [still]) is None
    assert welch_p_value([row()], [still]) is None


def test_equal_means_reject_as_often_as_they_should():
    rng = np.random.default_rng(5)
    n_trials, hits = 2000, 0
    for _ in range(n_trials):
        a, b = rng.normal(1.0, 0.05, 10), rng.normal(1.0, 0.2, 10)
        rows = [row(mean_s=float(x.mean()), std_s=float(x.std(ddof=1)), n=10) for x in (a, b)]
        hits += welch_p_value([rows[0]], [rows[1]]) < 0.05
    # Four standard deviations of a binomial share around 5 %.
    assert abs(hits / n_trials - 0.05) < 4 * math.sqrt(0.05 * 0.95 / n_trials)


def sampled(passes):
    """Return a row for each column of single executions."""
    return [
        replace(row(index=i, mean_s=float(x.mean()), std_s=float(x.std(ddof=1)), n=len(x)), samples_s=tuple(x.tolist()))
        for i, x in enumerate(passes.T)
    ]


def test_a_sum_of_correlated_parts_is_tested_by_the_sums_of_its_passes():
    rng = np.random.default_rng(11)
    n_trials, hits = 1000, 0
    for trial in range(n_trials):
        # A clock that drifts stretches all twelve parts of a pass alike.
        a, b = (1.0 + 0.05 * rng.normal(size=(15, 1)) + 0.005 * rng.normal(size=(15, 12)) for _ in range(2))
        found = welch_p_value(sampled(a), sampled(b))
        if trial == 0:
            expected = stats.ttest_ind(a.sum(axis=1), b.sum(axis=1), equal_var=False).pvalue
            assert found == pytest.approx(expected, rel=1e-9)
        hits += found < 0.05
    # Taken as independent, the same parts would have rejected equal means in more than half of the trials.
    assert abs(hits / n_trials - 0.05) < 4 * math.sqrt(0.05 * 0.95 / n_trials)


def test_a_sum_without_its_passes_has_no_p_value():
    passes = np.random.default_rng(2).normal(1.0, 0.1, (10, 3))
    rows = sampled(passes)
    assert welch_p_value(rows, rows) == 1.0
    assert welch_p_value([*rows[:2], replace(rows[2], samples_s=None)], rows) is None
    assert welch_p_value(rows, sampled(passes[:, :2]) + sampled(passes[:7, :1])) is None
    (found,) = compare_profiles([profile()], [profile()])
    assert {d.name: d.p_value for d in found.differences}["sum"] is None


def test_matching_needs_the_same_thing_or_a_word():
    a, b = [profile(power_mode="15W"), profile(power_mode="30W")], [profile(0.5, power_mode="30W")]
    (found,) = compare_profiles(a, b)
    assert found.a.power_mode == "30W"
    with pytest.raises(InputError, match=r"device \(x in one, d\).*--ignore"):
        compare_profiles([profile(device="x")], b)
    assert compare_profiles([profile(device="x", power_mode="30W")], b, ignore=["device"])
    with pytest.raises(InputError, match="ignore fewer"):
        compare_profiles(a, b, ignore=["power_mode"])
    with pytest.raises(InputError, match="expected fields out of"):
        compare_profiles(a, b, ignore=["colour"])
    with pytest.raises(InputError, match="no combination is in both"):
        compare_profiles(
            [profile(device="x"), profile(power_mode="y")], [profile(device="x", power_mode="y"), profile()][:1]
        )


def test_unlike_models_have_no_sum():
    (found,) = compare_profiles([profile()], [profile(n_blocks=3)])
    assert [d.name for d in found.differences] == ["embedding", "block 0", "block 1", "head", "forward"]
