"""What a model makes of a folder of images without codecs, kept on disk: every row of a table begins from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from orbitsim.errors import InputError, OutputError
from orbitsim.neural.evaluation.backbone import Precision, arithmetic, weights_hash
from orbitsim.neural.images import ImageFolder, batches, decode_images, file_digests, normalised
from orbitsim.neural.parts import ModelParts
from orbitsim.neural.probe import pooled
from orbitsim.neural.split import SplitModel

FloatArray = NDArray[np.float32]
HalfArray = NDArray[np.float16]
IntArray = NDArray[np.int64]
Report = Callable[[str, int, int], None]
_DECODED_AT_ONCE = 64


def quiet_report(_name: str, _done: int, _total: int) -> None:
    """Report no progress."""


@dataclass(frozen=True, eq=False)
class CleanRun:
    """A model's activations on a folder of images, without codecs.

    Attributes
    ----------
    first : ndarray of float32, (n, tokens, channels)
        Activation at the first cut; on disk, read as it is needed.
    final : ndarray of float16, (n, tokens, channels)
        Final features; rounding to float16 adds about 1e-7 of their variance to an error measured against them.
    pooled : ndarray of float32, (n, features)
        What the probe sees.
    labels : ndarray, (n,)
        Classes.
    key : str
        Names weights, images, cut and arithmetic.
    folder : Path
        Where it is kept; what depends on nothing else may be kept beside it.
    """

    first: FloatArray
    final: HalfArray
    pooled: FloatArray
    labels: IntArray
    key: str
    folder: Path

    def __len__(self) -> int:
        return len(self.labels)


def images_hash(folder: ImageFolder) -> str:
    """Return sixteen hexadecimal digits over the images' names and bytes, in order."""
    digest = hashlib.sha256()
    for file, value in zip(folder.files, file_digests(folder), strict=True):
        digest.update(f"{file.parent.name}/{file.name} ".encode())
        digest.update(bytes.fromhex(value))
    return digest.hexdigest()[:16]


def clean_key(parts: ModelParts, cuts: tuple[int, ...], folder: ImageFolder, precision: Precision) -> str:
    """Return what names a clean run: a hash of weights, images, first cut and arithmetic; nothing is computed."""
    facts = [parts.name, weights_hash(parts), images_hash(folder), parts.input_shape[-1], cuts[0], precision]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def run_clean(
    parts: ModelParts,
    cuts: tuple[int, ...],
    folder: ImageFolder,
    cache: Path,
    *,
    precision: Precision = "bf16",
    device: torch.device | str = "cpu",
    batch_size: int = 64,
    report: Report = quiet_report,
) -> CleanRun:
    """Return the clean run of a model on a folder, from the cache or computed (and then kept there).

    A run that is interrupted goes on where it stopped.

    Parameters
    ----------
    parts : ModelParts
        Model without a head: its output are final features (batch, tokens, channels).
    cuts : tuple of int
        Cuts of the split; the activation at the first is kept.
    folder : ImageFolder
        Images.
    cache : Path
        Folder of such runs; about 0.6 MB an image for a ViT-S.
    precision, device, batch_size
        Of the computation.
    report : callable
        Told of progress.

    Raises
    ------
    InputError
        When the model's output are not features of tokens.
    OutputError
        When the cache cannot be written.
    """
    key = clean_key(parts, cuts, folder, precision)
    place = cache / f"clean-{key}"
    try:
        place.mkdir(parents=True, exist_ok=True)
        if not (place / "complete").exists():
            _compute(parts, cuts, folder, place, precision, torch.device(device), batch_size, report)
        first = np.load(place / "first.npy", mmap_mode="r")
        final = np.load(place / "final.npy", mmap_mode="r")
        return CleanRun(first, final, np.load(place / "pooled.npy"), folder.labels, key, place)
    except OSError as error:
        raise OutputError(f"{place}: cannot keep the activations: {error.strerror or error}") from error


def _compute(
    parts: ModelParts,
    cuts: tuple[int, ...],
    folder: ImageFolder,
    place: Path,
    precision: Precision,
    device: torch.device,
    batch_size: int,
    report: Report,
) -> None:
    split = SplitModel(parts, cuts[:1]).to(device).eval()
    n = len(folder)
    progress = place / "done"
    done = int(progress.read_text()) if progress.exists() and (place / "pooled.npy").exists() else 0
    arrays: list[NDArray[np.floating]] = []
    for indices in batches(np.arange(done, n), min(batch_size, _DECODED_AT_ONCE)):
        x = normalised(decode_images([folder.files[i] for i in indices], parts.input_shape[-1])).to(device)
        with torch.inference_mode(), arithmetic(device, precision):
            first = split.stages[0](x)
            final = split.stages[1](first)
        if first.ndim != 3 or final.ndim != 3:
            raise InputError(
                f"expected a model without a head, whose output are features (batch, tokens, channels); "
                f"{parts.name} gives {tuple(final.shape)}"
            )
        found = [first.float(), final.float(), pooled(final.float())]
        if not arrays:
            files = (("first.npy", np.float32), ("final.npy", np.float16), ("pooled.npy", np.float32))
            arrays = [
                np.load(place / name, mmap_mode="r+")
                if done
                else np.lib.format.open_memmap(place / name, mode="w+", dtype=kind, shape=(n, *values.shape[1:]))
                for (name, kind), values in zip(files, found, strict=True)
            ]
        for array, values in zip(arrays, found, strict=True):
            array[indices] = values.cpu().numpy()
            array.flush()  # type: ignore[attr-defined]
        _write_text(progress, str(int(indices[-1]) + 1))
        report("clean features", int(indices[-1]) + 1, n)
    _write_text(place / "complete", "")


def _write_text(path: Path, text: str) -> None:
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(text)
    unfinished.replace(path)
