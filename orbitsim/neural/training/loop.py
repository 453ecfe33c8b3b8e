"""The training loop: any task, resumable at every step, never worse than its start.

Everything that a step draws comes from streams named by its number (`streams`), so the state of a run is its weights,
the optimiser's moments and a few numbers; they are written whole after a step, at the end of every epoch and now and
then in between. The best state on the held-out part, the start included, is kept and is what the run returns.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from orbitsim.errors import InputError, OrbitsimError, Problem
from orbitsim.neural.images import IntArray, batches
from orbitsim.neural.training.checkpoint import (
    optimiser_state,
    read_checkpoint,
    restore_optimiser,
    write_checkpoint,
)
from orbitsim.neural.training.precision import gradient_scaler
from orbitsim.neural.training.schedules import warm_cosine
from orbitsim.neural.training.streams import numpy_stream, torch_stream

CHECKPOINT = "checkpoint.safetensors"
Progress = Callable[[str, int, int], None]
Score = Sequence[float]  # compared place by place; smaller is better


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that learn at one rate.

    Attributes
    ----------
    parameters : dict of str to Parameter
        By a name that is the same in every run.
    rate : float
        Peak learning rate.
    weight_decay : float
        Decoupled weight decay (AdamW).
    """

    parameters: dict[str, torch.nn.Parameter]
    rate: float
    weight_decay: float = 0.0


@dataclass(frozen=True)
class Place:
    """Where a run is: what schedules and streams depend on.

    Attributes
    ----------
    step, n_steps : int
        Optimiser steps done, and of the whole run.
    epoch, n_epochs : int
        Epochs done, and of the whole run.
    """

    step: int
    n_steps: int
    epoch: int
    n_epochs: int


class Task(Protocol):
    """What is trained."""

    n_samples: int

    def groups(self) -> list[ParameterGroup]:
        """Return what learns."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Return, by name, every tensor that training changes: learnt ones, and what goes with them."""
        ...

    def prepare(self, place: Place) -> None:
        """Set what depends on the place, such as a temperature, and switch to training mode."""
        ...

    def loss(self, samples: IntArray, place: Place, micro_batch: int) -> tuple[Tensor, dict[str, float]]:
        """Return the mean loss of some training samples and its parts, for the record."""
        ...

    def after_step(self) -> None:
        """Steer weights of constraints."""
        ...

    def evaluate(self, report: Progress) -> tuple[Score, dict[str, Any]]:
        """Return the score on the held-out part and what to record; draws nothing and changes no weight."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what else a step depends on; JSON values."""
        ...

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        ...


@dataclass(frozen=True)
class LoopSettings:
    """How a task is trained.

    Attributes
    ----------
    n_epochs : int
        Passes over the training part; 0 only measures the start.
    batch_size : int
        Samples of one forward and backward pass.
    accumulate : int
        Passes whose gradients make one step.
    warm_up : float
        Share of the steps in which learning rates rise. [1]
    floor : float
        Learning rate at the end, relative to its peak. [1]
    clip_norm : float
        Largest norm of the gradient of each group; infinite for none.
    patience : int
        Epochs without a better score after which the run stops; 0 for never.
    betas : tuple of float
        Of AdamW.
    precision : str
        fp32, bf16 or fp16.
    seed : int
        Of every stream.
    checkpoint_every_s : float
        Longest time between two checkpoints, but for the length of a step. [s]
    """

    n_epochs: int
    batch_size: int
    accumulate: int = 1
    warm_up: float = 0.1
    floor: float = 0.0
    clip_norm: float = 1.0
    patience: int = 0
    betas: tuple[float, float] = (0.9, 0.99)
    precision: str = "fp32"
    seed: int = 1
    checkpoint_every_s: float = 60.0


