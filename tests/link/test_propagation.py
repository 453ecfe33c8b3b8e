"""Propagation delay: which step a departure belongs to."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.link.propagation import PropagationDelay


def test_a_departure_at_a_steps_end_still_belongs_to_it():
    delay = PropagationDelay([10.0, 20.0, 50.0], [0.1, 0.2, 0.3])
    assert delay.delay_s([-5.0, 10.0, 15.0, 20.0, 20.1, 49.0, 50.0, 50.1, 1e9]).tolist() == [
        0.1, 0.1, 0.1, 0.1, 0.2, 0.2, 0.2, 0.3, 0.3,
    ]  # fmt: skip


def test_one_light_second():
    assert PropagationDelay.from_ranges([0.0], [299_792_458.0]).delay_at(5.0) == 1.0
    assert PropagationDelay.constant(0.012).delay_at(-3.0) == 0.012


@given(st.lists(st.floats(-1e5, 1e5), min_size=1, max_size=20, unique=True), st.floats(-2e5, 2e5))
def test_scalar_and_vector_agree(starts, t_s):
    starts_s = np.sort(np.array(starts))
    delay = PropagationDelay(starts_s, np.arange(starts_s.size, dtype=float))
    assert delay.delay_at(t_s) == float(delay.delay_s(t_s)) == max(int((starts_s < t_s).sum()) - 1, 0)


@pytest.mark.parametrize(
    ("starts_s", "delays_s", "message"),
    [
        ([], [], "equally long"),
        ([0.0, 1.0], [0.0], "equally long"),
        ([1.0, 1.0], [0.0, 0.0], "strictly increasing"),
        ([0.0, math.inf], [0.0, 0.0], "finite"),
        ([0.0], [-1.0], "not negative"),
        ([0.0], [math.nan], "not negative"),
    ],
)
def test_bad_delays_are_refused(starts_s, delays_s, message):
    with pytest.raises(ValueError, match=message):
        PropagationDelay(starts_s, delays_s)
