"""Mixed images (mixup, cutmix): what keeps a vision transformer from learning a thousand images by heart."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

LARGEST_ALPHA = 1e6  # half and half to within a thousandth; of much larger ones no share can be drawn


def mixed_images(
    images: Tensor, labels: Tensor, n_classes: int, generator: np.random.Generator, alpha: float
) -> tuple[Tensor, Tensor]:
    """Return each image mixed with another of its mini-batch, and the shares of classes that are then in it.

    Half of the mini-batches blend (mixup, Zhang et al. 2018), the others paste a rectangle (cutmix, Yun et al. 2019);
    the share of the first image is drawn from Beta(alpha, alpha).

    Parameters
    ----------
    images : Tensor, (batch, channels, height, width)
        Images.
    labels : Tensor of int, (batch,)
        Classes.
    n_classes : int
        How many there are.
    generator : numpy.random.Generator
        Of share, kind, partners and rectangle.
    alpha : float
        Of the distribution; 0 leaves the images as they are.

    Returns
    -------
    images, shares : Tensor
        Shares have shape (batch, n_classes) and add up to one.
    """
    shares = torch.nn.functional.one_hot(labels, n_classes).float()
    if alpha <= 0.0:
        return images, shares
    share = float(generator.beta(alpha, alpha))
    partner = torch.from_numpy(generator.permutation(len(images))).to(images.device)
    if generator.random() < 0.5:
        images = share * images + (1.0 - share) * images[partner]
    else:
        height, width = images.shape[2:]
        high, wide = (round(side * math.sqrt(1.0 - share)) for side in (height, width))
        top, left = int(generator.integers(height - high + 1)), int(generator.integers(width - wide + 1))
        images = images.clone()
        images[:, :, top : top + high, left : left + wide] = images[partner, :, top : top + high, left : left + wide]
        share = 1.0 - high * wide / (height * width)
    return images, share * shares + (1.0 - share) * shares[partner]
