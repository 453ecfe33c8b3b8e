"""How busy every processor and link is, slot by slot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orbitsim.report.blocks import Choice, Figure, Table
from orbitsim.report.charts.axes import HOUR_S, axis, time_axis
from orbitsim.report.data import RunData, records
from orbitsim.report.palette import scheme_style
from orbitsim.report.wording import figures, in_plot, number
from orbitsim.results.wording import size

MOST_PLACES = 48
_SHOWN = ("processors", "links")
_MOST_SLOTS = 400  # of the heat map: more are joined
Busy = dict[str, dict[str, NDArray[np.float64]]]
"""Busy seconds in each slot, by scheme and place."""


class SlotCounter:
    """Adds up the time in service of every place in every slot, a part of the table at a time.

    Parameters
    ----------
    span_s : float
        Length of the scenario. [s]
    slot_s : float
        Length of its slots. [s]
    """

    def __init__(self, span_s: float, slot_s: float) -> None:
        n_slots = max(1, round(span_s / slot_s))
        self.n_slots = -(-n_slots // -(-n_slots // _MOST_SLOTS))
        self.slot_s = span_s / self.n_slots
        self.busy: Busy = {}

    def add(self, rows: pd.DataFrame) -> None:
        """Add rows of `batches`."""
        for (scheme, place), part in rows.groupby(["scheme", "place"], observed=True, sort=False):
            totals = self.busy.setdefault(str(scheme), {}).setdefault(str(place), np.zeros(self.n_slots))
            totals += busy_by_slot(part["start_s"].to_numpy(), part["end_s"].to_numpy(), self.slot_s, self.n_slots)


def busy_by_slot(
    start_s: NDArray[np.float64], end_s: NDArray[np.float64], slot_s: float, n_slots: int
) -> NDArray[np.float64]:
    """Return how much of some intervals lies in each slot; they may overlap, and span slots. [s]"""
    edges = slot_s * np.arange(n_slots + 1, dtype=np.float64)
    starts, ends = np.clip(start_s, 0.0, edges[-1]), np.clip(end_s, 0.0, edges[-1])
    # Time before a moment t that intervals cover is the sum of max(0, t - start) less that of max(0, t - end).
    return np.diff(_ramps(np.sort(starts), edges) - _ramps(np.sort(ends), edges))


def _ramps(ordered: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of max(0, t - x) over ordered x, for each t."""
    before = np.searchsorted(ordered, at, side="left")
    total: NDArray[np.float64] = before * at - np.concatenate([[0.0], np.cumsum(ordered)])[before]
    return total


