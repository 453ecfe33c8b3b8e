"""What a board drew while something ran: a monitor's log laid over the times of a recording. Pure numpy.

A log has a reading every 0.1 to 2 s, a block takes milliseconds: the energy of one execution is its time multiplied by
the power between the readings around it, so executions within one interval of the log share one power.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from orbitsim.errors import InputError
from orbitsim.workload.importers.base import FloatArray, Recording, Telemetry, Timing
from orbitsim.workload.importers.rails import board_power

Method = Literal["trapezoid", "step"]

GAP_INTERVALS = 5.0  # a hole in the log: more than so many of its usual intervals without a reading
BUSY_SHARE = 0.5  # of the highest load seen: above it the processor counts as busy


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a board drew, and how it was, while one thing ran.

    Attributes
    ----------
    power_w : float
        Mean power, weighted by time. [W]
    energy_j : float
        Mean energy of one execution. [J]
    temperature_k, clock_hz : float, optional
        Means over the same times, where the log has them. [K], [Hz]
    n_covered, n_executions : int
        Executions that lie within the log, and all.
    """

    power_w: float
    energy_j: float
    temperature_k: float | None
    clock_hz: float | None
    n_covered: int
    n_executions: int


@dataclass(frozen=True, slots=True)
class Joined:
    """Conditions of every part of a recording (None for a part of no duration) and of the whole, and how they came."""

    parts: tuple[Conditions | None, ...]
    forward: Conditions | None
    rails: tuple[str, ...]
    notes: tuple[str, ...]


def log_times(
    recording: Recording,
    telemetry: Telemetry,
    *,
    offset_s: float | None = None,
    interval_s: float | None = None,
    same_clock: bool = False,
) -> tuple[FloatArray, float]:
    """Return the times of a log's lines, and what to add to a recording's times to get to the same clock.

    Parameters
    ----------
    recording : Recording
        With times of execution on the clock `time_basis`.
    telemetry : Telemetry
        A log.
    offset_s : float, optional
        On the same kind of clock, how far the log's is ahead (default 0). On different clocks, the time from the log's
        first line to the recording's first execution: then needed. [s]
    interval_s : float, optional
        Time between two lines, needed where lines have no time stamp. [s]
    same_clock : bool
        Whether both come from one file, whose times are on one clock whatever it is.

    Returns
    -------
    time_s : ndarray, shape (n,)
        Seconds since the log's first line. [s]
    shift_s : float
        To add to `Timing.start_s`. [s]

    Raises
    ------
    InputError
        When the clocks cannot be brought together by what is known.
    """
    if telemetry.time_basis == "index":
        if interval_s is None:
            raise InputError("expected time stamps in the log, found none: give the time between lines, --interval-s")
        if not (np.isfinite(interval_s) and interval_s > 0):
            raise InputError(f"expected --interval-s as a number of seconds above 0, got {interval_s}")
    elif interval_s is not None:
        raise InputError("expected no --interval-s: the lines of the log have time stamps of their own")
    if offset_s is not None and not np.isfinite(offset_s):
        raise InputError(f"expected --offset-s as a finite number of seconds, got {offset_s}")
    if not len(telemetry.time_s):
        raise InputError("expected at least one line in the log, found none")
    first = telemetry.time_s[0]
    time_s = (telemetry.time_s - first) * (interval_s if interval_s is not None else 1.0)
    absolute = recording.time_basis == telemetry.time_basis and recording.time_basis in {"utc", "local"}
    if same_clock or absolute:
        return time_s, float((offset_s or 0.0) - first)
    if offset_s is None:
        raise InputError(
            f"expected the same clock in both files, found {recording.time_basis!r} in the timings and"
            f" {telemetry.time_basis!r} in the log: give the seconds from the log's first line to the first execution,"
            " --offset-s (or join means only, --whole-log)"
        )
    starts = [start for timing in _timed(recording) for start in timing.start_s or ()]
    if not starts:
        raise InputError(_NO_TIMES)
    return time_s, float(offset_s - min(starts))


_NO_TIMES = (
    "expected times of single executions in the timings, found none: the log can be joined with --whole-log only"
)


def _timed(recording: Recording) -> tuple[Timing, ...]:
    whole = (recording.forward,) if recording.forward is not None else ()
    return tuple(timing for timing in (*recording.parts, *whole) if timing.start_s and timing.samples_s)


