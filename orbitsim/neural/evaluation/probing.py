"""Cross-validation of the probe: fitted on clean features of the training folds, asked about clean and coded ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orbitsim.neural.evaluation.clean_run import CleanRun, FloatArray
from orbitsim.neural.images import stratified_folds
from orbitsim.neural.probe import STRENGTHS, LinearProbe, fit_probe

BoolArray = NDArray[np.bool_]
N_FOLDS = 5


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
    """

    def __init__(self, clean: CleanRun, seed: int, n_folds: int = N_FOLDS) -> None:
        self.labels = clean.labels
        self.fold = stratified_folds(clean.labels, n_folds, seed)
        n_classes = int(clean.labels.max()) + 1
        self.probes = []
        for number in range(n_folds):
            outside = self.fold != number
            kept = clean.folder / f"probe-{len(clean)}-{n_folds}-{seed}-{number}.npz"
            known = _load(kept)
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


def _save(path: Path, probe: LinearProbe) -> None:
    unfinished = path.with_name(path.name + ".part.npz")
    np.savez(
        unfinished, mean=probe.mean, scale=probe.scale, weight=probe.weight, bias=probe.bias, strength=probe.strength
    )
    unfinished.replace(path)


def _load(path: Path) -> LinearProbe | None:
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as kept:
        fields = {name: kept[name] for name in ("mean", "scale", "weight", "bias")}
        return LinearProbe(**fields, strength=float(kept["strength"]), inner_loss={})
