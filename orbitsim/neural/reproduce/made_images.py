"""Images that a reduced run makes itself: gratings whose period tells the class, in any direction and colour, in noise.

A class stays what it is when an image is turned or mirrored, as augmentation does.
"""

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
        Of directions, phases, colours and noise.
    """
    from PIL import Image

    if folder.is_dir():
        return folder
    generator = np.random.default_rng(seed)
    row, column = np.mgrid[0:SIDE_PX, 0:SIDE_PX] / SIDE_PX
    unfinished = folder.with_name(folder.name + ".part")
    try:
        for label in range(n_classes):
            n_periods = 2 * (label + 1)
            place = unfinished / f"grating-{n_periods:02d}-periods"
            place.mkdir(parents=True, exist_ok=True)
            for number in range(per_class):
                angle, phase = generator.uniform(0, np.pi), generator.random()
                along = row * np.sin(angle) + column * np.cos(angle)
                wave = np.cos(2 * np.pi * (n_periods * along + phase))
                colour = generator.uniform(20, 60, 3)
                pixels = 128 + wave[..., None] * colour + generator.normal(0, 40, (SIDE_PX, SIDE_PX, 3))
                Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(place / f"{number:03d}.png")
        unfinished.rename(folder)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return folder
