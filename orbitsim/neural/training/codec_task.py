"""Codecs of several cuts as a task of the training loop: each stage works on what the codec before it restored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from orbitsim.neural.codecs.gumbel import GumbelCodec, gumbel_temperature
from orbitsim.neural.codecs.transform import TransformCodec
from orbitsim.neural.images import IntArray, normalised
from orbitsim.neural.split import SplitModel
from orbitsim.neural.training.codec_options import CodecOptions, learning_groups
from orbitsim.neural.training.codec_setup import refit
from orbitsim.neural.training.image_data import ImageData
from orbitsim.neural.training.loop import ParameterGroup, Place, Progress
from orbitsim.neural.training.mask_share import shift_to_share
from orbitsim.neural.training.objective import (
    feature_error,
    output_variance,
    smoothed_cross_entropy,
    zeros_and_ones,
)
from orbitsim.neural.training.precision import mixed
from orbitsim.neural.training.schedules import pruned_share
from orbitsim.neural.training.streams import numpy_stream

Head = Callable[[Tensor], Tensor]  # output of the model to logits of classes
KEEP_TOLERANCE = 0.02  # of the target share, within which a mask counts as having reached it


class CodecTask:
    """See `orbitsim.neural.training.loop.Task`.

    Parameters
    ----------
    split : SplitModel
        Model with calibrated codecs, on its device.
    reference : Module
        The whole model without codecs and as it was before fine-tuning; may be the split model's own when its weights
        stay.
    head : callable or None
        From the model's output to logits of the data's classes; None leaves accuracy out.
    data : ImageData
        Images.
    refit_images : ndarray of uint8
        Training images from which entropy models are fitted again after each epoch.
    options : CodecOptions
        What is trained.
    batch_size : int
        Images at a time where nothing is learnt.
    """

    def __init__(
        self,
        split: SplitModel,
        reference: nn.Module,
        head: Head | None,
        data: ImageData,
        refit_images: np.ndarray[Any, np.dtype[np.uint8]],
        options: CodecOptions,
        *,
        batch_size: int = 8,
    ) -> None:
        self.split, self.reference, self.head, self.data, self.options = split, reference, head, data, options
        self.n_samples = len(data.train_labels)
        self.batch_size = batch_size
        self.device = next(iter(split.parameters())).device
        self.refit_input = normalised(refit_images).to(self.device)
        self.held_input = normalised(data.held_images)
        self.codecs = [split.codec(number) for number in range(len(split.cuts))]
        self.masks = [codec for codec in self.codecs if isinstance(codec, GumbelCodec)]
        self.start_keep = self.keep_share()
        self.place = Place(0, 0, 0, 0)
        self._groups = learning_groups(split, self.codecs, options)
        with torch.no_grad(), mixed(options.precision, self.device):
            one = split.activations(self.refit_input[:1])
        self.n_values = [activation.numel() for activation in one]  # of one image at each cut
        self.held_reference = self.outputs(self.held_input)
        self.variance = output_variance(self.held_reference).item()

    # What learns

    def groups(self) -> list[ParameterGroup]:
        """Return the codecs' learning parameters and the backbone's, a group for each tensor."""
        return self._groups

    def tensors(self) -> dict[str, Tensor]:
        """Return the codecs' whole state and what learns of the backbone."""
        state = {
            f"codec.{number}.{name}": tensor
            for number, codec in enumerate(self.codecs)
            if codec is not None
            for name, tensor in codec.state_dict().items()
        }
        learnt = {name: parameter for group in self._groups for name, parameter in group.parameters.items()}
        return {**state, **{name: p for name, p in learnt.items() if name.startswith("backbone.")}}

    # A step

    def prepare(self, place: Place) -> None:
        """Anneal the masks' temperature (Eq. 5, by steps) and set the codecs' mode."""
        self.place = place
        for mask in self.masks:
            mask.temperature.fill_(gumbel_temperature(place.step, max(place.n_steps, 1), *self.options.temperature))
        self.split.codecs.train(self.options.noise)

    def loss(self, samples: IntArray, place: Place, micro_batch: int) -> tuple[Tensor, dict[str, float]]:
        """Return distortion plus weighted rate of some training images."""
        options = self.options
        augment = numpy_stream(options.seed, "augment", place.step, micro_batch) if options.augment else None
        images, labels = self.data.train_batch(samples, augment)
        images, labels = images.to(self.device), labels.to(self.device)
        with mixed(options.precision, self.device):
            output, bits = self.split.forward_with_rate(images)
            n_values = len(images) * sum(self.n_values)
            if options.objective == "cross-entropy":
                assert self.head is not None  # noqa: S101 (checked where the task is made)
                distortion = smoothed_cross_entropy(self.head(output), labels)
            else:
                with torch.no_grad():
                    wanted = self.reference(images)
                distortion = feature_error(output, wanted, self.variance)
        rate = torch.stack(bits).sum() / n_values
        total = distortion + options.trade_off * rate if options.trade_off else distortion
        parts = {"distortion": float(distortion.detach()), "bits_per_value": float(rate.detach())}
        if self.masks:
            keep = torch.stack([mask.sparsity_loss() for mask in self.masks]).mean()
            parts["keep_share"] = float(keep.detach())
            if options.sparsity_weight:
                total = total + options.sparsity_weight * keep
        return total, {"loss": float(total.detach()), **parts}

    def after_step(self) -> None:
        """Hold the masks at the share that they shall keep by now.

        Pressing all logits down alike is what the gradient of a sparsity term does where it is not saturated; shifting
        them to the share is its weight found exactly at each step instead of by trial.
        """
        if self.masks and self.options.target_keep is not None:
            done, n_steps = self.place.step + 1, self.place.n_steps
            shift_to_share(self.masks, pruned_share(done, n_steps, self.start_keep, self.options.target_keep))

    def keep_share(self) -> float:
        """Return the share of values that the masks keep in evaluation, over all cuts [1]."""
        return float(np.mean([mask.keep_share() for mask in self.masks])) if self.masks else 1.0

    # An evaluation

    def evaluate(self, report: Progress) -> tuple[list[float], dict[str, Any]]:
        """Return score and measures of the held-out part in real bytes; entropy models are fitted again first."""
        self.split.codecs.eval()
        self.refit()
        found = self.measure(self.held_input, self.held_reference, self.data.held_labels, report)
        options = self.options
        violation = 0.0
        if self.masks and options.target_keep is not None:
            distance = abs(found["keep_share"] / options.target_keep - 1.0)
            violation = max(0.0, distance - KEEP_TOLERANCE)
        distortion = found["cross_entropy" if options.objective == "cross-entropy" else "feature_error"]
        price = options.trade_off * found["bits_per_value"] + options.sparsity_weight * found.get("keep_share", 0.0)
        score = [violation, distortion + price]
        return score, {"held_out": found}

    def refit(self) -> None:
        """Fit the entropy models to what the codecs now make of training images, cut by cut."""
        if not any(isinstance(codec, TransformCodec) for codec in self.codecs):
            return
        with torch.no_grad():
            hidden = list(torch.split(self.refit_input, self.batch_size))
            for stage, codec in zip(self.split.stages, self.codecs, strict=False):
                with mixed(self.options.precision, self.device):
                    hidden = [stage(x) for x in hidden]
                refit([codec], [torch.cat(hidden)])
                if codec is not None:
                    hidden = [codec(x) for x in hidden]

    def measure(
        self, images: Tensor, reference: Tensor, labels: IntArray, report: Progress = lambda _name, _done, _total: None
    ) -> dict[str, Any]:
        """Return error, accuracy and real bytes of images under the codecs as they are."""
        outputs, n_bytes = [], np.zeros(len(self.codecs))
        n_batches = -(-len(images) // self.batch_size)
        for number, x in enumerate(torch.split(images, self.batch_size)):
            report("held-out images", number, n_batches)
            with mixed(self.options.precision, self.device):
                output, sizes = self.split.run_bytes(x.to(self.device))
            outputs.append(output.float())
            n_bytes += sizes
        output = torch.cat(outputs)
        n_values = len(images) * sum(self.n_values)
        found: dict[str, Any] = {
            "feature_error": feature_error(output, reference, self.variance).item(),
            "bytes_per_sample": [float(n) / len(images) for n in n_bytes],
            "ratio_fp32": [4.0 * len(images) * n / float(size) for n, size in zip(self.n_values, n_bytes, strict=True)],
            "ratio_fp32_all": 4.0 * n_values / float(n_bytes.sum()),
            "bits_per_value": 8.0 * float(n_bytes.sum()) / n_values,
            **self._classified(output, labels),
        }
        if self.masks:
            found["keep_share"] = self.keep_share()
            found["keep_shares"] = [mask.keep_share() for mask in self.masks]
        return found

    def reference_measures(self) -> dict[str, Any]:
        """Return accuracy and cross entropy of the held-out part without codecs."""
        return self._classified(self.held_reference, self.data.held_labels)

    def _classified(self, output: Tensor, labels: IntArray) -> dict[str, Any]:
        if self.head is None:
            return {}
        with torch.no_grad():
            logits = self.head(output)
        wanted = torch.from_numpy(labels).to(logits.device)
        right = logits.argmax(1) == wanted
        return {
            "accuracy": right.double().mean().item(),
            "right": zeros_and_ones(right),
            "cross_entropy": smoothed_cross_entropy(logits, wanted).item(),
        }

    def outputs(self, images: Tensor) -> Tensor:
        """Return the reference's outputs, on its device."""
        with torch.no_grad(), mixed(self.options.precision, self.device):
            return torch.cat([self.reference(x.to(self.device)).float() for x in torch.split(images, self.batch_size)])

    # The rest of the state

    def state(self) -> dict[str, Any]:
        """Return nothing: all that a step depends on are tensors and its place."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take nothing over."""
