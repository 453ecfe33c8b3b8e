"""Board monitors that write CSV: the logger of jetson-stats (jtop), the Jetson power library, and a short log of jtop.

All three see what tegrastats sees. jetson-stats states memory as a share of an amount it does not name, and the power
library's memory-controller columns hold neither a clock nor a percentage that fits the load: both stay out.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import Any

from orbitsim.workload.importers.base import Format, Imported, Source, TimeBasis
from orbitsim.workload.importers.strict_csv import Row, header_of, number_in, read_rows
from orbitsim.workload.importers.telemetry_rows import (
    Sight,
    fraction,
    hertz,
    kelvin,
    memory,
    require_forward,
    spread_within_seconds,
    telemetry_of,
    wall_clock_s,
    watts,
)

_NAME = "jtop-csv"
_MB, _MHZ, _MW = 2.0**20, 1e6, 1e-3
_DAY_S = 86400.0
_DATE_TIME = "%Y-%m-%d %H:%M:%S"

_SHORT_LOG = ("Timestamp", "RAM_Usage", "GPU_Utilization")
_AMOUNT = re.compile(r"(\d+)/(\d+)MB", re.ASCII)
_CORE = re.compile(r"CPU(\d+)", re.ASCII)
_CORE_LOAD = re.compile(r"CPU_Util_Core_(\d+)", re.ASCII)
_LIBRARY_CORE = re.compile(r"CPU(\d+)-CURR_(FREQ|LOAD)", re.ASCII)


def _matches(source: Source) -> bool:
    return _layout(header_of(source)) is not None


def _layout(columns: tuple[str, ...]) -> str | None:
    """Return which of the three layouts a header is of."""
    if columns[:2] == ("time", "uptime") and any(name == "GPU" or name.startswith("Temp ") for name in columns):
        return "jetson-stats"
    if columns[:2] == ("System-Time", "NVPMODEL-POWER_MODE"):
        return "power-library"
    return "short-log" if all(name in columns for name in _SHORT_LOG) else None


def _read(source: Source) -> Imported:
    rows = list(read_rows(source, optional_last=True))
    layout = _layout(tuple(rows[0].cells))
    if layout is None:
        raise source.fault("expected the header of a board monitor", line=1)
    lines = [row.line for row in rows]
    notes: list[str] = []
    facts: dict[str, Any] = {"layout": layout, "n_samples": len(rows)}
    basis: TimeBasis = "local"
    if layout == "power-library":
        times, basis = _times_of_day(source, rows), "relative"
        facts["first_time_of_day"] = rows[0].cells["System-Time"]
        notes.append("only the time of day is stated: time counts from the first row")
        notes.append("EMC-CURR_FREQ and EMC-CURR_LOAD do not fit the load and are left out")
        sights = [_library_sight(row) for row in rows]
        mode = _one_mode([row.text("NVPMODEL-POWER_MODE") for row in rows], notes)
    elif layout == "jetson-stats":
        times = [_date_time_s(source, row, "time") for row in rows]
        sights = [_jtop_sight(row) for row in rows]
        mode = _one_mode([row.cells.get("nvp model", "") for row in rows], notes)
        notes.append("memory is stated as a share of an amount that the file does not name: kept as a load")
    else:
        times = [_date_time_s(source, row, "Timestamp") for row in rows]
        sights = [_short_sight(row) for row in rows]
        mode = None
        notes.append("the unit of power is not stated; it is read as milliwatts, as jtop gives it")
    if basis == "local":
        notes.append("time stamps are those of a wall clock without a time zone")
    require_forward(source, times, lines)
    time_s, is_spread = spread_within_seconds(times)
    if is_spread:
        notes.append("rows that share a second are taken as spread evenly over it")
    return Imported(_NAME, telemetry=telemetry_of(sights, time_s, basis, mode), facts=facts, notes=tuple(notes))


def _one_mode(modes: list[str], notes: list[str]) -> str | None:
    """Return the power mode if it is the same throughout."""
    found = [mode for mode in dict.fromkeys(modes) if mode]
    if len(found) > 1:
        notes.append(f"the power mode changed during the log: {', '.join(found[:5])}")
    return found[0] if len(found) == 1 else None


def _date_time_s(source: Source, row: Row, column: str) -> float:
    text = row.text(column)
    return wall_clock_s(source, text, f"{_DATE_TIME}.%f" if "." in text else _DATE_TIME, line=row.line)


def _times_of_day(source: Source, rows: list[Row]) -> list[float]:
    """Return seconds since the first row, over midnight too. [s]"""
    clock = [wall_clock_s(source, f"1970-01-01 {row.cells['System-Time']}", _DATE_TIME, line=row.line) for row in rows]
    times, days = [0.0], 0
    for before, after in pairwise(clock):
        days += after < before - _DAY_S / 2
        times.append(after - clock[0] + days * _DAY_S)
    return times


def _library_sight(row: Row) -> Sight:
    """Read a row of the power library; ``-`` stands where a unit is off or has no such value."""
    sight = Sight()
    for column, cell in row.cells.items():
        if cell == "-" or not cell:
            continue
        core = _LIBRARY_CORE.fullmatch(column)
        if core and row.cells.get(f"CPU{core[1]}-STATE", "True") == "True":
            if core[2] == "FREQ":
                sight.clock_hz[f"cpu{core[1]}"] = _clock_hz(row, column)
            else:
                sight.load[f"cpu{core[1]}"] = _share(row, column)
        elif column == "IGPU0-CURR_FREQ":
            sight.clock_hz["gpu"] = _clock_hz(row, column)
        elif column == "IGPU0-CURR_LOAD":
            sight.load["gpu"] = _share(row, column)
        elif column == "MEM-USED_SIZE":
            sight.ram_used_bytes = row.number(column) * _MB
        elif column == "MEM-TOTAL_SIZE":
            sight.ram_total_bytes = row.number(column) * _MB
        elif column.endswith("-thermal-CURR_TEMP"):
            sight.temperature_k[column.removesuffix("-thermal-CURR_TEMP").lower()] = _temperature(row, column)
        elif column.endswith("-IN_POWER"):
            sight.power_w[column.removesuffix("-IN_POWER")] = _power_w(row, column)
    return sight


def _jtop_sight(row: Row) -> Sight:
    """Read a row of jetson-stats' own logger."""
    sight = Sight()
    for column, cell in row.cells.items():
        if cell in {"", "OFF", "None"}:
            continue
        core = _CORE.fullmatch(column)
        if core:  # jetson-stats counts cores from 1
            sight.load[f"cpu{int(core[1]) - 1}"] = _share(row, column)
        elif column in {"GPU", "EMC"}:
            sight.load[column.lower()] = _share(row, column)
        elif column == "RAM":
            share = row.number(column)
            if share <= 1:
                sight.load["ram"] = share
        elif column.startswith("Temp "):
            sight.temperature_k[column.removeprefix("Temp ").lower()] = _temperature(row, column)
        elif column.startswith("Power "):
            sight.power_w[column.removeprefix("Power ")] = _power_w(row, column)
    return sight


