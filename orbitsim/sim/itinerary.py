"""Mini-batches whose every step is known beforehand: the next step follows the last, and nothing is ever rebooked."""

from __future__ import annotations

import math

from orbitsim.sim.jobs import MiniBatch
from orbitsim.sim.places import Server


class FixedItinerary:
    """Sends mini-batches along the steps that they bring, and notes when each has taken its last.

    Attributes
    ----------
    delivered_s : list of float
        When mini-batches took their last step, in that order. [s]
    """

    def __init__(self) -> None:
        self.delivered_s: list[float] = []

    def advance(self, batch: MiniBatch, now_s: float) -> Server | None:
        """Return where a mini-batch goes after a step; None after its last."""
        batch.position += 1
        if batch.position < len(batch.steps):
            return batch.steps[batch.position].server
        self.delivered_s.append(now_s)
        return None

    def rebook(self, _batch: MiniBatch, _now_s: float) -> None:
        """Refuse to send a mini-batch another way: there is no contact that it could miss."""
        raise AssertionError("a fixed itinerary has no contact to miss")

    def makespan_s(self, n_batches: int) -> float:
        """Return when the last of so many mini-batches was delivered; infinite if not all of them were [s]."""
        return max(self.delivered_s) if len(self.delivered_s) == n_batches else math.inf
