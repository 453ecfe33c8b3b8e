"""Durations and sizes in the words of people."""

from __future__ import annotations


def seconds(value: float | None) -> str:
    """Return a duration as people read it, four figures of it."""
    if value is None:
        return "-"
    return f"{value:,.0f} s" if value >= 1000 else f"{value:.4g} s"


def energy(value_j: float) -> str:
    """Return an energy in decimal units, three figures of it."""
    for factor, unit in ((1e6, "MJ"), (1e3, "kJ")):
        if value_j >= factor:
            return f"{value_j / factor:.3g} {unit}"
    return f"{value_j:.3g} J"


def size(n_bytes: float) -> str:
    """Return a number of bytes in decimal units, three figures of it."""
    for factor, unit in ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.3g} {unit}"
    return f"{n_bytes:.3g} B"
