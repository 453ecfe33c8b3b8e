"""Visibility on a list of moments: which sites see which satellites, without looking for edges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from orbitsim.orbit.ephemeris import Ephemeris, Epochs
from orbitsim.orbit.sites import Mask, Site, SiteTable

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_BLOCK_ITEMS = 130_000  # triples handled at a time, so that their intermediate arrays (1 MB each) stay in the cache
_PRODUCT_ITEMS = (
    87_000  # sites times moments in one matrix product: larger ones run on threads that wait for each other
)


def visible_at(
    ephemeris: Ephemeris, sites: Sequence[Site], masks: Mask | Sequence[Mask], t_s: ArrayLike | Epochs
) -> BoolArray:
    """Tell which sites see which satellites at given moments.

    Parameters
    ----------
    ephemeris : Ephemeris
        The satellites.
    sites : sequence of Site
        The sites.
    masks : Mask or sequence of Mask
        One mask for all sites, or one a site.
    t_s : (n_t,) array_like or Epochs
        Seconds since the epoch. [s]

    Returns
    -------
    (n_satellites, n_sites, n_t) bool ndarray
        True where the mask is met.

    Raises
    ------
    ValueError
        If the numbers of masks and sites differ.
    PropagationError
        If SGP4 fails for a satellite; names it, the UTC time and the reason.
    """
    table = SiteTable(sites, masks)
    epochs = t_s if isinstance(t_s, Epochs) else ephemeris.epochs(t_s)
    visible = np.zeros((len(ephemeris), len(table), len(epochs)), dtype=bool)
    by_elevation = np.isfinite(table.sin_elevation)
    for rows, some, moments, position in _blocks(ephemeris, table, epochs):
        height, range2, radial = _sights(table, some, position)
        limit = table.sin_elevation[some][:, None]
        if by_elevation[some].all():
            # height >= sin(mask) range, without the square root
            least2 = limit * np.abs(limit) * range2
            met = height * np.abs(height) >= least2
        else:
            range_m = np.sqrt(range2)
            radius2 = np.einsum("bti,bti->bt", position, position)[:, None, :]
            cosine2 = (table.sin_off_nadir[some] / table.radius_m[some])[:, None] ** 2 * radius2
            least = np.sqrt(np.maximum(0.0, 1.0 - cosine2)) * range_m
            off_nadir = (radial - table.radius_m[some][:, None] >= least) & (height >= 0.0)
            met = np.where(by_elevation[some][:, None], height >= limit * range_m, off_nadir)
        visible[rows, some, moments] = met
    return visible


def elevations_rad(ephemeris: Ephemeris, sites: Sequence[Site], t_s: ArrayLike | Epochs) -> FloatArray:
    """Elevation of every satellite over every site at given moments.

    Parameters
    ----------
    ephemeris : Ephemeris
        The satellites.
    sites : sequence of Site
        The sites.
    t_s : (n_t,) array_like or Epochs
        Seconds since the epoch. [s]

    Returns
    -------
    (n_satellites, n_sites, n_t) ndarray
        Geometric elevations over the ellipsoid's horizon. [rad]

    Raises
    ------
    PropagationError
        If SGP4 fails for a satellite; names it, the UTC time and the reason.
    """
    table = SiteTable(sites, Mask(min_elevation_deg=0.0))
    epochs = t_s if isinstance(t_s, Epochs) else ephemeris.epochs(t_s)
    elevation = np.empty((len(ephemeris), len(table), len(epochs)))
    for rows, some, moments, position in _blocks(ephemeris, table, epochs):
        height, range2, _ = _sights(table, some, position)
        horizontal = np.sqrt(np.maximum(0.0, range2 - height**2))
        elevation[rows, some, moments] = np.arctan2(height, horizontal)
    return elevation


def _blocks(ephemeris: Ephemeris, table: SiteTable, epochs: Epochs) -> Iterator[tuple[slice, slice, slice, FloatArray]]:
    """Yield satellites, sites and moments in blocks, with the positions of each."""
    n_moments = min(len(epochs), _PRODUCT_ITEMS)
    n_sites = max(1, min(len(table), _PRODUCT_ITEMS // max(1, n_moments)))
    n_rows = max(1, _BLOCK_ITEMS // max(1, n_sites * n_moments))
    for satellites, positions in ephemeris.iter_positions_m(epochs):
        for first in range(0, satellites.size, n_rows):
            block = positions[first : first + n_rows]
            rows = slice(int(satellites[first]), int(satellites[first]) + block.shape[0])
            for begin in range(0, len(epochs), max(1, n_moments)):
                moments = slice(begin, begin + n_moments)
                for site in range(0, len(table), n_sites):
                    yield rows, slice(site, site + n_sites), moments, block[:, moments]


def _sights(table: SiteTable, sites: slice, position_m: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return height over the horizon plane, squared range and height along the site's radius, (rows, sites, t) each."""
    xyz = position_m.transpose(0, 2, 1)
    site = table.position_m[:, sites]
    zenith = table.zenith[:, sites]
    height = zenith.T @ xyz
    height -= (zenith * site).sum(axis=0)[:, None]
    radial = (site / table.radius_m[sites]).T @ xyz
    range2 = radial * (-2.0 * table.radius_m[sites])[:, None]
    range2 += np.einsum("bti,bti->bt", position_m, position_m)[:, None, :]
    range2 += (table.radius_m[sites] ** 2)[:, None]
    return height, range2, radial
