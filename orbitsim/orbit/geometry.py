"""Geometry of Earth-fixed positions: pure, broadcasting formulas, metres and radians, the last axis is x, y, z.

Elevations are geometric (no refraction) over the plane normal to the WGS-84 ellipsoid, as in Skyfield's ``altaz``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from orbitsim.constants import WGS84_A_M, WGS84_F

FloatArray = NDArray[np.float64]

WGS84_B_M = WGS84_A_M * (1.0 - WGS84_F)  # semi-minor axis, from the two defining parameters
_E2 = WGS84_F * (2.0 - WGS84_F)  # first eccentricity squared
_EP2 = _E2 / (1.0 - _E2)  # second eccentricity squared


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("...i,...i->...", a, b))


def _norm(a: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(_dot(a, a)))


def zenith_unit(latitude_rad: ArrayLike, longitude_rad: ArrayLike) -> FloatArray:
    """Outward normal of the ellipsoid: the local vertical of geodetic coordinates.

    Parameters
    ----------
    latitude_rad, longitude_rad : array_like
        Geodetic latitude, and longitude positive to the east; broadcast against each other. [rad]

    Returns
    -------
    (..., 3) ndarray
        Unit vectors.
    """
    latitude, longitude = np.broadcast_arrays(np.asarray(latitude_rad, float), np.asarray(longitude_rad, float))
    return np.stack(
        (np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)), axis=-1
    )


def geodetic_to_ecef_m(latitude_rad: ArrayLike, longitude_rad: ArrayLike, altitude_m: ArrayLike = 0.0) -> FloatArray:
    """Earth-fixed position of a point given by its geodetic coordinates on WGS-84.

    Parameters
    ----------
    latitude_rad, longitude_rad : array_like
        Geodetic latitude, and longitude positive to the east. [rad]
    altitude_m : array_like
        Height over the ellipsoid. [m]

    Returns
    -------
    (..., 3) ndarray
        Positions. [m]

    References
    ----------
    .. [1] NIMA TR8350.2, 3rd ed. (2000), section 4.3, equation 4-14.
    """
    up = zenith_unit(latitude_rad, longitude_rad)
    sin_latitude = up[..., 2]
    normal_m = WGS84_A_M / np.sqrt(1.0 - _E2 * sin_latitude**2)  # radius of curvature in the prime vertical
    altitude = np.asarray(altitude_m, dtype=float)
    horizontal_m = normal_m + altitude
    vertical_m = normal_m * (1.0 - _E2) + altitude
    return np.stack((horizontal_m * up[..., 0], horizontal_m * up[..., 1], vertical_m * up[..., 2]), axis=-1)


def ecef_to_geodetic(position_m: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Geodetic coordinates on WGS-84 of an Earth-fixed position.

    Parameters
    ----------
    position_m : (..., 3) array_like
        Positions, farther than 50 km from the Earth's centre; nearer ones give nan. [m]

    Returns
    -------
    latitude_rad, longitude_rad : ndarray
        Geodetic latitude and longitude in (-pi, pi]. [rad]
    altitude_m : ndarray
        Height over the ellipsoid. [m]

    Notes
    -----
    Bowring's formula, applied three times: better than 1e-8 m from the surface to 40,000 km. The height uses the form
    that is well conditioned at the poles as well as at the equator.

    References
    ----------
    .. [1] B. R. Bowring, "Transformation from spatial to geographical coordinates", Survey Review 23(181), 323-327
       (1976), doi:10.1179/sre.1976.23.181.323.
    """
    position = np.asarray(position_m, dtype=float)
    z = position[..., 2]
    horizontal_m = np.hypot(position[..., 0], position[..., 1])
    longitude = np.arctan2(position[..., 1], position[..., 0])
    parametric = np.arctan2(z, horizontal_m * (1.0 - WGS84_F))
    latitude = parametric
    for _ in range(3):
        latitude = np.arctan2(
            z + _EP2 * WGS84_B_M * np.sin(parametric) ** 3, horizontal_m - _E2 * WGS84_A_M * np.cos(parametric) ** 3
        )
        parametric = np.arctan2((1.0 - WGS84_F) * np.sin(latitude), np.cos(latitude))
    sin_latitude = np.sin(latitude)
    altitude = horizontal_m * np.cos(latitude) + z * sin_latitude - WGS84_A_M * np.sqrt(1.0 - _E2 * sin_latitude**2)
    valid = np.hypot(horizontal_m, z) > 50e3
    return np.where(valid, latitude, np.nan), np.where(valid, longitude, np.nan), np.where(valid, altitude, np.nan)


