"""Where every mini-batch is at a moment, and what servers and nodes remember."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from orbitsim.plan.switching import Weights
from orbitsim.sim.maxplus.flow import Flow, Way


@dataclass(eq=False, slots=True)
class Stranded:
    """Mini-batches at one holder for which no contact is left, and what that answer rests on.

    Attributes
    ----------
    way : Way
        Their way so far; its holder has them.
    n_hops : sequence of int
        Hops from the holder when they were looked at.
    n_cancelled : int
        Bookings that had been given back by then.
    parts : list of Flow
        The mini-batches.
    """

    way: Way
    n_hops: Sequence[int]
    n_cancelled: int
    parts: list[Flow]


@dataclass(eq=False)
class NetworkState:
    """State of a network at a moment; what lies before it is settled.

    Attributes
    ----------
    now_s : float
        The moment: every service that begins earlier has been carried out. [s]
    inbox : dict of int to list of Flow
        What waits for a server, by its index, or is on its way to it.
    free_s : dict of int to float
        End of each server's last service. [s]
    stuck : dict of int to int
        Servers whose link never opens again, and how many mini-batches they keep.
    to_deliver : list of Flow
        What reaches the end of its compute chain, and has no contact yet.
    stranded : list of Stranded
        What has none.
    held : dict of int to Weights
        Weights that each node holds.
    n_executed : dict of int to int
        Executions on each node that replays in recorded order.
    laid_s : dict of int to float
        When each server became part of a way first. [s]
    """

    now_s: float
    inbox: dict[int, list[Flow]] = field(default_factory=dict)
    free_s: dict[int, float] = field(default_factory=dict)
    stuck: dict[int, int] = field(default_factory=dict)
    to_deliver: list[Flow] = field(default_factory=list)
    stranded: list[Stranded] = field(default_factory=list)
    held: dict[int, Weights] = field(default_factory=dict)
    n_executed: dict[int, int] = field(default_factory=dict)
    laid_s: dict[int, float] = field(default_factory=dict)

    def copy(self) -> NetworkState:
        """Return a state that can go on while this one stays."""
        return NetworkState(
            self.now_s,
            {index: list(flows) for index, flows in self.inbox.items()},
            dict(self.free_s),
            dict(self.stuck),
            list(self.to_deliver),
            [replace(group, parts=list(group.parts)) for group in self.stranded],
            dict(self.held),
            dict(self.n_executed),
            dict(self.laid_s),
        )

    def put(self, flow: Flow) -> None:
        """Let mini-batches join the queue of their step's server."""
        if len(flow):
            self.inbox.setdefault(flow.step.server.index, []).append(flow)

    def remove(self, index: int, flow: Flow) -> None:
        """Take mini-batches out of what waits for a server."""
        kept: list[Flow] = []
        for each in self.inbox[index]:
            stay = ~np.isin(each.number, flow.number)
            kept.append(each if stay.all() else each[stay])
        self.inbox[index] = [each for each in kept if len(each)]

    def strand(self, way: Way, n_hops: Sequence[int], n_cancelled: int, flow: Flow) -> None:
        """Keep mini-batches for which no contact is left; they join those that wait for the same.

        A group rests on what held when its first was looked at, as the courier's does.
        """
        at_holder = replace(flow, way=way, position=0, booked=None)
        for group in self.stranded:
            if (group.way.holder, group.way.delivery) == (way.holder, way.delivery):
                group.parts.append(at_holder)
                return
        self.stranded.append(Stranded(way, n_hops, n_cancelled, [at_holder]))
