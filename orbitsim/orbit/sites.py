"""Sites on the ground: stations and targets, and the mask under which each sees a satellite."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orbitsim.orbit.geometry import geodetic_to_ecef_m, zenith_unit


@dataclass(frozen=True, slots=True)
class Site:
    """A place on the Earth.

    Attributes
    ----------
    name : str
        Name of the site.
    latitude_deg, longitude_deg : float
        Geodetic latitude, and longitude positive to the east (any multiple of a turn may be added). [deg]
    altitude_m : float
        Height over the WGS-84 ellipsoid. [m]
    kind : str
        ``"station"`` or ``"target"``.

    Raises
    ------
    ValueError
        If the latitude lies outside -90 .. 90 deg, or a number is not finite.
    """

    name: str
    latitude_deg: float
    longitude_deg: float
    altitude_m: float = 0.0
    kind: str = "station"

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.latitude_deg, self.longitude_deg, self.altitude_m))):
            raise ValueError(f"coordinates of site {self.name!r} must be finite")
        if not -90.0 <= self.latitude_deg <= 90.0:
            raise ValueError(f"latitude_deg (={self.latitude_deg}) of site {self.name!r} must be in -90 .. 90")
        if self.kind not in {"station", "target"}:
            raise ValueError(f"kind of site {self.name!r} must be 'station' or 'target', got {self.kind!r}")


@dataclass(frozen=True, slots=True)
class Mask:
    """When a site sees a satellite: exactly one of the two limits is given.

    Attributes
    ----------
    min_elevation_deg : float or None
        Least geometric elevation over the horizon of the ellipsoid. [deg]
    max_off_nadir_deg : float or None
        Largest angle at the satellite between the geocentric nadir and the site, which must also be on the near side:
        above its horizon. [deg]

    Raises
    ------
    ValueError
        If both or neither are given, or a limit lies outside -90 .. 90 (elevation) or 0 .. 90 deg (off-nadir).
    """

    min_elevation_deg: float | None = None
    max_off_nadir_deg: float | None = None

    def __post_init__(self) -> None:
        if (self.min_elevation_deg is None) == (self.max_off_nadir_deg is None):
            raise ValueError("a mask needs either min_elevation_deg or max_off_nadir_deg")
        if self.min_elevation_deg is not None and not -90.0 < self.min_elevation_deg < 90.0:
            raise ValueError(f"min_elevation_deg (={self.min_elevation_deg}) must lie between -90 and 90")
        if self.max_off_nadir_deg is not None and not 0.0 < self.max_off_nadir_deg <= 90.0:
            raise ValueError(f"max_off_nadir_deg (={self.max_off_nadir_deg}) must lie between 0 and 90")


class SiteTable:
    """Sites and masks as arrays, one column a site.

    Parameters
    ----------
    sites : sequence of Site
        The sites.
    masks : Mask or sequence of Mask
        One for all sites, or one a site.

    Attributes
    ----------
    position_m : (3, n) float array
        Earth-fixed positions. [m]
    zenith : (3, n) float array
        Verticals of the ellipsoid.
    radius_m : (n,) float array
        Distances from the Earth's centre. [m]
    sin_elevation : (n,) float array
        Sine of the elevation mask; nan under an off-nadir mask.
    sin_off_nadir : (n,) float array
        Sine of the off-nadir mask; nan under an elevation mask.

    Raises
    ------
    ValueError
        If the numbers of sites and masks differ.
    """

    def __init__(self, sites: Sequence[Site], masks: Mask | Sequence[Mask]) -> None:
        self.masks = [masks] * len(sites) if isinstance(masks, Mask) else list(masks)
        if len(self.masks) != len(sites):
            raise ValueError(f"expected one mask a site, got {len(self.masks)} masks for {len(sites)} sites")
        latitude = np.radians([site.latitude_deg for site in sites])
        longitude = np.radians([site.longitude_deg for site in sites])
        altitude = np.array([site.altitude_m for site in sites], dtype=float)
        self.position_m: NDArray[np.float64] = np.ascontiguousarray(geodetic_to_ecef_m(latitude, longitude, altitude).T)
        self.zenith: NDArray[np.float64] = np.ascontiguousarray(zenith_unit(latitude, longitude).T)
        self.radius_m: NDArray[np.float64] = np.sqrt((self.position_m**2).sum(axis=0))
        none = float("nan")
        self.sin_elevation: NDArray[np.float64] = np.sin(
            np.radians([none if m.min_elevation_deg is None else m.min_elevation_deg for m in self.masks])
        )
        self.sin_off_nadir: NDArray[np.float64] = np.sin(
            np.radians([none if m.max_off_nadir_deg is None else m.max_off_nadir_deg for m in self.masks])
        )

    def __len__(self) -> int:
        return len(self.masks)

    def groups(self) -> list[tuple[Mask, NDArray[np.int64]]]:
        """Return the sites that share a mask, as pairs of that mask and their indices."""
        members: dict[Mask, list[int]] = {}
        for i, mask in enumerate(self.masks):
            members.setdefault(mask, []).append(i)
        return [(mask, np.array(indices)) for mask, indices in members.items()]
