"""Bytes after each stage of compression at every cut of a pretrained backbone; each method is kept as it is done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from orbitsim.errors import OutputError
from orbitsim.neural.codecs import Codec
from orbitsim.neural.evaluation.backbone import evaluation_model, weights_hash
from orbitsim.neural.evaluation.calibration_sample import calibration_sample
from orbitsim.neural.evaluation.clean_run import CleanRun, run_clean
from orbitsim.neural.evaluation.coded_run import run_coded
from orbitsim.neural.evaluation.data_names import data_set_name
from orbitsim.neural.evaluation.experiment import threads
from orbitsim.neural.evaluation.methods import Method, fit_method
from orbitsim.neural.evaluation.trained import TrainedCodecs
from orbitsim.neural.images import ImageFolder, image_folder
from orbitsim.neural.parts import ModelParts
from orbitsim.neural.reproduce.image_sets import ImageSet
from orbitsim.neural.reproduce.plan import Plan
from orbitsim.neural.split import SplitModel
from orbitsim.types.experiment import Bench

TARGET_RATIO = 25.0  # of the transform, about what the paper reports
TRAINED_MASK = "pretrained-mask"  # folder beside the trainings that may hold a mask trained with the pretrained model
SEED = 1
N_FITTED, N_GRADIENTS = 64, 32


def pretrained_stages(bench: Bench, plan: Plan, sets: Sequence[ImageSet]) -> list[dict[str, Any]]:
    """Return a row for each method on some images of the first data set.

    Codecs are calibrated on images of the second data set, or, with one, on other images of the first.
    """
    assert plan.pretrained is not None  # noqa: S101 (told apart by the caller)
    threads(bench.workers)
    root = bench.shared or bench.folder
    test, others = _two_parts(sets, plan.pretrained_images)
    methods: list[Method | TrainedCodecs] = [
        Method("mask", settings={"keep": plan.pretrained_keep, "bits": plan.bits}),
        Method("transform", ratio=TARGET_RATIO),
    ]
    if (root / TRAINED_MASK).is_dir():
        methods.append(TrainedCodecs(str(root / TRAINED_MASK), "gumbel"))
    parts = evaluation_model(plan.pretrained)
    clean, other = (_clean(bench, plan, parts, folder, root) for folder in (test, others))
    split = SplitModel(parts, plan.pretrained_cuts).eval()
    rows = []
    for number, method in enumerate(methods):
        bench.progress(f"stages of {plan.pretrained}", number, len(methods))
        identity = method.describe()["codec_ids"] if isinstance(method, TrainedCodecs) else [method.label]
        kept = root / "pretrained-rows" / f"{clean.key}-{other.key}-{'-'.join(identity)}.json"
        if not kept.is_file():
            begun, cut, codecs = clean, split, []
            if isinstance(method, TrainedCodecs):
                codecs, tuned = method.load(plan.pretrained_cuts, parts), method.backbone()
                if tuned is not None:  # its first stage has learnt too
                    begun = replace(clean, first=_clean(bench, plan, tuned, test, root).first)
                    cut = SplitModel(tuned, plan.pretrained_cuts).eval()
            else:
                sample = calibration_sample(split, other, SEED, n_fitted=N_FITTED, n_gradients=N_GRADIENTS)
                codecs, _ = fit_method(method, split, sample)
            about = {
                "data": data_set_name(test.root, test.labels),
                "codecs_calibrated_on": data_set_name(others.root, others.labels),
                "model": plan.pretrained,
                "weights": weights_hash(parts),
                "seed": SEED,
                "method": "gumbel" if isinstance(method, TrainedCodecs) else method.kind,
                "cuts": list(plan.pretrained_cuts),
            }
            _keep(kept, {**about, **_sizes(bench, cut, codecs, begun)})
        rows.append(json.loads(kept.read_text(encoding="utf-8")))
    return rows


def _two_parts(sets: Sequence[ImageSet], most_images: int) -> tuple[ImageFolder, ImageFolder]:
    """Return images to test on and others to calibrate on."""

    def some(images: ImageSet, share: int) -> ImageFolder:
        n_classes = len(image_folder(images.folder).classes)
        return image_folder(images.folder, per_class=max(2, share * most_images // n_classes))

    if len(sets) > 1:
        return some(sets[0], 1), some(sets[1], 1)
    both = some(sets[0], 2)
    even = np.arange(len(both)) % 2 == 0
    first, second = (
        ImageFolder(both.root, both.classes, tuple(both.files[i] for i in np.flatnonzero(part)), both.labels[part])
        for part in (even, ~even)
    )
    return first, second


def _clean(bench: Bench, plan: Plan, parts: ModelParts, folder: ImageFolder, root: Path) -> CleanRun:
    return run_clean(parts, plan.pretrained_cuts, folder, root / "pretrained-cache", report=bench.progress)


def _sizes(bench: Bench, split: SplitModel, codecs: Sequence[Codec | None], clean: CleanRun) -> dict[str, Any]:
    """Return bytes and the error of the final features; stages are taken of all mini-batches."""
    order = np.random.default_rng([SEED, 2]).permutation(len(clean))
    evaluated = [None if codec is None else codec.eval() for codec in codecs]
    found = run_coded(split, evaluated, clean, order, n_staged=len(order), report=bench.progress)
    names = ("uncompressed_bytes", "sparsified_bytes", "quantised_bytes", "coded_bytes")
    return {
        **{name: found.stage_bytes[:, i].tolist() for i, name in enumerate(names)},
        "n_images": len(order),
        "feature_error": found.token_error,
    }


def _keep(path: Path, row: dict[str, Any]) -> None:
    unfinished = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(json.dumps(row) + "\n", encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
