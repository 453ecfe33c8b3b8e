"""What would have to be so for a published gain to come out: how much faster boards, or how much slower a ground.

Not a fit: no result uses these factors. They put a number on a disagreement, and on how far the assumption that it
rests on would have to be wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from orbitsim.reproduce.idealised import Idealised, Speed, delay_of
from orbitsim.reproduce.setting import Setting

_MOST = 1e4


def needed_factors(setting: Setting, share: float, other: str = "ground-only") -> dict[str, float | None]:
    """Return the factors at which the collaborative delay is a share below another scheme's.

    Parameters
    ----------
    setting : Setting
        What is run, in the idealised twin.
    share : float
        The gain to be met: 0.42 for 42 % below.
    other : str
        The scheme that is compared with.

    Returns
    -------
    dict
        ``boards_faster`` and ``ground_slower``: factors on the speed of the boards and on the times of the ground; 1
        where nothing is needed, None where no factor up to 10,000 does it.
    """

    def falls_short(speed: Speed) -> bool:
        forecasts = Idealised(setting, speed).forecasts()
        ours_s, other_s = delay_of(forecasts, "collaborative"), delay_of(forecasts, other)
        if ours_s is None or other_s is None:
            return True
        return 1.0 - ours_s / other_s < share

    return {
        "boards_faster": _least(lambda factor: falls_short(Speed(boards=factor))),
        "ground_slower": _least(lambda factor: falls_short(Speed(ground=1.0 / factor))),
    }


def _least(falls_short: Callable[[float], bool]) -> float | None:
    """Return the least factor, to 1 %, at which it no longer falls short."""
    if not falls_short(1.0):
        return 1.0
    if falls_short(_MOST):
        return None
    low, high = 1.0, _MOST
    while high / low > 1.01:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if falls_short(middle) else (low, middle)
    return high


def in_words(factors: dict[str, float | None]) -> str:
    """Return the factors as a sentence."""
    boards, ground = factors["boards_faster"], factors["ground_slower"]
    ways = []
    if boards is not None:
        ways.append(f"boards {boards:.3g} times as fast")
    if ground is not None:
        ways.append(f"a ground computer {ground:.3g} times as slow")
    return "it would take " + " or ".join(ways) if ways else "no speed of boards or ground computer would give it"
