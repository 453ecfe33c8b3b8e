"""Constellations: shells of satellites, generated after Walker's patterns or read from a file.

A generated satellite gets mean elements and goes through SGP4 like a real one. Satellite s of plane p (S in a plane, P
planes, T = S P, phasing F) has right ascension ``raan + 360 p / P`` (Delta; ``180 p / P`` for Star), mean anomaly
``360 s / S + 360 F p / T``, argument of perigee, eccentricity and drag 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sgp4.api import WGS72, Satrec

from orbitsim.constants import SECONDS_PER_DAY, WGS72_GM_M3_S2, WGS72_RADIUS_M
from orbitsim.errors import InputError, Problem

WALKER_SPREAD_DEG = {"walker-delta": 360.0, "walker-star": 180.0}  # over which the planes' nodes are spread

_SGP4_EPOCH = datetime(1949, 12, 31, tzinfo=UTC)  # SGP4 counts days from here
_MAX_CATALOGUE_NUMBER = 339_999  # the last that SGP4's alpha-5 field can hold


@dataclass(frozen=True, slots=True, eq=False)
class Shell:
    """Satellites that belong together.

    Attributes
    ----------
    name : str
        Name of the shell.
    kind : str
        ``"walker-delta"``, ``"walker-star"``, ``"tle"`` or ``"omm"``.
    names : tuple of str
        Name of each satellite, unique within the shell.
    satrecs : tuple of sgp4.api.Satrec
        Element set of each satellite.
    n_planes : int
        Number of orbital planes; 1 for satellites from a file.
    plane, slot : (n,) int array
        Plane of each satellite and its place in the plane, in the direction of motion.
    phasing : int
        Walker's F.
    """

    name: str
    kind: str
    names: tuple[str, ...]
    satrecs: tuple[Any, ...]
    n_planes: int
    plane: NDArray[np.int64]
    slot: NDArray[np.int64]
    phasing: int = 0

    def __len__(self) -> int:
        return len(self.names)


class Constellation:
    """All satellites of a scenario, shell after shell.

    Parameters
    ----------
    shells : iterable of Shell
        The shells; satellites are numbered in this order.

    Raises
    ------
    InputError
        If there is no satellite, or two satellites share a name.
    """

    def __init__(self, shells: Iterable[Shell]) -> None:
        self.shells: tuple[Shell, ...] = tuple(shells)
        self.names: tuple[str, ...] = tuple(name for shell in self.shells for name in shell.names)
        self.satrecs: tuple[Any, ...] = tuple(satrec for shell in self.shells for satrec in shell.satrecs)
        if not self.names:
            raise InputError(Problem("shells", "expected at least one satellite, found none"))
        if len(self.index) != len(self.names):
            repeated = sorted(name for name, count in Counter(self.names).items() if count > 1)
            raise InputError(
                Problem("shells", f"expected a name of its own for every satellite, repeated: {', '.join(repeated)}")
            )

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def index(self) -> dict[str, int]:
        """Index of each satellite by its name."""
        return {name: i for i, name in enumerate(self.names)}

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Where each shell's satellites lie in the numbering."""
        ends = list(accumulate(len(shell) for shell in self.shells))
        return tuple(slice(end - len(shell), end) for shell, end in zip(self.shells, ends, strict=True))


def sgp4_epoch_days(epoch_utc: datetime) -> float:
    """Return a UTC moment as the day count of SGP4's initialisation [d]."""
    if epoch_utc.tzinfo is None:
        raise ValueError(f"epoch_utc needs a time zone, got {epoch_utc!r}")
    return (epoch_utc - _SGP4_EPOCH).total_seconds() / SECONDS_PER_DAY


def mean_motion_rad_s(altitude_m: float) -> float:
    """Kozai mean motion of a circular orbit at a mean altitude over the WGS-72 equatorial radius.

    Parameters
    ----------
    altitude_m : float
        Semi-major axis less the equatorial radius that SGP4 uses. [m]

    Returns
    -------
    float
        Mean motion. [rad/s]
    """
    return float(np.sqrt(WGS72_GM_M3_S2 / (WGS72_RADIUS_M + altitude_m) ** 3))


def walker_shell(
    *,
    name: str,
    kind: str,
    altitude_m: float,
    inclination_deg: float,
    n_satellites: int,
    n_planes: int,
    phasing: int,
    raan_deg: float,
    epoch_utc: datetime,
) -> Shell:
    """Generate a Walker-Delta or Walker-Star shell.

    Parameters
    ----------
    name : str
        Name of the shell; satellites are ``<name>-NN``, numbered plane by plane.
    kind : str
        ``"walker-delta"``: planes spread over 360 deg; ``"walker-star"``: over 180 deg.
    altitude_m : float
        Semi-major axis less 6,378.135 km. [m]
    inclination_deg : float
        Inclination. [deg]
    n_satellites, n_planes, phasing : int
        Walker's T, P and F.
    raan_deg : float
        Right ascension of the ascending node of plane 0. [deg]
    epoch_utc : datetime
        Epoch of the elements.

    Returns
    -------
    Shell
        The satellites.

    Raises
    ------
    ValueError
        If `kind` is unknown, T is not a positive multiple of P, or F is not in 0 .. P-1.

    References
    ----------
    .. [1] J. G. Walker, "Satellite constellations", Journal of the British Interplanetary Society 37, 559-571 (1984).
    """
    if kind not in WALKER_SPREAD_DEG:
        raise ValueError(f"kind must be one of {sorted(WALKER_SPREAD_DEG)}, got {kind!r}")
    if n_planes < 1 or n_satellites < 1 or n_satellites % n_planes:
        raise ValueError(f"n_satellites (={n_satellites}) must be a positive multiple of n_planes (={n_planes})")
    if not 0 <= phasing < n_planes:
        raise ValueError(f"phasing (={phasing}) must be in 0 .. n_planes - 1 (={n_planes - 1})")
    n_slots = n_satellites // n_planes
    number = np.arange(n_satellites)
    plane, slot = number // n_slots, number % n_slots
    raan = np.radians((raan_deg + WALKER_SPREAD_DEG[kind] * plane / n_planes) % 360.0)
    anomaly = np.radians((360.0 * slot / n_slots + 360.0 * phasing * plane / n_satellites) % 360.0)
    epoch_days = sgp4_epoch_days(epoch_utc)
    no_kozai = mean_motion_rad_s(altitude_m) * 60.0  # SGP4 counts in minutes
    satrecs = []
    for i in range(n_satellites):
        satrec = Satrec()
        satrec.sgp4init(
            WGS72,
            "i",
            i % _MAX_CATALOGUE_NUMBER + 1,
            epoch_days,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            np.radians(inclination_deg),
            float(anomaly[i]),
            no_kozai,
            float(raan[i]),
        )
        satrecs.append(satrec)
    width = max(2, len(str(n_satellites - 1)))
    names = tuple(f"{name}-{i:0{width}d}" for i in range(n_satellites))
    return Shell(name, kind, names, tuple(satrecs), n_planes, plane, slot, phasing)
