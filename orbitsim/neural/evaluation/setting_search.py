"""The setting of a codec that reaches a target: a monotone search that measures as little as it can."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from orbitsim.errors import InputError


@dataclass(frozen=True, slots=True)
class Found:
    """A setting, what it reaches, and how often something was measured."""

    setting: float
    value: float
    n_measured: int


def find_setting(
    measure: Callable[[float], float],
    target: float,
    low: float,
    high: float,
    *,
    tolerance: float = 0.01,
    most: int = 24,
) -> Found:
    """Find where a monotone, positive function of a positive setting reaches a target.

    Both are searched by their logarithms (a ratio is close to a power of the step): false position with the Illinois
    rule, and plain halving whenever that has not halved the bracket in three steps.

    Parameters
    ----------
    measure : callable
        Setting to value; rising or falling throughout.
    target : float
        Value wanted, above 0.
    low, high : float
        Ends of the search, above 0.
    tolerance : float
        Relative distance from the target that is near enough. [1]
    most : int
        Measurements at most; what came nearest is returned then.

    Raises
    ------
    InputError
        When the target lies outside what the ends reach.
    """
    if not (0.0 < low < high and target > 0.0):
        raise ValueError(f"expected 0 < low < high and a target above 0, got {low}, {high}, {target}")
    n_measured = 0
    best: Found | None = None

    def excess(log_setting: float) -> float:
        nonlocal n_measured, best
        n_measured += 1
        setting = math.exp(log_setting)
        value = measure(setting)
        distance = math.log(max(value, 1e-300) / target)
        if best is None or abs(distance) < abs(math.log(max(best.value, 1e-300) / target)):
            best = Found(setting, value, n_measured)
        return distance

    a, b = math.log(low), math.log(high)
    at_a, at_b = excess(a), excess(b)
    near = math.log1p(tolerance)
    if at_a * at_b > 0.0 and min(abs(at_a), abs(at_b)) > near:
        reached = sorted(target * math.exp(e) for e in (at_a, at_b))
        raise InputError(f"expected a target within {reached[0]:.4g} to {reached[1]:.4g}, got {target:.4g}")
    side, width, slow = 0, b - a, 0
    while n_measured < most and best is not None and abs(math.log(max(best.value, 1e-300) / target)) > near:
        middle = (a + b) / 2.0 if slow >= 3 or at_a == at_b else (a * at_b - b * at_a) / (at_b - at_a)
        value = excess(middle)
        if value * at_b > 0.0:
            b, at_b = middle, value
            at_a = at_a / 2.0 if side == -1 else at_a
            side = -1
        else:
            a, at_a = middle, value
            at_b = at_b / 2.0 if side == 1 else at_b
            side = 1
        halved = b - a <= width / 2.0
        slow, width = (0, b - a) if halved else (slow + 1, width)
    assert best is not None  # noqa: S101 - both ends were measured
    return Found(best.setting, best.value, n_measured)
