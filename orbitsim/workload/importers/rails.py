"""Which of a board's rails add up to what the board takes in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from orbitsim.errors import InputError
from orbitsim.workload.importers.base import FloatArray, Telemetry

# The rails that carry everything a board draws, by the names that its monitor gives them; the first set whose rails are
# all there counts. AGX boards have no rail for the input: their three (Orin) or six (Xavier) supplies add up to it.
BOARD_INPUTS: tuple[tuple[str, ...], ...] = (
    ("VDD_IN",),
    ("VIN_SYS",),
    ("POM_5V_IN",),
    ("VIN",),
    ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
    ("GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"),
)


def board_power(telemetry: Telemetry, rails: Sequence[str] | None = None) -> tuple[FloatArray, tuple[str, ...]]:
    """Return the power that the board takes in, and the rails that it is the sum of.

    Parameters
    ----------
    telemetry : Telemetry
        A log.
    rails : sequence of str, optional
        Rails to add up; default: the first set of `BOARD_INPUTS` that is there.

    Returns
    -------
    power_w : ndarray, shape (n,)
        Sum of the rails; nan where one of them is missing. [W]
    rails : tuple of str
        As the log names them.

    Raises
    ------
    InputError
        When a rail that was asked for is not there, no known set is, or no line has all of them.
    """
    names = {name.upper(): name for name in telemetry.power_w}
    known = ", ".join(telemetry.power_w) or "none"
    if rails:
        missing = [rail for rail in rails if rail.upper() not in names]
        if missing:
            raise InputError(f"expected a rail of the log ({known}), got {', '.join(missing)}")
        wanted: tuple[str, ...] = tuple(dict.fromkeys(rail.upper() for rail in rails))
    else:
        found = [group for group in BOARD_INPUTS if all(rail in names for rail in group)]
        if not found:
            raise InputError(
                f"expected rails that make up the board's input; found {known}. Say which to add up with --rail"
            )
        wanted = found[0]
    chosen = tuple(names[rail] for rail in wanted)
    power = np.asarray(np.sum([telemetry.power_w[rail] for rail in chosen], axis=0), dtype=np.float64)
    if not np.isfinite(power).any():
        raise InputError(f"expected at least one line with the power of {' + '.join(chosen)}, found none")
    return power, chosen
