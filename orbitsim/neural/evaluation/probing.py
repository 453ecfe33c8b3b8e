"""Cross-validation of the probe: fitted on clean features of the training folds, asked about clean and coded ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orbitsim.errors import InputError, OutputError, Problem
from orbitsim.neural.evaluation.clean_run import CleanRun, FloatArray, Note, quiet_note
from orbitsim.neural.evaluation.stored_arrays import DamagedFileError, read_npz
from orbitsim.neural.images import ImageFolder, stratified_folds
from orbitsim.neural.probe import STRENGTHS, LinearProbe, fit_probe

BoolArray = NDArray[np.bool_]
N_FOLDS = 5
_ARRAYS = ("mean", "scale", "weight", "bias", "strength")
_SHOWN = 3


class CrossValidatedProbe:
    """A probe for each fold of a clean run, fitted on the other folds; its settings are chosen inside those.

    Parameters
    ----------
    clean : CleanRun
        Features without codecs.
    seed : int
        Of the folds, and of the inner folds on which the penalty is chosen.
    n_folds : int
        Folds; every image is tested once.
    note : callable
        Told of kept probes that are damaged; those are fitted again.
    """

    def __init__(self, clean: CleanRun, seed: int, n_folds: int = N_FOLDS, *, note: Note = quiet_note) -> None:
        self.labels = clean.labels
        self.fold = stratified_folds(clean.labels, n_folds, seed)
        n_classes = int(clean.labels.max()) + 1
        self.probes = []
        for number in range(n_folds):
            outside = self.fold != number
            kept = clean.folder / f"probe-{len(clean)}-{n_folds}-{seed}-{number}.npz"
            known = _load(kept, (n_classes, clean.pooled.shape[1]), note)
            if known is None:
                known = fit_probe(
                    clean.pooled[outside],
                    clean.labels[outside],
                    n_classes=n_classes,
                    strengths=STRENGTHS,
                    seed=seed,
                )
                _save(kept, known)
            self.probes.append(known)

    def correct(self, features: FloatArray) -> BoolArray:
        """Return of each image whether the probe that has not seen it finds its class, (n,)."""
        found = np.empty(len(self.labels), dtype=np.int64)
        for number, probe in enumerate(self.probes):
            inside = self.fold == number
            found[inside] = probe.predict(features[inside])
        right: BoolArray = found == self.labels
        return right


def check_testable(folder: ImageFolder, n_folds: int = N_FOLDS) -> None:
    """Raise unless images can be tested by cross-validation, before anything is computed of them.

    Raises
    ------
    InputError
        When a class has a single image, which is either asked about or learnt from but never both, or when there are
        fewer images than folds.
    """
    n_of = np.bincount(folder.labels, minlength=len(folder.classes))
    single = [name for name, n in zip(folder.classes, n_of, strict=True) if n < 2]
    problems = []
    if single:
        more = f" and {len(single) - _SHOWN} more" if len(single) > _SHOWN else ""
        message = f"expected at least 2 images of each class to test, found 1 of {', '.join(single[:_SHOWN])}{more}"
        problems.append(Problem("", message, str(folder.root)))
    elif len(folder) < n_folds:
        message = f"expected at least {n_folds} images to test, one for each fold, found {len(folder)}"
        problems.append(Problem("", message, str(folder.root)))
    if problems:
        raise InputError(problems)


def _save(path: Path, probe: LinearProbe) -> None:
    unfinished = path.with_name(path.name + ".part.npz")
    values = {name: getattr(probe, name) for name in _ARRAYS}
    try:
        np.savez(unfinished, **values)
        unfinished.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot keep the probe: {error.strerror or error}") from error


def _load(path: Path, shape: tuple[int, int], note: Note) -> LinearProbe | None:
    """Return a kept probe of so many classes and features; None where there is none that is whole."""
    if not path.exists():
        return None
    try:
        kept = read_npz(path, _ARRAYS)
    except DamagedFileError as fault:
        note("computed again", f"{fault.path} is damaged: {fault.reason}")
        return None
    found = {name: values.shape for name, values in kept.items()}
    n_classes, n_features = shape
    if found != {"mean": (n_features,), "scale": (n_features,), "weight": shape, "bias": (n_classes,), "strength": ()}:
        note("computed again", f"{path} is damaged: its arrays have the shapes {found}")
        return None
    strength = float(kept.pop("strength"))
    return LinearProbe(**kept, strength=strength, inner_loss={})
