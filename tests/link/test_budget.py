"""Link budgets against arithmetic by hand, with the paper's parameters, and against published figures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.link import beam, budget

HUNDREDTH_OF_A_DB = 0.01

# The paper's Ka link (arXiv:2604.04654, section VI-A): 40 GHz, 1 GHz, 35 dBm = 5 dBW, 37 dBi.
FREQUENCY_HZ, BANDWIDTH_HZ, RANGE_M = 40e9, 1e9, 500e3
# lambda = 299792458 / 40e9 = 7.49481e-3 m; 4 pi / lambda = 1676.69; 20 log10(1676.69) = 64.489 dB at 1 m.
REFERENCE_LOSS_DB = 64.489
# log10(5e5) = 5.69897: 113.979 dB for n = 2, 142.474 dB for n = 2.5.
# k T B: 10 log10(1.380649e-23 * 290 * 1e9) = -228.599 + 24.624 + 90 = -113.975 dBW.
NOISE_DBW = -113.975


@pytest.mark.parametrize(
    ("exponent", "range_m", "expected_db"),
    [
        (2.0, RANGE_M, REFERENCE_LOSS_DB + 113.979),
        (2.5, RANGE_M, REFERENCE_LOSS_DB + 142.474),
        (2.0, 1.0, REFERENCE_LOSS_DB),
        (2.5, 1.0, REFERENCE_LOSS_DB),
        # 20 log10(4 pi 35786e3 12e9 / c) = 20 log10(1.80005e10) = 205.106 dB, a geostationary Ku-band downlink.
        (2.0, None, 205.106),
    ],
)
def test_path_loss_by_hand(exponent, range_m, expected_db):
    if range_m is None:
        loss_db = budget.path_loss_db(35_786e3, 12e9, exponent)
    else:
        loss_db = budget.path_loss_db(range_m, FREQUENCY_HZ, exponent)
    assert float(loss_db) == pytest.approx(expected_db, abs=HUNDREDTH_OF_A_DB)


def test_itu_free_space_form():
    """ITU-R P.525: 32.4 + 20 log10(f / MHz) + 20 log10(d / km) dB, whose constant is rounded to 0.05 dB."""
    by_rule_of_thumb = 32.4 + 20 * math.log10(40e3) + 20 * math.log10(500.0)
    assert float(budget.path_loss_db(RANGE_M, FREQUENCY_HZ, 2.0)) == pytest.approx(by_rule_of_thumb, abs=0.05)


@pytest.mark.parametrize(
    ("exponent", "receive_gain_dbi", "snr_db", "rate_bps", "tolerance_bps"),
    [
        # 5 + 37 + 37 - 178.468 = -99.468 dBW; SNR = 14.507 dB = 28.23; log2(29.23) = 4.869 bit: "4.9 Gbit/s".
        (2.0, 37.0, 14.507, 4.869e9, 0.005e9),
        # 5 + 37 + 37 - 206.963 = -127.963 dBW; SNR = -13.988 dB = 0.03992; log2(1.03992) = 0.05647: "57 Mbit/s".
        (2.5, 37.0, -13.988, 56.5e6, 0.2e6),
        # One antenna only: SNR = -50.988 dB, 7.965e-6 / ln 2 * 1e9 = 11.5 kbit/s: "nothing".
        (2.5, 0.0, -50.988, 11.49e3, 0.05e3),
    ],
)
def test_paper_radio_link_at_zenith(exponent, receive_gain_dbi, snr_db, rate_bps, tolerance_bps):
    loss_db = budget.path_loss_db(RANGE_M, FREQUENCY_HZ, exponent)
    power_dbw = budget.received_power_dbw(5.0, 37.0, receive_gain_dbi, loss_db)
    noise_dbw = budget.thermal_noise_dbw(290.0, BANDWIDTH_HZ)
    assert float(noise_dbw) == pytest.approx(NOISE_DBW, abs=HUNDREDTH_OF_A_DB)
    assert float(power_dbw - noise_dbw) == pytest.approx(snr_db, abs=HUNDREDTH_OF_A_DB)
    assert float(budget.shannon_rate_bps(power_dbw - noise_dbw, BANDWIDTH_HZ)) == pytest.approx(
        rate_bps, abs=tolerance_bps
    )


def test_paper_optical_link_at_3560_km():
    """12 satellites in one plane of 500 km: 10 dBW, 50 urad, 0.10 m, 6 dB, 290 K, 0.5 GHz.

    Spot 50e-6 * 3.56e6 = 178 m; (0.1 / 178)^2 = 3.156e-7 = -65.009 dB; received 10 - 65.009 - 6 = -61.009 dBW.
    Thermal noise -228.599 + 24.624 + 86.990 = -116.985 dBW: SNR 55.976 dB, 0.5 * log2(1 + 395,900) = 9.297 Gbit/s.
    h nu = 6.62607e-34 * 299792458 / 1550e-9 = 1.28158e-19 J; times 0.5e9 = 6.4079e-11 W = -101.933 dBW:
    SNR 40.924 dB, 0.5 * log2(1 + 12,370) = 6.797 Gbit/s; 15.05 dB between the two, design section 5.
    """
    loss_db = beam.geometric_loss_db(3_560e3, 50e-6, 0.10)
    assert float(loss_db) == pytest.approx(65.009, abs=HUNDREDTH_OF_A_DB)
    power_dbw = budget.received_power_dbw(10.0, 0.0, 0.0, loss_db + 6.0)
    for noise_dbw, snr_db, rate_bps in (
        (budget.thermal_noise_dbw(290.0, 0.5e9), 55.976, 9.297e9),
        (budget.quantum_noise_dbw(1550e-9, 0.5e9), 40.924, 6.797e9),
    ):
        assert float(power_dbw - noise_dbw) == pytest.approx(snr_db, abs=HUNDREDTH_OF_A_DB)
        assert float(budget.shannon_rate_bps(power_dbw - noise_dbw, 0.5e9)) == pytest.approx(rate_bps, abs=2e6)


def test_g_over_t_equals_gain_and_temperature():
    """G/T = 37 - 10 log10(290) = 12.376 dB/K gives the SNR of the paper's link, 14.507 dB."""
    snr_db = budget.snr_from_g_over_t_db(42.0, REFERENCE_LOSS_DB + 113.979, 37.0 - 24.624, BANDWIDTH_HZ)
    assert float(snr_db) == pytest.approx(14.507, abs=HUNDREDTH_OF_A_DB)


