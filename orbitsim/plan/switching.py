"""What it costs to change a split: the weights of layers that a node did not hold have to be loaded first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Weights of an interval of layers on a node, and the time to load each layer.

    Parameters
    ----------
    start, stop : int
        Layers ``start, ..., stop - 1``.
    loaded_by_s : sequence of float, (n_layers + 1,)
        Cumulative time to load the model's layers from the first on. [s]
    """

    start: int
    stop: int
    loaded_by_s: Sequence[float]

    def seconds_from(self, held: Weights | None) -> float:
        """Return the time to load what another interval does not hold; 0 for the first one, deployed beforehand. [s]"""
        if held is None:
            return 0.0
        low, high = max(self.start, held.start), min(self.stop, held.stop)
        total_s = self.loaded_by_s[self.stop] - self.loaded_by_s[self.start]
        return total_s - (self.loaded_by_s[high] - self.loaded_by_s[low]) if low < high else total_s
