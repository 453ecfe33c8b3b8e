"""The layered graph of all plans: per node an arc for every interval of layers that fits, per hop what each cut sends.

A state before node k is (cut, ratio in flight); an arc of node k takes it from cut ``start`` to cut ``stop``. A relay
keeps cut and ratio. What every plan pays alike (T0 and propagation) is kept apart in `StageGraph.base_s`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orbitsim.plan.problem import BITS_PER_BYTE, Problem, memory_limit

Array = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, eq=False, slots=True)
class Arcs:
    """Intervals that one node may take, ordered by start.

    Attributes
    ----------
    start, stop : ndarray of int, (n_arcs,)
        Cut before and after the interval.
    compute_s : ndarray, (n_arcs,)
        Computing time of the interval, codec included [s].
    cuts, first : ndarray of int, (n_cuts,)
        The distinct starts, and where the arcs of each begin.
    """

    start: IntArray
    stop: IntArray
    compute_s: Array
    cuts: IntArray
    first: IntArray

    @classmethod
    def ordered(cls, start: IntArray, stop: IntArray, compute_s: Array) -> Arcs:
        """Build from arcs already ordered by start."""
        first = np.flatnonzero(np.diff(start, prepend=-1))
        return cls(start, stop, compute_s, start[first], first)

    def kept(self, keep: NDArray[np.bool_]) -> Arcs:
        """Return the arcs selected by a mask."""
        return Arcs.ordered(self.start[keep], self.stop[keep], self.compute_s[keep])

    def leaving(self, cut: int) -> slice:
        """Return where the arcs that start at a cut lie."""
        lower, upper = np.searchsorted(self.start, (cut, cut + 1))
        return slice(int(lower), int(upper))


@dataclass(frozen=True, eq=False, slots=True)
class StageGraph:
    """All plans of a problem as paths through a layered graph.

    Attributes
    ----------
    problem : Problem
        What is planned.
    arcs : tuple of Arcs
        Intervals that each node may take.
    ratio, loss : ndarray, (n_ratios,)
        Codec settings worth considering, by ascending ratio, and their losses.
    transfer_s : ndarray, (n_nodes, n_layers + 1, n_ratios)
        Time on the hop after each node, by cut and ratio in flight; raw input and result are at ratio index 0; ``inf``
        for what does not exist [s].
    received_s : ndarray, (n_nodes, n_layers + 1, n_ratios)
        Time on the hop before each node, T0 before node 0; 0 for what does not exist [s].
    n_slots : int
        Size of the axis "nodes that may still compute": ``max_compute_nodes + 1`` where that bound matters, else 1.
    base_s : float
        T0 and propagation, which every plan pays alike [s].
    """

    problem: Problem
    arcs: tuple[Arcs, ...]
    ratio: Array
    loss: Array
    transfer_s: Array
    received_s: Array
    n_slots: int
    base_s: float

    @property
    def is_bounded(self) -> bool:
        """Whether the number of computing nodes is part of the state."""
        return self.n_slots > 1

    @property
    def n_arcs(self) -> int:
        """Arcs of all nodes."""
        return sum(len(arcs.start) for arcs in self.arcs)


def build_graph(problem: Problem, compute_cap_s: float = np.inf, *, every_ratio: bool = False) -> StageGraph:
    """Lay out the plans of a problem as a graph.

    Parameters
    ----------
    problem : Problem
        What is planned.
    compute_cap_s : float
        Intervals that take longer are left out [s].
    every_ratio : bool
        Keep every allowed ratio, also those that cannot be part of the fastest plan.

    Returns
    -------
    StageGraph
        The graph; it may hold no complete path.
    """
    ratio, loss = codec_settings(problem, every_ratio=every_ratio)
    n_nodes, n_layers = problem.n_nodes, problem.n_layers
    transfer_s = np.zeros((n_nodes, n_layers + 1, len(ratio)))
    for hop in range(problem.n_hops):
        transfer_s[hop] = _transfer_s(problem, hop, ratio)
    received_s = np.zeros_like(transfer_s)
    received_s[0, 0, 0] = problem.input_s
    received_s[1:] = np.where(np.isfinite(transfer_s[:-1]), transfer_s[:-1], 0.0)
    is_bounded = problem.most_compute_nodes < n_nodes
    return StageGraph(
        problem=problem,
        arcs=tuple(_arcs(problem, node, compute_cap_s) for node in range(n_nodes)),
        ratio=ratio,
        loss=loss,
        transfer_s=transfer_s,
        received_s=received_s,
        n_slots=problem.most_compute_nodes + 1 if is_bounded else 1,
        base_s=problem.input_s + float(problem.delay_s.sum()),
    )


def codec_settings(problem: Problem, *, every_ratio: bool = False) -> tuple[Array, Array]:
    """Return the codec settings worth considering and their losses, by ascending ratio.

    Under `paper` a larger ratio can shorten theta, so every allowed one stays. Under the other models a transfer is
    never worth lengthening: under the per-hop rule the smallest allowed ratio suffices, under the cumulative rule the
    ratios that no smaller one with as little loss beats. Without any allowed ratio one of ``inf`` stands for none.

    Parameters
    ----------
    problem : Problem
        What is planned.
    every_ratio : bool
        Keep every allowed ratio.

    Returns
    -------
    ratio, loss : ndarray, (n_ratios,)
        Codec settings.
    """
    allowed = np.flatnonzero(problem.allowed_ratio)
    if not allowed.size:
        return np.full(1, np.inf), np.zeros(1)
    if problem.rule == "cumulative":
        allowed = allowed[np.lexsort((problem.codec_loss[allowed], problem.codec_ratio[allowed]))]
        loss = problem.codec_loss[allowed]
    else:
        allowed = allowed[np.argsort(problem.codec_ratio[allowed], kind="stable")]
        loss = np.zeros(len(allowed))
    ratio = problem.codec_ratio[allowed]
    keep = np.diff(ratio, prepend=0.0) > 0.0
    if problem.delay_model != "paper" and not every_ratio:
        keep &= loss < np.concatenate([[np.inf], np.minimum.accumulate(loss)[:-1]])
    return ratio[keep], loss[keep]


def _transfer_s(problem: Problem, hop: int, ratio: Array) -> Array:
    size = np.full((problem.n_layers + 1, len(ratio)), np.inf)
    if np.isfinite(ratio[0]):
        size[1:-1] = problem.activation_bytes[:-1, None] * ratio
    size[0, 0] = problem.input_bytes
    size[-1, 0] = problem.activation_bytes[-1]
    if np.isinf(problem.rate_bps[hop]):
        return np.where(np.isfinite(size), 0.0, np.inf)
    return np.asarray(BITS_PER_BYTE * size / problem.rate_bps[hop])


def _arcs(problem: Problem, node: int, compute_cap_s: float) -> Arcs:
    n_nodes, n_layers = problem.n_nodes, problem.n_layers
    done_s = np.concatenate([[0.0], np.cumsum(problem.compute_s[node])])
    taken_bytes = np.concatenate([[0.0], np.cumsum(problem.layer_memory_bytes)])
    limit_bytes = float(memory_limit(problem.memory_bytes[node]) - problem.memory_overhead_bytes[node])
    before, after = done_s.copy(), done_s.copy()
    before[1:] -= problem.decode_s_per_byte[node] * problem.activation_bytes
    after[1:-1] += problem.encode_s_per_byte[node] * problem.activation_bytes[:-1]
    cuts = np.arange(n_layers + 1)
    fits = cuts[:, None] < cuts
    if np.isfinite(limit_bytes):
        # Sums of memory are differences of running sums here: the slack covers their rounding.
        fits &= taken_bytes - taken_bytes[:, None] <= limit_bytes + 1e-15 * taken_bytes[-1]
    compute_s = after - before[:, None]
    if np.isfinite(compute_cap_s):
        fits &= compute_s <= compute_cap_s
    if node == 0:
        fits[1:] = False
    if node == n_nodes - 1:
        fits[:, :-1] = False
    if not problem.relay:
        fits[:node] = False
        fits[:, : node + 1] = False
        fits[:, n_layers - (n_nodes - 1 - node) + 1 :] = False
    start, stop = np.nonzero(fits)
    return Arcs.ordered(start, stop, compute_s[start, stop])
