"""A classifier from scratch as a task of the training loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from orbitsim.neural.images import IntArray, normalised
from orbitsim.neural.training.image_data import ImageData
from orbitsim.neural.training.loop import ParameterGroup, Place, Progress
from orbitsim.neural.training.mixing import mixed_images
from orbitsim.neural.training.objective import smoothed_cross_entropy, zeros_and_ones
from orbitsim.neural.training.precision import mixed
from orbitsim.neural.training.streams import numpy_stream


@dataclass(frozen=True)
class BackboneOptions:
    """How the classifier learns.

    Attributes
    ----------
    rate, weight_decay : float
        Of AdamW; the decay spares biases, norms and positions.
    smoothing : float
        Of labels. [1]
    mix_alpha : float
        See `mixed_images`.
    precision : str
        fp32, bf16 or fp16.
    seed : int
        Of every stream.
    """

    rate: float = 1e-3
    weight_decay: float = 0.05
    smoothing: float = 0.1
    mix_alpha: float = 0.2
    precision: str = "fp32"
    seed: int = 1


class BackboneTask:
    """See `orbitsim.neural.training.loop.Task`.

    Parameters
    ----------
    model : Module
        From images to logits of the data's classes, on its device.
    data : ImageData
        Images.
    options : BackboneOptions
        How it learns.
    """

    def __init__(self, model: nn.Module, data: ImageData, options: BackboneOptions) -> None:
        self.model, self.data, self.options = model, data, options
        self.n_samples = len(data.train_labels)
        self.device = next(model.parameters()).device
        self.held_input = normalised(data.held_images)

    def groups(self) -> list[ParameterGroup]:
        """Return matrices, which decay, and everything else."""
        named = dict(self.model.named_parameters())
        decaying = {n: p for n, p in named.items() if p.ndim >= 2 and "position" not in n and "token" not in n}
        rest = {n: p for n, p in named.items() if n not in decaying}
        options = self.options
        return [ParameterGroup(decaying, options.rate, options.weight_decay), ParameterGroup(rest, options.rate)]

    def tensors(self) -> dict[str, Tensor]:
        """Return the model's parameters."""
        return dict(self.model.named_parameters())

    def prepare(self, place: Place) -> None:  # noqa: ARG002 (the same at every place)
        """Switch dropout on."""
        self.model.train()

    def loss(self, samples: IntArray, place: Place, micro_batch: int) -> tuple[Tensor, dict[str, float]]:
        """Return the cross entropy of some augmented and mixed images."""
        options = self.options
        generator = numpy_stream(options.seed, "augment", place.step, micro_batch)
        images, labels = self.data.train_batch(samples, generator)
        images, shares = mixed_images(images, labels, len(self.data.classes), generator, options.mix_alpha)
        with mixed(options.precision, self.device):
            logits = self.model(images.to(self.device))
        loss = smoothed_cross_entropy(logits, shares.to(self.device), options.smoothing)
        return loss, {"loss": float(loss.detach())}

    def after_step(self) -> None:
        """Do nothing: there is no constraint."""

    def evaluate(self, report: Progress) -> tuple[list[float], dict[str, Any]]:
        """Return the errors on the held-out part; among equal ones the cross entropy decides."""
        self.model.eval()
        logits = []
        pieces = torch.split(self.held_input, 64)
        with torch.no_grad(), mixed(self.options.precision, self.device):
            for number, x in enumerate(pieces):
                report("held-out images", number, len(pieces))
                logits.append(self.model(x.to(self.device)).float().cpu())
        labels = torch.from_numpy(self.data.held_labels)
        found = torch.cat(logits)
        right = found.argmax(1) == labels
        accuracy = right.double().mean().item()
        cross_entropy = smoothed_cross_entropy(found, labels).item()
        measured = {"accuracy": accuracy, "right": zeros_and_ones(right), "cross_entropy": cross_entropy}
        return [1.0 - accuracy, cross_entropy], {"held_out": measured}

    def state(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take nothing over."""
