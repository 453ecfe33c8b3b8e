"""What a finished run leaves in its folder: codecs, weights, and one JSON file with everything that was measured."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from orbitsim import __version__
from orbitsim.errors import InputError, OutputError, Problem
from orbitsim.neural import zoo
from orbitsim.neural.huggingface import OneTensor, quiet
from orbitsim.neural.machine import machine_facts
from orbitsim.neural.parts import ModelParts
from orbitsim.neural.training.loop import CHECKPOINT

METRICS = "metrics.json"
IMAGES = "images.sha256"
BACKBONE = zoo.BACKBONE


def codec_file(folder: Path, cut: int) -> Path:
    """Return the file of a cut's codec; the names sort as the cuts do."""
    return folder / f"codec-cut{cut:03d}.safetensors"


def check_folder(folder: Path, *, resume: bool) -> None:
    """Raise an `InputError` when a run is in a folder already and shall not go on."""
    if (folder / CHECKPOINT).exists() and not resume:
        raise InputError(Problem("--out", "a training run is there: go on with --resume, or name another", str(folder)))


@contextmanager
def folder_of_run(folder: Path) -> Iterator[None]:
    """Make the folder of a run; one that fails before anything is in the folder leaves none behind."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise OutputError(f"{folder}: cannot be made: {fault.strerror}") from fault
    try:
        yield
    except BaseException:
        with suppress(OSError):  # one that is not empty stays, and so do those around it
            for place in missing:
                place.rmdir()
        raise


def provenance(command: str, seed: int, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return where a result comes from; JSON values."""
    import transformers

    return {
        "software": "orbitsim",
        "version": __version__,
        "command": command,
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "seed": seed,
        "python": platform.python_version(),
        "packages": {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            **{name: metadata.version(name) for name in ("numpy", "safetensors", "constriction", "pillow")},
        },
        "machine": machine_facts(),
        "data": dict(data),
    }


def write_metrics(folder: Path, content: Mapping[str, Any]) -> None:
    """Write the measures of a finished run; the file appears when it is complete."""
    unfinished = folder / f"{METRICS}.part"
    try:
        unfinished.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        unfinished.replace(folder / METRICS)
    except OSError as fault:
        raise OutputError(f"{folder / METRICS}: cannot be written: {fault.strerror}") from fault


def write_images(folder: Path, digests: Mapping[str, str]) -> None:
    """Write which images a training saw, as `sha256sum` does: what is tested later can be told from them."""
    try:
        text = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
        (folder / IMAGES).write_text(text, encoding="utf-8")
    except OSError as fault:
        raise OutputError(f"{folder / IMAGES}: cannot be written: {fault.strerror}") from fault


def save_backbone(parts: ModelParts, folder: Path) -> None:
    """Write a model of `transformers` as a folder that `load_model` reads: configuration and safetensors.

    Raises
    ------
    InputError
        When the model is not of `transformers`.
    """
    check_can_save(parts)
    assert isinstance(parts.whole, OneTensor)  # noqa: S101 (checked in the line before; for the type checker)
    unfinished = folder.with_name(folder.name + ".part")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        with quiet():
            parts.whole.model.save_pretrained(unfinished)  # type: ignore[operator]
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    except OSError as fault:
        raise OutputError(f"{folder}: cannot be written: {fault.strerror}") from fault


def check_can_save(parts: ModelParts) -> None:
    """Raise an `InputError` unless a model's weights can be written in a form that `load_model` reads."""
    if not isinstance(parts.whole, OneTensor) or not hasattr(parts.whole.model, "save_pretrained"):
        raise InputError(Problem("--finetune", f"expected a model of transformers to fine-tune, {parts.name} is not"))
