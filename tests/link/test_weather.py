"""ITU-R losses against the ITU's own validation examples, and the interpolation against the Recommendation."""

from __future__ import annotations

import math
import sys
import warnings

import numpy as np
import pytest

from orbitsim.errors import InputError, OrbitsimError
from orbitsim.link import weather
from orbitsim.link.models import RadioLink

pytest.importorskip("itur", reason="ITU-Rpy (extra weather) is not installed")

# Validation examples of ITU-R Study Group 3, workbook CG-3M3J-13-ValEx-Rev5_1.xlsx, the table of total attenuation of
# P.618-13 with its contributions after P.676, P.840 and P.618; antenna of 1 m with efficiency 0.65. Latitude, longitude
# [deg], height [km], frequency [GHz], elevation [deg], polarisation tilt [deg], exceeded in p [%] of the year; then gas
# and cloud at 1 %, rain, scintillation and total [dB].
ITU_EXAMPLES = [
    (51.5, -0.14, 0.031382984, 14.25, 31.07699124, 0, 1.0, 0.226874, 0.45517, 0.495316, 0.261932, 1.212791),
    (51.5, -0.14, 0.031382984, 29.0, 31.07699124, 0, 0.1, 0.83766, 1.772469, 8.570044, 0.627156, 11.199171),
    (41.9, 12.49, 0.046122988, 29.0, 40.232036, 0, 0.01, 0.706966, 1.025643, 28.742796, 0.794325, 30.486002),
    (33.94, 18.43, 0.0, 14.25, 46.35969261, 0, 0.001, 0.176011, 0.187794, 12.981481, 0.808978, 13.370111),
    (22.9, -43.23, 0.0, 29.0, 22.27833468, 0, 1.0, 1.627537, 2.109942, 6.813388, 0.92341, 10.598519),
    (25.78, -80.22, 0.00861728, 14.25, 52.67898486, 0, 0.1, 0.223232, 0.533175, 6.297251, 0.430179, 7.067191),
    (28.717, 77.3, 0.209383699, 29.0, 48.24117054, 90, 0.01, 1.158466, 2.671037, 52.83386, 0.762567, 56.668601),
    (3.133, 101.7, 0.051251456, 14.25, 85.80459566, 90, 1.0, 0.191743, 0.622119, 2.001022, 0.221671, 2.824233),
    (9.05, 38.7, 2.539861878, 29.0, 20.14335809, 90, 0.1, 0.704136, 2.560952, 19.239119, 1.168005, 22.535474),
]  # fmt: skip
# The maps are interpolated by the implementation: four digits.
FOUR_DIGITS = 2e-4

STATION = {
    "latitude_deg": -53.0,
    "longitude_deg": 180.0,
    "altitude_m": 0.0,
    "frequency_hz": 40e9,
    "effective_aperture_m": 0.17,
    "availability_pct": 99.0,
}


@pytest.mark.parametrize("example", ITU_EXAMPLES)
def test_itu_validation_examples(example):
    latitude_deg, longitude_deg, height_km, frequency_ghz, elevation_deg, tilt_deg, p_pct, *expected = example
    losses = weather.itu_losses_db(
        latitude_deg, longitude_deg, height_km * 1e3, elevation_deg, frequency_ghz * 1e9, math.sqrt(0.65), 100 - p_pct,
        tilt_deg,
    )  # fmt: skip
    for name, value_db in zip(("gas", "cloud", "rain", "scintillation", "total"), expected, strict=True):
        assert float(losses[name]) == pytest.approx(value_db, rel=FOUR_DIGITS), name


@pytest.mark.parametrize(
    ("latitude_deg", "longitude_deg", "frequency_hz", "availability_pct"),
    [
        (-53.0, 180.0, 40e9, 99.0),  # the paper's station
        (3.133, 101.7, 40e9, 99.9),  # near the equator P.618 steps at 25 deg
        (-63.14, -41.99, 40e9, 99.999),  # the largest error found anywhere
        (-90.0, 0.0, 12e9, 95.0),
    ],
)
def test_interpolation_error_is_below_0_02_db(latitude_deg, longitude_deg, frequency_hz, availability_pct):
    place = {**STATION, "latitude_deg": latitude_deg, "longitude_deg": longitude_deg, "frequency_hz": frequency_hz}
    place["availability_pct"] = availability_pct
    elevations_deg = np.concatenate((np.linspace(5.0, 90.0, 777), 90.0 - np.geomspace(1e-5, 1.0, 50)))
    exact = weather.itu_losses_db(elevation_deg=elevations_deg, **place)
    table = weather.slant_path_loss(min_elevation_deg=5.0, **place)
    usable = exact["total"] < 200.0
    error_db = np.abs(table.loss_db(np.radians(elevations_deg)) - exact["total"])[usable]
    assert error_db.max() < 0.02
    parts = table.contributions_db(np.radians(elevations_deg))
    for name, part in parts.items():
        np.testing.assert_allclose(part[usable], exact[name][usable], atol=0.02)


