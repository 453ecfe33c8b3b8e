"""A linear probe: multinomial logistic regression on the pooled final features of a backbone without a head.

Everything is deterministic: the standardisation, the inner folds on which the regularisation is chosen (made by seed
within the training part alone) and the minimisation (L-BFGS from zero, along the path from strong to weak).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from orbitsim.neural.images import stratified_folds

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

STRENGTHS = (100.0, 30.0, 10.0, 3.0, 1.0, 0.3)  # of the L2 penalty; the least loss on inner folds lies well inside
N_INNER_FOLDS = 3
_GRADIENT_TOLERANCE = 1e-6
_INNER_TOLERANCE = 1e-4  # where penalties are only compared
_FLATNESS = 1e5  # of the loss between iterations, in units of the machine's precision
_MOST_ITERATIONS = 500


def pooled(tokens: Tensor, n_prefix: int = 1) -> Tensor:
    """Return what the probe sees of final features: the class token beside the mean of the patch tokens.

    Parameters
    ----------
    tokens : Tensor, (batch, tokens, channels)
        Final features; the class token first.
    n_prefix : int
        Tokens before the patches: the class token and registers.

    Returns
    -------
    Tensor, (batch, 2 * channels)
        Differentiable.
    """
    return torch.cat([tokens[:, 0], tokens[:, n_prefix:].mean(1)], dim=1)


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """A fitted probe.

    Attributes
    ----------
    mean, scale : ndarray, (features,)
        Of the standardisation: (x - mean) / scale.
    weight, bias : ndarray, (classes, features) and (classes,)
        Of the logits of standardised features.
    strength : float
        Of the penalty that was chosen: loss = mean cross entropy + strength / 2 * |weight|^2 / features. [1]
    inner_loss : dict of float to float
        Mean cross entropy on the inner folds by strength; empty when one strength was given. [nat]
    """

    mean: Array
    scale: Array
    weight: Array
    bias: Array
    strength: float
    inner_loss: dict[float, float]

    def logits(self, features: NDArray[np.floating]) -> Array:
        """Return the logits (n, classes) of features (n, features)."""
        result: Array = (np.asarray(features, dtype=np.float64) - self.mean) / self.scale @ self.weight.T + self.bias
        return result

    def predict(self, features: NDArray[np.floating]) -> IntArray:
        """Return the class of each sample."""
        classes: IntArray = self.logits(features).argmax(1).astype(np.int64)
        return classes

    def accuracy(self, features: NDArray[np.floating], labels: IntArray) -> float:
        """Return the share of samples whose class is found [1]."""
        return float((self.predict(features) == labels).mean())

    def as_linear(self) -> torch.nn.Linear:
        """Return the probe as one layer of torch in fp32, standardisation included; its weights need no gradient."""
        n_classes, n_features = self.weight.shape
        weight = self.weight / self.scale
        layer = torch.nn.Linear(n_features, n_classes).requires_grad_(requires_grad=False)
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(self.bias - weight @ self.mean))
        return layer


def fit_probe(
    features: NDArray[np.floating],
    labels: IntArray,
    *,
    n_classes: int | None = None,
    strengths: Sequence[float] = STRENGTHS,
    seed: int = 1,
) -> LinearProbe:
    """Fit a probe to training features.

    Parameters
    ----------
    features : ndarray, (n, features)
        Finite numbers.
    labels : ndarray, (n,)
        Classes 0 .. n_classes - 1.
    n_classes : int, optional
        One more than the largest label when omitted.
    strengths : sequence of float
        Penalties to choose from on inner folds of these samples (least mean cross entropy); one is taken as it is.
    seed : int
        Of the inner folds.

    Raises
    ------
    ValueError
        When shapes, labels or strengths do not fit, or a feature is not finite.
    """
    x, y = np.asarray(features, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    if x.ndim != 2 or y.shape != x.shape[:1] or not len(y):
        raise ValueError(f"expected features (n, features) and labels (n,), got {x.shape} and {y.shape}")
    if not np.isfinite(x).all():
        raise ValueError("expected finite features")
    n = int(y.max()) + 1 if n_classes is None else n_classes
    if y.min() < 0 or y.max() >= n:
        raise ValueError(f"expected labels from 0 to {n - 1}, got {y.min()} to {y.max()}")
    path = sorted(set(strengths), reverse=True)
    if not path or path[-1] <= 0.0:
        raise ValueError(f"expected strengths above 0, got {list(strengths)}")
    inner: dict[float, float] = {}
    if len(path) > 1:
        fold = stratified_folds(y, N_INNER_FOLDS, seed)
        losses = np.zeros(len(path))
        for number in range(N_INNER_FOLDS):
            outside, inside = fold != number, fold == number
            if not outside.any() or not inside.any():
                continue
            for index, probe in enumerate(_path(x[outside], y[outside], n, path, _INNER_TOLERANCE)):
                losses[index] += _cross_entropy(probe.logits(x[inside]), y[inside]).sum()
        inner = {strength: float(loss) / len(y) for strength, loss in zip(path, losses, strict=True)}
        path = path[: int(np.argmin(losses)) + 1]
    fitted = _path(x, y, n, path)[-1]
    return LinearProbe(fitted.mean, fitted.scale, fitted.weight, fitted.bias, fitted.strength, inner)


def _path(
    x: Array, y: IntArray, n_classes: int, strengths: Sequence[float], tolerance: float = _GRADIENT_TOLERANCE
) -> list[LinearProbe]:
    """Fit at each strength, strongest first; each fit starts from the one before."""
    from scipy.optimize import fmin_l_bfgs_b

    mean = x.mean(0)
    scale = x.std(0)
    scale = np.where(scale > 1e-12 * np.maximum(np.abs(mean), 1.0), scale, 1.0)
    z = (x - mean) / scale
    one_hot = np.eye(n_classes)[y]
    # In the axes of the features' covariance, each scaled by about the root of its curvature, the loss is nearly round
    # and L-BFGS needs tens of iterations where it took hundreds; the minimum is the same.
    variance, axes = np.linalg.eigh(z.T @ z / len(y))
    curvature = (1.0 - 1.0 / n_classes) / n_classes  # of the cross entropy where all classes are as likely
    weight, bias = np.zeros((n_classes, x.shape[1])), np.zeros(n_classes)
    probes = []
    for strength in strengths:
        penalty = strength / x.shape[1]
        unit = 1.0 / np.sqrt(curvature * np.maximum(variance, 0.0) + penalty)
        rotated = z @ (axes * unit)

        def loss(flat: Array, penalty: float = penalty, unit: Array = unit, x: Array = rotated) -> tuple[float, Array]:
            inner, bias = flat[:-n_classes].reshape(n_classes, -1), flat[-n_classes:]
            logits = x @ inner.T + bias
            wrong = _softmax(logits) - one_hot
            value = _cross_entropy(logits, y).mean() + 0.5 * penalty * float(((inner * unit) ** 2).sum())
            gradient = wrong.T @ x / len(y) + penalty * unit**2 * inner
            return float(value), np.concatenate([gradient.ravel(), wrong.mean(0)])

        start = np.concatenate([(weight @ axes / unit).ravel(), bias])
        found = fmin_l_bfgs_b(loss, start, m=10, pgtol=tolerance, factr=_FLATNESS, maxiter=_MOST_ITERATIONS)
        flat = found[0]
        weight, bias = (flat[:-n_classes].reshape(n_classes, -1) * unit) @ axes.T, flat[-n_classes:].copy()
        probes.append(LinearProbe(mean, scale, weight, bias, strength, {}))
    return probes


def _softmax(logits: Array) -> Array:
    exponent = np.exp(logits - logits.max(1, keepdims=True))
    result: Array = exponent / exponent.sum(1, keepdims=True)
    return result


def _cross_entropy(logits: Array, labels: IntArray) -> Array:
    highest = logits.max(1)
    total = highest + np.log(np.exp(logits - highest[:, None]).sum(1))
    result: Array = total - logits[np.arange(len(labels)), labels]
    return result
