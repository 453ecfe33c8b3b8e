"""The contact search against Skyfield's altaz on a 1 s scan, and the figures of the paper's scenario."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from orbit.skyfield_reference import Reference, time_at
from sgp4.api import WGS72, Satrec
from skyfield.api import wgs84

from orbitsim.errors import PropagationError
from orbitsim.orbit.catalogues import read_tle
from orbitsim.orbit.constellation import Constellation, Shell, sgp4_epoch_days, walker_shell
from orbitsim.orbit.contacts import Mask, Site, find_contacts
from orbitsim.orbit.ephemeris import Ephemeris
from orbitsim.orbit.geometry import off_nadir_rad

EDGE_S = 0.01
# Grazing windows shorter than this may be found by one search and not by the other.
NEGLIGIBLE_S = 0.02

# Through the zenith the elevation has a cusp: 2e-4 s of a peak's time at 30 mrad/s.
AT_ZENITH_RAD = 1e-5

EPOCH = datetime(2026, 4, 6, tzinfo=UTC)
REAL_EPOCH = datetime(2006, 6, 26, tzinfo=UTC)
REAL = Path(__file__).parent / "data" / "real-2006-06.tle"


def one_satellite(*, altitude_m, inclination_deg, raan_deg=0.0, anomaly_deg=0.0, eccentricity=0.0, perigee_deg=0.0):
    """A constellation of one; the altitude is that of the perigee."""
    axis_m = (6378.135e3 + altitude_m) / (1.0 - eccentricity)
    motion = np.sqrt(398600.8e9 / axis_m**3) * 60.0
    satrec = Satrec()
    angles = np.radians([perigee_deg, inclination_deg, anomaly_deg])
    days = sgp4_epoch_days(EPOCH)
    satrec.sgp4init(WGS72, "i", 1, days, 0, 0, 0, eccentricity, *angles, motion, np.radians(raan_deg))
    zero = np.zeros(1, dtype=int)
    return Constellation([Shell("one", "walker-delta", ("one-00",), (satrec,), 1, zero, zero)])


def check_against_skyfield(constellation, epoch, site, mask, duration_s, *, satellite=0):
    contacts = find_contacts(Ephemeris(constellation, epoch), [site], mask, duration_s).for_satellite(satellite)
    reference = Reference(constellation.satrecs[satellite], epoch, site, mask)
    starts, ends = reference.windows(duration_s)
    long_enough = ends - starts > NEGLIGIBLE_S
    ours = contacts.duration_s > NEGLIGIBLE_S
    if long_enough.sum() != ours.sum():
        # Only a window (or a gap) about as short as the negligible one may be disputed.
        long_enough, ours = ends - starts > 2 * NEGLIGIBLE_S, contacts.duration_s > 2 * NEGLIGIBLE_S
    assert np.count_nonzero(long_enough) == np.count_nonzero(ours)
    np.testing.assert_allclose(contacts.start_s[ours], starts[long_enough], rtol=0.0, atol=EDGE_S)
    np.testing.assert_allclose(contacts.end_s[ours], ends[long_enough], rtol=0.0, atol=EDGE_S)
    assert np.array_equal(contacts.cut_at_start, contacts.start_s == 0.0)
    assert np.array_equal(contacts.cut_at_end, contacts.end_s == duration_s)
    for i in range(len(contacts)):
        check_extremes(contacts, i, reference, epoch)
    return contacts


def check_extremes(contacts, i, reference, epoch):
    """Peak and nearest approach against a dense scan of the window."""
    t_s = np.linspace(contacts.start_s[i], contacts.end_s[i], 201)
    time = time_at(epoch, t_s)
    elevation, range_m = reference.elevation_rad(time), reference.range_m(time)
    peak = time_at(epoch, np.array([contacts.peak_s[i]]))
    assert contacts.start_s[i] <= contacts.peak_s[i] <= contacts.end_s[i]
    assert contacts.max_elevation_rad[i] == pytest.approx(reference.elevation_rad(peak)[0], abs=1e-6)
    assert contacts.max_elevation_rad[i] >= elevation.max() - AT_ZENITH_RAD
    assert contacts.min_range_m[i] <= range_m.min() + 1.0
    # Between two of the scan's epochs the range falls by at most what its curvature allows.
    spacing_s = (contacts.end_s[i] - contacts.start_s[i]) / 200.0
    assert contacts.min_range_m[i] >= range_m.min() - 0.5 * 11e3**2 / range_m.min() * spacing_s**2 - 1.0


latitudes = st.one_of(st.sampled_from([-90.0, 90.0, 0.0, 89.99]), st.floats(-90.0, 90.0))
longitudes = st.one_of(st.sampled_from([-180.0, 180.0, 0.0, 179.999]), st.floats(-180.0, 180.0))
masks = st.one_of(
    st.floats(-3.0, 80.0).map(lambda deg: Mask(min_elevation_deg=deg)),
    st.floats(5.0, 75.0).map(lambda deg: Mask(max_off_nadir_deg=deg)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    altitude_m=st.floats(250e3, 2000e3),
    eccentricity=st.one_of(st.just(0.0), st.floats(0.0, 0.74)),
    inclination_deg=st.floats(0.0, 180.0),
    angles_deg=st.tuples(*[st.floats(0.0, 359.9)] * 3),
    latitude_deg=latitudes,
    longitude_deg=longitudes,
    mask=masks,
)
@example(500e3, 0.0, 97.4, (0.0, 0.0, 0.0), 90.0, 0.0, Mask(10.0))
@example(500e3, 0.0, 90.0, (0.0, 0.0, 0.0), -90.0, 180.0, Mask(max_off_nadir_deg=50.0))
@example(550e3, 0.0, 53.0, (170.0, 0.0, 40.0), 20.0, 180.0, Mask(0.0))
@example(550e3, 0.0, 53.0, (170.0, 0.0, 40.0), 20.0, -180.0, Mask(0.0))
@example(600e3, 0.72, 63.4, (0.0, 270.0, 200.0), 60.0, 0.0, Mask(5.0))
def test_windows_are_those_of_skyfield(
    altitude_m, eccentricity, inclination_deg, angles_deg, latitude_deg, longitude_deg, mask
):
    raan_deg, perigee_deg, anomaly_deg = angles_deg
    constellation = one_satellite(
        altitude_m=altitude_m,
        eccentricity=eccentricity,
        inclination_deg=inclination_deg,
        raan_deg=raan_deg,
        perigee_deg=perigee_deg,
        anomaly_deg=anomaly_deg,
    )
    check_against_skyfield(constellation, EPOCH, Site("site", latitude_deg, longitude_deg, 300.0), mask, 10_800.0)


@pytest.mark.parametrize("mask", [Mask(5.0), Mask(30.0), Mask(max_off_nadir_deg=20.0)], ids=str)
@pytest.mark.parametrize("place", [(60.0, 25.0), (-33.0, 151.0), (0.0, -100.0)], ids=str)
def test_real_satellites_in_low_high_and_eccentric_orbits(mask, place):
    shell = read_tle(REAL, "real", epoch_utc=REAL_EPOCH)
    constellation = Constellation([shell])
    found = 0
    for satellite in range(len(constellation)):
        site = Site("site", *place)
        found += len(check_against_skyfield(constellation, REAL_EPOCH, site, mask, 10_800.0, satellite=satellite))
    if mask.min_elevation_deg == 5.0:
        assert found


def test_a_day_of_molniya_across_its_resonance_steps():
    # SGP4 integrates the resonance in steps of 720 min from the elements' epoch; the positions have a kink there.
    constellation = Constellation([read_tle(REAL, "real", epoch_utc=REAL_EPOCH)])
    satellite = constellation.index["MOLNIYA 1-36"]
    contacts = check_against_skyfield(
        constellation, REAL_EPOCH, Site("site", 55.0, 38.0), Mask(10.0), 64_800.0, satellite=satellite
    )
    assert contacts.duration_s.max() > 4 * 3600.0


@pytest.mark.parametrize("margin_deg", [1e-2, 1e-3, 1e-4, 1e-5])
def test_passes_shorter_than_the_step_are_found(margin_deg):
    constellation = one_satellite(altitude_m=500e3, inclination_deg=53.0, raan_deg=200.0)
    ephemeris = Ephemeris(constellation, EPOCH)
    site = Site("site", -40.0, 120.0)
    passes = find_contacts(ephemeris, [site], Mask(0.0), 86_400.0)
    highest = np.degrees(passes.max_elevation_rad).max()
    grazing = find_contacts(ephemeris, [site], Mask(highest - margin_deg), 86_400.0)
    assert len(grazing) == 1
    assert grazing.duration_s[0] < 20.0
    reference = Reference(constellation.satrecs[0], EPOCH, site, Mask(highest - margin_deg))
    edges_s = np.array([grazing.start_s[0], grazing.end_s[0]])
    for offset_s, outside in ((-EDGE_S, (True, False)), (EDGE_S, (False, True))):
        if grazing.duration_s[0] > 2 * EDGE_S:
            margin = reference.margin(time_at(EPOCH, edges_s + offset_s))
            assert tuple(margin < 0.0) == outside
    assert not len(find_contacts(ephemeris, [site], Mask(highest + 1e-6), 86_400.0))


@pytest.fixture(scope="module")
def leo12():
    shell = walker_shell(
        name="p",
        kind="walker-delta",
        altitude_m=500e3,
        inclination_deg=53.0,
        n_satellites=12,
        n_planes=1,
        phasing=0,
        raan_deg=0.0,
        epoch_utc=EPOCH,
    )
    return Ephemeris(Constellation([shell]), EPOCH)


def share_of_day(contacts):
    """Fraction of the day in which at least one satellite is in contact."""
    covered, until = 0.0, 0.0
    for start, end in zip(contacts.start_s, contacts.end_s, strict=True):
        covered += max(0.0, end - max(start, until))
        until = max(until, end)
    return covered / 86_400.0


GROUND = Site("ground", -53.0, 180.0)


def test_paper_scenario_at_50_deg_elevation(leo12):
    contacts = find_contacts(leo12, [GROUND], Mask(min_elevation_deg=50.0), 86_400.0)
    assert len(contacts) == 29
    assert contacts.duration_s.mean() == pytest.approx(101.0, abs=0.5)
    assert share_of_day(contacts) == pytest.approx(0.034, abs=0.0005)
    assert contacts.start_s[0] / 3600.0 == pytest.approx(15.0, abs=0.25)


def test_paper_scenario_at_10_deg_elevation(leo12):
    contacts = find_contacts(leo12, [GROUND], Mask(min_elevation_deg=10.0), 86_400.0)
    assert share_of_day(contacts) == pytest.approx(0.28, abs=0.005)
    assert contacts.duration_s.mean() == pytest.approx(410.0, abs=1.0)


def test_paper_scenario_at_50_deg_off_nadir_is_about_34_deg_elevation(leo12):
    contacts = find_contacts(leo12, [GROUND], Mask(max_off_nadir_deg=50.0), 86_400.0)
    by_elevation = find_contacts(leo12, [GROUND], Mask(min_elevation_deg=34.2), 86_400.0)
    assert share_of_day(contacts) == pytest.approx(0.073, abs=0.001)
    assert share_of_day(by_elevation) == pytest.approx(0.073, abs=0.001)
    assert len(contacts) == len(by_elevation)
    # At every edge the satellite sees the station at exactly the limit.
    inner = ~contacts.cut_at_start
    for satellite, start_s in zip(contacts.satellite[inner], contacts.start_s[inner], strict=True):
        position = leo12.positions_m([start_s], [int(satellite)])[0, 0]
        site = wgs84.latlon(GROUND.latitude_deg, GROUND.longitude_deg).itrs_xyz.m
        assert np.degrees(off_nadir_rad(position, site)) == pytest.approx(50.0, abs=1e-3)


def test_windows_cut_at_both_ends_are_flagged(leo12):
    whole = find_contacts(leo12, [GROUND], Mask(10.0), 86_400.0)
    i = int(np.argmax(whole.duration_s))
    middle_s = (whole.start_s[i] + whole.end_s[i]) / 2.0
    until = find_contacts(leo12, [GROUND], Mask(10.0), middle_s)
    (last,) = np.flatnonzero(until.cut_at_end & (until.satellite == whole.satellite[i]))
    assert until.end_s[last] == middle_s
    assert until.start_s[last] == pytest.approx(whole.start_s[i], abs=1e-3)
    assert not whole.cut_at_end[i]


def test_a_window_open_all_the_time_is_cut_at_both_ends(leo12):
    contacts = find_contacts(leo12, [Site("anywhere", 10.0, 20.0)], Mask(-89.0), 3_600.0)
    assert len(contacts) == 12
    assert contacts.cut_at_start.all()
    assert contacts.cut_at_end.all()
    assert np.array_equal(contacts.start_s, np.zeros(12))
    assert np.array_equal(contacts.end_s, np.full(12, 3_600.0))


@pytest.mark.parametrize("duration_s", [0.5, 7.0, 119.0, 121.0, 1_000.0])
def test_short_scenarios(leo12, duration_s):
    whole = find_contacts(leo12, [GROUND, Site("b", 40.0, 10.0)], Mask(0.0), 86_400.0)
    short = find_contacts(leo12, [GROUND, Site("b", 40.0, 10.0)], Mask(0.0), duration_s)
    begun = whole.select(whole.start_s < duration_s)
    assert np.array_equal(short.satellite, begun.satellite)
    np.testing.assert_allclose(short.start_s, begun.start_s, atol=1e-3)
    np.testing.assert_allclose(short.end_s, np.minimum(begun.end_s, duration_s), atol=1e-3)


def test_many_sites_and_satellites_give_the_same_as_one_at_a_time(leo12):
    sites = [Site(str(i), lat, lon) for i, (lat, lon) in enumerate([(-60, 0), (61, 55), (0, 180), (0, -180), (51, 0)])]
    limits = [Mask(5.0), Mask(5.0), Mask(max_off_nadir_deg=55.0), Mask(max_off_nadir_deg=55.0), Mask(25.0)]
    together = find_contacts(leo12, sites, limits, 86_400.0, max_grid_bytes=1)
    assert len(together)
    for i, (site, mask) in enumerate(zip(sites, limits, strict=True)):
        alone = find_contacts(leo12, [site], mask, 86_400.0)
        assert len(alone)
        ours = together.for_site(i)
        assert np.array_equal(alone.satellite, ours.satellite)
        for name in ("start_s", "end_s", "peak_s", "max_elevation_rad"):
            np.testing.assert_allclose(getattr(ours, name), getattr(alone, name), rtol=0.0, atol=5e-4)
        np.testing.assert_allclose(ours.min_range_m, alone.min_range_m, rtol=0.0, atol=1.0)
    east, west = together.for_site(2), together.for_site(3)  # one place, two longitudes
    np.testing.assert_allclose(east.start_s, west.start_s, rtol=0.0, atol=1e-6)


def test_order_is_by_start_satellite_and_site(leo12):
    contacts = find_contacts(leo12, [GROUND, GROUND, Site("b", 0.0, 0.0)], Mask(0.0), 30_000.0)
    keys = list(zip(contacts.start_s, contacts.satellite, contacts.site, strict=True))
    assert keys == sorted(keys)


def test_no_sites_no_contacts(leo12):
    assert len(find_contacts(leo12, [], Mask(10.0), 100.0)) == 0


@pytest.mark.parametrize("duration_s", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_duration_is_refused(leo12, duration_s):
    with pytest.raises(ValueError, match="duration_s"):
        find_contacts(leo12, [GROUND], Mask(10.0), duration_s)


def test_a_decayed_satellite_is_named():
    satrec = Satrec()
    # the drag of a sheet of paper at 190 km: SGP4 gives up within minutes (elements of no real satellite)
    satrec.sgp4init(WGS72, "i", 1, sgp4_epoch_days(EPOCH), 0.01, 0, 0, 0.02, 0, 1.0, 0, 16.4 * 2 * np.pi / 1440, 0)
    zero = np.zeros(1, dtype=int)
    constellation = Constellation([Shell("one", "tle", ("FALLING 1",), (satrec,), 1, zero, zero)])
    with pytest.raises(PropagationError, match=r"'FALLING 1': SGP4 fails at 2026-04-06T00:02.*Z: mean eccentricity"):
        find_contacts(Ephemeris(constellation, EPOCH), [GROUND], Mask(10.0), 86_400.0 * 5)
