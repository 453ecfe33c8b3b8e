"""One row of a table: a method on a data set with one seed, from calibration to accuracy and bytes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from orbitsim.errors import InputError, Problem
from orbitsim.neural.codecs import Codec
from orbitsim.neural.evaluation.backbone import Precision, weights_hash
from orbitsim.neural.evaluation.calibration_sample import CalibrationSample, calibration_sample
from orbitsim.neural.evaluation.clean_run import CleanRun, Note, Report, clean_key, quiet_note, quiet_report, run_clean
from orbitsim.neural.evaluation.coded_run import CodedRun, run_coded
from orbitsim.neural.evaluation.data_names import data_set_name
from orbitsim.neural.evaluation.methods import Method, fit_method
from orbitsim.neural.evaluation.probing import CrossValidatedProbe, check_testable
from orbitsim.neural.evaluation.row import Row
from orbitsim.neural.evaluation.trained import TrainedCodecs
from orbitsim.neural.evaluation.training_images import training_name
from orbitsim.neural.images import ImageFolder, file_digests, image_folder
from orbitsim.neural.parts import ModelParts
from orbitsim.neural.split import SplitModel

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class RowSpec:
    """What one row is about.

    Attributes
    ----------
    data : str
        Folder of the test images.
    method : Method or TrainedCodecs
        How activations are compressed.
    seed : int
        Of the calibration sample, the folds, the random signs of gradients and the order of images in mini-batches.
    calibration_data : str or None
        Folder whose images codecs are calibrated on; None: the training folds of the test data, once for each fold.
    """

    data: str
    method: Method | TrainedCodecs
    seed: int
    calibration_data: str | None = None

    @property
    def name(self) -> str:
        """Name of the row's files."""
        other = "folds" if self.calibration_data is None else Path(self.calibration_data).name
        return f"{Path(self.data).name}__{other}__{self.method.label}__seed-{self.seed}".replace("/", "-")


