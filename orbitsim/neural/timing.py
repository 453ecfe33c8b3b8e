"""Time passes through a chain of parts until the mean is known well enough, and drop those that others disturbed."""

from __future__ import annotations

import gc
import math
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
from orbitsim.neural.machine import n_processors, others_busy_s, tick_s

FloatArray = npt.NDArray[np.float64]

BUSY_SHARE = 0.03  # of the processors allowed: what others may use of those that the measurement needs
WINDOW_S = 0.25  # passes are kept or dropped together over this time: the system counts busy time in steps of 10 ms
WARM_UP_S = 0.5
_LEAST_KEPT = 0.5  # of the passes, where the time is over before enough were kept, to go on until they are


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
        Time after which to stop, once `min_repeats` were kept; or were tried, where most of them were disturbed. [s]
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
        Passes through the parts that were not kept, because others kept the machine busy; as many through the whole
        model were not, where that was timed.
    n_disturbed : int
        Passes through the parts that were kept although they did.
    """

    parts_s: FloatArray
    whole_s: FloatArray | None
    n_dropped: int
    n_disturbed: int

    @property
    def ci(self) -> float:
        """The wider of the relative half intervals of the sum of the parts and of the whole model [1]."""
        return max(relative_half_interval(totals_s) for totals_s in self._totals_s)

    @property
    def mean_over_median(self) -> float:
        """Mean over median of the sum of the parts, or of the whole model: the one further from 1 [1]."""
        ratios = [float(t_s.mean() / np.median(t_s)) for t_s in self._totals_s if np.median(t_s) > 0.0]
        return max(ratios, key=lambda ratio: abs(ratio - 1.0), default=1.0)

    @property
    def _totals_s(self) -> list[FloatArray]:
        sums_s: FloatArray = self.parts_s.sum(axis=1)
        return [sums_s] if self.whole_s is None else [sums_s, self.whole_s]


def relative_half_interval(samples: FloatArray) -> float:
    """Return half of Student's 95 % confidence interval of the mean, over the mean.

    It is the interval of the plain mean, which the rows of a trace hold: one slow pass widens it.

    Parameters
    ----------
    samples : ndarray, shape (n,)
        Independent samples. [s]

    Returns
    -------
    float
        Infinite below two samples. [1]

    References
    ----------
    Student, The probable error of a mean, Biometrika 6 (1908), 1-25.
    """
    from scipy.stats import t as student_t

    n = len(samples)
    mean = float(samples.mean()) if n else 0.0
    if n < 2 or mean <= 0.0:
        return math.inf
    return float(student_t.ppf(0.975, n - 1)) * float(samples.std(ddof=1)) / math.sqrt(n) / mean


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
    """Tells whether others used more of the processors that this process may use than the measurement leaves free.

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
        n = n_processors()
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
        When the time is over before enough passes were kept, and most were disturbed.
    """
    kinds: list[Sequence[nn.Module]] = [parts] if whole is None else [parts, [whole]]
    _warm_up(kinds, x, stopwatch, min(WARM_UP_S, 0.1 * limits.max_seconds))
    kept: list[list[list[float]]] = [[] for _ in kinds]
    n_dropped = n_disturbed = 0
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
            n_in_window = len(window[0])
            if is_disturbed and not guard.keep_all:
                n_dropped += n_in_window
            else:
                n_disturbed += n_in_window if is_disturbed else 0
                for all_kept, new in zip(kept, window, strict=True):
                    all_kept.extend(new)
            progress(len(kept[0]), limits.max_repeats)
            gc.collect(0)
            n_kept, n_tried = len(kept[0]), len(kept[0]) + n_dropped
            out_of_time = time.perf_counter() - begin_s > limits.max_seconds
            if n_kept >= limits.min_repeats:
                if out_of_time or _passes(kept, 0, 0).ci <= limits.target_ci:
                    break
            elif out_of_time and n_tried >= limits.min_repeats and n_kept < _LEAST_KEPT * n_tried:
                raise BusyError(
                    f"the machine is too busy: other programs disturbed {n_dropped} of {n_tried} passes in "
                    f"{time.perf_counter() - begin_s:.3g} s; stop them, give it more time with --max-seconds, or go on "
                    "with --allow-busy and have the rows say so"
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
