"""Fig. 4: inference delay over the rate from satellite to ground."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orbitsim.reproduce import words
from orbitsim.reproduce.draw import delay_panels, model_panels
from orbitsim.reproduce.effects import effects_of, percent_below, real_effects
from orbitsim.reproduce.grid import Point, delays_s, gain_over, in_both, measure_grid, point_of
from orbitsim.reproduce.needed import in_words, needed_factors
from orbitsim.reproduce.ranking import fastest
from orbitsim.reproduce.reasons import by_variation, joined, pace
from orbitsim.reproduce.setting import PAPER, Setting, downlink
from orbitsim.reproduce.variations import assumptions, variations
from orbitsim.types.experiment import Bench, Data, Effect, Experiment, Finding, Statement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SETTING = Setting()
RATES_GBPS = (0.2, 0.4, 0.6, 0.8)
_WHERE = "Fig. 4, Section VI-B1"
_ASSUMED = (
    "model", "crosslink rate", "board speed", "board order", "ground speed", "precision", "memory of a satellite",
    "codec", "delay model", "sensing satellite", "raw pixel", "activation", "raw tiles", "images", "last mini-batch",
)  # fmt: skip
_TWINS = (("idealised", "idealised"), ("real", "real contacts"))

STATEMENTS = (
    Statement("lowest", _WHERE, "the collaborative scheme has the lowest delay at 0.2, 0.4, 0.6 and 0.8 Gbit/s"),
    Statement("diminishing", _WHERE, "its gain diminishes as the rate rises"),
    Statement("0.8 Gbit/s", _WHERE, "at 0.8 Gbit/s it is 42.0 % below ground-only", {"below_share": 0.42}),
    Statement(
        "low rate", _WHERE, "at low rates it is over 100 % faster: less than half of the delay", {"below_share": 0.5}
    ),
)


def measure(bench: Bench) -> dict[str, Any]:
    """Run every rate idealised and with real contacts, and every variation in closed form."""
    few = ("workload.images_per_task=20",) if bench.small else ()
    rates = RATES_GBPS[::3] if bench.small else RATES_GBPS
    axis = [Point(f"{rate:g} Gbit/s", rate, (downlink(rate * 1e9), *few)) for rate in rates]
    varied = variations(*_ASSUMED)
    data = measure_grid(
        bench,
        SETTING,
        axis,
        varied[:3] if bench.small else varied,
        real_variants={"50 deg off nadir": ("links.downlink.max_off_nadir_deg=50.0",)},
    )
    data["needed"] = {
        point.label: needed_factors(SETTING.plus(*point.settings), share)
        for point, share in ((axis[0], 0.5), (axis[-1], 0.42))
    }
    return data


def judge(data: Data) -> list[Finding]:
    """Set the statements beside what was found."""
    rows = data["points"]
    won: dict[str, list[bool]] = {}
    gains: dict[str, list[float]] = {}
    for twin, name in _TWINS:
        for row in rows:
            delays = delays_s(row, twin)
            won.setdefault(name, []).append(fastest(delays) == ("collaborative",))
            gains.setdefault(name, []).append(gain_over(delays, "ground-only") or 0.0)
    lowest = {name: f"lowest at {sum(each)} of {len(each)} rates" for name, each in won.items()}
    falling = {name: all(a >= b for a, b in itertools.pairwise(g)) for name, g in gains.items()}
    is_gain = all(g[0] > 0.0 for g in gains.values())
    shown = {
        name: f"gain over ground-only {', '.join(f'{100.0 * each:+.1f} %' for each in g)} (+ is below)"
        for name, g in gains.items()
    }
    falls = words.all_agree(*falling.values())
    if falls == "yes" and not is_gain:
        falls = "partly"
    flat = joined(
        ""
        if is_gain
        else "in the idealised twin there is no gain to fall: ground-only is the faster one at every rate",
        "" if all(falling.values()) else _why(data, rows[0]["label"]),
    )
    checks = [all(each) for each in won.values()]
    return [
        Finding("lowest", lowest, words.all_agree(*checks), "" if all(checks) else _why(data, rows[-1]["label"])),
        Finding("diminishing", shown, falls, "" if falls == "yes" else flat),
        _gain(data, "0.8 Gbit/s", "0.8 Gbit/s", 0.42),
        _gain(data, "low rate", "0.2 Gbit/s", 0.5),
    ]


def _why(data: Data, label: str) -> str:
    row = point_of(data, label)
    if row is None:
        return ""
    return joined(f"at {label} {pace(row, 'collaborative', 'ground-only')}", by_variation(data, label, "model"))


def _gain(data: Data, statement: str, label: str, share: float) -> Finding:
    row = point_of(data, label)
    if row is None:
        return Finding(statement, {}, "not comparable", "not measured in this run")
    ours = in_both(row, ("ground-only",))
    found = gain_over(delays_s(row, "idealised"), "ground-only")
    if found is not None and found >= share:
        return Finding(statement, ours, "yes")
    reason = joined(_why(data, label), f"for {100.0 * share:.0f} % below {in_words(data['needed'][label])}")
    return Finding(statement, ours, "no", reason)


def effects(data: Data) -> list[Effect]:
    """Return what each assumption does to the gains at both ends of the axis."""
    ends = [data["points"][i]["label"] for i in (0, -1)]
    measures = {f"below ground-only at {label} [%]": percent_below(label, ("ground-only",)) for label in ends}

    def note(name: str, value: float | None) -> str:
        least = 50.0 if "0.2" in name else 42.0
        return "meets the statement" if value is not None and value >= least else ""

    return effects_of(data, measures, note) + real_effects(data)


def draw(data: Data) -> Mapping[str, Figure]:
    """Draw delays over rates: both twins for ViT-G, and the idealised twin of every model."""
    gains = {"0.2 Gbit/s": 0.5, "0.8 Gbit/s": 0.42}
    return {
        "fig4": delay_panels(data, "rate from satellite to ground [Gbit/s]", published=gains, against=("ground-only",)),
        "fig4-models": model_panels(
            data, "rate from satellite to ground [Gbit/s]", published=gains, against=("ground-only",)
        ),
    }


EXPERIMENT = Experiment(
    name="fig4",
    title="Inference delay over the rate from satellite to ground",
    source=PAPER,
    statements=STATEMENTS,
    assumptions=assumptions(*_ASSUMED),
    settings=(SETTING.in_words() + " --set links.downlink.rate_bps=0.2e9 ... 0.8e9",),
    measure=measure,
    judge=judge,
    draw=draw,
    effects=effects,
)
