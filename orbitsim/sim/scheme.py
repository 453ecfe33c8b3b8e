"""What a scheme's simulation is given, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from orbitsim.plan.stages import Stage
from orbitsim.sim.controller import Ask, PlanRecord
from orbitsim.sim.jobs import GroundStage, Step, Task
from orbitsim.sim.network import Execution
from orbitsim.sim.recorder import Passages
from orbitsim.sim.samples import NodeReplay
from orbitsim.sim.sizes import ByteReplay
from orbitsim.types.plan import Plan
from orbitsim.types.route import Route


@dataclass(frozen=True, eq=False)
class SchemeJob:
    """Everything that one scheme adds to the world.

    Attributes
    ----------
    fixed : bool
        Whether routes are fixed beforehand, downlink included (`Route.fixed`).
    ask : callable
        Planner: question -> decision, with the route that it is for.
    stages : callable
        Route and plan -> stages of the chain and, last, of the route's station.
    ground_stages : callable
        Plan -> what each station computes of it; empty when the satellites compute everything.
    input_bytes : float
        Raw tiles of one mini-batch. [B]
    n_batches : int
        Mini-batches of a task.
    task_starts : sequence of (int, float)
        Slot and start of each task. [s]
    execution : {"overlapped", "sequential", "serial"}
        How nodes work.
    replay : mapping of int to NodeReplay
        Nodes whose stage times are replayed.
    bytes_replay : ByteReplay or None
        What the bytes of encoded activations are drawn from; None: every mini-batch has their mean.
    """

    fixed: bool
    ask: Ask
    stages: Callable[[Route, Plan], tuple[Stage, ...]]
    ground_stages: Callable[[Plan], Mapping[int, GroundStage]]
    input_bytes: float
    n_batches: int
    task_starts: Sequence[tuple[int, float]]
    execution: Execution = "overlapped"
    replay: Mapping[int, NodeReplay] = field(default_factory=dict)
    bytes_replay: ByteReplay | None = None


@dataclass(frozen=True, slots=True)
class PlaceUse:
    """What a server did over a run."""

    name: str
    kind: str
    busy_s: float
    n_bytes: float
    n_served: int


@dataclass(eq=False)
class SchemeRun:
    """What a scheme's simulation leaves behind; all times in seconds since the epoch."""

    tasks: list[Task] = field(default_factory=list)
    places: list[PlaceUse] = field(default_factory=list)
    place_names: list[str] = field(default_factory=list)
    passages: list[Passages] = field(default_factory=list)
    plans: list[PlanRecord] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
