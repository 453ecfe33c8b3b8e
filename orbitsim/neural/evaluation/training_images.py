"""Which images codecs were trained on, and how many of them are among those that are tested."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from orbitsim.errors import InputError, Problem
from orbitsim.neural.evaluation.data_names import named_data
from orbitsim.neural.images import ImageFolder, image_folder
from orbitsim.neural.training.artefacts import IMAGES, METRICS
from orbitsim.neural.training.image_data import read_images

NOT_RECORDED = "not recorded"
_NEEDED = ("request", "best_epoch", "best")
_KEPT = ("head", "reference", "start")


def training_name(provenance: Mapping[str, Any]) -> str:
    """Return the true name of the images that the provenance of a codec states; `NOT_RECORDED` where it states none."""
    data = provenance.get("data") or {}
    try:
        n = int(data["n_train"]) + int(data["n_held_out"])
        return named_data(str(data["folder"]), len(data["classes"]), n)
    except (KeyError, TypeError, ValueError):
        return NOT_RECORDED


def training_measures(folder: Path) -> dict[str, Any] | None:
    """Return request, start and best epoch of the training that a folder holds; None where it kept no measures.

    Raises
    ------
    InputError
        When its measures cannot be read.
    """
    path = folder / METRICS
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        origin = content["provenance"]
        found = {name: content[name] for name in _NEEDED} | {name: content[name] for name in _KEPT if name in content}
        data = {name: value for name, value in origin["data"].items() if name != "classes"}
        return {**found, "command": origin["command"], "created_utc": origin["created_utc"], "data": data}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise InputError(Problem("", f"expected the measures of a training: {fault}", str(path))) from fault


def n_trained_on(
    folder: Path, provenance: Mapping[str, Any], tested: ImageFolder, digests: Iterable[str]
) -> int | None:
    """Return how many tested images a training saw, its held-out part included; None where that cannot be told.

    The held-out part counts because the best epoch was chosen on it. A training keeps the SHA-256 of its images. For
    one that did not, the tested folder is split as the training split its own, and the digests over the pixels are
    compared: that finds the same folder again; of another one with the same classes nothing can be told.

    Parameters
    ----------
    folder : Path
        Folder of the training.
    provenance : mapping
        Provenance of its codecs.
    tested : ImageFolder
        Images under test.
    digests : iterable of str
        SHA-256 of the file of each.
    """
    listed = folder / IMAGES
    if listed.is_file():
        try:
            seen = {line.split(maxsplit=1)[0] for line in listed.read_text(encoding="utf-8").splitlines() if line}
        except (OSError, ValueError) as fault:
            raise InputError(Problem("", f"expected lines of a hash and a name: {fault}", str(listed))) from fault
        return sum(digest in seen for digest in digests)
    data = provenance.get("data") or {}
    if "classes" not in data:
        return None
    again = _same_split(folder, data, tested)
    if again is not None:
        return len(set(again) & set(tested.files))
    return None if list(data["classes"]) == list(tested.classes) else 0


def _same_split(folder: Path, data: Mapping[str, Any], tested: ImageFolder) -> tuple[Path, ...] | None:
    """Return the images of the tested folder that a training took, where it was this folder that it took them from."""
    measures = training_measures(folder)
    if measures is None or not {"sha256", "size_px", "n_train", "n_held_out"} <= data.keys():
        return None
    request = measures["request"]
    taken = image_folder(tested.root, per_class=request.get("per_class"))
    if len(taken) != data["n_train"] + data["n_held_out"]:
        return None  # without decoding a single image
    split = read_images(
        tested.root,
        int(data["size_px"]),
        held_out=float(request["held_out"]),
        seed=int(request["seed"]),
        per_class=request.get("per_class"),
    )
    return taken.files if split.facts["sha256"] == data["sha256"] else None
