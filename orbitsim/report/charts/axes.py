"""Axes and panels in Plotly's words; colours and fonts are the page's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orbitsim.report.blocks import Choice

HOUR_S = 3600.0
_WIDE = 20.0  # ratio of values above which the small ones are lost on a linear scale


def axis(title: str, **more: Any) -> dict[str, Any]:
    """Return an axis with its title, unit included."""
    return {"title": {"text": title}, **more}


def time_axis(span_s: float, **more: Any) -> dict[str, Any]:
    """Return an axis of hours since the start of a scenario of a length. [s]"""
    span_h = span_s / HOUR_S
    step = next((step for step in (0.25, 0.5, 1, 2, 3, 6, 12, 24) if span_h / step <= 9), 48)
    return axis("time since the start [h]", range=[0.0, span_h], dtick=step, **more)


def scale_choice(values: Sequence[float]) -> Choice:
    """Return the choice of a scale; logarithmic comes first where positive values differ very much."""
    scales = [("linear", "linear"), ("log", "logarithmic")]
    positive = [value for value in values if value > 0.0]
    wide = bool(positive) and max(positive) > _WIDE * min(positive)
    return Choice("scale", "Scale", scales[::-1] if wide else scales)


def panels(n: int, gap: float = 0.06) -> list[list[float]]:
    """Return the domains of n panels one above another, the first on top."""
    height = (1.0 - gap * (n - 1)) / n
    return [[max(0.0, 1.0 - (i + 1) * height - i * gap), 1.0 - i * (height + gap)] for i in range(n)]


def suffix(index: int) -> str:
    """Return what the names of the index-th panel's axes end in: nothing, 2, 3, ..."""
    return "" if index == 0 else str(index + 1)


def heading(text: str, x: float, y: float) -> dict[str, Any]:
    """Return the heading of a panel, in coordinates of the paper; its text must be safe for a plot."""
    return {
        "text": text, "x": x, "y": y, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom",
        "showarrow": False, "font": {"size": 13, "color": "@muted"},
    }  # fmt: skip
