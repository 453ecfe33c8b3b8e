"""A plan in the words of people: a row for each node, what was proved, and a record for programs."""

from __future__ import annotations

from typing import Any

from orbitsim.plan.problem import Problem
from orbitsim.types.plan import PlanResult

HEADINGS = ("node", "layers", "compute [s]", "ratio", "sends [MB]", "transfer [s]")


def plan_record(result: PlanResult) -> dict[str, Any]:
    """Return a planner's answer as plain values, units in the names."""
    cost = result.cost
    return {
        "total_s": cost.total_s,
        "startup_s": cost.startup_s,
        "theta_s": cost.theta_s,
        "layers": [list(interval) for interval in result.plan.layers],
        "ratio": list(result.plan.ratio),
        "planner": result.planner,
        "optimal": result.optimal,
        "lower_bound_s": result.lower_bound_s,
        "expanded": result.expanded,
        "pruned": result.pruned,
        "isl_bytes": cost.isl_bytes,
        "downlink_bytes": cost.downlink_bytes,
        "energy_j": cost.energy_j,
        "loss": cost.loss,
    }


def node_records(problem: Problem, result: PlanResult) -> list[dict[str, Any]]:
    """Return for each node what it does of one mini-batch; None for what it does not do."""
    plan, cost = result.plan, result.cost
    records: list[dict[str, Any]] = []
    for node, name in enumerate(problem.node_names):
        start, stop = plan.layers[node]
        sends = node < len(cost.hop_bytes)
        records.append(
            {
                "node": name,
                "layer_start": start,
                "layer_stop": stop,
                "compute_s": cost.compute_s[node],
                "ratio": plan.ratio[node],
                "sent_bytes": cost.hop_bytes[node] if sends else None,
                "transfer_s": cost.transfer_s[node] if sends else None,
            }
        )
    return records


def node_rows(problem: Problem, result: PlanResult) -> list[list[str]]:
    """Return the same under `HEADINGS`."""
    return [
        [
            record["node"],
            f"{record['layer_start']}-{record['layer_stop'] - 1}"
            if record["layer_stop"] > record["layer_start"]
            else "relay",
            f"{record['compute_s']:.6g}",
            "" if record["ratio"] is None else f"{record['ratio']:g}",
            "" if record["sent_bytes"] is None else f"{record['sent_bytes'] / 1e6:.6g}",
            "" if record["transfer_s"] is None else f"{record['transfer_s']:.6g}",
        ]
        for record in node_records(problem, result)
    ]


def headline(problem: Problem, result: PlanResult) -> list[str]:
    """Say how long a plan takes, what is proved of it, and how mini-batches follow each other."""
    proof = "proved optimal" if result.optimal else "nothing proved"
    if not result.optimal and result.lower_bound_s > 0.0:
        proof = f"no plan is faster than {result.lower_bound_s:.10g} s"
    cost = result.cost
    return [
        f"total {cost.total_s:.10f} s under the {problem.delay_model} delay model ({result.planner}; {proof})",
        f"first mini-batch {cost.startup_s:.6g} s, then one every {cost.theta_s:.6g} s",
        f"labels expanded {result.expanded}, pruned {result.pruned}",
    ]
