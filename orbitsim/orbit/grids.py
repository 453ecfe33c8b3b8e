"""Grids: states on equidistant epochs, and the positions between them.

The step is chosen for each satellite by trial: a grid is accepted where every second epoch is predicted from the
others within `ACCEPTED_M`. The grid itself is twice as dense as the one so tested, hence about 1,000 times better (a
550 km orbit at 120 s: 1e-5 m). Fast perigees get 60, 30 or 15 s. What fails even then is not smooth (SGP4's positions
jump where the inclination of a deep-space orbit passes 0.2 rad, or shortly before decay): for those satellites SGP4
itself is called between the epochs, which is slow but exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from orbitsim.errors import PropagationError
from orbitsim.orbit.ephemeris import Ephemeris, Epochs
from orbitsim.orbit.interpolation import PAD, PolynomialPaths, node_velocities_m_s, prediction_error_m

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

FIRST_STEP_S = 120.0
N_HALVINGS = 3
ACCEPTED_M = 0.1
_HALF_DIFFERENCE_S = 0.5  # of velocities straight from SGP4's positions: 4e-4 m/s in low orbit


class Paths(Protocol):
    """Positions of n satellites within a grid cell each; x runs from -1/2 at its beginning to 1/2 at its end."""

    def position(self, x: FloatArray) -> FloatArray:
        """Return the (3, n) positions at a place in each cell [m]."""
        ...

    def position_and_velocity(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the (3, n) positions at a place in each cell, and their derivatives, a cell being the unit of time."""
        ...

    def take(self, keep: BoolArray) -> Self:
        """Return some of the paths."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class StateGrid:
    """States of some satellites on equidistant epochs.

    Attributes
    ----------
    ephemeris : Ephemeris
        Where the states come from.
    satellites : (n,) int array
        Indices of the satellites in the constellation.
    step_s : float
        Length of a cell. [s]
    n_cells : int
        Number of cells; cell k spans ``k step_s .. (k + 1) step_s``.
    nodes_m, node_velocities_m_s : (n, n_cells + 1, 3) float array
        Earth-fixed states on the epochs. [m] [m/s]
    padded_m : (n, n_cells + 19, 3) float array or None
        The positions and nine more on either side, where they are smooth enough for polynomials; None where SGP4 is to
        be called instead. [m]
    """

    ephemeris: Ephemeris
    satellites: IntArray
    step_s: float
    n_cells: int
    nodes_m: FloatArray
    node_velocities_m_s: FloatArray
    padded_m: FloatArray | None

    @property
    def duration_s(self) -> float:
        """Length of the scenario [s]."""
        return self.n_cells * self.step_s

    def paths(self, row: IntArray, cell: IntArray) -> Paths:
        """Return the positions within cells; `row` is the row of each satellite in this grid."""
        if self.padded_m is None:
            return ExactPaths(self, row, cell)
        return PolynomialPaths.through(self.padded_m, row, cell)


class ExactPaths:
    """Positions within grid cells straight from SGP4, one satellite after the other.

    Parameters
    ----------
    grid : StateGrid
        The grid.
    row, cell : (n,) int array
        Satellite and cell of each path.
    """

    def __init__(self, grid: StateGrid, row: IntArray, cell: IntArray) -> None:
        self.grid, self.row, self.cell = grid, row, cell

    def position(self, x: FloatArray) -> FloatArray:
        """Return the (3, n) positions at a place in each cell [m]."""
        return self._at((self.cell + 0.5 + x) * self.grid.step_s)

    def position_and_velocity(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the (3, n) positions at a place in each cell, and their derivatives, a cell being the unit of time."""
        t_s = (self.cell + 0.5 + x) * self.grid.step_s
        before, after = _around(t_s, self.grid.duration_s)
        return self._at(t_s), (self._at(after) - self._at(before)) * (self.grid.step_s / (after - before))

    def _at(self, t_s: FloatArray) -> FloatArray:
        position = np.empty((3, t_s.size))
        for row in np.unique(self.row):
            own = self.row == row
            satellite = int(self.grid.satellites[row])
            position[:, own] = self.grid.ephemeris.positions_m(t_s[own], [satellite])[0].T
        return position

    def take(self, keep: BoolArray) -> Self:
        """Return some of the paths."""
        return type(self)(self.grid, self.row[keep], self.cell[keep])


