"""Class folders of images: listed, split by seed so that every class keeps its share, decoded, augmented.

A folder of images has one sub-folder per class (`forest/forest_001.jpg`); the class is the sub-folder's name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from orbitsim.errors import InputError, Problem

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of the three channels, from 0 to 1: what pretrained backbones were fed
IMAGENET_STD = (0.229, 0.224, 0.225)
SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")
_MOST_NAMED = 5

IntArray = npt.NDArray[np.int64]
ByteArray = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class ImageFolder:
    """Images of a folder and their classes.

    Attributes
    ----------
    root : Path
        The folder.
    classes : tuple of str
        Names of the classes, sorted.
    files : tuple of Path
        Images, sorted by class and name.
    labels : ndarray, shape (n,)
        Index into `classes` of each image.
    """

    root: Path
    classes: tuple[str, ...]
    files: tuple[Path, ...]
    labels: IntArray

    def __len__(self) -> int:
        return len(self.files)


def image_folder(root: str | Path, *, per_class: int | None = None) -> ImageFolder:
    """List a folder of class folders.

    Parameters
    ----------
    root : str or Path
        The folder.
    per_class : int, optional
        Keep only this many images of each class, the first by name.

    Raises
    ------
    InputError
        When it cannot be read, or holds fewer than two classes, or a class without images.
    """
    folder = Path(root)
    expected = "expected a folder with one sub-folder of images per class"
    try:
        if not folder.is_dir():
            raise InputError(Problem("", expected, str(root)))
        listed = {
            entry.name: sorted(file for file in entry.iterdir() if file.suffix.lower() in SUFFIXES)
            for entry in sorted(folder.iterdir())
            if entry.is_dir() and not entry.name.startswith(".")
        }
    except OSError as error:
        raise InputError(Problem("", f"{expected}: {error.strerror or error}", str(root))) from error
    problems = [
        Problem("", f"expected at least one image ({', '.join(SUFFIXES)})", str(folder / name))
        for name, files in listed.items()
        if not files
    ]
    if len(listed) < 2:
        problems.append(Problem("", f"expected at least two class folders, found {len(listed)}", str(folder)))
    if problems:
        raise InputError(problems)
    kept = {name: files[:per_class] for name, files in listed.items()}
    labels = [index for index, files in enumerate(kept.values()) for _ in files]
    files = tuple(file for group in kept.values() for file in group)
    return ImageFolder(folder, tuple(kept), files, np.array(labels, dtype=np.int64))


def file_digests(folder: ImageFolder) -> tuple[str, ...]:
    """Return the SHA-256 of the file of every image, in hexadecimal digits.

    Raises
    ------
    InputError
        When a file cannot be read.
    """
    try:
        return tuple(hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.files)
    except OSError as error:
        raise InputError(Problem("", f"expected images that can be read: {error}", str(folder.root))) from error


def stratified_folds(labels: IntArray, n_folds: int, seed: int) -> IntArray:
    """Deal the images of every class to folds as evenly as possible.

    Parameters
    ----------
    labels : ndarray, shape (n,)
        Classes.
    n_folds : int
        Number of folds, at least 2.
    seed : int
        Of the deal; the same seed gives the same folds.

    Returns
    -------
    ndarray, shape (n,)
        Fold of each image, 0 .. n_folds - 1. Within a class two folds differ by one image at most.
    """
    if n_folds < 2:
        raise ValueError(f"expected at least 2 folds, got {n_folds}")
    generator = np.random.default_rng(seed)
    fold = np.empty(len(labels), dtype=np.int64)
    first = 0  # the next class begins where the last one ended, so that the folds' sizes stay even
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        fold[members] = (first + np.arange(len(members))) % n_folds
        first += len(members)
    return fold


def stratified_split(labels: IntArray, held_out: float, seed: int) -> tuple[IntArray, IntArray]:
    """Return the indices of the training and of the held-out images, every class in the same proportion.

    Parameters
    ----------
    labels : ndarray, shape (n,)
        Classes.
    held_out : float
        Share of each class to hold out, in (0, 1); at least one image of each class on either side.
    seed : int
        Of the split.

    Raises
    ------
    ValueError
        When a class has a single image, which cannot be on both sides.
    """
    generator = np.random.default_rng(seed)
    train, test = [], []
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        if len(members) < 2:
            raise ValueError(f"expected at least 2 images of class {label} to split, found {len(members)}")
        n_test = min(max(round(held_out * len(members)), 1), len(members) - 1)
        test.append(members[:n_test])
        train.append(members[n_test:])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(test))


def decode_images(files: Sequence[Path], size_px: int) -> ByteArray:
    """Read images as RGB, the centre square resampled (bicubic, antialiased) to `size_px`.

    Returns
    -------
    ndarray of uint8, shape (n, size_px, size_px, 3)

    Raises
    ------
    InputError
        Naming the images that cannot be decoded.
    """
    from PIL import Image, UnidentifiedImageError

    out = np.empty((len(files), size_px, size_px, 3), dtype=np.uint8)
    problems: list[Problem] = []
    for index, file in enumerate(files):
        try:
            with Image.open(file) as opened:
                image = opened.convert("RGB")
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            problems.append(Problem("", f"expected an image that can be decoded: {error}", str(file)))
            continue
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        box = (left, top, left + side, top + side)
        out[index] = np.asarray(image.resize((size_px, size_px), Image.Resampling.BICUBIC, box=box))
    if problems:
        more = len(problems) - _MOST_NAMED
        raise InputError(problems[:_MOST_NAMED] + ([Problem("", f"and {more} more")] if more > 0 else []))
    return out


def normalised(images: ByteArray) -> torch.Tensor:
    """Return images as a model takes them: float32, shape (n, 3, height, width), ImageNet's mean and deviation."""
    tensor = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).to(torch.float32) / 255
    mean = torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
    std = torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)
    return (tensor - mean) / std


def augmented(images: ByteArray, generator: np.random.Generator, *, pad_share: float = 0.125) -> ByteArray:
    """Return each image turned by a random multiple of 90 degrees, perhaps mirrored, shifted by up to `pad_share`.

    Aerial views have no upright side, so every one of the eight symmetries of the square is as likely as any other.
    """
    n, size = images.shape[0], images.shape[1]
    pad = round(pad_share * size)
    padded = np.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")
    turns: IntArray = generator.integers(0, 4, size=(n,))
    mirrored: npt.NDArray[np.bool_] = generator.random(size=(n,)) < 0.5
    offsets: IntArray = generator.integers(0, 2 * pad + 1, size=(n, 2))
    out = np.empty_like(images)
    for index in range(n):
        top, left = offsets[index]
        view = padded[index, top : top + size, left : left + size]
        view = np.rot90(view, int(turns[index]))
        out[index] = view[:, ::-1] if mirrored[index] else view
    return out


def batches(order: IntArray, batch_size: int) -> Iterator[IntArray]:
    """Yield consecutive pieces of an order; the last may be shorter."""
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]
