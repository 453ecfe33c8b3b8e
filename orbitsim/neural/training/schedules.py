"""Closed forms of what changes over a training run: the learning rate, and the share of values that a mask keeps."""

from __future__ import annotations

import math


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


def pruned_share(step: int, n_steps: int, start: float, target: float) -> float:
    """Return the share of values that a mask keeps after a step: down a cubic to the target, then constant.

    The cubic of Zhu and Gupta (2017), Eq. (1), over the first half of the run: fast while there is much that nobody
    needs, slow towards the end, and the second half is left to what is kept.

    Parameters
    ----------
    step : int
        Steps done.
    n_steps : int
        Steps of the run.
    start, target : float
        Share at the start and at the end. [1]
    """
    progress = min(step / (_PRUNING * n_steps), 1.0) if n_steps else 1.0
    return target + (start - target) * (1.0 - progress) ** 3


_PRUNING = 0.5  # share of a run in which masks become sparser
