"""Rates of links over time and elevation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from orbitsim.report.charts.link_rates import fixed_rate_bps
from orbitsim.report.data import RunData
from orbitsim.report.figures.style import new_figure, time_axis
from orbitsim.report.palette import COLORS, sequence_name
from orbitsim.report.wording import rate as rate_words

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
    """Draw the rate of each downlink over time, and how many are open at once; the latter alone for a fixed rate."""
    found = _downlinks(run)
    if not found:
        return None
    fixed_bps = fixed_rate_bps(pd.concat([rows for _, rows in found]))
    if fixed_bps is not None:
        figure, (below,) = new_figure(1, 1, height_in=1.9)
        _open_at_once(below, run, found)
        below.set_title(f"{run.name}: downlinks, each at the fixed rate of {rate_words(fixed_bps)} while open")
        return figure
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
    _open_at_once(below, run, found)
    return figure


def _open_at_once(axes: Any, run: RunData, found: list[tuple[str, pd.DataFrame]]) -> None:
    """Draw how many downlinks are open at every step of the clock."""
    unit_s, step_s = time_axis(axes, run.span_s), run.scenario.clock.step_s
    n_open = pd.concat([rows["t_s"] for _, rows in found]).value_counts().sort_index()
    axes.bar(n_open.index / unit_s, n_open.to_numpy(), width=step_s / unit_s, color=COLORS["green"].light, linewidth=0)
    axes.set_ylabel("open\nat once")
    axes.set_ylim(0, n_open.max() + 0.5)


def rate_over_elevation(run: RunData) -> Figure | None:
    """Draw rate, unless it is fixed, and distance of open downlinks over elevation; nothing without a geometry."""
    links = run.tables["links"]
    rows = links[(links["kind"] == "downlink") & links["open"] & links["elevation_deg"].notna()]
    if not len(rows):
        return None
    fixed_bps = fixed_rate_bps(rows)
    figure, panels = new_figure(1, 2 if fixed_bps is None else 1, height_in=2.8 if fixed_bps is None else 2.3)
    right = panels[-1]
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
        if fixed_bps is None:
            panels[0].plot(elevation_deg, mine["rate_bps"].to_numpy() / _GBPS, **look)
        right.plot(elevation_deg, mine["range_m"].to_numpy() / 1e3, **look)
    right.set_ylabel("distance [km]")
    for axes in panels:
        axes.set_xlabel("elevation at the station [deg]")
    if fixed_bps is None:
        panels[0].set_ylabel("rate [Gbit/s]")
        panels[0].set_ylim(bottom=0.0)
        panels[0].set_title(f"{run.name}: rate of the downlinks")
    else:
        right.set_title(f"{run.name}: rate fixed at {rate_words(fixed_bps)} at every elevation")
    right.legend(loc="best")
    return figure
