"""A tiny task of the training loop, and a process that trains it and may be killed."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from orbitsim.neural.training.loop import LoopSettings, ParameterGroup, train


class ToyTask:
    """Regression with noise on the inputs, dropout, and a penalty that follows the weights."""

    def __init__(self, n_samples: int = 60, slow_s: float = 0.0, log: Path | None = None) -> None:
        draw = np.random.default_rng(1)
        self.x = torch.from_numpy(draw.normal(size=(n_samples, 8)).astype(np.float32))
        self.y = self.x @ torch.arange(8.0)[:, None] / 8
        self.n_samples, self.slow_s, self.log = n_samples, slow_s, log
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.model = torch.nn.Sequential(
                torch.nn.Linear(8, 16), torch.nn.Dropout(0.2), torch.nn.ReLU(), torch.nn.Linear(16, 1)
            )
        self.penalty = 0.01

    def groups(self) -> list[ParameterGroup]:
        named = dict(self.model.named_parameters())
        return [ParameterGroup({n: p for n, p in named.items() if n[0] == d}, r) for d, r in (("0", 1e-2), ("3", 5e-3))]

    def tensors(self) -> dict[str, torch.Tensor]:
        return self.model.state_dict(keep_vars=True)

    def prepare(self, place: Any) -> None:  # noqa: ARG002
        self.model.train()

    def loss(
        self,
        samples: Any,
        place: Any,
        micro_batch: int,  # noqa: ARG002
    ) -> tuple[torch.Tensor, dict[str, float]]:
        time.sleep(self.slow_s)
        if self.log is not None:
            self.log.write_text(str(place.step))
        x = self.x[samples] + 0.1 * torch.randn(len(samples), 8)
        error = (self.model(x) - self.y[samples]).square().mean()
        size = self.model[0].weight.square().mean()
        return error + self.penalty * size, {"error": float(error.detach())}

    def after_step(self) -> None:
        self.penalty *= 1.0 + 0.1 * float(self.model[0].weight.detach().square().mean())

    def evaluate(self, report: Any) -> tuple[list[float], dict[str, Any]]:  # noqa: ARG002
        self.model.eval()
        with torch.no_grad():
            error = float((self.model(self.x) - self.y).square().mean())
        return [error], {"held_out": {"error": error}}

    def state(self) -> dict[str, Any]:
        return {"penalty": self.penalty}

    def load_state(self, state: Any) -> None:
        self.penalty = state["penalty"]


def settings(n_epochs: int = 6, **changed: Any) -> LoopSettings:
    values = {"batch_size": 4, "accumulate": 2, "seed": 5, "checkpoint_every_s": 0.0, **changed}
    return LoopSettings(n_epochs=n_epochs, **values)


def run(folder: Path, *, resume: bool = False, slow_s: float = 0.0, **changed: Any) -> tuple[ToyTask, list[Any]]:
    torch.set_num_threads(1)
    task = ToyTask(slow_s=slow_s, log=folder / "step.txt")
    history = train(task, settings(**changed), folder, fingerprint={"toy": 1}, resume=resume)
    return task, history


if __name__ == "__main__":
    where = Path(sys.argv[1])
    trained, recorded = run(where, resume=True, slow_s=0.01)
    (where / "history.json").write_text(json.dumps(recorded))
    torch.save(trained.model.state_dict(), where / "weights.pt")
