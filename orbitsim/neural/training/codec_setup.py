"""Codecs of all cuts, calibrated together: activations and output gradients of some images, one step for all cuts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from orbitsim.errors import InputError, Problem
from orbitsim.neural.codecs.base import Codec
from orbitsim.neural.codecs.calibration import fit_codec
from orbitsim.neural.codecs.transform import TransformCodec
from orbitsim.neural.codecs.transform_fit import fit_models
from orbitsim.neural.evaluation.setting_search import UnreachableError, find_setting
from orbitsim.neural.parts import ModelParts
from orbitsim.neural.split import SplitModel
from orbitsim.neural.training.objective import output_variance
from orbitsim.neural.training.precision import mixed
from orbitsim.neural.training.streams import torch_stream

_STEP_RANGE = (1e-6, 1e3)  # of the common step, in units of the output's standard deviation
_STEP = 0.3  # common step where none is asked for
_STEP_ROUNDS = 4
_STEP_PER_RATIO = 1.2  # exponent of the step over the ratio near 25x; only speeds the rounds up
_RATIO_TOLERANCE = 0.005
_FEW = 16  # samples that the step is sought with


@dataclass(frozen=True, eq=False)
class Samples:
    """What codecs are calibrated from.

    Attributes
    ----------
    activations : list of Tensor, each (samples, tokens, channels)
        At each cut, nothing coded.
    gradients : list of Tensor, each (any, tokens, channels)
        At each cut: of random signs times the output, scaled so that squared errors come in units of `feature_error`
        times the number of values of the activation.
    output : Tensor
        Of the model.
    """

    activations: list[Tensor]
    gradients: list[Tensor]
    output: Tensor

    @property
    def variance(self) -> float:
        """Variance of the output."""
        return output_variance(self.output).item()


def take_samples(
    parts: ModelParts,
    cuts: Sequence[int],
    images: Tensor,
    *,
    seed: int,
    precision: str = "fp32",
    batch_size: int = 8,
    gradients: bool = True,
) -> Samples:
    """Return activations and gradients of images at all cuts.

    Parameters
    ----------
    parts : ModelParts
        The model.
    cuts : sequence of int
        Blocks before each cut.
    images : Tensor, (n, 3, height, width)
        As the model takes them.
    seed : int
        Of the random signs.
    precision : str
        That the model computes in.
    batch_size : int
        Images at a time.
    gradients : bool
        Whether gradients are wanted; empty lists otherwise.
    """
    split = SplitModel(parts, cuts)
    frozen = [p for p in split.parameters() if p.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    found: list[list[Tensor]] = [[] for _ in cuts]
    slopes: list[list[Tensor]] = [[] for _ in cuts]
    outputs = []
    try:
        for number, x in enumerate(torch.split(images, batch_size)):
            at_cuts: list[Tensor] = []
            with mixed(precision, x.device), torch.set_grad_enabled(gradients):
                hidden = x
                for stage in split.stages[:-1]:
                    hidden = stage(hidden)
                    if not at_cuts and gradients:
                        hidden = hidden.detach().requires_grad_()
                    at_cuts.append(hidden)
                output = split.stages[-1](hidden).float()
            outputs.append(output.detach())
            for kept, value in zip(found, at_cuts, strict=True):
                kept.append(value.detach().float())
            if gradients:
                with torch_stream(seed, "signs", number, device=x.device):
                    signs = torch.randint(2, output.shape, device=x.device).to(output.dtype) * 2 - 1
                for kept, value in zip(slopes, torch.autograd.grad((signs * output).sum(), at_cuts), strict=True):
                    kept.append(value.float())
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)
    output = torch.cat(outputs)
    activations = [torch.cat(kept) for kept in found]
    unit = [math.sqrt(a[0].numel() / (output[0].numel() * float(output_variance(output)))) for a in activations]
    scaled = [torch.cat(kept) * u for kept, u in zip(slopes, unit, strict=True)] if gradients else []
    return Samples(activations, scaled, output)


def make_codecs(
    kind: str,
    samples: Samples,
    settings: dict[str, Any],
    *,
    target_ratio: float | None = None,
) -> list[Codec]:
    """Return a calibrated codec of one kind for each cut.

    Parameters
    ----------
    kind : str
        See `orbitsim.neural.codecs.registry.make_codec`.
    samples : Samples
        With gradients where the kind weighs errors by them (``transform``, ``gumbel``).
    settings : dict
        Of the kind, see `fit_codec`; those of ``transform`` may hold a common ``step``, in units of the standard
        deviation of the final output.
    target_ratio : float, optional
        Transform only: the common step is sought for which the samples' fp32 bytes are so many times the real ones.
    """
    gradients: list[Tensor | None] = [*samples.gradients] if samples.gradients else [None] * len(samples.activations)
    pairs = list(zip(samples.activations, gradients, strict=True))
    if kind != "transform":
        return [fit_codec(kind, x, g, **settings) for x, g in pairs]
    rest = {key: value for key, value in settings.items() if key != "step"}
    if target_ratio is None:
        return _transforms(pairs, float(settings.get("step", _STEP)), rest)
    few = [(x[:: max(1, len(x) // _FEW)], g) for x, g in pairs]
    some = [x for x, _ in few]
    try:
        found = find_setting(
            lambda step: real_ratio(_transforms(few, step, rest), some),
            target_ratio,
            *_STEP_RANGE,
            start=_STEP,
            tolerance=0.05,
        )
    except UnreachableError as fault:
        message = f"expected {fault.bound}, which the codecs reach on the calibration images, got {target_ratio:g}"
        raise InputError(Problem("--target-ratio", message)) from fault
    step = found.setting
    for _ in range(_STEP_ROUNDS):  # all samples make other components and tables than a few of them
        codecs = _transforms(pairs, step, rest)
        reached = real_ratio(codecs, some)
        if abs(reached / target_ratio - 1.0) < _RATIO_TOLERANCE:
            break
        step *= (target_ratio / reached) ** _STEP_PER_RATIO
    return codecs


def real_ratio(codecs: Sequence[Codec], activations: Sequence[Tensor]) -> float:
    """Return the fp32 bytes of activations over those of their streams, all cuts together [1]."""
    pairs = list(zip(codecs, activations, strict=True))
    return 4.0 * sum(x.numel() for _, x in pairs) / sum(len(codec.encode(x)) for codec, x in pairs)


def refit(codecs: Sequence[Codec | None], activations: Sequence[Tensor]) -> None:
    """Fit the entropy models of transform codecs to what they now make of activations, in place."""
    for codec, x in zip(codecs, activations, strict=True):
        if isinstance(codec, TransformCodec):
            fit_models(codec, x)


def _transforms(pairs: Sequence[tuple[Tensor, Tensor | None]], step: float, settings: dict[str, Any]) -> list[Codec]:
    """Return transform codecs whose steps make errors of the output alike: reverse water-filling over all cuts."""
    steps = []
    for x, gradient in pairs:
        weight = float(gradient.double().square().mean()) if gradient is not None else 1.0 / float(x.double().var())
        steps.append(step / math.sqrt(weight))
    return [fit_codec("transform", x, g, step=s, **settings) for (x, g), s in zip(pairs, steps, strict=True)]