def test_carrier_over_noise_density_by_hand():
    """EIRP 42 dBW, loss 178.468 dB, G/T 12.376 dB/K: C/N0 = 42 - 178.468 + 12.376 + 228.599 = 104.507 dBHz."""
    assert float(budget.snr_from_g_over_t_db(42.0, 178.468, 12.376, 1.0)) == pytest.approx(104.507, abs=0.001)


@pytest.mark.parametrize(
    ("snr_db", "bits_per_hz"), [(0.0, 1.0), (10 * math.log10(3), 2.0), (10 * math.log10(1023), 10.0)]
)
def test_shannon_at_powers_of_two(snr_db, bits_per_hz):
    assert float(budget.shannon_rate_bps(snr_db, 1e6)) == pytest.approx(bits_per_hz * 1e6, rel=1e-12)


def test_shannon_of_a_weak_signal_is_linear_in_power():
    """Far below the noise B log2(1 + x) is B x / ln 2: -300 dB must not round to zero."""
    assert float(budget.shannon_rate_bps(-300.0, 1.0)) == pytest.approx(1e-30 / math.log(2), rel=1e-12)
    assert float(budget.shannon_rate_bps(-math.inf, 1e9)) == 0.0


def test_effective_aperture_of_a_dish():
    """Gain of a dish of 1 m, efficiency 0.65, at 12 GHz: (pi D / lambda)^2 * 0.65 = 40.10 dBi; effective 0.806 m."""
    gain_dbi = 20 * math.log10(math.pi * 1.0 * 12e9 / 299_792_458.0) + 10 * math.log10(0.65)
    assert gain_dbi == pytest.approx(40.12, abs=0.01)
    assert float(budget.effective_aperture_diameter_m(gain_dbi, 12e9)) == pytest.approx(math.sqrt(0.65), rel=1e-12)


