"""The data sets of a run: the folders that the user names, or, in a reduced run without any, images made here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orbitsim.errors import InputError, Problem
from orbitsim.neural.evaluation.data_names import data_set_name
from orbitsim.neural.images import image_folder
from orbitsim.neural.reproduce.made_images import make_images
from orbitsim.types.experiment import Bench


@dataclass(frozen=True)
class ImageSet:
    """A folder of images.

    Attributes
    ----------
    folder : str
        Where.
    name : str
        What results may call it.
    per_class : int
        Images of each class that are used, the first by name.
    """

    folder: str
    name: str
    per_class: int


def image_sets(bench: Bench, most_images: int) -> list[ImageSet]:
    """Return the data sets of a run, with as many images of each class as a number in all allows.

    Raises
    ------
    InputError
        When there are none, or one cannot be read.
    """
    folders = list(bench.data)
    if not folders:
        if not bench.small:
            message = "expected at least one folder of images, a sub-folder for each class (repeat for more data sets)"
            raise InputError(Problem("--data", message))
        made = make_images(bench.folder / "made-images")
        return [ImageSet(str(made), "images made for this run", most_images // 3)]
    if len({folder.resolve() for folder in folders}) != len(folders):
        raise InputError(Problem("--data", "expected each folder once"))
    found = []
    for folder in folders:
        n_classes = len(image_folder(folder).classes)
        per_class = max(2, most_images // n_classes)
        listed = image_folder(folder, per_class=per_class)
        found.append(ImageSet(str(folder), data_set_name(folder, listed.labels), per_class))
    return found


def like_resisc45(sets: Sequence[ImageSet], wanted: bool) -> list[ImageSet]:
    """Return the sets that stand for RESISC45 (those with ``resisc`` in their folder's name), or the others.

    Where that leaves none, all of them: each is then set beside the paper's figures.
    """
    chosen = [one for one in sets if ("resisc" in Path(one.folder).name.lower()) is wanted]
    return chosen or list(sets)