def utilisation(run: RunData, counter: SlotCounter | None) -> Figure:
    """Return the heat map of places and slots; without recorded mini-batches the means over the whole scenario."""
    table = _table(run)
    if counter is None or not counter.busy:
        return _means(run, table)
    views = {}
    height = 0
    left_out = False
    for scheme in run.schemes:
        busy, kind_of = counter.busy.get(scheme, {}), _kinds(run, scheme)
        for kind in _SHOWN:
            of_kind = {
                place: seconds
                for place, seconds in busy.items()
                if (kind_of.get(place) == "processor") == (kind == "processors")
            }
            places = _busiest(of_kind, kind_of)
            left_out |= len(of_kind) > len(places)
            views[f"{scheme}|{kind}"] = _view(run, counter, {place: busy[place] for place in places})
            height = max(height, _height(len(places)))
    words = (
        f"Share of each {number(counter.slot_s)} s that a processor or link is in service; a transfer that an"
        " outage interrupts counts as in service."
    )
    if left_out:
        words += f" Of each kind the {MOST_PLACES} busiest are shown."
    if run.scenario.run.backlog == "independent":
        words += " Tasks of this run are independent and do not share places: a place may be busy with several at once."
    return Figure(
        key="utilisation",
        title="Utilisation of processors and links",
        caption=words,
        alt="Heat map: how busy each processor and link is in each slot.",
        views=views,
        table=table,
        choices=(
            Choice("scheme", "Scheme", [(scheme, scheme) for scheme in run.schemes]),
            Choice("kind", "Show", [(kind, kind) for kind in _SHOWN]),
        ),
        height=_height(MOST_PLACES // 4),
    )


def _view(run: RunData, counter: SlotCounter, busy: Mapping[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Return the heat map of some places; its scale ends at 100 %, or where links that carry little end."""
    share_pct = 100.0 * np.array(list(busy.values())).reshape(-1, counter.n_slots) / counter.slot_s
    most_pct = float(share_pct.max(initial=0.0))
    top_pct = next((top for top in (1.0, 2.0, 5.0, 10.0, 20.0, 50.0) if most_pct <= top), 100.0)
    middles_h = (np.arange(counter.n_slots) + 0.5) * counter.slot_s / HOUR_S
    return {
        "data": [
            {
                "type": "heatmap", "x": figures(middles_h), "y": [in_plot(place) for place in busy],
                "z": [figures(row, 3) for row in share_pct], "zmin": 0, "zmax": top_pct, "colorscale": "@heat",
                "colorbar": {
                    "title": {"text": "busy [%]", "side": "right", "font": {"size": 13}}, "thickness": 12,
                    "outlinewidth": 0,
                },
                "ygap": 1, "hovertemplate": "%{y} at %{x:.2f} h: busy %{z:.3g} %<extra></extra>",
            }
        ],
        "layout": {
            "xaxis": time_axis(run.span_s, showgrid=False),
            "yaxis": axis("", type="category", autorange="reversed", automargin=True, showgrid=False),
            "height": _height(len(busy)),
        },
    }  # fmt: skip


def _height(n_places: int) -> int:
    return 130 + 20 * max(4, n_places)


def _kinds(run: RunData, scheme: str) -> dict[str, str]:
    rows = run.of_scheme("resources", scheme)
    return dict(zip(rows["place"].astype(str), rows["kind"].astype(str), strict=True))


def _busiest(busy: Mapping[str, NDArray[np.float64]], kind_of: Mapping[str, str]) -> list[str]:
    """Return the busiest places: crosslinks before downlinks, each in order of name."""
    most = sorted(busy, key=lambda place: (-float(busy[place].sum()), place))[:MOST_PLACES]
    return sorted(most, key=lambda place: (kind_of.get(place) == "downlink", place))


def _means(run: RunData, table: Table) -> Figure:
    traces = []
    resources = run.tables["resources"]
    mean = resources.groupby(resources["place"].astype(str), sort=False)["utilisation"].max()
    places = sorted(mean.sort_values(ascending=False, kind="stable").index[:MOST_PLACES])
    for index, scheme in enumerate(run.schemes):
        rows = run.of_scheme("resources", scheme).set_index("place")["utilisation"]
        rows.index = rows.index.astype(str)
        traces.append(
            {
                "type": "bar", "orientation": "h", "name": in_plot(scheme), "y": [in_plot(place) for place in places],
                "x": figures([100.0 * float(rows.get(place, 0.0)) for place in places]),
                "marker": {"color": f"@{scheme_style(scheme, index).name}"},
                "hovertemplate": "%{y}: busy %{x:.3g} %",
            }
        )  # fmt: skip
    return Figure(
        key="utilisation",
        title="Utilisation of processors and links",
        caption='Mini-batches were not recorded (run.record = "tasks"), so there is no utilisation by slot: means'
        " over the"
        " time in which a place could have served."
        + (f" The {MOST_PLACES} busiest places are shown." if len(mean) > MOST_PLACES else ""),
        alt="Bars: mean utilisation of each processor and link for each scheme.",
        views={
            "": {
                "data": traces,
                "layout": {
                    "barmode": "group",
                    "bargap": 0.25,
                    "xaxis": axis("busy [% of the time it was open]", rangemode="tozero"),
                    "yaxis": axis("", type="category", autorange="reversed", automargin=True, showgrid=False),
                    "hovermode": "closest",
                },
            }
        },
        table=table,
        height=150 + 12 * max(1, len(places)) * max(1, len(run.schemes)),
    )


def _table(run: RunData) -> Table:
    rows = [
        [f"{row.scheme}, {row.place}", str(row.kind), number(row.busy_s), number(row.open_s), f"{row.utilisation:.3%}",
         size(row.n_bytes), f"{row.n_served:,}"]
        for row in records(run.tables["resources"])
    ]  # fmt: skip
    columns = ["scheme and place", "kind", "busy [s]", "open [s]", "utilisation", "carried", "mini-batches served"]
    return Table("Utilisation over the whole scenario", columns, rows, frozenset({1}), "resources.parquet")
