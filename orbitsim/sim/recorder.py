"""Records of a run: every passage of a mini-batch through a server, in typed columns that grow as the run goes."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Passages:
    """Passages of mini-batches through servers, in the order in which they ended.

    Attributes
    ----------
    task, batch, place, part : (n,) int
        Slot of the task, mini-batch in it, server (index into the places), and kind of service (`Part`).
    start_s, end_s : (n,) float
        Start and end of the service. [s since the epoch]
    """

    task: NDArray[np.int32]
    batch: NDArray[np.int32]
    place: NDArray[np.int32]
    part: NDArray[np.int8]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.task)


class Recorder:
    """Collects passages; one that is switched off keeps nothing."""

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self._keys = array("i")
        self._parts = array("b")
        self._times = array("d")
        self._add_keys = self._keys.extend
        self._add_part = self._parts.append
        self._add_times = self._times.extend

    def passage(self, task: int, batch: int, place: int, part: int, start_s: float, end_s: float) -> None:
        """Add one passage."""
        if self.enabled:
            self._add_keys((task, batch, place))
            self._add_part(part)
            self._add_times((start_s, end_s))

    def passages(self) -> Passages:
        """Return what was recorded, as arrays."""
        keys = np.array(self._keys, dtype=np.int32).reshape(-1, 3)
        times = np.array(self._times, dtype=np.float64).reshape(-1, 2)
        return Passages(
            task=keys[:, 0].copy(),
            batch=keys[:, 1].copy(),
            place=keys[:, 2].copy(),
            part=np.array(self._parts, dtype=np.int8),
            start_s=times[:, 0].copy(),
            end_s=times[:, 1].copy(),
        )
