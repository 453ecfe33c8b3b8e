"""What a planner answers: the plan, what it costs, and the proof that comes with it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Plan:
    """An interval of model layers for every node of a route, and a codec ratio where an activation is encoded.

    Parameters
    ----------
    layers : tuple of (int, int)
        Layers ``start, ..., stop - 1`` of each node, in route order and without gaps; an empty node (a relay) is
        ``(c, c)`` with the cut c that it passes on.
    ratio : tuple of float or None
        Bytes kept by the codec relative to fp32 for each node that encodes the activation it sends; None for relays,
        for the node that sends results, and for a last node that sends nothing.

    Raises
    ------
    ValueError
        If the intervals have gaps, overlap or run backwards, or if a ratio lies outside (0, inf) or on a relay.
    """

    layers: tuple[tuple[int, int], ...]
    ratio: tuple[float | None, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple((int(start), int(stop)) for start, stop in self.layers))
        object.__setattr__(self, "ratio", tuple(None if q is None else float(q) for q in self.ratio))
        if not self.layers or len(self.layers) != len(self.ratio):
            raise ValueError(f"a plan needs one interval and one ratio per node: {len(self.layers)}, {len(self.ratio)}")
        if self.layers[0][0] != 0 or any(start > stop for start, stop in self.layers):
            raise ValueError(f"intervals must start at layer 0 and never run backwards: {self.layers}")
        if any(left[1] != right[0] for left, right in pairwise(self.layers)):
            raise ValueError(f"every interval must start where the one before it stops: {self.layers}")
        for node, ((start, stop), q) in enumerate(zip(self.layers, self.ratio, strict=True)):
            if q is not None and not (q > 0.0 and q < float("inf")):
                raise ValueError(f"ratio of node {node} must be positive and finite: {q}")
            if q is not None and (start == stop or stop == self.n_layers):
                raise ValueError(f"node {node} encodes nothing, its ratio must be None: {q}")

    @property
    def n_nodes(self) -> int:
        """Nodes on the route, relays included."""
        return len(self.layers)

    @property
    def n_layers(self) -> int:
        """Layers of the model."""
        return self.layers[-1][1]

    @property
    def computing_nodes(self) -> tuple[int, ...]:
        """Indices of the nodes that take at least one layer."""
        return tuple(node for node, (start, stop) in enumerate(self.layers) if stop > start)

    @property
    def n_compute(self) -> int:
        """Number of computing nodes."""
        return len(self.computing_nodes)

    @property
    def cuts(self) -> tuple[int, ...]:
        """Cut after each node, which is the cut before its hop: 0 is raw input, `n_layers` the result."""
        return tuple(stop for _, stop in self.layers)

    @property
    def ratio_in_flight(self) -> tuple[float | None, ...]:
        """Ratio of the activation that leaves each node; a relay passes on the ratio that reached it."""
        in_flight: list[float | None] = []
        carried: float | None = None
        for (start, stop), q in zip(self.layers, self.ratio, strict=True):
            carried = q if stop > start else carried
            in_flight.append(carried)
        return tuple(in_flight)


class Violation(NamedTuple):
    """A constraint that a plan breaks.

    Attributes
    ----------
    constraint : str
        ``"relay"``, ``"max_compute_nodes"``, ``"memory"``, ``"accuracy"``, ``"loss"`` or ``"ratio"``.
    message : str
        What is broken, in words, with the figures.
    amount : float
        By how much, in the unit of the constraint (nodes, bytes, accuracy, loss).
    node : int or None
        The node concerned; None for a constraint on the whole plan.
    """

    constraint: str
    message: str
    amount: float
    node: int | None


@dataclass(frozen=True, slots=True)
class PlanCost:
    """What a plan costs under a delay model.

    Attributes
    ----------
    total_s, startup_s, theta_s : float
        ``total = startup + (n_batches - 1) theta``: the whole task, the first mini-batch from the sensor to the end of
        the route (input transfer included), and the time between mini-batches after it [s].
    compute_s, transfer_s, propagation_s : tuple of float
        Stage times of one mini-batch per node; a last node without a hop sends in 0 s [s].
    input_s : float
        Transfer of one mini-batch of raw tiles to node 0 (T0) [s].
    hop_bytes : tuple of float
        Bytes of one mini-batch on each hop [B].
    isl_bytes, downlink_bytes : float
        Bytes of the whole task on all hops but the last, a byte counted once per hop, and on the last hop; the way to
        node 0 is the same for every plan and not counted [B].
    energy_j : float or None
        Energy of computing the whole task; None where the power of a computing node is not known [J].
    loss : float or None
        Sum of the losses of all encoded activations; None where the codec's losses are not known.
    violations : tuple of Violation
        Constraints that the plan breaks; empty for a feasible plan.
    """

    total_s: float
    startup_s: float
    theta_s: float
    compute_s: tuple[float, ...]
    transfer_s: tuple[float, ...]
    propagation_s: tuple[float, ...]
    input_s: float
    hop_bytes: tuple[float, ...]
    isl_bytes: float
    downlink_bytes: float
    energy_j: float | None
    loss: float | None
    violations: tuple[Violation, ...]

    @property
    def is_feasible(self) -> bool:
        """Whether the plan breaks no constraint."""
        return not self.violations


class TraceStep(NamedTuple):
    """One step of a search's convergence: the proven bound and the best plan so far [s]."""

    step: int
    lower_bound_s: float
    incumbent_s: float


@dataclass(frozen=True, slots=True)
class PlanResult:
    """A planner's answer with its proof.

    Attributes
    ----------
    plan : Plan
        The plan.
    cost : PlanCost
        What it costs under the problem's delay model.
    planner : str
        Name of the planner.
    optimal : bool
        Whether `lower_bound_s` proves that no plan over the codec table's ratios is faster.
    lower_bound_s : float
        No feasible plan is faster than this; 0 for a planner that proves nothing [s].
    expanded, pruned : int
        Labels that were extended, and labels that were discarded by dominance or bound.
    trace : tuple of TraceStep
        Convergence of bound and incumbent; empty for a planner that does not search.
    """

    plan: Plan
    cost: PlanCost
    planner: str
    optimal: bool
    lower_bound_s: float
    expanded: int
    pruned: int
    trace: tuple[TraceStep, ...] = ()
