"""Loss in the atmosphere that a link exceeds only in a stated share of an average year, after ITU-R P.618."""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from orbitsim.errors import InputError, OrbitsimError, Problem
from orbitsim.link.budget import FloatArray

# P.840 (cloud), Annex 2 of P.676 (gas) and P.618 section 2.4.1 (scintillation) hold from 5 deg upwards. Only the rain
# method goes lower, so the sum is defined from 5 deg.
MIN_ELEVATION_DEG = 5.0
# Contact edges are refined to 0.01 s: at a mask of 5 deg an edge may lie this far below it.
_EDGE_TOLERANCE_DEG = 0.01

# P.618: rain from 0.001 % to 5 % of the time (section 2.2.1.1), 55 GHz at most.
_MIN_UNAVAILABILITY_PCT, _MAX_UNAVAILABILITY_PCT = 0.001, 5.0
_MIN_FREQUENCY_HZ, _MAX_FREQUENCY_HZ = 1e9, 55e9

CIRCULAR_TILT_DEG = 45.0  # P.838-3, Eqs. (4)-(5): circular polarisation counts as linear at 45 deg

# Editions of the Recommendations, by ITU-Rpy's module: those that the tests compare with the ITU's examples.
_EDITIONS = {
    "itu453": 13, "itu618": 13, "itu676": 12, "itu835": 6, "itu836": 6, "itu837": 7, "itu838": 3, "itu839": 4,
    "itu840": 7, "itu1510": 1, "itu1511": 2,
}  # fmt: skip

_N_NODES = 801
# P.618 changes the exponent of the rain statistics at 25 deg for stations within 36 deg of the equator, with a step of
# up to a decibel or so: a node on either side of it keeps the step a step.
_STEP_ELEVATION_DEG = (25.0, 25.0 + 1e-9)
# The maps of P.836, P.837 and P.840 end at the poles and are undefined beyond: stay 0.1 km inside.
_MAX_LATITUDE_DEG = 89.999


@dataclass(frozen=True)
class SlantPathLoss:
    """Losses of slant paths to one station, tabulated over elevation and interpolated.

    The table holds loss times sin(elevation), which varies little, at nodes evenly spaced in the square root of the
    zenith angle, in which the rain model (whose slope is infinite at the zenith) is smooth. Made by `slant_path_loss`,
    the interpolated total differs from the Recommendation's by less than 0.02 dB at any elevation of 5 to 90 deg, as
    long as the loss is below 200 dB (0.0098 dB at most over 15 stations, 12 and 40 GHz, 95 to 99.999 %).

    Parameters
    ----------
    root_zenith_angle : ndarray of float, shape (n,)
        Strictly increasing square roots of the zenith angle; the first is 0. [sqrt(rad)]
    gas, cloud, rain, scintillation, total : ndarray of float, shape (n,)
        Losses times the sine of the elevation. [dB]
    """

    root_zenith_angle: FloatArray
    gas: FloatArray
    cloud: FloatArray
    rain: FloatArray
    scintillation: FloatArray
    total: FloatArray

    def _interpolated(self, scaled_db: FloatArray, elevation_rad: ArrayLike) -> FloatArray:
        elevation = np.asarray(elevation_rad, dtype=np.float64)
        lowest = math.radians(MIN_ELEVATION_DEG)
        valid = (elevation >= lowest - math.radians(_EDGE_TOLERANCE_DEG)) & (elevation <= 0.5 * np.pi + 1e-9)
        held = np.clip(elevation, lowest, 0.5 * np.pi)
        scaled = np.interp(np.sqrt(0.5 * np.pi - held), self.root_zenith_angle, scaled_db)
        loss: FloatArray = np.where(valid, scaled / np.sin(held), np.nan)
        return loss

    def loss_db(self, elevation_rad: ArrayLike) -> FloatArray:
        """Return the total loss at each elevation [rad]; nan below 5 deg, where P.618 defines no sum. [dB]."""
        return self._interpolated(self.total, elevation_rad)

    def contributions_db(self, elevation_rad: ArrayLike) -> dict[str, FloatArray]:
        """Return the loss [dB] of gas, cloud, rain and scintillation at each elevation [rad], by name."""
        parts = {"gas": self.gas, "cloud": self.cloud, "rain": self.rain, "scintillation": self.scintillation}
        return {name: self._interpolated(part, elevation_rad) for name, part in parts.items()}


