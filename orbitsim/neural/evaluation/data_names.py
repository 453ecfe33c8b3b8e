"""What a folder of images may be called in a result: its true name, never that of the data set it was drawn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_SUBSETS = {
    "resisc45-mini": (14, 1400, "14-class RESISC45 subset"),
    "aid150-mini": (30, 3000, "30-class AID sample at 150 px"),
}


def data_set_name(folder: Path, labels: NDArray[np.int64]) -> str:
    """Return the name of the images of a folder.

    The two samples that this project measured on have names of their own; any other folder goes by its own name, its
    numbers of classes and images, and nothing more.
    """
    return named_data(folder.resolve().name, len(np.unique(labels)), len(labels))


def named_data(folder_name: str, n_classes: int, n: int) -> str:
    """Return the name of so many images of so many classes from a folder of that name."""
    known = _SUBSETS.get(folder_name)
    if known is not None and n_classes == known[0]:
        return known[2] if n == known[1] else f"{known[2]} ({n} of {known[1]} images)"
    return f"folder {folder_name} ({n_classes} classes, {n} images)"
