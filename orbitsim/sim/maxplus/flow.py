"""What moves: runs of mini-batches in the same step, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from orbitsim.sim.jobs import Delivery, Step
from orbitsim.sim.maxplus.undetermined import UndeterminedError
from orbitsim.types.route import Route

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Rows = slice | NDArray[np.int64] | NDArray[np.bool_]

RELEASED = -1
"""Source of what a barrier (a task that starts, a change of plan, a missed contact) put where it is."""

SAME_MOMENT_S = 1e-9
"""Arrivals this near are a tie that rounding split: which sum the event loop rounds how decides who is first."""


@dataclass(frozen=True, eq=False, slots=True)
class Way:
    """Steps of mini-batches, as far as they are known.

    Attributes
    ----------
    route : Route
        Of their tasks.
    steps : tuple of Step
        The compute chain, or the way to a contact.
    delivery : Delivery or None
        What is delivered at last; None on a route fixed beforehand.
    holder : int
        Satellite from which delivery begins.
    booked : bool
        Whether the steps lead to a contact.
    """

    route: Route
    steps: tuple[Step, ...]
    delivery: Delivery | None
    holder: int
    booked: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Booked:
    """Bookings of the mini-batches of a flow, by column.

    Attributes
    ----------
    deadline_s : (n,) array
        End of the contact; infinite for a transfer that goes on in later ones. [s]
    window : (n,) array of int
        Contact by its position in the book.
    taken_s : (n,) array
        Time taken of it; nan where a transfer takes time of several contacts (`BookKeeper.several` has them). [s]
    """

    deadline_s: FloatArray
    window: IntArray
    taken_s: FloatArray

    def __getitem__(self, rows: Rows) -> Booked:
        return Booked(self.deadline_s[rows], self.window[rows], self.taken_s[rows])


@dataclass(frozen=True, eq=False, slots=True)
class Flow:
    """Mini-batches that wait for the same step, or are on their way to it, in the order in which they join its queue.

    Attributes
    ----------
    way : Way
        Their steps.
    position : int
        The step.
    number : (n,) array of int
        Which mini-batches: slot of the task in the simulation times mini-batches of a task, and place in the task.
    at_s : (n,) array
        When they join the queue. [s]
    arrived_s : (n,) array
        Until when their time is accounted for; earlier than `at_s` where they joined again. [s]
    started : bool
        Whether they have begun their plan, which they then keep.
    source : int
        Server that they come from, or `RELEASED`.
    booked : Booked or None
        Their contacts.
    """

    way: Way
    position: int
    number: IntArray
    at_s: FloatArray
    arrived_s: FloatArray
    started: bool
    source: int
    booked: Booked | None = None

    def __len__(self) -> int:
        return len(self.number)

    @property
    def step(self) -> Step:
        """What they wait for."""
        return self.way.steps[self.position]

    def __getitem__(self, rows: Rows) -> Flow:
        return Flow(
            self.way,
            self.position,
            self.number[rows],
            self.at_s[rows],
            self.arrived_s[rows],
            self.started,
            self.source,
            None if self.booked is None else self.booked[rows],
        )


@dataclass(frozen=True, eq=False, slots=True)
class Queue:
    """Everything that one server meets, in order of service.

    Attributes
    ----------
    flows : tuple of Flow
        What it is put together from.
    at_s : (n,) array
        When each joins. [s]
    flow : (n,) array of int or None
        Which flow each belongs to; None where there is but one.
    row : (n,) array of int or None
        Its row in that flow.
    """

    flows: tuple[Flow, ...]
    at_s: FloatArray
    flow: IntArray | None = None
    row: IntArray | None = None

    def __len__(self) -> int:
        return len(self.at_s)

    def split(self, first: int, stop: int) -> list[tuple[int, Rows, Rows]]:
        """Return, of each flow in a range in order of service, its number, its rows, and their places in the range."""
        if self.flow is None or self.row is None:
            return [(0, slice(first, stop), slice(0, stop - first))] if stop > first else []
        flow, row = self.flow[first:stop], self.row[first:stop]
        found: list[tuple[int, Rows, Rows]] = []
        for number in range(len(self.flows)):
            places = np.flatnonzero(flow == number)
            if len(places):
                found.append((number, row[places], places))
        return found

    def rest(self, first: int) -> list[Flow]:
        """Return what follows a place, as flows."""
        return [self.flows[number][rows] for number, rows, _ in self.split(first, len(self))]

    def column(self, values: Sequence[FloatArray | float]) -> FloatArray | float:
        """Return a column from one per flow (or one value per flow), in order of service."""
        if self.flow is None or self.row is None:
            return values[0]
        if all(isinstance(value, float) and value == values[0] for value in values):
            return values[0]
        joined = np.empty(len(self))
        for number, value in enumerate(values):
            mine = self.flow == number
            joined[mine] = value[self.row[mine]] if isinstance(value, np.ndarray) else value
        return joined


def queue_of(flows: Sequence[Flow]) -> Queue:
    """Merge flows by the time at which they join; at the same time the flow that was there first stays first.

    Raises
    ------
    UndeterminedError
        If mini-batches from different servers join at the same moment, but for what rounding makes of it.
    """
    flows = joined(flows)
    if len(flows) == 1:
        return Queue(tuple(flows), flows[0].at_s)
    at_s = np.concatenate([flow.at_s for flow in flows])
    index = np.repeat(np.arange(len(flows)), [len(flow) for flow in flows])
    row = np.concatenate([np.arange(len(flow)) for flow in flows])
    order = np.argsort(at_s, kind="stable")
    at_s, index, row = at_s[order], index[order], row[order]
    near = np.flatnonzero((at_s[1:] - at_s[:-1] <= SAME_MOMENT_S) & (index[1:] != index[:-1]))
    if len(near):
        source = np.array([flow.source for flow in flows])
        if (source[index[near]] != source[index[near + 1]]).any():
            raise UndeterminedError("mini-batches reached a queue from two places at the same moment")
        same = near[at_s[near + 1] == at_s[near]]
        # From one server they come in the order in which it served them, which a stable sort need not keep.
        if (source[index[same]] != RELEASED).any():
            raise UndeterminedError("mini-batches of different plans left a server at the same moment")
    return Queue(tuple(flows), at_s, index, row)


def joined(flows: Sequence[Flow]) -> list[Flow]:
    """Return the flows with neighbours joined that differ in nothing but their rows."""
    groups: list[list[Flow]] = []
    for flow in flows:
        if not len(flow):
            continue
        last = groups[-1][-1] if groups else None
        if (
            last is not None
            and (last.way, last.position, last.started) == (flow.way, flow.position, flow.started)
            and (last.source == flow.source or last.at_s[-1] < flow.at_s[0])
            and last.at_s[-1] <= flow.at_s[0]
        ):
            groups[-1].append(flow)
        else:
            groups.append([flow])
    return [group[0] if len(group) == 1 else _concatenated(group) for group in groups]


def alike(parts: Sequence[Flow]) -> list[Flow]:
    """Return the mini-batches at one holder in their order, in flows as long as possible.

    Ways and sources are those of the first of each: they count no more for who looks for a contact anew.
    """
    groups = [list(group) for _, group in groupby(parts, key=attrgetter("started"))]
    return [group[0] if len(group) == 1 else _concatenated(group) for group in groups]


def _concatenated(group: Sequence[Flow]) -> Flow:
    first = group[0]
    booked = [flow.booked for flow in group if flow.booked is not None]
    return Flow(
        first.way,
        first.position,
        np.concatenate([flow.number for flow in group]),
        np.concatenate([flow.at_s for flow in group]),
        np.concatenate([flow.arrived_s for flow in group]),
        first.started,
        group[-1].source,
        Booked(
            np.concatenate([each.deadline_s for each in booked]),
            np.concatenate([each.window for each in booked]),
            np.concatenate([each.taken_s for each in booked]),
        )
        if booked
        else None,
    )


@dataclass(frozen=True, eq=False, slots=True)
class Numbering:
    """Which mini-batch a number means.

    Attributes
    ----------
    n_batches : int
        Mini-batches of a task.
    slots : list of int
        Slot of each task, in the order of their start; grows.
    """

    n_batches: int
    slots: list[int]

    def of(self, number: IntArray) -> tuple[IntArray, IntArray]:
        """Return the slot of the task, and the place in the task."""
        task, batch = np.divmod(number, self.n_batches)
        return np.asarray(self.slots, dtype=np.int64)[task], batch

    def task(self, task: int) -> IntArray:
        """Return the numbers of the mini-batches of a task by its place among those that started."""
        return np.arange(task * self.n_batches, (task + 1) * self.n_batches)
