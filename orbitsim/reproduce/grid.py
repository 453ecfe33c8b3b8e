"""The measure that most figures share: schemes at some points of an axis, idealised and with real contacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orbitsim.reproduce import words
from orbitsim.reproduce.cells import one_task, restricted_mean_s, run_cells
from orbitsim.reproduce.idealised import Idealised
from orbitsim.reproduce.setting import Setting
from orbitsim.reproduce.variations import Variation
from orbitsim.types.experiment import Bench, Data


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a figure's axis.

    Attributes
    ----------
    label : str
        As people read it.
    value : float
        Its place on the axis.
    settings : tuple of str
        Changes of the scenario.
    """

    label: str
    value: float
    settings: tuple[str, ...]


def measure_grid(
    bench: Bench,
    setting: Setting,
    points: Sequence[Point],
    varied: Sequence[Variation],
    *,
    real_points: Sequence[str] | None = None,
    real_variants: Mapping[str, tuple[str, ...]] | None = None,
    real_variants_at: str | None = None,
) -> dict[str, Any]:
    """Measure schemes at the points of an axis.

    Parameters
    ----------
    bench : Bench
        Where and how.
    setting : Setting
        What all points share.
    points : sequence of Point
        The axis.
    varied : sequence of Variation
        Assumptions taken otherwise, in the idealised twin.
    real_points : sequence of str, optional
        Labels of the points that are also run with real contacts; omitted: all.
    real_variants : mapping of str to tuple of str, optional
        Changes by name, run with real contacts at one point.
    real_variants_at : str, optional
        Label of that point; omitted: the last of those run with real contacts.

    Returns
    -------
    dict
        ``points``: label, value, ``closed`` (forecast), ``idealised`` and ``real`` (simulated) by scheme; ``variants``:
        forecasts of each variation at every point; ``largest_difference``: of forecast and simulation, relative.
    """
    chosen = [point.label for point in points] if real_points is None else list(real_points)
    closed = [Idealised(setting.plus(*point.settings)).forecasts() for point in points]
    cells: dict[str, Setting] = {}
    for point, forecasts in zip(points, closed, strict=True):
        here = setting.plus(*point.settings)
        longest_s = max((item["delay_s"] or 0.0 for item in forecasts.values()), default=0.0)
        cells[f"idealised {point.label}"] = one_task(here, longest_s)
        if point.label in chosen:
            cells[f"real {point.label}"] = _real(bench, here)
    at = real_variants_at if real_variants_at in chosen else chosen[-1] if chosen else None
    last = next((point for point in points if point.label == at), None)
    for name, settings in (real_variants or {}).items():
        if last is not None:
            cells[f"variant {name}"] = _real(bench, setting.plus(*last.settings, *settings))
    found = run_cells(bench, cells)
    rows = [
        {
            "label": point.label,
            "value": point.value,
            "settings": setting.plus(*point.settings).in_words(),
            "closed": forecasts,
            "idealised": found[f"idealised {point.label}"]["schemes"],
            "real": found[f"real {point.label}"]["schemes"] if point.label in chosen else None,
        }
        for point, forecasts in zip(points, closed, strict=True)
    ]
    return {
        "points": rows,
        "variants": [_variant(setting, points, each) for each in varied if not _hidden(each, points)],
        "real_variants_at": at,
        "real_variants": {name: found[f"variant {name}"]["schemes"] for name in (real_variants or {}) if last},
        "largest_difference": max((_difference(row) for row in rows), default=0.0),
        "basis": found[f"idealised {points[-1].label}"]["compute"],
        "codec": found[f"idealised {points[-1].label}"]["codec"],
    }


def _real(bench: Bench, setting: Setting) -> Setting:
    """Return a setting with real contacts; the reduced version runs two hours of a plane that meets the station."""
    if not bench.small:
        return setting
    mask = "links.downlink.min_elevation_deg=30.0"
    masked = any(each.startswith("links.downlink.max_off_nadir_deg") for each in setting.settings)
    return setting.plus("clock.duration_s=7200.0", "shells.0.raan_deg=130.0", *(() if masked else (mask,)))