def state_grids(
    ephemeris: Ephemeris, duration_s: float, *, max_bytes: int, satellites: IntArray | None = None
) -> Iterator[StateGrid]:
    """Yield grids that cover a scenario, a few satellites at a time, each with a step that suits its satellites.

    Parameters
    ----------
    ephemeris : Ephemeris
        Where the states come from.
    duration_s : float
        The grids span 0 .. duration_s. [s]
    max_bytes : int
        Bound on the bytes of a grid's positions and velocities; it holds one satellite at least.
    satellites : (n,) int array, optional
        Indices of the satellites; all if omitted.

    Yields
    ------
    StateGrid
        Every satellite occurs in exactly one.

    Raises
    ------
    PropagationError
        If SGP4 fails within the scenario; names satellite and time.
    """
    pending = ephemeris.indices(None) if satellites is None else satellites
    for halving in range(N_HALVINGS + 1):
        n_cells, epochs = _epochs(ephemeris, duration_s, halving)
        size = max(1, max_bytes // (len(epochs) * 48))
        rough = [pending[:0]]
        for first in range(0, pending.size, size):
            grid, left = _smooth_grid(ephemeris, epochs, n_cells, pending[first : first + size])
            rough.append(left)
            if grid.satellites.size:
                yield grid
        pending = np.concatenate(rough)
    for satellite in pending:
        yield _exact_grid(ephemeris, duration_s, np.array([satellite]))


def common_grid(ephemeris: Ephemeris, duration_s: float, satellites: IntArray) -> StateGrid:
    """Return one grid for some satellites, with the step that the most demanding of them needs.

    Parameters
    ----------
    ephemeris : Ephemeris
        Where the states come from.
    duration_s : float
        The grid spans 0 .. duration_s. [s]
    satellites : (n,) int array
        Indices of the satellites, each once.

    Returns
    -------
    StateGrid
        Rows in the order of `satellites`.

    Raises
    ------
    PropagationError
        If SGP4 fails within the scenario; names satellite and time.
    """
    for halving in range(N_HALVINGS + 1):
        n_cells, epochs = _epochs(ephemeris, duration_s, halving)
        grid, rough = _smooth_grid(ephemeris, epochs, n_cells, satellites)
        if not rough.size:
            return grid
    return _exact_grid(ephemeris, duration_s, satellites)


def _epochs(ephemeris: Ephemeris, duration_s: float, halving: int) -> tuple[int, Epochs]:
    n_cells = max(1, math.ceil(duration_s / FIRST_STEP_S * 2**halving))
    return n_cells, ephemeris.epochs(duration_s / n_cells * np.arange(-PAD, n_cells + PAD + 1))


def _smooth_grid(
    ephemeris: Ephemeris, epochs: Epochs, n_cells: int, satellites: IntArray
) -> tuple[StateGrid, IntArray]:
    """Return the grid of those satellites whose positions it predicts, and the other satellites."""
    reached = _reached(ephemeris, epochs, satellites)
    positions = ephemeris.positions_m(epochs, satellites[reached].tolist())
    smooth = prediction_error_m(positions) <= ACCEPTED_M
    if not smooth.all():
        positions = positions[smooth]
    accepted = reached.copy()
    accepted[reached] = smooth
    inner = slice(PAD, PAD + n_cells + 1)
    step_s = -float(epochs.t_s[0]) / PAD
    velocities = node_velocities_m_s(positions, step_s)
    grid = StateGrid(ephemeris, satellites[accepted], step_s, n_cells, positions[:, inner], velocities, positions)
    return grid, satellites[~accepted]


def _reached(ephemeris: Ephemeris, epochs: Epochs, satellites: IntArray) -> BoolArray:
    """Return which satellites SGP4 can follow through all epochs, those beyond the scenario's ends included."""
    try:
        ephemeris.positions_m(epochs.t_s[[0, -1]], satellites.tolist())
    except PropagationError:
        pass
    else:
        return np.ones(satellites.size, dtype=bool)
    reached = np.zeros(satellites.size, dtype=bool)
    for i, satellite in enumerate(satellites.tolist()):
        try:
            ephemeris.positions_m(epochs, [satellite])
        except PropagationError:
            # Only a failure beyond the ends is put up with: this call raises on one within.
            ephemeris.positions_m(epochs.t_s[PAD:-PAD], [satellite])
        else:
            reached[i] = True
    return reached


def _exact_grid(ephemeris: Ephemeris, duration_s: float, satellites: IntArray) -> StateGrid:
    n_cells, epochs = _epochs(ephemeris, duration_s, N_HALVINGS)
    inner = epochs.t_s[PAD:-PAD]
    before, after = _around(inner, duration_s)
    earlier, nodes, later = (ephemeris.positions_m(t_s, satellites.tolist()) for t_s in (before, inner, after))
    velocities = (later - earlier) / (after - before)[:, None]
    return StateGrid(ephemeris, satellites, duration_s / n_cells, n_cells, nodes, velocities, None)


def _around(t_s: FloatArray, duration_s: float) -> tuple[FloatArray, FloatArray]:
    """Return the moments just before and after, between which velocities are taken; never beyond the scenario."""
    half_s = min(_HALF_DIFFERENCE_S, duration_s / 2.0)
    return np.maximum(t_s - half_s, 0.0), np.minimum(t_s + half_s, duration_s)