@pytest.fixture(scope="module")
def paper_station():
    return weather.slant_path_loss(min_elevation_deg=50.0, **STATION)


def test_total_combines_the_parts_as_p618_does(paper_station):
    """P.618-13, Eq. (64): gas + sqrt((rain + cloud)^2 + scintillation^2)."""
    elevations_rad = np.radians(np.linspace(5, 90, 30))
    part = paper_station.contributions_db(elevations_rad)
    total = part["gas"] + np.hypot(part["rain"] + part["cloud"], part["scintillation"])
    np.testing.assert_allclose(paper_station.loss_db(elevations_rad), total, atol=0.02)


def test_lower_paths_lose_more(paper_station):
    losses_db = paper_station.loss_db(np.radians(np.linspace(5, 60, 100)))
    assert (np.diff(losses_db) < 0).all()


def test_below_5_degrees_there_is_no_answer(paper_station):
    """An edge refined to 0.01 s may lie a hair below the mask; anything lower is outside the Recommendations."""
    losses_db = paper_station.loss_db(np.radians([0.0, 4.9, 4.995, 5.0, 90.0, math.nan]))
    assert np.isnan(losses_db).tolist() == [True, True, False, False, False, True]
    assert losses_db[2] == losses_db[3]


def test_more_availability_costs_more():
    losses = [
        float(weather.itu_losses_db(**{**STATION, "availability_pct": pct}, elevation_deg=50.0)["total"])
        for pct in (95.0, 99.0, 99.9, 99.99)
    ]
    assert losses == sorted(losses)


def test_a_link_through_weather(paper_station):
    """The paper's link loses exactly the table's loss in SNR."""
    terminal = {
        "frequency_hz": 40e9, "bandwidth_hz": 1e9, "transmit_power_dbw": 5.0, "transmit_gain_dbi": 37.0,
        "path_loss_exponent": 2.0, "receive_gain_dbi": 37.0, "noise_temperature_k": 290.0,
    }  # fmt: skip
    dry, wet = RadioLink(**terminal), RadioLink(**terminal, attenuation=paper_station)
    elevation_rad = np.radians([50.0, 70.0])
    lost_db = dry.snr_db([620e3, 530e3], elevation_rad) - wet.snr_db([620e3, 530e3], elevation_rad)
    np.testing.assert_allclose(lost_db, paper_station.loss_db(elevation_rad), atol=1e-12)
    assert (wet.rate_bps([620e3, 530e3], elevation_rad) < dry.rate_bps([620e3, 530e3], elevation_rad)).all()


def test_shape_is_kept():
    losses = weather.itu_losses_db(**STATION, elevation_deg=[[30.0, 60.0, 90.0], [10.0, 20.0, 50.0]])
    assert losses["total"].shape == (2, 3)


def test_no_warning_and_no_change_of_numpys_settings():
    before = np.geterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        weather.slant_path_loss(min_elevation_deg=5.0, **STATION)
    assert np.geterr() == before


def test_editions_are_fixed_and_put_back():
    """ITU-Rpy's editions are global: another choice neither changes our losses nor is lost."""
    import itur.models.itu676 as itu676

    expected = weather.itu_losses_db(**STATION, elevation_deg=50.0)["gas"]
    itu676.change_version(9)
    try:
        assert float(weather.itu_losses_db(**STATION, elevation_deg=50.0)["gas"]) == float(expected)
        assert itu676.get_version() == 9
    finally:
        itu676.change_version(12)


def test_antimeridian_has_one_weather():
    east = weather.itu_losses_db(**STATION, elevation_deg=50.0)["total"]
    west = weather.itu_losses_db(**{**STATION, "longitude_deg": -180.0}, elevation_deg=50.0)["total"]
    assert float(east) == pytest.approx(float(west), abs=1e-9)


def test_everything_out_of_range_is_named_at_once():
    with pytest.raises(InputError) as caught:
        weather.slant_path_loss(91.0, 0.0, 1e5, 60e9, 0.0, 50.0, 4.0)
    assert {problem.key for problem in caught.value.problems} == {
        "links.downlink.itu_availability_pct", "links.downlink.frequency_hz", "links.downlink.receive_gain_dbi",
        "stations.latitude_deg", "stations.altitude_m", "links.downlink.min_elevation_deg",
    }  # fmt: skip


def test_missing_itur_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "itur", None)
    with pytest.raises(OrbitsimError, match=r"pip install orbitsim\[weather\]"):
        weather.slant_path_loss(min_elevation_deg=50.0, **STATION)