class Experiment:
    """A model with its cuts, and what all rows share: clean runs, probes and calibration samples.

    Parameters
    ----------
    parts : ModelParts
        Model without a head.
    cuts : sequence of int
        Blocks before each cut.
    cache : Path
        Folder of clean runs and probes.
    precision, device, batch_size
        Of the computation; images of a mini-batch.
    per_class : int, optional
        Only this many images of each class, of test and calibration data alike.
    n_fitted, n_gradients : int
        Images that codecs are calibrated on, and those of them whose gradients are taken.
    report, note : callable
        Told of progress, and of what should be known.
    """

    def __init__(
        self,
        parts: ModelParts,
        cuts: Sequence[int],
        cache: Path,
        *,
        precision: Precision = "bf16",
        device: str = "cpu",
        batch_size: int = 64,
        per_class: int | None = None,
        n_fitted: int = 192,
        n_gradients: int = 96,
        report: Report = quiet_report,
        note: Note = quiet_note,
    ) -> None:
        if parts.output != "last_hidden_state":
            raise InputError(
                Problem(
                    "model", f"expected a model without a head (final features), {parts.name} returns {parts.output}"
                )
            )
        self.cuts = tuple(cuts)
        self.split = SplitModel(parts, self.cuts).to(device).eval()
        self.parts, self.cache, self.precision, self.device = parts, cache, precision, device
        self.batch_size, self.per_class, self.report = batch_size, per_class, report
        self.note = note
        self.n_fitted, self.n_gradients = n_fitted, n_gradients
        self.weights = weights_hash(parts)
        self._clean: dict[str, CleanRun] = {}
        self._images: dict[str, ImageFolder] = {}
        self._digests: dict[str, tuple[str, ...]] = {}
        self._keys: dict[str, str] = {}
        self._probes: dict[tuple[str, int], CrossValidatedProbe] = {}
        self._samples: dict[tuple[str, int], CalibrationSample] = {}

    def clean(self, data: str) -> CleanRun:
        """Return the clean run on a folder."""
        if data not in self._clean:
            self._clean[data] = self._clean_of(self.parts, data)
        return self._clean[data]

    def images(self, data: str) -> ImageFolder:
        """Return the images of a folder that take part."""
        if data not in self._images:
            self._images[data] = image_folder(data, per_class=self.per_class)
        return self._images[data]

    def digests(self, data: str) -> tuple[str, ...]:
        """Return the SHA-256 of the file of each of them."""
        if data not in self._digests:
            self._digests[data] = file_digests(self.images(data))
        return self._digests[data]

    def data_key(self, data: str) -> str:
        """Return the key of the clean run on a folder, which need not have been computed."""
        if data not in self._keys:
            self._keys[data] = clean_key(self.parts, self.cuts, self.images(data), self.precision)
        return self._keys[data]

    def name_of(self, data: str) -> str:
        """Return the true name of the images of a folder."""
        return data_set_name(Path(data), self.images(data).labels)

    def _clean_of(self, parts: ModelParts, data: str) -> CleanRun:
        return run_clean(
            parts,
            self.cuts,
            self.images(data),
            self.cache,
            precision=self.precision,
            device=self.device,
            batch_size=self.batch_size,
            report=self.report,
            note=self.note,
        )

    def probe(self, data: str, seed: int) -> CrossValidatedProbe:
        """Return the cross-validated probe of a folder and seed."""
        if (data, seed) not in self._probes:
            self._probes[data, seed] = CrossValidatedProbe(self.clean(data), seed, note=self.note)
        return self._probes[data, seed]

    def facts(self) -> dict[str, Any]:
        """Return what every row of this experiment has in common; JSON values."""
        return {
            "model": self.parts.name,
            "weights": self.weights,
            "cuts": list(self.cuts),
            "precision": self.precision,
            "batch_size": self.batch_size,
            "per_class": self.per_class,
            "n_fitted": self.n_fitted,
            "n_gradients": self.n_gradients,
        }

    def run(self, spec: RowSpec) -> Row:
        """Measure one row."""
        begin = time.perf_counter()
        if isinstance(spec.method, TrainedCodecs):
            spec.method.check(self.cuts, self.parts)  # before hours are spent on clean features
        check_testable(self.images(spec.data))
        clean, probe = self.clean(spec.data), self.probe(spec.data, spec.seed)
        order = np.random.default_rng([spec.seed, 2]).permutation(len(clean))
        if isinstance(spec.method, TrainedCodecs):
            coded, found = self._trained(spec, clean, order)
            ids = [found["codec_ids"]]
            calibration: str | None = training_name(found["provenance"])
        else:
            coded, found, ids = self._calibrated(spec, clean, order, probe)
            calibration = None if spec.calibration_data is None else self.name_of(spec.calibration_data)
        staged = coded.stage_bytes
        return Row(
            name=spec.name,
            data=self.name_of(spec.data),
            data_key=clean.key,
            calibration=calibration,
            method=spec.method.label,
            kind=spec.method.kind,
            seed=spec.seed,
            facts=self.facts(),
            found=found,
            codec_ids=ids,
            token_error=coded.token_error,
            pooled_error=coded.pooled_error,
            value_bytes=coded.value_bytes,
            stage_ratio=(staged[:, :1] / np.maximum(staged, 1)).tolist(),
            encode_s=coded.encode_s.tolist(),
            decode_s=coded.decode_s.tolist(),
            seconds=time.perf_counter() - begin,
            n_images=coded.n_images,
            coded_bytes=coded.coded_bytes,
            clean_right=probe.correct(clean.pooled),
            coded_right=probe.correct(coded.pooled),
        )

    def _calibrated(
        self, spec: RowSpec, clean: CleanRun, order: IntArray, probe: CrossValidatedProbe
    ) -> tuple[CodedRun, dict[str, Any], list[list[str | None]]]:
        method = spec.method
        assert isinstance(method, Method)  # noqa: S101 - told apart by the caller
        if spec.calibration_data is not None:
            codecs, found = fit_method(
                method, self.split, self._sample(spec.calibration_data, spec.seed), self.precision
            )
            return self._coded(self.split, codecs, clean, order), found, [_ids(codecs)]
        runs, founds, ids = [], [], []
        for number in range(len(probe.probes)):
            outside = np.flatnonzero(probe.fold != number)
            sample = self._draw(clean, spec.seed, outside)
            codecs, found = fit_method(method, self.split, sample, self.precision)
            runs.append(self._coded(self.split, codecs, clean, order[probe.fold[order] == number]))
            founds.append(found)
            ids.append(_ids(codecs))
        return _joined(runs, clean, order, [order[probe.fold[order] == n] for n in range(len(runs))]), founds[0], ids

    def _trained(self, spec: RowSpec, clean: CleanRun, order: IntArray) -> tuple[CodedRun, dict[str, Any]]:
        """Run trained codecs; errors and the probe are those of the clean run of the model itself."""
        method = spec.method
        assert isinstance(method, TrainedCodecs)  # noqa: S101 - told apart by the caller
        codecs, tuned = method.load(self.cuts, self.parts), method.backbone()
        if tuned is None:
            return self._coded(self.split, codecs, clean, order), method.describe()
        begun = self._clean_of(tuned, spec.data)  # its first stage may have learnt too
        split = SplitModel(tuned, self.cuts).to(self.device).eval()
        mixed = replace(clean, first=begun.first)
        return self._coded(split, codecs, mixed, order), {**method.describe(), "backbone": weights_hash(tuned)}

    def _coded(self, split: SplitModel, codecs: Sequence[Codec | None], clean: CleanRun, order: IntArray) -> CodedRun:
        on_device = [None if codec is None else codec.to(self.device).eval() for codec in codecs]
        return run_coded(
            split, on_device, clean, order, batch_size=self.batch_size, precision=self.precision, report=self.report
        )

    def _sample(self, data: str, seed: int) -> CalibrationSample:
        if (data, seed) not in self._samples:
            self._samples.clear()  # one at a time: it is large
            self._samples[data, seed] = self._draw(self.clean(data), seed, None)
        return self._samples[data, seed]

    def _draw(self, clean: CleanRun, seed: int, candidates: IntArray | None) -> CalibrationSample:
        return calibration_sample(
            self.split, clean, seed, candidates=candidates, n_fitted=self.n_fitted, n_gradients=self.n_gradients
        )


