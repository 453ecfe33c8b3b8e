"""What of codecs and backbone is trained, at which rates, towards what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from orbitsim.errors import Problem
from orbitsim.neural.codecs.base import Codec
from orbitsim.neural.split import SplitModel
from orbitsim.neural.training.loop import ParameterGroup

_SMALLEST_RMS = 1e-3  # of a tensor of zeros, for its learning rate
_ABSOLUTE = ("logits", "log_scale")  # parameters whose natural unit is 1


@dataclass(frozen=True)
class CodecOptions:
    """What is trained, and towards what.

    Attributes
    ----------
    objective : str
        ``features`` or ``cross-entropy``.
    learn : tuple of str
        Names of the codecs' parameters that learn; others stay as calibrated.
    rate : float
        Learning rate of codecs: of masks' logits as it is, of other tensors relative to their root mean square.
    finetune : str
        ``none``, ``norms`` (the parameters of normalisation layers) or ``all``.
    finetune_rate : float
        Learning rate of the backbone, relative to each tensor's root mean square. [1]
    trade_off : float
        Weight of a bit per value in the loss.
    target_keep : float or None
        Share of values that masks shall keep, over all cuts; after each step a common shift of the logits holds them
        on the way to it (`pruned_share`). [1]
    sparsity_weight : float
        Weight of the expected share of kept values in the loss (Eq. 4 of paper 001), for masks without a target.
    temperature : tuple of float
        Of masks: at the start and the smallest.
    noise : bool
        Whether codecs train with noise (masks drawn, rounding replaced by noise in the rate), or each stage sees in
        training what it will see: the decoded activation, bit for bit, with the surrogate's gradient.
    augment : bool
        Whether training images are turned, mirrored and shifted.
    precision : str
        That the model computes in; codecs always compute in full precision.
    seed : int
        Of every stream.
    """

    objective: str = "features"
    learn: tuple[str, ...] = ()
    rate: float = 1e-4
    finetune: str = "none"
    finetune_rate: float = 2e-5
    trade_off: float = 0.0
    target_keep: float | None = None
    sparsity_weight: float = 0.0
    temperature: tuple[float, float] = (1.0, 0.1)
    noise: bool = True
    augment: bool = True
    precision: str = "fp32"
    seed: int = 1


def learn_problems(learn: Sequence[str], codecs: Sequence[Codec | None], key: str = "--learn") -> list[Problem]:
    """Return a problem for each name that no codec has a parameter of; empty where all can learn."""
    known = sorted({name for codec in codecs if codec is not None for name, _ in codec.named_parameters()})
    expected = f"expected {' or '.join(known)}" if known else "expected nothing, these codecs have no parameters"
    return [Problem(key, f"{expected}, got {name!r}") for name in dict.fromkeys(learn) if name not in known]


def learning_groups(split: SplitModel, codecs: list[Codec | None], options: CodecOptions) -> list[ParameterGroup]:
    """Return what learns, a group for each tensor, and let nothing else have a gradient.

    Names begin with ``codec.`` and the place of the cut, or with ``backbone.``.
    """
    for parameter in split.parameters():
        parameter.requires_grad_(False)
    chosen = {
        f"codec.{number}.{name}": (parameter, options.rate)
        for number, codec in enumerate(codecs)
        if codec is not None
        for name, parameter in codec.named_parameters()
        if name in options.learn
    }
    if options.finetune != "none":
        for name, parameter in backbone_parameters(split, options.finetune).items():
            chosen[f"backbone.{name}"] = (parameter, options.finetune_rate)
    groups = []
    for name, (parameter, rate) in chosen.items():
        parameter.requires_grad_()
        rms = max(float(parameter.detach().double().square().mean().sqrt()), _SMALLEST_RMS)
        scale = 1.0 if name.rpartition(".")[2] in _ABSOLUTE else rms
        groups.append(ParameterGroup({name: parameter}, rate * scale))
    return groups


def backbone_parameters(split: SplitModel, which: str) -> dict[str, nn.Parameter]:
    """Return the parameters of the stages that are fine-tuned, by name; a shared one once.

    Parameters
    ----------
    split : SplitModel
        The model.
    which : str
        ``norms`` or ``all``.
    """
    chosen: dict[str, nn.Parameter] = {}
    seen: set[int] = set()
    for path, module in split.stages.named_modules():
        if which == "norms" and "Norm" not in type(module).__name__:
            continue
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                chosen[f"{path}.{name}"] = parameter
    return chosen
