"""What a row rests on besides its own settings: backbone and images its codecs come from, and whether those leak."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orbitsim.neural.evaluation.backbone import weights_hash
from orbitsim.neural.evaluation.experiment import Experiment, RowSpec
from orbitsim.neural.evaluation.row import Row, RowStore
from orbitsim.neural.evaluation.trained import TrainedCodecs
from orbitsim.neural.evaluation.training_images import n_trained_on, training_measures


@dataclass(frozen=True)
class RowOrigin:
    """What the codecs of a row come from.

    Attributes
    ----------
    facts : dict
        What the name of the row's files rests on; JSON values.
    backbone_sha256 : str or None
        Of the backbone that was trained with the codecs; None: the model itself.
    calibration_key : str or None
        Key of the clean run of the calibration images; None for trained codecs and within folds.
    n_seen : int or None
        Tested images that the codecs were trained or calibrated on; None where that cannot be told. [1]
    training : dict or None
        Request and measures of the training.
    """

    facts: dict[str, Any]
    backbone_sha256: str | None = None
    calibration_key: str | None = None
    n_seen: int | None = 0
    training: dict[str, Any] | None = None

    def additions(self) -> dict[str, Any]:
        """Return what a row is to say of its origin."""
        return {
            "backbone_sha256": self.backbone_sha256,
            "calibration_key": self.calibration_key,
            "n_seen": self.n_seen,
            "training": self.training,
        }


class RowOrigins:
    """Origins of the rows of an experiment; what several rows share is hashed once.

    Parameters
    ----------
    experiment : Experiment
        The experiment.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._backbones: dict[str, str | None] = {}
        self._seen: dict[tuple[str, str], int | None] = {}

    def of(self, spec: RowSpec) -> RowOrigin:
        """Return the origin of a row."""
        method = spec.method
        if isinstance(method, TrainedCodecs):
            about = method.describe()
            backbone = self._backbone(method)
            # Codecs without a state of their own, as Top-k, have the same identity whatever backbone came with them.
            facts = {"codec_ids": about["codec_ids"], "backbone_sha256": backbone}
            n_seen = self._n_trained_on(method, about["provenance"], spec.data)
            return RowOrigin(
                facts, backbone_sha256=backbone, n_seen=n_seen, training=training_measures(Path(method.folder))
            )
        if spec.calibration_data is None:
            return RowOrigin({})
        key = self._experiment.data_key(spec.calibration_data)
        return RowOrigin({"calibration_key": key}, calibration_key=key, n_seen=self._n_shared(spec))

    def _backbone(self, method: TrainedCodecs) -> str | None:
        if method.folder not in self._backbones:
            parts = method.backbone()
            self._backbones[method.folder] = None if parts is None else weights_hash(parts)
        return self._backbones[method.folder]

    def _n_trained_on(self, method: TrainedCodecs, provenance: dict[str, Any], data: str) -> int | None:
        if (method.folder, data) not in self._seen:
            tested, digests = self._experiment.images(data), self._experiment.digests(data)
            self._seen[method.folder, data] = n_trained_on(Path(method.folder), provenance, tested, digests)
        return self._seen[method.folder, data]

    def _n_shared(self, spec: RowSpec) -> int:
        others = set(self._experiment.digests(str(spec.calibration_data)))
        return sum(digest in others for digest in self._experiment.digests(spec.data))


def stored_key(store: RowStore, experiment: Experiment, spec: RowSpec, origin: RowOrigin) -> tuple[str, bool]:
    """Return the name of a row's files, and whether it is one from before rows named their backbone and images.

    Such a row is taken where it says the same all the same: a trained one keeps the hash of its backbone among what
    was found; of a calibrated one only the true name of its images (folder, classes, number) can be compared, which
    is for the caller to tell the user.
    """
    data_key = experiment.data_key(spec.data)
    key = store.key(spec.name, {**experiment.facts(), **origin.facts}, data_key)
    if not origin.facts or store.has(key):
        return key, False
    shared = {name: value for name, value in origin.facts.items() if name == "codec_ids"}
    former = store.key(spec.name, {**experiment.facts(), **shared}, data_key)
    if not store.has(former):
        return key, False
    row = store.load(former)
    if isinstance(spec.method, TrainedCodecs):
        same = row.found.get("backbone") == origin.backbone_sha256
    else:
        same = row.calibration == experiment.name_of(str(spec.calibration_data))
    return (former, True) if same else (key, False)


def seen_words(row: Row) -> str:
    """Return a warning where a row was measured on images that its codecs were trained or calibrated on."""
    if not row.n_seen:
        return ""
    n, verb = len(row.clean_right), "trained" if row.kind == "trained" else "calibrated"
    return f"{verb} on the tested images" if row.n_seen == n else f"{verb} on {row.n_seen} of the {n} tested images"
