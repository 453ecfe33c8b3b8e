"""Fig. 9: accuracy over training epochs, the trained mask beside Top-k."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from orbitsim.neural.evaluation.intervals import Interval, mean_interval
from orbitsim.neural.reproduce.accuracy_rows import Row, difference, measure_rows
from orbitsim.neural.reproduce.drawing import COLOURS, MARKERS, legend_below, panels
from orbitsim.neural.reproduce.image_sets import image_sets
from orbitsim.neural.reproduce.plan import CUTS, EPOCHS, IMAGES, METHODS, MODELS, PAPER, TITLES, TOP_K, plan_of
from orbitsim.types.experiment import Agreement, Bench, Data, Experiment, Finding, Statement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WHERE = "Fig. 9, Section VI-B3"
NEAR_POINTS = 0.5  # of its last accuracy, from where on a curve counts as converged
SETTLED_SHARE = 0.75  # of the epochs, by which a curve that has converged stays there
STATEMENTS = (
    Statement("converges", _WHERE, "training with the mask converges"),
    Statement("not worse", _WHERE, "the mask ends better than or as good as Top-k"),
    Statement("slower", _WHERE, "the mask takes more epochs than Top-k"),
)


def measure(bench: Bench) -> dict[str, Any]:
    """Train the largest model with every method; what Tables IV and V trained is taken from there."""
    plan = plan_of(bench.small)
    sets = image_sets(bench, plan.most_images)
    rows = measure_rows(bench, plan, sets, plan.models[-1:], METHODS)
    return {"rows": rows, "records": records(rows)}


def records(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return a flat record for each data set, method and epoch; JSON values."""
    return [
        {
            "data": name,
            "model": rows[0]["model"],
            "method": method,
            "n_seeds": len({row["seed"] for row in rows}),
            "epoch": epoch,
            "accuracy_percent": 100.0 * at.estimate,
            "seeds_low_percent": 100.0 * at.low,
            "seeds_high_percent": 100.0 * at.high,
        }
        for name in dict.fromkeys(row["data"] for row in rows)
        for method in METHODS
        for epoch, at in enumerate(curve(rows, name, method))
    ]


def curve(rows: Sequence[Row], data: str, method: str) -> list[Interval]:
    """Return the mean accuracy after each epoch with its t interval over seeds (a point with one seed) [1]."""
    table = np.array([r["accuracy_by_epoch"] for r in rows if (r["data"], r["method"]) == (data, method)])
    if len(table) == 1:
        return [Interval(v, v, v) for v in table[0].tolist()]
    return [mean_interval(column) for column in table.T]


def epochs_to_converge(found: Sequence[Interval]) -> int:
    """Return the first epoch from which on the mean stays within `NEAR_POINTS` of its last value, or above it."""
    last = 100.0 * found[-1].estimate
    short = [i for i, at in enumerate(found) if 100.0 * at.estimate < last - NEAR_POINTS]
    return short[-1] + 1 if short else 0


def judge(data: Data) -> list[Finding]:
    """Set the statements beside what was found."""
    rows = data["rows"]
    names = list(dict.fromkeys(row["data"] for row in rows))
    model = rows[0]["model"]
    curves = {(name, method): curve(rows, name, method) for name in names for method in METHODS}
    gains = {name: difference(rows, name, model, "gumbel", "topk").loss for name in names}
    last = {key: found[-1].estimate for key, found in curves.items()}
    epochs = {key: epochs_to_converge(found) for key, found in curves.items()}
    n_epochs = len(rows[0]["accuracy_by_epoch"]) - 1
    converged = [epochs[name, "gumbel"] <= SETTLED_SHARE * n_epochs for name in names]
    not_worse = [gain.estimate >= 0.0 for gain in gains.values()]
    worse = [gain.high < 0.0 for gain in gains.values()]
    slower = [epochs[name, "gumbel"] > epochs[name, "topk"] for name in names]
    return [
        Finding(
            "converges",
            {
                name: f"{100 * curves[name, 'gumbel'][0].estimate:.1f} % before, {100 * last[name, 'gumbel']:.1f} % "
                f"after {n_epochs} epochs; within {NEAR_POINTS} points of it from epoch {epochs[name, 'gumbel']} on"
                for name in names
            },
            _share(converged),
            "" if all(converged) else "still rising in the last quarter of the epochs",
        ),
        Finding(
            "not worse",
            {
                name: f"mask {100 * last[name, 'gumbel']:.1f} %, Top-k {100 * last[name, 'topk']:.1f} %, randomised "
                f"Top-k {100 * last[name, 'random-topk']:.1f} %; mask less Top-k {100 * gain.estimate:+.2f} "
                f"({100 * gain.low:+.2f} to {100 * gain.high:+.2f}) points"
                for name, gain in gains.items()
            },
            "no" if all(worse) else "yes" if all(not_worse) else "partly",
            ""
            if all(not_worse)
            else "the whole 95 % interval of the paired difference is below zero"
            if all(worse)
            else "below in the mean; the 95 % interval of the paired difference holds zero, so neither can be told",
        ),
        Finding(
            "slower",
            {name: f"epochs: mask {epochs[name, 'gumbel']}, Top-k {epochs[name, 'topk']}" for name in names},
            _share(slower),
            "" if all(slower) else "both begin from the same model, the mask from what costs least when dropped",
        ),
    ]


def _share(checks: Sequence[bool]) -> Agreement:
    return "yes" if all(checks) else "partly" if any(checks) else "no"


def draw(data: Data) -> dict[str, Figure]:
    """Draw a panel for each data set."""
    rows = data["rows"]
    names = list(dict.fromkeys(row["data"] for row in rows))
    figure, axes = panels([f"{name}, {rows[0]['model']}" for name in names])
    for one, name in zip(axes, names, strict=True):
        for method in METHODS:
            found = curve(rows, name, method)
            x = range(len(found))
            y = [100.0 * at.estimate for at in found]
            one.plot(x, y, marker=MARKERS[method], markersize=4, color=COLOURS[method], label=TITLES[method])
            low = [100.0 * max(at.low, 0.0) for at in found]
            high = [100.0 * min(at.high, 1.0) for at in found]
            one.fill_between(x, low, high, color=COLOURS[method], alpha=0.12, linewidth=0)
        one.set_xlabel("epochs with the codec")
        one.set_xticks(range(len(rows[0]["accuracy_by_epoch"])))
    axes[0].set_ylabel("held-out accuracy [%]\nmean, 95 % over seeds")
    legend_below(figure, axes[0], n_columns=4)
    return {"fig9": figure}


EXPERIMENT = Experiment(
    name="fig9",
    title="Fig. 9: accuracy over epochs, trained mask and Top-k",
    source=PAPER,
    statements=STATEMENTS,
    assumptions=(IMAGES, MODELS, CUTS, TOP_K, EPOCHS),
    settings=(
        "orbitsim reproduce fig9 --data FOLDER --cache DIR",
        "the largest of the small models, four cuts, 20 % kept, 8 bits; trainings shared with table4 and table5",
    ),
    measure=measure,
    judge=judge,
    draw=draw,
    extra="neural",
)
