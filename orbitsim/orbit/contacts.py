"""Contacts: when each site sees each satellite, with edges refined to well below 0.01 s.

Three steps, each over many satellites and sites at once:

1. A cheap bound drops the grid epochs at which a satellite is certainly below the mask, half a step earlier and later
   included: one scalar product with the site's direction against the widest angle at the Earth's centre.
2. At the epochs that are left, the mask's margin and the signs of its rate say in which grid cells a window opens or
   closes, and in which a pass or a gap shorter than the step may hide.
3. In those cells only, roots are found on the polynomials of `orbitsim.orbit.grids`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from orbitsim.orbit.ephemeris import Ephemeris
from orbitsim.orbit.grids import StateGrid, state_grids
from orbitsim.orbit.passes import find_passes
from orbitsim.orbit.sites import Mask, Site, SiteTable
from orbitsim.types.contacts import Contacts

__all__ = ["Mask", "Site", "find_contacts"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_VERTICAL_DEFLECTION_RAD = 0.0034  # most by which the ellipsoid's normal leaves the radius (0.1924 deg)
_ROUNDING_RAD = 1e-3  # of angles from single-precision cosines, at their worst near 0
_RATE_GROWTH = 1.15  # how much faster than at its ends a satellite may move within a cell
_DENSE_ITEMS = 1_000_000  # pairs times epochs looked at together; bounds the memory at some 200 MB
_PRODUCT_ITEMS = 87_000  # sites times epochs in one matrix product: larger ones run on threads that wait for each other


def find_contacts(
    ephemeris: Ephemeris,
    sites: Sequence[Site],
    masks: Mask | Sequence[Mask],
    duration_s: float,
    *,
    max_grid_bytes: int = 16_000_000,
) -> Contacts:
    """Find every window in which a site sees a satellite.

    Parameters
    ----------
    ephemeris : Ephemeris
        The satellites; times count from its epoch.
    sites : sequence of Site
        The sites; poles and any longitude are fine.
    masks : Mask or sequence of Mask
        One mask for all sites, or one a site.
    duration_s : float
        The search spans 0 .. duration_s. [s]
    max_grid_bytes : int
        Bound on the states held at a time; one satellite at least is. [B]

    Returns
    -------
    Contacts
        Sorted windows. Edges and peaks are within 0.01 s of the truth of SGP4 and Skyfield; windows open at the
        scenario's start or end are cut there and flagged. `site` is the index in `sites`.

    Raises
    ------
    ValueError
        If `duration_s` is not positive and finite, or the numbers of masks and sites differ.
    PropagationError
        If SGP4 fails for a satellite; names it, the UTC time and the reason.
    """
    if not 0.0 < duration_s < np.inf:
        raise ValueError(f"duration_s (={duration_s}) must be positive and finite")
    table = SiteTable(sites, masks)
    if not len(table):
        return Contacts.empty()
    groups = table.groups()
    found: list[Contacts] = []
    for grid in state_grids(ephemeris, duration_s, max_bytes=max_grid_bytes):
        for mask, members in groups:
            threshold = _threshold(grid, mask, float(table.radius_m[members].min()))
            found.extend(
                find_passes(grid, table, rows, some, near)
                for rows, some, near in _near_epochs(grid, table, members, threshold)
            )
    if not found:
        return Contacts.empty()
    columns = Contacts.__dataclass_fields__
    return Contacts(**{name: np.concatenate([getattr(part, name) for part in found]) for name in columns})


def _threshold(grid: StateGrid, mask: Mask, site_radius_m: float) -> NDArray[np.float32]:
    """Cosine of the angle at the Earth's centre beyond which no site of this mask sees the satellite near an epoch."""
    radius = np.sqrt(np.einsum("ijk,ijk->ij", grid.nodes_m, grid.nodes_m))
    speed = np.sqrt(np.einsum("ijk,ijk->ij", grid.node_velocities_m_s, grid.node_velocities_m_s))
    moved = _RATE_GROWTH * _largest_nearby(speed / radius) * grid.step_s / 2.0
    ratio = _largest_nearby(radius) * 1.001 / site_radius_m
    reach = np.zeros_like(ratio)
    if mask.min_elevation_deg is not None:
        elevation = np.radians(mask.min_elevation_deg) - _VERTICAL_DEFLECTION_RAD
        reach = np.arccos(np.minimum(1.0, np.cos(elevation) / ratio)) - elevation
    elif mask.max_off_nadir_deg is not None:
        cosine = np.minimum(1.0, ratio * np.sin(np.radians(mask.max_off_nadir_deg)))
        reach = np.arccos(np.minimum(1.0, cosine / ratio)) - np.arccos(cosine)
    angle = reach + moved + _ROUNDING_RAD
    return np.where(angle < np.pi, np.cos(angle), -2.0).astype(np.float32)


def _largest_nearby(values: FloatArray) -> FloatArray:
    """Return the largest of each epoch's value and its neighbours'."""
    largest = values.copy()
    np.maximum(largest[:, 1:], values[:, :-1], out=largest[:, 1:])
    np.maximum(largest[:, :-1], values[:, 1:], out=largest[:, :-1])
    return largest


def _near_epochs(
    grid: StateGrid, table: SiteTable, members: IntArray, threshold: NDArray[np.float32]
) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
    """Yield rows and sites with the flat indices (row, site, epoch) that need a look, and their neighbours."""
    n_epochs = grid.n_cells + 1
    n_sites = min(members.size, max(1, _PRODUCT_ITEMS // n_epochs))
    n_rows = max(1, _DENSE_ITEMS // (n_sites * n_epochs))
    for first in range(0, len(grid.satellites), n_rows):
        rows = np.arange(first, min(first + n_rows, len(grid.satellites)))
        position = grid.nodes_m[rows]
        radius = np.sqrt(np.einsum("ijk,ijk->ij", position, position))
        direction = (position / radius[..., None]).astype(np.float32).transpose(0, 2, 1)
        for begin in range(0, members.size, n_sites):
            some = members[begin : begin + n_sites]
            radial = (table.position_m[:, some] / table.radius_m[some]).T.astype(np.float32)
            near = (radial @ direction) >= threshold[rows][:, None, :]
            wide = near.copy()
            wide[..., 1:] |= near[..., :-1]
            wide[..., :-1] |= near[..., 1:]
            yield rows, some, np.flatnonzero(wide)
