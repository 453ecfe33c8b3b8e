"""Calibration of the transform codec from activations, and gradients of the output where they are to weigh errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from orbitsim.errors import InputError, Problem
from orbitsim.neural.codecs.component_models import DROPPED
from orbitsim.neural.codecs.exact_transform import INPUT_BOUND, bits_for
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
_SMOOTHING = 0.02  # symbols of the fitted Laplace distribution added to each table, as a share of those seen
_ESCAPING = 2e-5  # share of a class's symbols that may lie outside its table
_ESCAPE_BITS = 16.0  # two of the four bytes of an escaped symbol say little
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
    slope: float = 1.0,
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
    """
    if (step is None) == (error is None):
        raise InputError("expected either a step or an error of the transform codec, and not both")
    if not len(x) or not bool(torch.isfinite(x).all()):
        raise InputError("expected at least one sample of finite activations to calibrate with")
    grid = default_grid(x.shape[1]) if grid is None else grid
    with torch.no_grad():
        transform = fit_channel_transform(x, grid, gradient, metric)
        if step is not None:
            return _with_step(x, transform, grid, step, n_classes, n_levels, slope)
        assert error is not None  # noqa: S101 (for the type checker; one of the two is given)
        few = x[:: max(1, len(x) // 16)]
        total = float(((few - few.mean((0, 1))).double() ** 2).sum())
        low, high = (math.log(float(transform.variance.sum().sqrt()) * scale) for scale in (1e-6, 10.0))
        for _ in range(14):
            middle = (low + high) / 2.0
            codec = _with_step(few, transform, grid, math.exp(middle), n_classes, n_levels, slope)
            reached = float(((codec(few) - few).double() ** 2).sum()) / total
            low, high = (middle, high) if reached < error else (low, middle)
        return _with_step(x, transform, grid, math.exp(low), n_classes, n_levels, slope)


def fit_models(codec: TransformCodec, x: Tensor, slope: float = 1.0) -> None:
    """Fit everything but transform and step to a codec's own coefficients, in place: bounds, tables, roundings.

    Needed again whenever training has changed the transform or the step.

    Parameters
    ----------
    codec : TransformCodec
        Codec whose transform and step are fixed.
    x : Tensor, (samples, tokens, channels)
        Activations of calibration samples.
    slope : float
        See `fit_transform`.
    """
    with torch.no_grad():
        _set_bounds(codec, x)
        planes = [_few_rows(plane).cpu().numpy() for plane in codec.coefficients(x.float())]
        price = slope * SLOPE_STEP2_PER_BIT
        spread = np.concatenate([np.abs(plane).mean(0) if len(plane) else np.zeros(plane.shape[1]) for plane in planes])
        size = np.concatenate(
            [_sizes(plane, 0.5, 0.5).mean(0) if len(plane) else np.zeros(plane.shape[1]) for plane in planes]
        )
        classes = _classes(size, codec.n_classes)
        thresholds = np.full((codec.n_classes, 2), 0.5)
        for _ in range(_ROUNDS):
            counts = _class_counts(planes, classes, thresholds, codec.n_classes, codec.n_levels)
            lengths = _code_lengths(counts)
            thresholds = _thresholds(lengths, counts, price, codec.n_levels)
            classes = _dropped(planes, classes, thresholds, lengths, price, codec.n_levels)
        counts = _class_counts(planes, classes, thresholds, codec.n_classes, codec.n_levels)
        device = codec.tables.device
        codec.classes.copy_(torch.from_numpy(classes))
        codec.tables.copy_(torch.from_numpy(counts / counts.sum(1, keepdims=True)))
        codec.thresholds.copy_(torch.from_numpy(thresholds))
        codec.shrinkage.copy_(torch.from_numpy(_shrinkage(planes, classes, thresholds, codec.n_classes)))
        codec.log_scale.copy_(torch.from_numpy(np.log(np.maximum(spread, 1e-3))).to(device))


def _with_step(
    x: Tensor, transform: ChannelTransform, grid: TokenGrid, step: float, n_classes: int, n_levels: int, slope: float
) -> TransformCodec:
    """Return the codec of a transform and a step: components that never pass a threshold are left out."""
    # The mean over a block gathers up to all of a component's variance; below 1/16 of a step nothing ever rounds up.
    gain = float(grid.block_size)
    n_components = max(1, int((transform.variance * gain > (step / 16.0) ** 2).sum()))
    codec = _codec(x, transform, grid, step, n_components, n_classes, n_levels)
    fit_models(codec, x, slope)
    n_used = _n_used(codec)
    if n_used < n_components:
        codec = _codec(x, transform, grid, step, n_used, n_classes, n_levels)
        fit_models(codec, x, slope)
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


def _sizes(
    plane: NDArray[np.float64], zero: NDArray[np.float64] | float, up: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    """Return magnitudes of symbols, as `ExactTransform` rounds them."""
    size = np.abs(plane)
    return np.where(size < zero, 0.0, np.maximum(np.floor(size + (1.0 - up)), 1.0))


def _classes(size: NDArray[np.float64], n_classes: int) -> NDArray[np.int64]:
    """Return the class of each component by the logarithm of its mean magnitude; -1 where it is zero."""
    classes = np.full(size.size, DROPPED, dtype=np.int64)
    sent = size > 0.0
    if sent.any():
        level = np.log(size[sent])
        width = max(float(level.max() - level.min()), 1e-9) / n_classes
        classes[sent] = np.minimum(((level.max() - level) / width).astype(np.int64), n_classes - 1)
    return classes


def _by_class(planes: list[NDArray[np.float64]], classes: NDArray[np.int64], number: int) -> NDArray[np.float64]:
    """Return the coefficients of a class."""
    first, parts = 0, []
    for plane in planes:
        columns = np.flatnonzero(classes[first : first + plane.shape[1]] == number)
        parts.append(plane[:, columns].ravel())
        first += plane.shape[1]
    return np.concatenate(parts)


def _class_counts(
    planes: list[NDArray[np.float64]],
    classes: NDArray[np.int64],
    thresholds: NDArray[np.float64],
    n_classes: int,
    n_levels: int,
) -> NDArray[np.float64]:
    """Return smoothed counts (n_classes, 2 * n_levels + 2) of the symbols of each class, the escape last."""
    counts = np.empty((n_classes, 2 * n_levels + 2))
    symbols = np.arange(-n_levels, n_levels + 1)
    for number in range(n_classes):
        values = _by_class(planes, classes, number)
        signed = np.copysign(_sizes(values, *thresholds[number]), values).astype(np.int64)
        n_used = _levels_used(np.abs(signed), n_levels)
        inside = np.abs(signed) <= n_used
        seen = np.bincount(signed[inside] + n_levels, minlength=2 * n_levels + 1)
        scale = max(float(np.abs(values).mean()) if values.size else 0.0, 0.05)
        tail = np.exp(-np.abs(symbols) / scale)
        # Both signs are as likely: the calibration's imbalance is mostly noise.
        balanced = (seen + seen[::-1]) / 2.0
        counts[number, :-1] = balanced + _SMOOTHING * max(values.size, 1) * tail / tail.sum()
        counts[number, -1] = values.size - inside.sum()
        counts[number] += 1e-6 * max(values.size, 1)
        counts[number, :-1] *= np.abs(symbols) <= n_used
    return counts


def _levels_used(size: NDArray[np.int64], n_levels: int) -> int:
    """Return the smallest of 1, 3, 7, ... `n_levels` that hardly any symbol exceeds: small tables decode faster."""
    allowed = _ESCAPING * size.size
    n_used = 1
    while n_used < n_levels and np.count_nonzero(size > n_used) > allowed:
        n_used = min(2 * n_used + 1, n_levels)
    return n_used


def _code_lengths(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the bits of each symbol of each class; one outside its table costs an escape and its four bytes."""
    escape = -np.log2(counts[:, -1:] / counts.sum(1, keepdims=True)) + _ESCAPE_BITS
    share = counts / counts.sum(1, keepdims=True)
    lengths = np.where(counts > 0.0, -np.log2(np.where(counts > 0.0, share, 1.0)), escape)
    lengths[:, -1:] = escape
    return np.asarray(lengths)


def _thresholds(
    lengths: NDArray[np.float64], counts: NDArray[np.float64], price: float, n_levels: int
) -> NDArray[np.float64]:
    """Return where a coefficient becomes 1 and where it rounds up, at a price of a bit, in [1/2, 1].

    Between symbols n and n + 1 with code lengths b, squared error plus price is equal at n + 1/2 + price * (b(n + 1) -
    b(n)) / 2; of a Laplace distribution this difference is the same for all n >= 1.
    """
    zero = n_levels
    rise = np.diff(lengths[:, zero : zero + n_levels + 1], axis=1)
    weight = counts[:, zero + 2 : zero + n_levels + 1]
    # A step into an escape says nothing about the others; a class without larger symbols rounds them as it does ones.
    later = (np.where(weight > 0.0, rise[:, 1:], 0.0) * weight).sum(1) / np.maximum(weight.sum(1), 1e-300)
    later = np.where(weight.sum(1) > 0.0, later, rise[:, 0])
    return np.clip(0.5 + 0.5 * price * np.stack([rise[:, 0], later], axis=1), 0.5, 1.0)


def _dropped(
    planes: list[NDArray[np.float64]],
    classes: NDArray[np.int64],
    thresholds: NDArray[np.float64],
    lengths: NDArray[np.float64],
    price: float,
    n_levels: int,
) -> NDArray[np.int64]:
    """Return the classes without the components whose bits cost more than the error that they save."""
    kept = classes.copy()
    first = 0
    for plane in planes:
        span = slice(first, first + plane.shape[1])
        first += plane.shape[1]
        if not len(plane):
            kept[span] = DROPPED
            continue
        of_class = classes[span]
        limits = thresholds[of_class.clip(0)]
        size = _sizes(plane, limits[:, 0], limits[:, 1])
        saved = (plane**2 - (np.abs(plane) - size) ** 2).mean(0)
        spent = np.empty(plane.shape[1])
        for start in range(0, plane.shape[1], 256):  # a table of lengths for each value would be large
            part = slice(start, start + 256)
            symbol = np.minimum(size[:, part], n_levels + 1).astype(np.int64) + n_levels
            spent[part] = lengths[of_class[part].clip(0)[None, :], symbol].mean(0)
        kept[span] = np.where((saved <= price * spent) | (size.max(0) == 0.0), DROPPED, of_class)
    return kept


def _shrinkage(
    planes: list[NDArray[np.float64]], classes: NDArray[np.int64], thresholds: NDArray[np.float64], n_classes: int
) -> NDArray[np.float64]:
    """Return how far below 1, and below larger symbols, the mean of their coefficients lies, for each class."""
    shrinkage = np.zeros((n_classes, 2))
    for number in range(n_classes):
        values = np.abs(_by_class(planes, classes, number))
        size = _sizes(values, *thresholds[number])
        for column, chosen in enumerate((size == 1.0, size > 1.0)):
            n = np.count_nonzero(chosen)
            if n:  # a few samples say little: they are drawn towards zero shrinkage
                shrinkage[number, column] = (size[chosen] - values[chosen]).sum() / (n + 10.0)
    return np.clip(shrinkage, -0.5, 0.5)
