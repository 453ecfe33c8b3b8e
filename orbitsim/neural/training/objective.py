"""What training makes small: the error of the final output, or the classifier's cross entropy."""

from __future__ import annotations

import torch
from torch import Tensor

OBJECTIVES = ("features", "cross-entropy")


def output_variance(reference: Tensor) -> Tensor:
    """Return the mean squared distance of final outputs from the mean of their channel (the last axis)."""
    rows = reference.detach().float().reshape(-1, reference.shape[-1])
    return rows.var(0, correction=0).mean()


def feature_error(found: Tensor, reference: Tensor, variance: Tensor | float) -> Tensor:
    """Return the mean squared error of final outputs over their variance, 0-dimensional [1].

    Parameters
    ----------
    found, reference : Tensor, same shape
        Outputs with and without codecs.
    variance : Tensor or float
        Of the reference over many samples; see `output_variance`.
    """
    return (found.float() - reference.float()).square().mean() / variance


def smoothed_cross_entropy(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return the mean cross entropy against labels, or against shares of classes (mixed images) [nat]."""
    return torch.nn.functional.cross_entropy(logits.float(), labels, label_smoothing=smoothing)


def zeros_and_ones(right: Tensor) -> str:
    """Return which images were recognised as a text, a figure an image: results of the same images can be paired."""
    return "".join("1" if found else "0" for found in right.tolist())
