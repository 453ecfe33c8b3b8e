"""Crosslinks: when the line of sight between two satellites clears the Earth and is short enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from orbitsim.constants import WGS84_A_M
from orbitsim.orbit.crossings import find_brackets, pair_crossings
from orbitsim.orbit.ephemeris import Ephemeris
from orbitsim.orbit.geometry import WGS84_B_M
from orbitsim.orbit.grids import Paths, StateGrid, common_grid
from orbitsim.orbit.lines_of_sight import dot
from orbitsim.orbit.roots import bracketed_roots

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_TOLERANCE_S = 2e-4  # of the refined times
_DENSE_ITEMS = 250_000  # edges times epochs looked at together


@dataclass(frozen=True, slots=True, eq=False)
class CrosslinkWindows:
    """When crosslinks are open.

    Attributes
    ----------
    edge : (n,) int array
        Index of the edge; the windows are sorted by edge and start.
    start_s, end_s : (n,) float array
        Ends of the window, cut at the scenario's. [s]
    """

    edge: IntArray
    start_s: FloatArray
    end_s: FloatArray


@dataclass(frozen=True, slots=True)
class CrosslinkLimits:
    """What a crosslink needs.

    Attributes
    ----------
    grazing_altitude_m : float
        Height over the ellipsoid that the line of sight must keep. [m]
    max_range_m : float
        Longest distance; infinite where the terminal sets none. [m]

    Raises
    ------
    ValueError
        If the altitude is not finite or the range not positive.
    """

    grazing_altitude_m: float
    max_range_m: float

    def __post_init__(self) -> None:
        if not np.isfinite(self.grazing_altitude_m):
            raise ValueError(f"grazing_altitude_m (={self.grazing_altitude_m}) must be finite")
        if not self.max_range_m > 0.0:
            raise ValueError(f"max_range_m (={self.max_range_m}) must be positive")

    def margin_m(
        self, a: FloatArray, b: FloatArray, velocity_a: FloatArray | None = None, velocity_b: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """How far (3, n) pairs of positions are inside the limits [m], and the sign of its rate where velocities are.

        The clearance is that of `orbitsim.orbit.geometry.segment_clearance_m`.
        """
        equatorial_m = WGS84_A_M + self.grazing_altitude_m
        stretch = np.array([[1.0], [1.0], [equatorial_m / (WGS84_B_M + self.grazing_altitude_m)]])
        line = b - a
        range_m = np.sqrt(dot(line, line))
        stretched_a, stretched = a * stretch, line * stretch
        fraction = np.clip(-dot(stretched_a, stretched) / np.maximum(dot(stretched, stretched), 1e-9), 0.0, 1.0)
        nearest = stretched_a + fraction * stretched
        distance = np.sqrt(dot(nearest, nearest))
        clearance, reserve = distance - equatorial_m, self.max_range_m - range_m
        margin = np.minimum(clearance, reserve)
        if velocity_a is None or velocity_b is None:
            return margin, np.empty(0)
        moved = velocity_b - velocity_a
        # The nearest point is a minimum along the segment, so its own shift does not count.
        clearance_rate = dot(nearest, (velocity_a + fraction * moved) * stretch)
        return margin, np.where(clearance < reserve, clearance_rate, -dot(line, moved))


class _PairsInCells:
    """Pairs of satellites as functions of the place within their grid cells."""

    def __init__(self, a: Paths, b: Paths, limits: CrosslinkLimits, *, rate: bool) -> None:
        self.a, self.b, self.limits, self.rate = a, b, limits, rate

    def margin(self, x: FloatArray) -> FloatArray:
        return self.limits.margin_m(self.a.position(x), self.b.position(x))[0]

    def __call__(self, x: FloatArray) -> FloatArray:
        if not self.rate:
            return self.margin(x)
        (a, velocity_a), (b, velocity_b) = self.a.position_and_velocity(x), self.b.position_and_velocity(x)
        return self.limits.margin_m(a, b, velocity_a, velocity_b)[1]

    def take(self, keep: BoolArray) -> Self:
        return type(self)(self.a.take(keep), self.b.take(keep), self.limits, rate=self.rate)


def find_crosslink_windows(
    ephemeris: Ephemeris, edges: IntArray, duration_s: float, limits: CrosslinkLimits
) -> CrosslinkWindows:
    """Find when each crosslink is open, refined to better than 0.01 s.

    Parameters
    ----------
    ephemeris : Ephemeris
        The satellites.
    edges : (n, 2) int array
        Pairs of satellites.
    duration_s : float
        The search spans 0 .. duration_s. [s]
    limits : CrosslinkLimits
        What a link needs.

    Returns
    -------
    CrosslinkWindows
        The windows.

    Raises
    ------
    ValueError
        If `duration_s` is not positive and finite.
    PropagationError
        If SGP4 fails for a satellite; names it, the UTC time and the reason.
    """
    if not 0.0 < duration_s < np.inf:
        raise ValueError(f"duration_s (={duration_s}) must be positive and finite")
    found = [CrosslinkWindows(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))]
    first, size = 0, max(1, len(edges) // 8)
    while first < len(edges):
        some = edges[first : first + size]
        satellites, rows = np.unique(some, return_inverse=True)
        grid = common_grid(ephemeris, duration_s, satellites)
        fits = max(1, _DENSE_ITEMS // (grid.n_cells + 1))
        if len(some) > fits:
            size = fits
            continue
        windows = _search(grid, rows.reshape(some.shape), limits)
        found.append(CrosslinkWindows(windows.edge + first, windows.start_s, windows.end_s))
        first += len(some)
        size = fits
    return CrosslinkWindows(
        np.concatenate([part.edge for part in found]),
        np.concatenate([part.start_s for part in found]),
        np.concatenate([part.end_s for part in found]),
    )


def _search(grid: StateGrid, rows: IntArray, limits: CrosslinkLimits) -> CrosslinkWindows:
    n_epochs = grid.n_cells + 1
    positions, velocities = grid.nodes_m, grid.node_velocities_m_s
    a, b, velocity_a, velocity_b = (
        states[rows[:, end]].reshape(-1, 3).T for states in (positions, velocities) for end in (0, 1)
    )
    flat_margin, flat_rate = limits.margin_m(a, b, velocity_a, velocity_b)
    margin, rate = flat_margin.reshape(-1, n_epochs), flat_rate.reshape(-1, n_epochs)
    opened = margin >= 0.0
    series, cell = np.divmod(np.arange(len(rows) * grid.n_cells), grid.n_cells)

    def ends(values: FloatArray, index: IntArray) -> tuple[FloatArray, FloatArray]:
        return values[series[index], cell[index]], values[series[index], cell[index] + 1]

    def refine(index: IntArray, f: tuple[FloatArray, FloatArray], x: tuple[FloatArray, FloatArray], *, rate: bool):  # type: ignore[no-untyped-def]
        pair = rows[series[index]]
        a, b = (grid.paths(pair[:, end], cell[index]) for end in (0, 1))
        function = _PairsInCells(a, b, limits, rate=rate)
        found = bracketed_roots(function, *x, *f, tolerance=_TOLERANCE_S / grid.step_s)
        return found, function.margin(found)

    brackets = find_brackets(opened[:, :-1].ravel(), opened[:, 1:].ravel(), rate[:, :-1].ravel(), rate[:, 1:].ravel())
    crossings: dict[str, list[tuple[IntArray, FloatArray]]] = {"rise": [], "fall": []}

    def cross(kind: str, index: IntArray, f: tuple[FloatArray, FloatArray], low: FloatArray, high: FloatArray) -> None:
        x, _ = refine(index, f, (low, high), rate=False)
        crossings[kind].append((series[index], (cell[index] + 0.5 + x) * grid.step_s))

    for kind, index in (("rise", brackets.rises), ("fall", brackets.falls)):
        half = np.full(index.size, 0.5)
        cross(kind, index, ends(margin, index), -half, half)
    for candidates, before, after, sign in (
        (brackets.hidden_peaks, "rise", "fall", 1.0),
        (brackets.hidden_dips, "fall", "rise", -1.0),
    ):
        half = np.full(candidates.size, 0.5)
        place, value = refine(candidates, ends(rate, candidates), (-half, half), rate=True)
        crosses = np.flatnonzero(sign * value > 0.0)
        index, place, value, half = candidates[crosses], place[crosses], value[crosses], half[crosses]
        low, high = ends(margin, index)
        cross(before, index, (low, value), -half, place)
        cross(after, index, (value, high), place, half)
    for kind, column, t_s in (("rise", 0, 0.0), ("fall", -1, grid.duration_s)):
        cut = np.flatnonzero(opened[:, column])
        crossings[kind].append((cut, np.full(cut.size, t_s)))
    joined = [np.concatenate(parts) for kind in ("rise", "fall") for parts in zip(*crossings[kind], strict=True)]
    windows = pair_crossings(*joined)
    return CrosslinkWindows(windows.series, windows.start_s, windows.end_s)
