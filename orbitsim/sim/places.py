"""Places of the simulation: servers (a processor, a transmitter), one mini-batch at a time, first in first out."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import simpy

if TYPE_CHECKING:
    from orbitsim.sim.jobs import MiniBatch


class Server:
    """A FIFO resource of capacity 1 with an unbounded queue.

    The queue is a plain deque with a wake-up event, not a SimPy store: a busy server then costs one event for each
    passage instead of three, in the same order of service.

    Parameters
    ----------
    index : int
        Position in the table of places; names the server in the records.
    name : str
        ``p-00`` for a processor, ``p-00>p-01`` for a transmitter.
    kind : str
        ``"processor"``, ``"isl"``, ``"downlink"``, ``"input"``, ``"node"`` (computing and sending share it) or
        ``"route"`` (everything does).

    Attributes
    ----------
    queue : deque of MiniBatch
        Those that wait.
    serving : MiniBatch or None
        The one in service, also while it waits for a closed link.
    n_travelling : int
        Mini-batches that left the transmitter and have not arrived.
    idle : simpy.Event or None
        Wakes the server when something joins its empty queue; None while it is busy.
    taken_back : simpy.Event or None
        Wakes the server when something leaves its queue while it waits for its link to open.
    busy_s, n_bytes, n_served : float, float, int
        Time in service (closed links not counted), bytes sent, and services so far. [s, B]
    """

    __slots__ = (
        "busy_s", "idle", "index", "kind", "n_bytes", "n_served", "n_travelling", "name", "queue", "serving",
        "taken_back",
    )  # fmt: skip

    def __init__(self, index: int, name: str, kind: str) -> None:
        self.index = index
        self.name = name
        self.kind = kind
        self.queue: deque[MiniBatch] = deque()
        self.serving: MiniBatch | None = None
        self.n_travelling = 0
        self.idle: simpy.Event | None = None
        self.taken_back: simpy.Event | None = None
        self.busy_s = 0.0
        self.n_bytes = 0.0
        self.n_served = 0

    def put(self, batch: MiniBatch) -> None:
        """Let a mini-batch join the end of the queue, and wake the server if it is idle."""
        self.queue.append(batch)
        idle = self.idle
        if idle is not None:
            self.idle = None
            idle.succeed()

    def take_back(self, batches: list[Any]) -> None:
        """Remove waiting mini-batches from the queue; the others keep their order."""
        leaving = {id(batch) for batch in batches}
        kept = [batch for batch in self.queue if id(batch) not in leaving]
        self.queue.clear()
        self.queue.extend(kept)
        waits = self.taken_back
        if waits is not None:
            self.taken_back = None
            waits.succeed()