@dataclass
class _Progress:
    """Where the run is, in JSON values; floats survive JSON bit for bit."""

    epoch: int = 0
    step: int = 0
    step_in_epoch: int = 0
    stale: int = 0
    best_epoch: int = 0
    best_score: list[float] = field(default_factory=list)
    sums: dict[str, float] = field(default_factory=dict)
    n_summed: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


def train(
    task: Task,
    settings: LoopSettings,
    folder: Path,
    *,
    fingerprint: Mapping[str, Any],
    resume: bool = False,
    device: torch.device | None = None,
    report: Progress = lambda _name, _done, _total: None,
) -> list[dict[str, Any]]:
    """Train a task; afterwards it holds its best state.

    Parameters
    ----------
    task : Task
        In the state that it starts from; the same at every start of the same run.
    settings : LoopSettings
        How.
    folder : Path
        Where the checkpoint is kept.
    fingerprint : mapping
        JSON values that must be equal for a run to go on: settings, data, start.
    resume : bool
        Go on with the folder's checkpoint; where there is none, start.
    device : torch.device, optional
        Where the task computes.
    report : callable
        Called with a name, a number done and a number in all.

    Returns
    -------
    list of dict
        What was recorded, epoch by epoch; the first entry is the start.

    Raises
    ------
    InputError
        When the checkpoint belongs to another run.
    KeyboardInterrupt
        After an interrupt, when the step is finished and its checkpoint written.
    """
    return _Run(task, settings, folder / CHECKPOINT, fingerprint, device or torch.device("cpu"), report).go(resume)


