"""Stages that several runs share: each part computed once, and reused wherever all that it depends on is the same."""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import FunctionType, MethodType
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel

T = TypeVar("T")

_MAX_BYTES = 512_000_000
_LEAST_BYTES = 1_000  # counted for an entry whose arrays do not say how much it holds


def content_hash(inputs: Any) -> str:
    """Return the SHA-256 of plain values, lists, tables and sections of a scenario, whatever the order of keys."""
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"), default=_plain, allow_nan=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)


@dataclass(slots=True)
class Reuse:
    """What reuse was worth to a stage, or to several.

    Attributes
    ----------
    n_made, n_reused : int
        Parts that were computed, and parts that did not have to be.
    made_s, reused_s : float
        Processor time of computing, and that which computing the reused parts had taken when it was done. [s]
    """

    n_made: int = 0
    n_reused: int = 0
    made_s: float = 0.0
    reused_s: float = 0.0

    def __add__(self, other: Reuse) -> Reuse:
        return Reuse(
            self.n_made + other.n_made,
            self.n_reused + other.n_reused,
            self.made_s + other.made_s,
            self.reused_s + other.reused_s,
        )

    def __sub__(self, other: Reuse) -> Reuse:
        return Reuse(
            self.n_made - other.n_made,
            self.n_reused - other.n_reused,
            self.made_s - other.made_s,
            self.reused_s - other.reused_s,
        )


@dataclass(eq=False)
class Stages:
    """Remembers the parts that runs are made of (ephemerides, contacts, crosslinks, capacities, delays, costs).

    One of these may be handed from run to run within a process. A part is known by the name of its stage and the
    content hash of everything that it depends on, so that a run finds exactly what it would have computed. Parts are
    not changed once they are made; the ones not asked for longest are forgotten beyond a bound on their arrays.

    Attributes
    ----------
    max_bytes : float
        Bound on the arrays that are kept. [B]
    reuse : dict of str to Reuse
        By stage: what was computed and what was reused, and the processor time of both, on which other work of the
        machine has little influence. The time of a stage that is computed
        within another counts for the inner one alone.
    """

    max_bytes: float = _MAX_BYTES
    reuse: dict[str, Reuse] = field(default_factory=dict)
    _kept: OrderedDict[tuple[str, str], tuple[Any, float, float]] = field(default_factory=OrderedDict)
    _kept_bytes: float = 0.0
    _inner_s: list[float] = field(default_factory=list)

    def once(self, stage: str, inputs: Any, make: Callable[[], T]) -> T:
        """Return a part: the one made earlier from the same inputs, or a new one.

        Parameters
        ----------
        stage : str
            Name of the stage.
        inputs : any
            All that the part depends on: plain values, lists, tables, sections of a scenario.
        make : callable
            Computes the part.
        """
        key = (stage, content_hash(inputs))
        reuse = self.reuse.setdefault(stage, Reuse())
        if key in self._kept:
            self._kept.move_to_end(key)
            value, own_s, _ = self._kept[key]
            reuse.n_reused += 1
            reuse.reused_s += own_s
            return value  # type: ignore[no-any-return]
        start_s = time.thread_time()
        self._inner_s.append(0.0)
        try:
            made = make()
        finally:
            inner_s = self._inner_s.pop()
            taken_s = time.thread_time() - start_s
            if self._inner_s:
                self._inner_s[-1] += taken_s
        reuse.n_made += 1
        reuse.made_s += taken_s - inner_s
        self._keep(key, made, taken_s - inner_s)
        return made

    def total(self) -> Reuse:
        """Return what reuse was worth over all stages."""
        return sum(self.reuse.values(), Reuse())

    def _keep(self, key: tuple[str, str], value: Any, own_s: float) -> None:
        n_bytes = max(_LEAST_BYTES, array_bytes(value))
        self._kept[key] = (value, own_s, n_bytes)
        self._kept_bytes += n_bytes
        while self._kept_bytes > self.max_bytes and len(self._kept) > 1:
            self._kept_bytes -= self._kept.popitem(last=False)[1][2]


def array_bytes(value: Any) -> int:
    """Return the bytes of the arrays that a value holds, also in its attributes, items and closures. [B]"""
    seen: set[int] = set()
    waiting, n_bytes = [value], 0
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, np.ndarray):
            n_bytes += item.nbytes
        else:
            waiting.extend(_parts(item))
    return n_bytes


def _parts(item: Any) -> Iterable[Any]:
    if isinstance(item, dict):
        return item.values()
    if isinstance(item, list | tuple | set | frozenset):
        return item
    if isinstance(item, MethodType):
        return (item.__self__,)
    if isinstance(item, FunctionType):
        return [cell.cell_contents for cell in item.__closure__ or ()]
    if isinstance(item, type) or not type(item).__module__.startswith("orbitsim."):
        return ()
    slots = [name for kind in type(item).__mro__ for name in getattr(kind, "__slots__", ())]
    return [*getattr(item, "__dict__", {}).values(), *(getattr(item, name, None) for name in slots)]