def slant_range_m(a_m: ArrayLike, b_m: ArrayLike) -> FloatArray:
    """Distance between two points.

    Parameters
    ----------
    a_m, b_m : (..., 3) array_like
        Positions in one frame. [m]

    Returns
    -------
    ndarray
        Distances. [m]
    """
    return _norm(np.asarray(b_m, dtype=float) - np.asarray(a_m, dtype=float))


def elevation_rad(satellite_m: ArrayLike, site_m: ArrayLike, zenith: ArrayLike) -> FloatArray:
    """Elevation of a satellite over the horizon plane of a site.

    Parameters
    ----------
    satellite_m, site_m : (..., 3) array_like
        Earth-fixed positions. [m]
    zenith : (..., 3) array_like
        The site's vertical, from `zenith_unit`.

    Returns
    -------
    ndarray
        Elevation, nan where the two points coincide. [rad]
    """
    line = np.asarray(satellite_m, dtype=float) - np.asarray(site_m, dtype=float)
    up = np.asarray(zenith, dtype=float)
    vertical_m = _dot(line, np.broadcast_to(up, line.shape))
    horizontal_m = _norm(line - vertical_m[..., None] * up)
    coincide = (vertical_m == 0.0) & (horizontal_m == 0.0)
    # arctan2 keeps full precision near the zenith, where arcsin loses half the digits.
    return np.where(coincide, np.nan, np.arctan2(vertical_m, horizontal_m))


def off_nadir_rad(satellite_m: ArrayLike, site_m: ArrayLike) -> FloatArray:
    """Angle at the satellite between the direction to the Earth's centre and the direction to a site.

    Parameters
    ----------
    satellite_m, site_m : (..., 3) array_like
        Earth-fixed positions. [m]

    Returns
    -------
    ndarray
        Off-nadir angle in [0, pi], nan where the two points coincide. It says nothing of the Earth in between: a site
        on the far side has a small angle too. [rad]

    Notes
    -----
    The nadir is geocentric. It needs no ellipsoid, it is the nadir of the textbooks' relation between nadir angle and
    elevation [1]_, and the geodetic nadir differs from it by at most 0.19 deg in low orbit.

    References
    ----------
    .. [1] J. R. Wertz et al., "Space Mission Engineering: The New SMAD", Microcosm (2011), section 8.3.1.
    """
    down = -np.asarray(satellite_m, dtype=float)
    line = np.asarray(site_m, dtype=float) + down
    cross_m2 = _norm(np.cross(down, line))
    dot_m2 = _dot(np.broadcast_to(down, line.shape), line)
    return np.where((cross_m2 == 0.0) & (dot_m2 == 0.0), np.nan, np.arctan2(cross_m2, dot_m2))


def elevation_for_off_nadir_rad(
    off_nadir_rad: ArrayLike, satellite_radius_m: ArrayLike, site_radius_m: ArrayLike
) -> FloatArray:
    """Elevation, over the plane normal to the site's radius, at which a site lies at a given off-nadir angle.

    Parameters
    ----------
    off_nadir_rad : array_like
        Angle at the satellite from the geocentric nadir. [rad]
    satellite_radius_m, site_radius_m : array_like
        Distances from the Earth's centre. [m]

    Returns
    -------
    ndarray
        Elevation in [0, pi/2]; nan where the line of sight at that angle misses the site's sphere. [rad]

    Notes
    -----
    Law of sines in the triangle Earth's centre, site, satellite: ``cos(elevation) = (r / R) sin(off-nadir)``. 50 deg at
    500 km over the equatorial radius give 34.3 deg, over the radius at 53 deg latitude 34.1 deg.

    References
    ----------
    .. [1] J. R. Wertz et al., "Space Mission Engineering: The New SMAD", Microcosm (2011), section 8.3.1.
    """
    cosine = np.asarray(satellite_radius_m, float) / np.asarray(site_radius_m, float) * np.sin(off_nadir_rad)
    inside = (np.abs(cosine) <= 1.0) & (np.asarray(off_nadir_rad, float) <= np.pi / 2)
    return np.where(inside, np.arccos(np.clip(cosine, -1.0, 1.0)), np.nan)