class _Run:
    def __init__(
        self,
        task: Task,
        settings: LoopSettings,
        path: Path,
        fingerprint: Mapping[str, Any],
        device: torch.device,
        report: Progress,
    ) -> None:
        self.task, self.settings, self.path, self.report = task, settings, path, report
        self.fingerprint, self.device = dict(fingerprint), device
        self.parameter_groups = [group for group in task.groups() if group.parameters]
        self.scaler = gradient_scaler(settings.precision, device)
        self.optimiser: torch.optim.Optimizer | None = None
        if self.parameter_groups:
            self.optimiser = torch.optim.AdamW(
                [
                    {"params": list(g.parameters.values()), "weight_decay": g.weight_decay}
                    for g in self.parameter_groups
                ],
                lr=0.0,
                betas=settings.betas,
            )
        self.n_epochs = settings.n_epochs if self.optimiser is not None else 0
        self.per_epoch = max(1, math.ceil(task.n_samples / (settings.batch_size * settings.accumulate)))
        self.at = _Progress()
        self.best: dict[str, Tensor] = {}
        self.written = time.monotonic()

    def go(self, resume: bool) -> list[dict[str, Any]]:
        if resume and self.path.exists():
            self._load()
        else:
            self._judge()
            self._write()
        with _interrupts() as interrupted:
            while self.at.epoch < self.n_epochs and not self._is_stale():
                self._epoch(interrupted)
        _assign(self.task.tensors(), self.best)
        return self.at.history

    def _is_stale(self) -> bool:
        return 0 < self.settings.patience <= self.at.stale

    def _epoch(self, interrupted: threading.Event) -> None:
        order = numpy_stream(self.settings.seed, "order", self.at.epoch).permutation(self.task.n_samples)
        steps = list(batches(order, self.settings.batch_size * self.settings.accumulate))
        for number in range(self.at.step_in_epoch, len(steps)):
            self.report(f"epoch {self.at.epoch + 1} of {self.n_epochs}", number, len(steps))
            self._step(steps[number])
            if interrupted.is_set() or time.monotonic() - self.written > self.settings.checkpoint_every_s:
                self._write()
            if interrupted.is_set():
                raise KeyboardInterrupt
        self.at.epoch += 1
        self.at.step_in_epoch = 0
        self._judge()
        self._write()
        if interrupted.is_set():
            raise KeyboardInterrupt

    def _step(self, samples: IntArray) -> None:
        assert self.optimiser is not None  # noqa: S101 (for the type checker; without one there are no epochs)
        settings, at = self.settings, self.at
        n_steps = self.n_epochs * self.per_epoch
        place = Place(at.step, n_steps, at.epoch, self.n_epochs)
        factor = warm_cosine(at.step, n_steps, round(settings.warm_up * n_steps), settings.floor)
        for target, group in zip(self.optimiser.param_groups, self.parameter_groups, strict=True):
            target["lr"] = factor * group.rate
        self.task.prepare(place)
        self.optimiser.zero_grad(set_to_none=True)
        parts: dict[str, float] = {}
        for number, some in enumerate(batches(samples, settings.batch_size)):
            with torch_stream(settings.seed, "step", at.step, number, device=self.device):
                loss, measured = self.task.loss(some, place, number)
            if not math.isfinite(float(loss.detach())):
                raise OrbitsimError(
                    f"the loss became {float(loss.detach())} at step {at.step}: lower the learning rate"
                )
            share = len(some) / len(samples)
            self.scaler.scale(loss * share).backward()  # type: ignore[no-untyped-call]
            for name, value in measured.items():
                parts[name] = parts.get(name, 0.0) + share * value
        self.scaler.unscale_(self.optimiser)
        for group in self.parameter_groups:
            torch.nn.utils.clip_grad_norm_(group.parameters.values(), settings.clip_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.task.after_step()
        for name, value in parts.items():
            at.sums[name] = at.sums.get(name, 0.0) + value
        at.n_summed += 1
        at.step += 1
        at.step_in_epoch += 1

    def _judge(self) -> None:
        """Measure the held-out part, record it with the means of the epoch, and keep the state if it is the best."""
        score, measured = self.task.evaluate(self.report)
        at = self.at
        means = {name: value / at.n_summed for name, value in at.sums.items()}
        at.history.append({"epoch": at.epoch, "steps": at.step, "score": list(score), "train": means, **measured})
        at.sums, at.n_summed = {}, 0
        if not at.best_score or list(score) < at.best_score:
            at.best_score, at.best_epoch, at.stale = list(score), at.epoch, 0
            self.best = {name: tensor.detach().clone() for name, tensor in self.task.tensors().items()}
        else:
            at.stale += 1
        for entry in at.history:
            entry["best"] = entry["epoch"] == at.best_epoch

    def _write(self) -> None:
        moments, optimiser = optimiser_state(self.optimiser) if self.optimiser is not None else ({}, [])
        groups = {"now": self.task.tensors(), "best": self.best, "optimiser": moments}
        state = {
            "fingerprint": self.fingerprint,
            "progress": vars(self.at),
            "optimiser": optimiser,
            "scaler": self.scaler.state_dict(),
            "task": self.task.state(),
        }
        write_checkpoint(self.path, groups, state)
        self.written = time.monotonic()

    def _load(self) -> None:
        groups, state = read_checkpoint(self.path)
        before = state["fingerprint"]
        keys = sorted(before.keys() | self.fingerprint.keys())
        problems = [
            Problem(key, f"expected {before.get(key)!r} to go on with, got {self.fingerprint.get(key)!r}")
            for key in keys
            if before.get(key) != self.fingerprint.get(key)
        ]
        if problems:
            raise InputError(problems).located(self.path)
        _assign(self.task.tensors(), groups.get("now", {}))
        self.best = {name: tensor.to(self.device) for name, tensor in groups.get("best", {}).items()}
        if self.optimiser is not None:
            restore_optimiser(self.optimiser, groups.get("optimiser", {}), state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        self.task.load_state(state["task"])
        self.at = _Progress(**state["progress"])


def _assign(targets: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    if targets.keys() != values.keys():
        raise InputError(f"expected tensors {sorted(targets.keys() ^ values.keys())[:5]} on both sides of a checkpoint")
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(values[name])


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Note the first Ctrl-C, for the loop to end after its step; the second one interrupts at once."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def note(_signal: int, _frame: Any) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()

    before = signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