def _itur() -> Any:
    """Import ITU-Rpy without letting it change the warnings of numpy, and say what to do when it is missing."""
    try:
        with np.errstate(), warnings.catch_warnings():  # its import calls np.seterr
            warnings.simplefilter("ignore")
            import itur
    except ImportError as error:
        raise OrbitsimError(
            "links.downlink.itu_availability_pct needs ITU-Rpy, which is not installed: pip install orbitsim[weather]"
        ) from error
    return itur


@contextmanager
def _editions() -> Iterator[None]:
    """Let ITU-Rpy, whose choice of editions is global, use those of `_EDITIONS` for a while."""
    models = {name: importlib.import_module(f"itur.models.{name}") for name in _EDITIONS}
    before = {name: model.get_version() for name, model in models.items()}
    changed = [name for name in models if before[name] != _EDITIONS[name]]
    try:
        for name in changed:
            models[name].change_version(_EDITIONS[name])
        yield
    finally:
        for name in changed:
            models[name].change_version(before[name])


def itu_losses_db(
    latitude_deg: float,
    longitude_deg: float,
    altitude_m: float,
    elevation_deg: ArrayLike,
    frequency_hz: float,
    effective_aperture_m: float,
    availability_pct: float,
    polarisation_tilt_deg: float = CIRCULAR_TILT_DEG,
) -> dict[str, FloatArray]:
    """Losses that slant paths exceed in the rest of an average year, straight from the Recommendations.

    Parameters
    ----------
    latitude_deg, longitude_deg : float
        Place of the station. [deg]
    altitude_m : float
        Height of the station above mean sea level. [m]
    elevation_deg : array_like
        Elevations, 5 to 90 deg. [deg]
    frequency_hz : float
        Carrier frequency, 1 to 55 GHz. [Hz]
    effective_aperture_m : float
        Effective diameter of the station's antenna, diameter times square root of efficiency: averages scintillation
        (`orbitsim.link.budget.effective_aperture_diameter_m`). [m]
    availability_pct : float
        Share of an average year in which the loss is not exceeded, 95 to 99.999. [%]
    polarisation_tilt_deg : float
        Tilt of a linear polarisation against the horizontal; 45 stands for circular polarisation. [deg]

    Returns
    -------
    dict of str to ndarray of float
        ``gas``, ``cloud``, ``rain``, ``scintillation`` and ``total``. [dB]

    Raises
    ------
    InputError
        If an argument lies outside what the Recommendations cover; all faults at once.
    OrbitsimError
        If ITU-Rpy is not installed.

    Notes
    -----
    The total is P.618-13, section 2.5: A = A_gas + sqrt((A_rain + A_cloud)^2 + A_scintillation^2), where gas and cloud
    are those of 1 % of the year if the link must hold longer. Gas: P.676-12, Annex 2; cloud: P.840-7; rain: P.618-13,
    section 2.2.1.1, with P.837-7, P.838-3 and P.839-4; scintillation: P.618-13, section 2.4.1, with P.453-13.
    Temperature, water vapour and rain are the digital maps that travel with ITU-Rpy. These editions are chosen whatever
    ITU-Rpy's own defaults are, and its choice is put back afterwards.

    References
    ----------
    .. [1] Recommendation ITU-R P.618-13 (12/2017), Propagation data and prediction methods required for the design of
       Earth-space telecommunication systems.
    .. [2] I. del Portillo, ITU-Rpy, a Python implementation of the ITU-R P. Recommendations, 2017.
    """
    elevation = np.asarray(elevation_deg, dtype=np.float64)
    _check(latitude_deg, altitude_m, elevation, frequency_hz, effective_aperture_m, availability_pct)
    itur = _itur()
    # ITU-Rpy warns at 90 deg, where its methods hold, and takes elevations of one dimension only.
    with np.errstate(all="ignore"), warnings.catch_warnings(), _editions():
        warnings.simplefilter("ignore")
        parts = itur.atmospheric_attenuation_slant_path(
            float(np.clip(latitude_deg, -_MAX_LATITUDE_DEG, _MAX_LATITUDE_DEG)),
            float(longitude_deg),
            frequency_hz / 1e9,
            elevation.ravel(),
            round(100.0 - availability_pct, 9),  # 100 - 99.9 is not quite 0.1
            effective_aperture_m,
            hs=altitude_m / 1e3,
            eta=1.0,  # the aperture is effective already
            tau=polarisation_tilt_deg,
            return_contributions=True,
        )
    names = ("gas", "cloud", "rain", "scintillation", "total")
    losses = {name: np.asarray(part.value, dtype=np.float64) for name, part in zip(names, parts, strict=True)}
    if not all(np.isfinite(loss).all() for loss in losses.values()):
        raise OrbitsimError(f"ITU-Rpy gives no loss at latitude {latitude_deg} deg, longitude {longitude_deg} deg")
    return {name: loss.reshape(elevation.shape) for name, loss in losses.items()}


