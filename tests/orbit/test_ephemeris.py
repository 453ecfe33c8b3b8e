"""Positions and velocities against Skyfield's own EarthSatellite, across leap seconds, and SGP4's failures."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from skyfield.api import EarthSatellite, load
from skyfield.framelib import itrs

from orbitsim.errors import PropagationError
from orbitsim.orbit.catalogues import read_tle
from orbitsim.orbit.constellation import Constellation, walker_shell
from orbitsim.orbit.ephemeris import Ephemeris

MICROMETRE = 1e-6
# Skyfield turns velocities with a rounded rotation rate of the Earth: 7e-12 rad/s at up to 46,000 km
VELOCITY_M_S = 1e-3

REAL = Path(__file__).parent / "data" / "real-2006-06.tle"
TIMESCALE = load.timescale(builtin=True)


def skyfield_states(satrec, epoch, t_s):
    start = TIMESCALE.from_datetime(epoch)
    time = TIMESCALE.tai_jd(start.whole, start.tai_fraction + t_s / 86400.0)
    position, velocity = EarthSatellite.from_satrec(satrec, TIMESCALE).at(time).frame_xyz_and_velocity(itrs)
    return position.m.T, velocity.m_per_s.T


def shell(epoch, **changes):
    values = {
        "name": "s",
        "kind": "walker-delta",
        "altitude_m": 550e3,
        "inclination_deg": 53.0,
        "n_satellites": 6,
        "n_planes": 3,
        "phasing": 1,
        "raan_deg": 10.0,
        "epoch_utc": epoch,
    }
    return walker_shell(**{**values, **changes})


@pytest.mark.parametrize(
    "epoch", [datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 7, 3, 17, 5, 9, 250_000, tzinfo=UTC)], ids=str
)
def test_generated_satellites_are_where_skyfield_puts_them(epoch):
    constellation = Constellation([shell(epoch)])
    t_s = np.linspace(-3_600.0, 7 * 86_400.0, 400)
    positions, velocities = Ephemeris(constellation, epoch).states(t_s)
    for i, satrec in enumerate(constellation.satrecs):
        expected_m, expected_m_s = skyfield_states(satrec, epoch, t_s)
        np.testing.assert_allclose(positions[i], expected_m, rtol=0.0, atol=MICROMETRE)
        np.testing.assert_allclose(velocities[i], expected_m_s, rtol=0.0, atol=VELOCITY_M_S)


def test_real_satellites_with_mixed_epochs_are_where_skyfield_puts_them():
    epoch = datetime(2006, 6, 25, 12, tzinfo=UTC)
    constellation = Constellation([read_tle(REAL, "real", epoch_utc=epoch)])
    t_s = np.linspace(0.0, 2 * 86_400.0, 300)
    positions = Ephemeris(constellation, epoch).positions_m(t_s)
    for i, satrec in enumerate(constellation.satrecs):
        np.testing.assert_allclose(
            positions[i],
            skyfield_states(satrec, epoch, t_s)[0],
            rtol=0.0,
            atol=MICROMETRE,
            err_msg=constellation.names[i],
        )


def test_time_counts_si_seconds_through_a_leap_second():
    # 2016-12-31T23:59:60Z was a leap second: 00:00:00 is 2 s after 23:59:59
    epoch = datetime(2016, 12, 31, 23, 59, 50, tzinfo=UTC)
    constellation = Constellation([shell(epoch)])
    ephemeris = Ephemeris(constellation, epoch)
    t_s = np.arange(0.0, 25.0, 0.5)
    for i, satrec in enumerate(constellation.satrecs):
        np.testing.assert_allclose(
            ephemeris.positions_m(t_s)[i], skyfield_states(satrec, epoch, t_s)[0], rtol=0.0, atol=MICROMETRE
        )
    after = Ephemeris(constellation, datetime(2017, 1, 1, 0, 0, 4, tzinfo=UTC))
    np.testing.assert_allclose(ephemeris.positions_m([15.0]), after.positions_m([0.0]), rtol=0.0, atol=1e-2)


def test_the_epoch_may_have_any_time_zone():
    utc = datetime(2026, 4, 6, tzinfo=UTC)
    tokyo = utc.astimezone(timezone(timedelta(hours=9)))
    constellation = Constellation([shell(utc)])
    assert np.array_equal(
        Ephemeris(constellation, utc).positions_m([60.0]), Ephemeris(constellation, tokyo).positions_m([60.0])
    )
    with pytest.raises(ValueError, match="time zone"):
        Ephemeris(constellation, datetime(2026, 4, 6))


def test_velocity_is_the_derivative_of_position():
    epoch = datetime(2026, 1, 1, tzinfo=UTC)
    ephemeris = Ephemeris(Constellation([shell(epoch)]), epoch)
    t_s = np.linspace(0.0, 6_000.0, 50)
    _, velocity = ephemeris.states(t_s)
    difference = (ephemeris.positions_m(t_s + 0.05) - ephemeris.positions_m(t_s - 0.05)) / 0.1
    np.testing.assert_allclose(
        velocity, difference, rtol=0.0, atol=0.1
    )  # SGP4's own velocities agree with its positions to about 1e-5


def test_subsets_chunks_and_prepared_epochs_give_the_same():
    epoch = datetime(2026, 1, 1, tzinfo=UTC)
    ephemeris = Ephemeris(Constellation([shell(epoch, n_satellites=30)]), epoch)
    t_s = np.arange(100) * 60.0
    whole = ephemeris.positions_m(t_s)
    assert whole.shape == (30, 100, 3)
    assert np.array_equal(ephemeris.positions_m(ephemeris.epochs(t_s), [7, 3]), whole[[7, 3]])
    assert np.array_equal(ephemeris.positions_m(t_s, slice(5, 9)), whole[5:9])
    parts = list(ephemeris.iter_positions_m(t_s, max_bytes=10_000))
    assert len(parts) > 5
    assert all(part.nbytes <= 10_000 for _, part in parts)
    assert np.array_equal(np.concatenate([part for _, part in parts]), whole)
    assert np.array_equal(np.concatenate([indices for indices, _ in parts]), np.arange(30))


@pytest.mark.parametrize("t_s", [[[0.0, 1.0]], [0.0, float("nan")], [float("inf")]], ids=str)
def test_bad_times_are_refused(t_s):
    epoch = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="t_s"):
        Ephemeris(Constellation([shell(epoch)]), epoch).positions_m(t_s)


def test_a_failure_names_every_satellite_its_time_and_the_reason():
    # elements that SGP4's authors give as decaying: 28872 is lost within 50 minutes of 2005-11-29T00:28:58Z
    lines = (
        "1 28872U 05037B   05333.02012661  .25992681  00000-0  24476-3 0  1534",
        "2 28872  96.4736 157.9986 0303955 244.0492 110.6523 16.46015938 10708",
    )
    epoch = datetime(2005, 11, 29, tzinfo=UTC)
    from sgp4.api import Satrec

    falling = shell(epoch, n_satellites=3)
    satrecs = (falling.satrecs[0], Satrec.twoline2rv(*lines), falling.satrecs[2])
    object.__setattr__(falling, "satrecs", satrecs)
    ephemeris = Ephemeris(Constellation([falling]), epoch)
    with pytest.raises(PropagationError) as caught:
        ephemeris.positions_m(np.arange(0.0, 6 * 3600.0, 60.0))
    message = str(caught.value)
    assert message.startswith("satellite 's-01': SGP4 fails at 2005-11-29T0")
    assert "decayed" in message
    assert "s-00" not in message
    assert len(ephemeris.positions_m(np.arange(0.0, 6 * 3600.0, 60.0), [0, 2])) == 2
