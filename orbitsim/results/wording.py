"""Durations, sizes and moments in the words of people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def seconds(value: float | None) -> str:
    """Return a duration as people read it, four figures of it."""
    if value is None:
        return "-"
    return f"{value:,.0f} s" if value >= 1000 else f"{value:.4g} s"


def energy(value_j: float) -> str:
    """Return an energy in decimal units, three figures of it."""
    return _scaled(value_j, ((1e6, "MJ"), (1e3, "kJ"), (1.0, "J")))


def size(n_bytes: float) -> str:
    """Return a number of bytes in decimal units, three figures of it."""
    return _scaled(n_bytes, ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")))


def share(part: float) -> str:
    """Return a share in percent: 0 and 100 only where nothing, or nothing else, is there."""
    if 0.0 < part < 0.01:
        return "<1%"
    if 0.99 < part < 1.0:
        return ">99%"
    return f"{part:.0%}"


def utc_ms(epoch: datetime, t_s: float) -> str:
    """Return a moment so many seconds after an epoch in ISO 8601 with Z and milliseconds."""
    moment = (epoch + timedelta(milliseconds=round(1e3 * t_s))).astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _scaled(value: float, units: tuple[tuple[float, str], ...]) -> str:
    """Return three figures in the first unit of which, rounded to them, there is at least one; or else in the last."""
    for factor, unit in units[:-1]:
        if value >= 0.9995 * factor:
            return f"{value / factor:.3g} {unit}"
    factor, unit = units[-1]
    return f"{value / factor:.3g} {unit}"
