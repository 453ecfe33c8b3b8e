"""Time passes through a chain of parts until the mean is known well enough, and drop those that others disturbed."""

from __future__ import annotations

import gc
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from orbitsim.errors import OrbitsimError
from orbitsim.neural.machine import others_busy_s, tick_s

FloatArray = npt.NDArray[np.float64]

BUSY_SHARE = 0.03  # of all processors: what others may use of those that the measurement needs
WINDOW_S = 0.25  # passes are kept or dropped together over this time: the system counts busy time in steps of 10 ms
WARM_UP_S = 0.5
_TRIMMED_SHARE = 0.1  # of the samples, at each end, of the mean whose interval ends the repeats
_FEW_WINDOWS = 10  # before it is said that the machine is too busy
_MOST_DROPPED = 0.75  # of all windows


class BusyError(OrbitsimError):
    """Other programs keep the machine so busy that nothing can be timed."""


@dataclass(frozen=True)
class Limits:
    """When to stop repeating.

    Attributes
    ----------
    target_ci : float
        Half the 95 % confidence interval over the mean that is good enough. [1]
    max_seconds : float
        Time after which to stop, once `min_repeats` were kept. [s]
    min_repeats, max_repeats : int
        Fewest and most passes that are kept. [1]
    """

    target_ci: float = 0.01
    max_seconds: float = 30.0
    min_repeats: int = 4
    max_repeats: int = 200


@dataclass(frozen=True, eq=False)
class Passes:
    """What was timed.

    Attributes
    ----------
    parts_s : ndarray, shape (n, P)
        Seconds of each part in each kept pass. [s]
    whole_s : ndarray, shape (n,), or None
        Seconds of each kept pass through the whole model. [s]
    n_dropped : int
        Passes that were not kept, because others kept the machine busy.
    n_disturbed : int
        Passes that were kept although they did.
    """

    parts_s: FloatArray
    whole_s: FloatArray | None
    n_dropped: int
    n_disturbed: int

    @property
    def ci(self) -> float:
        """The wider of the relative half intervals of the sum of the parts and of the whole model [1]."""
        widths = [relative_half_interval(self.parts_s.sum(axis=1))]
        if self.whole_s is not None:
            widths.append(relative_half_interval(self.whole_s))
        return max(widths)


def relative_half_interval(samples: FloatArray) -> float:
    """Return half the 95 % confidence interval of the trimmed mean over that mean.

    A tenth of the samples is trimmed at each end (none below ten samples, where this is Student's interval of the
    mean); the deviation is that of the winsorised samples, the degrees of freedom those that remain.

    Parameters
    ----------
    samples : ndarray, shape (n,)
        Independent samples. [s]

    Returns
    -------
    float
        Infinite below three samples. [1]

    References
    ----------
    Tukey and McLaughlin, Less vulnerable confidence and significance procedures for location based on a single sample:
    trimming/winsorization 1, Sankhya A 25 (1963), 331-352.
    """
    from scipy.stats import t as student_t

    n = len(samples)
    if n < 3:
        return math.inf
    cut = int(_TRIMMED_SHARE * n)
    ordered = np.sort(samples)
    mean = float(ordered[cut : n - cut].mean())
    winsorised = np.clip(ordered, ordered[cut], ordered[n - cut - 1])
    deviation = float(winsorised.std(ddof=1)) / (1.0 - 2.0 * cut / n)
    quantile = float(student_t.ppf(0.975, n - 2 * cut - 1))
    return quantile * deviation / math.sqrt(n) / mean if mean > 0.0 else math.inf


class Stopwatch(Protocol):
    """Times the parts of one pass."""

    how_timed: str

    def time(self, parts: Sequence[nn.Module], x: Tensor) -> list[float]:
        """Return the seconds of each part, run one after another on the output of the one before."""
        ...


class CpuStopwatch:
    """The monotonic clock between parts."""

    how_timed = "perf_counter"

    def time(self, parts: Sequence[nn.Module], x: Tensor) -> list[float]:
        """Return the seconds of each part."""
        seconds = []
        for part in parts:
            begin_s = time.perf_counter()
            x = part(x)
            seconds.append(time.perf_counter() - begin_s)
        return seconds


class CudaStopwatch:
    """CUDA events between parts, with one synchronisation at the end of the pass."""

    how_timed = "cuda-events"

    def time(self, parts: Sequence[nn.Module], x: Tensor) -> list[float]:
        """Return the seconds of each part."""
        event_type: Any = torch.cuda.Event  # its constructor has no types
        events = [event_type(enable_timing=True) for _ in range(len(parts) + 1)]
        torch.cuda.synchronize(x.device)
        events[0].record()
        for part, event in zip(parts, events[1:], strict=True):
            x = part(x)
            event.record()
        torch.cuda.synchronize(x.device)
        return [1e-3 * a.elapsed_time(b) for a, b in pairwise(events)]


