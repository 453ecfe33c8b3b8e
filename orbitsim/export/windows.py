"""When each link of a scenario is open, and what it carries then: the common ground of the exports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from orbitsim.constants import BITS_PER_BYTE
from orbitsim.pipeline.links import LinkBook


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """A time in which data can cross a link in one direction.

    Attributes
    ----------
    source, target : str
        Names of its ends.
    kind : str
        ``"isl"`` or ``"downlink"``.
    start_s, end_s : float
        When, since the epoch; time for acquisition is over by then. [s]
    capacity_bytes : float
        What it can carry in that time: the integral of its rate. [B]
    min_rate_bps, max_rate_bps : float
        Lowest and highest rate in that time. [bit/s]
    delay_s : float
        Propagation delay of a bit that leaves in its middle. [s]
    """

    source: str
    target: str
    kind: str
    start_s: float
    end_s: float
    capacity_bytes: float
    min_rate_bps: float
    max_rate_bps: float
    delay_s: float

    @property
    def mean_rate_bps(self) -> float:
        """Capacity over duration. [bit/s]"""
        return BITS_PER_BYTE * self.capacity_bytes / (self.end_s - self.start_s)


def pairs_of(book: LinkBook) -> list[tuple[int, int]]:
    """Return every link that may open, by its ends: crosslinks in both directions, then downlinks."""
    space = book.space
    edges = space.topology.edges[np.unique(space.topology.windows.edge)].tolist()
    both_ways = [pair for a, b in edges for pair in ((a, b), (b, a))]
    stations = range(space.n_satellites, space.n_satellites + len(space.stations))
    if space.scenario.links.downlink.availability == "always":
        return [*both_ways, *((satellite, station) for satellite in range(space.n_satellites) for station in stations)]
    seen = dict.fromkeys((window.satellite, window.station) for window in book.contact_windows())
    return [*both_ways, *sorted(seen)]


def windows_of(book: LinkBook, source: int, target: int) -> Iterator[OpenWindow]:
    """Yield the times in which a link is open, in order."""
    names = book.space.names
    link = book.link(source, target)
    curve = link.curve.clipped(0.0, book.space.scenario.clock.duration_s)
    for start_s, end_s in zip(*(edges.tolist() for edges in curve.windows()), strict=True):
        inside = curve.rates_bps[(curve.edges_s[:-1] < end_s) & (curve.edges_s[1:] > start_s)]
        middle_s = 0.5 * (start_s + end_s)
        yield OpenWindow(
            names[source],
            names[target],
            link.kind,
            start_s,
            end_s,
            float(curve.integral_bits(start_s, end_s)) / BITS_PER_BYTE,
            float(inside.min()),
            float(inside.max()),
            0.0 if link.delay_at is None else float(link.delay_at(middle_s)),
        )
