"""Fig. 10: accuracy under 200 choices of cuts, the codecs' setting fixed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from orbitsim.errors import OutputError
from orbitsim.neural.evaluation.intervals import paired_loss, wilson_interval
from orbitsim.neural.images import normalised
from orbitsim.neural.reproduce.cut_choices import random_choices, run_choices
from orbitsim.neural.reproduce.drawing import COLOURS, PAPER_COLOUR, panels
from orbitsim.neural.reproduce.image_sets import ImageSet, image_sets
from orbitsim.neural.reproduce.plan import EPOCHS, FULL, IMAGES, PAPER, TITLES, Plan, plan_of
from orbitsim.neural.reproduce.random_cuts import RandomCuts
from orbitsim.neural.reproduce.stages import calibrated_transforms, trained_codecs
from orbitsim.neural.reproduce.trainings import Trainings
from orbitsim.neural.training.objective import zeros_and_ones
from orbitsim.neural.training.small_vit import SMALL_VITS
from orbitsim.neural.zoo import load_model
from orbitsim.types.experiment import Agreement, Assumption, Bench, Data, Experiment, Finding, Statement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WHERE = "Fig. 10, Section VI-B4"
METHODS = ("gumbel", "transform")
PUBLISHED_SHARE = 194 / 200
STATEMENTS = (
    Statement(
        "within one point",
        _WHERE,
        "194 of 200 choices of cuts lie within 1 % of the accuracy without compression",
        {"share_within_one_point": PUBLISHED_SHARE},
    ),
    Statement("at most 1.5", _WHERE, "the other 6 lose 1 to 1.5 points", {"largest_loss_points": 1.5}),
)
MODEL = Assumption(
    "model",
    "a vision transformer of 48 px images, 12 blocks, 64 channels, from random weights; its own classifier",
    "a model of 6 blocks has too few choices of cuts; 200 choices on ViT-G, or on a pretrained ViT-S/14 with enough "
    "images to tell one point, take hours of a processor",
)
CHOICES = Assumption(
    "choice of cuts",
    "200 of the 330 ways to cut 12 blocks at four places",
    "the paper places 'the model division point at a different layer' 200 times, more than ViT-G has layers: several "
    "cuts at once are meant",
)
ONE_SETTING = Assumption(
    "one setting for all choices",
    "a mask at each of the 11 boundaries, trained together with the model, four of them drawn at each step; and, "
    "without training, a transform at each boundary with one step for all",
    "the paper keeps the compression fixed and does not say whether each choice is trained for",
)


def measure(bench: Bench) -> dict[str, Any]:
    """Measure every data set with both codecs; each part is kept as it is done."""
    plan = plan_of(bench.small)
    sets = image_sets(bench, plan.most_images)
    rows = [row for images in sets for row in _rows(bench, plan, images)]
    losses = [{"data": r["data"], "method": r["method"], "points": losses_points(r).tolist()} for r in rows]
    return {"rows": rows, "records": [record(row) for row in rows], "losses": losses}


def _rows(bench: Bench, plan: Plan, images: ImageSet) -> list[dict[str, Any]]:
    model, seed = plan.deep_model, plan.seeds[0]
    n_blocks = SMALL_VITS[model].n_blocks
    every = tuple(range(1, n_blocks))
    trainings = Trainings(bench, plan, images)
    split = partial_split(plan.n_deep_cuts)
    masked = trainings.tuned(model, seed, "gumbel", cuts=every, make_split=split)
    plain = trainings.tuned(model, seed, "identity", cuts=every)
    base_right = plain.metrics["epochs"][-1]["held_out"]["right"]
    data = trainings.data(model, seed)
    labels = torch.from_numpy(data.held_labels)
    choices = random_choices(n_blocks, plan.n_deep_cuts, plan.n_choices, seed)
    ratio, rows = 1.0, []
    for method in METHODS:
        kept = bench.folder / f"{Path(images.folder).name}-{method}-{masked.folder.name[-8:]}.json"
        if kept.is_file():
            row = json.loads(kept.read_text(encoding="utf-8"))
        else:
            backbone = masked.backbone if method == "gumbel" else plain.backbone
            codecs = (
                trained_codecs(masked, every)
                if method == "gumbel"
                else calibrated_transforms(backbone, plan, data, every, seed, ratio)
            )
            found = run_choices(
                load_model(backbone),
                dict(zip(every, codecs, strict=True)),
                choices,
                normalised(data.held_images),
                report=bench.progress,
            )
            row = {
                "data": images.name,
                "model": model,
                "method": method,
                "seed": seed,
                "base_right": base_right,
                "cuts": [list(result.cuts) for result in found],
                "ratio_fp32": [4.0 * result.n_values / result.n_bytes for result in found],
                "right": [zeros_and_ones(result.output.argmax(1) == labels) for result in found],
            }
            _keep(kept, row)
        ratio = float(np.mean(row["ratio_fp32"]))  # the transform then has about the bytes of the mask
        rows.append(row)
    return rows


def partial_split(n_acting: int) -> partial[RandomCuts]:
    """Return what makes a split model of which so many codecs act at a step."""
    made = partial(RandomCuts, n_acting=n_acting)
    made.__name__ = f"random-{n_acting}"  # type: ignore[attr-defined]
    return made


def _keep(path: Path, row: Mapping[str, Any]) -> None:
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.write_text(json.dumps(row) + "\n", encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def losses_points(row: Mapping[str, Any]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return what every choice loses against the model trained as long without a codec [points]."""
    base = _right(row["base_right"]).mean()
    return np.array([100.0 * (base - _right(right).mean()) for right in row["right"]])


