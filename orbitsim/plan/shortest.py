"""The least startup time of a plan whose stages all stay within a cap on theta: one pass over the layered graph.

This is the inner step of `orbitsim.plan.search`. A pass handles many caps at once: every array has the caps as its
first axis. The values, which are exact costs to go under the cap, are also the heuristic of `orbitsim.plan.labels`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orbitsim.plan.graph import Arcs, StageGraph

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Step:
    """One node of a path: the cut after it, the index of the ratio in flight after it, and its stage time [s]."""

    cut: int
    ratio: int
    stage_s: float
    computes: bool


@dataclass(frozen=True, eq=False, slots=True)
class CostToGo:
    """Least remaining time from every state, for each cap.

    Attributes
    ----------
    cap_s : ndarray, (n_caps,)
        Longest stage time allowed [s].
    to_go_s : list of ndarray, (n_caps, n_slots, n_layers + 1, n_ratios)
        Before each node, and after the last one: remaining computing and sending; ``inf`` where no path exists [s].
    expanded, pruned : int
        States with a path to the end, and arcs that were discarded because of the cap or a better arc.
    """

    cap_s: Array
    to_go_s: list[Array]
    expanded: int
    pruned: int

    @property
    def total_s(self) -> Array:
        """Least computing and sending of a complete path for each cap, (n_caps,) [s]."""
        return np.asarray(self.to_go_s[0][:, -1, 0, 0])


def cost_to_go(graph: StageGraph, cap_s: Array) -> CostToGo:
    """Compute the least remaining time from every state under each cap.

    Parameters
    ----------
    graph : StageGraph
        All plans.
    cap_s : ndarray, (n_caps,)
        Longest stage time allowed, by the problem's delay model [s].

    Returns
    -------
    CostToGo
        Costs to go. The budget of the cumulative rule is ignored here.
    """
    n_nodes, n_cuts, n_ratios = graph.transfer_s.shape
    n_ratios = n_ratios if graph.problem.delay_model == "paper" else 1
    shape = (len(cap_s), graph.n_slots, n_cuts, n_ratios)
    end = np.full(shape, np.inf)
    end[:, :, -1, 0] = 0.0
    to_go_s = [end]
    expanded = pruned = 0
    for node in reversed(range(n_nodes)):
        arcs = graph.arcs[node]
        transfer_s = graph.transfer_s[node, :, :n_ratios]
        sent_s = transfer_s + to_go_s[-1]
        here = np.full(shape, np.inf)
        if graph.problem.relay:
            np.copyto(here, np.where(transfer_s <= cap_s[:, None, None, None], sent_s, np.inf))
        if len(arcs.start):
            slots = slice(1, None) if graph.is_bounded else slice(None)
            after = sent_s[:, :-1] if graph.is_bounded else sent_s
            step = _paper_step if graph.problem.delay_model == "paper" else _plain_step
            best = step(graph, node, arcs, after, cap_s)
            here[:, slots, arcs.cuts] = np.minimum(here[:, slots, arcs.cuts], best)
        n_labels = int(np.count_nonzero(np.isfinite(here)))
        expanded += n_labels
        pruned += max(len(cap_s) * len(arcs.start) * n_ratios * max(graph.n_slots - 1, 1) - n_labels, 0)
        to_go_s.append(here)
    to_go_s.reverse()
    return CostToGo(cap_s, to_go_s, expanded, pruned)


def _plain_step(graph: StageGraph, node: int, arcs: Arcs, after_s: Array, cap_s: Array) -> Array:
    """Extend backwards over the arcs of a node when a stage does not depend on what it received."""
    model = graph.problem.delay_model
    transfer_s = graph.transfer_s[node, :, 0]
    after = after_s[..., 0]
    if model == "exact":
        after = np.where(transfer_s <= cap_s[:, None, None], after, np.inf)
    value = arcs.compute_s + after[:, :, arcs.stop]
    if model != "serial" and np.isfinite(cap_s).any():
        stage_s = arcs.compute_s if model == "exact" else arcs.compute_s + transfer_s[arcs.stop]
        value = np.where((stage_s <= cap_s[:, None])[:, None, :], value, np.inf)
    return np.asarray(np.minimum.reduceat(value, arcs.first, axis=-1)[..., None])


def _paper_step(graph: StageGraph, node: int, arcs: Arcs, after_s: Array, cap_s: Array) -> Array:
    """Extend backwards over the arcs of a node when receiving hides computing, as the paper's Eq. (9) has it.

    For a given arc and ratio received, the ratios that may be sent are the smallest ones: a running minimum over them
    and their number give the best at once.
    """
    transfer_s = graph.transfer_s[node, arcs.stop]
    exposed_s = np.maximum(arcs.compute_s[:, None] - graph.received_s[node, arcs.start], 0.0)
    if node == 0:
        exposed_s = exposed_s[:, :1]
    n_caps, n_slots, n_cuts, n_ratios = after_s.shape
    cap = cap_s[:, None, None]
    n_allowed = np.zeros((n_caps, *exposed_s.shape), dtype=np.intp)
    for index in range(n_ratios):
        n_allowed += transfer_s[:, index, None] + exposed_s <= cap
    best = np.full((n_caps, n_slots, n_cuts, n_ratios + 1), np.inf)
    np.minimum.accumulate(after_s, axis=-1, out=best[..., 1:])
    flat = best.reshape(n_caps, n_slots, -1)
    place = n_allowed + (arcs.stop * (n_ratios + 1))[:, None]
    value = np.empty((n_caps, n_slots, *exposed_s.shape))
    for index in range(n_caps):
        np.take(flat[index], place[index], axis=-1, out=value[index])
    value += arcs.compute_s[:, None]
    least = np.minimum.reduceat(value, arcs.first, axis=2)
    return np.asarray(np.broadcast_to(least, (*least.shape[:3], n_ratios)))


def follow(graph: StageGraph, costs: CostToGo, cap: int) -> list[Step]:
    """Follow the best path of one cap from the start to the end.

    Parameters
    ----------
    graph : StageGraph
        The graph that the costs were computed on.
    costs : CostToGo
        Costs to go.
    cap : int
        Index of the cap; a path must exist for it.

    Returns
    -------
    list of Step
        One step per node; between equals a relay comes first, then the shorter interval and the smaller ratio.
    """
    is_paper = graph.problem.delay_model == "paper"
    n_ratios = costs.to_go_s[0].shape[-1]
    cap_s = float(costs.cap_s[cap])
    cut, ratio, slot = 0, 0, graph.n_slots - 1
    steps: list[Step] = []
    for node, arcs in enumerate(graph.arcs):
        after = costs.to_go_s[node + 1][cap]
        transfer_s = graph.transfer_s[node, :, :n_ratios]
        relay_s = np.inf
        if graph.problem.relay and transfer_s[cut, ratio] <= cap_s:
            relay_s = float(transfer_s[cut, ratio] + after[slot, cut, ratio])
        here = arcs.leaving(cut)
        if here.stop > here.start and (slot > 0 or not graph.is_bounded):
            stop, compute_s = arcs.stop[here], arcs.compute_s[here, None]
            sent_s = transfer_s[stop]
            received_s = graph.received_s[node, cut, ratio] if is_paper else 0.0
            stage_s = stage_time(graph.problem.delay_model, compute_s, sent_s, received_s)
            next_slot = slot - 1 if graph.is_bounded else slot
            value = np.where(stage_s <= cap_s, compute_s + sent_s + after[next_slot, stop], np.inf)
            best = int(value.argmin())
            if value.flat[best] < relay_s:
                index, ratio = divmod(best, n_ratios)
                cut, slot = int(stop[index]), next_slot
                steps.append(Step(cut, ratio, float(stage_s[index, ratio]), computes=True))
                continue
        steps.append(Step(cut, ratio, float(transfer_s[cut, ratio]), computes=False))
    return steps


def stage_time(model: str, compute_s: Array, transfer_s: Array, received_s: Array | float) -> Array:
    """Return what a stage contributes to theta under a delay model (0 under `serial`, which has no such bound) [s]."""
    if model == "exact":
        return np.maximum(compute_s, transfer_s)
    if model == "paper":
        return np.asarray(transfer_s + np.maximum(compute_s - received_s, 0.0))
    if model == "sequential":
        return np.asarray(compute_s + transfer_s)
    return np.zeros(np.broadcast_shapes(np.shape(compute_s), np.shape(transfer_s)))