def mean_over(
    time_s: FloatArray, values: FloatArray, start_s: FloatArray, end_s: FloatArray, *, method: Method = "trapezoid"
) -> FloatArray:
    """Return the time-weighted mean of readings over spans of time.

    Parameters
    ----------
    time_s : ndarray, shape (n,)
        Times of the readings, not decreasing; readings at one time are averaged. [s]
    values : ndarray, shape (n,)
        Readings; nan where there is none.
    start_s, end_s : ndarray, shape (m,)
        Spans, each of some length. [s]
    method : {'trapezoid', 'step'}
        Straight lines between the readings, or each reading held until the next.

    Returns
    -------
    ndarray, shape (m,)
        Means; nan where a span is not wholly within the readings, or reaches into a hole of more than `GAP_INTERVALS`
        times their median interval.

    Raises
    ------
    ValueError
        When times run backwards.
    """
    if np.any(np.diff(time_s) < 0):
        raise ValueError("expected times that do not run backwards")
    good = np.isfinite(values)
    nodes, inverse = np.unique(time_s[good], return_inverse=True)
    if len(nodes) < 2:
        return np.full(np.shape(start_s), np.nan)
    levels = np.bincount(inverse, weights=values[good]) / np.bincount(inverse)
    steps = np.diff(nodes)
    slopes = np.diff(levels) / steps if method == "trapezoid" else np.zeros(len(steps))
    holes = steps > GAP_INTERVALS * np.median(steps)
    areas = np.concatenate([[0.0], np.cumsum(levels[:-1] * steps + 0.5 * slopes * steps**2)])
    hole_s = np.concatenate([[0.0], np.cumsum(np.where(holes, steps, 0.0))])

    def upto(t: FloatArray, left: FloatArray, slope: FloatArray, total: FloatArray) -> FloatArray:
        cell = np.clip(np.searchsorted(nodes, t, side="right") - 1, 0, len(steps) - 1)
        dt = t - nodes[cell]
        return np.asarray(total[cell] + left[cell] * dt + 0.5 * slope[cell] * dt**2)

    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (upto(end_s, levels[:-1], slopes, areas) - upto(start_s, levels[:-1], slopes, areas)) / (end_s - start_s)
        none = np.zeros(len(steps))
        in_hole = upto(end_s, holes.astype(float), none, hole_s) - upto(start_s, holes.astype(float), none, hole_s)
    inside = (start_s >= nodes[0]) & (end_s <= nodes[-1]) & (end_s > start_s) & (in_hole <= 0.0)
    return np.where(inside, mean, np.nan)


def join(
    recording: Recording,
    telemetry: Telemetry,
    *,
    rails: Sequence[str] | None = None,
    offset_s: float | None = None,
    interval_s: float | None = None,
    same_clock: bool = False,
    method: Method = "trapezoid",
) -> Joined:
    """Lay a log over a recording by time.

    Parameters
    ----------
    recording : Recording
        With times of execution.
    telemetry : Telemetry
        A monitor's log.
    rails : sequence of str, optional
        Rails that make up the board's input; default: as in `board_power`.
    offset_s, interval_s, same_clock : optional
        As in `log_times`.
    method : {'trapezoid', 'step'}
        As in `mean_over`.

    Returns
    -------
    Joined
        Conditions of each part and of the whole.

    Raises
    ------
    InputError
        When the clocks cannot be brought together, or a part has no execution within the log.
    """
    if not _timed(recording):
        raise InputError(_NO_TIMES)
    power, used = board_power(telemetry, rails)
    time_s, shift_s = log_times(recording, telemetry, offset_s=offset_s, interval_s=interval_s, same_clock=same_clock)
    backwards = np.flatnonzero(np.diff(time_s) < 0)
    if len(backwards):
        raise InputError(f"expected a log whose clock does not run backwards; it does after line {backwards[0] + 1}")
    temperature = _reading(telemetry.temperature_k, "gpu", "tj")
    clock = _reading(telemetry.clock_hz, "gpu", "gpu0")

    def conditions(timing: Timing) -> Conditions | None:
        if timing.mean_s <= 0:
            return None
        if not (timing.start_s and timing.samples_s) or len(timing.start_s) != len(timing.samples_s):
            raise InputError(f"{timing.name}: {_NO_TIMES}")
        length = np.asarray(timing.samples_s, dtype=np.float64)
        start = np.asarray(timing.start_s, dtype=np.float64) + shift_s
        watts = mean_over(time_s, power, start, start + length, method=method)
        covered = np.isfinite(watts)
        if not covered.any():
            raise InputError(_apart(timing.name, start, start + length, time_s))
        return Conditions(
            power_w=float(np.average(watts[covered], weights=length[covered])),
            energy_j=float(np.mean(watts[covered] * length[covered])),
            temperature_k=_mean_reading(time_s, temperature, start[covered], length[covered], method),
            clock_hz=_mean_reading(time_s, clock, start[covered], length[covered], method),
            n_covered=int(covered.sum()),
            n_executions=len(length),
        )

    parts = tuple(conditions(timing) for timing in recording.parts)
    forward = None
    if recording.forward is not None and (recording.forward.start_s or not recording.parts):
        forward = conditions(recording.forward)
    rule = "straight lines between readings" if method == "trapezoid" else "each reading held until the next"
    notes = [f"power is {' + '.join(used)} of a monitor's log, joined by time ({rule})"]
    every = [found for found in (*parts, forward) if found is not None]
    left_out = sum(found.n_executions - found.n_covered for found in every)
    if left_out:
        notes.append(f"{left_out} of {sum(found.n_executions for found in every)} executions lie outside the log")
    return Joined(parts, forward, used, tuple(notes))


