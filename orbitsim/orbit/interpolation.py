"""Positions between the epochs of a grid: sgp4 has no call for pairs of satellite and time, polynomials do it instead.

Each cell between two grid epochs gets the polynomial of degree 9 through the ten nearest positions. SGP4's velocities
stay out of it: they follow SGP4's own positions to about 1e-6 only, which would cost centimetres.

The step is chosen for each satellite by trial: the grid is accepted where every second epoch is predicted from the
others within `ACCEPTED_M`. The grid itself is twice as dense as the one so tested, hence about 1,000 times better where
SGP4 is smooth (a 550 km orbit at 120 s: 1e-5 m), and no worse than half the tested error where it has a kink, as the
resonance integrator of deep-space orbits has every 720 min. Fast perigees get 60, 30, ... s.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orbitsim.errors import PropagationError
from orbitsim.orbit.ephemeris import Ephemeris, Epochs

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FIRST_STEP_S = 120.0
N_HALVINGS = 6  # down to 1.9 s
ACCEPTED_M = 0.1  # error of predicting every second epoch; that of the grid itself is far below it
TOLERATED_M = 10.0  # same at the finest step: 10 m are about 1.4 ms of flight

_N_STENCIL = 10
_BEFORE = _N_STENCIL // 2 - 1  # stencil epochs before the one at which the cell begins
_PAD = _N_STENCIL - 1  # epochs on either side of the scenario, so that the test reaches its first and last cell
# OpenBLAS spreads larger products over threads, which wait for each other longer than they work (measured: 4 times).
_PRODUCT_COLUMNS = 256


def _stencil_inverse() -> FloatArray:
    """Matrix from ten equidistant values to the coefficients about the middle of their central cell."""
    offsets = np.arange(_N_STENCIL) - (_N_STENCIL - 1) / 2.0
    return np.asarray(np.linalg.inv(np.vander(offsets, increasing=True)))


_COEFFICIENTS = _stencil_inverse()
_COEFFICIENTS_XYZ = np.kron(_COEFFICIENTS, np.eye(3))  # the same for interleaved x, y, z


@dataclass(frozen=True, slots=True, eq=False)
class StateGrid:
    """States of some satellites on equidistant epochs, and polynomials between them.

    Attributes
    ----------
    satellites : (n,) int array
        Indices of the satellites in the constellation.
    step_s : float
        Length of a cell. [s]
    n_cells : int
        Number of cells; cell k spans ``k step_s .. (k + 1) step_s``.
    positions_m, velocities_m_s : (n, n_cells + 19, 3) float array
        Earth-fixed states, nine epochs more on either side. [m] [m/s]
    """

    satellites: IntArray
    step_s: float
    n_cells: int
    positions_m: FloatArray
    velocities_m_s: FloatArray

    @property
    def duration_s(self) -> float:
        """Length of the scenario [s]."""
        return self.n_cells * self.step_s

    @property
    def nodes_m(self) -> FloatArray:
        """Positions on the n_cells + 1 epochs within the scenario [m]."""
        return self.positions_m[:, _PAD : _PAD + self.n_cells + 1]

    @property
    def node_velocities_m_s(self) -> FloatArray:
        """Velocities on the n_cells + 1 epochs within the scenario [m/s]."""
        return self.velocities_m_s[:, _PAD : _PAD + self.n_cells + 1]

    def polynomials(self, row: IntArray, cell: IntArray) -> FloatArray:
        """Coefficients of the position within cells.

        Parameters
        ----------
        row : (n,) int array
            Rows of the satellites in this grid.
        cell : (n,) int array
            Cells.

        Returns
        -------
        (10, 3, n) ndarray
            Coefficients of ``x**0 .. x**9`` for each axis, x = -1/2 at the cell's beginning and +1/2 at its end. [m]
        """
        n_nodes = self.positions_m.shape[1]
        flat = self.positions_m.reshape(-1)
        stencils = np.lib.stride_tricks.sliding_window_view(flat, 3 * _N_STENCIL)[::3]
        values = stencils[row * n_nodes + cell + (_PAD - _BEFORE)]
        coefficients = np.empty((3 * _N_STENCIL, row.size))
        for first in range(0, row.size, _PRODUCT_COLUMNS):
            part = slice(first, first + _PRODUCT_COLUMNS)
            np.matmul(_COEFFICIENTS_XYZ, values[part].T, out=coefficients[:, part])
        return coefficients.reshape(_N_STENCIL, 3, -1)


def evaluate(coefficients: FloatArray, x: FloatArray) -> FloatArray:
    """Value of polynomials, as (3, n) [m]; `coefficients` (k, 3, n) and `x` (n,) as in `StateGrid.polynomials`."""
    value: FloatArray = coefficients[-1] * x
    value += coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        value *= x
        value += coefficient
    return value


def evaluate_with_derivative(coefficients: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Value and derivative in x of polynomials, as (3, n) each; a cell has length 1 in x."""
    value = coefficients[-1] * x
    value += coefficients[-2]
    slope = coefficients[-1].copy()
    for coefficient in coefficients[-3::-1]:
        slope *= x
        slope += value
        value *= x
        value += coefficient
    return value, slope


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
        Bound on the bytes of a grid's states; it holds one satellite at least.
    satellites : (n,) int array, optional
        Indices of the satellites; all if omitted.

    Yields
    ------
    StateGrid
        Every satellite occurs in exactly one.

    Raises
    ------
    PropagationError
        If SGP4 fails, or a satellite's positions are too rough to be interpolated; names satellite and time.
    """
    pending = ephemeris.indices(None) if satellites is None else satellites
    for halving in range(N_HALVINGS + 1):
        n_cells, epochs = _grid_epochs(ephemeris, duration_s, halving)
        size = max(1, max_bytes // (len(epochs) * 48))
        rough: list[IntArray] = []
        for first in range(0, pending.size, size):
            chunk = pending[first : first + size]
            grid = _smooth_part(ephemeris, epochs, n_cells, chunk, last=halving == N_HALVINGS)
            rough.append(np.setdiff1d(chunk, grid.satellites, assume_unique=True))
            if grid.satellites.size:
                yield grid
        pending = np.concatenate(rough) if rough else pending[:0]
        if not pending.size:
            return


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
        If SGP4 fails, or a satellite's positions are too rough to be interpolated; names satellite and time.
    """
    for halving in range(N_HALVINGS):
        n_cells, epochs = _grid_epochs(ephemeris, duration_s, halving)
        grid = _smooth_part(ephemeris, epochs, n_cells, satellites, last=False)
        if grid.satellites.size == satellites.size:
            return grid
    n_cells, epochs = _grid_epochs(ephemeris, duration_s, N_HALVINGS)
    return _smooth_part(ephemeris, epochs, n_cells, satellites, last=True)


