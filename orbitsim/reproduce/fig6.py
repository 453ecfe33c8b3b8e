"""Fig. 6: inference delay, and what crosses the links, over the number of computing satellites."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orbitsim.report.palette import scheme_style
from orbitsim.reproduce import words
from orbitsim.reproduce.draw import TWINS
from orbitsim.reproduce.effects import Measure, effects_of
from orbitsim.reproduce.figures import new_figure
from orbitsim.reproduce.grid import Point, delays_s, forecast_delays, measure_grid
from orbitsim.reproduce.reasons import joined, pace
from orbitsim.reproduce.setting import PAPER, TABLE2_DOWNLINK_BPS, Setting, downlink
from orbitsim.reproduce.variations import assumptions, variations
from orbitsim.results.wording import seconds, size
from orbitsim.types.experiment import Agreement, Bench, Data, Effect, Experiment, Finding, Statement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SETTING = Setting((downlink(TABLE2_DOWNLINK_BPS),), schemes=("collaborative",))
_WHERE = "Fig. 6, Section VI-B1"
_ASSUMED = (
    "model", "downlink rate", "crosslink rate", "board speed", "board order", "precision", "memory of a satellite",
    "codec", "delay model", "activation", "images", "last mini-batch",
)  # fmt: skip
_TWINS = (("idealised", "idealised"), ("real", "real contacts"))
NUMBERS = tuple(range(1, 11))

STATEMENTS = (
    Statement("delay", _WHERE, "the delay falls considerably with the number of computing satellites"),
    Statement("bytes", _WHERE, "the bytes between satellites rise with it"),
)


def measure(bench: Bench) -> dict[str, Any]:
    """Run every number of satellites idealised and with real contacts, and every variation in closed form."""
    few = ("workload.images_per_task=20",) if bench.small else ()
    numbers = (1, 2, 3, 5) if bench.small else NUMBERS
    axis = [Point(str(n), float(n), (f"planner.max_compute_nodes={n}", *few)) for n in numbers]
    varied = variations(*_ASSUMED)
    return measure_grid(bench, SETTING, axis, varied[:2] if bench.small else varied)


def _bytes(row: Mapping[str, Any], twin: str) -> float | None:
    """Return the bytes between satellites of one task; with real contacts the mean of the delivered ones. [B]"""
    item = row[twin]["collaborative"] if row[twin] is not None else {"status": "not run"}
    if item["status"] != "ok":
        return None
    if twin == "idealised":
        return float(item["isl_bytes"])
    done = [n for n, delay in zip(item["task_bytes"], item["delays_s"], strict=True) if delay is not None]
    return sum(done) / len(done) if done else None


def judge(data: Data) -> list[Finding]:
    """Set the statements beside what was found."""
    rows = data["points"]
    delay_words, bytes_words = {}, {}
    falls: list[Agreement] = []
    rises: list[Agreement] = []
    for twin, name in _TWINS:
        delays = {row["label"]: delays_s(row, twin).get("collaborative") for row in rows}
        sizes = {row["label"]: _bytes(row, twin) for row in rows}
        delay_words[name] = words.listed(
            {f"{k}:": "infeasible" if v is None else seconds(v) for k, v in delays.items()}
        )
        bytes_words[name] = words.listed({f"{k}:": "infeasible" if v is None else size(v) for k, v in sizes.items()})
        falls.append(_moves([v for v in delays.values() if v is not None], down=True))
        rises.append(_moves([v for v in sizes.values() if v is not None], down=False))
    return [
        Finding("delay", delay_words, _least(falls), "" if _least(falls) == "yes" else _why(rows, "delay")),
        Finding("bytes", bytes_words, _least(rises), "" if _least(rises) == "yes" else _why(rows, "bytes")),
    ]


def _moves(values: list[float], *, down: bool) -> Agreement:
    """Say whether values go one way: at every step, or only from the first to the last."""
    if len(values) < 2:
        return "not comparable"
    signed = values if down else [-value for value in values]
    if all(a >= b * (1.0 - 1e-9) if b >= 0 else a >= b * (1.0 + 1e-9) for a, b in itertools.pairwise(signed)):
        return "yes" if signed[0] > signed[-1] else "no"
    return "partly" if signed[0] > signed[-1] else "no"


def _least(found: list[Agreement]) -> Agreement:
    order: tuple[Agreement, ...] = ("no", "partly", "not comparable", "yes")
    return min(found, key=order.index)


def _why(rows: list[Mapping[str, Any]], what: str) -> str:
    known = [row for row in rows if row["closed"]["collaborative"]["delay_s"] is not None]
    ends = joined(*(f"with {row['label']}, {pace(row, 'collaborative')}" for row in (known[0], known[-1])))
    if what == "delay":
        return f"not at every step; {ends}"
    return (
        "with real contacts the bytes include the way from the chain to the satellite that delivers, which depends on "
        "where the chain ends, and a chain is only as long as it pays"
    )


def _over_one(forecasts: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Return the delay with two satellites over that with five."""
    two, five = (forecast_delays(forecasts.get(n)).get("collaborative") for n in ("2", "5"))
    return None if two is None or five is None else two / five


