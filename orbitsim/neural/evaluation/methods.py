"""Ways to compress: how each is calibrated cut after cut, and how its setting is found for a target."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from orbitsim.errors import InputError, Problem
from orbitsim.neural.codecs import Codec, fit_codec
from orbitsim.neural.codecs.elementwise import ElementwiseCodec
from orbitsim.neural.codecs.setting_faults import is_number
from orbitsim.neural.evaluation.backbone import Precision, arithmetic
from orbitsim.neural.evaluation.calibration_sample import CalibrationSample
from orbitsim.neural.evaluation.setting_search import UnreachableError, find_setting
from orbitsim.neural.split import SplitModel

KINDS = ("identity", "uniform", "topk", "mask", "transform")
MARGIN = 0.02  # calibration aims this much above a target ratio: other images compress a little differently
_FEW = 48  # images to fit to while a setting is sought
_SMALLEST_WEIGHT = 1e-12
# Price of a bit in rounding. At several cuts in a row the full price of one codec alone (1) is too much: what rounding
# down takes away adds up. On calibration images of the 14-class subset, four cuts of the ViT-S/14: 20.6x with an error
# of 0.0265 at 1, 25.7x with 0.0288 at 0.3, 23.6x with 0.0252 at 0.
_SLOPE = 0.3
_SOUGHT = {"transform": ("step",), "uniform": ("bits", "width"), "topk": ("keep",), "mask": ("keep",)}
"""Settings that a target decides."""
_MOST_LEVELS = 127  # magnitudes of eight bits above zero

Fit = Callable[[int, Tensor], Codec]


@dataclass(frozen=True)
class Method:
    """A codec, how it is set, and what it aims at.

    Attributes
    ----------
    kind : str
        One of `KINDS`. ``mask`` is the untrained static mask: the mask of paper 001 by importance instead of training.
    ratio, error : float or None
        Target: bytes of all cuts in fp32 over bytes sent, or squared error of the final features over their variance;
        at most one. Without a target `settings` are used as they are. [1]
    settings : mapping
        Of `orbitsim.neural.codecs.fit_codec`.
    only_cut : int or None
        Place of the only cut that is compressed; None for all.
    """

    kind: str
    ratio: float | None = None
    error: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    only_cut: int | None = None

    def __post_init__(self) -> None:
        problems = []
        if self.kind not in KINDS:
            problems.append(Problem("codec", f"expected one of {', '.join(KINDS)}, got {self.kind!r}"))
        if self.ratio is not None and self.error is not None:
            problems.append(Problem("ratio", "expected a target ratio or a target error, got both"))
        if self.ratio is not None and not 1.0 < self.ratio < math.inf:
            key = "ratio" if self.only_cut is None else "cut_ratio"
            message = f"expected a finite target above 1 (fp32 bytes over bytes), got {self.ratio!r}"
            problems.append(Problem(key, message))
        if self.error is not None and not 0.0 < self.error < 1.0:
            problems.append(Problem("error", f"expected a target between 0 and 1, got {self.error!r}"))
        if self.kind == "transform" and self.ratio is None and self.error is None and "step" not in self.settings:
            problems.append(Problem("ratio", "expected a target ratio, a target error or a step for the transform"))
        if self.kind in ("topk", "mask") and self.ratio is None and self.error is None and "keep" not in self.settings:
            problems.append(Problem("keep", f"expected a share to keep, or a target, for {self.kind}"))
        if self.kind == "identity" and (self.ratio is not None or self.error is not None):
            problems.append(Problem("codec", "expected no target for identity"))
        for name in ("step", "width"):
            value = self.settings.get(name, 1.0)
            if not (is_number(value) and value > 0.0):
                problems.append(Problem(name, f"expected a finite number above 0, got {value!r}"))
        if self.ratio is not None or self.error is not None:
            sought = [name for name in _SOUGHT.get(self.kind, ()) if name in self.settings]
            problems += [Problem(name, "expected no value beside a target, which decides it") for name in sought]
        if problems:
            raise InputError(problems)

    @property
    def label(self) -> str:
        """Name in tables and of files."""
        words = [self.kind]
        if self.ratio is not None:
            words.append(f"{self.ratio:g}x")
        if self.error is not None:
            words.append(f"error-{self.error:g}")
        words += [f"{name}-{value}" for name, value in sorted(self.settings.items())]
        if self.only_cut is not None:
            words.append(f"only-{self.only_cut}")
        return "-".join(words)


def fit_method(
    method: Method, split: SplitModel, sample: CalibrationSample, precision: Precision = "bf16"
) -> tuple[list[Codec | None], dict[str, Any]]:
    """Return the codecs of a method for every cut, and what was found on the calibration sample.

    Every codec but the first is fitted to what the codecs before it leave of the activations. A target is sought on
    few images to fit to and others to measure on; the codecs are then fitted to all with the setting found.
    """
    if method.kind == "identity":
        return [None] * len(split.cuts), {}
    chain = _Chain(method, split, sample, precision)
    few = _Chain(method, split, sample.few(_FEW), precision)
    if method.ratio is None and method.error is None:
        codecs = chain.codecs(method.settings)
        return codecs, {"settings": dict(method.settings)}
    aim = (1.0 + MARGIN) * method.ratio if method.ratio is not None else float(method.error or 0.0)
    tried: dict[float, tuple[float, float]] = {}

    def measure(settings: Mapping[str, Any]) -> float:
        ratio, error = few.check(few.codecs(settings))
        tried[len(tried)] = (ratio, error)
        return ratio if method.ratio is not None else error

    try:
        settings = _sought(method, aim, measure)
    except UnreachableError as fault:
        raise InputError(_unreachable(method, fault)) from fault
    codecs = chain.codecs(settings)
    ratio, error = chain.check(codecs)
    found = {"settings": settings, "calibration_ratio": ratio, "calibration_error": error, "n_fits": len(tried) + 1}
    return codecs, found


def _unreachable(method: Method, fault: UnreachableError) -> Problem:
    """Return the problem of a target beyond a method's reach, in the target's own terms."""
    where = f"the {method.kind} codec reaches on the calibration images"
    if method.ratio is None:
        return Problem("error", f"expected {fault.bound}, which {where}, got {method.error:g}")
    key = "ratio" if method.only_cut is None else "cut_ratio"
    at_cut = "" if method.only_cut is None else f" at cut {method.only_cut + 1} alone"
    margin = f"calibration aims {MARGIN:.0%} above it"
    return Problem(key, f"expected {fault.bound}, which {where}{at_cut}, got {method.ratio:g} ({margin})")


def _sought(method: Method, aim: float, measure: Callable[[Mapping[str, Any]], float]) -> dict[str, Any]:
    """Return the settings that reach the aim on the calibration sample."""
    base = dict(method.settings)
    if method.kind == "transform":
        # The step in units of the final features: the same for every cut, so that bytes go where they help most.
        found = find_setting(lambda s: measure({**base, "step": s}), aim, 0.005, 20.0, start=_start(method))
        return {**base, "step": found.setting}
    if method.kind == "uniform":
        # Eight bits with ranges widened have any step; then the fewest bits that have the same step.
        found = find_setting(lambda w: measure({**base, "bits": 8, "width": w}), aim, 0.9, 60.0, start=8.0)
        step = found.setting / _MOST_LEVELS
        bits = next(bits for bits in range(2, 9) if step * (2 ** (bits - 1) - 1) >= 1.0 or bits == 8)
        return {**base, "bits": bits, "width": step * (2 ** (bits - 1) - 1)}
    found = find_setting(lambda k: measure({**base, "keep": k}), aim, 1e-3, 1.0, start=0.2)
    return {**base, "keep": found.setting}


def _start(method: Method) -> float:
    """Return a step to begin the search with: what a pretrained ViT-S took."""
    return 0.01 * method.ratio if method.ratio is not None else 4.0 * math.sqrt((method.error or 0.0) * 0.1)


class _Chain:
    """Codecs of all cuts, fitted one after another."""

    def __init__(self, method: Method, split: SplitModel, sample: CalibrationSample, precision: Precision) -> None:
        self._method, self._split, self._sample, self._precision = method, split, sample, precision

    def codecs(self, settings: Mapping[str, Any]) -> list[Codec | None]:
        """Fit all of them."""
        x = self._sample.fitted
        found: list[Codec | None] = []
        last = len(self._split.cuts) - 1
        for k in range(last + 1):
            codec = self._codec(k, x, settings) if self._method.only_cut in (None, k) else None
            found.append(codec)
            if k < last and (self._method.only_cut is None or k < self._method.only_cut):
                x = self._next(k, codec, x)
        return found

    def check(self, codecs: Sequence[Codec | None]) -> tuple[float, float]:
        """Return ratio (of the cuts that are compressed) and error of the final features on the images set apart."""
        x, n_values, n_bytes = self._sample.checked, 0, 0
        for k, codec in enumerate(codecs):
            if codec is not None:
                n_bytes += len(codec.encode(x))
                n_values += x.numel()
            x = self._next(k, codec, x)
        wanted = self._sample.checked_final.double()
        error = ((x.double() - wanted) ** 2).sum() / ((wanted - wanted.mean((0, 1))) ** 2).sum()
        return 4.0 * n_values / max(n_bytes, 1), float(error)

    def _next(self, k: int, codec: Codec | None, x: Tensor) -> Tensor:
        outputs = []
        with torch.inference_mode():
            for part in torch.split(x, 64):
                restored = part if codec is None else codec(part)
                with arithmetic(part.device, self._precision):
                    outputs.append(self._split.stages[k + 1](restored).float())
        return torch.cat(outputs).clone()

    def _codec(self, k: int, x: Tensor, settings: Mapping[str, Any]) -> Codec:
        gradient = self._sample.gradients[k]
        chosen = dict(settings)
        kind = self._method.kind
        if kind == "transform":
            weight = float((gradient.double() ** 2).mean())
            chosen.setdefault("slope", _SLOPE)
            chosen["step"] = float(chosen["step"]) / math.sqrt(max(weight, _SMALLEST_WEIGHT))
            return fit_codec("transform", x, gradient, **chosen)
        if kind == "uniform":
            width = float(chosen.pop("width", 1.0))
            form: dict[str, Any] = {"bits": 8, "ranges": "channel", "calibrated": True, "centred": True}
            codec = fit_codec("uniform", x, **{**form, **chosen})
            if isinstance(codec, ElementwiseCodec) and codec.calibrated:
                with torch.no_grad():
                    codec.low.zero_()
                    codec.high.mul_(width)
            return codec
        if kind == "topk":
            return fit_codec("topk", x, **{"bits": 8, **chosen})
        return fit_codec("gumbel", x, **{"bits": 8, **chosen})


def methods_of(text: str) -> list[Method]:
    """Return the methods of short texts with commas between them; one error for all that is wrong, see `method_of`."""
    found: list[Method] = []
    problems: list[Problem] = []
    for word in text.split(","):
        try:
            found.append(method_of(word))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return found


def method_of(text: str) -> Method:
    """Return the method of a short text: ``KIND``, ``KIND:20x``, ``KIND:e0.03`` or ``KIND:k0.2``.

    That is: no target, a target ratio, a target error of the final features, a share of values to keep at 8 bits.
    """
    kind, _, aim = text.strip().partition(":")
    try:
        if not aim:
            return Method(kind)
        if aim.endswith("x"):
            return Method(kind, ratio=float(aim[:-1]))
        if aim.startswith("e"):
            return Method(kind, error=float(aim[1:]))
        if aim.startswith("k"):
            return Method(kind, settings={"keep": float(aim[1:]), "bits": 8})
    except ValueError:
        pass
    raise InputError(Problem("methods", f"expected KIND, KIND:20x, KIND:e0.03 or KIND:k0.2, got {text!r}"))
