"""Positions sampled so densely that a viewer's interpolation between them stays true."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from orbitsim.orbit.ephemeris import Ephemeris

FloatArray = NDArray[np.float64]

DEGREE = 7
"""Degree of the polynomial through the eight samples around a moment."""
_FIRST_STEP_S = 120.0
_LEAST_STEP_S = 1.0


def sample_times(ephemeris: Ephemeris, duration_s: float, max_error_m: float) -> FloatArray:
    """Return equidistant times at which to sample, from 0 to the duration, both included.

    Parameters
    ----------
    ephemeris : Ephemeris
        The satellites.
    duration_s : float
        Length of the scenario. [s]
    max_error_m : float
        Bound on the distance between interpolated and propagated positions, checked for every satellite in the middle
        between samples, where it is largest; not met only if samples a second apart do not meet it. [m]

    Returns
    -------
    (n,) ndarray
        Times, at least eight of them. [s]
    """
    n_cells = max(DEGREE, math.ceil(duration_s / _FIRST_STEP_S))
    while True:
        t_s = np.linspace(0.0, duration_s, n_cells + 1)
        if duration_s / n_cells <= _LEAST_STEP_S or _worst_m(ephemeris, t_s) <= max_error_m:
            return t_s
        n_cells *= 2


def _worst_m(ephemeris: Ephemeris, t_s: FloatArray) -> float:
    """Return the largest error in the middle between samples. [m]"""
    middles_s = 0.5 * (t_s[:-1] + t_s[1:])
    epochs, middle_epochs = ephemeris.epochs(t_s), ephemeris.epochs(middles_s)
    worst_m = 0.0
    for satellites, positions_m in ephemeris.iter_positions_m(epochs, max_bytes=8_000_000):
        truth_m = ephemeris.positions_m(middle_epochs, satellites.tolist())
        error_m = np.linalg.norm(middle_positions_m(positions_m) - truth_m, axis=-1)
        worst_m = max(worst_m, float(error_m.max()))
    return worst_m


def middle_positions_m(positions_m: FloatArray) -> FloatArray:
    """Interpolate in the middle of each cell, through the eight nearest samples, as Cesium does.

    Parameters
    ----------
    positions_m : (n_satellites, n_t, 3) ndarray
        Equidistant samples. [m]

    Returns
    -------
    (n_satellites, n_t - 1, 3) ndarray
        Positions in the middles. [m]
    """
    n_cells = positions_m.shape[1] - 1
    cells = np.arange(n_cells)
    first = np.clip(cells - DEGREE // 2, 0, n_cells - DEGREE)  # at either end the stencil cannot be centred
    weights = _weights(cells + 0.5 - first)
    stencils = np.lib.stride_tricks.sliding_window_view(positions_m, DEGREE + 1, axis=1)[:, first]
    found: FloatArray = np.einsum("scxk,ck->scx", stencils, weights)
    return found


def _weights(x: FloatArray) -> FloatArray:
    """Return Lagrange's weights of samples at 0, 1, ..., `DEGREE` for places x; shape (n, `DEGREE` + 1)."""
    nodes = np.arange(DEGREE + 1)
    columns = [np.prod([(x - other) / (node - other) for other in nodes if other != node], axis=0) for node in nodes]
    return np.stack(columns, axis=-1)
