"""What is due when in a simulation: contacts that close and open, crosslinks that change, tasks that start."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from heapq import merge
from operator import itemgetter
from typing import Protocol

from orbitsim.sim.network import World
from orbitsim.sim.scheme import SchemeJob


class Steered(Protocol):
    """What a simulation does when something is due."""

    def closed(self, satellite: int, now_s: float) -> None:
        """React to a contact that closes."""
        ...

    def window(self, now_s: float) -> None:
        """React to a contact that opens."""
        ...

    def crosslinks_changed(self, now_s: float) -> None:
        """React to a crosslink that opens or closes."""
        ...


Due = tuple[float, Callable[[float], None]]
"""When, and what is called with that time. [s]"""


def agenda(world: World, simulation: Steered, job: SchemeJob, starts: Iterable[Due], begin_s: float) -> Iterator[Due]:
    """Yield what is due when; at the same time contacts close, then open, crosslinks change, then tasks start."""
    edges = () if job.fixed else world.edges_from(begin_s)
    contacts = ((t_s, 0, simulation.window if opens else partial(simulation.closed, s)) for t_s, opens, s in edges)
    changes = ((t_s, 1, simulation.crosslinks_changed) for t_s in world.changes_s if t_s >= begin_s)
    begins = ((start_s, 2, begin) for start_s, begin in starts)
    for t_s, _, react in merge(contacts, changes, begins, key=itemgetter(0, 1)):
        yield t_s, react


def until_after(horizon_s: float, begin_s: float) -> float:
    """Return a wait that ends just after the horizon: what happens at the horizon itself still belongs to it. [s]"""
    wait_s = horizon_s - begin_s
    while begin_s + wait_s <= horizon_s:  # the clock adds the wait to the beginning, and rounds
        wait_s = math.nextafter(wait_s, math.inf)
    return wait_s