def _knee(forecasts: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Return the number of satellites from which one more gains less than 1 %."""
    known = [(int(n), forecast_delays(item).get("collaborative")) for n, item in forecasts.items()]
    delays = [(n, delay_s) for n, delay_s in known if delay_s is not None]
    for (n, here), (_, after) in itertools.pairwise(delays):
        if after > 0.99 * here:
            return float(n)
    return float(delays[-1][0]) if delays else None


def effects(data: Data) -> list[Effect]:
    """Return what each assumption does to the gain of more satellites."""
    measures: dict[str, Measure] = {
        "delay with 2 over delay with 5": _over_one,
        "satellites from which one more gains less than 1 %": _knee,
    }
    return [each for each in effects_of(data, measures, lambda _n, _v: "") if each.value is not None]


def draw(data: Data) -> Mapping[str, Figure]:
    """Draw delay and bytes over the number of satellites, both twins."""
    figure, panels = new_figure(1, 2, size=(8.6, 3.5))
    style = scheme_style("collaborative")
    for axes, (twin, title) in zip(panels, TWINS, strict=True):
        rows = data["points"]
        delays = [(row["value"], delays_s(row, twin).get("collaborative")) for row in rows]
        sizes = [(row["value"], _bytes(row, twin)) for row in rows]
        known = [(n, delay_s) for n, delay_s in delays if delay_s is not None]
        moved = [(n, n_bytes / 1e9) for n, n_bytes in sizes if n_bytes is not None]
        other = axes.twinx()
        other.bar([n for n, _ in moved], [gb for _, gb in moved], width=0.55, color="#c9ced4", zorder=1)
        other.set_ylabel("moved between satellites [GB a task]" if twin == "idealised" else "moved in all [GB a task]")
        other.grid(False)
        other.spines["right"].set_visible(True)
        axes.set_zorder(other.get_zorder() + 1)
        axes.patch.set_visible(False)
        axes.plot(
            [n for n, _ in known],
            [delay_s for _, delay_s in known],
            color=style.color.light,
            marker=style.marker,
            label="delay (left)",
            zorder=3,
        )
        lost = [n for n, delay_s in delays if delay_s is None]
        for n in lost:
            axes.annotate(
                "infeasible", (n, 0.03), xycoords=("data", "axes fraction"), rotation=90, ha="center", fontsize=7
            )
        axes.set_ylim(0.0, 1.3 * max((delay_s for _, delay_s in known), default=1.0))
        other.set_ylim(0.0, 1.3 * max((gb for _, gb in moved), default=1.0))
        axes.set_xticks([row["value"] for row in rows], [row["label"] for row in rows])
        axes.set_title(title)
        axes.set_xlabel("satellites that may compute")
        axes.set_ylabel("delay of a task [s]" if twin == "idealised" else "mean delay of a task [s]")
        axes.bar([0.0], [0.0], color="#c9ced4", label="bytes (right)")
        axes.set_xlim(min(row["value"] for row in rows) - 0.6, max(row["value"] for row in rows) + 0.6)
        axes.legend(loc="upper center", ncols=2)
    return {"fig6": figure}


EXPERIMENT = Experiment(
    name="fig6",
    title="Delay and bytes over the number of computing satellites",
    source=PAPER,
    statements=STATEMENTS,
    assumptions=assumptions(*_ASSUMED),
    settings=(SETTING.in_words() + " --set planner.max_compute_nodes=1 ... 10",),
    measure=measure,
    judge=judge,
    draw=draw,
    effects=effects,
)
