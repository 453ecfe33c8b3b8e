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
from orbitsim.neural.evaluation.stored_arrays import DamagedFileError, read_npy
from orbitsim.neural.images import ImageFolder, batches, decode_images, file_digests, normalised
from orbitsim.neural.parts import ModelParts
from orbitsim.neural.probe import pooled
from orbitsim.neural.split import SplitModel

FloatArray = NDArray[np.float32]
HalfArray = NDArray[np.float16]
IntArray = NDArray[np.int64]
Report = Callable[[str, int, int], None]
Note = Callable[[str, str], None]
_DECODED_AT_ONCE = 64
_FILES = {"first.npy": np.float32, "final.npy": np.float16, "pooled.npy": np.float32}
_SHAPES = {"first.npy": (None, None), "final.npy": (None, None), "pooled.npy": (None,)}  # of one image


def quiet_report(_name: str, _done: int, _total: int) -> None:
    """Report no progress."""


def quiet_note(_label: str, _message: str) -> None:
    """Say nothing."""


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
    note: Note = quiet_note,
) -> CleanRun:
    """Return the clean run of a model on a folder, from the cache or computed (and then kept there).

    A run that is interrupted goes on where it stopped; one whose files are damaged is computed again.

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
    report, note : callable
        Told of progress, and of files that are damaged.

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
        if (place / "complete").exists():
            try:
                return _kept(folder, key, place)
            except DamagedFileError as fault:
                note("computed again", f"{fault.path} is damaged: {fault.reason}")
                (place / "complete").unlink()
                (place / "done").unlink(missing_ok=True)
        _compute(parts, cuts, folder, place, precision, torch.device(device), batch_size, report, note)
        return _kept(folder, key, place)
    except OSError as error:
        raise OutputError(f"{place}: cannot keep the activations: {error.strerror or error}") from error


def _kept(folder: ImageFolder, key: str, place: Path) -> CleanRun:
    n = len(folder)
    first, final = (read_npy(place / name, (n, *_SHAPES[name])) for name in ("first.npy", "final.npy"))
    pooled_features = read_npy(place / "pooled.npy", (n, *_SHAPES["pooled.npy"]), None)
    return CleanRun(first, final, pooled_features, folder.labels, key, place)


def _compute(
    parts: ModelParts,
    cuts: tuple[int, ...],
    folder: ImageFolder,
    place: Path,
    precision: Precision,
    device: torch.device,
    batch_size: int,
    report: Report,
    note: Note,
) -> None:
    split = SplitModel(parts, cuts[:1]).to(device).eval()
    n = len(folder)
    done, arrays = _begun(place, n, note)
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
            arrays = [
                np.lib.format.open_memmap(place / name, mode="w+", dtype=kind, shape=(n, *values.shape[1:]))
                for (name, kind), values in zip(_FILES.items(), found, strict=True)
            ]
        for array, values in zip(arrays, found, strict=True):
            array[indices] = values.cpu().numpy()
            array.flush()  # type: ignore[attr-defined]
        _write_text(place / "done", str(int(indices[-1]) + 1))
        report("clean features", int(indices[-1]) + 1, n)
    _write_text(place / "complete", "")


def _begun(place: Path, n: int, note: Note) -> tuple[int, list[NDArray[np.floating]]]:
    """Return how many images an interrupted run has done, and its arrays; nothing where they are damaged."""
    progress = place / "done"
    if not progress.exists():
        return 0, []
    text = progress.read_text(encoding="utf-8", errors="replace")
    done = int(text) if text.isdecimal() and len(text) < 10 else -1
    if not 0 <= done <= n:
        note("computed again", f"{progress} is damaged: expected a number up to {n}, got {text[:20]!r}")
        return 0, []
    try:
        return done, [read_npy(place / name, (n, *shape), "r+") for name, shape in _SHAPES.items()]
    except DamagedFileError as fault:
        note("computed again", f"{fault.path} is damaged: {fault.reason}")
        return 0, []


def _write_text(path: Path, text: str) -> None:
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(text)
    unfinished.replace(path)
