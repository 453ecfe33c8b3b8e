"""Codecs that training left in a folder, and the backbone that was fine-tuned with them if one was."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orbitsim.errors import InputError, Problem
from orbitsim.neural.codecs import Codec, load_codec
from orbitsim.neural.codecs.state_file import codec_provenance
from orbitsim.neural.evaluation.backbone import blocks_hash, evaluation_model
from orbitsim.neural.parts import ModelParts
from orbitsim.neural.training.artefacts import BACKBONE


@dataclass(frozen=True)
class TrainedCodecs:
    """A folder of codecs, one file for each cut in ascending order of names.

    Attributes
    ----------
    folder : str
        The folder.
    name : str or None
        Name in tables; the folder's when omitted.
    """

    folder: str
    name: str | None = None

    @property
    def kind(self) -> str:
        """Kind in tables."""
        return "trained"

    @property
    def label(self) -> str:
        """Name in tables and of files."""
        return self.name or Path(self.folder).name

    def files(self) -> list[Path]:
        """Return the codecs' files."""
        found = sorted(Path(self.folder).glob("codec-*.safetensors"))
        if not found:
            raise InputError(Problem("", "expected codecs in files codec-*.safetensors, found none", self.folder))
        return found

    def backbone(self) -> ModelParts | None:
        """Return the backbone that was fine-tuned with the codecs; None where it was frozen."""
        folder = Path(self.folder) / "backbone"
        return evaluation_model(str(folder)) if folder.is_dir() else None

    def load(self, cuts: tuple[int, ...], parts: ModelParts | None = None) -> list[Codec | None]:
        """Return the codecs, one for each cut; see `check`."""
        self.check(cuts, parts)
        return [load_codec(file) for file in self.files()]

    def check(self, cuts: tuple[int, ...], parts: ModelParts | None = None) -> None:
        """Raise an `InputError` with everything that speaks against using the codecs at these cuts of a model.

        Models are told apart by the weights of their blocks; codecs that do not name those by the model's name, unless
        that is only the folder which every training of a backbone writes. Codecs that name neither are taken.

        Parameters
        ----------
        cuts : tuple of int
            Blocks before each cut, ascending.
        parts : ModelParts, optional
            The model, as it was before any fine-tuning.
        """
        files = self.files()
        origins = [codec_provenance(file).get("provenance") or {} for file in files]
        found = [_cut(file, origin) for file, origin in zip(files, origins, strict=True)]
        problems = []
        if len(files) != len(cuts):
            message = f"expected {len(cuts)} codecs, one for each cut, found {len(files)}"
            problems.append(Problem("cuts", message, self.folder))
        elif any(cut not in (None, wanted) for cut, wanted in zip(found, cuts, strict=True)):
            message = f"expected codecs of the cuts {_listed(cuts)}, found those of {_listed(found)}"
            problems.append(Problem("cuts", message, self.folder))
        if parts is not None and (model := _other_model(origins[0], parts)):
            message = f"expected codecs of {parts.name} with the weights at hand, these were trained for {model}"
            problems.append(Problem("model", message, self.folder))
        if problems:
            raise InputError(problems)

    def describe(self) -> dict[str, Any]:
        """Return where the codecs come from; JSON values."""
        headers = [codec_provenance(file) for file in self.files()]
        return {
            "codec_ids": [header["codec_id"] for header in headers],
            "kinds": [header["kind"] for header in headers],
            "settings": [header["settings"] for header in headers],
            "provenance": headers[0].get("provenance", {}),
        }


def named_apart(folders: Sequence[str]) -> list[TrainedCodecs]:
    """Return the codecs of folders; the names of equal ones are longer by as many folders above as tell them apart.

    Raises
    ------
    InputError
        When a folder is named twice.
    """
    places = [Path(folder).resolve() for folder in folders]
    if twice := [folder for i, folder in enumerate(folders) if places[i] in places[:i]]:
        raise InputError(Problem("trained", f"expected each folder once, got {', '.join(twice)} again"))
    parts = {folder: Path(folder).absolute().parts for folder in folders}
    found = []
    for folder in folders:
        equal = [parts[other] for other in folders if Path(other).name == Path(folder).name]
        depth = next(n for n in itertools.count(1) if len({each[-n:] for each in equal}) == len(equal))
        name = None if len(equal) == 1 else Path(*parts[folder][-depth:]).as_posix()
        found.append(TrainedCodecs(folder, name))
    return found


def _cut(file: Path, origin: Mapping[str, Any]) -> int | None:
    """Return the cut that a codec was trained for, as it says itself or as its file is called."""
    if "cut" in origin:
        return int(origin["cut"])
    named = re.fullmatch(r"codec-cut(\d+)", file.stem)
    return int(named[1]) if named else None


def _listed(cuts: Sequence[int | None]) -> str:
    return ", ".join("unknown" if cut is None else str(cut) for cut in cuts)


def _other_model(origin: Mapping[str, Any], parts: ModelParts) -> str:
    """Return what the model is called that codecs were trained for, where it is not the one at hand."""
    name = origin.get("model")
    if "blocks_sha256" in origin:
        if origin["blocks_sha256"] == blocks_hash(parts):
            return ""
        return f"{name} with other weights" if name == parts.name else str(name)
    return str(name) if name not in (None, parts.name, BACKBONE) else ""
