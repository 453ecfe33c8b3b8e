"""Sensitivity rows: a figure's headline under each assumption taken otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orbitsim.reproduce.grid import delays_s, forecast_delays, gain_over
from orbitsim.types.experiment import Data, Effect

Measure = Callable[[Mapping[str, Mapping[str, Any]]], float | None]
"""From the forecasts at every point, by label, to a headline figure; None where it cannot be had."""


def effects_of(data: Data, measures: Mapping[str, Measure], note: Callable[[str, float | None], str]) -> list[Effect]:
    """Return a row for each variation and measure.

    Parameters
    ----------
    data : mapping
        Of `orbitsim.reproduce.grid.measure_grid`.
    measures : mapping of str to Measure
        By their name with its unit.
    note : callable
        From the name of a measure and its value to what that means for a statement.
    """
    labels = [row["label"] for row in data["points"]]
    base = {row["label"]: row["closed"] for row in data["points"]}
    rows: list[Effect] = []
    for variant in data["variants"]:
        forecasts = dict(zip(labels, variant["forecasts"], strict=True))
        known = {label: item for label, item in forecasts.items() if item is not None}
        for name, measure in measures.items():
            value = measure(known)
            rows.append(Effect(variant["assumption"], variant["words"], name, measure(base), value, note(name, value)))
    return rows


def percent_below(label: str, others: Sequence[str]) -> Measure:
    """Return the measure of how far the collaborative delay is below the fastest of others at a point. [%]"""

    def measure(forecasts: Mapping[str, Mapping[str, Any]]) -> float | None:
        delays = forecast_delays(forecasts.get(label))
        rivals = [delays[name] for name in others if name in delays]
        if "collaborative" not in delays or not rivals:
            return None
        return 100.0 * (1.0 - delays["collaborative"] / min(rivals))

    return measure


def real_effects(data: Data) -> list[Effect]:
    """Return the row of each variation that was run with real contacts."""
    last = next((row for row in data["points"] if row["label"] == data["real_variants_at"]), None)
    if last is None:
        return []
    base = gain_over(delays_s(last, "real"), "ground-only")
    rows = []
    for name, schemes in data["real_variants"].items():
        value = gain_over(delays_s({"real": schemes}, "real"), "ground-only")
        rows.append(
            Effect(
                "visibility angle",
                name + ", not 50 deg of elevation",
                f"below ground-only at {last['label']}, real contacts [%]",
                None if base is None else 100.0 * base,
                None if value is None else 100.0 * value,
            )
        )
    return rows
