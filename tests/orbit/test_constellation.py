"""Walker shells after the convention of the example files, and constellations of several shells."""

from datetime import UTC, datetime

import numpy as np
import pytest

from orbitsim.errors import InputError
from orbitsim.orbit.constellation import Constellation, walker_shell

EPOCH = datetime(2026, 4, 6, tzinfo=UTC)


def walker(**changes):
    values = {
        "name": "p",
        "kind": "walker-delta",
        "altitude_m": 500e3,
        "inclination_deg": 53.0,
        "n_satellites": 12,
        "n_planes": 3,
        "phasing": 1,
        "raan_deg": 20.0,
        "epoch_utc": EPOCH,
    }
    return walker_shell(**{**values, **changes})


@pytest.mark.parametrize(("kind", "spread_deg"), [("walker-delta", 360.0), ("walker-star", 180.0)])
def test_elements_follow_the_convention(kind, spread_deg):
    shell = walker(kind=kind, phasing=2)
    for i, satrec in enumerate(shell.satrecs):
        plane, slot = divmod(i, 4)
        assert (shell.plane[i], shell.slot[i]) == (plane, slot)
        assert np.degrees(satrec.nodeo) == pytest.approx((20.0 + spread_deg * plane / 3) % 360.0, abs=1e-9)
        expected_deg = (360.0 * slot / 4 + 360.0 * 2 * plane / 12) % 360.0
        assert np.degrees(satrec.mo) == pytest.approx(expected_deg, abs=1e-9)
        assert np.degrees(satrec.inclo) == pytest.approx(53.0, abs=1e-12)
        assert (satrec.ecco, satrec.argpo, satrec.bstar) == (0.0, 0.0, 0.0)


def test_mean_motion_is_that_of_the_altitude_over_the_wgs72_radius():
    # sqrt(398600.8 / 6878.135^3) rad/s = 15.219 revolutions a day
    (satrec,) = walker(n_satellites=1, n_planes=1, phasing=0).satrecs
    assert satrec.no_kozai * 1440.0 / (2.0 * np.pi) == pytest.approx(15.2194, abs=1e-4)
    assert satrec.no_kozai == pytest.approx(60.0 * np.sqrt(398600.8 / 6878.135**3), rel=1e-14)
    assert satrec.jdsatepoch + satrec.jdsatepochF == 2461136.5  # 2026-04-06T00:00Z


@pytest.mark.parametrize(
    ("count", "first", "last"), [(1, "p-00", "p-00"), (12, "p-00", "p-11"), (102, "p-000", "p-101")]
)
def test_names_have_as_many_digits_as_needed(count, first, last):
    shell = walker(n_satellites=count, n_planes=1, phasing=0)
    assert (shell.names[0], shell.names[-1]) == (first, last)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "walker"}, "kind"),
        ({"n_planes": 5}, "multiple"),
        ({"n_satellites": 0}, "n_satellites"),
        ({"n_planes": 0}, "n_planes"),
        ({"phasing": 3}, "phasing"),
        ({"phasing": -1}, "phasing"),
        ({"epoch_utc": datetime(2026, 4, 6)}, "time zone"),
    ],
)
def test_impossible_shells_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        walker(**changes)


def test_shells_are_numbered_one_after_the_other():
    constellation = Constellation([walker(), walker(name="q", n_satellites=6)])
    assert len(constellation) == 18
    assert constellation.slices == (slice(0, 12), slice(12, 18))
    assert constellation.index["q-00"] == 12
    assert constellation.names[constellation.slices[1]] == constellation.shells[1].names


def test_names_must_differ_and_there_must_be_a_satellite():
    with pytest.raises(InputError, match="repeated: p-00, p-01, p-02"):
        Constellation([walker(), walker(n_satellites=3)])
    with pytest.raises(InputError, match="at least one satellite"):
        Constellation([])