def _short_sight(row: Row) -> Sight:
    """Read a row of the short log: per cent with a sign, memory as used/totalMB, cells that may be empty."""
    sight = Sight()
    for column, cell in row.cells.items():
        if not cell:
            continue
        if core := _CORE_LOAD.fullmatch(column):
            sight.load[f"cpu{core[1]}"] = _share(row, column)
        elif column == "GPU_Utilization":
            sight.load["gpu"] = _share(row, column)
        elif column == "RAM_Usage":
            sight.ram_used_bytes, sight.ram_total_bytes = _amounts(row, column)
        elif column.endswith("_Temperature"):
            sight.temperature_k[column.removesuffix("_Temperature").lower()] = _temperature(row, column)
        elif column.endswith("_Power_Inst"):
            sight.power_w[column.removesuffix("_Power_Inst")] = _power_w(row, column)
    return sight


def _share(row: Row, column: str) -> float:
    text = row.cells[column].removesuffix("%")
    percent = number_in(row.source, text, line=row.line, key=column)
    return fraction(row.source, percent, line=row.line, key=column)


def _power_w(row: Row, column: str) -> float:
    return watts(row.source, row.number(column) * _MW, line=row.line, key=column)


def _clock_hz(row: Row, column: str) -> float:
    return hertz(row.source, row.number(column) * _MHZ, line=row.line, key=column)


def _temperature(row: Row, column: str) -> float:
    return kelvin(row.source, row.number(column, signed=True), line=row.line, key=column)


def _amounts(row: Row, column: str) -> tuple[float, float]:
    match = _AMOUNT.fullmatch(row.cells[column])
    used, total = (float(match[1]), float(match[2])) if match else (math.nan, math.nan)
    if not used <= total:
        raise row.fault(column, f"expected memory such as 11283/62841MB, found {row.cells[column][:40]!r}")
    return memory(row.source, used * _MB, total * _MB, line=row.line, key=column)


FORMAT = Format(_NAME, "board monitor's CSV (jetson-stats, Jetson power library)", _matches, _read)
