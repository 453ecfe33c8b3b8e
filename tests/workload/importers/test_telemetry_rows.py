"""A monitor's lines become columns, and lines that share a whole second are laid out within it."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.errors import InputError
from orbitsim.workload.importers.base import Source
from orbitsim.workload.importers.telemetry_rows import (
    Sight,
    fraction,
    kelvin,
    require_forward,
    spread_within_seconds,
    telemetry_of,
    wall_clock_s,
)

SOURCE = Source.of("")


def test_what_a_line_lacks_is_nan() -> None:
    telemetry = telemetry_of([Sight(power_w={"A": 1.0}), Sight(power_w={"B": 2.0})], [0.0, 1.0], "index")
    np.testing.assert_array_equal(telemetry.power_w["A"], [1.0, math.nan])
    np.testing.assert_array_equal(telemetry.power_w["B"], [math.nan, 2.0])
    assert np.isnan(telemetry.ram_used_bytes).all()


def test_one_line_a_second_stays_as_it_is() -> None:
    assert spread_within_seconds([10.0, 11.0, 13.0]) == ([10.0, 11.0, 13.0], False)


def test_lines_of_a_second_are_spread_and_the_ends_laid_against_their_neighbours() -> None:
    # 4 lines a second; the log begins with the last 2 of second 0 and ends with the first of second 3
    times, is_spread = spread_within_seconds([0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3])
    assert is_spread
    assert times == [0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0]


def test_stamps_with_fractions_are_never_moved() -> None:
    assert spread_within_seconds([0.5, 0.5, 1.25]) == ([0.5, 0.5, 1.25], False)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60).map(sorted))
def test_spreading_keeps_order_and_second(stamps: list[int]) -> None:
    times, _ = spread_within_seconds([float(stamp) for stamp in stamps])
    assert [math.floor(time) for time in times] == stamps
    assert all(before < after for before, after in pairwise(times))


def test_wall_clocks_count_as_if_they_were_utc() -> None:
    assert wall_clock_s(SOURCE, "01-02-1970 00:00:01", "%m-%d-%Y %H:%M:%S", line=1) == 86401.0
    with pytest.raises(InputError, match="line 3"):
        wall_clock_s(SOURCE, "13-01-2024 00:00:00", "%m-%d-%Y %H:%M:%S", line=3)


def test_time_must_not_run_backwards() -> None:
    require_forward(SOURCE, [1, 1, 2], [1, 2, 3])
    with pytest.raises(InputError, match="line 9"):
        require_forward(SOURCE, [1, 3, 2], [1, 2, 9])


def test_temperatures_are_kelvin_and_nan_where_a_sensor_is_off() -> None:
    assert kelvin(SOURCE, 50.5, line=1, key="cpu") == pytest.approx(323.65, abs=1e-9)
    assert math.isnan(kelvin(SOURCE, -256, line=1, key="cpu"))
    assert math.isnan(kelvin(SOURCE, -256000, line=1, key="cpu"))
    with pytest.raises(InputError, match="cpu"):
        kelvin(SOURCE, 505, line=1, key="cpu")


def test_loads_are_shares() -> None:
    assert fraction(SOURCE, 99, line=1, key="gpu") == 0.99
    with pytest.raises(InputError, match="100 %"):
        fraction(SOURCE, 101, line=1, key="gpu")
