"""Ephemeris: Earth-fixed positions and velocities of a constellation, through SGP4 and Skyfield's Earth rotation.

The only module that knows Julian dates. Times are SI seconds since the scenario's epoch, positions are metres in the
ITRS as Skyfield computes it from the tables that it carries (UT1 and leap seconds; those tables hold no polar motion).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sgp4.api import SGP4_ERRORS, SatrecArray
from skyfield.api import load
from skyfield.sgp4lib import theta_GMST1982

from orbitsim.constants import SECONDS_PER_DAY
from orbitsim.errors import PropagationError
from orbitsim.orbit.constellation import Constellation

FloatArray = NDArray[np.float64]

_BLOCK_BYTES = 2_000_000  # states handled at a time: small enough to stay in the cache between SGP4 and the rotation


@lru_cache(maxsize=1)
def timescale() -> Any:
    """Return Skyfield's timescale from its built-in tables; made once, nothing is downloaded."""
    return load.timescale(builtin=True)


@dataclass(frozen=True, slots=True, eq=False)
class Epochs:
    """Moments prepared for propagation: what SGP4 and the rotation need, computed once for all satellites.

    Attributes
    ----------
    t_s : (n_t,) float array
        Seconds since the scenario's epoch. [s]
    julian_day, day_fraction : (n_t,) float array
        UTC Julian date in two parts, as SGP4 wants it. [d]
    cos_theta, sin_theta : (n_t,) float array
        Cosine and sine of the Greenwich angle that turns TEME into the Earth-fixed frame.
    theta_rate_rad_s : (n_t,) float array
        Its rate. [rad/s]
    """

    t_s: FloatArray
    julian_day: FloatArray
    day_fraction: FloatArray
    cos_theta: FloatArray
    sin_theta: FloatArray
    theta_rate_rad_s: FloatArray

    def __len__(self) -> int:
        return int(self.t_s.size)


