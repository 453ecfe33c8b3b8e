"""Bytes after each stage of compression at every cut of a small model, its codecs trained or calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from orbitsim.neural.codecs import Codec, load_codec
from orbitsim.neural.images import normalised
from orbitsim.neural.reproduce.image_sets import ImageSet
from orbitsim.neural.reproduce.plan import Plan
from orbitsim.neural.reproduce.trainings import Training, Trainings
from orbitsim.neural.split import SplitModel
from orbitsim.neural.training.artefacts import codec_file
from orbitsim.neural.training.codec_setup import make_codecs, take_samples
from orbitsim.neural.training.image_data import ImageData
from orbitsim.neural.training.objective import zeros_and_ones
from orbitsim.neural.zoo import load_model
from orbitsim.types.experiment import Bench

BATCH_SIZE = 64  # images of a stream: a mini-batch of the paper


def small_stages(bench: Bench, plan: Plan, images: ImageSet) -> list[dict[str, Any]]:
    """Return rows of the largest small model: its trained mask, and an untrained transform of as many bytes."""
    trainings, model = Trainings(bench, plan, images), plan.models[-1]
    rows = []
    for number, seed in enumerate(plan.seeds):
        bench.progress(f"stages of {model}, {images.name}", number, len(plan.seeds))
        masked, plain = trainings.tuned(model, seed, "gumbel"), trainings.tuned(model, seed, "identity")
        data = trainings.data(model, seed)
        about = {"data": images.name, "model": model, "seed": seed}
        base_right = plain.metrics["epochs"][-1]["held_out"]["right"]
        mask = stage_sizes(masked.backbone, plan.cuts, trained_codecs(masked, plan.cuts), data)
        rows.append({**about, "method": "gumbel", "base_right": base_right, **mask})
        ratio = float(np.sum(mask["uncompressed_bytes"]) / np.sum(mask["coded_bytes"]))
        codecs = calibrated_transforms(plain.backbone, plan, data, plan.cuts, seed, ratio)
        found = stage_sizes(plain.backbone, plan.cuts, codecs, data)
        rows.append({**about, "method": "transform", "base_right": base_right, **found})
    return rows


def trained_codecs(training: Training, cuts: Sequence[int]) -> list[Codec]:
    """Return the codecs that a training left, one for each cut."""
    return [load_codec(codec_file(training.folder, cut)).eval() for cut in cuts]


def calibrated_transforms(
    backbone: str, plan: Plan, data: ImageData, cuts: Sequence[int], seed: int, ratio: float
) -> list[Codec]:
    """Return transform codecs of one step, fitted to training images so that all cuts together have a ratio."""
    parts = load_model(backbone)
    draw = np.random.default_rng([seed, 8]).permutation(len(data.train_labels))[: plan.n_calibration]
    samples = take_samples(parts, cuts, data.train_batch(draw, None)[0], seed=seed, batch_size=32)
    return [codec.eval() for codec in make_codecs("transform", samples, {}, target_ratio=ratio)]


def stage_sizes(backbone: str, cuts: Sequence[int], codecs: Sequence[Codec], data: ImageData) -> dict[str, Any]:
    """Return the bytes of the held-out images after each stage at each cut, and which of them are recognised."""
    split = SplitModel(load_model(backbone), cuts, codecs).eval()
    sizes = np.zeros((4, len(cuts)), dtype=np.int64)
    right = []
    with torch.inference_mode():
        for x, wanted in zip(
            torch.split(normalised(data.held_images), BATCH_SIZE),
            torch.split(torch.from_numpy(data.held_labels), BATCH_SIZE),
            strict=True,
        ):
            hidden = x
            for number, codec in enumerate(codecs):
                hidden = split.stages[number](hidden)
                found = codec.size_parts(hidden)
                sizes[:, number] += [
                    found.uncompressed_bytes, found.sparsified_bytes, found.quantised_bytes, found.coded_bytes,
                ]  # fmt: skip
                hidden = codec.decode(codec.encode(hidden))
            right.append(split.stages[-1](hidden).argmax(1) == wanted)
    names = ("uncompressed_bytes", "sparsified_bytes", "quantised_bytes", "coded_bytes")
    table = {name: sizes[i].tolist() for i, name in enumerate(names)}
    return {"cuts": list(cuts), **table, "right": zeros_and_ones(torch.cat(right))}
