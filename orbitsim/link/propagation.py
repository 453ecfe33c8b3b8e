"""Time that a bit travels: the range of a link over the speed of light, held constant within each step."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from orbitsim.constants import SPEED_OF_LIGHT_M_S
from orbitsim.link.piecewise import FloatArray


@dataclass(frozen=True, eq=False)
class PropagationDelay:
    """Delay of a link as a step function of the time at which a bit leaves.

    Value i holds for departures in ``(starts_s[i], starts_s[i + 1]]``: a transfer that ends exactly when a window
    closes left while the window was open. Before the first step its value holds, after the last one (and in the gaps
    between windows, in which nothing leaves) that of the step before.

    Parameters
    ----------
    starts_s : array_like, shape (n,), n >= 1
        Strictly increasing starts of the steps. [s]
    delays_s : array_like, shape (n,)
        Delay in each step, finite, not negative. [s]

    Raises
    ------
    ValueError
        If the shapes differ or are empty, the starts do not increase, or a delay is not valid.
    """

    starts_s: FloatArray
    delays_s: FloatArray

    def __post_init__(self) -> None:
        starts, delays = np.array(self.starts_s, dtype=np.float64), np.array(self.delays_s, dtype=np.float64)
        if starts.ndim != 1 or starts.shape != delays.shape or not starts.size:
            raise ValueError(f"starts_s and delays_s must be equally long vectors, not {starts.shape}, {delays.shape}")
        if not (np.isfinite(starts).all() and (np.diff(starts) > 0.0).all()):
            raise ValueError("starts_s must be finite and strictly increasing")
        if not (np.isfinite(delays).all() and (delays >= 0.0).all()):
            raise ValueError("delays_s must be finite and not negative")
        starts.flags.writeable = delays.flags.writeable = False
        object.__setattr__(self, "starts_s", starts)
        object.__setattr__(self, "delays_s", delays)

    @classmethod
    def constant(cls, delay_s: float) -> PropagationDelay:
        """Delay [s] that never changes."""
        return cls(np.zeros(1), np.array([delay_s]))

    @classmethod
    def from_ranges(cls, starts_s: ArrayLike, ranges_m: ArrayLike) -> PropagationDelay:
        """Delay d/c of ranges [m] held constant from each of `starts_s` [s] to the next."""
        return cls(np.asarray(starts_s, np.float64), np.asarray(ranges_m, np.float64) / SPEED_OF_LIGHT_M_S)

    def delay_s(self, t_s: ArrayLike) -> FloatArray:
        """Return the delay [s] of bits that leave at `t_s` [s], any shape."""
        held: FloatArray = self.delays_s[
            np.maximum(np.searchsorted(self.starts_s, np.asarray(t_s, np.float64), side="left") - 1, 0)
        ]
        return held

    def delay_at(self, t_s: float) -> float:
        """Scalar twin of `delay_s`, in plain floats."""
        starts, delays = self._lists
        i = bisect_left(starts, t_s) - 1
        return delays[max(i, 0)]

    @cached_property
    def _lists(self) -> tuple[list[float], list[float]]:
        return self.starts_s.tolist(), self.delays_s.tolist()