def _right(figures: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.array([figure == "1" for figure in figures])


def record(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the distribution of a row as a flat record; JSON values."""
    losses = losses_points(row)
    base = _right(row["base_right"])
    level = wilson_interval(float(base.sum()), len(base))
    middle = int(np.argsort(losses)[len(losses) // 2])
    paired = paired_loss(base, _right(row["right"][middle])).loss
    return {
        "data": row["data"],
        "model": row["model"],
        "method": row["method"],
        "seed": row["seed"],
        "n_choices": len(losses),
        "n_images": len(base),
        "ratio_fp32": float(np.mean(row["ratio_fp32"])),
        "baseline_percent": 100.0 * level.estimate,
        "baseline_low_percent": 100.0 * level.low,
        "baseline_high_percent": 100.0 * level.high,
        "n_within_one_point": int((losses <= 1.0).sum()),
        "loss_least_points": float(losses.min()),
        "loss_median_points": float(np.median(losses)),
        "loss_median_low_points": 100.0 * paired.low,
        "loss_median_high_points": 100.0 * paired.high,
        "loss_most_points": float(losses.max()),
        "loss_spread_points": float(losses.std(ddof=1)) if len(losses) > 1 else 0.0,
    }


def judge(data: Data) -> list[Finding]:
    """Set the statements beside what was found."""
    found = [record(row) for row in data["rows"]]
    masks = [r for r in found if r["method"] == "gumbel"]
    within = [r["n_within_one_point"] / r["n_choices"] >= PUBLISHED_SHARE for r in masks]
    most = [r["loss_most_points"] <= 1.5 for r in masks]

    def label(r: Mapping[str, Any]) -> str:
        return f"{TITLES[r['method']]}, {r['data']}"

    return [
        Finding(
            "within one point",
            {
                label(r): f"{r['n_within_one_point']} of {r['n_choices']} at {r['ratio_fp32']:.1f}x; the median choice "
                f"loses {r['loss_median_points']:.1f} ({r['loss_median_low_points']:.1f} to "
                f"{r['loss_median_high_points']:.1f}) points"
                for r in found
            },
            _share(within),
            "" if all(within) else "a small model loses more than a point to any four masks that keep 20 %",
        ),
        Finding(
            "at most 1.5",
            {
                label(r): f"losses from {r['loss_least_points']:.1f} to {r['loss_most_points']:.1f} points, standard "
                f"deviation {r['loss_spread_points']:.1f}"
                for r in found
            },
            _share(most),
            ""
            if all(most)
            else "one held-out image more or less is "
            f"{100 / min(r['n_images'] for r in masks):.2f} points; the spread over choices is wider",
        ),
    ]


def _share(checks: Sequence[bool]) -> Agreement:
    return "yes" if all(checks) else "partly" if any(checks) else "no"


def draw(data: Data) -> dict[str, Figure]:
    """Draw the distribution of the loss, a panel for each data set."""
    rows = data["rows"]
    names = list(dict.fromkeys(row["data"] for row in rows))
    figure, axes = panels([f"{name}, {rows[0]['model']}" for name in names])
    for one, name in zip(axes, names, strict=True):
        chosen = [row for row in rows if row["data"] == name]
        every = np.concatenate([losses_points(row) for row in chosen])
        width = 100.0 / len(chosen[0]["base_right"])  # of one image
        n_bins = max(1, min(40, round((every.max() - every.min()) / width) + 1))
        bins = np.linspace(every.min() - width / 2, every.max() + width / 2, n_bins + 1)
        for row in chosen:
            label = f"{TITLES[row['method']]}, {np.mean(row['ratio_fp32']):.0f}x"
            one.hist(losses_points(row), bins, color=COLOURS[row["method"]], alpha=0.65, label=label)
        one.axvspan(0.0, 1.0, color="#e69f00", alpha=0.25, label="within one point: the paper, 194 of 200")
        one.axvline(0.0, color=PAPER_COLOUR, linestyle="--", linewidth=1.0, label="without a codec")
        one.set_xlabel("loss against no codec [points]")
        one.legend(fontsize=7, frameon=False)
    axes[0].set_ylabel("choices of cuts")
    return {"fig10": figure}


EXPERIMENT = Experiment(
    name="fig10",
    title="Fig. 10: accuracy under 200 choices of cuts",
    source=PAPER,
    statements=STATEMENTS,
    assumptions=(IMAGES, MODEL, CHOICES, ONE_SETTING, EPOCHS),
    settings=(
        "orbitsim reproduce fig10 --data FOLDER --cache DIR",
        f"four cuts of 12 blocks, {100 * FULL.keep:.0f} % kept and 8 bits, or a transform of as many bytes; one seed",
    ),
    measure=measure,
    judge=judge,
    draw=draw,
    extra="neural",
)
