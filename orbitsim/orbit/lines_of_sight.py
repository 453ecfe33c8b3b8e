"""Lines of sight from sites to satellites: what the contact search asks of them, at grid epochs and in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from orbitsim.orbit.grids import Paths
from orbitsim.orbit.sites import SiteTable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def dot(a: FloatArray, b: FloatArray) -> FloatArray:
    """Scalar product of (3, n) arrays."""
    return np.asarray(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])


@dataclass(slots=True)
class Sight:
    """Quantities of n lines of sight at one moment each; rates only have the sign of the true derivative.

    Attributes
    ----------
    margin : (n,) float array
        Positive or zero where the mask lets the site see the satellite.
    sin_elevation : (n,) float array
        Sine of the elevation.
    range_m : (n,) float array
        Distance. [m]
    margin_rate, elevation_rate, range_rate : (n,) float array
        Signs of how the three change. Empty where no velocity was asked for.
    """

    margin: FloatArray
    sin_elevation: FloatArray
    range_m: FloatArray
    margin_rate: FloatArray
    elevation_rate: FloatArray
    range_rate: FloatArray


def sight(line: FloatArray, velocity: FloatArray | None, table: SiteTable, site: IntArray) -> Sight:
    """Measure lines of sight.

    Parameters
    ----------
    line : (3, n) ndarray
        From site to satellite. [m]
    velocity : (3, n) ndarray or None
        Its derivative in any unit of time, where rates are wanted.
    table : SiteTable
        The sites, all under masks of one kind.
    site : (n,) int array
        Site of each line.

    Returns
    -------
    Sight
        Margins over the mask, elevations, ranges and the signs of their rates.
    """
    zenith = table.zenith[:, site]
    range2 = dot(line, line)
    range_m = np.sqrt(range2)
    height = dot(line, zenith)
    sin_elevation = height / range_m
    nothing = np.empty(0)
    elevation_rate = range_rate = nothing
    if velocity is not None:
        range_rate = dot(line, velocity)
        # d(height / range)/dt times range^3: a straight function of time for straight flight, which suits root finding.
        elevation_rate = dot(velocity, zenith) * range2 - height * range_rate
    sin_mask = table.sin_elevation[site]
    if not np.isnan(sin_mask).any():
        return Sight(sin_elevation - sin_mask, sin_elevation, range_m, elevation_rate, elevation_rate, range_rate)
    # Off-nadir: in the triangle Earth's centre, site, satellite the elevation over the plane normal to the site's
    # radius has the cosine r sin(off-nadir) / R. Put so, the near side needs no rule of its own.
    position = table.position_m[:, site]
    radial = position / table.radius_m[site]
    satellite = line + position
    scale = table.sin_off_nadir[site] / table.radius_m[site]
    cosine2 = scale**2 * dot(satellite, satellite)
    least = np.sqrt(np.maximum(0.0, 1.0 - cosine2))
    radial_height = dot(line, radial)
    off_nadir_margin = radial_height / range_m - least
    horizon_first = sin_elevation < off_nadir_margin
    margin = np.where(horizon_first, sin_elevation, off_nadir_margin)
    margin_rate = nothing
    if velocity is not None:
        rate = dot(velocity, radial) * range2 - radial_height * range_rate
        with np.errstate(divide="ignore", invalid="ignore"):
            limit_rate = np.where(least > 0.0, scale**2 * dot(satellite, velocity) / least, 0.0)
        margin_rate = np.where(horizon_first, elevation_rate, rate + limit_rate * range2 * range_m)
    return Sight(margin, sin_elevation, range_m, margin_rate, elevation_rate, range_rate)


class SightInCells:
    """Lines of sight as functions of the place within their grid cells.

    Parameters
    ----------
    paths : Paths
        Of the satellites.
    table : SiteTable
        The sites.
    site : (n,) int array
        Site of each line.
    quantity : str
        Which attribute of `Sight` calling the object returns.
    """

    def __init__(self, paths: Paths, table: SiteTable, site: IntArray, quantity: str) -> None:
        self.paths = paths
        self.table = table
        self.site = site
        self.quantity = quantity

    def at(self, x: FloatArray, *, rates: bool = False) -> Sight:
        """Measure the lines at a place in each cell, -1/2 .. 1/2."""
        if rates:
            position, velocity = self.paths.position_and_velocity(x)
        else:
            position, velocity = self.paths.position(x), None
        position -= self.table.position_m[:, self.site]
        return sight(position, velocity, self.table, self.site)

    def __call__(self, x: FloatArray) -> FloatArray:
        """Return the chosen quantity at a place in each cell."""
        found: FloatArray = getattr(self.at(x, rates=self.quantity.endswith("_rate")), self.quantity)
        return found

    def take(self, keep: NDArray[np.bool_]) -> Self:
        """Return some of the lines."""
        return type(self)(self.paths.take(keep), self.table, self.site[keep], self.quantity)
