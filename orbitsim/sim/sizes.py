"""Bytes that differ from one mini-batch to the next: as a codec was measured to leave them."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from orbitsim.types.codec_table import ByteSpread

_STREAM = b"bytes of encoded mini-batches at cut "  # names the random streams of sizes among all others of a seed
_MOST_TASKS = 256  # kept of one size; a task that is needed again is drawn again


@dataclass(frozen=True, eq=False)
class ByteReplay:
    """What encoded activations are replayed from.

    Attributes
    ----------
    spread : ByteSpread
        How the bytes of mini-batches scatter, setting by setting.
    ratio : tuple of float
        Bytes kept by each setting: how a plan names it. [1]
    seed : int
        Seed of the run.
    n_batches : int
        Mini-batches of a task.
    """

    spread: ByteSpread
    ratio: tuple[float, ...]
    seed: int
    n_batches: int

    def of(self, cut: int, ratio: float | None, mean_bytes: float) -> DrawnBytes | None:
        """Return the sizes of what leaves a node: of an activation at a cut under a ratio of the table, else None."""
        for setting, known in enumerate(self.ratio):
            if ratio is not None and math.isclose(ratio, known, rel_tol=1e-9):
                return DrawnBytes(self, cut, setting, mean_bytes)
        return None

    def factors(self, cut: int, setting: int, task: int) -> list[float]:
        """Return bytes over their mean for the mini-batches of a task.

        They are a function of seed, cut, task and mini-batch: not of scheme, hop or what was drawn before. An
        activation keeps its bytes over all hops, and the same mini-batch has the same rank under every setting.
        """
        digest = hashlib.sha256(_STREAM + str(cut).encode()).digest()
        words = np.frombuffer(digest[:16], dtype="<u4").tolist()
        rng = np.random.default_rng(np.random.SeedSequence(entropy=self.seed, spawn_key=(*words, task)))
        return self.spread.factor(setting, rng.random(self.n_batches).tolist())


@dataclass(eq=False)
class DrawnBytes:
    """Bytes of the mini-batches that leave one node under one plan.

    Attributes
    ----------
    replay : ByteReplay
        What they are drawn from.
    cut, setting : int
        Layers before the cut, and place of the codec's setting in its table.
    mean_bytes : float
        Mean of a mini-batch. [B]
    """

    replay: ByteReplay
    cut: int
    setting: int
    mean_bytes: float
    _known: dict[int, list[float]] = field(default_factory=dict)

    def bytes_of(self, task: int, batch: int) -> float:
        """Return the bytes of a mini-batch of a task. [B]"""
        return self._of_task(task)[batch]

    def bytes_of_many(self, task: NDArray[np.int64], batch: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the bytes of many mini-batches, each by its task and its place in that. [B]"""
        found = np.empty(len(task))
        begins = np.flatnonzero(np.diff(task, prepend=task[:1] - 1)).tolist()
        for begin, stop in zip(begins, [*begins[1:], len(task)], strict=True):
            found[begin:stop] = np.array(self._of_task(int(task[begin])))[batch[begin:stop]]
        return found

    def _of_task(self, task: int) -> list[float]:
        known = self._known.get(task)
        if known is None:
            if len(self._known) >= _MOST_TASKS:
                self._known.clear()
            factors = self.replay.factors(self.cut, self.setting, task)
            known = self._known[task] = [self.mean_bytes * factor for factor in factors]
        return known
