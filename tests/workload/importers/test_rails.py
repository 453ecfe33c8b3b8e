"""Which rails are the board's input."""

from __future__ import annotations

import numpy as np
import pytest

from orbitsim.errors import InputError
from orbitsim.workload.importers.base import Telemetry
from orbitsim.workload.importers.rails import board_power


def log(**rails):
    n = 3
    power = {name: np.full(n, value, dtype=float) if np.isscalar(value) else np.asarray(value, dtype=float)
             for name, value in rails.items()}  # fmt: skip
    nothing = np.full(n, np.nan)
    return Telemetry(np.arange(n, dtype=float), "utc", power, {}, {}, {}, nothing, nothing)


@pytest.mark.parametrize(
    ("rails", "names", "watts"),
    [
        ({"VDD_IN": 5, "VDD_CPU_GPU_CV": 2, "VDD_SOC": 1}, ("VDD_IN",), 5),
        ({"POM_5V_IN": 4, "POM_5V_GPU": 2}, ("POM_5V_IN",), 4),
        (
            {"VDD_GPU_SOC": 10, "VDD_CPU_CV": 2, "VIN_SYS_5V0": 4, "VDDQ_VDD2_1V8AO": 1},
            ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
            16,
        ),
        (
            {"GPU": 1, "CPU": 2, "SOC": 3, "CV": 4, "VDDRQ": 5, "SYS5V": 6},
            ("GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"),
            21,
        ),
        ({"VDD_SYS_GPU": 1, "VDD_IN": 9, "VDD_SYS_CPU": 3}, ("VDD_IN",), 9),
        ({"vdd_in": 5}, ("vdd_in",), 5),
    ],
)
def test_boards(rails, names, watts):
    power, used = board_power(log(**rails))
    assert used == names
    np.testing.assert_allclose(power, watts)


def test_the_users_choice_comes_first_and_counts_once():
    power, used = board_power(log(VDD_IN=5, VDD_SOC=1, VDD_GPU=2), ["vdd_soc", "VDD_GPU", "VDD_SOC"])
    assert used == ("VDD_SOC", "VDD_GPU")
    np.testing.assert_allclose(power, 3)


def test_unknown_rails_are_refused():
    with pytest.raises(InputError, match=r"rail of the log \(VDD_IN\), got VDD_OUT"):
        board_power(log(VDD_IN=5), ["VDD_OUT"])
    with pytest.raises(InputError, match=r"found VDD_GPU_SOC, VDD_CPU_CV\. Say which to add up with --rail"):
        board_power(log(VDD_GPU_SOC=5, VDD_CPU_CV=1))
    with pytest.raises(InputError, match="found none"):
        board_power(log())


def test_a_line_without_one_rail_has_no_sum():
    power, _ = board_power(log(VDD_GPU_SOC=[1, np.nan, 1], VDD_CPU_CV=1, VIN_SYS_5V0=1))
    np.testing.assert_array_equal(np.isnan(power), [False, True, False])
    with pytest.raises(InputError, match="at least one line"):
        board_power(log(VDD_GPU_SOC=np.nan, VDD_CPU_CV=1, VIN_SYS_5V0=1))
