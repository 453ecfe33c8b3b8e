"""Images that a reduced run makes itself: gratings whose direction tells the class, in noise and any colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from orbitsim.errors import OutputError

SIDE_PX = 32


def make_images(folder: Path, *, n_classes: int = 3, per_class: int = 12, seed: int = 1) -> Path:
    """Write a folder of class folders; a second call finds it there.

    Parameters
    ----------
    folder : Path
        Where; appears under its name when complete.
    n_classes, per_class : int
        Classes, and images of each.
    seed : int
        Of colours, phases and noise.
    """
    from PIL import Image

    if folder.is_dir():
        return folder
    generator = np.random.default_rng(seed)
    row, column = np.mgrid[0:SIDE_PX, 0:SIDE_PX] / SIDE_PX
    unfinished = folder.with_name(folder.name + ".part")
    try:
        for label in range(n_classes):
            angle = np.pi * label / n_classes
            place = unfinished / f"grating-{round(np.rad2deg(angle)):03d}-deg"
            place.mkdir(parents=True, exist_ok=True)
            for number in range(per_class):
                wave = np.cos(2 * np.pi * (4 * (row * np.sin(angle) + column * np.cos(angle)) + generator.random()))
                colour = generator.uniform(20, 60, 3)
                pixels = 128 + wave[..., None] * colour + generator.normal(0, 15, (SIDE_PX, SIDE_PX, 3))
                Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(place / f"{number:03d}.png")
        unfinished.rename(folder)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return folder
