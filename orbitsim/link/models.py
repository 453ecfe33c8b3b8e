"""Link models: from the geometry of a link to its signal-to-noise ratio and its rate.

All models have `snr_db(range_m, elevation_rad)` and `rate_bps(range_m, elevation_rad)` of `orbitsim.ports.LinkModel`;
the elevation is ignored where no atmosphere lies in between, and may be None there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike

from orbitsim.link import beam, budget
from orbitsim.link.budget import FloatArray
from orbitsim.link.modcod import ModcodTable


class Attenuation(Protocol):
    """Loss along a slant path through the atmosphere, such as `orbitsim.link.weather.SlantPathLoss`."""

    def loss_db(self, elevation_rad: ArrayLike) -> FloatArray:
        """Return the loss [dB] at each elevation [rad]."""
        ...


def _require_positive(owner: str, **values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0.0):
            raise ValueError(f"{owner}.{name} must be positive and finite, not {value}")


def _require_finite(owner: str, **values: float) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"{owner}.{name} must be finite, not {value}")


def _require_not_negative(owner: str, **values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value >= 0.0):
            raise ValueError(f"{owner}.{name} must be finite and not negative, not {value}")


@dataclass(frozen=True, slots=True)
class FixedLink:
    """Link of one rate, whatever the distance.

    Parameters
    ----------
    fixed_rate_bps : float
        Rate while the link is open, positive. [bit/s]
    acquisition_s : float
        Time from a link's opening until it carries data (see `windows_after_acquisition`). [s]

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    fixed_rate_bps: float
    acquisition_s: float = 0.0

    def __post_init__(self) -> None:
        _require_positive("FixedLink", fixed_rate_bps=self.fixed_rate_bps)
        _require_not_negative("FixedLink", acquisition_s=self.acquisition_s)

    def snr_db(self, range_m: ArrayLike, elevation_rad: ArrayLike | None = None) -> None:  # noqa: ARG002
        """Return None: a fixed rate says nothing about the signal."""
        return

    def rate_bps(self, range_m: ArrayLike, elevation_rad: ArrayLike | None = None) -> FloatArray:  # noqa: ARG002
        """Return the fixed rate [bit/s] in the shape of `range_m` [m]."""
        return np.full(np.shape(range_m), self.fixed_rate_bps)


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioLink:
    """Radio link with a power budget: log-distance path loss, optional ITU-R attenuation, Shannon or a MODCOD table.

    The receiver is given either by gain and system noise temperature or by its G/T. Noise added by rain in the
    beam of a ground antenna is not modelled: the temperature holds in all weather.

    Parameters
    ----------
    frequency_hz, bandwidth_hz : float
        Carrier frequency and noise bandwidth, positive. [Hz]
    transmit_power_dbw : float
        Power into the transmit antenna. [dBW]
    transmit_gain_dbi : float
        Gain of the transmit antenna. [dBi]
    path_loss_exponent : float
        2 is free space. [-]
    receive_gain_dbi, noise_temperature_k : float, optional
        Gain and system noise temperature of the receiver, instead of `receive_g_over_t_db_k`. [dBi], [K]
    receive_g_over_t_db_k : float, optional
        Figure of merit of the receiver, instead of gain and temperature. [dB/K]
    implementation_loss_db : float
        Losses of a real modem and feed, not negative. With a MODCOD table it is the margin above the ideal thresholds.
        [dB]
    attenuation : Attenuation, optional
        Loss in the atmosphere by elevation; None for vacuum.
    modcods : ModcodTable, optional
        Thresholds to choose the rate by; None for Shannon's bound.
    rolloff : float
        Roll-off of the pulse, used with a MODCOD table. [-]
    acquisition_s : float
        Time from a link's opening until it carries data. [s]

    Raises
    ------
    ValueError
        If a parameter is out of range, or the receiver is given twice or not at all.
    """

    frequency_hz: float
    bandwidth_hz: float
    transmit_power_dbw: float
    transmit_gain_dbi: float
    path_loss_exponent: float
    receive_gain_dbi: float | None = None
    noise_temperature_k: float | None = None
    receive_g_over_t_db_k: float | None = None
    implementation_loss_db: float = 0.0
    attenuation: Attenuation | None = None
    modcods: ModcodTable | None = None
    rolloff: float = 0.0
    acquisition_s: float = 0.0

    def __post_init__(self) -> None:
        _require_positive("RadioLink", frequency_hz=self.frequency_hz, bandwidth_hz=self.bandwidth_hz)
        _require_finite(
            "RadioLink", transmit_power_dbw=self.transmit_power_dbw, transmit_gain_dbi=self.transmit_gain_dbi
        )
        _require_positive("RadioLink", path_loss_exponent=self.path_loss_exponent)
        _require_not_negative(
            "RadioLink",
            implementation_loss_db=self.implementation_loss_db,
            rolloff=self.rolloff,
            acquisition_s=self.acquisition_s,
        )
        if self.receive_g_over_t_db_k is not None and (self.receive_gain_dbi, self.noise_temperature_k) != (None, None):
            raise ValueError("RadioLink takes receive_g_over_t_db_k, or receive_gain_dbi and noise_temperature_k")
        _require_finite("RadioLink", g_over_t_db_k=self.g_over_t_db_k)

    @property
    def g_over_t_db_k(self) -> float:
        """Figure of merit of the receiver, as given or gain less temperature in decibels. [dB/K]."""
        if self.receive_g_over_t_db_k is not None:
            return self.receive_g_over_t_db_k
        if self.receive_gain_dbi is None or self.noise_temperature_k is None:
            raise ValueError("RadioLink needs receive_gain_dbi and noise_temperature_k, or receive_g_over_t_db_k")
        _require_positive("RadioLink", noise_temperature_k=self.noise_temperature_k)
        return self.receive_gain_dbi - 10.0 * math.log10(self.noise_temperature_k)

    def snr_db(self, range_m: ArrayLike, elevation_rad: ArrayLike | None = None) -> FloatArray:
        """Signal-to-noise ratio in the noise bandwidth.

        Parameters
        ----------
        range_m : array_like
            Distance. [m]
        elevation_rad : array_like, optional
            Elevation of the satellite at the station; needed only with an `attenuation`. [rad]

        Returns
        -------
        ndarray of float
            SNR after all losses, with Shannon's bound also after the implementation loss; with a MODCOD table that
            loss is the margin above the thresholds instead, so that it counts once. [dB]

        Raises
        ------
        ValueError
            If there is an attenuation and no elevation.
        """
        loss_db = budget.path_loss_db(range_m, self.frequency_hz, self.path_loss_exponent)
        if self.attenuation is not None:
            if elevation_rad is None:
                raise ValueError("a link through the atmosphere needs the elevation")
            loss_db = loss_db + self.attenuation.loss_db(elevation_rad)
        if self.modcods is None:
            loss_db = loss_db + self.implementation_loss_db
        eirp_dbw = self.transmit_power_dbw + self.transmit_gain_dbi
        return budget.snr_from_g_over_t_db(eirp_dbw, loss_db, self.g_over_t_db_k, self.bandwidth_hz)

    def rate_bps(self, range_m: ArrayLike, elevation_rad: ArrayLike | None = None) -> FloatArray:
        """Return the rate [bit/s]: Shannon's bound, or that of the best MODCOD; arguments as for `snr_db`."""
        snr_db = self.snr_db(range_m, elevation_rad)
        if self.modcods is None:
            return budget.shannon_rate_bps(snr_db, self.bandwidth_hz)
        return self.modcods.rate_bps(snr_db, self.bandwidth_hz, self.rolloff, self.implementation_loss_db)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpticalLink:
    """Free-space optical link: geometric loss, pointing jitter, system loss, and thermal or photon noise.

    Parameters
    ----------
    wavelength_m : float
        Vacuum wavelength. [m]
    transmit_power_dbw : float
        Optical power sent. [dBW]
    divergence_rad : float
        Full divergence angle of the beam. [rad]
    aperture_m : float
        Diameter of the receiving aperture. [m]
    system_loss_db : float
        All fixed losses of both terminals, not negative. [dB]
    bandwidth_hz : float
        Noise bandwidth. [Hz]
    noise : {"thermal", "quantum"}
        k T B, or the photon-noise limit h nu B (`orbitsim.link.budget.quantum_noise_dbw`).
    noise_temperature_k : float
        Temperature of the thermal noise. [K]
    pointing_jitter_rad : float
        Standard deviation of the pointing error in each axis; its mean loss is counted
        (`orbitsim.link.beam.mean_jitter_loss_db`). [rad]
    acquisition_s : float
        Time from a link's opening until it carries data. [s]

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    wavelength_m: float
    transmit_power_dbw: float
    divergence_rad: float
    aperture_m: float
    system_loss_db: float
    bandwidth_hz: float
    noise: Literal["thermal", "quantum"]
    noise_temperature_k: float
    pointing_jitter_rad: float = 0.0
    acquisition_s: float = 0.0

    def __post_init__(self) -> None:
        _require_positive(
            "OpticalLink",
            wavelength_m=self.wavelength_m,
            divergence_rad=self.divergence_rad,
            aperture_m=self.aperture_m,
            bandwidth_hz=self.bandwidth_hz,
            noise_temperature_k=self.noise_temperature_k,
        )
        _require_finite("OpticalLink", transmit_power_dbw=self.transmit_power_dbw)
        _require_not_negative(
            "OpticalLink",
            system_loss_db=self.system_loss_db,
            pointing_jitter_rad=self.pointing_jitter_rad,
            acquisition_s=self.acquisition_s,
        )
        if self.noise not in ("thermal", "quantum"):
            raise ValueError(f'OpticalLink.noise must be "thermal" or "quantum", not {self.noise!r}')

    @property
    def noise_dbw(self) -> float:
        """Noise power in the bandwidth. [dBW]."""
        if self.noise == "quantum":
            return float(budget.quantum_noise_dbw(self.wavelength_m, self.bandwidth_hz))
        return float(budget.thermal_noise_dbw(self.noise_temperature_k, self.bandwidth_hz))

    def snr_db(self, range_m: ArrayLike, elevation_rad: ArrayLike | None = None) -> FloatArray:  # noqa: ARG002
        """Return the signal-to-noise ratio [dB] at each of `range_m` [m]; the elevation is ignored."""
        loss_db = beam.geometric_loss_db(range_m, self.divergence_rad, self.aperture_m) + self.system_loss_db
        loss_db = loss_db + beam.mean_jitter_loss_db(self.pointing_jitter_rad, self.divergence_rad)
        return budget.received_power_dbw(self.transmit_power_dbw, 0.0, 0.0, loss_db) - self.noise_dbw

    def rate_bps(self, range_m: ArrayLike, elevation_rad: ArrayLike | None = None) -> FloatArray:
        """Return Shannon's rate [bit/s] at each of `range_m` [m]; the elevation is ignored."""
        return budget.shannon_rate_bps(self.snr_db(range_m, elevation_rad), self.bandwidth_hz)


def windows_after_acquisition(
    starts_s: ArrayLike, ends_s: ArrayLike, acquisition_s: float, tracked_at_s: float = -math.inf
) -> tuple[FloatArray, FloatArray]:
    """Shorten windows by the time that terminals need to find one another.

    Parameters
    ----------
    starts_s, ends_s : array_like, shape (n,)
        Ends of each window. [s]
    acquisition_s : float
        Time from a window's start until the link carries data, not negative. [s]
    tracked_at_s : float
        Links already open at this time (a window that starts then or before: the scenario's start) are in track and
        need no acquisition. [s]

    Returns
    -------
    starts_s, ends_s : ndarray of float, shape (m,)
        What is left of the windows that outlast the acquisition. [s]

    Raises
    ------
    ValueError
        If the acquisition time is negative or not finite.
    """
    _require_not_negative("windows_after_acquisition", acquisition_s=acquisition_s)
    starts, ends = np.asarray(starts_s, dtype=np.float64), np.asarray(ends_s, dtype=np.float64)
    begins = np.where(starts <= tracked_at_s, starts, starts + acquisition_s)
    kept = begins < ends
    return begins[kept], ends[kept]
