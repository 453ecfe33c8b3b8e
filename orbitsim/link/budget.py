"""Power budgets of radio and optical links: losses, received power, noise, SNR and Shannon's rate, as pure functions.

Decibels are 10 log10 of a power ratio; `_dbw` is relative to 1 W, `_dbi` to an isotropic antenna. Everything
broadcasts. Arguments that cannot be (a range of 0, a bandwidth of 0) give `nan`, never a silent infinity.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from orbitsim.constants import BOLTZMANN_J_K, PLANCK_J_S, SPEED_OF_LIGHT_M_S

FloatArray = NDArray[np.float64]

REFERENCE_RANGE_M = 1.0  # d0 of the log-distance path loss model


def _positive(value: ArrayLike) -> FloatArray:
    """Turn what is not above zero into nan, so that logarithms of it stay nan and warn nobody."""
    array = np.asarray(value, dtype=np.float64)
    return np.where(array > 0.0, array, np.nan)


def ratio_to_db(ratio: ArrayLike) -> FloatArray:
    """Return a power ratio in decibels; nan unless it is positive. [dB]."""
    decibels: FloatArray = 10.0 * np.log10(_positive(ratio))
    return decibels


def db_to_ratio(decibels: ArrayLike) -> FloatArray:
    """Return decibels as a power ratio. [-]."""
    ratio: FloatArray = 10.0 ** (np.asarray(decibels, dtype=np.float64) / 10.0)
    return ratio


def path_loss_db(range_m: ArrayLike, frequency_hz: ArrayLike, path_loss_exponent: ArrayLike) -> FloatArray:
    r"""Log-distance path loss between isotropic antennas.

    Parameters
    ----------
    range_m : array_like
        Distance, positive. [m]
    frequency_hz : array_like
        Carrier frequency, positive. [Hz]
    path_loss_exponent : array_like
        Exponent n; 2 is free space. [-]

    Returns
    -------
    ndarray of float
        Loss, broadcast; nan where range or frequency is not positive. [dB]

    Notes
    -----
    .. math:: L = 20 \log_{10}(4 \pi d_0 / \lambda) + 10 n \log_{10}(d / d_0), \quad d_0 = 1\,\mathrm{m}.

    For n = 2 this is the free-space basic transmission loss of Recommendation ITU-R P.525.

    References
    ----------
    .. [1] T. S. Rappaport, Wireless Communications, 2nd ed., 2002, section 4.9.1 (log-distance path loss).
    """
    reference = 4.0 * np.pi * REFERENCE_RANGE_M * _positive(frequency_hz) / SPEED_OF_LIGHT_M_S
    distance = _positive(range_m) / REFERENCE_RANGE_M
    loss: FloatArray = 20.0 * np.log10(reference) + 10.0 * np.asarray(path_loss_exponent) * np.log10(distance)
    return loss


def received_power_dbw(
    transmit_power_dbw: ArrayLike, transmit_gain_dbi: ArrayLike, receive_gain_dbi: ArrayLike, loss_db: ArrayLike
) -> FloatArray:
    """Received power: what was sent, plus both antenna gains, less all losses together.

    Parameters
    ----------
    transmit_power_dbw : array_like
        Power into the transmit antenna. [dBW]
    transmit_gain_dbi, receive_gain_dbi : array_like
        Antenna gains. [dBi]
    loss_db : array_like
        Sum of path, atmospheric and other losses, positive for a loss. [dB]

    Returns
    -------
    ndarray of float
        Power at the receiver's input. [dBW]
    """
    power: FloatArray = (
        np.asarray(transmit_power_dbw, dtype=np.float64)
        + np.asarray(transmit_gain_dbi)
        + np.asarray(receive_gain_dbi)
        - np.asarray(loss_db)
    )
    return power


def thermal_noise_dbw(noise_temperature_k: ArrayLike, bandwidth_hz: ArrayLike) -> FloatArray:
    """Thermal noise power N = k T B.

    Parameters
    ----------
    noise_temperature_k : array_like
        System noise temperature, positive. [K]
    bandwidth_hz : array_like
        Noise bandwidth, positive. [Hz]

    Returns
    -------
    ndarray of float
        Noise power. [dBW]

    References
    ----------
    .. [1] H. Nyquist, "Thermal agitation of electric charge in conductors", Phys. Rev. 32 (1928), 110-113.
    """
    return ratio_to_db(BOLTZMANN_J_K * _positive(noise_temperature_k) * _positive(bandwidth_hz))


def quantum_noise_dbw(wavelength_m: ArrayLike, bandwidth_hz: ArrayLike) -> FloatArray:
    """Photon-noise limit N = h nu B of a coherent receiver.

    With an ideal heterodyne receiver (quantum efficiency 1, local-oscillator shot noise above all other noise), or an
    ideal phase-insensitive amplifier, SNR = P / (h nu B): one noise photon per second and hertz of bandwidth, vacuum
    fluctuation included. No thermal noise is added: at 1550 nm and 290 K a mode holds 1e-14 thermal photons.

    Parameters
    ----------
    wavelength_m : array_like
        Vacuum wavelength, positive. [m]
    bandwidth_hz : array_like
        Noise bandwidth, positive. [Hz]

    Returns
    -------
    ndarray of float
        Equivalent noise power. [dBW]

    References
    ----------
    .. [1] C. M. Caves, "Quantum limits on noise in linear amplifiers", Phys. Rev. D 26 (1982), 1817-1839,
       doi:10.1103/PhysRevD.26.1817.
    .. [2] B. M. Oliver, "Thermal and quantum noise", Proc. IEEE 53 (1965), 436-454, doi:10.1109/PROC.1965.3814.
    """
    return ratio_to_db(PLANCK_J_S * SPEED_OF_LIGHT_M_S / _positive(wavelength_m) * _positive(bandwidth_hz))


def snr_from_g_over_t_db(
    eirp_dbw: ArrayLike, loss_db: ArrayLike, g_over_t_db_k: ArrayLike, bandwidth_hz: ArrayLike
) -> FloatArray:
    """SNR of a receiver that is given by its figure of merit G/T.

    Parameters
    ----------
    eirp_dbw : array_like
        Equivalent isotropically radiated power: transmit power plus gain. [dBW]
    loss_db : array_like
        All losses together. [dB]
    g_over_t_db_k : array_like
        Receive gain over system noise temperature. [dB/K]
    bandwidth_hz : array_like
        Noise bandwidth, positive. [Hz]

    Returns
    -------
    ndarray of float
        C/N = EIRP - L + G/T - 10 log10(k) - 10 log10(B). [dB]

    References
    ----------
    .. [1] G. Maral, M. Bousquet, Z. Sun, Satellite Communications Systems, 6th ed., 2020, chapter 5 (C/N0).
    """
    carrier: FloatArray = np.asarray(eirp_dbw, dtype=np.float64) - np.asarray(loss_db) + np.asarray(g_over_t_db_k)
    return carrier - ratio_to_db(BOLTZMANN_J_K) - ratio_to_db(bandwidth_hz)


def shannon_rate_bps(snr_db: ArrayLike, bandwidth_hz: ArrayLike) -> FloatArray:
    """Shannon's capacity B log2(1 + SNR) of a band-limited channel with white Gaussian noise.

    Parameters
    ----------
    snr_db : array_like
        Signal-to-noise ratio in the bandwidth; -inf gives rate 0. [dB]
    bandwidth_hz : array_like
        Bandwidth, positive. [Hz]

    Returns
    -------
    ndarray of float
        Capacity. [bit/s]

    References
    ----------
    .. [1] C. E. Shannon, "Communication in the presence of noise", Proc. IRE 37 (1949), 10-21, Theorem 2.
    """
    # log1p keeps the rate of a very weak signal, for which 1 + SNR rounds to 1.
    rate: FloatArray = _positive(bandwidth_hz) * np.log1p(db_to_ratio(snr_db)) / np.log(2.0)
    return rate


def effective_aperture_diameter_m(gain_dbi: ArrayLike, frequency_hz: ArrayLike) -> FloatArray:
    """Diameter of the uniformly lit circular aperture that has a gain: (lambda / pi) sqrt(G).

    The product of a real antenna's diameter and the square root of its efficiency.

    Parameters
    ----------
    gain_dbi : array_like
        Antenna gain. [dBi]
    frequency_hz : array_like
        Frequency, positive. [Hz]

    Returns
    -------
    ndarray of float
        Effective diameter. [m]
    """
    diameter: FloatArray = SPEED_OF_LIGHT_M_S / (np.pi * _positive(frequency_hz)) * np.sqrt(db_to_ratio(gain_dbi))
    return diameter