def _check(
    latitude_deg: float,
    altitude_m: float,
    elevation_deg: FloatArray,
    frequency_hz: float,
    effective_aperture_m: float,
    availability_pct: float,
) -> None:
    """Raise one InputError that lists every argument outside what the Recommendations cover."""
    problems = []
    low, high = 100.0 - _MAX_UNAVAILABILITY_PCT, 100.0 - _MIN_UNAVAILABILITY_PCT
    if not low <= availability_pct <= high:
        expected = f"must lie between {low:g} and {high:g} % (ITU-R P.618 rain), not {availability_pct:g}"
        problems.append(Problem("links.downlink.itu_availability_pct", expected))
    if not _MIN_FREQUENCY_HZ <= frequency_hz <= _MAX_FREQUENCY_HZ:
        expected = f"must lie between 1e9 and 55e9 Hz for ITU-R P.618, not {frequency_hz:g}"
        problems.append(Problem("links.downlink.frequency_hz", expected))
    if not (effective_aperture_m > 0.0 and math.isfinite(effective_aperture_m)):
        expected = (
            f"the station's antenna needs a positive size for ITU-R scintillation, not {effective_aperture_m:g} m"
        )
        problems.append(Problem("links.downlink.receive_gain_dbi", expected))
    if not -90.0 <= latitude_deg <= 90.0:
        problems.append(Problem("stations.latitude_deg", f"must lie between -90 and 90, not {latitude_deg:g}"))
    if not -1e3 <= altitude_m <= 9e3:
        problems.append(Problem("stations.altitude_m", f"must lie between -1e3 and 9e3 m, not {altitude_m:g}"))
    if not ((elevation_deg >= MIN_ELEVATION_DEG) & (elevation_deg <= 90.0)).all():
        expected = f"must be at least {MIN_ELEVATION_DEG:g} with itu_availability_pct (ITU-R P.840, P.676 Annex 2)"
        problems.append(Problem("links.downlink.min_elevation_deg", expected))
    if problems:
        raise InputError(problems)


def slant_path_loss(
    latitude_deg: float,
    longitude_deg: float,
    altitude_m: float,
    frequency_hz: float,
    effective_aperture_m: float,
    availability_pct: float,
    min_elevation_deg: float,
) -> SlantPathLoss:
    """Tabulate the losses of one station over all elevations from 5 to 90 deg.

    Parameters
    ----------
    latitude_deg, longitude_deg, altitude_m, frequency_hz, effective_aperture_m, availability_pct : float
        As for `itu_losses_db`.
    min_elevation_deg : float
        Lowest elevation at which the link is used, to refuse a mask at which the Recommendations say nothing. [deg]

    Returns
    -------
    SlantPathLoss
        Interpolates with an error below 0.02 dB.

    Raises
    ------
    InputError
        If an argument, the mask included, lies outside what the Recommendations cover.
    OrbitsimError
        If ITU-Rpy is not installed.
    """
    mask = np.asarray(min_elevation_deg, dtype=np.float64)
    _check(latitude_deg, altitude_m, mask, frequency_hz, effective_aperture_m, availability_pct)
    even = np.linspace(0.0, math.sqrt(math.radians(90.0 - MIN_ELEVATION_DEG)), _N_NODES)
    root = np.union1d(even, np.sqrt(np.radians(90.0 - np.array(_STEP_ELEVATION_DEG))))
    elevation_deg = np.clip(90.0 - np.degrees(root**2), MIN_ELEVATION_DEG, 90.0)
    losses = itu_losses_db(
        latitude_deg, longitude_deg, altitude_m, elevation_deg, frequency_hz, effective_aperture_m, availability_pct
    )
    scaled = {name: loss * np.sin(np.radians(elevation_deg)) for name, loss in losses.items()}
    return SlantPathLoss(root, **scaled)
