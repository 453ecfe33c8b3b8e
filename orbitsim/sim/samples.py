"""Recorded executions of a model's layers on a device, and which of them a mini-batch meets."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from orbitsim.types.profile import Profile

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
Order = Literal["bootstrap", "in-order"]

CHUNK = 1024
"""Executions in recorded order that are looked up at once."""

# Name the random streams of replays among all others of a seed.
_STREAM = b"replay of recorded executions at "
_FIRST_STREAM = b"first recorded execution replayed at "


class Recording:
    """Single executions of every part of a model (embedding, blocks, head) on one device.

    Parameters
    ----------
    rows_s : sequence of array_like
        Executions of each part, in recorded order; at least one of each. [s]
    layer : sequence of int
        Layer to which each part belongs; every layer has one.

    Attributes
    ----------
    n_samples : (R,) array of int
        Executions of each part.
    is_passwise : bool
        Whether all parts have equally many executions: the k-th ones are then taken as one pass through the model, so
        that what they have in common (a lowered clock, a disturbance) stays together.
    """

    def __init__(self, rows_s: Sequence[Sequence[float]], layer: Sequence[int]) -> None:
        self._rows_s = [np.asarray(row, dtype=np.float64) for row in rows_s]
        self._layer = np.asarray(layer, dtype=np.int64)
        self.n_layers = int(self._layer.max()) + 1
        self.n_samples: IndexArray = np.array([len(row) for row in self._rows_s], dtype=np.int64)
        if not self.n_samples.all() or set(self._layer.tolist()) != set(range(self.n_layers)):
            raise ValueError("expected at least one execution of every part, and at least one part of every layer")
        self.is_passwise = bool((self.n_samples == self.n_samples[0]).all())

    @classmethod
    def of(cls, profile: Profile) -> Recording:
        """Return the recorded executions of a profile; the embedding belongs to the first layer, the head to the last.

        Raises
        ------
        ValueError
            If a row of the profile has no samples.
        """
        last = profile.n_layers - 1
        layer_of = {"embedding": 0, "head": last}
        layers = [layer_of.get(row.block_kind, row.block_index) for row in profile.parts]
        return cls([row.samples_s or () for row in profile.parts], layers)

    def layer_s(self, index: IndexArray) -> FloatArray:
        """Return the time of each layer in some executions, shape (n, L). [s]

        Parameters
        ----------
        index : (n, R) or (n, 1) array of int
            Which execution of each part, or of all of them.
        """
        found = np.zeros((len(index), self.n_layers))
        columns = np.broadcast_to(index, (len(index), len(self._rows_s)))
        for row_s, layer, column in zip(self._rows_s, self._layer.tolist(), columns.T, strict=True):
            found[:, layer] += row_s[column]
        return found

    def in_order(self, first: int, n: int) -> IndexArray:
        """Return which executions the n mini-batches from number `first` on meet in recorded order, shape (n, 1 or R).

        After its last execution every part begins again with its first.
        """
        numbers = np.arange(first, first + n, dtype=np.int64)[:, None]
        return numbers % (self.n_samples[:1] if self.is_passwise else self.n_samples)

    def drawn(self, rng: np.random.Generator, n: int) -> IndexArray:
        """Draw, with equal chances, which executions n mini-batches meet, shape (n, 1 or R).

        Parts of unequal numbers of executions are drawn each on its own.
        """
        bounds = self.n_samples[:1] if self.is_passwise else self.n_samples
        return rng.integers(0, bounds, size=(n, len(bounds)))


@dataclass(frozen=True, eq=False, slots=True)
class NodeReplay:
    """What a node replays: recorded executions in an order, and what goes with their seconds.

    Attributes
    ----------
    name : str
        Name of the node: every node has a random stream of its own, whatever the scheme.
    recording : Recording
        Recorded executions.
    order : {"bootstrap", "in-order"}
        Which of them a mini-batch meets: one drawn for node, task and mini-batch; or the next one on this node.
    seed : int
        Seed of the run.
    n_batches : int
        Mini-batches of a task.
    power_w : (L,) array
        Power while each layer is computed; nan where it is not known. [W]
    origin : (L,) array of int
        Index into `orbitsim.plan.stages.ORIGINS` of each layer's time.
    first : int
        Execution with which recorded order begins on this node (see `first_execution`).
    """

    name: str
    recording: Recording
    order: Order
    seed: int
    n_batches: int
    power_w: FloatArray
    origin: NDArray[np.int8]
    first: int = 0

    def layer_s(self, chunk: int) -> FloatArray:
        """Return the time of each layer for a chunk of mini-batches, shape (n, L). [s]

        Parameters
        ----------
        chunk : int
            The slot of a task, for its mini-batches; in recorded order the number of `CHUNK` executions on this node.
        """
        if self.order == "in-order":
            return self.recording.layer_s(self.recording.in_order(self.first + chunk * CHUNK, CHUNK))
        return self.recording.layer_s(self.recording.drawn(stream(self.seed, self.name, chunk), self.n_batches))


def stream(seed: int, name: str, task: int) -> np.random.Generator:
    """Return the random stream of a node and task: a function of its arguments alone, not of what was drawn before."""
    return _named_stream(seed, _STREAM, name, task)


def first_execution(seed: int, name: str, recording: Recording) -> int:
    """Draw the execution with which a node begins in recorded order, with equal chances: a function of its arguments.

    Nodes that replay the same recording would otherwise all be slow at the same mini-batches. Where parts have unequal
    numbers of executions, it is drawn from the largest, and every part counts it through its own.
    """
    return int(_named_stream(seed, _FIRST_STREAM, name).integers(0, recording.n_samples.max()))


def _named_stream(seed: int, purpose: bytes, name: str, *number: int) -> np.random.Generator:
    digest = hashlib.sha256(purpose + name.encode()).digest()
    words = np.frombuffer(digest[:16], dtype="<u4").tolist()
    return np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(*words, *number)))
