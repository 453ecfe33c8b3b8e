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


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """Every cell of a grid for every edge, edge after edge; margins and rates on the (edge, epoch) nodes."""

    grid: StateGrid
    rows: IntArray
    limits: CrosslinkLimits
    margin: FloatArray
    rate: FloatArray

    def place(self, index: IntArray) -> tuple[IntArray, IntArray]:
        """Return edge and cell of flat indices."""
        edge, cell = np.divmod(index, self.grid.n_cells)
        return edge, cell

    def ends(self, values: FloatArray, index: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return node values at the beginning and at the end of cells."""
        edge, cell = self.place(index)
        return values[edge, cell], values[edge, cell + 1]

    def refine(
        self, index: IntArray, bracket: tuple[FloatArray, FloatArray], f: tuple[FloatArray, FloatArray], *, rate: bool
    ) -> tuple[FloatArray, FloatArray]:
        """Return where the margin (or its rate) changes its sign within a bracket, and the margin there."""
        edge, cell = self.place(index)
        a, b = (self.grid.paths(self.rows[edge, end], cell) for end in (0, 1))
        pairs = _PairsInCells(a, b, self.limits, rate=rate)
        x = bracketed_roots(pairs, *bracket, *f, tolerance=_TOLERANCE_S / self.grid.step_s)
        return x, pairs.margin(x)

    def crossings(
        self, index: IntArray, bracket: tuple[FloatArray, FloatArray], f: tuple[FloatArray, FloatArray]
    ) -> tuple[IntArray, FloatArray]:
        """Return edges and times at which the margin changes its sign."""
        edge, cell = self.place(index)
        x, _ = self.refine(index, bracket, f, rate=False)
        return edge, (cell + 0.5 + x) * self.grid.step_s


def _search(grid: StateGrid, rows: IntArray, limits: CrosslinkLimits) -> CrosslinkWindows:
    n_epochs = grid.n_cells + 1
    a, b, velocity_a, velocity_b = (
        states[rows[:, end]].reshape(-1, 3).T for states in (grid.nodes_m, grid.node_velocities_m_s) for end in (0, 1)
    )
    margin, rate = (values.reshape(-1, n_epochs) for values in limits.margin_m(a, b, velocity_a, velocity_b))
    opened = margin >= 0.0
    cells = _Cells(grid, rows, limits, margin, rate)
    brackets = find_brackets(opened[:, :-1].ravel(), opened[:, 1:].ravel(), rate[:, :-1].ravel(), rate[:, 1:].ravel())
    rises, falls = (
        [cells.crossings(index, _whole(index), cells.ends(margin, index))] for index in (brackets.rises, brackets.falls)
    )
    for candidates, before, after, sign in (
        (brackets.hidden_peaks, rises, falls, 1.0),
        (brackets.hidden_dips, falls, rises, -1.0),
    ):
        turn, value = cells.refine(candidates, _whole(candidates), cells.ends(rate, candidates), rate=True)
        crosses = np.flatnonzero(sign * value > 0.0)
        index, turn, value = candidates[crosses], turn[crosses], value[crosses]
        (low, high), (f_low, f_high) = _whole(index), cells.ends(margin, index)
        before.append(cells.crossings(index, (low, turn), (f_low, value)))
        after.append(cells.crossings(index, (turn, high), (value, f_high)))
    for found, column, t_s in ((rises, 0, 0.0), (falls, -1, grid.duration_s)):
        cut = np.flatnonzero(opened[:, column])
        found.append((cut, np.full(cut.size, t_s)))
    joined = [np.concatenate(parts) for found in (rises, falls) for parts in zip(*found, strict=True)]
    windows = pair_crossings(*joined)
    return CrosslinkWindows(windows.series, windows.start_s, windows.end_s)


def _whole(index: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the bracket that spans the whole of each cell."""
    return np.full(index.size, -0.5), np.full(index.size, 0.5)
