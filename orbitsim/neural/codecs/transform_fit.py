"""Calibration of the transform codec from activations, and gradients of the output where they are to weigh errors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orbitsim.errors import InputError, Problem
from orbitsim.neural.codecs.component_fit import (
    centroid_shrinkage,
    class_counts,
    code_lengths,
    component_classes,
    rounding_limits,
    symbol_sizes,
    without_dear_components,
)
from orbitsim.neural.codecs.component_models import DROPPED
from orbitsim.neural.codecs.exact_transform import INPUT_BOUND, bits_for
from orbitsim.neural.codecs.setting_faults import SettingFaults, is_number
from orbitsim.neural.codecs.token_grid import TokenGrid, default_grid
from orbitsim.neural.codecs.transform import TransformCodec

METRICS = ("none", "channel", "full")
# At high rates an entropy-coded uniform quantiser trades dD = -(2 ln 2 / 12) step**2 a bit; reverse water-filling asks
# for the same slope everywhere, so this is the price of a bit in units of step**2.
SLOPE_STEP2_PER_BIT = math.log(2.0) / 6.0
_MARGIN = 8.0  # what lies beyond the calibrated activations by less than this factor does not saturate
_METRIC_FLOOR = 0.01  # of the mean eigenvalue of the metric: no direction is free
_CENTRE_PRIOR = 8.0  # samples that the mean of a channel over tokens counts for in the mean of each token
_PREFIX_PRIOR = 0.05  # smallest step of a prefix token, relative to the grid's
_ROUNDS = 3  # thresholds and tables depend on each other
_MOST_SYMBOL_BITS = 20
_ROWS = 1 << 14  # rows of coefficients that calibration looks at, at most


@dataclass(frozen=True)
class ChannelTransform:
    """A linear transform of channels, and the step of prefix tokens relative to the grid's.

    Attributes
    ----------
    centre : Tensor, (tokens, channels)
        Mean of each token and channel.
    analysis, synthesis : Tensor, (components, channels) and (channels, components)
        Activation to components and back.
    variance : Tensor, (components,)
        Variance of each component, descending.
    prefix_scale : Tensor, (prefix tokens,)
        Step of each prefix token, relative to the grid's. [1]
    """

    centre: Tensor
    analysis: Tensor
    synthesis: Tensor
    variance: Tensor
    prefix_scale: Tensor


def fit_channel_transform(
    x: Tensor, grid: TokenGrid, gradient: Tensor | None = None, metric: str = "full"
) -> ChannelTransform:
    """Return the principal components of activations under the metric of the output's error.

    Parameters
    ----------
    x : Tensor, (samples, tokens, channels)
        Activations of calibration samples.
    grid : TokenGrid
        The order of their tokens.
    gradient : Tensor, same shape, optional
        Gradient of r . f(x) for a random vector r of independent unit normals and the output f that matters (final
        features): the mean of its outer products is the metric in which small errors of x count. Several draws may be
        stacked along the samples.
    metric : str
        ``"full"``: outer products of channels; ``"channel"``: their squares only; ``"none"``: all channels alike.
    """
    if metric not in METRICS:
        raise InputError(Problem("metric", f"expected one of {', '.join(METRICS)}, got {metric!r}"))
    x = x.double()
    n_samples, _, n_channels = x.shape
    of_tokens, of_channels = x.mean(0), x[:, grid.n_prefix :].mean((0, 1))
    share = n_samples / (n_samples + _CENTRE_PRIOR)
    centre = of_tokens.clone()
    centre[grid.n_prefix :] = share * of_tokens[grid.n_prefix :] + (1.0 - share) * of_channels
    rows = (x - centre)[:, grid.n_prefix :].reshape(-1, n_channels)
    root, inverse, prefix_scale = _metric_root(gradient, grid, metric, n_channels)
    weighted = rows @ root
    variance, vectors = torch.linalg.eigh(weighted.T @ weighted / len(weighted))
    vectors = vectors.flip(1)
    return ChannelTransform(
        centre, vectors.T @ root, inverse @ vectors, variance.flip(0).clamp_min(0.0), prefix_scale.to(x.device)
    )


def fit_transform(
    x: Tensor,
    gradient: Tensor | None = None,
    *,
    step: float | None = None,
    error: float | None = None,
    grid: TokenGrid | None = None,
    metric: str = "full",
    n_classes: int = 32,
    n_levels: int = 255,
    slope: float = 0.2,
    centroids: bool = False,
) -> TransformCodec:
    """Return a calibrated transform codec, in evaluation mode.

    Parameters
    ----------
    x : Tensor, (samples, tokens, channels)
        Activations of calibration samples; a few hundred images are enough for means and components.
    gradient : Tensor, (any, tokens, channels), optional
        See `fit_channel_transform`; without it all channels count alike.
    step : float, optional
        Step of all components, in units of an activation whose weight is the mean weight. This or `error` is needed.
    error : float, optional
        Squared error over variance of the activations for which the step is sought. [1]
    grid : TokenGrid, optional
        The order of tokens; by default a square grid after the fewest others, in blocks of 4.
    metric : str
        See `fit_channel_transform`.
    n_classes, n_levels : int
        See `TransformCodec`.
    slope : float
        Price of a bit in rounding and dropping, relative to reverse water-filling's; 0 rounds to nearest. [1]
    centroids : bool
        Whether a symbol is restored to the mean of the coefficients behind it instead of the middle of its interval.

    Notes
    -----
    Slope and centroids both lower the squared error of the activation at a given number of bytes, and both take energy
    out of it, which costs more behind a transformer's next norms. On a pretrained ViT-S/14 with four cuts centroids
    made the error of the final features a fifth larger, so they are off; a slope of 1 made it larger by half, one of
    0.1 to 0.3 smaller by a tenth (all at 29 times fewer bytes).
    """
    if (step is None) == (error is None):
        raise InputError("expected either a step or an error of the transform codec, and not both")
    faults = SettingFaults("codec transform")
    for name, value in (("step", step), ("error", error)):
        if value is not None:
            faults.positive(name, value)
    faults.choice("metric", metric, METRICS)
    if not (is_number(slope) and slope >= 0.0):
        faults.add("slope", f"expected a finite number of at least 0, got {slope!r}")
    faults.flag("centroids", centroids)
    given: Any = grid
    if given is not None and not isinstance(given, TokenGrid):
        faults.add("grid", f"expected a token grid, got {given!r}")
    elif grid is not None and grid.n_tokens != x.shape[1]:
        faults.add("grid", f"expected one of the {x.shape[1]} tokens of the activations, got {grid.n_tokens} tokens")
    faults.raise_any()
    if not len(x) or not bool(torch.isfinite(x).all()):
        raise InputError("expected at least one sample of finite activations to calibrate with")
    grid = default_grid(x.shape[1]) if grid is None else grid
    with torch.no_grad():
        transform = fit_channel_transform(x, grid, gradient, metric)
        if step is not None:
            return _with_step(x, transform, grid, step, n_classes, n_levels, slope, centroids)
        assert error is not None  # noqa: S101 (for the type checker; one of the two is given)
        few = x[:: max(1, len(x) // 16)]
        total = float(((few - few.mean((0, 1))).double() ** 2).sum())
        low, high = (math.log(float(transform.variance.sum().sqrt()) * scale) for scale in (1e-6, 10.0))
        for _ in range(14):
            middle = (low + high) / 2.0
            codec = _with_step(few, transform, grid, math.exp(middle), n_classes, n_levels, slope, centroids)
            reached = float(((codec(few) - few).double() ** 2).sum()) / total
            low, high = (middle, high) if reached < error else (low, middle)
        return _with_step(x, transform, grid, math.exp(low), n_classes, n_levels, slope, centroids)


def fit_models(codec: TransformCodec, x: Tensor, slope: float = 0.2, centroids: bool = False) -> None:
    """Fit everything but transform and step to a codec's own coefficients, in place: bounds, tables, roundings.

    Needed again whenever training has changed the transform or the step.

    Parameters
    ----------
    codec : TransformCodec
        Codec whose transform and step are fixed.
    x : Tensor, (samples, tokens, channels)
        Activations of calibration samples.
    slope, centroids
        See `fit_transform`.
    """
    with torch.no_grad():
        _set_bounds(codec, x)
        planes = [_few_rows(plane).cpu().numpy() for plane in codec.coefficients(x.float())]
        price = slope * SLOPE_STEP2_PER_BIT
        spread = np.concatenate([np.abs(plane).mean(0) if len(plane) else np.zeros(plane.shape[1]) for plane in planes])
        size = np.concatenate(
            [symbol_sizes(plane, 0.5, 0.5).mean(0) if len(plane) else np.zeros(plane.shape[1]) for plane in planes]
        )
        classes = component_classes(size, codec.n_classes)
        thresholds = np.full((codec.n_classes, 2), 0.5)
        for _ in range(_ROUNDS):
            counts = class_counts(planes, classes, thresholds, codec.n_classes, codec.n_levels)
            lengths = code_lengths(counts)
            thresholds = rounding_limits(lengths, counts, price, codec.n_levels)
            classes = without_dear_components(planes, classes, thresholds, lengths, price, codec.n_levels)
        counts = class_counts(planes, classes, thresholds, codec.n_classes, codec.n_levels)
        device = codec.tables.device
        codec.classes.copy_(torch.from_numpy(classes))
        codec.tables.copy_(torch.from_numpy(counts / counts.sum(1, keepdims=True)))
        codec.thresholds.copy_(torch.from_numpy(thresholds))
        if centroids:
            shrinkage = centroid_shrinkage(planes, classes, thresholds, codec.n_classes)
            codec.shrinkage.copy_(torch.from_numpy(shrinkage))
        else:
            codec.shrinkage.zero_()
        codec.log_scale.copy_(torch.from_numpy(np.log(np.maximum(spread, 1e-3))).to(device))


def _with_step(
    x: Tensor,
    transform: ChannelTransform,
    grid: TokenGrid,
    step: float,
    n_classes: int,
    n_levels: int,
    slope: float,
    centroids: bool,
) -> TransformCodec:
    """Return the codec of a transform and a step: components that never pass a threshold are left out."""
    # The mean over a block gathers up to all of a component's variance; below 1/16 of a step nothing ever rounds up.
    gain = float(grid.block_size)
    n_components = max(1, int((transform.variance * gain > (step / 16.0) ** 2).sum()))
    codec = _codec(x, transform, grid, step, n_components, n_classes, n_levels)
    fit_models(codec, x, slope, centroids)
    n_used = _n_used(codec)
    if n_used < n_components:
        codec = _codec(x, transform, grid, step, n_used, n_classes, n_levels)
        fit_models(codec, x, slope, centroids)
    return codec.eval()


def _codec(
    x: Tensor,
    transform: ChannelTransform,
    grid: TokenGrid,
    step: float,
    n_components: int,
    n_classes: int,
    n_levels: int,
) -> TransformCodec:
    codec = TransformCodec(
        n_channels=x.shape[2], grid=grid, n_components=n_components, n_classes=n_classes, n_levels=n_levels
    ).to(x.device)
    codec.centre.copy_(transform.centre)
    codec.analysis.copy_(transform.analysis[:n_components])
    codec.synthesis.copy_(transform.synthesis[:, :n_components])
    codec.step.fill_(step)
    codec.prefix_scale.copy_(transform.prefix_scale)
    return codec


def _set_bounds(codec: TransformCodec, x: Tensor) -> None:
    """Let activations and coefficients saturate well beyond those of calibration."""
    furthest = float((x.double() - codec.centre.detach()).abs().amax()) * _MARGIN
    codec.input_exponent.fill_(math.floor(math.log2(INPUT_BOUND / furthest)) if furthest > 0.0 else 0)
    codec.symbol_bits.fill_(_MOST_SYMBOL_BITS)
    largest = max(float(plane.abs().amax()) if plane.numel() else 0.0 for plane in codec.coefficients(x.float()))
    codec.symbol_bits.fill_(min(_MOST_SYMBOL_BITS, bits_for(largest * _MARGIN)))


def _n_used(codec: TransformCodec) -> int:
    """Return how many components are sent at any frequency."""
    used = (codec.classes != DROPPED).reshape(-1, codec.n_components).any(0)
    return int(used.nonzero().max()) + 1 if bool(used.any()) else 1


def _few_rows(plane: Tensor) -> Tensor:
    return plane[:: max(1, len(plane) // _ROWS)]


def _metric_root(
    gradient: Tensor | None, grid: TokenGrid, metric: str, n_channels: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the metric's square root, its inverse, and the step of prefix tokens."""
    unit = torch.eye(n_channels, dtype=torch.float64)
    if gradient is None or metric == "none":
        return unit, unit, torch.ones(grid.n_prefix, dtype=torch.float64)
    g = gradient.double()
    rows = g[:, grid.n_prefix :].reshape(-1, n_channels)
    outer = rows.T @ rows / len(rows)
    if metric == "channel":
        outer = torch.diag(torch.diagonal(outer))
    weight = float(torch.diagonal(outer).mean())
    if not weight > 0.0 or not math.isfinite(weight):
        raise InputError("expected finite gradients that are not all zero to weigh errors with")
    values, vectors = torch.linalg.eigh(outer / weight)
    roots = values.clamp_min(_METRIC_FLOOR).sqrt()
    prefix_weight = (g[:, : grid.n_prefix] ** 2).mean((0, 2)) / weight
    scale = prefix_weight.clamp_min(1e-12).rsqrt().clamp(_PREFIX_PRIOR, 1.0 / _PREFIX_PRIOR)
    unit = unit.to(g.device)
    return (vectors * roots) @ vectors.T @ unit, (vectors / roots) @ vectors.T @ unit, scale