@given(st.floats(1.0, 1e9), st.floats(1.0, 1e9), st.floats(1.6, 5.0))
def test_path_loss_grows_with_distance(one, other, exponent):
    near, far = sorted((one, other))
    assert budget.path_loss_db(near, 1e9, exponent) <= budget.path_loss_db(far, 1e9, exponent)


def test_everything_broadcasts():
    ranges, frequencies = np.array([[1e5], [1e6]]), np.array([1e9, 1e10, 4e10])
    assert budget.path_loss_db(ranges, frequencies, 2.0).shape == (2, 3)
    assert beam.geometric_loss_db(ranges, np.array([1e-6, 1e-5, 1e-4]), 0.1).shape == (2, 3)


@pytest.mark.parametrize(
    "value",
    [
        budget.path_loss_db(0.0, 1e9, 2.0),
        budget.path_loss_db(-1.0, 1e9, 2.0),
        budget.path_loss_db(1.0, 0.0, 2.0),
        budget.path_loss_db(math.nan, 1e9, 2.0),
        budget.thermal_noise_dbw(0.0, 1.0),
        budget.thermal_noise_dbw(290.0, -1.0),
        budget.quantum_noise_dbw(0.0, 1.0),
        budget.shannon_rate_bps(math.nan, 1.0),
        budget.shannon_rate_bps(1.0, 0.0),
        beam.geometric_loss_db(-1.0, 1e-5, 0.1),
        beam.geometric_loss_db(1.0, 0.0, 0.1),
        beam.geometric_loss_db(1.0, 1e-5, -0.1),
        beam.pointing_loss_db(1e-6, 0.0),
        beam.mean_jitter_loss_db(-1e-6, 1e-5),
        beam.jitter_loss_exceeded_db(1e-6, 1e-5, 0.0),
    ],
)
def test_what_cannot_be_is_nan(value):
    assert np.isnan(value)


class TestBeam:
    def test_no_receiver_collects_more_than_was_sent(self):
        """At 1 km a beam of 50 urad is 5 cm wide, less than the aperture of 10 cm: no loss, and none at 0 m."""
        assert beam.geometric_loss_db([0.0, 1e3, 2e3], 50e-6, 0.10).tolist() == [0.0, 0.0, 0.0]
        assert float(beam.geometric_loss_db(4e3, 50e-6, 0.10)) == pytest.approx(6.0206, abs=1e-4)

    def test_pointing_loss_by_hand(self):
        """An error of the half angle is the 1/e^2 point: 10 log10(e^2) = 8.686 dB; a quarter of it 0.543 dB."""
        assert float(beam.pointing_loss_db(25e-6, 50e-6)) == pytest.approx(8.686, abs=0.001)
        assert float(beam.pointing_loss_db(6.25e-6, 50e-6)) == pytest.approx(0.543, abs=0.001)

    def test_mean_jitter_loss_equals_the_average_over_gaussian_errors(self):
        """A million errors of 5 urad in each axis, beam of 50 urad: 10 log10(1 + 16 / 100) = 0.645 dB."""
        errors_rad = np.hypot(*np.random.default_rng(1).normal(0.0, 5e-6, (2, 1_000_000)))
        sampled = np.mean(10 ** (-beam.pointing_loss_db(errors_rad, 50e-6) / 10))
        assert float(beam.mean_jitter_loss_db(5e-6, 50e-6)) == pytest.approx(0.6446, abs=1e-4)
        assert -10 * math.log10(sampled) == pytest.approx(0.6446, abs=2e-3)

    def test_exceeded_jitter_loss_is_a_quantile(self):
        errors_rad = np.hypot(*np.random.default_rng(2).normal(0.0, 5e-6, (2, 400_000)))
        losses_db = beam.pointing_loss_db(errors_rad, 50e-6)
        for probability in (0.5, 0.1, 0.01):
            exceeded_db = float(beam.jitter_loss_exceeded_db(5e-6, 50e-6, probability))
            assert np.mean(losses_db > exceeded_db) == pytest.approx(probability, rel=0.05)

    def test_no_jitter_costs_nothing(self):
        assert float(beam.mean_jitter_loss_db(0.0, 50e-6)) == 0.0
        assert float(beam.jitter_loss_exceeded_db(0.0, 50e-6, 1e-3)) == 0.0
