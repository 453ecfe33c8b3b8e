"""Passes: the contact search within the grid epochs that a coarse bound has left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orbitsim.orbit.crossings import Windows, find_brackets, pair_crossings, window_of
from orbitsim.orbit.grids import StateGrid
from orbitsim.orbit.lines_of_sight import Sight, SightInCells, sight
from orbitsim.orbit.roots import bracketed_roots
from orbitsim.orbit.sites import SiteTable
from orbitsim.types.contacts import Contacts

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_TOLERANCE_S = 2e-4  # of roots on the polynomials: fifty times better than promised
_REFINED_ITEMS = 16_384  # roots found together; their polynomials stay in the cache


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Refined moments: edges, peaks or nearest approaches, of a series each (a pair of satellite and site)."""

    series: IntArray
    t_s: FloatArray
    sin_elevation: FloatArray
    range_m: FloatArray
    margin: FloatArray

    @classmethod
    def join(cls, parts: Sequence[Events]) -> Events:
        """Return the events of several lists in one."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))

    @classmethod
    def none(cls) -> Events:
        """Return an empty list."""
        nothing = np.empty(0)
        return cls(np.empty(0, dtype=np.int64), nothing, nothing, nothing, nothing)

    def select(self, keep: BoolArray | IntArray) -> Events:
        """Return the events that a mask or an index array picks."""
        return Events(*(getattr(self, name)[keep] for name in self.__slots__))


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Cells of a grid, each seen from one site: what is known at their ends, and the roots between."""

    grid: StateGrid
    table: SiteTable
    series: IntArray
    row: IntArray
    site: IntArray
    cell: IntArray

    def select(self, index: IntArray) -> Cells:
        """Return the cells that an index array picks."""
        parts = (self.series, self.row, self.site, self.cell)
        return Cells(self.grid, self.table, *(part[index] for part in parts))

    def refine(
        self,
        quantity: str,
        f_low: FloatArray,
        f_high: FloatArray,
        low: FloatArray | float = -0.5,
        high: FloatArray | float = 0.5,
    ) -> tuple[Events, FloatArray]:
        """Find where a quantity of `Sight` changes its sign between two places of each cell.

        Parameters
        ----------
        quantity : str
            Attribute of `Sight`.
        f_low, f_high : (n,) ndarray
            Its values, or only their signs, at the two places.
        low, high : (n,) ndarray or float
            The places: -1/2 is the cell's beginning, 1/2 its end.

        Returns
        -------
        events : Events
            What is seen there.
        x : (n,) ndarray
            The places of the roots.
        """
        n = self.series.size
        low, high = np.broadcast_to(low, n), np.broadcast_to(high, n)
        x = np.empty(n)
        parts = [Events.none()]
        for first in range(0, n, _REFINED_ITEMS):
            part = slice(first, first + _REFINED_ITEMS)
            function = self._sights(part, quantity)
            tolerance = _TOLERANCE_S / self.grid.step_s
            x[part] = bracketed_roots(function, low[part], high[part], f_low[part], f_high[part], tolerance=tolerance)
            parts.append(self._events(function, part, x[part]))
        return Events.join(parts), x

    def at_end(self, side: float) -> Events:
        """Return what is seen at one end of each cell: -1/2 for its beginning, 1/2 for its end."""
        return self._events(self._sights(slice(None), "margin"), slice(None), np.full(self.series.size, side))

    def _sights(self, part: slice, quantity: str) -> SightInCells:
        paths = self.grid.paths(self.row[part], self.cell[part])
        return SightInCells(paths, self.table, self.site[part], quantity)

    def _events(self, function: SightInCells, part: slice, x: FloatArray) -> Events:
        seen = function.at(x)
        t_s = np.clip((self.cell[part] + 0.5 + x) * self.grid.step_s, 0.0, self.grid.duration_s)
        return Events(self.series[part], t_s, seen.sin_elevation, seen.range_m, seen.margin)


@dataclass(frozen=True, slots=True, eq=False)
class _Passes:
    """Windows with the events that begin and end them, and the cells in which something is visible."""

    windows: Windows
    rise: Events
    fall: Events
    n_cut_at_start: int
    n_cut_at_end: int
    lit: BoolArray


