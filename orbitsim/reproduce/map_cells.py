"""The measure of the regime map: dense in closed form, coarse with real contacts, and where schemes cross."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from orbitsim.errors import InputError
from orbitsim.reproduce.cells import one_task, restricted_mean_s, run_cells
from orbitsim.reproduce.idealised import Idealised, Speed
from orbitsim.reproduce.setting import MODELS, RESOLUTIONS, SCHEMES, Setting, downlink, model_settings, title_of
from orbitsim.reproduce.variations import variations
from orbitsim.types.experiment import Bench

LOWEST_BPS, HIGHEST_BPS = 1e6, 1e10
PER_DECADE = 15
REAL_PER_DECADE = 2
REAL_RESOLUTIONS = ("240p", "480p", "1080p", "4K")
SETTING = Setting(schemes=(*SCHEMES, "hybrid"))
ASSUMED = (
    "crosslink rate", "board speed", "board order", "ground speed", "precision", "memory of a satellite", "codec",
    "delay model", "sensing satellite", "raw pixel", "raw tiles", "activation", "images", "last mini-batch",
)  # fmt: skip


def rates_bps(per_decade: int) -> list[float]:
    """Return the rates of the axis, rounded to the three digits with which planners reckon. [bit/s]"""
    n_steps = round(math.log10(HIGHEST_BPS / LOWEST_BPS) * per_decade)
    return [float(f"{LOWEST_BPS * 10 ** (i / per_decade):.3g}") for i in range(n_steps + 1)]


def panels(small: bool, *, real: bool) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """Return the rows of every panel: label and settings."""
    few = ("workload.images_per_task=10",) if small else ()
    models = (MODELS[0], MODELS[-1]) if small else MODELS
    names = ("240p",) if small else REAL_RESOLUTIONS if real else RESOLUTIONS
    found = {
        "models": [(title_of(model), (*model_settings(model), *few)) for model in models],
    }
    for model in (MODELS[0], MODELS[-1]):
        key = f"resolutions {title_of(model)}"
        found[key] = [(name, (*model_settings(model), f'workload.resolution="{name}"', *few)) for name in names]
    return found


def measure(bench: Bench) -> dict[str, Any]:
    """Forecast a dense map, simulate some of its cells, and simulate days with real contacts on a coarser one."""
    dense = rates_bps(2 if bench.small else PER_DECADE)
    coarse = rates_bps(1)[:3] if bench.small else rates_bps(REAL_PER_DECADE)
    ideal = {key: _forecast_panel(rows, dense) for key, rows in panels(bench.small, real=False).items()}
    checks, cells = _cells_to_check(bench.small), {}
    for name, (setting, rate_bps) in checks.items():
        forecasts = Idealised(setting).forecasts()
        longest_s = max((item["delay_s"] or 0.0 for item in forecasts.values()), default=0.0)
        cells[f"check {name}"] = one_task(setting, longest_s)
        checks[name] = (setting, rate_bps)
    rows_of = panels(bench.small, real=True)
    for rows in rows_of.values():
        for label, settings in rows:
            for rate_bps in coarse:
                cells[_cell_name(label, settings, rate_bps)] = _real(bench, settings, rate_bps)
    found = run_cells(bench, cells)
    return {
        "idealised": {"rates_bps": dense, "panels": ideal},
        "real": {
            "rates_bps": coarse,
            "panels": {
                key: {
                    "rows": [label for label, _ in rows],
                    "delay_s": {
                        scheme: [
                            [
                                restricted_mean_s(found[_cell_name(label, settings, rate)]["schemes"][scheme])
                                for rate in coarse
                            ]
                            for label, settings in rows
                        ]
                        for scheme in SCHEMES
                    },
                    "delivered": {
                        scheme: [
                            [
                                found[_cell_name(label, settings, rate)]["schemes"][scheme].get("delivered", 0)
                                for rate in coarse
                            ]
                            for label, settings in rows
                        ]
                        for scheme in SCHEMES
                    },
                }
                for key, rows in rows_of.items()
            },
        },
        "checked": len(checks),
        "largest_difference": max(
            _difference(Idealised(setting).forecasts(), found[f"check {name}"]["schemes"])
            for name, (setting, _) in checks.items()
        ),
        "crossings": {
            key: {label: crossing_bps(SETTING.plus(*settings)) for label, settings in rows}
            for key, rows in panels(bench.small, real=False).items()
        },
        "variants": _variants(bench),
    }


def _real(bench: Bench, settings: Sequence[str], rate_bps: float) -> Setting:
    """Return a day with real contacts at a rate; without the hybrid scheme, which simulates its candidates."""
    setting = Setting().plus(*settings, downlink(rate_bps))
    if bench.small:
        return setting.plus(
            "clock.duration_s=7200.0", "shells.0.raan_deg=130.0", "links.downlink.min_elevation_deg=30.0"
        )
    return setting


def _cell_name(label: str, settings: Sequence[str], rate_bps: float) -> str:
    return f"{label} {' '.join(settings)} {rate_bps:g}"


def _forecast_panel(rows: Sequence[tuple[str, tuple[str, ...]]], rates: Sequence[float]) -> dict[str, Any]:
    delay_s: dict[str, list[list[float | None]]] = {scheme: [] for scheme in SETTING.schemes}
    for _, settings in rows:
        ideal = Idealised(SETTING.plus(*settings))
        for scheme, into in delay_s.items():
            into.append([ideal.forecast(scheme, rate)["delay_s"] for rate in rates])
    return {"rows": [label for label, _ in rows], "delay_s": delay_s}


def _cells_to_check(small: bool) -> dict[str, tuple[Setting, float]]:
    """Return the cells of the dense map that are simulated as well: every model over the whole axis of rates."""
    rates = (1e6, 1e9) if small else (1e6, 1e7, 3.41e7, 1e8, 1e9, 1e10)
    few = ("workload.images_per_task=10",) if small else ()
    return {
        f"{model} {rate:g}": (SETTING.plus(*model_settings(model), *few, downlink(rate)), rate)
        for model in (MODELS[0], MODELS[-1])
        for rate in rates
    }


def _difference(expected: Mapping[str, Any], simulated: Mapping[str, Any]) -> float:
    """Return the largest relative difference of forecast and simulation, propagation aside."""
    worst = 0.0
    for scheme, item in expected.items():
        if item["delay_s"] is None or simulated[scheme]["delay_s"] is None:
            worst = worst if item["delay_s"] is simulated[scheme]["delay_s"] else math.inf
            continue
        still_s = simulated[scheme]["delay_s"] - simulated[scheme]["parts_s"]["propagation_s"]
        worst = max(worst, abs(still_s / item["pipeline_s"] - 1.0))
    return worst


def crossing_bps(setting: Setting, speed: Speed | None = None) -> float | None:
    """Return the rate below which computing on board is faster than on the ground, idealised. [bit/s]

    The delay of ground-only falls with the rate and that of the onboard schemes hardly changes, so there is one.

    Returns
    -------
    float or None
        To three digits; infinite as None: on board is faster at every rate of the axis; the axis' lowest rate where it
        is faster at none.
    """
    ideal = Idealised(setting, speed)

    def onboard_ahead(rate_bps: float) -> bool:
        onboard = [ideal.forecast(scheme, rate_bps)["delay_s"] for scheme in ("collaborative", "single-satellite")]
        ground_s = ideal.forecast("ground-only", rate_bps)["delay_s"]
        known = [delay_s for delay_s in onboard if delay_s is not None]
        return bool(known) and (ground_s is None or min(known) < ground_s)

    low, high = LOWEST_BPS, HIGHEST_BPS
    if onboard_ahead(high):
        return None
    if not onboard_ahead(low):
        return low
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if onboard_ahead(middle) else (low, middle)
    return float(f"{low:.3g}")


def _variants(bench: Bench) -> list[dict[str, Any]]:
    """Return the crossing rates of the smallest and the largest model under every variation."""
    few = ("workload.images_per_task=10",) if bench.small else ()
    rows = []
    varied = variations(*ASSUMED)
    for index, each in enumerate(varied[:2] if bench.small else varied):
        bench.progress("variations", index, len(varied))
        found = {}
        for model in (MODELS[0], MODELS[-1]):
            setting = SETTING.plus(*model_settings(model), *few, *each.settings)
            try:
                found[title_of(model)] = crossing_bps(setting, each.speed)
            except InputError:
                continue
        rows.append({"assumption": each.assumption, "words": each.words, "crossing_bps": found})
    return rows
