"""Polynomials through the positions of a grid: sgp4 has no call for pairs of satellite and time, these stand in for it.

Each cell between two grid epochs gets the polynomial of degree 9 through the ten nearest positions. SGP4's velocities
stay out of it: they agree with SGP4's own positions to about 1e-5 in low orbits (5 cm/s) and 1e-4 at a Molniya's
perigee (1.3 m/s), which would cost metres and put the peaks of slow passes in the wrong cell.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

N_STENCIL = 10
PAD = N_STENCIL - 1  # epochs on either side of a grid, so that `prediction_error_m` reaches its first and last cell
_DIFFERENCE_WEIGHTS = (4 / 5, -1 / 5, 4 / 105, -1 / 280)  # central first derivative of order 8, Fornberg, table 1
_BEFORE = N_STENCIL // 2 - 1  # stencil epochs before the one at which the cell begins
# OpenBLAS spreads larger products over threads, which wait for each other longer than they work (measured: 4 times).
_PRODUCT_COLUMNS = 256


def _stencil_inverse() -> FloatArray:
    """Matrix from ten equidistant values to the coefficients about the middle of their central cell."""
    offsets = np.arange(N_STENCIL) - (N_STENCIL - 1) / 2.0
    return np.asarray(np.linalg.inv(np.vander(offsets, increasing=True)))


_COEFFICIENTS = _stencil_inverse()
_COEFFICIENTS_XYZ = np.kron(_COEFFICIENTS, np.eye(3))  # the same for interleaved x, y, z


class PolynomialPaths:
    """Positions of n satellites within a grid cell each, as functions of the place in the cell.

    Parameters
    ----------
    coefficients : (10, 3, n) ndarray
        Of ``x**0 .. x**9`` for each axis, x = -1/2 at the cell's beginning and +1/2 at its end. [m]
    """

    def __init__(self, coefficients: FloatArray) -> None:
        self.coefficients = coefficients

    @classmethod
    def through(cls, positions_m: FloatArray, row: IntArray, cell: IntArray) -> Self:
        """Fit polynomials to a grid.

        Parameters
        ----------
        positions_m : (n_satellites, n_cells + 19, 3) ndarray
            Equidistant positions, nine epochs more than the grid has on either side. [m]
        row, cell : (n,) int array
            Satellite and cell of each path.

        Returns
        -------
        PolynomialPaths
            The n paths.
        """
        stencils = np.lib.stride_tricks.sliding_window_view(positions_m.reshape(-1), 3 * N_STENCIL)[::3]
        values = stencils[row * positions_m.shape[1] + cell + (PAD - _BEFORE)]
        coefficients = np.empty((3 * N_STENCIL, row.size))
        for first in range(0, row.size, _PRODUCT_COLUMNS):
            part = slice(first, first + _PRODUCT_COLUMNS)
            np.matmul(_COEFFICIENTS_XYZ, values[part].T, out=coefficients[:, part])
        return cls(coefficients.reshape(N_STENCIL, 3, -1))

    def position(self, x: FloatArray) -> FloatArray:
        """Return the (3, n) positions at a place in each cell [m]."""
        value: FloatArray = self.coefficients[-1] * x
        value += self.coefficients[-2]
        for coefficient in self.coefficients[-3::-1]:
            value *= x
            value += coefficient
        return value

    def position_and_velocity(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the (3, n) positions at a place in each cell, and their derivatives, a cell being the unit of time."""
        value: FloatArray = self.coefficients[-1] * x
        value += self.coefficients[-2]
        slope = self.coefficients[-1].copy()
        for coefficient in self.coefficients[-3::-1]:
            slope *= x
            slope += value
            value *= x
            value += coefficient
        return value, slope

    def take(self, keep: NDArray[np.bool_]) -> Self:
        """Return some of the paths."""
        return type(self)(self.coefficients[:, :, keep])


def node_velocities_m_s(positions_m: FloatArray, step_s: float) -> FloatArray:
    """Velocities on the epochs of a grid, as differences of the eight positions around each.

    Parameters
    ----------
    positions_m : (n_satellites, n_cells + 19, 3) ndarray
        Equidistant positions, nine epochs more than the grid has on either side. [m]
    step_s : float
        Their distance in time. [s]

    Returns
    -------
    (n_satellites, n_cells + 1, 3) ndarray
        Derivatives of the positions, better than 1e-5 m/s where the polynomials are better than 1e-3 m. [m/s]

    References
    ----------
    .. [1] B. Fornberg, "Generation of finite difference formulas on arbitrarily spaced grids", Mathematics of
       Computation 51, 699-706 (1988), table 1, doi:10.1090/S0025-5718-1988-0935077-0.
    """
    n_nodes = positions_m.shape[1] - 2 * PAD
    velocity = np.zeros((positions_m.shape[0], n_nodes, 3))
    for offset, weight in enumerate(_DIFFERENCE_WEIGHTS, start=1):
        after = positions_m[:, PAD + offset : PAD + offset + n_nodes]
        before = positions_m[:, PAD - offset : PAD - offset + n_nodes]
        velocity += (weight / step_s) * (after - before)
    return velocity


def prediction_error_m(positions_m: FloatArray) -> FloatArray:
    """Worst error of predicting every second epoch of a grid from the others.

    Parameters
    ----------
    positions_m : (n_satellites, n_cells + 19, 3) ndarray
        Equidistant positions, nine epochs more than the grid has on either side. [m]

    Returns
    -------
    (n_satellites,) ndarray
        Largest distance between predicted and true positions. Between all the epochs the error is about 2**-10 of it
        where the motion is smooth, and at most about half of it where the velocity has a kink. [m]
    """
    every_second = positions_m[:, ::2]
    n_tests = every_second.shape[1] - N_STENCIL + 1
    difference = -positions_m[:, PAD : PAD + 2 * n_tests : 2]
    for k, weight in enumerate(_COEFFICIENTS[0]):
        difference += weight * every_second[:, k : k + n_tests]
    return np.asarray(np.sqrt(np.einsum("ijk,ijk->ij", difference, difference).max(axis=1)))
