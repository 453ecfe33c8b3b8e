"""What a given plan costs: stage times, delay, bytes, energy, loss, and the constraints that it breaks."""

from __future__ import annotations

import math

import numpy as np

from orbitsim.plan.delay import DELAY_MODELS
from orbitsim.plan.problem import BITS_PER_BYTE, Problem, loss_limit, memory_limit
from orbitsim.types.plan import Plan, PlanCost, Violation


def evaluate(problem: Problem, plan: Plan) -> PlanCost:
    """Evaluate a plan under the problem's delay model.

    Parameters
    ----------
    problem : Problem
        The route, the model and the codec table.
    plan : Plan
        Any plan over the problem's nodes and layers; it may break constraints.

    Returns
    -------
    PlanCost
        Delay, stage times, bytes, energy, loss and violations.

    Raises
    ------
    ValueError
        If the plan is for another number of nodes or layers, or gives no ratio where an activation leaves a node.
    """
    if (plan.n_nodes, plan.n_layers) != (problem.n_nodes, problem.n_layers):
        raise ValueError(
            f"the plan is for {plan.n_nodes} nodes and {plan.n_layers} layers, "
            f"the problem has {problem.n_nodes} and {problem.n_layers}"
        )
    compute_s = [_compute_s(problem, plan, node) for node in range(plan.n_nodes)]
    hop_bytes = [_hop_bytes(problem, plan, hop) for hop in range(problem.n_hops)]
    transfer_s = [BITS_PER_BYTE * size / rate for size, rate in zip(hop_bytes, problem.rate_bps, strict=True)]
    propagation_s = [float(delay) for delay in problem.delay_s]
    if problem.n_hops < problem.n_nodes:
        transfer_s.append(0.0)
        propagation_s.append(0.0)
    delay = DELAY_MODELS[problem.delay_model](problem.input_s, compute_s, transfer_s, propagation_s, problem.n_batches)
    energy_j = problem.n_batches * math.fsum(
        float(problem.power_w[node]) * compute_s[node] for node in plan.computing_nodes
    )
    losses = [float(problem.codec_loss[_table_index(problem, q)]) for q in plan.ratio if q is not None]
    loss = math.fsum(losses)
    return PlanCost(
        total_s=float(delay.total_s),
        startup_s=float(delay.startup_s),
        theta_s=float(delay.theta_s),
        compute_s=tuple(compute_s),
        transfer_s=tuple(float(t) for t in transfer_s),
        propagation_s=tuple(propagation_s),
        input_s=problem.input_s,
        hop_bytes=tuple(hop_bytes),
        isl_bytes=problem.n_batches * math.fsum(hop_bytes[:-1]),
        downlink_bytes=problem.n_batches * hop_bytes[-1] if hop_bytes else 0.0,
        energy_j=None if math.isnan(energy_j) else energy_j,
        loss=None if math.isnan(loss) else loss,
        violations=tuple(_violations(problem, plan, loss)),
    )


def _compute_s(problem: Problem, plan: Plan, node: int) -> float:
    start, stop = plan.layers[node]
    if start == stop:
        return 0.0
    decode_s = problem.decode_s_per_byte[node] * problem.activation_bytes[start - 1] if start > 0 else 0.0
    encoded = stop < problem.n_layers
    encode_s = problem.encode_s_per_byte[node] * problem.activation_bytes[stop - 1] if encoded else 0.0
    return math.fsum([*problem.compute_s[node, start:stop].tolist(), float(decode_s), float(encode_s)])


def _hop_bytes(problem: Problem, plan: Plan, hop: int) -> float:
    cut = plan.cuts[hop]
    if cut == 0:
        return float(problem.input_bytes)
    if cut == problem.n_layers:
        return float(problem.activation_bytes[-1])
    ratio = plan.ratio_in_flight[hop]
    if ratio is None:
        raise ValueError(f"an activation leaves node {hop} at cut {cut}, but the plan gives no ratio for it")
    return float(problem.activation_bytes[cut - 1]) * ratio


def _table_index(problem: Problem, ratio: float) -> int:
    """Return the entry of the table that holds this ratio (an allowed one with the least loss), or the nearest."""
    distance = np.abs(problem.codec_ratio - ratio)
    same = distance <= 1e-9 * ratio
    if not same.any():
        return int(distance.argmin())
    loss = np.nan_to_num(problem.codec_loss, nan=0.0)
    return int(np.lexsort((loss, ~problem.allowed_ratio, ~same))[0])


def _violations(problem: Problem, plan: Plan, loss: float) -> list[Violation]:
    found: list[Violation] = []
    names = problem.node_names
    relays = [node for node in range(plan.n_nodes) if node not in plan.computing_nodes]
    if relays and not problem.relay:
        empty = ", ".join(names[node] for node in relays)
        found.append(
            Violation("relay", f"every node must take a layer, but none is on {empty}", len(relays), relays[0])
        )
    excess = plan.n_compute - problem.most_compute_nodes
    if excess > 0:
        message = f"{plan.n_compute} nodes compute, max_compute_nodes is {problem.max_compute_nodes}"
        found.append(Violation("max_compute_nodes", message, excess, None))
    for node in plan.computing_nodes:
        start, stop = plan.layers[node]
        needed = math.fsum(
            [*problem.layer_memory_bytes[start:stop].tolist(), float(problem.memory_overhead_bytes[node])]
        )
        if needed > memory_limit(problem.memory_bytes[node]):
            excess_bytes = needed - float(problem.memory_bytes[node])
            message = f"{names[node]} needs {needed / 1e9:.6g} GB for layers {start}-{stop - 1} and has "
            message += f"{problem.memory_bytes[node] / 1e9:.6g} GB ({excess_bytes / 1e9:.6g} GB too few)"
            found.append(Violation("memory", message, excess_bytes, node))
    for node, q in enumerate(plan.ratio):
        if q is None:
            continue
        index = _table_index(problem, q)
        if not math.isclose(problem.codec_ratio[index], q, rel_tol=1e-9):
            found.append(Violation("ratio", f"{names[node]}: ratio {q:g} is not in the codec table", math.nan, node))
        elif problem.rule == "per-hop" and not problem.allowed_ratio[index]:
            short = problem.min_accuracy - float(problem.codec_accuracy[index])
            message = f"{names[node]}: ratio {q:g} has accuracy {problem.codec_accuracy[index]:g}, "
            message += f"the floor is {problem.min_accuracy:g}"
            found.append(Violation("accuracy", message, short, node))
    if problem.rule == "cumulative" and not loss <= loss_limit(problem.max_loss):
        message = f"losses of the encoded hops add up to {loss:g}, the budget is {problem.max_loss:g}"
        found.append(Violation("loss", message, loss - problem.max_loss, None))
    return found