class Ephemeris:
    """Positions of the satellites of a constellation at any time.

    Parameters
    ----------
    constellation : Constellation
        Whose satellites to propagate.
    epoch_utc : datetime
        The moment from which `t_s` counts, with a time zone.

    Raises
    ------
    ValueError
        If `epoch_utc` has no time zone.

    Notes
    -----
    SGP4 delivers positions in TEME. Skyfield turns TEME into GCRS and that into ITRS; precession and nutation cancel
    exactly between the two, which leaves one turn about the pole by Greenwich mean sidereal time of 1982 at UT1
    [1]_. It is that angle, from Skyfield, which is applied here.

    References
    ----------
    .. [1] D. A. Vallado, P. Crawford, R. Hujsak and T. S. Kelso, "Revisiting Spacetrack Report #3", AIAA 2006-6753,
       appendix C, doi:10.2514/6.2006-6753.
    """

    def __init__(self, constellation: Constellation, epoch_utc: datetime) -> None:
        if epoch_utc.tzinfo is None:
            raise ValueError(f"epoch_utc needs a time zone, got {epoch_utc!r}")
        self.constellation = constellation
        self.epoch_utc = epoch_utc.astimezone(UTC)
        self._epoch = timescale().from_datetime(self.epoch_utc)

    def __len__(self) -> int:
        return len(self.constellation)

    def skyfield_time(self, t_s: ArrayLike) -> Any:
        """Return the Skyfield ``Time`` of moments given in seconds since the epoch [s]."""
        days = np.asarray(t_s, dtype=float) / SECONDS_PER_DAY
        return timescale().tai_jd(self._epoch.whole, self._epoch.tai_fraction + days)

    def epochs(self, t_s: ArrayLike) -> Epochs:
        """Prepare moments for propagation.

        Parameters
        ----------
        t_s : (n_t,) array_like
            Seconds since the epoch, in any order. [s]

        Returns
        -------
        Epochs
            To be passed to `positions_m` and `states` in place of `t_s`.

        Raises
        ------
        ValueError
            If `t_s` is not one-dimensional or not finite.
        """
        seconds = np.array(t_s, dtype=float, ndmin=1)
        if seconds.ndim != 1 or not np.isfinite(seconds).all():
            raise ValueError(f"t_s must be one-dimensional and finite, got shape {seconds.shape}")
        time = self.skyfield_time(seconds)
        whole = np.broadcast_to(np.asarray(time.whole, dtype=float), seconds.shape)
        # The count of leap seconds has no public name in Skyfield; its own SGP4 wrapper reads it in the same way.
        leap_days = time._leap_seconds() / SECONDS_PER_DAY  # noqa: SLF001
        theta, theta_rate_per_day = theta_GMST1982(time.whole, time.ut1_fraction)
        return Epochs(
            t_s=seconds,
            julian_day=np.ascontiguousarray(whole),
            day_fraction=np.ascontiguousarray(time.tai_fraction - leap_days),
            cos_theta=np.cos(theta),
            sin_theta=np.sin(theta),
            theta_rate_rad_s=np.broadcast_to(theta_rate_per_day / SECONDS_PER_DAY, seconds.shape),
        )

    def positions_m(self, t_s: ArrayLike | Epochs, satellites: Sequence[int] | slice | None = None) -> FloatArray:
        """Earth-fixed positions.

        Parameters
        ----------
        t_s : (n_t,) array_like or Epochs
            Seconds since the epoch. [s]
        satellites : sequence of int or slice, optional
            Indices of the satellites; all if omitted.

        Returns
        -------
        (n_satellites, n_t, 3) ndarray
            Positions. [m]

        Raises
        ------
        PropagationError
            If SGP4 fails; names the satellite, the UTC time and SGP4's reason.
        """
        return self._propagate(t_s, satellites, with_velocity=False)[0]

    def states(
        self, t_s: ArrayLike | Epochs, satellites: Sequence[int] | slice | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Earth-fixed positions and velocities.

        Parameters
        ----------
        t_s : (n_t,) array_like or Epochs
            Seconds since the epoch. [s]
        satellites : sequence of int or slice, optional
            Indices of the satellites; all if omitted.

        Returns
        -------
        positions_m : (n_satellites, n_t, 3) ndarray
            Positions. [m]
        velocities_m_s : (n_satellites, n_t, 3) ndarray
            Velocities relative to the turning Earth. SGP4's velocity agrees with its own position to about 1e-5. [m/s]

        Raises
        ------
        PropagationError
            If SGP4 fails; names the satellite, the UTC time and SGP4's reason.
        """
        positions, velocities = self._propagate(t_s, satellites, with_velocity=True)
        assert velocities is not None  # noqa: S101 - narrows the type
        return positions, velocities

    def iter_positions_m(
        self, t_s: ArrayLike | Epochs, satellites: Sequence[int] | slice | None = None, *, max_bytes: int = 64_000_000
    ) -> Iterator[tuple[NDArray[np.int64], FloatArray]]:
        """Yield positions of a few satellites at a time, so that memory stays bounded.

        Parameters
        ----------
        t_s : (n_t,) array_like or Epochs
            Seconds since the epoch. [s]
        satellites : sequence of int or slice, optional
            Indices of the satellites; all if omitted.
        max_bytes : int
            Bound on the bytes of one yielded array; one satellite at least is yielded.

        Yields
        ------
        satellites : (k,) int array
            Indices of these satellites.
        positions_m : (k, n_t, 3) ndarray
            Their positions. [m]

        Raises
        ------
        PropagationError
            If SGP4 fails; names the satellite, the UTC time and SGP4's reason.
        """
        epochs = t_s if isinstance(t_s, Epochs) else self.epochs(t_s)
        indices = self.indices(satellites)
        size = max(1, max_bytes // max(1, len(epochs) * 3 * 8 * 2))  # SGP4 returns velocities beside the positions
        for first in range(0, indices.size, size):
            chunk = indices[first : first + size]
            yield chunk, self.positions_m(epochs, chunk.tolist())

    def indices(self, satellites: Sequence[int] | slice | None) -> NDArray[np.int64]:
        """Return the satellites meant by an argument as an index array."""
        everything = np.arange(len(self.constellation))
        if satellites is None:
            return everything
        return everything[satellites if isinstance(satellites, slice) else np.asarray(satellites, dtype=np.int64)]

    def _propagate(
        self, t_s: ArrayLike | Epochs, satellites: Sequence[int] | slice | None, *, with_velocity: bool
    ) -> tuple[FloatArray, FloatArray | None]:
        epochs = t_s if isinstance(t_s, Epochs) else self.epochs(t_s)
        indices = self.indices(satellites)
        shape = (indices.size, len(epochs), 3)
        positions = np.empty(shape)
        velocities = np.empty(shape) if with_velocity else None
        size = max(1, _BLOCK_BYTES // max(1, len(epochs) * 48))
        for first in range(0, indices.size, size):
            rows = slice(first, first + size)
            chunk = indices[rows]
            satrecs = SatrecArray([self.constellation.satrecs[i] for i in chunk])
            errors, r_km, v_km_s = satrecs.sgp4(epochs.julian_day, epochs.day_fraction)
            if errors.any():
                self._fail(chunk, epochs, errors)
            cos_m, sin_m = epochs.cos_theta * 1e3, epochs.sin_theta * 1e3
            turned = positions[rows]
            turned[..., 0] = cos_m * r_km[..., 0] + sin_m * r_km[..., 1]
            turned[..., 1] = cos_m * r_km[..., 1] - sin_m * r_km[..., 0]
            turned[..., 2] = r_km[..., 2] * 1e3
            if velocities is not None:
                moved = velocities[rows]
                moved[..., 0] = cos_m * v_km_s[..., 0] + sin_m * v_km_s[..., 1]
                moved[..., 1] = cos_m * v_km_s[..., 1] - sin_m * v_km_s[..., 0]
                moved[..., 2] = v_km_s[..., 2] * 1e3
                moved[..., 0] += epochs.theta_rate_rad_s * turned[..., 1]
                moved[..., 1] -= epochs.theta_rate_rad_s * turned[..., 0]
        return positions, velocities

    def _fail(self, satellites: NDArray[np.int64], epochs: Epochs, errors: NDArray[np.uint8]) -> None:
        lines = []
        for row in np.flatnonzero(errors.any(axis=1)):
            failed = np.flatnonzero(errors[row])
            first = failed[np.argmin(epochs.t_s[failed])]
            reason = SGP4_ERRORS.get(int(errors[row, first]), f"error {errors[row, first]}")
            when = self.skyfield_time(epochs.t_s[first]).utc_iso(places=3)
            lines.append(f"satellite {self.constellation.names[satellites[row]]!r}: SGP4 fails at {when}: {reason}")
        raise PropagationError("\n".join(lines))
