"""Positions between grid epochs against SGP4 itself: generated and real orbits, smooth or not."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sgp4.api import Satrec

from orbitsim.errors import PropagationError
from orbitsim.orbit.catalogues import read_tle
from orbitsim.orbit.constellation import Constellation, Shell, walker_shell
from orbitsim.orbit.ephemeris import Ephemeris
from orbitsim.orbit.grids import common_grid, state_grids
from orbitsim.orbit.interpolation import PAD

EPOCH = datetime(2006, 6, 26, tzinfo=UTC)
REAL = Path(__file__).parent / "data" / "real-2006-06.tle"

# An edge within 0.01 s needs the position within some 10 m (1 km/s across the mask) and, for the briefest grazing
# passes, within 0.01 m. The bounds here leave a factor of at least ten to that everywhere.
SMOOTH_M = 1e-3
DT_S = (0.0, 0.1, -0.1)
KINKED_M = 0.02  # where the velocity jumps by a resonance step of SGP4


def errors_m(ephemeris, grid, n=4_000):
    rng = np.random.default_rng(3)
    row = rng.integers(0, len(grid.satellites), n)
    cell = rng.integers(0, grid.n_cells, n)
    x = rng.uniform(-0.5, 0.5, n)
    paths = grid.paths(row, cell)
    position, velocity = paths.position_and_velocity(x)
    assert np.array_equal(position, paths.position(x))
    t_s = (cell + 0.5 + x) * grid.step_s
    error, error_m_s = np.empty(n), np.empty(n)
    for r in np.unique(row):
        own = row == r
        true_m, later_m, earlier_m = (ephemeris.positions_m(t_s[own] + dt, [int(grid.satellites[r])])[0] for dt in DT_S)
        error[own] = np.linalg.norm(position[:, own].T - true_m, axis=1)
        error_m_s[own] = np.linalg.norm(velocity[:, own].T / grid.step_s - (later_m - earlier_m) / 0.2, axis=1)
    assert np.quantile(error_m_s, 0.95) < 2e-3
    assert error_m_s.max() < 0.05  # a kink within the tenth of a second
    return error


def test_velocities_on_the_nodes_are_those_of_the_polynomials():
    ephemeris = Ephemeris(Constellation([read_tle(REAL, "real", epoch_utc=EPOCH)]), EPOCH)
    for grid in state_grids(ephemeris, 20_000.0, max_bytes=10**9):
        row, cell = (index.ravel() for index in np.indices((len(grid.satellites), grid.n_cells)))
        slope = grid.paths(row, cell).position_and_velocity(np.full(row.size, -0.5))[1] / grid.step_s
        np.testing.assert_allclose(slope.T, grid.node_velocities_m_s[row, cell], rtol=0.0, atol=1e-2)


def test_low_circular_orbits_need_no_finer_step_than_120_s():
    epoch = datetime(2026, 1, 1, tzinfo=UTC)
    shells = [
        walker_shell(
            name=f"s{altitude_m:.0f}",
            kind="walker-delta",
            altitude_m=altitude_m,
            inclination_deg=inclination_deg,
            n_satellites=4,
            n_planes=2,
            phasing=1,
            raan_deg=0.0,
            epoch_utc=epoch,
        )
        for altitude_m, inclination_deg in [(300e3, 97.0), (550e3, 53.0), (1200e3, 87.9), (20_200e3, 55.0)]
    ]
    ephemeris = Ephemeris(Constellation(shells), epoch)
    (grid,) = state_grids(ephemeris, 86_400.0, max_bytes=10**9)
    assert (grid.step_s, grid.n_cells) == (120.0, 720)
    assert np.array_equal(grid.satellites, np.arange(16))
    assert errors_m(ephemeris, grid).max() < 1e-4


def test_real_orbits_get_the_step_they_need():
    constellation = Constellation([read_tle(REAL, "real", epoch_utc=EPOCH)])
    ephemeris = Ephemeris(constellation, EPOCH)
    steps = {}
    for grid in state_grids(ephemeris, 86_400.0, max_bytes=10**9):
        for satellite in grid.satellites:
            name = constellation.names[satellite]
            assert name not in steps
            steps[name] = (grid.step_s, grid.padded_m is None)
        error = errors_m(ephemeris, grid)
        assert error.max() < KINKED_M
        assert np.quantile(error, 0.95) < SMOOTH_M
    assert set(steps) == set(constellation.names)
    assert steps["CBERS 2"] == (120.0, False)
    assert steps["MOLNIYA 1-36"] == (60.0, False)
    # Its inclination passes 0.2 rad, where SGP4's long-period terms switch: the position jumps by 839 m.
    assert steps["EUTELSAT 1-F1"] == (15.0, True)


def test_grids_are_bounded_and_cover_every_satellite_once():
    constellation = Constellation([read_tle(REAL, "real", epoch_utc=EPOCH)])
    ephemeris = Ephemeris(constellation, EPOCH)
    grids = list(state_grids(ephemeris, 7_200.0, max_bytes=3 * 48 * 79))
    assert sorted(np.concatenate([grid.satellites for grid in grids])) == list(range(10))
    assert max(len(grid.satellites) for grid in grids) <= 3


@pytest.mark.parametrize("duration_s", [0.01, 1.0, 119.9, 120.0, 120.1, 5_000.0])
def test_the_nodes_span_exactly_the_scenario(duration_s):
    constellation = Constellation([read_tle(REAL, "real", epoch_utc=EPOCH)])
    ephemeris = Ephemeris(constellation, EPOCH)
    for grid in state_grids(ephemeris, duration_s, max_bytes=10**9):
        assert grid.duration_s == pytest.approx(duration_s, rel=1e-15)
        expected = ephemeris.positions_m([0.0, duration_s], grid.satellites.tolist())
        np.testing.assert_allclose(grid.nodes_m[:, [0, -1]], expected, rtol=0.0, atol=1e-4)


def test_a_common_grid_has_the_finest_step_needed():
    constellation = Constellation([read_tle(REAL, "real", epoch_utc=EPOCH)])
    ephemeris = Ephemeris(constellation, EPOCH)
    low, high, jumping = (constellation.index[n] for n in ("CBERS 2", "MOLNIYA 1-36", "EUTELSAT 1-F1"))
    assert common_grid(ephemeris, 43_200.0, np.array([low])).step_s == 120.0
    both = common_grid(ephemeris, 43_200.0, np.array([high, low]))
    assert both.step_s == 60.0
    assert both.satellites.tolist() == [high, low]
    exact = common_grid(ephemeris, 86_400.0, np.array([jumping, low]))
    assert exact.padded_m is None
    assert errors_m(ephemeris, exact, 200).max() < 1e-6


def falling():
    """A satellite that SGP4 loses within the hour: 28872 of the verification cases of AIAA 2006-6753."""
    satrec = Satrec.twoline2rv(
        "1 28872U 05037B   05333.02012661  .25992681  00000-0  24476-3 0  1534",
        "2 28872  96.4736 157.9986 0303955 244.0492 110.6523 16.46015938 10708",
    )
    zero = np.zeros(1, dtype=int)
    epoch = datetime(2005, 11, 29, 0, 29, tzinfo=UTC)
    return Ephemeris(Constellation([Shell("f", "tle", ("FALLING",), (satrec,), 1, zero, zero)]), epoch)


def test_a_satellite_lost_soon_after_the_end_is_followed_to_the_end():
    ephemeris = falling()
    t_s = np.arange(0.0, 7_200.0)
    lost_s = next(t for t in t_s if not _propagates(ephemeris, t))
    duration_s = float(lost_s) - 30.0
    assert duration_s > 600.0
    (grid,) = state_grids(ephemeris, duration_s, max_bytes=10**9)
    assert errors_m(ephemeris, grid, 100).max() < 0.1
    with pytest.raises(PropagationError, match="FALLING"):
        list(state_grids(ephemeris, float(lost_s) + 300.0, max_bytes=10**9))


def _propagates(ephemeris, t_s):
    try:
        ephemeris.positions_m([t_s])
    except PropagationError:
        return False
    return True


def test_the_padding_reaches_the_first_and_the_last_cell():
    # every second epoch of the ten around a cell spans nine steps to either side
    assert PAD == 9
