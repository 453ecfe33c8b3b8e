"""Text that is safe where it stands: in HTML, in a plot and in a script; and figures as people read them."""

from __future__ import annotations

import html
import json
import math
from typing import Any

import numpy as np

from orbitsim.results.wording import seconds


def in_html(text: object) -> str:
    """Return a text as HTML shows it, in elements and in quoted attributes."""
    return html.escape(str(text), quote=True)


def in_plot(text: object) -> str:
    """Return a text as Plotly shows it: Plotly reads some tags, entities, and in templates ``%{name}``."""
    return html.escape(str(text), quote=False).replace("%{", "%\u200b{")


def in_script(data: Any) -> str:
    """Return data as JSON that cannot end the script element it stands in, nor be read as HTML.

    Not-a-number becomes null; the bytes depend on the data alone.
    """
    text = json.dumps(_plain(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _plain(data: Any) -> Any:
    """Return data as lists, dicts and numbers of Python, without not-a-number."""
    if isinstance(data, dict):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_plain(value) for value in data]
    if isinstance(data, np.ndarray):
        return _plain(data.tolist())
    if isinstance(data, np.generic):
        return _plain(data.item())
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return data


def figures(values: Any, digits: int = 6) -> list[float | None]:
    """Return numbers with so many significant digits, None for not-a-number: more would only make the file larger."""
    data = np.asarray(values, dtype=np.float64)
    return [None if not math.isfinite(value) else float(f"{value:.{digits}g}") for value in data.tolist()]


def duration(value: float | None) -> str:
    """Return a duration in seconds, from an hour on with hours beside them."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{seconds(value)} ({value / 3600:.1f} h)" if value >= 3600 else seconds(value)


def clock(t_s: float) -> str:
    """Return a time since the start as hours and minutes, and seconds where they count."""
    whole = math.floor(t_s + 0.5)
    text = f"{whole // 3600}:{whole // 60 % 60:02d}"
    return f"{text}:{whole % 60:02d}" if whole % 60 else text


def number(value: Any, digits: int = 4) -> str:
    """Return a number with so many significant digits and separators of thousands; "-" for none."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def rate(value_bps: float | None) -> str:
    """Return a rate in decimal units."""
    if value_bps is None or not math.isfinite(value_bps):
        return "-"
    for factor, unit in ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")):
        if value_bps >= factor:
            return f"{value_bps / factor:.4g} {unit}"
    return f"{value_bps:.4g} bit/s"


def listed(names: list[str], most: int = 4) -> str:
    """Return names joined by commas, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
