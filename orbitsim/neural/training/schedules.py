"""Closed forms of what changes over a training run: learning rate, and the weight that meets a constraint."""

from __future__ import annotations

import math
from dataclasses import dataclass


def warm_cosine(step: int, n_steps: int, n_warmup: int, floor: float = 0.0) -> float:
    """Return the factor of a learning rate: linear warm-up from 1 / n_warmup to 1, then half a cosine to `floor`.

    Parameters
    ----------
    step : int
        Steps done before this one, 0 .. n_steps - 1.
    n_steps : int
        Steps of the run.
    n_warmup : int
        Steps of the warm-up; at most n_steps.
    floor : float
        Factor at the end, in [0, 1]. [1]
    """
    if step < n_warmup:
        return (step + 1) / n_warmup
    left = max(n_steps - n_warmup, 1)
    progress = min((step - n_warmup) / left, 1.0)
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * progress))


def dual_weight(weight: float, measured: float, target: float, gain: float) -> float:
    """Return the weight of a constraint ``measured <= target`` after one step of ascent on its logarithm.

    The weight grows while more is measured than wanted and shrinks while less is, each by a factor that depends on the
    relative distance only: log w' = log w + gain * clip(measured / target - 1, -1, 1).

    Parameters
    ----------
    weight : float
        Weight so far, above 0.
    measured, target : float
        In the same unit; the target above 0.
    gain : float
        Step of the logarithm at a relative distance of 1. [1]
    """
    distance = min(max(measured / target - 1.0, -1.0), 1.0)
    return min(max(weight * math.exp(gain * distance), _LEAST), _MOST)


_LEAST, _MOST = 1e-8, 1e8


@dataclass
class Controller:
    """The weight of a sparsity or rate term, steered until what it presses down reaches its target.

    Attributes
    ----------
    target : float
        Wanted value.
    weight : float
        Weight in the loss.
    gain : float
        See `dual_weight`.
    """

    target: float
    weight: float
    gain: float

    def update(self, measured: float) -> None:
        """Take what was measured in this step into account."""
        self.weight = dual_weight(self.weight, measured, self.target, self.gain)
