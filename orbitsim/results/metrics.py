"""Figures of a scheme from its tasks: pure functions on arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def distribution(values: ArrayLike) -> dict[str, float | None]:
    """Return mean, median, 95th percentile and maximum; None of each for no values.

    Percentiles interpolate linearly between order statistics (numpy's default, type 7 of Hyndman and Fan, 1996).
    """
    data = np.asarray(values, dtype=np.float64)
    data = data[~np.isnan(data)]
    if not data.size:
        return {"mean": None, "p50": None, "p95": None, "max": None}
    return {
        "mean": float(data.mean()),
        "p50": float(np.percentile(data, 50)),
        "p95": float(np.percentile(data, 95)),
        "max": float(data.max()),
    }


def origin_shares(seconds: ArrayLike, names: tuple[str, ...]) -> dict[str, float | None]:
    """Return the share of each origin in simulated compute time; None of each when nothing was computed."""
    data = np.asarray(seconds, dtype=np.float64)
    total = float(data.sum())
    return {name: (float(value) / total if total > 0.0 else None) for name, value in zip(names, data, strict=True)}


def scheme_summary(
    tasks: Any, *, planner_used: str, energy_j: float | None, origin: dict[str, float | None]
) -> dict[str, Any]:
    """Summarise one scheme's rows of the task table as `summary.json` holds them.

    Parameters
    ----------
    tasks : pandas.DataFrame
        The scheme's rows, schema `orbitsim.types.tables.TASKS`.
    planner_used : str
        Who made its plans.
    energy_j : float or None
        Energy of computing, None where a node's power is not known. [J]
    origin : dict
        Shares of compute time by origin of the cost.
    """
    delivered = tasks["status"] == "delivered"
    return {
        "status": "ok",
        "reason": None,
        "planner_used": planner_used,
        "tasks": len(tasks),
        "delivered": int(delivered.sum()),
        "unfinished": int((~delivered).sum()),
        "undeliverable": int(tasks["undeliverable"].sum()),
        "delay_s": distribution(tasks.loc[delivered, "delay_s"]),
        "service_s": distribution(tasks.loc[delivered, "service_s"]),
        "isl_bytes": float(tasks["isl_bytes"].sum()),
        "downlink_bytes": float(tasks["downlink_bytes"].sum()),
        "energy_j": energy_j,
        "cost_origin": origin,
    }


def slower_slots(tasks: Any) -> list[str]:
    """Say in how many slots the collaborative scheme is slower than its heuristics, by how much, and why.

    Parameters
    ----------
    tasks : pandas.DataFrame
        Rows of all schemes, schema `orbitsim.types.tables.TASKS`.
    """
    delays = tasks.pivot_table(index="task", columns="scheme", values="delay_s", observed=True)
    waits = tasks.pivot_table(index="task", columns="scheme", values="contact_wait_s", observed=True)
    notes: list[str] = []
    for rival in ("collaborative-uniform", "collaborative-proportional"):
        if not {"collaborative", rival} <= set(delays.columns):
            continue
        both = delays[["collaborative", rival]].dropna()
        late_s = both["collaborative"] - both[rival]
        slower = late_s[late_s > _SAME_S]
        note = f"collaborative is slower than {rival} in {len(slower)} of the {len(both)} slots that both deliver"
        if len(slower):
            waited_s = (waits["collaborative"] - waits[rival])[slower.index]
            cause = "waiting for a contact" if waited_s.sum() > 0.5 * slower.sum() else "queues of earlier tasks"
            note += f", by {slower.max():.3g} s at most and {slower.mean():.3g} s on average, mostly by {cause}"
        notes.append(note)
    return notes


_SAME_S = 1e-6  # delays that differ by less are the same up to rounding


def infeasible_summary(reason: str, planner_used: str | None) -> dict[str, Any]:
    """Return the summary of a scheme that cannot run."""
    nothing: dict[str, float | None] = {"mean": None, "p50": None, "p95": None, "max": None}
    return {
        "status": "infeasible",
        "reason": reason,
        "planner_used": planner_used,
        "tasks": 0,
        "delivered": 0,
        "unfinished": 0,
        "undeliverable": 0,
        "delay_s": dict(nothing),
        "service_s": dict(nothing),
        "isl_bytes": 0.0,
        "downlink_bytes": 0.0,
        "energy_j": None,
        "cost_origin": {"measured": None, "modelled": None, "published": None},
    }
