"""From a request to trained codecs in a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orbitsim.errors import InputError, Problem
from orbitsim.neural.codecs import save_codec
from orbitsim.neural.evaluation.backbone import blocks_hash
from orbitsim.neural.images import batches
from orbitsim.neural.parts import ModelParts
from orbitsim.neural.probe import fit_probe, pooled
from orbitsim.neural.repeatable import check_repeatable
from orbitsim.neural.split import SplitModel, cut_problems
from orbitsim.neural.training import artefacts
from orbitsim.neural.training.codec_options import CodecOptions, learn_problems
from orbitsim.neural.training.codec_request import CodecRequest
from orbitsim.neural.training.codec_setup import make_codecs, take_samples
from orbitsim.neural.training.codec_task import CodecTask, Head
from orbitsim.neural.training.image_data import ImageData, read_images
from orbitsim.neural.training.loop import Progress
from orbitsim.neural.training.precision import chosen_device, mixed
from orbitsim.neural.training.run import Kept, Note, json_values, run_task
from orbitsim.neural.training.streams import numpy_stream
from orbitsim.neural.training.trade_off import local_trade_off
from orbitsim.neural.zoo import load_model

_RATE = {"gumbel": 0.05, "transform": 5e-5}  # default learning rate of codecs by kind; see `CodecOptions.rate`
_LEARN = {"gumbel": ("logits",), "transform": ("synthesis", "centre")}
_DRAWN = ("gumbel", "random-topk")  # kinds that draw what they keep in training
_WEIGHED = ("gumbel", "transform")  # kinds that are calibrated with gradients
_PROBE_BATCH = 16
_N_TRADE_OFF = 32  # images with which the price of a bit is measured


def train_codec(
    request: CodecRequest,
    out: Path,
    *,
    command: str = "",
    resume: bool = False,
    report: Progress = lambda _name, _done, _total: None,
    note: Note = lambda _label, _message: None,
    data: ImageData | None = None,
    keep: Kept = "best",
    make_split: Callable[..., SplitModel] = SplitModel,
    held_out_batch: int | None = None,
) -> dict[str, Any]:
    """Train codecs, write them and all measures to a folder, and return the measures.

    Parameters
    ----------
    request : CodecRequest
        What.
    out : Path
        Folder; holds the checkpoint while the run lasts.
    command : str
        For the provenance.
    resume : bool
        Go on with the folder's checkpoint where there is one.
    report, note : callable
        Told of progress, and of what should be known.
    data : ImageData, optional
        Images at hand, such as a fold of one's own, in place of the request's folder.
    keep : {"best", "last"}
        See `run_task`.
    make_split : callable
        Returns the split model of parts, cuts and codecs, as `SplitModel` does.
    held_out_batch : int, optional
        Images of a stream of the held-out part, other than those of a training step.

    Raises
    ------
    InputError
        With everything that is wrong.
    """
    problems = request.problems()
    if problems:
        raise InputError(problems)
    device = chosen_device(request.device)
    torch.set_num_threads(request.threads)
    parts = _model(request)
    artefacts.check_folder(out, resume=resume)
    side = int(parts.input_shape[1])
    data = data or read_images(
        request.data, side, held_out=request.held_out, seed=request.seed, per_class=request.per_class
    )
    with artefacts.folder_of_run(out):
        parts.to(device, torch.float32)
        blocks = blocks_hash(parts)  # before they learn: what is evaluated is this model
        task, facts = _task(request, parts, data, device, note, make_split, held_out_batch)
        history = run_task(task, request, data, out, keep=keep, resume=resume, device=device, report=report, note=note)
        task.split.codecs.eval()
        return _write(request, out, task, parts, data, history, {**facts, "blocks_sha256": blocks}, command)


def _model(request: CodecRequest) -> ModelParts:
    parts = load_model(request.model, seed=request.seed)
    problems = cut_problems(request.cuts, len(parts.blocks), "--cuts")
    if len(parts.input_shape) != 3 or parts.input_shape[0] != 3 or parts.input_shape[1] != parts.input_shape[2]:
        problems.append(Problem("--model", f"expected a model of square colour images, it takes {parts.input_shape}"))
    if request.finetune != "none":
        try:
            artefacts.check_can_save(parts)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    check_repeatable(parts)
    return parts


def _task(
    request: CodecRequest,
    parts: ModelParts,
    data: ImageData,
    device: torch.device,
    note: Note,
    make_split: Callable[..., SplitModel],
    held_out_batch: int | None,
) -> tuple[CodecTask, dict[str, Any]]:
    """Return the task in its start, and what was found on the way; the same at every start of the same run."""
    draw = numpy_stream(request.seed, "calibration").permutation(len(data.train_labels))[: request.n_calibration]
    images, _ = data.train_batch(draw, None)
    samples = take_samples(
        parts,
        request.cuts,
        images.to(device),
        seed=request.seed,
        precision=request.precision,
        batch_size=request.batch_size,
        gradients=request.codec in _WEIGHED,
    )
    settings = dict(request.settings)
    if request.target_keep is not None:
        settings.setdefault("keep", request.target_keep)  # null: a mask that knows nothing of the activations
    codecs = make_codecs(request.codec, samples, settings, target_ratio=request.target_ratio)
    if faults := learn_problems(request.learn or (), codecs):
        raise InputError(faults)
    head, kind = _head(request, parts, data, device)
    if kind == "none" and request.accuracy:
        note("no accuracy", f"{parts.name} gives neither tokens nor logits of the {len(data.classes)} classes")
    objective = request.objective or ("cross-entropy" if kind == "own" else "features")
    if objective == "cross-entropy" and head is None:
        raise InputError(Problem("--objective", "expected features: there is nothing that tells the classes"))
    frozen = request.finetune == "none"
    reference = parts if frozen else load_model(request.model, seed=request.seed).to(device, torch.float32)
    assert reference.whole is not None  # noqa: S101 (load_model gives weights)
    options = CodecOptions(
        objective=objective,
        learn=_LEARN.get(request.codec, ()) if request.learn is None else request.learn,
        rate=_RATE.get(request.codec, 1e-4) if request.rate is None else request.rate,
        finetune=request.finetune,
        finetune_rate=request.finetune_rate,
        trade_off=request.trade_off or 0.0,
        target_keep=request.target_keep,
        sparsity_weight=request.sparsity_weight or 0.0,
        noise=request.codec in _DRAWN if request.noise is None else request.noise,
        augment=request.augment,
        precision=request.precision,
        seed=request.seed,
    )
    task = CodecTask(
        make_split(parts, request.cuts, codecs),
        reference.whole,
        head,
        data,
        data.train_images[draw],
        options,
        batch_size=held_out_batch or max(request.batch_size, 16),
    )
    if request.codec == "transform" and request.trade_off is None:
        price = local_trade_off(task, [int(i) for i in draw[:_N_TRADE_OFF]])
        task.options = options = replace(options, trade_off=price)
    facts = {"head": kind, "reference": task.reference_measures(), "options": json_values(asdict(options))}
    return task, facts


def _head(request: CodecRequest, parts: ModelParts, data: ImageData, device: torch.device) -> tuple[Head | None, str]:
    """Return what turns outputs into logits of the data's classes: the model's own head, or a probe."""
    assert parts.whole is not None  # noqa: S101 (load_model gives weights)
    n_classes = len(data.classes)
    with torch.no_grad(), mixed(request.precision, device):
        order = np.arange(len(data.train_labels))
        first = parts.whole(data.train_batch(order[:1], None)[0].to(device))
        if first.ndim == 2 and first.shape[1] == n_classes and parts.output == "logits":
            return _same, "own"
        if first.ndim != 3 or not (request.accuracy or request.objective == "cross-entropy"):
            return None, "none"
        outputs = [
            pooled(parts.whole(data.train_batch(some, None)[0].to(device)).float())
            for some in batches(order, _PROBE_BATCH)
        ]
    probe = fit_probe(torch.cat(outputs).cpu().numpy(), data.train_labels, n_classes=n_classes, seed=request.seed)
    layer = probe.as_linear().to(device)
    return lambda tokens: layer(pooled(tokens.float())), "probe"


def _same(logits: Tensor) -> Tensor:
    return logits


def _write(
    request: CodecRequest,
    out: Path,
    task: CodecTask,
    parts: ModelParts,
    data: ImageData,
    history: list[dict[str, Any]],
    facts: Mapping[str, Any],
    command: str,
) -> dict[str, Any]:
    origin = artefacts.provenance(command, request.seed, data.facts)
    for cut, codec in zip(request.cuts, task.codecs, strict=True):
        assert codec is not None  # noqa: S101 (every cut has one)
        about = {
            "cut": cut,
            "cuts": list(request.cuts),
            "model": parts.name,
            "blocks_sha256": facts["blocks_sha256"],
            **origin,
        }
        save_codec(codec.cpu(), artefacts.codec_file(out, cut), provenance=about)
    if data.digests:
        artefacts.write_images(out, data.digests)
    if request.finetune != "none":
        artefacts.save_backbone(parts, out / artefacts.BACKBONE)
    best = next(entry for entry in history if entry["best"])
    content = {
        "kind": "codec training",
        "model": parts.name,
        "request": json_values(asdict(request)),
        **facts,
        "start": history[0]["held_out"],
        "best_epoch": best["epoch"],
        "best": best["held_out"],
        "epochs": history,
        "provenance": origin,
    }
    artefacts.write_metrics(out, content)
    return content
