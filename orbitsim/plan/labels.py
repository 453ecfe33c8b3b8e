"""Label-setting A* for plans with a budget on the sum of losses: Pareto labels (startup, loss), one node at a time.

A label is a partial plan: (cut, ratio in flight, nodes that may still compute) with its startup time and its loss so
far. Costs to go of `orbitsim.plan.shortest`, which ignore the budget, are the admissible heuristic on time; the least
loss of the hops that must still be encoded is the one on loss. A label is discarded when its bound misses the best plan
known or the budget, or when another label of its state is no worse in both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from orbitsim.plan.graph import Arcs, StageGraph
from orbitsim.plan.multiplier import PricedCost, priced_cost
from orbitsim.plan.problem import loss_limit
from orbitsim.plan.shortest import CostToGo, Step, stage_time

Array = NDArray[np.float64]
IntArray = NDArray[np.intp]

FEW_LABELS = 1500
"""Labels at one node up to which the plain bound is enough."""

SLACK = 1e-12
"""Relative slack of the priced bound, whose terms cancel."""


@dataclass(frozen=True, eq=False, slots=True)
class Labels:
    """Partial plans that reach the same node, one array entry each.

    Attributes
    ----------
    cut, ratio, slot : ndarray of int, (n_labels,)
        State: cut, index of the ratio in flight, nodes that may still compute.
    spent_s, loss : ndarray, (n_labels,)
        Startup time and loss so far [s, 1].
    stage_s : ndarray, (n_labels,)
        Stage time of the last node [s].
    parent : ndarray of int, (n_labels,)
        Index of the label that each one extends.
    computes : ndarray of bool, (n_labels,)
        Whether the last node computes.
    """

    cut: IntArray
    ratio: IntArray
    slot: IntArray
    spent_s: Array
    loss: Array
    stage_s: Array
    parent: IntArray
    computes: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.cut)

    def take(self, index: IntArray | NDArray[np.bool_]) -> Labels:
        """Return the labels selected by index or mask."""
        return Labels(*(getattr(self, name)[index] for name in self.__slots__))

    @staticmethod
    def joined(parts: list[Labels]) -> Labels:
        """Return the labels of several sets as one."""
        return Labels(*(np.concatenate([getattr(part, name) for part in parts]) for name in Labels.__slots__))


@dataclass(frozen=True, eq=False, slots=True)
class LabelPath:
    """Best path within the budget, with the count of labels; ``steps`` is None where there is none.

    Attributes
    ----------
    total_s : float
        Computing and sending along the path; ``inf`` where there is none [s].
    steps : list of Step or None
        One step per node.
    expanded, pruned : int
        Labels extended, labels discarded by dominance or bound.
    complete : bool
        Whether no label was left out for want of room, so that the answer is proved.
    """

    total_s: float
    steps: list[Step] | None
    expanded: int
    pruned: int
    complete: bool = True


def best_within_budget(graph: StageGraph, costs: CostToGo, cap: int, limit_s: float = np.inf) -> LabelPath:
    """Find the plan of least startup time under a cap on theta and the budget of accumulated loss.

    Parameters
    ----------
    graph : StageGraph
        All plans.
    costs : CostToGo
        Costs to go that ignore the budget, for several caps.
    cap : int
        Index of the cap.
    limit_s : float
        Plans that take longer are of no interest [s].

    Returns
    -------
    LabelPath
        The best path no longer than `limit_s`, if any.
    """
    narrow = _search(graph, costs, cap, limit_s, None, FEW_LABELS)
    if narrow.complete:
        return narrow
    # Too many labels for the plain bound: price the loss, look for a good plan among the most promising labels only,
    # then search all of them with that plan as the limit.
    priced = priced_cost(graph, float(costs.cap_s[cap]))
    hint = _search(graph, costs, cap, limit_s, priced, FEW_LABELS)
    expanded, pruned = narrow.expanded + hint.expanded, narrow.pruned + hint.pruned
    known = min(
        (found for found in (narrow, hint) if found.steps is not None), key=lambda one: one.total_s, default=None
    )
    if not hint.complete:
        full = _search(graph, costs, cap, limit_s if known is None else min(limit_s, known.total_s), priced, None)
        expanded, pruned = expanded + full.expanded, pruned + full.pruned
        known = full if full.steps is not None else known
    elif hint.steps is not None:
        known = hint
    if known is None:
        return LabelPath(np.inf, None, expanded, pruned)
    return replace(known, expanded=expanded, pruned=pruned, complete=True)


def _search(
    graph: StageGraph, costs: CostToGo, cap: int, limit_s: float, priced: PricedCost | None, most: int | None
) -> LabelPath:
    """Set labels node by node; with `most` keep no more than that many at a node, the most promising ones."""
    cap_s = float(costs.cap_s[cap])
    budget = loss_limit(graph.problem.max_loss)
    complete = True
    n_nodes = len(graph.arcs)
    start = np.zeros(1, dtype=np.intp)
    zero = np.zeros(1)
    labels = Labels(start, start, start + graph.n_slots - 1, zero, zero, zero, start, np.zeros(1, dtype=np.bool_))
    history: list[Labels] = []
    expanded = pruned = 0
    for node in range(n_nodes):
        expanded += len(labels)
        parts = [part for part in extensions(graph, labels, node, cap_s) if len(part)]
        if not parts:
            return LabelPath(np.inf, None, expanded, pruned, complete)
        grown = Labels.joined(parts)
        to_go_s = costs.to_go_s[node + 1][cap]
        index = grown.ratio if to_go_s.shape[-1] > 1 else 0
        bound_s = grown.spent_s + to_go_s[grown.slot, grown.cut, index]
        must_encode = 0 if graph.problem.relay else max(n_nodes - 2 - node, 0)
        promising = (bound_s <= limit_s) & (grown.loss + must_encode * graph.loss.min() <= budget)
        promising &= np.isfinite(bound_s)
        if priced is not None:
            price_s, further_s = priced.price_s, priced.to_go_s[node + 1][grown.slot, grown.cut]
            bound_s = np.maximum(bound_s, grown.spent_s + price_s * (grown.loss - budget) + further_s)
            promising &= bound_s <= limit_s + SLACK * abs(limit_s)
        kept = grown.take(promising)
        order = undominated(state_number(graph, kept), kept.spent_s, kept.loss)
        if most is not None and len(order) > most:
            complete = False
            order = order[np.argpartition(bound_s[promising][order], most)[:most]]
        labels = kept.take(order)
        pruned += len(grown) - len(labels)
        history.append(labels)
    if not len(labels):
        return LabelPath(np.inf, None, expanded, pruned, complete)
    best = int(labels.spent_s.argmin())
    total_s = float(labels.spent_s[best])
    steps: list[Step] = []
    for reached in reversed(history):
        steps.append(
            Step(
                int(reached.cut[best]),
                int(reached.ratio[best]),
                float(reached.stage_s[best]),
                computes=bool(reached.computes[best]),
            )
        )
        best = int(reached.parent[best])
    return LabelPath(total_s, steps[::-1], expanded, pruned, complete)


def undominated(state: IntArray, first: Array, second: Array) -> IntArray:
    """Return the indices of the entries that no other entry of their state beats in both criteria.

    Parameters
    ----------
    state : ndarray of int, (n,)
        Entries are compared within equal states only.
    first, second : ndarray, (n,)
        Criteria, the less the better.

    Returns
    -------
    ndarray of int, (n_kept,)
        One entry for each undominated pair of values, ordered by state and then by `first`.
    """
    if not len(state):
        return np.zeros(0, dtype=np.intp)
    order = np.lexsort((second, first, state))
    _, rank = np.unique(second[order], return_inverse=True)
    group = np.cumsum(np.diff(state[order], prepend=state[order[0]]) != 0)
    # Later groups sit lower, so that one running minimum over all of them starts anew with each.
    level = rank - group * (len(order) + 1)
    keep = np.ones(len(order), dtype=np.bool_)
    keep[1:] = level[1:] < np.minimum.accumulate(level)[:-1]
    return np.asarray(order[keep], dtype=np.intp)


def state_number(graph: StageGraph, labels: Labels) -> IntArray:
    """Compute the number of each label's state; the ratio in flight counts where it matters later on.

    Parameters
    ----------
    graph : StageGraph
        All plans.
    labels : Labels
        Partial plans that reach the same node.

    Returns
    -------
    ndarray of int, (n_labels,)
        Equal numbers for equal states.
    """
    n_ratios = len(graph.ratio) if graph.problem.relay or graph.problem.delay_model == "paper" else 1
    ratio = labels.ratio if n_ratios > 1 else 0
    n_cuts = graph.transfer_s.shape[1]
    return np.asarray((labels.slot * n_cuts + labels.cut) * n_ratios + ratio)


def extensions(graph: StageGraph, labels: Labels, node: int, cap_s: float) -> list[Labels]:
    """Extend labels over a node: as a relay where that is allowed, and by every interval and ratio.

    Parameters
    ----------
    graph : StageGraph
        All plans.
    labels : Labels
        Partial plans that reach the node.
    node : int
        The node.
    cap_s : float
        Longest stage time allowed [s].

    Returns
    -------
    list of Labels
        Partial plans that have passed the node.
    """
    parts = [_relayed(graph, labels, node, cap_s)] if graph.problem.relay else []
    if graph.is_bounded:
        able = np.flatnonzero(labels.slot > 0)
        return [*parts, _computed(graph, labels, able, node, cap_s)]
    return [*parts, _computed(graph, labels, np.arange(len(labels)), node, cap_s)]


def _relayed(graph: StageGraph, labels: Labels, node: int, cap_s: float) -> Labels:
    sent_s = graph.transfer_s[node, labels.cut, labels.ratio]
    stage_s = stage_time(graph.problem.delay_model, np.zeros(len(labels)), sent_s, 0.0)
    parent = np.flatnonzero((stage_s <= cap_s) & np.isfinite(sent_s))
    taken = labels.take(parent)
    relays = np.zeros(len(parent), dtype=np.bool_)
    spent_s = taken.spent_s + sent_s[parent]
    return Labels(taken.cut, taken.ratio, taken.slot, spent_s, taken.loss, stage_s[parent], parent, relays)


def _computed(graph: StageGraph, labels: Labels, able: IntArray, node: int, cap_s: float) -> Labels:
    arcs: Arcs = graph.arcs[node]
    lower = np.searchsorted(arcs.start, labels.cut[able])
    n_leaving = np.searchsorted(arcs.start, labels.cut[able], side="right") - lower
    parent = np.repeat(able, n_leaving)
    offset = np.arange(len(parent)) - np.repeat(np.cumsum(n_leaving) - n_leaving, n_leaving)
    arc = np.repeat(lower, n_leaving) + offset
    stop, compute_s = arcs.stop[arc], arcs.compute_s[arc]
    sent_s = graph.transfer_s[node, stop]
    received_s = graph.received_s[node, labels.cut[parent], labels.ratio[parent]]
    stage_s = stage_time(graph.problem.delay_model, compute_s[:, None], sent_s, received_s[:, None])
    which, ratio = np.nonzero((stage_s <= cap_s) & np.isfinite(sent_s))
    parent, stop = parent[which], stop[which]
    is_encoded = stop < graph.problem.n_layers
    return Labels(
        cut=stop,
        ratio=ratio,
        slot=labels.slot[parent] - (1 if graph.is_bounded else 0),
        spent_s=labels.spent_s[parent] + compute_s[which] + sent_s[which, ratio],
        loss=labels.loss[parent] + np.where(is_encoded, graph.loss[ratio], 0.0),
        stage_s=stage_s[which, ratio],
        parent=parent,
        computes=np.ones(len(which), dtype=np.bool_),
    )
