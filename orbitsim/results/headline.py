"""The headline of a run: one row for each scheme, in the words of people, and as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orbitsim.results.wording import energy, seconds, size

if TYPE_CHECKING:
    import pandas as pd

HEADINGS = (
    "scheme", "tasks", "delivered", "undeliv.", "delay mean", "p95", "max", "service mean", "ISL", "downlink", "energy",
)  # fmt: skip


def headline_row(scheme: str, item: Mapping[str, Any]) -> list[str]:
    """Return a scheme's row under `HEADINGS`, from its part of a run's summary."""
    if item["status"] == "infeasible":
        return [scheme, "infeasible", *[""] * (len(HEADINGS) - 2)]
    delay, service = item["delay_s"], item["service_s"]
    return [
        scheme,
        str(item["tasks"]),
        str(item["delivered"]),
        str(item["undeliverable"]),
        seconds(delay["mean"]),
        seconds(delay["p95"]),
        seconds(delay["max"]),
        seconds(service["mean"]),
        size(item["isl_bytes"]),
        size(item["downlink_bytes"]),
        "unknown" if item["energy_j"] is None else energy(item["energy_j"]),
    ]


def reasons(schemes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say of each scheme that cannot run why."""
    return [
        f"{scheme} cannot run: {item['reason']}" for scheme, item in schemes.items() if item["status"] == "infeasible"
    ]


def scheme_table(schemes: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return the same as numbers: a row for each scheme, units in the names of the columns; nan where not known."""
    import pandas as pd

    rows = []
    for item in schemes.values():
        row = {name: item[name] for name in ("status", "tasks", "delivered", "unfinished", "undeliverable")}
        for part in ("delay_s", "service_s"):
            row |= {f"{part[:-2]}_{name}_s": value for name, value in item[part].items()}
        row |= {name: item[name] for name in ("isl_bytes", "downlink_bytes", "energy_j")}
        row |= {f"{name}_share": value for name, value in item["cost_origin"].items()}
        rows.append(row | {"reason": item["reason"] or ""})
    table = pd.DataFrame(rows, index=pd.Index(list(schemes), name="scheme", dtype="str"))
    figures = [name for name in table.columns if name.endswith(("_s", "_j", "_share"))]
    return table.astype(dict.fromkeys(figures, "float64"))
