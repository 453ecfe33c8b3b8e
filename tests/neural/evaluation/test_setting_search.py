"""The search finds what bisection finds, with fewer measurements, on functions that rise or fall."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.errors import InputError
from orbitsim.neural.evaluation.setting_search import find_setting


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
    with pytest.raises(InputError, match=r"can be reached, got 500: the last setting, 100, gives 100"):
        find_setting(lambda s: s, 500.0, 1.0, 100.0)
    with pytest.raises(ValueError, match="0 < low < high"):
        find_setting(lambda s: s, 1.0, 2.0, 1.0)
