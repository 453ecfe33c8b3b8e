"""What a user asks of a training run, and all that is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orbitsim.errors import Problem
from orbitsim.neural.codecs import CODECS
from orbitsim.neural.codecs.setting_faults import is_number
from orbitsim.neural.training.objective import OBJECTIVES
from orbitsim.neural.training.precision import precision_problems
from orbitsim.neural.training.request_faults import number_faults, seed_faults, share_faults, whole_faults

FINETUNE = ("none", "norms", "all")
KINDS = tuple(CODECS)
ALIASES = {"quantise": "uniform", "quantize": "uniform"}


@dataclass(frozen=True)
class CodecRequest:
    """What is to be trained.

    Attributes
    ----------
    model : str
        See `orbitsim.neural.zoo.load_model`.
    data : str
        Folder with one sub-folder of images a class.
    cuts : tuple of int
        Blocks before each cut; all cuts at once.
    codec : str
        Kind of the codecs; ``quantise`` is another name of ``uniform``.
    settings : dict
        Settings of the codecs.
    target_keep : float or None
        Share of values kept by masks and Top-k. [1]
    sparsity_weight : float or None
        Weight of Eq. (4) of paper 001 for masks, in place of a target.
    target_ratio : float or None
        Bytes in fp32 over real bytes that the transform starts from. [1]
    objective : str or None
        ``features`` or ``cross-entropy``; by default cross entropy where the model has a classifier of the data's
        classes.
    trade_off : float or None
        Price of a bit per value; by default what it is worth where transform codecs start, and nothing for others.
    rate, finetune, finetune_rate, augment
        See `CodecOptions`; without a rate that of the kind.
    noise : bool or None
        See `CodecOptions`; by default only for kinds that draw what they keep.
    learn : tuple of str or None
        See `CodecOptions`; by default logits of masks, and what the receiver of transforms adds and multiplies by.
    n_epochs, batch_size, accumulate, patience, precision, seed, checkpoint_every_s
        See `LoopSettings`.
    held_out : float
        Share of each class in the held-out part. [1]
    per_class : int or None
        Only so many images of each class.
    n_calibration : int
        Training images that codecs are calibrated with. [1]
    accuracy : bool
        Whether a probe is fitted to a backbone without a head, which takes a pass over all training images.
    device : str
        cpu, cuda or cuda:N.
    threads : int
        Processor threads; the same number is needed for the same bits.
    """

    model: str
    data: str
    cuts: tuple[int, ...]
    codec: str = "transform"
    settings: dict[str, Any] = field(default_factory=dict)
    target_keep: float | None = None
    sparsity_weight: float | None = None
    target_ratio: float | None = None
    objective: str | None = None
    trade_off: float | None = None
    rate: float | None = None
    learn: tuple[str, ...] | None = None
    finetune: str = "none"
    finetune_rate: float = 2e-5
    noise: bool | None = None
    augment: bool = True
    n_epochs: int = 2
    batch_size: int = 8
    accumulate: int = 2
    patience: int = 0
    precision: str = "fp32"
    seed: int = 1
    checkpoint_every_s: float = 60.0
    held_out: float = 0.2
    per_class: int | None = None
    n_calibration: int = 128
    accuracy: bool = True
    device: str = "cpu"
    threads: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "codec", ALIASES.get(self.codec, self.codec))

    def problems(self) -> list[Problem]:
        """Return all that is wrong with the request before anything is loaded."""
        found = precision_problems(self.precision, self.device)
        choices = {"codec": (self.codec, KINDS), "finetune": (self.finetune, FINETUNE)}
        if self.objective is not None:
            choices["objective"] = (self.objective, OBJECTIVES)
        for key, (value, accepted) in choices.items():
            if value not in accepted:
                names = (*accepted, "quantise (the same as uniform)") if key == "codec" else accepted
                found.append(Problem(f"--{key}", f"expected one of {', '.join(names)}, got {value!r}"))
        if not self.cuts:
            found.append(Problem("--cuts", "expected at least one cut"))
        if self.codec == "gumbel" and (self.target_keep is None) == (self.sparsity_weight is None):
            found.append(Problem("--target-keep", "expected a share that the mask shall keep, or --sparsity-weight"))
        if self.target_keep is not None:
            if self.codec in KINDS and self.codec not in ("gumbel", "topk", "random-topk"):
                found.append(Problem("--target-keep", f"expected only with a mask or Top-k, not with {self.codec}"))
            if not 0.0 < self.target_keep <= 1.0:
                found.append(Problem("--target-keep", f"expected above 0 and at most 1, got {self.target_keep}"))
        if self.target_ratio is not None:
            if self.codec in KINDS and self.codec != "transform":
                found.append(Problem("--target-ratio", f"expected only with transform codecs, not with {self.codec}"))
            if not 1.0 < self.target_ratio < 1e4:
                found.append(Problem("--target-ratio", f"expected above 1 and below 10000, got {self.target_ratio}"))
        positive = {"--batch-size": self.batch_size, "--accumulate": self.accumulate, "--threads": self.threads}
        positive["--calibration-images"] = self.n_calibration
        found += whole_faults(positive, 1)
        found += whole_faults({"--epochs": self.n_epochs, "--patience": self.patience}, 0)
        found += seed_faults({"--seed": self.seed})
        rates = {"--rate": self.rate, "--finetune-rate": self.finetune_rate, "--trade-off": self.trade_off}
        rates |= {"--sparsity-weight": self.sparsity_weight, "--checkpoint-every": self.checkpoint_every_s}
        found += number_faults(rates)
        step = self.settings.get("step", 1.0)
        if self.codec == "transform" and not (is_number(step) and step > 0.0):
            found.append(Problem("--set step", f"expected a finite number above 0, got {step!r}"))
        found += share_faults({"--held-out": self.held_out})
        return found
