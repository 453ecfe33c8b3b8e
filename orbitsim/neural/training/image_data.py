"""Images of a class folder in memory, split into a training and a held-out part."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orbitsim.errors import InputError, Problem
from orbitsim.neural.images import (
    ByteArray,
    IntArray,
    augmented,
    decode_images,
    file_digests,
    image_folder,
    normalised,
    stratified_split,
)


@dataclass(frozen=True, eq=False)
class ImageData:
    """Decoded images with their classes.

    Attributes
    ----------
    classes : tuple of str
        Names of the classes.
    train_images, held_images : ndarray of uint8, (n, size, size, 3)
        The two parts.
    train_labels, held_labels : ndarray, (n,)
        Classes.
    facts : dict
        What the data are, for the provenance: folder's name, numbers, digest over pixels and labels; JSON values.
    digests : mapping
        SHA-256 of the file of each image of either part, by class and name; empty for images without files.
    """

    classes: tuple[str, ...]
    train_images: ByteArray
    train_labels: IntArray
    held_images: ByteArray
    held_labels: IntArray
    facts: dict[str, Any]
    digests: Mapping[str, str] = field(default_factory=dict)

    def train_batch(self, samples: IntArray, augment: np.random.Generator | None) -> tuple[Tensor, Tensor]:
        """Return training images, augmented where a generator is given, as a model takes them, and their classes."""
        images = self.train_images[samples]
        if augment is not None:
            images = augmented(images, augment)
        return normalised(images), torch.from_numpy(self.train_labels[samples])


def read_images(
    folder: str | Path, size_px: int, *, held_out: float, seed: int, per_class: int | None = None
) -> ImageData:
    """Read a folder of class folders and split it by seed, every class in the same proportion.

    Parameters
    ----------
    folder : path
        The folder.
    size_px : int
        Side to which the centre squares are resampled. [px]
    held_out : float
        Share of each class in the held-out part, in (0, 1). [1]
    seed : int
        Of the split.
    per_class : int, optional
        Only so many images of each class, the first by name.

    Raises
    ------
    InputError
        When the folder cannot be read or split.
    """
    listed = image_folder(folder, per_class=per_class)
    try:
        train, held = stratified_split(listed.labels, held_out, seed)
    except ValueError as fault:
        raise InputError(Problem("", str(fault), str(folder))) from fault
    images = decode_images(listed.files, size_px)
    data = split_images(images, listed.labels, listed.classes, train, held, name=listed.root.resolve().name)
    names = [f"{file.parent.name}/{file.name}" for file in listed.files]
    return replace(data, digests=dict(zip(names, file_digests(listed), strict=True)))


def split_images(
    images: ByteArray,
    labels: IntArray,
    classes: tuple[str, ...],
    train: IntArray,
    held: IntArray,
    *,
    name: str,
) -> ImageData:
    """Return images at hand as training and held-out part, by their indices (for folds of one's own)."""
    digest = hashlib.sha256()
    for array in (images, labels.astype("<i8"), train.astype("<i8"), held.astype("<i8")):
        digest.update(np.ascontiguousarray(array).tobytes())
    facts = {
        "folder": name,
        "classes": list(classes),
        "size_px": int(images.shape[1]),
        "n_train": len(train),
        "n_held_out": len(held),
        "sha256": digest.hexdigest(),
    }
    return ImageData(classes, images[train], labels[train], images[held], labels[held], facts)
