"""Trainings that several experiments share, each done once: a start without codecs, then a codec with its model.

A training lives in a folder named after everything it depends on. Finished, it is read; interrupted, it goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orbitsim.neural.reproduce.image_sets import ImageSet
from orbitsim.neural.reproduce.plan import Plan
from orbitsim.neural.split import SplitModel
from orbitsim.neural.training.artefacts import BACKBONE, METRICS
from orbitsim.neural.training.codec_request import CodecRequest
from orbitsim.neural.training.image_data import ImageData, read_images
from orbitsim.neural.training.small_vit import SMALL_VITS
from orbitsim.neural.training.train_backbone import BackboneRequest, train_backbone
from orbitsim.neural.training.train_codec import train_codec
from orbitsim.types.experiment import Bench, Progress

_COMMAND = "orbitsim reproduce"
_HELD_OUT_BATCH = 256  # few long streams after each epoch; those of Fig. 8 are of a mini-batch's length


@dataclass(frozen=True, eq=False)
class Training:
    """A finished training.

    Attributes
    ----------
    folder : Path
        Codecs and ``backbone/``.
    metrics : dict
        What was measured, see `train_codec`.
    """

    folder: Path
    metrics: dict[str, Any]

    @property
    def backbone(self) -> str:
        """The trained model, as `load_model` reads it."""
        return str(self.folder / BACKBONE)


class Trainings:
    """Trainings of a plan on one data set.

    Parameters
    ----------
    bench : Bench
        Where they are kept, and who is told of progress.
    plan : Plan
        Epochs, rates, sizes.
    images : ImageSet
        The data set.
    """

    def __init__(self, bench: Bench, plan: Plan, images: ImageSet) -> None:
        self.plan, self.images = plan, images
        self._root = (bench.shared or bench.folder) / "trainings"
        self._report: Progress = bench.progress
        self._data: dict[tuple[int, int], ImageData] = {}

    def data(self, model: str, seed: int) -> ImageData:
        """Return the images as a model takes them, split by seed."""
        side = SMALL_VITS[model].image_px
        if (side, seed) not in self._data:
            self._data.clear()  # one split at a time
            self._data[side, seed] = read_images(
                self.images.folder, side, held_out=self.plan.held_out, seed=seed, per_class=self.images.per_class
            )
        return self._data[side, seed]

    def start(self, model: str, seed: int) -> Training:
        """Return a model trained from random weights without codecs."""
        plan = self.plan
        request = BackboneRequest(
            model,
            self.images.folder,
            n_epochs=plan.n_start_epochs,
            batch_size=plan.batch_size,
            rate=plan.start_rate,
            seed=seed,
            held_out=plan.held_out,
            per_class=self.images.per_class,
        )
        data = self.data(model, seed)

        def run(folder: Path, report: Progress) -> dict[str, Any]:
            return train_backbone(request, folder, command=_COMMAND, resume=True, report=report, data=data, keep="last")

        return self._once(f"{model}-{seed}-start", {**asdict(request), "model": model}, data, run)

    def tuned(
        self,
        model: str,
        seed: int,
        codec: str,
        *,
        cuts: tuple[int, ...] | None = None,
        make_split: Callable[..., SplitModel] = SplitModel,
    ) -> Training:
        """Return a started model trained on with a codec at all cuts, or, with ``identity``, without any.

        Parameters
        ----------
        model, seed
            Of the start.
        codec : str
            Kind.
        cuts : tuple of int, optional
            The plan's when omitted.
        make_split : callable
            See `train_codec`.
        """
        plan, begun = self.plan, self.start(model, seed)
        masking = codec != "identity"
        request = CodecRequest(
            begun.backbone,
            self.images.folder,
            cuts=cuts or plan.cuts,
            codec=codec,
            settings={"bits": plan.bits} if masking else {},
            target_keep=plan.keep if masking else None,
            objective="cross-entropy",
            rate=plan.mask_rate,
            finetune="all",
            finetune_rate=plan.tuning_rate,
            n_epochs=plan.n_epochs,
            batch_size=plan.batch_size,
            accumulate=1,
            seed=seed,
            held_out=plan.held_out,
            per_class=self.images.per_class,
            n_calibration=plan.n_calibration,
        )
        data = self.data(model, seed)

        def run(folder: Path, report: Progress) -> dict[str, Any]:
            return train_codec(
                request,
                folder,
                command=_COMMAND,
                resume=True,
                report=report,
                data=data,
                keep="last",
                make_split=make_split,
                held_out_batch=_HELD_OUT_BATCH,
            )

        way = "" if make_split is SplitModel else f"-{make_split.__name__.lower()}"
        rests_on = {**asdict(request), "model": begun.folder.name, "split": way}
        return self._once(f"{model}-{seed}-{codec}{way}", rests_on, data, run)

    def _once(
        self, name: str, rests_on: dict[str, Any], data: ImageData, run: Callable[[Path, Progress], dict[str, Any]]
    ) -> Training:
        known = {**rests_on, "data": data.facts["sha256"]}
        key = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:8]
        folder = self._root / f"{Path(self.images.folder).name}-{name}-{key}"
        finished = folder / METRICS
        if finished.is_file():
            return Training(folder, json.loads(finished.read_text(encoding="utf-8")))

        def report(words: str, done: int, total: int) -> None:
            self._report(f"{self.images.name}, {name}: {words}", done, total)

        run(folder, report)
        return Training(folder, json.loads(finished.read_text(encoding="utf-8")))
