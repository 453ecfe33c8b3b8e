"""What a planner reckons with: rates and delays of the hops of a route at some time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from orbitsim.constants import BITS_PER_BYTE
from orbitsim.errors import InfeasibleError
from orbitsim.pipeline.links import LinkBook
from orbitsim.plan.delivery import ContactWindow
from orbitsim.types.route import Route


@dataclass(frozen=True)
class Rates:
    """Rate and delay of every hop of a route. [bit/s, s]

    Rates are rounded to three significant digits and delays to a millisecond (`rounded`), so that a plan is looked for
    only when something changed that matters: the rounding moves the expected delay by at most 0.05 % and 1 ms a hop.
    """

    input_bps: float
    rate_bps: tuple[float, ...]
    delay_s: tuple[float, ...]

    @classmethod
    def rounded(cls, input_bps: float, rate_bps: Iterable[float], delay_s: Iterable[float]) -> Rates:
        """Return rates as planners reckon with them. [bit/s, s]"""
        return cls(
            input_bps if math.isinf(input_bps) else float(f"{input_bps:.3g}"),
            tuple(float(f"{rate:.3g}") for rate in rate_bps),
            tuple(round(delay, 3) for delay in delay_s),
        )


class RateBook:
    """Rates of any route at any time.

    Parameters
    ----------
    links : LinkBook
        Links over time.
    windows : tuple of ContactWindow
        Contacts over which something may be delivered, in order of their start.
    batch_bytes : float
        Raw tiles of one mini-batch: the payload by which a closed crosslink is judged. [B]
    """

    def __init__(self, links: LinkBook, windows: tuple[ContactWindow, ...], batch_bytes: float) -> None:
        self.links = links
        self._windows = windows
        self._batch_bytes = batch_bytes
        self._means: dict[int, tuple[float, float] | None] = {}

    def at(self, route: Route, t_s: float) -> Rates:
        """Return the rates of a route: crosslinks as they are, the downlink as in the contact that is next.

        Raises
        ------
        InfeasibleError
            When a crosslink of the route never opens.
        """
        hops = self._crosslinks(route)
        down_bps, down_delay_s = self._downlink(route, t_s)
        return Rates.rounded(
            self._rate(route.sensor, route.chain[0], t_s) if not route.sensor_computes else math.inf,
            [*(self._rate(a, b, t_s) for a, b in hops), down_bps],
            [*(_delay(self.links.link(a, b).delay_at, t_s) for a, b in hops), down_delay_s],
        )

    def best(self, route: Route) -> Rates:
        """Return the highest rates that the route ever has, and no delay: what bounds any delivery from below."""

        def highest(source: int, target: int) -> float:
            return float(self.links.link(source, target).curve.rates_bps.max()) * (1.0 + _ROUNDING)

        hops = self._crosslinks(route)
        # With real contacts several satellites may deliver at once: the bound lets the downlink cost nothing.
        down_bps = self.links.space.scenario.links.downlink.rate_bps * (1.0 + _ROUNDING) if route.fixed else math.inf
        return Rates(
            highest(route.sensor, route.chain[0]) if not route.sensor_computes else math.inf,
            (*(highest(a, b) for a, b in hops), down_bps),
            (0.0,) * (len(hops) + 1),
        )

    def opens_s(self, t_s: float) -> float:
        """Return when a contact is open first, not before a time; infinite when none is left. [s]"""
        later = self._window_ends_s >= t_s
        return max(t_s, float(self._window_starts_s[later].min())) if later.any() else math.inf

    def _crosslinks(self, route: Route) -> list[tuple[int, int]]:
        hops = list(pairwise(route.chain))
        first = [] if route.sensor_computes else [(route.sensor, route.chain[0])]
        for a, b in [*first, *hops]:
            if not len(self.links.link(a, b).curve.rates_bps):
                names = self.links.space.names
                raise InfeasibleError(f"the crosslink {names[a]}>{names[b]} of the compute chain never opens")
        return hops

    def _rate(self, source: int, target: int, t_s: float) -> float:
        """Rate of a crosslink; while it is closed, the one at which a mini-batch would take until it has crossed."""
        curve = self.links.link(source, target).curve
        rate_bps = float(curve.rate_at(t_s))
        if rate_bps > 0.0:
            return rate_bps
        crossing_s = curve.finish_at(t_s, self._batch_bytes) - t_s
        return BITS_PER_BYTE * self._batch_bytes / crossing_s if crossing_s < math.inf else _NEVER_AGAIN_BPS

    def _downlink(self, route: Route, t_s: float) -> tuple[float, float]:
        """Mean rate of the contact that is open or opens next, and its delay half-way; the nominal ones without any."""
        nominal_bps = self.links.space.scenario.links.downlink.rate_bps
        if route.fixed:
            station = self.links.space.n_satellites if route.station is None else route.station
            return nominal_bps, _delay(self.links.link(route.chain[-1], station).delay_at, t_s)
        for index in np.flatnonzero(self._window_ends_s > t_s):
            known = self._mean_of_window(int(index))
            if known is not None:
                return known
        return nominal_bps, 0.0

    @cached_property
    def _window_ends_s(self) -> NDArray[np.float64]:
        return np.array([window.end_s for window in self._windows])

    @cached_property
    def _window_starts_s(self) -> NDArray[np.float64]:
        return np.array([window.start_s for window in self._windows])

    def _mean_of_window(self, index: int) -> tuple[float, float] | None:
        """Mean rate of a contact while it is open, and its delay half-way; None when it never carries anything."""
        if index not in self._means:
            window = self._windows[index]
            bits = float(window.curve.integral_bits(window.start_s, window.end_s))
            open_s = float(window.curve.open_seconds(window.start_s, window.end_s))
            delay_at = self.links.link(window.satellite, window.station).delay_at
            middle_s = 0.5 * (window.start_s + window.end_s)
            self._means[index] = (bits / open_s, _delay(delay_at, middle_s)) if open_s > 0.0 else None
        return self._means[index]


_ROUNDING = 1e-9  # a bound must stay one when rates were computed with rounding
_NEVER_AGAIN_BPS = 1.0  # of a crosslink that has closed for good: a planner should leave it, and can still divide by it


def _delay(delay_at: Callable[[float], float] | None, t_s: float) -> float:
    return 0.0 if delay_at is None else delay_at(t_s)
