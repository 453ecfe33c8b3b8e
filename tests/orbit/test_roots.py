"""The root finder on functions whose roots are known, and on steps that only halving can find."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbitsim.orbit.roots import bracketed_roots


class Family:
    """n functions of one kind with a parameter each; counts its evaluations."""

    def __init__(self, function, parameter, counter):
        self.function, self.parameter, self.counter = function, parameter, counter

    def __call__(self, x):
        self.counter.append(x.size)
        return self.function(x, self.parameter)

    def take(self, keep):
        return Family(self.function, self.parameter[keep], self.counter)


def solve(function, parameter, low, high, tolerance=1e-9):
    parameter = np.asarray(parameter, dtype=float)
    low, high = np.full(parameter.size, low), np.full(parameter.size, high)
    counter = []
    family = Family(function, parameter, counter)
    root = bracketed_roots(family, low, high, function(low, parameter), function(high, parameter), tolerance=tolerance)
    return root, counter


FUNCTIONS = {
    "straight": (lambda x, p: x - p, lambda p: p),
    "cubic": (lambda x, p: (x - p) ** 3, lambda p: p),
    "exponential": (lambda x, p: np.exp(8.0 * x) - np.exp(8.0 * p), lambda p: p),
    "root": (lambda x, p: np.sign(x - p) * np.sqrt(np.abs(x - p)), lambda p: p),
    "step": (lambda x, p: np.where(x < p, -1e-3, 5.0), lambda p: p),
    "falling": (lambda x, p: p - x + (p - x) ** 3, lambda p: p),
}


@settings(deadline=None)
@given(st.sampled_from(sorted(FUNCTIONS)), st.lists(st.floats(-0.99, 0.99), min_size=1, max_size=40))
def test_every_root_is_found(kind, parameters):
    function, expected = FUNCTIONS[kind]
    root, _ = solve(function, parameters, -1.0, 1.0)
    tolerance = 1e-5 if kind == "cubic" else 1e-8  # a triple root is flat: fa underflows before the bracket closes
    np.testing.assert_allclose(root, expected(np.array(parameters)), rtol=0.0, atol=tolerance)


def test_roots_at_the_ends_of_the_bracket():
    root, counter = solve(lambda x, p: x - p, [-1.0, 1.0], -1.0, 1.0)
    assert root.tolist() == [-1.0, 1.0]
    assert sum(counter) == 0


def test_nothing_to_solve():
    root, _ = solve(lambda x, p: x - p, [], -1.0, 1.0)
    assert root.size == 0


@pytest.mark.parametrize(("kind", "most"), [("straight", 4), ("exponential", 14), ("step", 45)])
def test_number_of_evaluations(kind, most):
    _, counter = solve(FUNCTIONS[kind][0], np.linspace(-0.9, 0.9, 50), -1.0, 1.0)
    assert len(counter) <= most
