"""The tidy table of a sweep: a row for each cell and scheme, every column with its unit in its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orbitsim.plan.stages import ORIGINS
from orbitsim.sweep.cells import AxisColumn, Cell
from orbitsim.types.codec_table import CodecTable
from orbitsim.types.tables import Column

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

LEADING = (
    Column("cell", "int64", "place of the cell in the sweep"),
    Column("scheme", "string", "name of the scheme"),
)
"""Columns before those of the axes, which have the names of their scenario paths."""

FIGURES = (
    Column("status", "string", "ok; infeasible: the scheme has no plan; error: the cell failed"),
    Column("reason", "string", "why the scheme is infeasible", nullable=True),
    Column("error", "string", "why the cell failed", nullable=True),
    Column("planner_used", "string", "who made the plans", nullable=True),
    Column("tasks", "int64", "tasks that started", nullable=True),
    Column("delivered", "int64", "tasks delivered by the horizon", nullable=True),
    Column("unfinished", "int64", "tasks not delivered by the horizon", nullable=True),
    Column("undeliverable", "int64", "tasks that started after the last contact", nullable=True),
    Column("delay_mean_s", "float64", "end less start of delivered tasks, mean", nullable=True),
    Column("delay_p50_s", "float64", "median", nullable=True),
    Column("delay_p95_s", "float64", "95th percentile", nullable=True),
    Column("delay_max_s", "float64", "maximum", nullable=True),
    Column("service_mean_s", "float64", "delay less the last mini-batch's wait for a contact, mean", nullable=True),
    Column("service_p50_s", "float64", "median", nullable=True),
    Column("service_p95_s", "float64", "95th percentile", nullable=True),
    Column("service_max_s", "float64", "maximum", nullable=True),
    Column("isl_bytes", "float64", "bytes over crosslinks, once per hop", nullable=True),
    Column("downlink_bytes", "float64", "bytes over downlinks", nullable=True),
    Column("energy_j", "float64", "energy of computing; null where a power is not known", nullable=True),
    Column("energy_origin", "string", "weakest origin of the energy's figures", nullable=True),
    Column("accuracy_loss_max", "float64", "largest loss of a plan, over all its compressed hops", nullable=True),
    Column("accuracy_min", "float64", "accuracy without compression less that loss", nullable=True),
    Column("compute_s", "float64", "simulated time of computing, all nodes and tasks together", nullable=True),
    *(Column(f"{origin}_share", "float64", f"share of it in {origin} times", nullable=True) for origin in ORIGINS),
)
"""Columns after those of the axes."""

TIMES = (
    Column("cell", "int64", "place of the cell in the sweep"),
    Column("key", "string", "hash of the cell, which names its part file"),
    Column("worker", "string", "process that ran it"),
    Column("seconds", "float64", "time of the cell, as it passed"),
    Column("cpu_s", "float64", "processor time of the cell"),
    Column("made_s", "float64", "processor time of computing stages (geometry, links, costs), part of it"),
    Column("reused_s", "float64", "processor time that the reused stages took when they were computed; saved here"),
    Column("n_made", "int64", "parts computed"),
    Column("n_reused", "int64", "parts reused"),
    Column("traceback", "string", "of an unexpected error", nullable=True),
)
"""Columns of the table of times, which differ from machine to machine: one row for each cell."""


def schema(columns: Sequence[AxisColumn]) -> pa.Schema:
    """Return the schema of the results of a sweep with these axes."""
    import pyarrow as pa

    fixed = [pa.field(column.name, column.dtype, nullable=column.nullable) for column in (*LEADING, *FIGURES)]
    axes = [pa.field(column.name, column.type) for column in columns]
    return pa.schema([*fixed[: len(LEADING)], *axes, *fixed[len(LEADING) :]])


def times_schema() -> pa.Schema:
    """Return the schema of the table of times."""
    import pyarrow as pa

    return pa.schema([pa.field(column.name, column.dtype, nullable=column.nullable) for column in TIMES])


def result_rows(cell: Cell, summary: Mapping[str, Any], plans: pd.DataFrame | None, codec: CodecTable) -> list[Any]:
    """Return the rows of a cell that has run.

    Parameters
    ----------
    cell : Cell
        The cell.
    summary : mapping
        What `summary.json` holds of its run.
    plans : DataFrame or None
        Table `plans` of its run; None where no scheme had one.
    codec : CodecTable
        What compression costs.
    """
    return [
        _row(cell, scheme, **_figures(item, summary["compute"].get(scheme), _loss(plans, scheme, codec), codec))
        for scheme, item in summary["schemes"].items()
    ]


def error_rows(cell: Cell, message: str) -> list[Any]:
    """Return the rows of a cell that failed: one for each of its schemes."""
    return [_row(cell, scheme, status="error", error=message) for scheme in cell.scenario.run.schemes]


def _row(cell: Cell, scheme: str, **figures: Any) -> dict[str, Any]:
    empty = dict.fromkeys(column.name for column in FIGURES)
    return {"cell": cell.index, "scheme": scheme, **cell.values, **empty, **figures}


def _figures(
    item: Mapping[str, Any], compute: Mapping[str, Any] | None, loss: float | None, codec: CodecTable
) -> dict[str, Any]:
    if item["status"] != "ok":
        return {"status": item["status"], "reason": item["reason"], "planner_used": item["planner_used"]}
    plain = ("planner_used", "tasks", "delivered", "unfinished", "undeliverable", "isl_bytes", "downlink_bytes")
    spread = ((f"{what}_{name}_s", item[f"{what}_s"][name]) for what in ("delay", "service") for name in _SPREAD)
    return {
        "status": "ok",
        **{name: item[name] for name in plain},
        **dict(spread),
        "energy_j": item["energy_j"],
        "energy_origin": None if compute is None else compute["energy_origin"],
        "accuracy_loss_max": loss,
        "accuracy_min": None if loss is None else codec.baseline_accuracy - loss,
        "compute_s": None if compute is None else compute["seconds"],
        **{f"{origin}_share": share for origin, share in item["cost_origin"].items()},
    }


_SPREAD = ("mean", "p50", "p95", "max")


def _loss(plans: pd.DataFrame | None, scheme: str, codec: CodecTable) -> float | None:
    """Return the largest loss of accuracy of a scheme's plans, as far as the codec's table tells; None if unknown."""
    if plans is None:
        return None
    rows = plans[(plans["scheme"] == scheme) & plans["changed"]]
    losses = [codec.plan_loss(ratios) for ratios in _plans(rows)]
    largest = max(losses, default=float("nan"))
    return None if largest != largest else largest


def _plans(rows: pd.DataFrame) -> Iterator[list[float]]:
    """Yield the ratios of the compressed hops of each plan; its rows stand together, the first node first."""
    ratios: list[float] = []
    for index, (position, ratio) in enumerate(zip(rows["position"], rows["ratio"], strict=True)):
        if position == 0 and index:
            yield ratios
            ratios = []
        ratios += [] if ratio != ratio else [ratio]
    if len(rows):
        yield ratios
