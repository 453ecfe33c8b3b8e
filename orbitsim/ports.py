"""Protocols that users implement: their own planner, link model or codec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # the planning problem lies above this layer; only its name is needed here
    from orbitsim.plan.problem import Problem
    from orbitsim.types.plan import Plan


@runtime_checkable
class Planner(Protocol):
    """Decides which node computes which layers and with which ratio activations cross each hop."""

    def __call__(self, problem: Problem) -> Plan:
        """Return a feasible plan of the problem; raise `InfeasibleError` when there is none."""
        ...


@runtime_checkable
class LinkModel(Protocol):
    """Turns geometry into a rate; vectorised over range and elevation."""

    def rate_bps(self, range_m: NDArray[np.float64], elevation_rad: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """Return the rate at each range (and elevation at the station; None for a crosslink). [bit/s]"""
        ...

    def snr_db(
        self, range_m: NDArray[np.float64], elevation_rad: NDArray[np.float64] | None
    ) -> NDArray[np.float64] | None:
        """Return the signal-to-noise ratio, or None for a link whose rate is fixed. [dB]"""
        ...


@runtime_checkable
class Codec(Protocol):
    """Turns an activation into bytes and back."""

    def encode(self, tensor: NDArray[np.float32]) -> bytes:
        """Return the bytes that cross the hop."""
        ...

    def decode(self, data: bytes) -> NDArray[np.float32]:
        """Return the activation that the next node computes with; raise on corrupted data."""
        ...
