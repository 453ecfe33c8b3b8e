"""Codecs calibrated from activations: means, ranges, and masks by importance."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor

from orbitsim.errors import InputError, Problem
from orbitsim.neural.codecs.base import Codec
from orbitsim.neural.codecs.elementwise import ElementwiseCodec
from orbitsim.neural.codecs.gumbel import GumbelCodec
from orbitsim.neural.codecs.registry import make_codec
from orbitsim.neural.codecs.setting_faults import SettingFaults
from orbitsim.neural.codecs.token_grid import TokenGrid, token_grid
from orbitsim.neural.codecs.transform_fit import fit_transform

_LOGIT_SPREAD = 2.0  # standard deviation of fitted logits: a mask that training can still change


def fit_codec(kind: str, x: Tensor, gradient: Tensor | None = None, **settings: Any) -> Codec:
    """Return a codec of a kind, calibrated from activations and in evaluation mode.

    Parameters
    ----------
    kind : str
        Kind of codec, see `make_codec`.
    x : Tensor, (samples, tokens, channels)
        Activations of calibration samples.
    gradient : Tensor, (any, tokens, channels), optional
        Gradients of the output, see `fit_channel_transform`: they weigh errors in the transform codec and importance
        in the mask.
    **settings
        Those of `make_codec`; of ``transform`` those of `fit_transform`; of ``gumbel`` also `keep`, the share of values
        that the fitted mask keeps. Numbers of tokens and channels are taken from `x`.
    """
    if x.ndim != 3 or not x.numel() or not bool(torch.isfinite(x).all()):
        raise InputError(
            f"expected finite activations (samples, tokens, channels) to calibrate with, got {list(x.shape)}"
        )
    with torch.no_grad():
        if kind == "transform":
            _check_names(settings)
            if settings.get("grid") is not None and not isinstance(settings["grid"], TokenGrid):
                settings["grid"] = token_grid(settings["grid"])
            return fit_transform(x, gradient, **settings)
        keep = settings.pop("keep", None) if kind == "gumbel" else None
        if keep is not None:
            _check_share(keep)
        if kind != "identity":
            _check_form(kind, x, settings)
            settings = {"n_tokens": x.shape[1], "n_channels": x.shape[2], **settings}
        codec = make_codec(kind, **settings)
        if isinstance(codec, ElementwiseCodec):
            _calibrate(codec.to(x.device), x.float(), gradient, keep)
        return codec.eval()


def importance(x: Tensor, centre: Tensor | None, gradient: Tensor | None) -> Tensor:
    """Return what dropping each token and channel costs: mean squared value, times mean squared gradient if given.

    Parameters
    ----------
    x : Tensor, (samples, tokens, channels)
        Activations.
    centre : Tensor, (tokens, channels), or None
        What a dropped value is restored as; None for zero.
    gradient : Tensor, (any, tokens, channels), or None
        Gradients of the output.

    Returns
    -------
    Tensor of float64, (tokens, channels)
        Importance.
    """
    dropped = (x.double() if centre is None else x.double() - centre.double()).square().mean(0)
    return dropped if gradient is None else dropped * gradient.double().square().mean(0)


def mask_logits(cost: Tensor, keep: float) -> Tensor:
    """Return logits in the order of the cost of dropping, above zero for the share that is kept.

    Their distribution is normal whatever the costs', so that a training temperature means the same everywhere.

    Parameters
    ----------
    cost : Tensor, (tokens, channels)
        What dropping each costs.
    keep : float
        Share above zero, in (0, 1]. [1]
    """
    _check_share(keep)
    n = cost.numel()
    rank = torch.empty(n, dtype=torch.float64, device=cost.device)
    rank[cost.flatten().argsort(descending=True, stable=True)] = torch.arange(
        n, dtype=torch.float64, device=cost.device
    )
    n_kept = max(1, round(keep * n))
    quantile = torch.special.ndtri((n - rank - 0.5) / n)
    border = torch.special.ndtri(torch.tensor((n - n_kept) / n, dtype=torch.float64).clamp_min(0.25 / n))
    logits: Tensor = (quantile - border.to(cost.device)) * _LOGIT_SPREAD
    return logits.reshape(cost.shape).float()


def _calibrate(codec: ElementwiseCodec, x: Tensor, gradient: Tensor | None, keep: float | None) -> None:
    if codec.centred:
        codec.centre.copy_(x.mean(0))
    if isinstance(codec, GumbelCodec) and keep is not None:
        codec.logits.copy_(mask_logits(importance(x, codec.centre if codec.centred else None, gradient), keep))
    if codec.calibrated:
        values = codec.centre_off(x)
        ranges = codec.measured(values, codec.kept(values))
        codec.low.copy_(ranges.low)
        codec.high.copy_(ranges.high)


def _check_names(settings: dict[str, Any]) -> None:
    parameters = inspect.signature(fit_transform).parameters.values()
    known = sorted(p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY)
    problems = [
        Problem(f"codec.{name}", f"unknown setting of the codec transform; expected one of {', '.join(known)}")
        for name in settings
        if name not in known
    ]
    if problems:
        raise InputError(problems)


def _check_share(keep: float) -> None:
    faults = SettingFaults("mask")
    faults.share("keep", keep)
    faults.raise_any()


def _check_form(kind: str, x: Tensor, settings: dict[str, Any]) -> None:
    """Raise if settings name other numbers of tokens and channels than the activations have."""
    faults = SettingFaults(f"codec {kind}")
    for name, n in (("n_tokens", x.shape[1]), ("n_channels", x.shape[2])):
        if settings.get(name, n) != n:
            faults.add(name, f"expected {n}, as the activations have, got {settings[name]!r}")
    faults.raise_any()
