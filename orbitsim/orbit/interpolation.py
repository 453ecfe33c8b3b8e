"""Polynomials through the positions of a grid: sgp4 has no call for pairs of satellite and time, these stand in for it.

Each cell between two grid epochs gets the polynomial of degree 9 through the ten nearest positions. SGP4's velocities
stay out of it: they follow SGP4's own positions to about 1e-6 only, which would cost centimetres.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

N_STENCIL = 10
PAD = N_STENCIL - 1  # epochs on either side of a grid, so that `prediction_error_m` reaches its first and last cell
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
