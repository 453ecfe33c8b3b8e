"""Visibility on given moments against Skyfield's altaz and against the windows of the contact search."""

from datetime import UTC, datetime

import numpy as np
import pytest
from skyfield.api import EarthSatellite, load, wgs84

from orbitsim.orbit.constellation import Constellation, walker_shell
from orbitsim.orbit.contacts import find_contacts
from orbitsim.orbit.ephemeris import Ephemeris
from orbitsim.orbit.sites import Mask, Site, SiteTable
from orbitsim.orbit.visibility import elevations_rad, visible_at

EPOCH = datetime(2026, 4, 6, tzinfo=UTC)
SITES = [Site("pole", 90.0, 0.0), Site("dateline", -20.0, 180.0), Site("high", 28.0, -16.0, 2_390.0)]
NANORADIAN = 1e-9


@pytest.fixture(scope="module")
def ephemeris():
    shell = walker_shell(
        name="s",
        kind="walker-delta",
        altitude_m=800e3,
        inclination_deg=98.0,
        n_satellites=24,
        n_planes=3,
        phasing=1,
        raan_deg=0.0,
        epoch_utc=EPOCH,
    )
    return Ephemeris(Constellation([shell]), EPOCH)


def test_elevations_are_skyfields(ephemeris):
    t_s = np.arange(0.0, 6_000.0, 47.0)
    elevation = elevations_rad(ephemeris, SITES, t_s)
    assert elevation.shape == (24, 3, t_s.size)
    timescale = load.timescale(builtin=True)
    time = ephemeris.skyfield_time(t_s)
    for i in (0, 13):
        satellite = EarthSatellite.from_satrec(ephemeris.constellation.satrecs[i], timescale)
        for j, site in enumerate(SITES):
            place = wgs84.latlon(site.latitude_deg, site.longitude_deg, site.altitude_m)
            expected = (satellite - place).at(time).altaz()[0].radians
            np.testing.assert_allclose(elevation[i, j], expected, rtol=0.0, atol=100 * NANORADIAN)


@pytest.mark.parametrize(
    "masks",
    [Mask(10.0), Mask(-1.0), Mask(max_off_nadir_deg=40.0), [Mask(20.0), Mask(max_off_nadir_deg=60.0), Mask(0.0)]],
    ids=str,
)
def test_visible_within_windows_and_nowhere_else(ephemeris, masks):
    t_s = np.arange(0.0, 20_000.0, 7.0)
    visible = visible_at(ephemeris, SITES, masks, t_s)
    contacts = find_contacts(ephemeris, SITES, masks, 20_000.0)
    expected = np.zeros_like(visible)
    for i in range(len(contacts)):
        within = (t_s >= contacts.start_s[i]) & (t_s <= contacts.end_s[i])
        expected[contacts.satellite[i], contacts.site[i]] |= within
    assert visible.any()
    assert np.array_equal(visible, expected)


def test_moments_beyond_one_block_give_the_same(ephemeris):
    t_s = np.arange(90_000) * 0.5
    visible = visible_at(ephemeris, SITES[:2], Mask(5.0), t_s)
    some = np.array([0, 86_999, 87_000, 89_999])
    assert np.array_equal(visible[..., some], visible_at(ephemeris, SITES[:2], Mask(5.0), t_s[some]))


def test_nothing_asked_nothing_seen(ephemeris):
    assert visible_at(ephemeris, [], Mask(5.0), [0.0]).shape == (24, 0, 1)
    assert visible_at(ephemeris, SITES, Mask(5.0), []).shape == (24, 3, 0)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"min_elevation_deg": 5.0, "max_off_nadir_deg": 50.0},
        {"min_elevation_deg": 90.0},
        {"max_off_nadir_deg": 0.0},
        {"min_elevation_deg": float("nan")},
        {"max_off_nadir_deg": 91.0},
    ],
)
def test_impossible_masks_are_refused(arguments):
    with pytest.raises(ValueError, match=r"mask|must lie"):
        Mask(**arguments)


@pytest.mark.parametrize(
    "arguments",
    [("a", 90.1, 0.0), ("a", 0.0, float("inf")), ("a", 0.0, 0.0, float("nan")), ("a", 0.0, 0.0, 0.0, "ship")],
)
def test_impossible_sites_are_refused(arguments):
    with pytest.raises(ValueError, match="site 'a'"):
        Site(*arguments)


def test_numbers_of_masks_and_sites_must_agree():
    with pytest.raises(ValueError, match="2 masks for 3 sites"):
        SiteTable(SITES, [Mask(5.0)] * 2)
