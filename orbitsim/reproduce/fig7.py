"""Fig. 7: communication overhead of the schemes at low and high resolution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orbitsim.report.figures.style import INK
from orbitsim.report.palette import scheme_style
from orbitsim.reproduce import words
from orbitsim.reproduce.draw import TWINS
from orbitsim.reproduce.effects import Measure, effects_of
from orbitsim.reproduce.figures import PUBLISHED, new_figure
from orbitsim.reproduce.grid import Point, delays_s, measure_grid
from orbitsim.reproduce.reasons import NO_SINGLE, joined
from orbitsim.reproduce.setting import PAPER, SCHEMES, TABLE2_DOWNLINK_BPS, Setting, downlink
from orbitsim.reproduce.variations import assumptions, variations
from orbitsim.results.wording import size
from orbitsim.types.experiment import Bench, Data, Effect, Experiment, Finding, Statement

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SETTING = Setting((downlink(TABLE2_DOWNLINK_BPS),))
_WHERE = "Fig. 7, Section VI-B2"
_ASSUMED = (
    "model", "codec", "sensing satellite", "raw pixel", "raw tiles", "activation", "memory of a satellite",
    "crosslink rate", "board order", "delay model", "images", "last mini-batch",
)  # fmt: skip
_TWINS = (("idealised", "idealised"), ("real", "real contacts"))
_MOST = 0.717

STATEMENTS = (
    Statement(
        "below", _WHERE, "the collaborative scheme moves fewer bytes than ground-only at low and high resolution"
    ),
    Statement("71.7 %", "Section I", "by up to 71.7 %", {"below_share": _MOST}),
    Statement("single least", _WHERE, "the single-satellite scheme moves the fewest bytes"),
    Statement("single slow", _WHERE, "the single-satellite scheme often has the highest delay"),
    Statement("stable", _WHERE, "the gain in bytes is the same at all resolutions"),
)


def measure(bench: Bench) -> dict[str, Any]:
    """Run a low and a high resolution idealised and with real contacts, and every variation in closed form."""
    few = ("workload.images_per_task=20",) if bench.small else ()
    axis = [Point(name, float(i), (f'workload.resolution="{name}"', *few)) for i, name in enumerate(("240p", "1080p"))]
    varied = variations(*_ASSUMED)
    return measure_grid(bench, SETTING, axis, varied[:4] if bench.small else varied)


def _moved(row: Mapping[str, Any], twin: str) -> dict[str, float]:
    """Return the bytes of one task over all links, by scheme; with real contacts the mean of the delivered ones. [B]"""
    found = {}
    for scheme, item in row[twin].items():
        if item["status"] != "ok":
            continue
        done = [n for n, delay in zip(item["task_bytes"], item["delays_s"], strict=True) if delay is not None]
        if done:
            found[scheme] = sum(done) / len(done)
    return found


def judge(data: Data) -> list[Finding]:
    """Set the statements beside what was found."""
    moved = {name: {row["label"]: _moved(row, twin) for row in data["points"]} for twin, name in _TWINS}
    below = {
        name: {label: 1.0 - each["collaborative"] / each["ground-only"] for label, each in by_label.items()}
        for name, by_label in moved.items()
    }
    shown = {
        name: words.listed(
            {
                label: f"{size(moved[name][label]['collaborative'])} against "
                f"{size(moved[name][label]['ground-only'])}, "
                + words.below(moved[name][label]["collaborative"], moved[name][label]["ground-only"])
                for label in by_label
            }
        )
        for name, by_label in moved.items()
    }
    less = [share > 0.0 for each in below.values() for share in each.values()]
    most = max(below["idealised"].values())
    spread = {name: max(each.values()) - min(each.values()) for name, each in below.items()}
    stable = [each <= 0.02 for each in spread.values()]
    return [
        Finding("below", shown, words.all_agree(*less), "" if all(less) else _real_reason()),
        _up_to(data, below, most),
        _single(data, moved),
        _slow(data),
        Finding(
            "stable",
            {name: f"{100.0 * each:.1f} % apart" for name, each in spread.items()},
            words.all_agree(*stable),
            "" if all(stable) else _ways_down(data),
        ),
    ]


def _ways_down(data: Data) -> str:
    """Say over how many links raw tiles go on average, with real contacts."""
    counts = {}
    for row in data["points"]:
        raw_bytes = row["idealised"]["ground-only"]["downlink_bytes"]
        moved = _moved(row, "real").get("ground-only")
        if moved is not None:
            counts[row["label"]] = f"{moved / raw_bytes:.1f}"
    return (
        "with real contacts raw tiles go by the fewest hops to the satellite that can deliver first: over "
        f"{words.listed(counts)} links on average, beside 5 in the idealised twin"
    )


def _real_reason() -> str:
    return (
        "with real contacts raw tiles go by the fewest hops to the satellite that can deliver, not over the whole "
        "chain, "
        "so ground-only moves less than in the idealised twin"
    )


def _up_to(data: Data, below: Mapping[str, Mapping[str, float]], most: float) -> Finding:
    ours = {name: f"up to {100.0 * (max(each.values())):.1f} %" for name, each in below.items()}
    if abs(most - _MOST) <= 0.01:
        return Finding("71.7 %", ours, "yes")
    rows = [
        f"{variant['assumption']} ({variant['words']}) {100.0 * share:.1f} %"
        for variant in data["variants"]
        if variant["assumption"] in ("model", "sensing satellite", "codec")
        and (share := _share(variant["forecasts"][-1])) is not None
    ]
    reason = joined(
        "the figure follows from bytes a tile alone: activations of four hops, compressed, beside raw tiles over five",
        "otherwise: " + ", ".join(rows) if rows else "",
    )
    return Finding("71.7 %", ours, "no" if most < 0.5 * _MOST else "partly", reason)


def _share(forecasts: Mapping[str, Any] | None) -> float | None:
    if forecasts is None:
        return None
    ours, ground = (forecasts[name] for name in ("collaborative", "ground-only"))
    if ours["delay_s"] is None or ground["delay_s"] is None:
        return None
    return 1.0 - _all_bytes(ours) / _all_bytes(ground)


def _all_bytes(forecast: Mapping[str, Any]) -> float:
    return float(forecast["isl_bytes"] + forecast["downlink_bytes"])


def _with_single(data: Data) -> Mapping[str, Any] | None:
    """Return the forecasts at the high resolution of the first variation in which a single satellite can run."""
    for variant in data["variants"]:
        forecasts = variant["forecasts"][-1]
        if forecasts is not None and forecasts["single-satellite"]["delay_s"] is not None:
            return {"words": variant["words"], **forecasts}
    return None


def _single(data: Data, moved: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Finding:
    ours: dict[str, str] = {}
    checks = []
    for name, by_label in moved.items():
        known = {label: each for label, each in by_label.items() if "single-satellite" in each}
        ours[name] = words.listed({k: size(v["single-satellite"]) for k, v in known.items()}) or "infeasible"
        checks += [min(each, key=lambda scheme: each[scheme]) == "single-satellite" for each in known.values()]
    other = _with_single(data)
    if checks or other is None:
        return _of_single("single least", ours, checks)
    sizes = {scheme: _all_bytes(other[scheme]) for scheme in SCHEMES}
    ours["idealised"] += f"; with {other['words']} at {data['points'][-1]['label']} " + words.listed(
        {k: size(v) for k, v in sizes.items()}
    )
    return _of_single("single least", ours, [], min(sizes, key=lambda scheme: sizes[scheme]), other["words"])


def _slow(data: Data) -> Finding:
    ours, checks = {}, []
    for twin, name in _TWINS:
        slowest = {}
        for row in data["points"]:
            delays = delays_s(row, twin)
            if "single-satellite" in delays:
                slowest[row["label"]] = max(delays, key=lambda scheme: delays[scheme])
        checks += [scheme == "single-satellite" for scheme in slowest.values()]
        ours[name] = words.listed({k: f"slowest is {v}" for k, v in slowest.items()}) or "infeasible"
    other = _with_single(data)
    if checks or other is None:
        return _of_single("single slow", ours, checks)
    delays = {scheme: other[scheme]["delay_s"] for scheme in SCHEMES}
    slow = max(delays, key=lambda scheme: delays[scheme])
    ours["idealised"] += f"; with {other['words']} at {data['points'][-1]['label']} slowest is {slow}"
    return _of_single("single slow", ours, [], slow, other["words"])


def _of_single(
    statement: str, ours: Mapping[str, str], checks: list[bool], aside: str = "", model: str = ""
) -> Finding:
    """Judge a statement on the single satellite; one that rests on another model agrees in part at the most."""
    if checks:
        agrees = words.all_agree(*checks)
        return Finding(statement, ours, agrees, "" if agrees == "yes" else "see the figure")
    if not aside:
        return Finding(statement, ours, "not comparable", NO_SINGLE)
    reason = joined(
        f"of the figure's own model nothing can be said: {NO_SINGLE}",
        f"what is set beside the statement is {model}, idealised, at one resolution only",
    )
    return Finding(statement, ours, "partly" if aside == "single-satellite" else "no", reason)


def effects(data: Data) -> list[Effect]:
    """Return what each assumption does to the gain in bytes."""

    def percent(forecasts: Mapping[str, Mapping[str, Any]]) -> float | None:
        share = _share(forecasts.get("1080p"))
        return None if share is None else 100.0 * share

    measures: dict[str, Measure] = {"bytes below ground-only at 1080p [%]": percent}

    def note(_name: str, value: float | None) -> str:
        return "meets 71.7 %" if value is not None and value >= 71.7 else ""

    uncompressed = {
        each["words"]
        for each in data["variants"]
        if each["assumption"] == "delay model"
        and 1.0 in ((each["forecasts"][-1] or {}).get("collaborative") or {}).get("ratio", [])
    }
    return [
        replace(each, note="its plan leaves an activation uncompressed: Eq. (9) rewards a longer transfer")
        if each.variant in uncompressed
        else each
        for each in effects_of(data, measures, note)
        if each.value is not None
    ]


def draw(data: Data) -> Mapping[str, Figure]:
    """Draw the bytes of a task by scheme and resolution, both twins: points, since a logarithmic axis has no zero."""
    figure, panels = new_figure(1, 2, size=(8.6, 3.5), sharey=True)
    for axes, (twin, title) in zip(panels, TWINS, strict=True):
        for index, scheme in enumerate(SCHEMES):
            style = scheme_style(scheme, index)
            known = [
                (at, moved[scheme]) for at, row in enumerate(data["points"]) if scheme in (moved := _moved(row, twin))
            ]
            axes.plot(
                [at for at, _ in known],
                [n / 1e9 for _, n in known],
                color=style.color.light,
                marker=style.marker,
                markersize=8.0,
                linestyle="none",
                label=scheme if known else f"{scheme}: infeasible",
                zorder=3,
            )
            for at, n in known:
                axes.annotate(
                    size(n),
                    (at, n / 1e9),
                    textcoords="offset points",
                    xytext=(9, 0),
                    va="center",
                    fontsize=8,
                    color=INK,
                )
        if twin == "idealised":
            _stated_bytes(axes, data)
        axes.set_yscale("log")
        axes.margins(y=0.12)
        axes.set_xlim(-0.5, len(data["points"]) - 0.5)
        axes.set_xticks(range(len(data["points"])), [row["label"] for row in data["points"]])
        axes.set_title(title.split(",")[0])
        axes.set_xlabel("resolution of the images")
    panels[0].set_ylabel("moved over all links [GB a task]")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4)
    return {"fig7": figure}


def _stated_bytes(axes: Axes, data: Data) -> None:
    """Mark what the paper's share would leave of our ground-only scheme."""
    for at, row in enumerate(data["points"]):
        ground = _moved(row, "idealised").get("ground-only")
        if ground is not None:
            axes.plot(
                [at],
                [(1.0 - _MOST) * ground / 1e9],
                color=PUBLISHED,
                marker="_",
                markersize=18,
                markeredgewidth=2.0,
                linestyle="none",
                label=None if at else "the paper: 71.7 % below our ground-only",
                zorder=4,
            )


EXPERIMENT = Experiment(
    name="fig7",
    title="Bytes over all links",
    source=PAPER,
    statements=STATEMENTS,
    assumptions=assumptions(*_ASSUMED),
    settings=(SETTING.in_words() + " --set workload.resolution=240p, 1080p",),
    measure=measure,
    judge=judge,
    draw=draw,
    effects=effects,
)
