"""Topology: the network of crosslinks at any time, its ranges and its fewest-hop paths."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from orbitsim.constants import SPEED_OF_LIGHT_M_S
from orbitsim.orbit.crosslinks import CrosslinkLimits, CrosslinkWindows, find_crosslink_windows
from orbitsim.orbit.ephemeris import Ephemeris
from orbitsim.orbit.geometry import slant_range_m
from orbitsim.orbit.neighbours import crosslink_edges

if TYPE_CHECKING:
    import networkx as nx

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_CACHE_BYTES = 64_000_000


def build_topology(
    ephemeris: Ephemeris, kind: str, *, duration_s: float, grazing_altitude_m: float, max_range_m: float
) -> Topology:
    """Find the crosslinks of a constellation and when each is open.

    Parameters
    ----------
    ephemeris : Ephemeris
        The satellites.
    kind : str
        ``"ring"``, ``"grid"`` or ``"none"``; see `orbitsim.orbit.neighbours.crosslink_edges`.
    duration_s : float
        Length of the scenario. [s]
    grazing_altitude_m : float
        Height that a line of sight must keep over the ellipsoid. [m]
    max_range_m : float
        Longest link; may be infinite. [m]

    Returns
    -------
    Topology
        The network.

    Raises
    ------
    ValueError
        If an argument is out of its range.
    PropagationError
        If SGP4 fails for a satellite; names it, the UTC time and the reason.
    """
    edges = crosslink_edges(ephemeris.constellation, kind)
    limits = CrosslinkLimits(grazing_altitude_m, max_range_m)
    return Topology(ephemeris, edges, find_crosslink_windows(ephemeris, edges, duration_s, limits), duration_s)


class Topology:
    """The network of crosslinks over a scenario.

    A link is open from the start of a window up to, not including, its end; at the scenario's end it counts as just
    before.

    Parameters
    ----------
    ephemeris : Ephemeris
        The satellites.
    edges : (n, 2) int array
        Pairs of satellites, the lower index first.
    windows : CrosslinkWindows
        When each is open.
    duration_s : float
        Length of the scenario. [s]

    Attributes
    ----------
    edges, windows, duration_s
        As given.
    changes_s : (n,) float array
        Moments at which a link opens or closes, sorted. [s]
    """

    def __init__(self, ephemeris: Ephemeris, edges: IntArray, windows: CrosslinkWindows, duration_s: float) -> None:
        self.ephemeris = ephemeris
        self.edges = edges
        self.windows = windows
        self.duration_s = duration_s
        changes = np.unique(np.concatenate((windows.start_s, windows.end_s)))
        self.changes_s: FloatArray = changes[(changes > 0.0) & (changes < duration_s)]
        self._edge_index = {(int(a), int(b)): i for i, (a, b) in enumerate(edges)}
        self._hops: OrderedDict[tuple[int, int], tuple[IntArray, IntArray]] = OrderedDict()

    def edge_between(self, a: int, b: int) -> int:
        """Return the index of the edge between two satellites; KeyError where there is none."""
        return self._edge_index[min(a, b), max(a, b)]

    def is_open(self, t_s: float) -> BoolArray:
        """Tell which links are open.

        Parameters
        ----------
        t_s : float
            Seconds since the epoch. [s]

        Returns
        -------
        (n_edges,) bool ndarray
            True where open.

        Raises
        ------
        ValueError
            If `t_s` lies outside the scenario.
        """
        interval = self._interval(t_s)
        # Within an interval nothing changes: ask at its beginning, so that rounding cannot split it.
        moment = 0.0 if interval == 0 else self.changes_s[interval - 1]
        open_now = (self.windows.start_s <= moment) & (moment < self.windows.end_s)
        state = np.zeros(len(self.edges), dtype=bool)
        state[self.windows.edge[open_now]] = True
        return state

    def range_m(self, edge: int, t_s: ArrayLike) -> FloatArray:
        """Length of a link, whether open or not.

        Parameters
        ----------
        edge : int
            Index of the edge.
        t_s : float or (n_t,) array_like
            Seconds since the epoch. [s]

        Returns
        -------
        ndarray
            Distances, in the shape of `t_s`. [m]
        """
        t = np.asarray(t_s, dtype=float)
        position = self.ephemeris.positions_m(t.ravel(), self.edges[edge].tolist())
        return slant_range_m(position[0], position[1]).reshape(t.shape)

    def graph(self, t_s: float) -> nx.Graph:
        """Return the network at a moment.

        Parameters
        ----------
        t_s : float
            Seconds since the epoch. [s]

        Returns
        -------
        networkx.Graph
            Every satellite by name, and the open links with the attributes ``range_m`` and ``propagation_s``.

        Raises
        ------
        ValueError
            If `t_s` lies outside the scenario.
        """
        import networkx as nx  # takes as long as the whole simulation of a small scenario

        names = self.ephemeris.constellation.names
        graph = nx.Graph()
        graph.add_nodes_from(names)
        edges = self.edges[self.is_open(t_s)]
        position = self.ephemeris.positions_m([t_s])[:, 0]
        ranges = slant_range_m(position[edges[:, 0]], position[edges[:, 1]])
        for (a, b), length_m in zip(edges.tolist(), ranges.tolist(), strict=True):
            graph.add_edge(names[a], names[b], range_m=length_m, propagation_s=length_m / SPEED_OF_LIGHT_M_S)
        return graph

    def hops_from(self, satellite: int, t_s: float) -> tuple[IntArray, IntArray]:
        """Fewest hops from one satellite to every other over the links open at a moment.

        Parameters
        ----------
        satellite : int
            Where the paths begin.
        t_s : float
            Seconds since the epoch. [s]

        Returns
        -------
        n_hops : (n_satellites,) int ndarray
            Number of hops, -1 where there is no path.
        predecessor : (n_satellites,) int ndarray
            The satellite before on a path with the fewest hops: the lowest index among those one hop nearer; -1 at the
            beginning and where there is no path. The arrays are read-only and kept for each interval between changes.

        Raises
        ------
        ValueError
            If `t_s` lies outside the scenario.
        """
        key = (self._interval(t_s), int(satellite))
        if key not in self._hops:
            self._hops[key] = _fewest_hops(self.edges[self.is_open(t_s)], len(self.ephemeris), int(satellite))
            if len(self._hops) > max(1, _CACHE_BYTES // (16 * len(self.ephemeris))):
                self._hops.popitem(last=False)
        self._hops.move_to_end(key)
        return self._hops[key]

    def path(self, a: int, b: int, t_s: float) -> tuple[int, ...] | None:
        """Return the satellites on the path with the fewest hops from a to b, both included; None where none leads.

        Parameters
        ----------
        a, b : int
            First and last satellite.
        t_s : float
            Seconds since the epoch. [s]

        Returns
        -------
        tuple of int or None
            Indices along the path; ties as in `hops_from`.

        Raises
        ------
        ValueError
            If `t_s` lies outside the scenario.
        """
        n_hops, predecessor = self.hops_from(a, t_s)
        if n_hops[b] < 0:
            return None
        path = [int(b)]
        while path[-1] != a:
            path.append(int(predecessor[path[-1]]))
        return tuple(reversed(path))

    def _interval(self, t_s: float) -> int:
        if not 0.0 <= t_s <= self.duration_s:
            raise ValueError(f"t_s (={t_s}) must lie within the scenario, 0 .. {self.duration_s}")
        return int(np.searchsorted(self.changes_s, t_s, side="right"))


def _fewest_hops(edges: IntArray, n_satellites: int, start: int) -> tuple[IntArray, IntArray]:
    """Breadth-first search, a level at a time."""
    tail, head = np.concatenate((edges, edges[:, ::-1])).T
    n_hops = np.full(n_satellites, -1)
    predecessor = np.full(n_satellites, -1)
    n_hops[start] = 0
    level = 0
    while True:
        step = (n_hops[tail] == level) & (n_hops[head] < 0)
        if not step.any():
            break
        lowest = np.full(n_satellites, n_satellites)
        np.minimum.at(lowest, head[step], tail[step])
        reached = np.flatnonzero(lowest < n_satellites)
        level += 1
        n_hops[reached], predecessor[reached] = level, lowest[reached]
    n_hops.flags.writeable = predecessor.flags.writeable = False
    return n_hops, predecessor
