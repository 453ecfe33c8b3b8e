"""The setting of a codec that reaches a target: a monotone search that measures as little as it can."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from orbitsim.errors import InputError

_FIRST_STEP = 0.3  # in the logarithm of the setting
_LONGEST_STEP = 2.5


@dataclass(frozen=True, slots=True)
class Found:
    """A setting, what it reaches, and how often something was measured."""

    setting: float
    value: float
    n_measured: int


class UnreachableError(InputError):
    """A target beyond what a setting can reach, with the last setting and the value that is nearest to the target.

    Parameters
    ----------
    target : float
        Value wanted.
    setting, value : float
        The end of the search on the target's side, and what it gives.
    """

    def __init__(self, target: float, setting: float, value: float) -> None:
        self.target, self.setting, self.value = target, setting, value
        super().__init__(
            f"expected a target of {self.bound}, which the last setting, {setting:.4g}, gives, got {target:.4g}"
        )

    @property
    def bound(self) -> str:
        """What can be reached, in words."""
        return f"at {'most' if self.target > self.value else 'least'} {self.value:.4g}"


def find_setting(
    measure: Callable[[float], float],
    target: float,
    low: float,
    high: float,
    *,
    start: float | None = None,
    tolerance: float = 0.01,
    most: int = 24,
) -> Found:
    """Find where a monotone, positive function of a positive setting reaches a target.

    Both are searched by their logarithms, since a ratio is close to a power of the step: secants from `start` until the
    target is enclosed, then false position with the Illinois rule, and plain halving where that has not halved the
    bracket in three steps.

    Parameters
    ----------
    measure : callable
        Setting to value; rising or falling throughout.
    target : float
        Value wanted, above 0.
    low, high : float
        Ends of the search, above 0.
    start : float, optional
        First setting to be measured; the middle (of the logarithms) when omitted.
    tolerance : float
        Relative distance from the target that is near enough. [1]
    most : int
        Measurements at most; what came nearest is returned then.

    Raises
    ------
    UnreachableError
        When the target lies outside what the ends reach.
    """
    if not (0.0 < low < high < math.inf and 0.0 < target < math.inf):
        raise ValueError(f"expected finite 0 < low < high and a finite target above 0, got {low}, {high}, {target}")
    search = _Search(measure, target, tolerance, most)
    ends = (math.log(low), math.log(high))
    middle = sum(ends) / 2.0 if start is None else min(max(math.log(start), ends[0]), ends[1])
    bracket = search.enclose(middle, ends)
    if bracket is not None:
        search.close_in(*bracket)
    assert search.best is not None  # noqa: S101 - something was measured
    return Found(search.best.setting, search.best.value, search.n_measured)


class _Search:
    """Measurements so far, by the logarithm of the setting, and the best of them."""

    def __init__(self, measure: Callable[[float], float], target: float, tolerance: float, most: int) -> None:
        self._measure, self._target, self._most = measure, target, most
        self._near = math.log1p(tolerance)
        self.n_measured = 0
        self.best: Found | None = None
        self._best_excess = math.inf

    def excess(self, at: float) -> float:
        """Return the logarithm of value over target."""
        self.n_measured += 1
        setting = math.exp(at)
        value = self._measure(setting)
        found = math.log(max(value, 1e-300) / self._target)
        if abs(found) < abs(self._best_excess):
            self.best, self._best_excess = Found(setting, value, self.n_measured), found
        return found

    def is_done(self) -> bool:
        """Whether the target is met, or may be measured no more."""
        return abs(self._best_excess) <= self._near or self.n_measured >= self._most

    def enclose(self, at: float, ends: tuple[float, float]) -> tuple[float, float, float, float] | None:
        """Return two settings with the target between their values, and those; None when the target was met before."""
        before, before_excess = at, self.excess(at)
        if self.is_done():
            return None
        at = min(max(at + _FIRST_STEP, ends[0]), ends[1]) if at + _FIRST_STEP <= ends[1] else at - _FIRST_STEP
        while True:
            excess = self.excess(at)
            if self.is_done():
                return None
            if excess * before_excess <= 0.0:
                return before, before_excess, at, excess
            slope = (excess - before_excess) / (at - before)
            onward = 1.0 if at > before else -1.0
            direction = onward if slope == 0.0 else -math.copysign(1.0, excess / slope)
            end = ends[1] if direction > 0.0 else ends[0]
            if abs(excess) <= abs(before_excess):
                before, before_excess = at, excess
            if before == end:  # which may be where the search began
                raise UnreachableError(self._target, math.exp(end), self._target * math.exp(before_excess))
            # A little beyond the secant's zero, so that it is enclosed; never further than a factor of _LONGEST_STEP.
            length = _LONGEST_STEP if slope == 0.0 else min(1.15 * abs(excess / slope) + 1e-3, _LONGEST_STEP)
            at = min(max(before + direction * length, ends[0]), ends[1])

    def close_in(self, a: float, at_a: float, b: float, at_b: float) -> None:
        """Narrow a bracket."""
        side, width, slow = 0, abs(b - a), 0
        while not self.is_done():
            middle = (a + b) / 2.0 if slow >= 3 or at_a == at_b else (a * at_b - b * at_a) / (at_b - at_a)
            value = self.excess(middle)
            if value * at_b > 0.0:
                b, at_b = middle, value
                at_a = at_a / 2.0 if side == -1 else at_a
                side = -1
            else:
                a, at_a = middle, value
                at_b = at_b / 2.0 if side == 1 else at_b
                side = 1
            halved = abs(b - a) <= width / 2.0
            slow, width = (0, abs(b - a)) if halved else (slow + 1, width)