def _grid_epochs(ephemeris: Ephemeris, duration_s: float, halving: int) -> tuple[int, Epochs]:
    n_cells = max(1, math.ceil(duration_s / FIRST_STEP_S * 2**halving))
    return n_cells, ephemeris.epochs(duration_s / n_cells * np.arange(-_PAD, n_cells + _PAD + 1))


def _smooth_part(ephemeris: Ephemeris, epochs: Epochs, n_cells: int, satellites: IntArray, *, last: bool) -> StateGrid:
    """Return the grid of those satellites whose positions it predicts; at the finest step refuse the others."""
    chunk = satellites if last else satellites[_reachable(ephemeris, epochs, satellites)]
    positions, velocities = ephemeris.states(epochs, chunk.tolist())
    error_m, worst = _prediction_error_m(positions)
    accepted = error_m <= (TOLERATED_M if last else ACCEPTED_M)
    step_s = -float(epochs.t_s[0]) / _PAD
    if last and not accepted.all():
        _refuse(ephemeris, chunk[~accepted], error_m[~accepted], np.asarray(worst[~accepted] * step_s, dtype=float))
    if accepted.all():
        return StateGrid(chunk, step_s, n_cells, positions, velocities)
    return StateGrid(chunk[accepted], step_s, n_cells, positions[accepted], velocities[accepted])


def _reachable(ephemeris: Ephemeris, epochs: Epochs, satellites: IntArray) -> NDArray[np.bool_]:
    """Return which satellites SGP4 can follow over the epochs beyond the scenario's ends too; fewer once they decay."""
    edge = ephemeris.epochs(epochs.t_s[[0, -1]])
    try:
        ephemeris.positions_m(edge, satellites.tolist())
    except PropagationError:
        reachable = np.zeros(satellites.size, dtype=bool)
        for i, satellite in enumerate(satellites):
            try:
                ephemeris.positions_m(epochs, [int(satellite)])
            except PropagationError:
                ephemeris.positions_m(epochs.t_s[_PAD:-_PAD], [int(satellite)])  # a failure within is for the caller
            else:
                reachable[i] = True
        return reachable
    return np.ones(satellites.size, dtype=bool)


def _prediction_error_m(positions_m: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the worst error of predicting every second epoch from the others, and its cell, of each satellite."""
    every_second = positions_m[:, ::2]
    n_tests = every_second.shape[1] - _N_STENCIL + 1
    difference = -positions_m[:, _PAD : _PAD + 2 * n_tests : 2]
    for k, weight in enumerate(_COEFFICIENTS[0]):
        difference += weight * every_second[:, k : k + n_tests]
    squared = np.einsum("ijk,ijk->ij", difference, difference)
    worst = squared.argmax(axis=1)
    return np.sqrt(squared[np.arange(len(worst)), worst]), 2 * worst


def _refuse(ephemeris: Ephemeris, satellites: IntArray, error_m: FloatArray, t_s: FloatArray) -> None:
    lines = [
        f"satellite {ephemeris.constellation.names[i]!r}: its SGP4 positions jump by {error:.0f} m about "
        f"{ephemeris.skyfield_time(t).utc_iso()}; the element set is not usable there (decaying, or too old)"
        for i, error, t in zip(satellites, error_m, t_s, strict=True)
    ]
    raise PropagationError("\n".join(lines))
