"""Link models: the example scenario's terminals, receivers given in two ways, and acquisition."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import numpy as np
import pytest

from orbitsim.link.modcod import dvb_s2x_table
from orbitsim.link.models import FixedLink, OpticalLink, RadioLink, windows_after_acquisition
from orbitsim.ports import LinkModel

EXAMPLE = Path(__file__).resolve().parents[3] / "shared" / "examples" / "leo12-vitg.toml"

RADIO = {
    "frequency_hz": 40e9,
    "bandwidth_hz": 1e9,
    "transmit_power_dbw": 5.0,
    "transmit_gain_dbi": 37.0,
    "path_loss_exponent": 2.0,
    "receive_gain_dbi": 37.0,
    "noise_temperature_k": 290.0,
}
OPTICAL = {
    "wavelength_m": 1550e-9,
    "transmit_power_dbw": 10.0,
    "divergence_rad": 50e-6,
    "aperture_m": 0.10,
    "system_loss_db": 6.0,
    "bandwidth_hz": 0.5e9,
    "noise": "thermal",
    "noise_temperature_k": 290.0,
}


class TwoDecibels:
    """Attenuation of 2 dB over the sine of the elevation."""

    def loss_db(self, elevation_rad):
        return 2.0 / np.sin(elevation_rad)


@pytest.fixture(scope="module")
def example():
    if not EXAMPLE.exists():
        pytest.skip(f"the example scenario {EXAMPLE} is not there")
    return tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))["links"]


def test_figures_here_are_those_of_the_example(example):
    downlink, isl = example["downlink"], example["isl"]
    assert RADIO["transmit_power_dbw"] == downlink["transmit_power_dbm"] - 30.0
    for key in ("frequency_hz", "bandwidth_hz", "transmit_gain_dbi", "receive_gain_dbi", "path_loss_exponent"):
        assert RADIO[key] == downlink[key]
    for key, value in OPTICAL.items():
        assert value == isl[key]


@pytest.mark.parametrize("link", [FixedLink(1e9), RadioLink(**RADIO), OpticalLink(**OPTICAL)])
def test_models_meet_the_port_and_keep_the_shape(link):
    assert isinstance(link, LinkModel)
    ranges_m = np.array([[500e3, 600e3, 700e3]])
    assert link.rate_bps(ranges_m, None).shape == (1, 3)
    assert link.rate_bps(ranges_m, np.full((1, 3), 0.7)).dtype == np.float64


def test_fixed_link():
    link = FixedLink(0.8e9)
    assert link.rate_bps(np.array([1.0, 1e9]), None).tolist() == [0.8e9, 0.8e9]
    assert link.snr_db(np.array([1.0]), None) is None


def test_radio_link_of_the_paper():
    """14.507 dB and 4.87 Gbit/s at zenith (arithmetic in test_budget.py); 6.02 dB less at twice the distance."""
    link = RadioLink(**RADIO)
    np.testing.assert_allclose(link.snr_db([500e3, 1000e3]), [14.507, 14.507 - 6.021], atol=0.01)
    assert float(link.rate_bps(500e3)) == pytest.approx(4.869e9, abs=0.005e9)
    assert float(RadioLink(**{**RADIO, "path_loss_exponent": 2.5}).rate_bps(500e3)) == pytest.approx(56.5e6, abs=0.2e6)


def test_g_over_t_receiver_gives_the_same_link():
    merit = {key: value for key, value in RADIO.items() if key not in ("receive_gain_dbi", "noise_temperature_k")}
    link = RadioLink(**merit, receive_g_over_t_db_k=37.0 - 10 * math.log10(290.0))
    assert float(link.snr_db(700e3)) == pytest.approx(float(RadioLink(**RADIO).snr_db(700e3)), abs=1e-12)


def test_implementation_loss_and_attenuation_lower_the_snr():
    link = RadioLink(**RADIO, implementation_loss_db=1.5, attenuation=TwoDecibels())
    assert float(link.snr_db(500e3, math.radians(30))) == pytest.approx(14.507 - 1.5 - 4.0, abs=0.01)
    with pytest.raises(ValueError, match="elevation"):
        link.snr_db(500e3, None)


def test_modcods_count_the_implementation_loss_once():
    """SNR 14.507 dB, roll-off 0.2: Es/N0 = 15.299 dB; margin 1 dB leaves 14.299 dB: above 64APSK 32/45-L (13.98 dB).

    Rate: 1e9 / 1.2 * 4.206428 = 3.5054 Gbit/s. Without a margin 64APSK 11/15 (14.81 dB): 3.6155 Gbit/s.
    """
    table = dvb_s2x_table()
    with_margin = RadioLink(**RADIO, modcods=table, rolloff=0.2, implementation_loss_db=1.0)
    assert float(with_margin.snr_db(500e3)) == pytest.approx(14.507, abs=0.01)
    assert float(with_margin.rate_bps(500e3)) == pytest.approx(1e9 / 1.2 * 4.206428, rel=1e-12)
    assert float(RadioLink(**RADIO, modcods=table, rolloff=0.2).rate_bps(500e3)) == pytest.approx(1e9 / 1.2 * 4.338659)


def test_modcods_stay_below_shannon():
    ranges_m = np.geomspace(1e5, 1e8, 400)
    shannon = RadioLink(**RADIO).rate_bps(ranges_m)
    modem = RadioLink(**RADIO, modcods=dvb_s2x_table(), rolloff=0.05).rate_bps(ranges_m)
    assert (modem < shannon).all()
    assert modem[-1] == 0.0


def test_optical_link_of_the_paper():
    assert float(OpticalLink(**OPTICAL).rate_bps(3_560e3)) == pytest.approx(9.297e9, abs=2e6)
    assert float(OpticalLink(**{**OPTICAL, "noise": "quantum"}).rate_bps(3_560e3)) == pytest.approx(6.797e9, abs=2e6)
    jittered = OpticalLink(**OPTICAL, pointing_jitter_rad=5e-6)
    assert float(OpticalLink(**OPTICAL).snr_db(3_560e3) - jittered.snr_db(3_560e3)) == pytest.approx(0.6446, abs=1e-3)


def test_acquisition_shortens_windows_and_drops_short_ones():
    starts_s, ends_s = [0.0, 100.0, 200.0, 300.0], [50.0, 130.0, 205.0, 310.0]
    starts, ends = windows_after_acquisition(starts_s, ends_s, 10.0)
    assert (starts.tolist(), ends.tolist()) == ([10.0, 110.0], [50.0, 130.0])
    starts, ends = windows_after_acquisition(starts_s, ends_s, 10.0, tracked_at_s=0.0)
    assert (starts.tolist(), ends.tolist()) == ([0.0, 110.0], [50.0, 130.0])
    starts, _ = windows_after_acquisition(starts_s, ends_s, 0.0)
    assert starts.tolist() == starts_s


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FixedLink(0.0), "fixed_rate_bps must be positive"),
        (lambda: FixedLink(math.inf), "fixed_rate_bps"),
        (lambda: FixedLink(1.0, acquisition_s=-1.0), "acquisition_s"),
        (lambda: RadioLink(**{**RADIO, "frequency_hz": 0.0}), "frequency_hz"),
        (lambda: RadioLink(**{**RADIO, "bandwidth_hz": math.nan}), "bandwidth_hz"),
        (lambda: RadioLink(**{**RADIO, "noise_temperature_k": 0.0}), "noise_temperature_k"),
        (lambda: RadioLink(**{**RADIO, "noise_temperature_k": None}), "needs receive_gain_dbi"),
        (lambda: RadioLink(**RADIO, receive_g_over_t_db_k=10.0), "takes receive_g_over_t_db_k, or"),
        (lambda: RadioLink(**RADIO, implementation_loss_db=-1.0), "implementation_loss_db"),
        (lambda: RadioLink(**RADIO, rolloff=-0.1), "rolloff"),
        (lambda: OpticalLink(**{**OPTICAL, "divergence_rad": 0.0}), "divergence_rad"),
        (lambda: OpticalLink(**{**OPTICAL, "noise": "shot"}), '"thermal" or "quantum"'),
        (lambda: OpticalLink(**OPTICAL, pointing_jitter_rad=-1e-6), "pointing_jitter_rad"),
        (lambda: OpticalLink(**{**OPTICAL, "transmit_power_dbw": math.inf}), "transmit_power_dbw"),
        (lambda: windows_after_acquisition([0.0], [1.0], -1.0), "acquisition_s"),
    ],
)
def test_bad_parameters_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()
