"""Losses of an optical beam: spreading beyond the receiving aperture, and pointing that is not perfect."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from orbitsim.link.budget import FloatArray, ratio_to_db


def _checked_divergence(divergence_rad: ArrayLike) -> FloatArray:
    divergence = np.asarray(divergence_rad, dtype=np.float64)
    return np.where(divergence > 0.0, divergence, np.nan)


def geometric_loss_db(range_m: ArrayLike, divergence_rad: ArrayLike, aperture_m: ArrayLike) -> FloatArray:
    r"""Share of a beam's power that falls on a receiving aperture, as a loss.

    Parameters
    ----------
    range_m : array_like
        Distance, not negative. [m]
    divergence_rad : array_like
        Full divergence angle of the beam, positive. [rad]
    aperture_m : array_like
        Diameter of the receiving aperture, positive. [m]

    Returns
    -------
    ndarray of float
        Loss, at least 0. [dB]

    Notes
    -----
    .. math:: L = -10 \log_{10} \min(1, (D_\mathrm{rx} / (\theta d))^2)

    A uniformly lit disc of diameter theta d; the size of the transmitting aperture is neglected, so the ratio is
    capped at 1: no receiver collects more than was sent. A Gaussian beam of the same 1/e^2 angle, well aimed, is
    3 dB brighter on its axis.

    References
    ----------
    .. [1] H. Kaushal, G. Kaddoum, "Optical communication in space: challenges and mitigation techniques", IEEE Commun.
       Surv. Tutor. 19 (2017), 57-96, section II (geometric loss), doi:10.1109/COMST.2016.2603518.
    """
    distance, aperture = np.asarray(range_m, dtype=np.float64), np.asarray(aperture_m, dtype=np.float64)
    distance = np.where(distance >= 0.0, distance, np.nan)
    spot_m = _checked_divergence(divergence_rad) * distance
    # The larger of spot and aperture below the line is the cap at 1, without a division by a spot of size 0.
    return -2.0 * ratio_to_db(aperture / np.maximum(spot_m, aperture))


def pointing_loss_db(error_rad: ArrayLike, divergence_rad: ArrayLike) -> FloatArray:
    r"""Loss of a Gaussian beam whose axis misses the receiver by a fixed angle.

    Parameters
    ----------
    error_rad : array_like
        Angle between the beam's axis and the receiver. [rad]
    divergence_rad : array_like
        Full divergence angle between the 1/e^2 points, positive. [rad]

    Returns
    -------
    ndarray of float
        Loss. [dB]

    Notes
    -----
    .. math:: L = \exp(-2 \alpha^2 / (\theta / 2)^2) = \exp(-8 (\alpha / \theta)^2)

    the profile of a Gaussian beam far from its waist, over a receiver much smaller than the spot.

    References
    ----------
    .. [1] A. A. Farid, S. Hranilovic, "Outage capacity optimization for free-space optical links with pointing
       errors", J. Lightw. Technol. 25 (2007), 1702-1710, section II-C, doi:10.1109/JLT.2007.899174.
    """
    ratio = np.asarray(error_rad, dtype=np.float64) / _checked_divergence(divergence_rad)
    loss: FloatArray = 10.0 * np.log10(np.e) * 8.0 * ratio**2
    return loss


def mean_jitter_loss_db(jitter_rad: ArrayLike, divergence_rad: ArrayLike) -> FloatArray:
    r"""Mean loss of a Gaussian beam whose pointing jitters.

    Parameters
    ----------
    jitter_rad : array_like
        Standard deviation of the pointing error in each of two axes, independent and Gaussian (so that the angle off
        axis is Rayleigh distributed), not negative. [rad]
    divergence_rad : array_like
        Full divergence angle between the 1/e^2 points, positive. [rad]

    Returns
    -------
    ndarray of float
        Loss of the mean received power. [dB]

    Notes
    -----
    The mean of `pointing_loss_db` over a Rayleigh distributed error:

    .. math:: E[L] = \gamma^2 / (1 + \gamma^2) = 1 / (1 + 16 \sigma^2 / \theta^2), \quad \gamma = \theta / (4 \sigma)

    with gamma the ratio of beam radius to twice the displacement's deviation of [1]_, here in angles.
    Averaging power is right for interleaving far longer than the jitter's period; what an outage costs is in
    `jitter_loss_exceeded_db`.

    References
    ----------
    .. [1] A. A. Farid, S. Hranilovic, "Outage capacity optimization for free-space optical links with pointing
       errors", J. Lightw. Technol. 25 (2007), 1702-1710, section II-C, doi:10.1109/JLT.2007.899174.
    """
    jitter = np.asarray(jitter_rad, dtype=np.float64)
    ratio = np.where(jitter >= 0.0, jitter, np.nan) / _checked_divergence(divergence_rad)
    return ratio_to_db(1.0 + 16.0 * ratio**2)


def jitter_loss_exceeded_db(jitter_rad: ArrayLike, divergence_rad: ArrayLike, probability: ArrayLike) -> FloatArray:
    r"""Pointing loss that jitter exceeds with a given probability.

    Parameters
    ----------
    jitter_rad, divergence_rad : array_like
        As for `mean_jitter_loss_db`. [rad]
    probability : array_like
        Probability of a larger loss, above 0 and at most 1. [-]

    Returns
    -------
    ndarray of float
        Loss. [dB]

    Notes
    -----
    A Rayleigh error exceeds :math:`\alpha_p = \sigma \sqrt{-2 \ln p}` with probability p; its loss is
    :math:`\exp(-8 \alpha_p^2 / \theta^2)` (`pointing_loss_db`).
    """
    share = np.asarray(probability, dtype=np.float64)
    share = np.where((share > 0.0) & (share <= 1.0), share, np.nan)
    return pointing_loss_db(np.asarray(jitter_rad, dtype=np.float64) * np.sqrt(-2.0 * np.log(share)), divergence_rad)