def _variant(setting: Setting, points: Sequence[Point], each: Variation) -> dict[str, Any]:
    """Return the forecasts of a variation; None at points that it cannot be had at."""
    found: list[dict[str, Any] | None] = []
    for point in points:
        # The axis wins over the variation: a figure over rates has no other rate.
        here = setting.plus(*each.settings, *point.settings)
        found.append(Idealised(here, each.speed).forecasts())
    return {"assumption": each.assumption, "words": each.words, "forecasts": found}


def _hidden(each: Variation, points: Sequence[Point]) -> bool:
    """Return whether the axis itself sets what a variation would change, and nothing else is left of it."""
    keys = [set(_keys(point.settings)) for point in points]
    return bool(each.settings) and all(set(_keys(each.settings)) <= here for here in keys)


def _keys(settings: Sequence[str]) -> list[str]:
    return [setting.partition("=")[0] for setting in settings]


def _difference(row: Mapping[str, Any]) -> float:
    """Return the largest relative difference of forecast and simulation at a point, propagation aside."""
    worst = 0.0
    for scheme, expected in row["closed"].items():
        simulated = row["idealised"][scheme]
        if expected["delay_s"] is None or simulated["delay_s"] is None:
            if expected["delay_s"] is not simulated["delay_s"]:
                return float("inf")
            continue
        still_s = simulated["delay_s"] - simulated["parts_s"]["propagation_s"]
        worst = max(worst, abs(still_s / expected["pipeline_s"] - 1.0))
    return worst


def point_of(data: Data, label: str) -> Mapping[str, Any] | None:
    """Return a measured point by its label; None where it was not measured (a reduced run)."""
    found: Mapping[str, Any] | None = next((row for row in data["points"] if row["label"] == label), None)
    return found


def delays_s(row: Mapping[str, Any], twin: str) -> dict[str, float]:
    """Return the delay of every scheme that has one: the task's in the idealised twin, else the restricted mean."""
    if row[twin] is None:
        return {}
    found = {
        scheme: item["delay_s"] if twin == "idealised" else restricted_mean_s(item)
        for scheme, item in row[twin].items()
        if item["status"] == "ok"
    }
    return {scheme: delay_s for scheme, delay_s in found.items() if delay_s is not None}


def gain(ours_s: float, other_s: float) -> float:
    """Return by how much of the other's delay ours is below it; negative where it is above."""
    return 1.0 - ours_s / other_s


def gain_over(delays: Mapping[str, float], *others: str) -> float | None:
    """Return the gain of the collaborative scheme over the fastest of other schemes; None without any."""
    rivals = [delays[name] for name in others if name in delays]
    if "collaborative" not in delays or not rivals:
        return None
    return gain(delays["collaborative"], min(rivals))


def forecast_delays(forecasts: Mapping[str, Any] | None) -> dict[str, float]:
    """Return the delays of the schemes that a forecast has."""
    return {} if forecasts is None else {k: v["delay_s"] for k, v in forecasts.items() if v["delay_s"] is not None}


def delivered_words(row: Mapping[str, Any], *schemes: str) -> str:
    """Return how many tasks of the day schemes deliver: ``"delivered of 144: collaborative 112"``."""
    if row["real"] is None:
        return "not run"
    known = {scheme: row["real"][scheme] for scheme in schemes if row["real"][scheme]["status"] == "ok"}
    if not known:
        return "none"
    n_tasks = next(iter(known.values()))["tasks"]
    return f"delivered of {n_tasks}: " + ", ".join(f"{name} {item['delivered']}" for name, item in known.items())


def in_both(row: Mapping[str, Any], others: Sequence[str]) -> dict[str, str]:
    """Return the delays of a point in words, by conditions: ours, and how far it is from each of the others."""
    ours = {"idealised": words.compared_all(delays_s(row, "idealised"), others)}
    real = delays_s(row, "real")
    if real:
        ours["real contacts"] = f"{words.compared_all(real, others)} ({delivered_words(row, 'collaborative', *others)})"
    return ours
