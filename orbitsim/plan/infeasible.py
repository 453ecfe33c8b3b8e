"""Why a problem has no plan: the constraint that cannot be met, and by how little it is missed at best.

Whether a plan exists is decided by three questions, in this order: may the required nodes compute at all, does some
split fit their memory, and does the codec allow as many encoded hops as the fewest computing nodes need.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orbitsim.plan.problem import Problem, loss_limit, memory_limit

Array = NDArray[np.float64]


def explain(problem: Problem) -> str:
    """Say which constraint cannot be met and what the least violation is.

    Parameters
    ----------
    problem : Problem
        A problem without a feasible plan.

    Returns
    -------
    str
        One sentence for the user.
    """
    n_nodes, most = problem.n_nodes, problem.most_compute_nodes
    if not problem.relay and n_nodes > problem.n_layers:
        missing = n_nodes - problem.n_layers
        return (
            f"relay: every one of the {n_nodes} nodes must take a layer, but the model has {problem.n_layers} "
            f"({missing} too few)"
        )
    if not problem.relay and most < n_nodes:
        return (
            f"max_compute_nodes: every one of the {n_nodes} nodes must take a layer (relay is false), "
            f"but only {most} may compute ({n_nodes - most} too few)"
        )
    needed = fewest_compute_nodes(problem)
    if needed is None:
        return f"memory: {_least_excess(problem, most)}"
    if needed > most:
        return (
            f"max_compute_nodes: the model fits the memory of no fewer than {needed} nodes, but only {most} may "
            f"compute ({needed - most} too few); with {most}, {_least_excess(problem, most)}"
        )
    return _codec_shortage(problem, needed - 1)


def fewest_compute_nodes(problem: Problem) -> int | None:
    """Return the fewest nodes whose memory holds the whole model, in route order, or None where none do.

    Parameters
    ----------
    problem : Problem
        The nodes, their memory, and whether they may relay. The bound on computing nodes is not applied.

    Returns
    -------
    int or None
        Number of computing nodes.
    """
    count = np.full(problem.n_layers + 1, np.inf)
    count[0] = 0.0
    for excess in _excess_bytes(problem):
        relayed = count if problem.relay else np.full_like(count, np.inf)
        count = np.minimum(relayed, np.where(excess <= 0.0, count[:, None] + 1.0, np.inf).min(axis=0))
    return int(count[-1]) if np.isfinite(count[-1]) else None


def _excess_bytes(problem: Problem) -> list[Array]:
    """Return for each node the bytes that every interval lacks, by (start, stop); ``inf`` for empty intervals [B]."""
    taken = np.concatenate([[0.0], np.cumsum(problem.layer_memory_bytes)])
    cuts = np.arange(problem.n_layers + 1)
    is_interval = cuts[:, None] < cuts
    excess = []
    for node in range(problem.n_nodes):
        limit = float(memory_limit(problem.memory_bytes[node])) + 1e-15 * taken[-1]
        needed = taken - taken[:, None] + problem.memory_overhead_bytes[node]
        excess.append(np.where(is_interval, np.maximum(needed - limit, 0.0), np.inf))
    return excess


def _least_excess(problem: Problem, most: int) -> str:
    """Describe the split over at most that many computing nodes whose worst shortage of memory is least."""
    n_layers = problem.n_layers
    worst = np.full((most + 1, n_layers + 1), np.inf)
    worst[:, 0] = 0.0
    per_node = _excess_bytes(problem)
    tables = [worst]
    for excess in per_node:
        before = tables[-1]
        after = before.copy() if problem.relay else np.full_like(before, np.inf)
        for used in range(1, most + 1):
            step = np.maximum(before[used - 1][:, None], excess).min(axis=0)
            after[used] = np.minimum(after[used], step)
        tables.append(after)
    # Follow the best split back to the node where it is worst.
    used, cut, least, node_at_worst = most, n_layers, float(tables[-1][most, n_layers]), 0
    for node in reversed(range(problem.n_nodes)):
        if problem.relay and tables[node][used, cut] <= least:
            continue
        reach = np.maximum(tables[node][used - 1], per_node[node][:, cut])
        start = int(reach.argmin())
        if per_node[node][start, cut] >= least:
            node_at_worst = node
            break
        used, cut = used - 1, start
    total = float(problem.layer_memory_bytes.sum())
    return (
        f"the model's layers take {total:.6g} B and the best split still lacks {least:.6g} B on "
        f"{problem.node_names[node_at_worst]}, which has {problem.memory_bytes[node_at_worst]:.6g} B"
    )


def _codec_shortage(problem: Problem, n_encoded: int) -> str:
    hops = f"{n_encoded} hop{'s' if n_encoded > 1 else ''}"
    if problem.rule == "per-hop":
        known = problem.codec_accuracy[~np.isnan(problem.codec_accuracy)]
        if not known.size:
            return f"accuracy: {hops} must be encoded, but the codec's accuracy is not known at any ratio"
        short = problem.min_accuracy - float(known.max())
        return (
            f"accuracy: {hops} must be encoded, but no ratio reaches min_accuracy = {problem.min_accuracy:g}: "
            f"the best accuracy is {known.max():g} ({short:.6g} too little)"
        )
    known = problem.codec_loss[~np.isnan(problem.codec_loss)]
    if not known.size:
        return f"loss: {hops} must be encoded, but the codec's loss is not known at any ratio"
    least = n_encoded * float(known.min())
    beyond = max(least - loss_limit(problem.max_loss), 0.0)
    return (
        f"loss: {hops} must be encoded, which costs at least {least:g} in sum, but max_loss = {problem.max_loss:g} "
        f"({beyond:.6g} too much)"
    )
