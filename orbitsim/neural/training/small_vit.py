"""Small vision transformers that train from scratch on a thousand images in minutes on a processor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orbitsim.errors import InputError, Problem
from orbitsim.neural import huggingface
from orbitsim.neural.parts import ModelParts
from orbitsim.scenario.suggestions import suggestion


@dataclass(frozen=True)
class SmallViT:
    """Sizes of a plain vision transformer.

    Attributes
    ----------
    image_px, patch_px : int
        Side of the image and of a patch. [px]
    width, n_blocks, n_heads : int
        Channels, blocks, attention heads; the MLP is twice as wide.
    """

    image_px: int
    patch_px: int
    width: int
    n_blocks: int
    n_heads: int


SMALL_VITS = {
    "vit-tiny-48": SmallViT(image_px=48, patch_px=8, width=192, n_blocks=6, n_heads=3),
    "vit-small-48": SmallViT(image_px=48, patch_px=8, width=256, n_blocks=8, n_heads=4),
    "vit-base-48": SmallViT(image_px=48, patch_px=8, width=384, n_blocks=10, n_heads=6),
    "vit-48-w48": SmallViT(image_px=48, patch_px=12, width=48, n_blocks=6, n_heads=3),
    "vit-48-w64": SmallViT(image_px=48, patch_px=12, width=64, n_blocks=6, n_heads=2),
    "vit-48-w96": SmallViT(image_px=48, patch_px=12, width=96, n_blocks=6, n_heads=3),
    "vit-48-w64-d12": SmallViT(image_px=48, patch_px=12, width=64, n_blocks=12, n_heads=2),
    "vit-micro-16": SmallViT(image_px=16, patch_px=4, width=32, n_blocks=4, n_heads=2),
}
_MLP_FACTOR = 2


def small_vit(name: str, classes: tuple[str, ...], *, seed: int, dropout: float = 0.0) -> ModelParts:
    """Return a small vision transformer with random weights and a head for some classes.

    Parameters
    ----------
    name : str
        One of `SMALL_VITS`.
    classes : tuple of str
        Names of the classes; kept in the configuration.
    seed : int
        Of the weights.
    dropout : float
        In training, of hidden values. [1]

    Raises
    ------
    InputError
        When the name is not known.
    """
    if name not in SMALL_VITS:
        message = f"expected one of {', '.join(SMALL_VITS)}, got {name!r}{suggestion(name, SMALL_VITS)}"
        raise InputError(Problem("--model", message))
    size = SMALL_VITS[name]
    values: dict[str, Any] = {
        "hidden_size": size.width,
        "intermediate_size": _MLP_FACTOR * size.width,
        "num_attention_heads": size.n_heads,
        "num_hidden_layers": size.n_blocks,
        "image_size": size.image_px,
        "patch_size": size.patch_px,
        "layer_norm_eps": 1e-6,
        "hidden_dropout_prob": dropout,
        "num_labels": len(classes),
    }
    config = huggingface.config_of_type("vit", values)
    config.id2label = dict(enumerate(classes))
    config.label2id = {label: number for number, label in enumerate(classes)}
    return huggingface.parts_of_config(config, name, seed=seed)
