"""A tiny random vision transformer and folders of coloured images: the whole evaluation in seconds."""

import json

import numpy as np
from PIL import Image

CONFIG = {
    "model_type": "dinov2",
    "architectures": ["Dinov2Model"],
    "hidden_size": 16,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "mlp_ratio": 2,
    "image_size": 32,
    "patch_size": 8,
    "num_channels": 3,
    "layerscale_value": 0.5,
}


def write_model(folder):
    """Write a configuration; its weights are random, the same at every load."""
    path = folder / "tiny-dinov2.json"
    path.write_text(json.dumps(CONFIG))
    return str(path)


def write_images(folder, seed, n_classes=3, per_class=15):
    """Write images whose classes differ in colour, with noise enough that some are mistaken."""
    rng = np.random.default_rng(seed)
    colours = np.random.default_rng(9).integers(60, 200, (n_classes, 3))
    for label in range(n_classes):
        place = folder / f"class-{label}"
        place.mkdir(parents=True)
        for number in range(per_class):
            base = colours[label] + rng.normal(0, 25, 3)
            pixels = base + rng.normal(0, 30, (36, 36, 3)) + 20 * np.sin(np.arange(36) * (label + 1) / 4)[:, None, None]
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(place / f"{number:03d}.png")
    return str(folder)
