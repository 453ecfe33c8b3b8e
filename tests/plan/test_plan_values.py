"""A plan keeps its intervals in order and knows what it sends."""

from __future__ import annotations

import pytest

from orbitsim.types.plan import Plan


def test_properties_of_a_plan_with_relays():
    plan = Plan(((0, 0), (0, 3), (3, 3), (3, 5), (5, 5)), (None, 0.1, None, None, None))
    assert (plan.n_nodes, plan.n_layers, plan.n_compute) == (5, 5, 2)
    assert plan.computing_nodes == (1, 3)
    assert plan.cuts == (0, 3, 3, 5, 5)
    assert plan.ratio_in_flight == (None, 0.1, 0.1, None, None)


@pytest.mark.parametrize(
    ("layers", "ratio", "message"),
    [
        (((0, 2), (3, 4)), (None, None), "start where"),
        (((1, 2),), (None,), "layer 0"),
        (((0, 3), (3, 2)), (None, None), "backwards"),
        ((), (), "one interval"),
        (((0, 2),), (None, None), "one interval"),
        (((0, 0), (0, 2)), (0.5, None), "encodes nothing"),
        (((0, 2),), (0.5,), "encodes nothing"),
        (((0, 1), (1, 2)), (0.0, None), "positive"),
        (((0, 1), (1, 2)), (float("nan"), None), "positive"),
    ],
)
def test_plans_that_make_no_sense(layers, ratio, message):
    with pytest.raises(ValueError, match=message):
        Plan(layers, ratio)
