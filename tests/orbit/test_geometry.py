"""Geometry against Skyfield, the published figures of WGS-84, textbook relations and a dense scan."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skyfield.api import wgs84

from orbitsim.constants import WGS84_A_M
from orbitsim.orbit import geometry

MICROMETRE = 1e-6

latitudes = st.floats(-np.pi / 2, np.pi / 2)
longitudes = st.floats(-np.pi, np.pi)
altitudes = st.floats(-5e3, 40_000e3)


@settings(deadline=None)
@given(latitudes, longitudes, altitudes)
def test_geodetic_position_is_skyfields(latitude, longitude, altitude_m):
    expected = wgs84.latlon(np.degrees(latitude), np.degrees(longitude), altitude_m).itrs_xyz.m
    np.testing.assert_allclose(
        geometry.geodetic_to_ecef_m(latitude, longitude, altitude_m), expected, rtol=0.0, atol=MICROMETRE
    )


@settings(deadline=None)
@given(latitudes, longitudes, altitudes)
def test_geodetic_coordinates_come_back(latitude, longitude, altitude_m):
    position = geometry.geodetic_to_ecef_m(latitude, longitude, altitude_m)
    back = geometry.ecef_to_geodetic(position)
    assert float(back[2]) == pytest.approx(altitude_m, abs=1e-7)
    np.testing.assert_allclose(geometry.geodetic_to_ecef_m(*back), position, rtol=0.0, atol=1e-6)


def test_known_radii_of_the_ellipsoid():
    # NIMA TR8350.2, table 3.3: semi-minor axis 6,356,752.3142 m
    pole = geometry.geodetic_to_ecef_m(np.pi / 2, 1.0)
    assert pole[2] == pytest.approx(6_356_752.3142, abs=1e-4)
    assert geometry.geodetic_to_ecef_m(0.0, 0.0)[0] == WGS84_A_M


def test_coordinates_near_the_centre_are_nan():
    assert all(np.isnan(value) for value in geometry.ecef_to_geodetic([1e3, 0.0, 0.0]))


def test_elevation_and_range_are_skyfields():
    rng = np.random.default_rng(7)
    site = wgs84.latlon(-53.0, 180.0, 120.0)
    site_m = site.itrs_xyz.m
    satellites = rng.normal(size=(200, 3)) * 7e6
    # Skyfield's own rotation into the local frame: axes north, east, up
    local = satellites - site_m
    up = geometry.zenith_unit(np.radians(-53.0), np.pi)
    expected = np.arcsin(local @ up / np.linalg.norm(local, axis=1))
    np.testing.assert_allclose(geometry.elevation_rad(satellites, site_m, up), expected, rtol=0.0, atol=1e-7)
    np.testing.assert_allclose(geometry.slant_range_m(satellites, site_m), np.linalg.norm(local, axis=1), rtol=1e-14)


def test_elevation_keeps_its_precision_at_the_zenith():
    up = geometry.zenith_unit(0.3, 0.4)
    site = geometry.geodetic_to_ecef_m(0.3, 0.4, 0.0)
    side = np.cross(up, [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side)
    tilt = 1e-9
    satellite = site + 500e3 * (np.cos(tilt) * up + np.sin(tilt) * side)
    assert np.pi / 2 - geometry.elevation_rad(satellite, site, up) == pytest.approx(tilt, rel=1e-2)


def test_coincident_points_have_no_direction():
    point = geometry.geodetic_to_ecef_m(0.1, 0.2)
    assert np.isnan(geometry.elevation_rad(point, point, geometry.zenith_unit(0.1, 0.2)))
    assert np.isnan(geometry.off_nadir_rad(point, point))


def test_fifty_degrees_off_nadir_at_500_km():
    # design: 34.2 deg of elevation; between the spherical relation's values at the equator and at 53 deg latitude
    equator = geometry.elevation_for_off_nadir_rad(np.radians(50.0), 6878.135e3, 6378.137e3)
    south = geometry.elevation_for_off_nadir_rad(np.radians(50.0), 6878.135e3, 6364.5e3)
    assert np.degrees(equator) == pytest.approx(34.3, abs=0.05)
    assert np.degrees(south) == pytest.approx(34.1, abs=0.05)


@settings(deadline=None)
@given(st.floats(0.01, 1.5), st.floats(200e3, 36_000e3))
def test_off_nadir_relation_is_that_of_the_triangle(elevation, altitude_m):
    radius, orbit = 6371e3, 6371e3 + altitude_m
    angle = float(geometry.coverage_angle_rad(elevation, orbit, radius))
    site = np.array([radius, 0.0, 0.0])
    satellite = orbit * np.array([np.cos(angle), np.sin(angle), 0.0])
    assert float(geometry.elevation_rad(satellite, site, [1.0, 0.0, 0.0])) == pytest.approx(elevation, abs=1e-9)
    off_nadir = float(geometry.off_nadir_rad(satellite, site))
    assert off_nadir + elevation + angle == pytest.approx(np.pi / 2, abs=1e-9)
    assert float(geometry.elevation_for_off_nadir_rad(off_nadir, orbit, radius)) == pytest.approx(elevation, abs=1e-6)


def test_off_nadir_beyond_the_horizon_has_no_elevation():
    assert np.isnan(geometry.elevation_for_off_nadir_rad(np.radians(80.0), 6878e3, 6378e3))
    assert np.isnan(geometry.coverage_angle_rad(0.0, 6000e3, 6378e3))


ends = st.tuples(latitudes, longitudes, st.floats(200e3, 2000e3))


@settings(deadline=None)
@given(ends, ends)
def test_grazing_altitude_is_the_lowest_point_of_a_dense_scan(a, b):
    start, stop = geometry.geodetic_to_ecef_m(*a), geometry.geodetic_to_ecef_m(*b)
    points = start + np.linspace(0.0, 1.0, 4001)[:, None] * (stop - start)
    with np.errstate(invalid="ignore"):
        heights = geometry.ecef_to_geodetic(points)[2]
    lowest = np.nanmin(heights)
    grazing = float(geometry.segment_grazing_altitude_m(start, stop))
    if lowest > -2000e3:
        # the scan's spacing, at most 2.5 km, hides no more than 2 m; the stated bound of the formula is 10 m
        assert grazing == pytest.approx(lowest, abs=12.0)
    if abs(lowest - 80e3) > 12.0:
        assert (float(geometry.segment_clearance_m(start, stop, 80e3)) > 0.0) == (lowest > 80e3)


def test_twelve_in_a_plane_see_their_neighbours_over_the_grazing_altitude():
    # 6878.1 cos(15 deg) - 6378.1 = 265.6 km over the equator
    angle = np.radians(30.0)
    a, b = np.array([6878.137e3, 0.0, 0.0]), 6878.137e3 * np.array([np.cos(angle), np.sin(angle), 0.0])
    assert float(geometry.segment_grazing_altitude_m(a, b)) == pytest.approx(265.63e3, abs=20.0)
    assert float(geometry.slant_range_m(a, b)) == pytest.approx(3560.3e3, abs=100.0)  # design section 5: 3,560 km
    assert geometry.segment_clearance_m(a, b, 80e3) > 0.0
    assert geometry.segment_clearance_m(a, b, 300e3) < 0.0


def test_formulas_broadcast():
    sites = geometry.geodetic_to_ecef_m(np.zeros(4), np.linspace(0, 1, 4))
    up = geometry.zenith_unit(np.zeros(4), np.linspace(0, 1, 4))
    satellites = np.full((5, 1, 3), 7e6)
    assert geometry.elevation_rad(satellites, sites, up).shape == (5, 4)
    assert geometry.off_nadir_rad(satellites, sites).shape == (5, 4)
    assert geometry.segment_clearance_m(satellites, sites, 0.0).shape == (5, 4)
    assert geometry.slant_range_m(satellites, sites).shape == (5, 4)
