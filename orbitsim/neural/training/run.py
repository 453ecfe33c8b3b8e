"""From a request and its task to a finished run in a folder: what trainings of backbones and of codecs share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from orbitsim.neural.images import IntArray
from orbitsim.neural.training.image_data import ImageData
from orbitsim.neural.training.loop import (
    CHECKPOINT,
    LoopSettings,
    ParameterGroup,
    Place,
    Progress,
    Score,
    Task,
    train,
)

if TYPE_CHECKING:
    from orbitsim.neural.training.codec_request import CodecRequest
    from orbitsim.neural.training.train_backbone import BackboneRequest

Note = Callable[[str, str], None]
Kept = Literal["best", "last"]
_FREE = ("data", "device", "checkpoint_every_s")  # of a request: what may differ when a run goes on


def run_task(
    task: Task,
    request: BackboneRequest | CodecRequest,
    data: ImageData,
    out: Path,
    *,
    keep: Kept = "best",
    resume: bool = False,
    device: torch.device | None = None,
    report: Progress = lambda _name, _done, _total: None,
    note: Note = lambda _label, _message: None,
) -> list[dict[str, Any]]:
    """Train a task as its request asks, and return what was recorded, epoch by epoch.

    Parameters
    ----------
    task : Task
        In the state that it starts from.
    request : BackboneRequest or CodecRequest
        Epochs, mini-batches, precision, seed; all of it must be the same for a run to go on.
    data : ImageData
        Images; they too must be the same.
    out : Path
        Folder of the checkpoint.
    keep : {"best", "last"}
        Whether the task ends in its best state on the held-out part, or in its last one, chosen by nothing: then the
        held-out images may serve as test images.
    resume, device, report, note
        See `orbitsim.neural.training.loop.train`.
    """
    settings = LoopSettings(
        n_epochs=request.n_epochs,
        batch_size=request.batch_size,
        accumulate=getattr(request, "accumulate", 1),
        patience=request.patience,
        precision=request.precision,
        seed=request.seed,
        checkpoint_every_s=request.checkpoint_every_s,
    )
    same = {key: value for key, value in json_values(asdict(request)).items() if key not in _FREE}
    fingerprint = {**same, "images_sha256": data.facts["sha256"], "torch": torch.__version__}
    if keep == "last":
        task, fingerprint = LastState(task), {**fingerprint, "kept": keep}
    if resume and not (out / CHECKPOINT).exists():
        note("starting", f"{out} holds no checkpoint to go on with")
    return train(task, settings, out, fingerprint=fingerprint, resume=resume, device=device, report=report)


def json_values(value: Any) -> Any:
    """Return dataclass values as JSON gives them back: tuples become lists."""
    return json.loads(json.dumps(value))


class LastState:
    """A task of which every state counts as better than those before it, so that a run ends in its last one.

    Parameters
    ----------
    task : Task
        What is trained.
    """

    def __init__(self, task: Task) -> None:
        self._task, self.n_samples = task, task.n_samples
        self._n_steps_done = 0

    def groups(self) -> list[ParameterGroup]:
        """Return what learns."""
        return self._task.groups()

    def tensors(self) -> dict[str, Tensor]:
        """Return what training changes."""
        return self._task.tensors()

    def prepare(self, place: Place) -> None:
        """Note the place."""
        self._n_steps_done = place.step + 1
        self._task.prepare(place)

    def loss(self, samples: IntArray, place: Place, micro_batch: int) -> tuple[Tensor, dict[str, float]]:
        """Return the task's loss."""
        return self._task.loss(samples, place, micro_batch)

    def after_step(self) -> None:
        """Hold the task's constraints."""
        self._task.after_step()

    def evaluate(self, report: Progress) -> tuple[Score, dict[str, Any]]:
        """Return the measures of the task, with a score that falls from step to step."""
        _, measured = self._task.evaluate(report)
        return [-float(self._n_steps_done)], measured

    def state(self) -> dict[str, Any]:
        """Return the task's state."""
        return self._task.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Hand the task's state on."""
        self._task.load_state(state)
