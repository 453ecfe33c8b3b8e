"""Rates of links over time and elevation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from orbitsim.report.data import RunData
from orbitsim.report.figures.style import new_figure, time_axis
from orbitsim.report.palette import COLORS, sequence_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_LINKS = 8  # colours that can be told apart
_GBPS = 1e9


def _downlinks(run: RunData) -> list[tuple[str, pd.DataFrame]]:
    """Return the downlinks that are ever open, those with the most time first."""
    links = run.tables["links"]
    rows = links[(links["kind"] == "downlink") & links["open"]]
    found = [(str(name), part) for name, part in rows.groupby("link", observed=True, sort=True)]
    return sorted(found, key=lambda item: -len(item[1]))


def rate_over_time(run: RunData) -> Figure | None:
    """Draw the rate of each downlink over time, and how many are open at once."""
    found = _downlinks(run)
    if not found:
        return None
    figure, (above, below) = new_figure(2, 1, height_in=3.3, sharex=True, height_ratios=(3, 1))
    step_s = run.scenario.clock.step_s
    unit_s = time_axis(below, run.span_s)
    for index, (name, rows) in enumerate(found[:_MOST_LINKS]):
        t_s, rate = rows["t_s"].to_numpy(), rows["rate_bps"].to_numpy() / _GBPS
        gaps = np.flatnonzero(np.diff(t_s) > 1.5 * step_s) + 1
        color = COLORS[sequence_name(index)].light
        for part, (t, r) in enumerate(zip(np.split(t_s, gaps), np.split(rate, gaps), strict=True)):
            edges = np.append(t - step_s / 2, t[-1] + step_s / 2) / unit_s
            above.step(
                np.concatenate(([edges[0]], edges, [edges[-1]])),
                np.concatenate(([0.0, r[0]], r, [0.0]))[: len(edges) + 2],
                where="post", color=color, linewidth=1.0, label=name if part == 0 else None,
            )  # fmt: skip
    above.set_ylabel("rate [Gbit/s]")
    above.set_ylim(bottom=0.0)
    shown = "" if len(found) <= _MOST_LINKS else f" ({_MOST_LINKS} of {len(found)}, those open longest)"
    mode = run.scenario.links.downlink.mode
    above.set_title(f"{run.name}: downlinks{shown}, rates {'fixed' if mode == 'fixed' else 'from the link budget'}")
    figure.legend(loc="outside right upper")
    n_open = pd.concat([rows["t_s"] for _, rows in found]).value_counts().sort_index()
    below.bar(n_open.index / unit_s, n_open.to_numpy(), width=step_s / unit_s, color=COLORS["green"].light, linewidth=0)
    below.set_ylabel("open\nat once")
    below.set_ylim(0, n_open.max() + 0.5)
    return figure


def rate_over_elevation(run: RunData) -> Figure | None:
    """Draw rate and distance of open downlinks over elevation; nothing where no geometry lies behind them."""
    links = run.tables["links"]
    rows = links[(links["kind"] == "downlink") & links["open"] & links["elevation_deg"].notna()]
    if not len(rows):
        return None
    figure, (left, right) = new_figure(1, 2, height_in=2.8)
    stations = rows["link"].astype(str).str.rpartition(">")[2]
    for index, station in enumerate(dict.fromkeys(stations)):
        mine = rows[stations == station]
        color = COLORS[sequence_name(index)].light
        marker = "osD^v"[index % 5]
        look: dict[str, Any] = {
            "color": color,
            "marker": marker,
            "markersize": 2.5,
            "linestyle": "none",
            "label": f"to {station}",
        }
        elevation_deg = mine["elevation_deg"].to_numpy()
        left.plot(elevation_deg, mine["rate_bps"].to_numpy() / _GBPS, **look)
        right.plot(elevation_deg, mine["range_m"].to_numpy() / 1e3, **look)
    left.set_ylabel("rate [Gbit/s]")
    left.set_ylim(bottom=0.0)
    right.set_ylabel("distance [km]")
    for axes in (left, right):
        axes.set_xlabel("elevation at the station [deg]")
    mode = run.scenario.links.downlink.mode
    left.set_title(f"{run.name}: {'fixed rate' if mode == 'fixed' else 'rate from the link budget'}")
    right.legend(loc="best")
    return figure
