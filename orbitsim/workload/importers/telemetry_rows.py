"""Telemetry from a monitor's lines: each line names what it saw, and what it lacks is nan."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from orbitsim.workload.importers.base import FloatArray, Source, Telemetry, TimeBasis

ZERO_CELSIUS_K = 273.15
_OFF_CELSIUS = -255.0  # a sensor that is off reads -256 (or -256000, in thousandths)
_COLDEST_CELSIUS, _HOTTEST_CELSIUS = -100.0, 250.0
# Beyond any board's monitor: the largest Jetson draws 130 W, clocks stay below 6 GHz and memory below 1 TiB.
_MOST_WATTS, _MOST_HERTZ, _MOST_BYTES = 1e3, 1e10, 2.0**40


@dataclass(slots=True)
class Sight:
    """What a monitor saw at one moment, by unit; what is missing was not seen.

    Attributes
    ----------
    power_w, temperature_k, clock_hz, load : dict of str to float
        As in `Telemetry`. [W, K, Hz, -]
    ram_used_bytes, ram_total_bytes : float
        Memory. [B]
    """

    power_w: dict[str, float] = field(default_factory=dict)
    temperature_k: dict[str, float] = field(default_factory=dict)
    clock_hz: dict[str, float] = field(default_factory=dict)
    load: dict[str, float] = field(default_factory=dict)
    ram_used_bytes: float = math.nan
    ram_total_bytes: float = math.nan


def telemetry_of(
    sights: Sequence[Sight], time_s: Sequence[float], time_basis: TimeBasis, power_mode: str | None = None
) -> Telemetry:
    """Return telemetry with one column for each unit that any of the sights names."""
    return Telemetry(
        time_s=np.array(time_s, dtype=np.float64),
        time_basis=time_basis,
        power_w=_columns([sight.power_w for sight in sights]),
        temperature_k=_columns([sight.temperature_k for sight in sights]),
        clock_hz=_columns([sight.clock_hz for sight in sights]),
        load=_columns([sight.load for sight in sights]),
        ram_used_bytes=np.array([sight.ram_used_bytes for sight in sights]),
        ram_total_bytes=np.array([sight.ram_total_bytes for sight in sights]),
        power_mode=power_mode,
    )


def kelvin(source: Source, celsius: float, *, line: int, key: str) -> float:
    """Return a temperature, nan where the sensor is off. [K]

    Raises
    ------
    InputError
        Where no board can be that cold or hot.
    """
    if celsius <= _OFF_CELSIUS:
        return math.nan
    if not _COLDEST_CELSIUS <= celsius <= _HOTTEST_CELSIUS:
        raise source.fault(f"expected a temperature in degrees Celsius, found {celsius:g}", line=line, key=key)
    return celsius + ZERO_CELSIUS_K


def watts(source: Source, power_w: float, *, line: int, key: str) -> float:
    """Return the power of a board's rail; InputError where no board can draw so much. [W]"""
    if not power_w <= _MOST_WATTS:
        raise source.fault(f"expected a board's rail, up to 1 kW, found {power_w:.6g} W", line=line, key=key)
    return power_w


def hertz(source: Source, clock_hz: float, *, line: int, key: str) -> float:
    """Return a clock; InputError where no processor can run so fast. [Hz]"""
    if not clock_hz <= _MOST_HERTZ:
        raise source.fault(f"expected a clock up to 10 GHz, found {clock_hz / 1e9:.6g} GHz", line=line, key=key)
    return clock_hz


def memory(source: Source, used: float, total: float, *, line: int, key: str) -> tuple[float, float]:
    """Return memory in use and in all; InputError where that is more than there is or no board has so much. [B]"""
    if used > total or total > _MOST_BYTES:
        limit = f"the board's {total / 2**20:.6g} MB" if used > total else "1 TiB"
        found = max(used, total)
        raise source.fault(f"expected memory up to {limit}, found {found / 2**20:.6g} MB", line=line, key=key)
    return used, total


def fraction(source: Source, percent: float, *, line: int, key: str) -> float:
    """Return a load from 0 to 1 for one in per cent."""
    if not 0 <= percent <= 100:
        raise source.fault(f"expected a load from 0 to 100 %, found {percent:g}", line=line, key=key)
    return percent / 100


def wall_clock_s(source: Source, text: str, pattern: str, *, line: int) -> float:
    """Return a wall clock's time as seconds since 1970, as if its zone were UTC. [s]"""
    try:
        return datetime.strptime(text, pattern).replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError) as error:
        raise source.fault(f"expected a time of the form {pattern}, found {text[:40]!r}", line=line) from error


def require_forward(source: Source, time_s: Sequence[float], lines: Sequence[int]) -> None:
    """Raise InputError at the first line that was written before the line above it."""
    for before, after, line in zip(time_s, time_s[1:], lines[1:], strict=False):
        if after < before:
            message = "time runs backwards: two logs in one file, or a clock that was set; import each part on its own"
            raise source.fault(message, line=line)


def spread_within_seconds(time_s: Sequence[float]) -> tuple[list[float], bool]:
    """Return times with lines that share a second spread over it, and whether any did. [s]

    A monitor that writes whole seconds but more than one line in each leaves ten lines at 100 ms with one stamp. Within
    a second that the log covers they are taken as equally far apart. The log may begin and end within a second: there
    they take the usual distance and are laid against its neighbour.
    """
    groups: list[list[int]] = []
    for index, time in enumerate(time_s):
        if groups and time_s[groups[-1][0]] == time:
            groups[-1].append(index)
        else:
            groups.append([index])
    if all(len(group) == 1 for group in groups) or any(time != math.floor(time) for time in time_s):
        return list(time_s), False
    inner = [len(group) for group in groups[1:-1]] or [len(group) for group in groups]
    usual = round(float(np.median(inner)))
    spread: list[float] = []
    for place, group in enumerate(groups):
        is_edge = place in (0, len(groups) - 1)
        n_slots = max(len(group), usual) if is_edge else len(group)
        first_slot = n_slots - len(group) if place == 0 and len(groups) > 1 else 0
        spread.extend(time_s[index] + (first_slot + offset) / n_slots for offset, index in enumerate(group))
    return spread, True


def _columns(rows: Sequence[Mapping[str, float]]) -> dict[str, FloatArray]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: np.array([row.get(name, math.nan) for row in rows]) for name in names}
