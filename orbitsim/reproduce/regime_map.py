"""The regime map: which scheme wins over the downlink's rate, by model and by resolution, and by how much.

The paper has one rate axis of four points and finds one winner. Whether computing in orbit pays depends on how scarce
the downlink is beside the work of a tile, so the map runs over four decades of rate, from a CubeSat's radio to a laser.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orbitsim.reproduce import words
from orbitsim.reproduce.map_cells import ASSUMED, measure
from orbitsim.reproduce.map_figure import hybrid_figure, map_figure
from orbitsim.reproduce.ranking import TIE, fastest, outcome
from orbitsim.reproduce.setting import PAPER, SCHEMES, Setting
from orbitsim.reproduce.variations import assumptions
from orbitsim.types.experiment import Data, Effect, Experiment, Finding, Statement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STATEMENTS = (
    Statement("all rates", "Fig. 4, Section VI-B1", "the collaborative scheme is the fastest at every rate"),
    Statement(
        "benchmarks", "Section VII", "it outperforms both benchmarks in delay, for every model and resolution shown"
    ),
)


def winners(panel: Mapping[str, Any], row: int, column: int) -> list[tuple[float, str]]:
    """Return delay and name of the paper's schemes in a cell, the fastest first."""
    found = [(panel["delay_s"][scheme][row][column], scheme) for scheme in SCHEMES]
    return sorted((delay_s, scheme) for delay_s, scheme in found if delay_s is not None)


def _won(twin: Mapping[str, Any]) -> dict[str, int]:
    """Count the cells by who is the fastest in them, as the picture colours them; ties are nobody's win."""
    count: dict[str, int] = dict.fromkeys(SCHEMES, 0)
    for panel in twin["panels"].values():
        for row in range(len(panel["rows"])):
            for column in range(len(twin["rates_bps"])):
                first = outcome(_delays(panel, row, column))
                if first:
                    count[first] = count.get(first, 0) + 1
    return count


def _delays(panel: Mapping[str, Any], row: int, column: int) -> dict[str, float]:
    return {scheme: delay_s for delay_s, scheme in winners(panel, row, column)}


def _always(twin: Mapping[str, Any]) -> dict[str, bool]:
    """Return, by model, whether the collaborative scheme alone is the fastest at every rate."""
    panel = twin["panels"]["models"]
    return {
        label: all(
            fastest(_delays(panel, row, column)) == ("collaborative",) for column in range(len(twin["rates_bps"]))
        )
        for row, label in enumerate(panel["rows"])
    }


def judge(data: Data) -> list[Finding]:
    """Set the statements beside what was found."""
    ours, shares, always = {}, {}, {}
    for twin, name in (("idealised", "idealised"), ("real", "real contacts")):
        count = _won(data[twin])
        total = sum(count.values())
        shares[name] = count["collaborative"] / total if total else 0.0
        ours[name] = "of the map's cells fastest, by 1 % or more: " + ", ".join(
            f"{k} {100.0 * (v / total):.0f} %" for k, v in count.items() if total
        )
        always[name] = _always(data[twin])
    crossings = {
        label: "at every rate" if rate is None else f"up to {_rate(rate)}"
        for label, rate in data["crossings"]["models"].items()
    }
    checked = (
        f"closed form and simulation differ by at most {data['largest_difference']:.0e} in the {data['checked']} cells "
        "that were simulated as well"
    )
    reason = f"idealised, computing on board is ahead of the ground {words.listed(crossings)} (1080p); {checked}"
    real = {
        label: ", ".join(_rate(rate) for rate in _rates_lost(data["real"], "models", row)) or "at no rate"
        for row, label in enumerate(data["real"]["panels"]["models"]["rows"])
    }
    also = "with real contacts ground-only is ahead by 1 % or more at " + words.listed(real)
    alone = "the collaborative scheme alone is the fastest at every rate " + words.listed(
        {f"({name}) with": ", ".join(k for k, v in each.items() if v) or "no model" for name, each in always.items()}
    )
    holds = [each for by_model in always.values() for each in by_model.values()]
    every = all(share >= 1.0 for share in shares.values())
    return [
        Finding("all rates", ours, words.all_agree(*holds), "" if all(holds) else f"{alone}; {reason}"),
        Finding(
            "benchmarks",
            ours,
            "yes" if every else "partly" if any(shares.values()) else "no",
            "" if every else f"{alone}; {also}; {reason}",
        ),
    ]


def _rates_lost(twin: Mapping[str, Any], key: str, row: int) -> list[float]:
    """Return the rates at which ground-only is the fastest in a row, by 1 % or more. [bit/s]"""
    found = []
    for column, rate in enumerate(twin["rates_bps"]):
        order = winners(twin["panels"][key], row, column)
        if len(order) > 1 and order[0][1] == "ground-only" and order[1][0] >= TIE * order[0][0]:
            found.append(rate)
    return found


def _rate(rate_bps: float) -> str:
    return f"{rate_bps / 1e9:.3g} Gbit/s" if rate_bps >= 1e9 else f"{rate_bps / 1e6:.3g} Mbit/s"


def effects(data: Data) -> list[Effect]:
    """Return what each assumption does to the crossing rates."""
    rows = []
    for each in data["variants"]:
        for label, rate in each["crossing_bps"].items():
            base = data["crossings"]["models"][label]
            rows.append(
                Effect(
                    each["assumption"],
                    each["words"],
                    f"rate below which on board is ahead, {label} at 1080p [Mbit/s]",
                    None if base is None else base / 1e6,
                    None if rate is None else rate / 1e6,
                    "on board is ahead at every rate" if rate is None else "",
                )
            )
    return rows


def draw(data: Data) -> Mapping[str, Figure]:
    """Draw the winners with their margins, and what the hybrid scheme adds."""
    return {
        "map": map_figure(data),
        "map-models": map_figure(data, ["models"]),
        "map-hybrid": hybrid_figure(data),
    }


EXPERIMENT = Experiment(
    name="map",
    title="Which scheme wins over rate, model and resolution",
    source=PAPER + "; the map itself is ours",
    statements=STATEMENTS,
    assumptions=assumptions(*ASSUMED),
    caption=(
        "With real contacts only 240p, 480p, 1080p and 4K are shown, and two rates a decade: every cell is a simulated "
        "day, where one of the idealised twin is a closed form. Percentages count the cells as they are coloured: what "
        "lies within 1 % is a tie."
    ),
    settings=(
        Setting().in_words() + " --set links.downlink.rate_bps=1e6 ... 1e10, models at Table III's memory",
        (
            "idealised: closed form, 15 rates a decade, all resolutions; real contacts: a simulated day for each cell, "
            "therefore 2 rates a decade, and 240p, 480p, 1080p and 4K only"
        ),
    ),
    measure=measure,
    judge=judge,
    draw=draw,
    effects=effects,
)