def find_passes(grid: StateGrid, table: SiteTable, rows: IntArray, sites: IntArray, near: IntArray) -> Contacts:
    """Find the windows of some satellites and sites, given the epochs that need a look.

    Parameters
    ----------
    grid : StateGrid
        States of the satellites.
    table : SiteTable
        All sites.
    rows : (n_rows,) int array
        Rows of the satellites in the grid.
    sites : (n_sites,) int array
        Indices of the sites, all under masks of one kind.
    near : (n,) int array
        Sorted flat indices into (n_rows, n_sites, n_cells + 1): every epoch at which a site may see a satellite within
        half a step, and the epochs beside it.

    Returns
    -------
    Contacts
        The windows.
    """
    series, epoch = np.divmod(near, grid.n_cells + 1)
    row, site = rows[series // sites.size], sites[series % sites.size]
    line = np.ascontiguousarray(grid.nodes_m[row, epoch].T) - table.position_m[:, site]
    seen = sight(line, np.ascontiguousarray(grid.node_velocities_m_s[row, epoch].T), table, site)
    left = np.flatnonzero((near[1:] == near[:-1] + 1) & (epoch[:-1] != grid.n_cells))
    cells = Cells(grid, table, series[left], row[left], site[left], epoch[left])
    passes = _windows(cells, seen, left)
    windows, rise, fall = passes.windows, passes.rise, passes.fall
    peak_s, sin_peak = _highest(cells, seen, left, passes)
    return Contacts(
        satellite=grid.satellites[rows[windows.series // sites.size]],
        site=sites[windows.series % sites.size],
        start_s=windows.start_s,
        end_s=windows.end_s,
        peak_s=peak_s,
        max_elevation_rad=np.arcsin(np.clip(sin_peak, -1.0, 1.0)),
        min_range_m=_nearest(cells, seen, left, passes),
        cut_at_start=windows.first >= rise.series.size - passes.n_cut_at_start,
        cut_at_end=windows.last >= fall.series.size - passes.n_cut_at_end,
    )


def _windows(cells: Cells, seen: Sight, left: IntArray) -> _Passes:
    """Find the windows; `seen` belongs to the epochs, `left` are those that begin the cells."""
    right = left + 1
    margin, rate = seen.margin, seen.margin_rate
    visible = margin >= 0.0
    brackets = find_brackets(visible[left], visible[right], rate[left], rate[right])
    rises, falls = (
        [cells.select(index).refine("margin", margin[left[index]], margin[right[index]])[0]]
        for index in (brackets.rises, brackets.falls)
    )
    lit = visible[left] | visible[right]
    for candidates, before, after, sign in (
        (brackets.hidden_peaks, rises, falls, 1.0),
        (brackets.hidden_dips, falls, rises, -1.0),
    ):
        turn, place = cells.select(candidates).refine("margin_rate", rate[left[candidates]], rate[right[candidates]])
        crosses = np.flatnonzero(sign * turn.margin > 0.0)
        index, place, value = candidates[crosses], place[crosses], turn.margin[crosses]
        hidden = cells.select(index)
        before.append(hidden.refine("margin", margin[left[index]], value, high=place)[0])
        after.append(hidden.refine("margin", value, margin[right[index]], low=place)[0])
        lit[index] = True
    # Windows open at the scenario's ends are cut there.
    begins = np.flatnonzero(visible[left] & (cells.cell == 0))
    finishes = np.flatnonzero(visible[right] & (cells.cell == cells.grid.n_cells - 1))
    rises.append(cells.select(begins).at_end(-0.5))
    falls.append(cells.select(finishes).at_end(0.5))
    rise, fall = Events.join(rises), Events.join(falls)
    windows = pair_crossings(rise.series, rise.t_s, fall.series, fall.t_s)
    return _Passes(windows, rise, fall, begins.size, finishes.size, lit)


def _highest(cells: Cells, seen: Sight, left: IntArray, passes: _Passes) -> tuple[FloatArray, FloatArray]:
    """Return time and sine of the highest elevation in each window: at its ends or at a peak between."""
    rise, fall = passes.rise.select(passes.windows.first), passes.fall.select(passes.windows.last)
    later = fall.sin_elevation > rise.sin_elevation
    best_s = np.where(later, fall.t_s, rise.t_s)
    best_sin = np.where(later, fall.sin_elevation, rise.sin_elevation)
    rate = seen.elevation_rate
    index = np.flatnonzero(passes.lit & (rate[left] > 0.0) & (rate[left + 1] <= 0.0))
    peaks, _ = cells.select(index).refine("elevation_rate", rate[left[index]], rate[left[index] + 1])
    window = window_of(passes.windows, peaks.series, peaks.t_s)
    peaks, window = peaks.select(window >= 0), window[window >= 0]
    order = np.lexsort((peaks.sin_elevation, window))  # the highest of each window comes last, and stays
    order = order[peaks.sin_elevation[order] > best_sin[window[order]]]
    best_s[window[order]], best_sin[window[order]] = peaks.t_s[order], peaks.sin_elevation[order]
    return best_s, best_sin


def _nearest(cells: Cells, seen: Sight, left: IntArray, passes: _Passes) -> FloatArray:
    """Return the shortest range in each window: at its ends or at a nearest approach between."""
    nearest_m = np.minimum(passes.rise.range_m[passes.windows.first], passes.fall.range_m[passes.windows.last])
    rate = seen.range_rate
    index = np.flatnonzero(passes.lit & (rate[left] < 0.0) & (rate[left + 1] >= 0.0))
    approaches, _ = cells.select(index).refine("range_rate", rate[left[index]], rate[left[index] + 1])
    window = window_of(passes.windows, approaches.series, approaches.t_s)
    inside = window >= 0
    np.minimum.at(nearest_m, window[inside], approaches.range_m[inside])
    return nearest_m
