"""What a bit is worth where codecs stand."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from orbitsim.neural.codecs.transform import TransformCodec
from orbitsim.neural.images import normalised
from orbitsim.neural.training.codec_task import CodecTask


def local_trade_off(task: CodecTask, images: Sequence[int], spread: float = 0.1) -> float:
    """Return how much error a bit per value saves where the transform codecs stand: -dD / dR along their common step.

    With this weight in the loss, the start is the best point of its own rate-distortion curve, so whatever training
    gains is gained against that curve and not along it.

    Parameters
    ----------
    task : CodecTask
        With transform codecs; left as it was.
    images : sequence of int
        Training images to measure with.
    spread : float
        Relative change of the step, up and down. [1]
    """
    saved = {name: tensor.detach().clone() for name, tensor in task.tensors().items()}
    x = normalised(task.data.train_images[list(images)])
    reference, labels = task.outputs(x), task.data.train_labels[list(images)]
    task.split.codecs.eval()
    found = []
    for factor in (1.0 - spread, 1.0 + spread):
        with torch.no_grad():
            for codec in task.codecs:
                if isinstance(codec, TransformCodec):
                    codec.step.mul_(factor)
        task.refit()
        found.append(task.measure(x, reference, labels))
        with torch.no_grad():
            for name, tensor in task.tensors().items():
                tensor.copy_(saved[name])
    fine, coarse = found
    slope = (coarse["feature_error"] - fine["feature_error"]) / (fine["bits_per_value"] - coarse["bits_per_value"])
    return max(float(slope), 0.0)