def _ids(codecs: Sequence[Codec | None]) -> list[str | None]:
    return [None if codec is None else codec.codec_id for codec in codecs]


def _joined(runs: Sequence[CodedRun], clean: CleanRun, order: IntArray, groups: Sequence[IntArray]) -> CodedRun:
    """Return one run made of those of the folds; every image is in one of them."""
    seen = np.zeros_like(clean.pooled)
    for run, group in zip(runs, groups, strict=True):
        seen[group] = run.pooled[group]
    spread = clean.pooled.astype(np.float64) - clean.pooled.mean(0, dtype=np.float64)
    difference = seen.astype(np.float64) - clean.pooled
    share = np.array([len(group) for group in groups]) / len(order)
    return replace(
        runs[0],
        pooled=seen,
        # Variances of equal, stratified folds differ little: their weighted mean stands for that of all images.
        token_error=float(share @ [run.token_error for run in runs]),
        pooled_error=float((difference**2).sum() / (spread**2).sum()),
        n_images=np.concatenate([run.n_images for run in runs]),
        coded_bytes=np.concatenate([run.coded_bytes for run in runs], axis=1),
        stage_bytes=np.sum([run.stage_bytes for run in runs], axis=0),
        encode_s=np.sum([run.encode_s for run in runs], axis=0),
        decode_s=np.sum([run.decode_s for run in runs], axis=0),
    )


def threads(n: int) -> None:
    """Use so many threads for the arithmetic of models and codecs."""
    torch.set_num_threads(n)