def coverage_angle_rad(elevation_rad: ArrayLike, satellite_radius_m: ArrayLike, site_radius_m: ArrayLike) -> FloatArray:
    """Angle at the Earth's centre between a satellite and a site that sees it at an elevation, on a spherical Earth.

    Parameters
    ----------
    elevation_rad : array_like
        Elevation over the plane normal to the site's radius. [rad]
    satellite_radius_m, site_radius_m : array_like
        Distances from the Earth's centre. [m]

    Returns
    -------
    ndarray
        Central angle; nan where the satellite is too low for that elevation. [rad]

    References
    ----------
    .. [1] J. R. Wertz et al., "Space Mission Engineering: The New SMAD", Microcosm (2011), section 8.3.1.
    """
    elevation = np.asarray(elevation_rad, dtype=float)
    cosine = np.asarray(site_radius_m, float) / np.asarray(satellite_radius_m, float) * np.cos(elevation)
    return np.where(cosine <= 1.0, np.arccos(np.minimum(cosine, 1.0)) - elevation, np.nan)


def segment_clearance_m(a_m: ArrayLike, b_m: ArrayLike, grazing_altitude_m: ArrayLike = 0.0) -> FloatArray:
    """How far the straight line between two points clears the Earth enlarged by a grazing altitude.

    Parameters
    ----------
    a_m, b_m : (..., 3) array_like
        Earth-fixed positions of the two ends. [m]
    grazing_altitude_m : array_like
        Height that the line must keep. [m]

    Returns
    -------
    ndarray
        Positive where the segment stays outside, zero where it touches. Its sign is exact for the ellipsoid with both
        WGS-84 semi-axes enlarged by the grazing altitude (which differs from the surface of constant height by less
        than 1 m at 80 km); its size is measured with z stretched to make that ellipsoid a sphere. [m]
    """
    grazing = np.asarray(grazing_altitude_m, dtype=float)
    equatorial_m = WGS84_A_M + grazing
    stretch = equatorial_m / (WGS84_B_M + grazing)
    scale = np.stack(np.broadcast_arrays(1.0, 1.0, stretch), axis=-1)
    a = np.asarray(a_m, dtype=float) * scale
    b = np.asarray(b_m, dtype=float) * scale
    return _norm(nearest_to_centre(a, b)[0]) - equatorial_m


def nearest_to_centre(a_m: ArrayLike, b_m: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Point of a segment nearest to the origin.

    Parameters
    ----------
    a_m, b_m : (..., 3) array_like
        Ends of the segment. [m]

    Returns
    -------
    point_m : (..., 3) ndarray
        The nearest point. [m]
    fraction : ndarray
        Its place: 0 at a, 1 at b.
    """
    a = np.asarray(a_m, dtype=float)
    line = np.asarray(b_m, dtype=float) - a
    length2 = _dot(line, line)
    fraction = np.clip(-_dot(np.broadcast_to(a, line.shape), line) / np.where(length2 > 0.0, length2, 1.0), 0.0, 1.0)
    return a + fraction[..., None] * line, fraction


def segment_grazing_altitude_m(a_m: ArrayLike, b_m: ArrayLike) -> FloatArray:
    """Lowest height over the WGS-84 ellipsoid along the straight line between two points.

    Parameters
    ----------
    a_m, b_m : (..., 3) array_like
        Earth-fixed positions of the two ends. [m]

    Returns
    -------
    ndarray
        Height of the point that is lowest once z is stretched to make the ellipsoid a sphere; the true minimum lies
        less than 10 m below it for lines that pass within 2,000 km of the surface. Negative where the Earth is in
        the way. [m]
    """
    scale = np.array([1.0, 1.0, WGS84_A_M / WGS84_B_M])
    point, _ = nearest_to_centre(np.asarray(a_m, dtype=float) * scale, np.asarray(b_m, dtype=float) * scale)
    return ecef_to_geodetic(point / scale)[2]
