"""What was timed: the words of the files and those of the user, brought together, a contradiction never passed over."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from orbitsim.errors import InputError, Problem
from orbitsim.workload.importers.base import Recording

ProfileKey = tuple[str, str, str, int, str]  # device, power mode, model, batch size, precision

FACTS = ("device", "power_mode", "model", "batch_size", "precision")
OPTION = {name: "--" + name.replace("_", "-") for name in FACTS}

# Names that model libraries give to what the catalogue has under its own name; the patch size is part of the model.
_CATALOGUE_NAMES = {
    "vit-b": ("vit_b_16", "vit_base_patch16_224", "google/vit-base-patch16-224", "vit-b-16", "vit-base"),
    "vit-l": ("vit_l_16", "vit_large_patch16_224", "google/vit-large-patch16-224", "vit-l-16", "vit-large"),
    "vit-h": ("vit_h_14", "vit_huge_patch14_224", "google/vit-huge-patch14-224-in21k", "vit-h-14", "vit-huge"),
    "vit-g": ("vit_gigantic_patch14_224", "vit-g-14"),
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What was timed, as far as somebody says so; fields as in `Recording`."""

    device: str | None = None
    power_mode: str | None = None
    model: str | None = None
    batch_size: int | None = None
    precision: str | None = None


def stated(recording: Recording) -> Facts:
    """Return what a recording itself says was timed."""
    return Facts(recording.device, recording.power_mode, recording.model, recording.batch_size, recording.precision)


def catalogue_name(model: str) -> str:
    """Return the catalogue's name of a model where it is known by another, else the name as it is."""
    wanted = _plain(model)
    for name, others in _CATALOGUE_NAMES.items():
        if wanted == name or wanted in map(_plain, others):
            return name
    return model


def _plain(name: str) -> str:
    return re.sub(r"[\s_/]+", "-", name.strip().lower())


def _agree(name: str, in_file: str | int, given: str | int) -> bool:
    """Say whether two words for one fact mean the same: a board and its power mode may be named more or less fully."""
    if isinstance(in_file, int) or isinstance(given, int):
        return in_file == given
    if name == "model":
        return _plain(catalogue_name(in_file)) == _plain(catalogue_name(given))
    if name == "precision":
        return _plain(in_file) == _plain(given)
    words, others = (set(re.findall(r"[a-z0-9]+", text.lower())) for text in (in_file, given))
    return bool(words) and bool(others) and (words <= others or others <= words)


def settled_keys(
    recordings: Sequence[tuple[str, Recording]], given: Facts, *, rename: bool = False
) -> list[ProfileKey]:
    """Return what each recording is of.

    Parameters
    ----------
    recordings : sequence of (file, Recording)
        What the files say.
    given : Facts
        What the user says. The user's word is kept where both say the same.
    rename : bool
        Whether the user's words replace those of the files, whatever they say.

    Returns
    -------
    list of (device, power_mode, model, batch_size, precision)
        One for each recording.

    Raises
    ------
    InputError
        With every contradiction, and every fact that nobody gives, named with its option and its files.
    """
    problems: list[Problem] = []
    missing: dict[str, list[str]] = {}
    keys: list[ProfileKey] = []
    for file, recording in recordings:
        facts = stated(recording)
        for name, word in asdict(given).items():
            in_file = getattr(facts, name)
            if word is not None and in_file is not None and not rename and not _agree(name, in_file, word):
                message = (
                    f"the file says {in_file!r}, {OPTION[name]} says {word!r}: leave the option out, or add --rename"
                )
                problems.append(Problem(name, message, file))
            if word is not None:
                facts = replace(facts, **{name: word})
            if getattr(facts, name) is None:
                missing.setdefault(name, []).append(file)
        if facts.device and facts.power_mode and facts.model and facts.batch_size and facts.precision:
            precision, model = _plain(facts.precision), catalogue_name(facts.model)
            keys.append((facts.device, facts.power_mode, model, facts.batch_size, precision))
    for name, files in missing.items():
        where = files[0] if len(set(files)) == 1 else f"{len(set(files))} files, such as {files[0]}"
        problems.append(Problem(OPTION[name], f"expected the {name.replace('_', ' ')}; {where} does not say it"))
    if problems:
        raise InputError(list(dict.fromkeys(problems)))
    return keys
