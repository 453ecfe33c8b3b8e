"""Loading weights: what a node does not hold has to be loaded, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.plan.switching import Weights

CUMULATIVE = [0.0, 1.0, 3.0, 6.0, 10.0]  # layers take 1, 2, 3, 4 s


def intervals(n_layers=4):
    return st.tuples(st.integers(0, n_layers), st.integers(0, n_layers)).map(sorted)


@pytest.mark.parametrize(
    ("held", "wanted", "seconds"),
    [
        ((0, 2), (0, 2), 0.0),
        ((0, 2), (0, 3), 3.0),
        ((0, 2), (1, 2), 0.0),
        ((0, 2), (2, 4), 7.0),
        ((1, 3), (0, 4), 5.0),
        ((2, 2), (0, 4), 10.0),
    ],
)
def test_only_what_is_missing_is_loaded(held, wanted, seconds):
    assert Weights(*wanted, CUMULATIVE).seconds_from(Weights(*held, CUMULATIVE)) == pytest.approx(seconds, abs=1e-12)


def test_the_deployment_before_the_scenario_costs_nothing():
    assert Weights(0, 4, CUMULATIVE).seconds_from(None) == 0.0


@given(intervals(), intervals())
def test_loading_equals_counting_layer_by_layer(held, wanted):
    layers = [layer for layer in range(*wanted) if layer not in range(*held)]
    counted = sum(CUMULATIVE[layer + 1] - CUMULATIVE[layer] for layer in layers)
    assert Weights(*wanted, CUMULATIVE).seconds_from(Weights(*held, CUMULATIVE)) == pytest.approx(counted, abs=1e-12)
