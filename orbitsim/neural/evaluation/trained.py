"""Codecs that training left in a folder, and the backbone that was fine-tuned with them if one was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orbitsim.errors import InputError, Problem
from orbitsim.neural.codecs import Codec, load_codec
from orbitsim.neural.codecs.state_file import codec_provenance
from orbitsim.neural.evaluation.backbone import evaluation_model
from orbitsim.neural.parts import ModelParts


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

    def load(self, cuts: tuple[int, ...]) -> list[Codec | None]:
        """Return the codecs, one for each cut."""
        files = self.files()
        if len(files) != len(cuts):
            raise InputError(
                Problem("cuts", f"expected {len(cuts)} codecs, one for each cut, found {len(files)}", self.folder)
            )
        return [load_codec(file) for file in files]

    def describe(self) -> dict[str, Any]:
        """Return where the codecs come from; JSON values."""
        headers = [codec_provenance(file) for file in self.files()]
        return {
            "codec_ids": [header["codec_id"] for header in headers],
            "kinds": [header["kind"] for header in headers],
            "settings": [header["settings"] for header in headers],
            "provenance": headers[0].get("provenance", {}),
        }
