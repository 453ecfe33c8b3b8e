"""A link as the simulation uses it: its capacity over time and the delay of what crosses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from orbitsim.link.capacity import CapacityCurve


@dataclass(frozen=True, slots=True, eq=False)
class LinkSchedule:
    """A link from one node to another.

    Attributes
    ----------
    kind : {"isl", "downlink", "input"}
        Crosslink, satellite to ground, or the way of raw tiles to the first node.
    curve : CapacityCurve
        Rate over time, zero while the link is closed.
    delay_at : callable or None
        Propagation delay of a bit that leaves at a time; None for none. [s] -> [s]
    """

    kind: Literal["isl", "downlink", "input"]
    curve: CapacityCurve
    delay_at: Callable[[float], float] | None = None