def busy_conditions(
    telemetry: Telemetry, *, rails: Sequence[str] | None = None, window_s: tuple[float, float] | None = None
) -> tuple[Conditions, tuple[str, ...]]:
    """Return the mean conditions of the busy lines of a log, for timings without usable times (a whole-window join).

    Parameters
    ----------
    telemetry : Telemetry
        A log whose every line weighs the same.
    rails : sequence of str, optional
        As in `board_power`.
    window_s : (float, float), optional
        Only lines from the first to the second of these times, counted from the first line (in lines, where the log has
        no time stamps). Of these, and without a window of the whole log, those count whose GPU load is at least
        `BUSY_SHARE` of the highest; all of a window if the load is unknown. [s]

    Returns
    -------
    conditions : Conditions
        With `energy_j` of one second.
    notes : tuple of str
        What was averaged.

    Raises
    ------
    InputError
        When there is neither a load to tell busy from idle nor a window, or no line is left.
    """
    power, used = board_power(telemetry, rails)
    name = " + ".join(used)
    since = telemetry.time_s - telemetry.time_s[0]
    within = (since >= window_s[0]) & (since <= window_s[1]) if window_s is not None else np.full(len(since), True)
    where = f" between {window_s[0]:g} and {window_s[1]:g} of the log" if window_s is not None else ""
    load = _reading(telemetry.load, "gpu", "gpu0", "gr3d")
    highest = np.nanmax(load[within], initial=0.0) if load is not None else 0.0
    if load is not None and highest > 0:
        chosen = within & (np.nan_to_num(load) >= BUSY_SHARE * highest)
        what = f"lines{where} with at least {BUSY_SHARE:.0%} of the highest GPU load"
    elif window_s is not None:
        chosen, what = within, f"lines{where}"
    else:
        raise InputError("expected the load of the GPU in the log, to tell busy from idle: give --window-s FROM,TO")
    chosen &= np.isfinite(power)
    if not chosen.any():
        raise InputError(f"expected lines with the power of {name} among the {what}, found none")

    def mean(values: FloatArray | None) -> float | None:
        kept = values[chosen & np.isfinite(values)] if values is not None else np.empty(0)
        return float(np.mean(kept)) if len(kept) else None

    watts = float(np.mean(power[chosen]))
    temperature = mean(_reading(telemetry.temperature_k, "gpu", "tj"))
    clock = mean(_reading(telemetry.clock_hz, "gpu", "gpu0"))
    found = Conditions(watts, watts, temperature, clock or None, int(chosen.sum()), len(power))
    note = f"power is the mean {name} of {int(chosen.sum())} of {len(power)} {what}: {watts:.4g} W for every part alike"
    return found, (note, "energy of a row is that one power times its time: modelled, not measured part by part")


def _reading(values: Mapping[str, FloatArray], *names: str) -> FloatArray | None:
    by_name = {name.lower(): array for name, array in values.items()}
    return next((by_name[name] for name in names if name in by_name), None)


def _mean_reading(
    time_s: FloatArray, values: FloatArray | None, start_s: FloatArray, length_s: FloatArray, method: Method
) -> float | None:
    if values is None:
        return None
    means = mean_over(time_s, values, start_s, start_s + length_s, method=method)
    known = np.isfinite(means)
    mean = float(np.average(means[known], weights=length_s[known])) if known.any() else 0.0
    return mean if mean > 0 else None


def _apart(name: str, start_s: FloatArray, end_s: FloatArray, time_s: FloatArray) -> str:
    return (
        f"expected executions of {name[:80]!r} within the log, which spans {time_s[-1]:.6g} s; they run from"
        f" {start_s.min():.6g} to {end_s.max():.6g} s after its first line, or fall into a hole of it"
    )
