"""Fig. 11: convergence of the published search, and of ours, over the number of satellites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import comb
from typing import TYPE_CHECKING, Any

from orbitsim.plan.planners import plan
from orbitsim.plan.problem import Problem
from orbitsim.plan.schemes import satellites_only
from orbitsim.report.palette import COLORS, scheme_style
from orbitsim.reproduce.figures import PUBLISHED, new_figure
from orbitsim.reproduce.idealised import Idealised
from orbitsim.reproduce.setting import PAPER, TABLE2_DOWNLINK_BPS, Setting, downlink, model_settings, title_of
from orbitsim.reproduce.variations import ASSUMPTIONS, Variation, variations
from orbitsim.results.wording import seconds
from orbitsim.types.experiment import Agreement, Assumption, Bench, Data, Effect, Experiment, Finding, Statement
from orbitsim.types.plan import PlanResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SETTING = Setting((downlink(TABLE2_DOWNLINK_BPS),), schemes=("collaborative",))
NUMBERS = (2, 3, 4, 5, 6)
MOST_STEPS = 120
DELAY_MODELS = ("paper", "exact")
_WHERE = "Fig. 11, Section VI-B4"
_ASSUMED = ("model", "crosslink rate", "board speed", "board order", "precision", "codec", "sensing satellite")

STATEMENTS = (
    Statement("converges", _WHERE, "the search converges for every number of satellites"),
    Statement("falling", _WHERE, "the final delay falls with the number of satellites"),
    Statement("more steps", _WHERE, "more satellites take more steps"),
    Statement("120 steps", _WHERE, "it converges within 120 steps in all cases", {"steps": 120.0}),
)

STEP = Assumption(
    "step",
    "one label taken from the queue and extended, in the reading of Algorithm 2 with one label a (layer, satellite)",
    "Fig. 11 does not say what a step is; read as printed, Algorithm 2 extends every path (columns 'as printed')",
)
CASES = Assumption(
    "numbers of satellites",
    "2 to 6, every satellite taking at least one layer",
    "the figure's numbers are not stated in the text; Table II has five; l_k is positive in Eq. (13b)",
)


def onboard_problem(ideal: Idealised, delay_model: str) -> Problem:
    """Return the paper's problem: satellites only, each taking a layer."""
    return replace(satellites_only(ideal.problem()), relay=False, delay_model=delay_model)


def measure(bench: Bench) -> dict[str, Any]:
    """Search with the published algorithm and with ours, for every number of satellites and both delay models."""
    numbers = NUMBERS[:2] if bench.small else NUMBERS
    rows = []
    for index, n in enumerate(numbers):
        bench.progress("searching", index, len(numbers))
        ideal = Idealised(SETTING.plus(f"planner.max_compute_nodes={n}"))
        rows += [
            {"n": n, "delay_model": delay_model, **_searched(onboard_problem(ideal, delay_model), n)}
            for delay_model in DELAY_MODELS
        ]
    varied = variations(*_ASSUMED)
    models = [Variation("model", title_of(m), model_settings(m)) for m in ("vit-h",)] if bench.small else varied
    return {"rows": rows, "variants": [_variant(each, numbers[-1]) for each in models], "largest": numbers[-1]}


def _searched(problem: Problem, n: int) -> dict[str, Any]:
    published, ours = plan(problem, "paper-astar"), plan(problem, "optimal")
    found: dict[str, Any] = {
        "published": _figures(published),
        "ours": _figures(ours) | {"trace": [[s.step, s.lower_bound_s, s.incumbent_s] for s in ours.trace]},
        "n_splits": comb(problem.n_layers - 1, n - 1),
        "printed": None,
    }
    if n <= 3:  # beyond that the algorithm as printed takes hours
        found["printed"] = _figures(plan(problem, "paper-astar-tree"))
    return found


def _figures(result: PlanResult) -> dict[str, Any]:
    return {"delay_s": result.cost.total_s, "expanded": result.expanded}


def _variant(each: Variation, n: int) -> dict[str, Any]:
    # The number of satellites wins over the variation.
    ideal = Idealised(SETTING.plus(*each.settings, f"planner.max_compute_nodes={n}"), each.speed)
    problem = onboard_problem(ideal, "paper")
    return {
        "assumption": each.assumption,
        "words": each.words,
        "published": _figures(plan(problem, "paper-astar")),
        "ours": _figures(plan(problem, "optimal")),
    }


def _of(data: Data, delay_model: str) -> list[Mapping[str, Any]]:
    return [row for row in data["rows"] if row["delay_model"] == delay_model]


def judge(data: Data) -> list[Finding]:
    """Set the statements beside what was found."""
    paper = _of(data, "paper")
    steps = {row["n"]: row["published"]["expanded"] for row in paper}
    gaps = {row["n"]: row["published"]["delay_s"] / row["ours"]["delay_s"] - 1.0 for row in paper}
    values = list(steps.values())
    delays = [row["published"]["delay_s"] for row in paper]
    ends = "; ".join(f"{n}: {count}" for n, count in steps.items())
    shown = "; ".join(
        f"{row['n']}: {seconds(row['published']['delay_s'])} (optimum {seconds(row['ours']['delay_s'])})"
        for row in paper
    )
    off = {n: gap for n, gap in gaps.items() if gap > 1e-9}
    return [
        Finding(
            "converges",
            {"idealised": shown},
            "partly" if off else "yes",
            "it always ends, but not at the optimum: "
            + ", ".join(f"{100.0 * gap:.1f} % above it with {n}" for n, gap in off.items())
            + " (one label cannot be enough where the cost has a maximum in it; ours proves its optimum)"
            if off
            else "",
        ),
        Finding(
            "falling",
            {"idealised": shown},
            "yes" if delays == sorted(delays, reverse=True) else "no",
        ),
        Finding(
            "more steps", {"idealised": f"steps by satellites {ends}"}, "yes" if values == sorted(values) else "no"
        ),
        _within(steps, paper),
    ]


