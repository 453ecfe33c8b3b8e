"""Figures of a sweep: lines over an axis in small panels, and the best scheme over two axes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from orbitsim.report.blocks import Figure, Table
from orbitsim.report.palette import scheme_style
from orbitsim.report.sweep_data import SweepData
from orbitsim.report.wording import figures, number
from orbitsim.results.wording import energy, seconds, size

MOST_VALUES = 24  # of an axis that is chosen value by value; one with more is drawn as points
MOST_ROWS = 20_000
_LOG_FROM = 20.0  # largest over smallest value from which on an axis is logarithmic

QUANTITIES = (
    ("delay_mean_s", "mean delay", "s", "min"),
    ("delay_p50_s", "median delay", "s", "min"),
    ("delay_p95_s", "95th percentile of the delay", "s", "min"),
    ("service_mean_s", "mean service time", "s", "min"),
    ("delivered_pct", "share of tasks delivered", "%", "max"),
    ("downlink_bytes", "bytes over downlinks", "B", "min"),
    ("isl_bytes", "bytes over crosslinks", "B", "min"),
    ("energy_j", "energy of computing", "J", "min"),
    ("accuracy_min", "lowest accuracy of a plan", "1", "max"),
)
_UNITS = {"bps": "bit/s", "m": "m", "s": "s", "deg": "deg", "bytes": "B", "hz": "Hz", "dbm": "dBm", "dbw": "dBW",
          "dbi": "dBi", "db": "dB", "k": "K", "rad": "rad", "w": "W", "pct": "%", "j": "J"}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Axis:
    """An axis of a sweep.

    Attributes
    ----------
    name : str
        Its scenario path.
    twins : tuple of str
        Paths that always change together with it.
    label : str
        Its path with its unit.
    values : list
        Its values, in their order.
    at : list of int
        For each row the place of its value.
    numeric, log, continuous : bool
        Whether they are numbers, span orders of magnitude, and are too many to be chosen one by one.
    """

    name: str
    twins: tuple[str, ...]
    label: str
    values: list[Any]
    at: list[int]
    numeric: bool
    log: bool
    continuous: bool


def sweep_axes(sweep: SweepData) -> list[Axis]:
    """Return the axes that have more than one value; those that always change together are one."""
    found: list[Axis] = []
    for name in sweep.axes:
        column = sweep.results[name]
        codes, uniques = pd.factorize(column, use_na_sentinel=False)
        values = [
            None if isinstance(v, float) and np.isnan(v) else getattr(v, "item", lambda v=v: v)() for v in uniques
        ]
        numeric = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
        if numeric:
            order = np.argsort(np.array(values, dtype=np.float64), kind="stable")
            rank = np.empty_like(order)
            rank[order] = np.arange(len(order))
            codes, values = rank[codes], [values[i] for i in order]
        sampled = name in sweep.sampled
        twin = None if sampled else next((axis for axis in found if _together(axis.at, codes.tolist())), None)
        if twin is not None:
            found[found.index(twin)] = replace(twin, twins=(*twin.twins, name))
            continue
        log = numeric and _spans_orders([float(value) for value in values if value is not None])
        shown = values if numeric else ["not set" if value is None else str(value) for value in values]
        continuous = numeric and (sampled or len(values) > MOST_VALUES)
        found.append(Axis(name, (), _label(name), shown, codes.tolist(), numeric, log, continuous))
    return [axis for axis in found if len(axis.values) > 1]


def _spans_orders(values: list[float]) -> bool:
    return min(values) > 0.0 and max(values) / min(values) >= _LOG_FROM


def _together(a: list[int], b: list[int]) -> bool:
    """Return whether each value of one axis comes with one value of the other."""
    pairs = set(zip(a, b, strict=True))
    return len(pairs) == len(set(a)) == len(set(b)) and len(pairs) > 1


def _label(name: str) -> str:
    unit = _UNITS.get(name.rpartition("_")[2]) if "_" in name else None
    return f"{name} [{unit}]" if unit else name


def _extra(sweep: SweepData, axes: list[Axis]) -> dict[str, Any]:
    """Return the rows as columns, for the page's script."""
    rows = sweep.results.iloc[:MOST_ROWS]
    schemes = list(dict.fromkeys(rows["scheme"].astype(str)))
    data: dict[str, list[float | None]] = {}
    quantities = []
    for key, words, unit, best in QUANTITIES:
        if key == "delivered_pct":
            values = 100.0 * rows["delivered"].astype("float64") / rows["tasks"].astype("float64")
        elif key in rows.columns:
            values = rows[key].astype("float64")
        else:
            continue
        if values.notna().any():
            data[key] = figures(values)
            quantities.append({"key": key, "words": words, "unit": unit, "best": best, "label": f"{words} [{unit}]"})
    styles = [scheme_style(scheme, index) for index, scheme in enumerate(schemes)]
    return {
        "axes": [
            {"name": axis.name, "label": axis.label, "values": axis.values, "at": axis.at[:MOST_ROWS],
             "numeric": axis.numeric, "log": axis.log, "continuous": axis.continuous}
            for axis in axes
        ],
        "quantities": quantities,
        "schemes": schemes,
        "styles": [{"color": style.name, "dash": style.dash, "symbol": style.symbol} for style in styles],
        "scheme": [schemes.index(name) for name in rows["scheme"].astype(str)],
        "cell": rows["cell"].astype(int).tolist(),
        "data": data,
        "allowAll": any(axis.continuous for axis in axes) or _is_scattered(sweep, axes),
        "scattered": any(axis.continuous for axis in axes) or _is_scattered(sweep, axes),
    }  # fmt: skip


