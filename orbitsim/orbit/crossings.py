"""Windows of a function known on the cells of a grid: edges, peaks and dips, refined within their cells.

Nothing here knows what the function means. It is sampled at the nodes of many series (one a pair of satellite and
site, or of two satellites); a window is where it is not negative. Within one cell it is taken to have one extremum at
most, which the steps of `orbitsim.orbit.grids` (at most 8 deg of an orbit) see to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Brackets:
    """Where to look within cells, as indices of the cells and flags.

    Attributes
    ----------
    rises, falls : (n,) int array
        Cells in which the function changes its sign between the two ends.
    hidden_peaks : (n,) int array
        Cells that are negative at both ends and have a peak between: a window shorter than the step may hide there.
    hidden_dips : (n,) int array
        Cells that are not negative at both ends and have a dip between.
    """

    rises: IntArray
    falls: IntArray
    hidden_peaks: IntArray
    hidden_dips: IntArray


def find_brackets(
    open_left: BoolArray, open_right: BoolArray, rate_left: FloatArray, rate_right: FloatArray
) -> Brackets:
    """Sort cells by what can happen in them.

    Parameters
    ----------
    open_left, open_right : (n,) bool array
        Whether the function is not negative at the ends of each cell.
    rate_left, rate_right : (n,) float array
        Signs of its derivative there.

    Returns
    -------
    Brackets
        The cells that need a closer look.
    """
    closed, opened = ~(open_left | open_right), open_left & open_right
    return Brackets(
        rises=np.flatnonzero(~open_left & open_right),
        falls=np.flatnonzero(open_left & ~open_right),
        hidden_peaks=np.flatnonzero(closed & (rate_left > 0.0) & (rate_right < 0.0)),
        hidden_dips=np.flatnonzero(opened & (rate_left < 0.0) & (rate_right > 0.0)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Windows of many series, sorted by series and start.

    Attributes
    ----------
    series : (n,) int array
        Series of each window.
    start_s, end_s : (n,) float array
        Its ends. [s]
    first, last : (n,) int array
        Index of the rise in the list of rises, and of the fall in the list of falls, that made them.
    """

    series: IntArray
    start_s: FloatArray
    end_s: FloatArray
    first: IntArray
    last: IntArray


def pair_crossings(rise_series: IntArray, rise_s: FloatArray, fall_series: IntArray, fall_s: FloatArray) -> Windows:
    """Join rises and falls to windows.

    Parameters
    ----------
    rise_series, fall_series : (n,) int array
        Series of each crossing, in any order; as many rises as falls in each series, beginnings of the scenario with
        an open window counting as rises and ends as falls.
    rise_s, fall_s : (n,) float array
        Their times. [s]

    Returns
    -------
    Windows
        The windows; those without any length are left out.
    """
    first = np.lexsort((rise_s, rise_series))
    last = np.lexsort((fall_s, fall_series))
    assert np.array_equal(rise_series[first], fall_series[last]), "every rise has its fall"  # noqa: S101 - invariant
    keep = fall_s[last] > rise_s[first]
    first, last = first[keep], last[keep]
    return Windows(rise_series[first], rise_s[first], fall_s[last], first, last)


def window_of(windows: Windows, series: IntArray, t_s: FloatArray) -> IntArray:
    """Return the index of the window in which each moment of a series lies, -1 where it lies in none."""
    if not windows.series.size:
        return np.full(series.size, -1)
    # One sorted key for series and time; a span longer than any time keeps the series apart.
    span = 2.0 * max(float(windows.end_s.max()), float(t_s.max(initial=0.0))) + 1.0
    found = np.searchsorted(windows.series * span + windows.start_s, series * span + t_s, side="right") - 1
    inside = (found >= 0) & (windows.series[found] == series) & (t_s <= windows.end_s[found])
    return np.where(inside, found, -1)