@dataclass(frozen=True)
class Guard:
    """Tells whether others used more of the processors than the measurement leaves free.

    Attributes
    ----------
    n_threads : int
        Processors that the measurement needs; 0 switches the guard off (a GPU does the work).
    keep_all : bool
        Keep disturbed passes too, and count them.
    """

    n_threads: int
    keep_all: bool = False

    def disturbed(self, wall_s: float, busy_s: float) -> bool:
        """Whether `busy_s` processor seconds of others, over `wall_s`, are too many."""
        if self.n_threads == 0:
            return False
        n = os.cpu_count() or 1
        allowed = max(0, n - self.n_threads) + BUSY_SHARE * n
        return busy_s > allowed * wall_s + tick_s()


def time_passes(
    parts: Sequence[nn.Module],
    whole: nn.Module | None,
    x: Tensor,
    stopwatch: Stopwatch,
    limits: Limits,
    guard: Guard,
    progress: Callable[[int, int], None],
    after_pass: Callable[[], None],
) -> Passes:
    """Time passes through the parts, alternating with passes through the whole model.

    Parameters
    ----------
    parts : sequence of Module
        The chain.
    whole : Module or None
        The whole model, where it is to be timed too.
    x : Tensor
        Input of the first part and of the whole model.
    stopwatch, limits, guard
        How to time, when to stop, what to drop.
    progress : callable
        Called with the passes kept and the most there may be.
    after_pass : callable
        Called after each pass, outside of the time taken (sensors are read there).

    Raises
    ------
    BusyError
        When most passes are disturbed.
    """
    kinds: list[Sequence[nn.Module]] = [parts] if whole is None else [parts, [whole]]
    _warm_up(kinds, x, stopwatch, min(WARM_UP_S, 0.1 * limits.max_seconds))
    kept: list[list[list[float]]] = [[] for _ in kinds]
    n_windows = n_dropped_windows = n_dropped = n_disturbed = 0
    begin_s = time.perf_counter()
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        while len(kept[0]) < limits.max_repeats:
            window: list[list[list[float]]] = [[] for _ in kinds]
            window_s, busy_s = time.perf_counter(), others_busy_s()
            while time.perf_counter() - window_s < WINDOW_S and len(kept[0]) + len(window[0]) < limits.max_repeats:
                for number, units in enumerate(kinds):
                    window[number].append(stopwatch.time(units, x))
                    after_pass()
            elapsed_s = time.perf_counter() - window_s
            is_disturbed = guard.disturbed(elapsed_s, others_busy_s() - busy_s)
            n_windows += 1
            n_in_window = sum(map(len, window))
            if is_disturbed and not guard.keep_all:
                n_dropped += n_in_window
                n_dropped_windows += 1
            else:
                n_disturbed += n_in_window if is_disturbed else 0
                for all_kept, new in zip(kept, window, strict=True):
                    all_kept.extend(new)
            progress(len(kept[0]), limits.max_repeats)
            gc.collect(0)
            out_of_time = time.perf_counter() - begin_s > limits.max_seconds
            if len(kept[0]) >= limits.min_repeats:
                if out_of_time or _passes(kept, 0, 0).ci <= limits.target_ci:
                    break
            elif out_of_time and n_windows >= _FEW_WINDOWS and n_dropped_windows > _MOST_DROPPED * n_windows:
                raise BusyError(
                    f"the machine is too busy: other programs disturbed {n_dropped_windows} of {n_windows} "
                    "measurements; stop them, or go on with --allow-busy and have the rows say so"
                )
    finally:
        if was_collecting:
            gc.enable()
    return _passes(kept, n_dropped, n_disturbed)


def _passes(kept: list[list[list[float]]], n_dropped: int, n_disturbed: int) -> Passes:
    whole_s = np.array(kept[1])[:, 0] if len(kept) > 1 else None
    return Passes(np.array(kept[0]), whole_s, n_dropped, n_disturbed)


def _warm_up(kinds: Sequence[Sequence[nn.Module]], x: Tensor, stopwatch: Stopwatch, shortest_s: float) -> None:
    begin_s = time.perf_counter()
    while True:
        for units in kinds:
            stopwatch.time(units, x)
        if time.perf_counter() - begin_s > shortest_s:
            return