def _is_scattered(sweep: SweepData, axes: list[Axis]) -> bool:
    """Return whether the cells are a sample of the axes rather than (most of) the grid that these span."""
    grid = float(np.prod([float(len(axis.values)) for axis in axes])) if axes else 1.0
    return sweep.results["cell"].nunique() < 0.5 * grid


def sweep_figures(sweep: SweepData) -> list[Figure]:
    """Return the figures; none where no axis has two values or no scheme ran."""
    axes = sweep_axes(sweep)
    extra = _extra(sweep, axes)
    if not axes or not extra["quantities"]:
        return []
    numeric = [axis.name for axis in axes if axis.numeric]
    x = (numeric or [axis.name for axis in axes])[0]
    others = [axis.name for axis in axes if axis.name != x]
    few = [axis.name for axis in axes if axis.name != x and not axis.continuous and len(axis.values) <= 9]
    left = len(sweep.results) - MOST_ROWS
    note = f" The first {MOST_ROWS:,} of {len(sweep.results):,} rows are drawn." if left > 0 else ""
    if extra["scattered"]:
        note += " The cells are a sample of the axes, so they are points without lines."
    caution = " Means are over delivered tasks: a scheme that delivers fewer may seem faster, so look at the share too."
    found = [
        Figure(
            key="sweep-lines",
            title="Schemes over an axis",
            caption="One panel for each value of an axis; the other axes are held at the values chosen."
            + caution
            + note,
            alt="Lines or points: the chosen quantity of each scheme over the chosen axis, in panels by another axis.",
            views={},
            height=420,
            kind="sweep-lines",
            extra={**extra, "first": {"x": x, "panels": few[0] if few else "-"}},
        )
    ]
    if len(axes) > 1 and len(extra["schemes"]) > 1:
        found.append(
            Figure(
                key="sweep-winner",
                title="The best scheme over two axes",
                caption="Colour: the scheme with the best value of all that ran in a cell, and by how much the next is"
                " worse; grey where several are within 1 % of the best, which decides nothing." + caution + note,
                alt="Map of fields: the best scheme for each pair of values of two axes, and its margin.",
                views={},
                height=420,
                kind="sweep-winner",
                extra={**extra, "first": {"x": x, "y": others[0]}},
            )
        )
    return found


def sweep_table(sweep: SweepData) -> Table:
    """Return the rows of all cells in words."""
    rows = []
    for row in sweep.results.iloc[:MOST_ROWS].to_dict(orient="records"):
        ok = row["status"] == "ok"
        share = f"{row['delivered']:.0f} of {row['tasks']:.0f}" if ok else "-"
        rows.append(
            [
                f"{row['cell']}, {row['scheme']}",
                *(_text(row[axis]) for axis in sweep.axes),
                str(row["status"]),
                share,
                *(seconds(_known(row.get(key))) for key in ("delay_mean_s", "delay_p95_s", "service_mean_s")),
                *(
                    "-" if (value := _known(row.get(key))) is None else size(value)
                    for key in ("isl_bytes", "downlink_bytes")
                ),
                "-" if not ok else "unknown" if (value := _known(row.get("energy_j"))) is None else energy(value),
            ]
        )
    columns = ["cell and scheme", *(_label(axis) for axis in sweep.axes), "status", "delivered", "mean delay",
               "95 % of delay", "mean service", "crosslinks", "downlink", "energy"]  # fmt: skip
    return Table("Every cell and scheme", columns, rows, rest="results.parquet")


def _known(value: Any) -> float | None:
    return None if value is None or value != value else float(value)


def _text(value: Any) -> str:
    return number(value, 6) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)
