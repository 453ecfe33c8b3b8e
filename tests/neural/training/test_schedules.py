"""Schedules against their closed forms."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")
from orbitsim.neural.codecs.gumbel import gumbel_temperature
from orbitsim.neural.training.schedules import pruned_share, warm_cosine


def test_warm_up_and_cosine_at_known_places():
    factors = [warm_cosine(step, 110, 10, 0.1) for step in range(110)]
    assert factors[:10] == pytest.approx([0.1 * (n + 1) for n in range(10)])
    assert factors[10] == 1.0
    assert factors[60] == pytest.approx(0.1 + 0.9 / 2)  # half of the way: cos(pi / 2)
    assert warm_cosine(110, 110, 10, 0.1) == pytest.approx(0.1)
    assert warm_cosine(35, 110, 10) == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))


@given(st.integers(1, 500), st.floats(0, 1), st.floats(0, 1))
def test_factors_stay_within_bounds(n_steps, warm_share, floor):
    n_warmup = round(warm_share * n_steps)
    factors = [warm_cosine(step, n_steps, n_warmup, floor) for step in range(n_steps)]
    assert all(0.0 < f <= 1.0 or (f == 0.0 and floor == 0.0) for f in factors)
    after = factors[n_warmup:]
    assert all(a >= b for a, b in pairwise(after))


def test_temperature_of_equation_5():
    assert gumbel_temperature(0, 10, 1.0, 0.1) == 1.0
    assert gumbel_temperature(5, 10, 1.0, 0.1) == 0.5
    assert gumbel_temperature(10, 10, 1.0, 0.1) == 0.1


def test_the_pruned_share_is_a_cubic_and_then_the_target():
    assert pruned_share(0, 100, 1.0, 0.2) == 1.0
    assert pruned_share(25, 100, 1.0, 0.2) == pytest.approx(0.2 + 0.8 / 8)
    assert [pruned_share(n, 100, 1.0, 0.2) for n in (50, 75, 100)] == [0.2, 0.2, 0.2]
    assert pruned_share(10, 100, 0.2, 0.2) == 0.2
    assert pruned_share(0, 0, 1.0, 0.2) == 0.2
