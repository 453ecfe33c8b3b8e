"""What moves through the simulation: tasks, their mini-batches, and the steps each mini-batch takes."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from orbitsim.link.capacity import CapacityCurve
from orbitsim.plan.delivery import Booking
from orbitsim.plan.switching import Weights
from orbitsim.sim.places import Server
from orbitsim.sim.replay import Draws, Spent
from orbitsim.sim.sizes import DrawnBytes
from orbitsim.types.route import Route


class Part(IntEnum):
    """Where the time of a mini-batch goes; the parts of a delivered mini-batch add up to its delay."""

    QUEUE = 0
    COMPUTE = 1
    CODEC = 2
    ISL = 3
    DOWNLINK = 4
    PROPAGATION = 5
    CONTACT_WAIT = 6


PART_COLUMNS = ("queue_s", "compute_s", "codec_s", "isl_s", "downlink_s", "propagation_s", "contact_wait_s")


class Step:
    """One service at one server: computing for a fixed time, or sending bytes over a capacity curve.

    Parameters
    ----------
    server : Server
        Who serves it.
    node : int
        Where the mini-batch is while it waits for it.
    part : Part
        COMPUTE, ISL or DOWNLINK.
    seconds : float
        Duration of computing, codec included. [s]
    codec_s : float
        Share of `seconds` that is encoding and decoding. [s]
    curve : CapacityCurve or None
        Capacity that sending uses; None for computing.
    n_bytes : float
        Bytes to send. [B]
    delay_at : callable or None
        Propagation delay of the hop at a time; None when there is none. [s]
    energy_j : float or None
        Energy of computing, None where it is not known. [J]
    origin_s : tuple of float
        Seconds of `seconds` that rest on measured, modelled and published figures. [s]
    begins : bool
        Whether a mini-batch in this step has begun its plan; the way of raw tiles to the first node comes before it.
    weights : Weights or None
        Weights that computing needs on the node; None where all are in memory.
    draws : Draws or None
        Times of computing by mini-batch, in place of `seconds`.
    sizes : DrawnBytes or None
        Bytes to send by mini-batch, in place of `n_bytes`, which is their mean.
    target : int or None
        Where it sends to; None for computing.

    Attributes
    ----------
    has_outages : bool
        Whether the link is ever closed.
    gated : bool
        Whether waiting for it is waiting for a contact.
    count : int
        How often it was carried out.
    drawn_bytes : float
        Bytes that were sent where `sizes` says how many. [B]
    """

    __slots__ = (
        "begins", "codec_s", "count", "curve", "delay_at", "drawn_bytes", "draws", "ends_s", "energy_j", "gated",
        "has_outages", "n_bytes", "node", "origin_s", "part", "seconds", "server", "sizes", "starts_s", "target",
        "weights",
    )  # fmt: skip

    def __init__(
        self,
        server: Server,
        node: int,
        part: Part,
        *,
        seconds: float = 0.0,
        codec_s: float = 0.0,
        curve: CapacityCurve | None = None,
        n_bytes: float = 0.0,
        delay_at: Callable[[float], float] | None = None,
        energy_j: float | None = None,
        origin_s: tuple[float, float, float] = (0.0, 0.0, 0.0),
        begins: bool = True,
        weights: Weights | None = None,
        draws: Draws | None = None,
        sizes: DrawnBytes | None = None,
        target: int | None = None,
    ) -> None:
        self.target = target
        self.weights = weights
        self.draws = draws
        self.sizes = sizes
        self.drawn_bytes = 0.0
        self.server = server
        self.node = node
        self.part = part
        self.seconds = seconds
        self.codec_s = codec_s
        self.curve = curve
        self.n_bytes = n_bytes
        self.delay_at = delay_at
        self.energy_j = energy_j
        self.origin_s = origin_s
        self.begins = begins
        starts, ends = ([], []) if curve is None else (edges.tolist() for edges in curve.windows())
        self.starts_s: list[float] = [*starts, math.inf]
        self.ends_s: list[float] = ends
        self.has_outages = curve is not None and not (len(ends) == 1 and starts[0] <= 0.0 and ends[0] == math.inf)
        self.gated = self.has_outages and part is Part.DOWNLINK
        self.count = 0

    def opens_s(self, t_s: float) -> float:
        """Return when its link is open first, not before a time; infinite when it never is again. [s]"""
        return max(t_s, self.starts_s[bisect_right(self.ends_s, t_s)])

    @property
    def sent_bytes(self) -> float:
        """What all executions of a sending step carried. [B]"""
        return self.n_bytes * self.count if self.sizes is None else self.drawn_bytes

    @property
    def spent(self) -> Spent:
        """What all executions of a computing step took together."""
        if self.draws is not None:
            return self.draws.spent
        n, (measured_s, modelled_s, published_s) = self.count, self.origin_s
        energy_j = None if self.energy_j is None else self.energy_j * n
        return Spent(self.seconds * n, energy_j, (measured_s * n, modelled_s * n, published_s * n))


class Task:
    """One imaging task of a scheme: when it started, on which route, and what became of its mini-batches."""

    __slots__ = (
        "downlink_bytes", "end_s", "index", "isl_bytes", "last", "n_batches", "n_delivered", "route", "start_s",
        "undeliverable",
    )  # fmt: skip

    def __init__(self, index: int, start_s: float, n_batches: int, route: Route) -> None:
        self.index = index
        self.route = route
        self.start_s = start_s
        self.n_batches = n_batches
        self.n_delivered = 0
        self.end_s = math.nan
        self.isl_bytes = 0.0
        self.downlink_bytes = 0.0
        self.undeliverable = False
        self.last: MiniBatch | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Delivery:
    """What is to be delivered once the satellites are done, and what the ground still has to compute.

    Attributes
    ----------
    n_bytes : float
        Results, an activation or raw tiles of one mini-batch. [B]
    ground : mapping of int to GroundStage
        What each station computes with it; empty when results are delivered. Only these stations are asked then.
    sizes : DrawnBytes or None
        Bytes by mini-batch, in place of `n_bytes`, which is their mean.
    """

    n_bytes: float
    ground: Mapping[int, GroundStage]
    sizes: DrawnBytes | None = None

    def bytes_of(self, batch: MiniBatch) -> float:
        """Return the bytes of a mini-batch. [B]"""
        return self.n_bytes if self.sizes is None else self.sizes.bytes_of(batch.task.index, batch.index)


@dataclass(frozen=True, slots=True)
class GroundStage:
    """Computing of one mini-batch at a station: seconds, codec's share, energy, seconds by origin. [s, s, J, s]

    `layers` are the first layer, and the one after the last.
    """

    seconds: float
    codec_s: float
    energy_j: float | None
    origin_s: tuple[float, float, float]
    layers: tuple[int, int] = (0, 0)


class MiniBatch:
    """One mini-batch on its way.

    Attributes
    ----------
    steps, position : tuple of Step, int
        Steps still known, and the one it waits for or is in.
    delivery : Delivery or None
        What happens after the compute chain, on a route whose way to the ground is chosen at run time.
    holder : int
        Satellite from which its delivery begins: the end of the compute chain, or where it missed a contact.
    booking : Booking or None
        Contact that was chosen for it; None before that, and on a route fixed beforehand.
    deadline_s : float
        End of the contact for which its downlink was booked; later than that, the way is chosen again. [s]
    started : bool
        Whether it has begun its plan, which it then keeps.
    parts : list of float
        Seconds in each `Part` so far. [s]
    """

    __slots__ = (
        "arrived_s", "booking", "deadline_s", "delivery", "holder", "index", "parts", "position", "started", "steps",
        "task",
    )  # fmt: skip

    def __init__(
        self, task: Task, index: int, steps: tuple[Step, ...], delivery: Delivery | None = None, holder: int = -1
    ) -> None:
        self.task = task
        self.index = index
        self.steps = steps
        self.position = 0
        self.arrived_s = task.start_s
        self.deadline_s = math.inf
        self.delivery = delivery
        self.holder = holder
        self.booking: Booking | None = None
        self.started = False
        self.parts = [0.0] * len(Part)
