"""From a request to a small vision transformer in a folder, trained from scratch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from orbitsim.errors import InputError, Problem
from orbitsim.neural.training import artefacts
from orbitsim.neural.training.backbone_task import BackboneOptions, BackboneTask
from orbitsim.neural.training.image_data import ImageData, read_images
from orbitsim.neural.training.loop import Progress
from orbitsim.neural.training.mixing import LARGEST_ALPHA
from orbitsim.neural.training.precision import chosen_device, precision_problems
from orbitsim.neural.training.request_faults import number_faults, seed_faults, share_faults, whole_faults
from orbitsim.neural.training.run import Kept, Note, run_task
from orbitsim.neural.training.small_vit import SMALL_VITS, small_vit


@dataclass(frozen=True)
class BackboneRequest:
    """What is to be trained.

    Attributes
    ----------
    model : str
        One of `SMALL_VITS`.
    data : str
        Folder with one sub-folder of images a class.
    n_epochs, batch_size, patience, precision, seed, checkpoint_every_s
        See `LoopSettings`.
    rate, weight_decay, smoothing, mix_alpha
        See `BackboneOptions`.
    held_out : float
        Share of each class in the held-out part. [1]
    per_class : int or None
        Only so many images of each class.
    device : str
        cpu, cuda or cuda:N.
    threads : int
        Processor threads; the same number is needed for the same bits.
    """

    model: str
    data: str
    n_epochs: int = 60
    batch_size: int = 32
    patience: int = 0
    rate: float = 1e-3
    weight_decay: float = 0.05
    smoothing: float = 0.1
    mix_alpha: float = 0.2
    precision: str = "fp32"
    seed: int = 1
    checkpoint_every_s: float = 60.0
    held_out: float = 0.2
    per_class: int | None = None
    device: str = "cpu"
    threads: int = 1

    def problems(self) -> list[Problem]:
        """Return all that is wrong with the request before anything is loaded."""
        found = precision_problems(self.precision, self.device)
        if self.model not in SMALL_VITS:
            found.append(Problem("--model", f"expected one of {', '.join(SMALL_VITS)}, got {self.model!r}"))
        positive = {"--batch-size": self.batch_size, "--epochs": self.n_epochs, "--threads": self.threads}
        found += whole_faults(positive, 1)
        found += whole_faults({"--patience": self.patience}, 0)
        found += seed_faults({"--seed": self.seed})
        found += share_faults({"--held-out": self.held_out})
        if not 0.0 < self.rate < float("inf"):
            found.append(Problem("--rate", f"expected a finite number above 0, got {self.rate}"))
        found += number_faults({"--weight-decay": self.weight_decay, "--checkpoint-every": self.checkpoint_every_s})
        if not 0.0 <= self.smoothing < 1.0:
            found.append(Problem("--smoothing", f"expected at least 0 and below 1, got {self.smoothing}"))
        if not 0.0 <= self.mix_alpha <= LARGEST_ALPHA:
            found.append(Problem("--mix-alpha", f"expected from 0 to {LARGEST_ALPHA:g}, got {self.mix_alpha}"))
        return found


def train_backbone(
    request: BackboneRequest,
    out: Path,
    *,
    command: str = "",
    resume: bool = False,
    report: Progress = lambda _name, _done, _total: None,
    note: Note = lambda _label, _message: None,
    data: ImageData | None = None,
    keep: Kept = "best",
) -> dict[str, Any]:
    """Train a small vision transformer, write it to ``backbone/`` in a folder, and return the measures.

    Parameters
    ----------
    request : BackboneRequest
        What.
    out : Path
        Folder; holds the checkpoint while the run lasts.
    command : str
        For the provenance.
    resume : bool
        Go on with the folder's checkpoint where there is one.
    report, note : callable
        Told of progress, and of what should be known.
    data : ImageData, optional
        Images at hand, such as a fold of one's own, in place of the request's folder.
    keep : {"best", "last"}
        See `run_task`.

    Raises
    ------
    InputError
        With everything that is wrong.
    """
    problems = request.problems()
    if problems:
        raise InputError(problems)
    device = chosen_device(request.device)
    torch.set_num_threads(request.threads)
    artefacts.check_folder(out, resume=resume)
    side = SMALL_VITS[request.model].image_px
    data = data or read_images(
        request.data, side, held_out=request.held_out, seed=request.seed, per_class=request.per_class
    )
    with artefacts.folder_of_run(out):
        parts = small_vit(request.model, data.classes, seed=request.seed).to(device, torch.float32)
        assert parts.whole is not None  # noqa: S101 (it was built with weights)
        task = BackboneTask(
            parts.whole,
            data,
            BackboneOptions(
                rate=request.rate,
                weight_decay=request.weight_decay,
                smoothing=request.smoothing,
                mix_alpha=request.mix_alpha,
                precision=request.precision,
                seed=request.seed,
            ),
        )
        history = run_task(task, request, data, out, keep=keep, resume=resume, device=device, report=report, note=note)
    parts.whole.eval()
    artefacts.save_backbone(parts, out / artefacts.BACKBONE)
    best = next(entry for entry in history if entry["best"])
    content = {
        "kind": "backbone training",
        "model": request.model,
        "n_parameters": parts.n_parameters,
        "request": asdict(request),
        "best_epoch": best["epoch"],
        "best": best["held_out"],
        "last": history[-1]["held_out"],
        "epochs": history,
        "provenance": artefacts.provenance(command, request.seed, data.facts),
    }
    artefacts.write_metrics(out, content)
    return content
