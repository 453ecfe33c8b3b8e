"""What codecs are fitted to: a stratified sample of images, and the gradients that say where errors matter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from orbitsim.neural.evaluation.clean_run import CleanRun, IntArray
from orbitsim.neural.split import SplitModel


@dataclass(frozen=True, eq=False)
class CalibrationSample:
    """Activations at the first cut and gradients at every cut.

    Attributes
    ----------
    fitted : Tensor, (n, tokens, channels)
        Activations at the first cut that codecs are fitted to.
    checked : Tensor, (m, tokens, channels)
        Those of other images, on which ratio and error of a setting are measured while it is sought.
    checked_final : Tensor, (m, tokens, channels)
        Their final features without codecs.
    gradients : tuple of Tensor
        For each cut, (k, tokens, channels): gradient of r . f(x) for random signs r and the final features f.
    images : ndarray
        Which images of the folder they are, fitted ones first.
    """

    fitted: Tensor
    checked: Tensor
    checked_final: Tensor
    gradients: tuple[Tensor, ...]
    images: IntArray

    def few(self, n: int) -> CalibrationSample:
        """Return the sample with at most so many images to fit to, for a search."""
        return CalibrationSample(self.fitted[:n], self.checked, self.checked_final, self.gradients, self.images)


def calibration_sample(
    split: SplitModel,
    clean: CleanRun,
    seed: int,
    *,
    candidates: IntArray | None = None,
    n_fitted: int = 192,
    n_checked: int = 32,
    n_gradients: int = 96,
) -> CalibrationSample:
    """Draw a sample of a clean run: as many images of each class as they come, in random order.

    Parameters
    ----------
    split : SplitModel
        The model, cut.
    clean : CleanRun
        Its clean run on the calibration images.
    seed : int
        Of the images and of the random vectors of the gradients.
    candidates : ndarray, optional
        Images that may be taken (outside a test fold); all when omitted.
    n_fitted, n_checked, n_gradients : int
        Images to fit to, to measure on, and (of those to fit to) to take gradients of; fewer where there are fewer.
    """
    generator = np.random.default_rng([seed, 1])
    allowed = np.arange(len(clean)) if candidates is None else np.asarray(candidates, dtype=np.int64)
    order = _class_by_class(clean.labels, allowed, generator)[: n_fitted + n_checked]
    n_fitted = max(1, min(n_fitted, len(order) - max(1, len(order) // 7)))
    device = next(split.parameters()).device

    def taken(source: np.ndarray[tuple[int, ...], np.dtype[np.floating]], images: IntArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(source[images])).float().to(device)

    fitted, checked = taken(clean.first, order[:n_fitted]), taken(clean.first, order[n_fitted:])
    noise = torch.Generator().manual_seed(seed)
    gradients = _gradients(split, fitted[:n_gradients], noise)
    return CalibrationSample(fitted, checked, taken(clean.final, order[n_fitted:]), gradients, order)


def _class_by_class(labels: IntArray, allowed: IntArray, generator: np.random.Generator) -> IntArray:
    """Return images so that every prefix holds the classes in equal numbers, as far as that goes."""
    shuffled = generator.permutation(allowed)
    round_of = np.empty(len(shuffled), dtype=np.int64)
    for label in np.unique(labels[shuffled]):
        members = np.flatnonzero(labels[shuffled] == label)
        round_of[members] = np.arange(len(members))
    ordered: IntArray = shuffled[np.lexsort((generator.random(len(shuffled)), round_of))]
    return ordered


def _gradients(split: SplitModel, first: Tensor, noise: torch.Generator, batch_size: int = 16) -> tuple[Tensor, ...]:
    """Return the gradient of r . f(x) at every cut, in fp32."""
    needed = [p for p in split.parameters() if p.requires_grad]
    for parameter in needed:  # only activations need gradients here
        parameter.requires_grad = False
    found: list[list[Tensor]] = [[] for _ in split.cuts]
    try:
        for batch in torch.split(first, batch_size):
            x = batch.detach().clone().requires_grad_()
            leaves = [x]
            for stage in split.stages[1:]:
                x = stage(x)
                leaves.append(x)
            final = leaves.pop()
            signs = (torch.randint(2, final.shape, generator=noise) * 2 - 1).to(final)
            for store, gradient in zip(found, torch.autograd.grad((final * signs).sum(), leaves), strict=True):
                store.append(gradient.detach())
    finally:
        for parameter in needed:
            parameter.requires_grad = True
    return tuple(torch.cat(parts) for parts in found)
