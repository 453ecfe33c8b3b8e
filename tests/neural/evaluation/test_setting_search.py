"""The search finds what bisection finds, with fewer measurements, on functions that rise or fall."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.errors import InputError
from orbitsim.neural.evaluation.setting_search import UnreachableError, find_setting


@given(st.floats(0.2, 3.0), st.floats(0.01, 100.0), st.floats(0.02, 45.0))
def test_powers_are_found_at_once(exponent, factor, wanted):
    found = find_setting(lambda s: factor * s**exponent, factor * wanted**exponent, 0.01, 50.0, tolerance=1e-3)
    assert found.value == pytest.approx(factor * wanted**exponent, rel=1.1e-3)
    assert found.n_measured <= 9


@given(st.floats(0.02, 0.98))
def test_awkward_functions_are_found_too(share):
    def falling(s):
        return 1.0 + 50.0 / (1.0 + math.exp(3.0 * (math.log(s) - 1.0)))

    target = 1.0 + 50.0 * share
    found = find_setting(falling, target, 1e-3, 1e3, tolerance=0.005)
    assert found.value == pytest.approx(target, rel=0.006)
    assert found.n_measured <= 24


def test_steps_are_met_as_near_as_they_allow():
    found = find_setting(lambda s: float(math.ceil(s)), 2.6, 0.5, 10.0, tolerance=0.01, most=30)
    assert found.value in (2.0, 3.0)
    assert found.n_measured <= 30


def test_a_target_beyond_the_ends_is_named():
    with pytest.raises(InputError, match=r"at most 100, which the last setting, 100, gives, got 500"):
        find_setting(lambda s: s, 500.0, 1.0, 100.0)
    with pytest.raises(UnreachableError, match=r"at least 1, which the last setting, 1, gives, got 0.5"):
        find_setting(lambda s: s, 0.5, 1.0, 100.0)
    with pytest.raises(ValueError, match="0 < low < high"):
        find_setting(lambda s: s, 1.0, 2.0, 1.0)


@pytest.mark.parametrize("start", [1e-9, 1.0, 1.2, 90.0, 100.0, 1e9])
@pytest.mark.parametrize("target", [0.02, 0.5, 150.0, 1e6])
def test_a_target_beyond_the_ends_is_named_wherever_the_search_begins(start, target):
    """The start may lie at the very end on the target's side, from which no step leads on."""
    for measure in (lambda s: s, lambda s: 100.0 / s, lambda s: min(s, 30.0)):
        with pytest.raises(UnreachableError) as caught:
            find_setting(measure, target, 1.0, 100.0, start=start)
        assert caught.value.value == pytest.approx(measure(caught.value.setting))
        assert caught.value.setting in (pytest.approx(1.0), pytest.approx(100.0))
        assert (caught.value.value < target) == (target > 100.0)


@given(st.floats(0.3, 2.0), st.floats(0.02, 45.0), st.sampled_from([1e-9, 0.01, 50.0, 1e9]))
def test_a_start_at_an_end_finds_what_lies_between(exponent, wanted, start):
    found = find_setting(lambda s: s**-exponent, wanted**-exponent, 0.01, 50.0, start=start, tolerance=1e-3)
    assert found.value == pytest.approx(wanted**-exponent, rel=1.1e-3)
