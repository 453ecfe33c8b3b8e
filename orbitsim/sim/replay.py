"""Stage times that differ from one mini-batch to the next: as given, or as they were recorded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from orbitsim.sim.samples import CHUNK, FloatArray, IndexArray, NodeReplay

_MOST_CHUNKS = 256  # kept of one stage; a chunk that is needed again is looked up again


@dataclass(frozen=True, slots=True)
class Spent:
    """What all executions of a stage took together.

    Attributes
    ----------
    seconds : float
        Computing, codec included. [s]
    energy_j : float or None
        Energy of computing; None where it is not known. [J]
    origin_s : tuple of float
        Seconds that rest on measured, modelled and published figures. [s]
    """

    seconds: float
    energy_j: float | None
    origin_s: tuple[float, float, float]


class Draws(Protocol):
    """Times of a stage by mini-batch, in place of one time for all."""

    def draw(self, task: int, batch: int) -> float:
        """Return how long the stage takes for a mini-batch of a task, codec included; asked once, as it begins. [s]"""
        ...

    def done(self) -> None:
        """Note that the mini-batch drawn last is done."""
        ...

    @property
    def spent(self) -> Spent:
        """What the executions that are done took."""
        ...


class GivenTimes:
    """Times of a stage in one task, by mini-batch.

    Parameters
    ----------
    seconds : sequence of float
        For each mini-batch, codec included. [s]
    """

    def __init__(self, seconds: Sequence[float]) -> None:
        self._seconds = seconds
        self._last_s = 0.0
        self._total_s = 0.0

    def draw(self, _task: int, batch: int) -> float:
        """Return the time of a mini-batch. [s]"""
        self._last_s = self._seconds[batch]
        return self._last_s

    def done(self) -> None:
        """Note that the mini-batch drawn last is done."""
        self._total_s += self._last_s

    @property
    def spent(self) -> Spent:
        """What the executions that are done took; of energy and origins nothing is known."""
        return Spent(self._total_s, None, (0.0, 0.0, 0.0))


class Counter:
    """Counts the executions on a node, over all of its stages."""

    __slots__ = ("n",)

    def __init__(self) -> None:
        self.n = 0

    def take(self) -> int:
        """Return the number of the next execution, from 0 on."""
        self.n += 1
        return self.n - 1


class StageReplay:
    """Times of a stage as they were recorded.

    Parameters
    ----------
    node : NodeReplay
        What its node replays.
    layers : (int, int)
        First layer of the stage, and the one after its last.
    codec_s : float
        Encoding and decoding, which is not replayed. [s]
    counter : Counter
        Of the node.
    """

    def __init__(self, node: NodeReplay, layers: tuple[int, int], codec_s: float, counter: Counter) -> None:
        self._node = node
        self._layers = slice(*layers)
        self._codec_s = codec_s
        self._counter = counter
        self._in_order = node.order == "in-order"
        self._chunks: dict[int, tuple[list[float], FloatArray]] = {}
        self._last: tuple[FloatArray, int] = (np.zeros((1, 5)), 0)
        self._totals = np.zeros(5)  # seconds; those of each origin; energy

    def draw(self, task: int, batch: int) -> float:
        """Return how long the stage takes for a mini-batch of a task, codec included. [s]"""
        chunk, place = divmod(self._counter.take(), CHUNK) if self._in_order else (task, batch)
        known = self._chunks.get(chunk)
        if known is None:
            known = self._look_up(chunk)
        self._last = (known[1], place)
        return known[0][place]

    @property
    def in_order(self) -> bool:
        """Whether executions are counted over the node, whatever the task."""
        return self._in_order

    def figures(self, task: IndexArray, batch: IndexArray, first: int) -> FloatArray:
        """Return what many executions take: seconds, codec included, those of each origin, and energy. [s, s, s, s, J]

        Parameters
        ----------
        task, batch : (n,) array of int
            Task and mini-batch of each.
        first : int
            Number of the first execution on the node; in recorded order the others follow.

        Returns
        -------
        (n, 5) array
        """
        n = len(task)
        chunk, place = np.divmod(np.arange(first, first + n), CHUNK) if self._in_order else (task, batch)
        found = np.empty((n, 5))
        begins = np.flatnonzero(np.diff(chunk, prepend=chunk[:1] - 1)).tolist()
        for begin, stop in pairwise([*begins, n]):
            number = int(chunk[begin])
            known = self._chunks.get(number)
            found[begin:stop] = (known if known is not None else self._look_up(number))[1][place[begin:stop]]
        return found

    def add(self, figures: FloatArray) -> None:
        """Note that many executions are done: rows of `figures`, in their order."""
        self._totals = np.add.reduce(np.vstack((self._totals, figures)), axis=0)

    def _look_up(self, chunk: int) -> tuple[list[float], FloatArray]:
        if len(self._chunks) >= _MOST_CHUNKS:
            self._chunks.clear()
        layer_s = self._node.layer_s(chunk)[:, self._layers]
        origin, power_w = self._node.origin[self._layers], self._node.power_w[self._layers]
        seconds = layer_s.sum(axis=1) + self._codec_s
        by_origin = [layer_s[:, origin == index].sum(axis=1) for index in range(3)]
        figures = np.column_stack((seconds, *by_origin, layer_s @ power_w))
        self._chunks[chunk] = (seconds.tolist(), figures)
        return self._chunks[chunk]

    def done(self) -> None:
        """Note that the mini-batch drawn last is done."""
        figures, place = self._last
        self._totals += figures[place]

    @property
    def spent(self) -> Spent:
        """What the executions that are done took."""
        seconds, *by_origin, energy_j = self._totals.tolist()
        return Spent(seconds, None if math.isnan(energy_j) else energy_j, (by_origin[0], by_origin[1], by_origin[2]))