def _within(steps: Mapping[int, int], rows: list[Mapping[str, Any]]) -> Finding:
    ends = "; ".join(f"{n}: {count}" for n, count in steps.items())
    printed = {row["n"]: row["printed"]["expanded"] for row in rows if row["printed"] is not None}
    also = "; as printed " + "; ".join(f"{n}: {count}" for n, count in printed.items()) if printed else ""
    over = {n: count for n, count in steps.items() if count > MOST_STEPS}
    splits = {row["n"]: row["n_splits"] for row in rows}
    reason = f"over it with {', '.join(f'{n} ({count})' for n, count in over.items())}" if over else ""
    agrees: Agreement = "yes" if not over else "partly" if len(over) < len(steps) else "no"
    largest = max(splits)
    if over:
        reason += f"; a layered graph of {largest} satellites has {splits[largest]:,} splits"
    return Finding("120 steps", {"idealised": f"one label a node {ends}{also}"}, agrees, reason)


def effects(data: Data) -> list[Effect]:
    """Return what each assumption does to the number of steps."""
    base = _of(data, "paper")[-1]
    exact = _of(data, "exact")[-1]
    n = data["largest"]
    rows = [
        Effect(
            "delay model",
            "exact",
            f"steps with {n} satellites",
            base["published"]["expanded"],
            exact["published"]["expanded"],
        )
    ]
    rows += [
        Effect(
            each["assumption"],
            each["words"],
            f"steps with {n} satellites",
            base["published"]["expanded"],
            each["published"]["expanded"],
            f"its plan {100.0 * (each['published']['delay_s'] / each['ours']['delay_s'] - 1.0):.1f} % above the "
            "optimum",
        )
        for each in data["variants"]
    ]
    rows += [
        Effect(
            "step",
            "Algorithm 2 as printed",
            f"steps with {row['n']} satellites",
            row["published"]["expanded"],
            row["printed"]["expanded"],
        )
        for row in _of(data, "paper")
        if row["printed"] is not None
    ]
    return rows


def draw(data: Data) -> Mapping[str, Figure]:
    """Draw steps and final delay over satellites, and the convergence of our own search."""
    figure, (left, middle, right) = new_figure(1, 3, size=(10.2, 3.3))
    for delay_model, line in (("paper", "-"), ("exact", "--")):
        rows = _of(data, delay_model)
        numbers = [row["n"] for row in rows]
        left.plot(
            numbers, [row["published"]["expanded"] for row in rows], marker="o", linestyle=line,
            color=COLORS["vermilion"].light, label=f"published search, {delay_model} delay model",
        )  # fmt: skip
        middle.plot(
            numbers, [row["ours"]["delay_s"] for row in rows], marker="s", linestyle=line,
            color=scheme_style("collaborative").color.light, label=f"optimum, {delay_model} delay model",
        )  # fmt: skip
        middle.plot(
            numbers, [row["published"]["delay_s"] for row in rows], marker="x", linestyle="none",
            color=COLORS["vermilion"].light, label=f"published search, {delay_model}",
        )  # fmt: skip
    left.axhline(MOST_STEPS, color=PUBLISHED, linewidth=1.2, linestyle=(0, (4, 2)), label="the paper: within 120 steps")
    left.set_ylim(bottom=0)
    left.set_ylabel("labels extended until the end")
    left.set_title("steps")
    middle.set_ylim(bottom=0)
    middle.set_ylabel("delay of a task [s]")
    middle.set_title("delay of the plan found")
    for axes in (left, middle):
        axes.set_xticks([row["n"] for row in _of(data, "paper")])
        axes.set_xlabel("satellites")
        axes.legend(loc="best", fontsize=6.5)
    for index, row in enumerate(_of(data, "paper")):
        color = COLORS[("blue", "orange", "green", "purple", "sky")[index % 5]].light
        steps = [step for step, _, _ in row["ours"]["trace"]]
        right.plot(
            steps, [s for _, _, s in row["ours"]["trace"]], marker="o", color=color, label=f"{row['n']} satellites"
        )
        right.plot(steps, [s for _, s, _ in row["ours"]["trace"]], linestyle=":", color=color)
    right.set_xlabel("pass of our search")
    right.set_xticks(range(1, 1 + max(len(row["ours"]["trace"]) for row in _of(data, "paper"))))
    right.set_ylabel("delay of a task [s]")
    right.set_title("our search: best plan, and bound (dotted)")
    right.legend(loc="best", fontsize=6.5)
    return {"fig11": figure}


EXPERIMENT = Experiment(
    name="fig11",
    title="Convergence of the published search",
    source=PAPER,
    statements=STATEMENTS,
    assumptions=(STEP, CASES, *(ASSUMPTIONS[name] for name in (*_ASSUMED, "delay model"))),
    caption=(
        "Its seconds are those of the paper's delay model, Eqs. (11) and (14), unless a curve says exact; they cannot "
        "be compared with those of Fig. 6, which are exact. Optimum: of the same delay model."
    ),
    settings=(
        SETTING.in_words() + " --set planner.max_compute_nodes=2 ... 6",
        "the search runs on the satellites alone, under the paper's delay model unless stated; contacts play no part",
    ),
    measure=measure,
    judge=judge,
    draw=draw,
    effects=effects,
)
