"""Accuracies of models trained with and without codecs: measured once for Fig. 9 and Tables IV and V, then compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from orbitsim.neural.evaluation.intervals import Interval, PairedLoss, mean_interval, paired_loss, wilson_interval
from orbitsim.neural.reproduce.image_sets import ImageSet
from orbitsim.neural.reproduce.plan import Plan
from orbitsim.neural.reproduce.trainings import Training, Trainings
from orbitsim.types.experiment import Bench

Row = Mapping[str, Any]


def measure_rows(
    bench: Bench, plan: Plan, sets: Sequence[ImageSet], models: Sequence[str], methods: Sequence[str]
) -> list[dict[str, Any]]:
    """Train (or read) every model with every method and seed, and return a row for each; JSON values."""
    rows: list[dict[str, Any]] = []
    n_rows = len(sets) * len(plan.seeds) * len(models) * len(methods)
    for images in sets:
        trainings = Trainings(bench, plan, images)
        for seed in plan.seeds:
            for model in models:
                for method in methods:
                    bench.progress("trainings", len(rows), n_rows)
                    rows.append(row_of(trainings.tuned(model, seed, method), images.name, model, method, seed))
    return rows


def row_of(training: Training, data: str, model: str, method: str, seed: int) -> dict[str, Any]:
    """Return what the experiments need of a training.

    ``accuracy_by_epoch`` begins with the state before the first one; ``right`` says of each held-out image whether the
    last state recognises it, ``start_right`` whether the model did before it was trained with a codec.
    """
    metrics = training.metrics
    last = metrics["epochs"][-1]["held_out"]
    return {
        "data": data,
        "model": model,
        "method": method,
        "seed": seed,
        "n_held_out": len(last["right"]),
        "n_train": metrics["provenance"]["data"]["n_train"],
        "accuracy_by_epoch": [epoch["held_out"]["accuracy"] for epoch in metrics["epochs"]],
        "right": last["right"],
        "start_right": metrics["reference"]["right"],
        "ratio_fp32": None if method == "identity" else last["ratio_fp32_all"],
        "keep_share": last.get("keep_share"),
        "images_sha256": metrics["provenance"]["data"]["sha256"],
    }


@dataclass(frozen=True)
class Comparison:
    """One method of one model on one data set, its seeds together, beside the model trained without a codec.

    Attributes
    ----------
    data, model, method : str
        What.
    n_seeds, n_images : int
        Repetitions, and held-out images of one.
    accuracy : Interval
        With the score interval of one repetition's images. [1]
    seeds : Interval or None
        The mean with the t interval over seeds; None with one seed. [1]
    loss : PairedLoss or None
        Against the baseline on the same images of the same seeds; None for the baseline itself.
    ratio_fp32 : float or None
        Fp32 bytes over real bytes of all cuts; None for the baseline. [1]
    """

    data: str
    model: str
    method: str
    n_seeds: int
    n_images: int
    accuracy: Interval
    seeds: Interval | None
    loss: PairedLoss | None
    ratio_fp32: float | None

    def record(self) -> dict[str, Any]:
        """Return it as a flat record; JSON values."""
        loss, seeds = self.loss, self.seeds
        return {
            "data": self.data,
            "model": self.model,
            "method": self.method,
            "n_seeds": self.n_seeds,
            "n_images": self.n_images,
            "accuracy_percent": 100.0 * self.accuracy.estimate,
            "accuracy_low_percent": 100.0 * self.accuracy.low,
            "accuracy_high_percent": 100.0 * self.accuracy.high,
            "seeds_low_percent": None if seeds is None else 100.0 * seeds.low,
            "seeds_high_percent": None if seeds is None else 100.0 * seeds.high,
            "loss_points": None if loss is None else 100.0 * loss.loss.estimate,
            "loss_low_points": None if loss is None else 100.0 * loss.loss.low,
            "loss_high_points": None if loss is None else 100.0 * loss.loss.high,
            "ratio_fp32": self.ratio_fp32,
        }


def compared(rows: Sequence[Row], baseline: str = "identity") -> list[Comparison]:
    """Return a comparison for each data set, model and method, in the order of the rows.

    The splits of seeds differ, so images of two seeds are other images in part; intervals are nevertheless those of one
    repetition's number of images, no narrower for there being several.
    """
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["data"], row["model"], row["method"]), []).append(row)
    return [_comparison(group, groups.get((data, model, baseline))) for (data, model, _), group in groups.items()]


def difference(rows: Sequence[Row], data: str, model: str, first: str, second: str) -> PairedLoss:
    """Return the accuracy of one method less that of another, on the same images of the same seeds."""
    found = {
        method: right_matrix([r for r in rows if (r["data"], r["model"], r["method"]) == (data, model, method)])
        for method in (first, second)
    }
    return paired_loss(found[first], found[second])


def _comparison(group: Sequence[Row], base: Sequence[Row] | None) -> Comparison:
    first = group[0]
    right = right_matrix(group)
    n = right.shape[1]
    is_base = base is None or base[0]["method"] == first["method"]
    return Comparison(
        data=first["data"],
        model=first["model"],
        method=first["method"],
        n_seeds=len(group),
        n_images=n,
        accuracy=wilson_interval(float(right.sum()) / len(group), n),
        seeds=mean_interval(right.mean(1)) if len(group) > 1 else None,
        loss=None if is_base or base is None else paired_loss(right_matrix(base), right),
        ratio_fp32=None if first["ratio_fp32"] is None else float(np.mean([row["ratio_fp32"] for row in group])),
    )


def right_matrix(group: Sequence[Row]) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return which images each seed recognised, (n_seeds, n_images)."""
    return np.array([[figure == "1" for figure in row["right"]] for row in sorted(group, key=lambda r: int(r["seed"]))])
