"""Rates of links: against time, elevation and distance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orbitsim.report.blocks import Choice, Figure, Table
from orbitsim.report.charts.axes import HOUR_S, axis, time_axis
from orbitsim.report.data import RunData
from orbitsim.report.palette import sequence_name
from orbitsim.report.wording import figures, in_html, in_plot, number, rate

MOST_LINKS = 12  # of each kind, those that carried most
_MOST_POINTS = 6000  # of one figure
_MBPS = 1e6
_KINDS = {"downlink": "downlinks", "isl": "crosslinks"}


def _chosen(run: RunData) -> dict[str, pd.DataFrame]:
    """Return the rows of the links that carried most bytes over all schemes, downlinks first."""
    links = run.tables["links"]
    resources = run.tables.get("resources")
    carried: dict[str, float] = {}
    if resources is not None:
        by_place = resources.groupby(resources["place"].astype(str))["n_bytes"].sum()
        carried = {str(place): float(n_bytes) for place, n_bytes in by_place.items()}
    found: dict[str, pd.DataFrame] = {}
    for kind in ("downlink", "isl"):
        rows = links[links["kind"] == kind]
        names = sorted(dict.fromkeys(rows["link"].astype(str)), key=lambda name: (-carried.get(name, 0.0), name))
        for name in sorted(names[:MOST_LINKS]):
            found[name] = rows[rows["link"] == name]
    return found


def _stepped(rows: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return times and rates without the middles of runs of one rate; not-a-number while closed. [s, bit/s]"""
    t_s, rate_bps = rows["t_s"].to_numpy(), rows["rate_bps"].to_numpy(dtype=np.float64)
    same = np.zeros(len(t_s), dtype=bool)
    same[1:-1] = (rate_bps[1:-1] == rate_bps[:-2]) & (rate_bps[1:-1] == rate_bps[2:])
    t_s, rate_bps = t_s[~same], rate_bps[~same]
    return t_s, np.where(rate_bps > 0.0, rate_bps, np.nan)


def fixed_rate_bps(rows: pd.DataFrame) -> float | None:
    """Return the one rate that links have whenever they are open; None where there are several, or none. [bit/s]"""
    rates_bps = rows.loc[rows["open"], "rate_bps"].unique()
    return float(rates_bps[0]) if len(rates_bps) == 1 else None


def link_rates(run: RunData) -> list[Figure | str]:
    """Return what there is to see of rates: plots of those that vary, a sentence and a table for those that do not."""
    links = run.tables["links"]
    if not len(links):
        return []
    by_kind = {kind: links[links["kind"] == kind] for kind in _KINDS}
    by_kind = {kind: rows for kind, rows in by_kind.items() if len(rows)}
    fixed_bps = {kind: rate_bps for kind, rows in by_kind.items() if (rate_bps := fixed_rate_bps(rows)) is not None}
    sentence = " ".join(f"{_KINDS[kind].capitalize()}: fixed at {rate(bps)}." for kind, bps in fixed_bps.items())
    over_time = rate_over_time(run, frozenset(fixed_bps))
    over_geometry = rate_over_geometry(run, frozenset(fixed_bps))
    if over_time is None:
        more = " at any elevation and distance" if "downlink" in fixed_bps else ""
        table = _table(_chosen(run)).html()
        words = (
            f'<div class="card note" id="rate-fixed"><h3>Rates of the links</h3><p>{in_html(sentence)} These are the'
            f" rates of every open link at any time{more}, so there is nothing to plot; when links are open is shown"
            f' above.</p><details class="data"><summary>Data of every link</summary>{table}</details></div>'
        )
        return [words]
    found: list[Figure | str] = [over_time]
    if over_geometry is not None:
        found.append(over_geometry)
    elif "downlink" in by_kind and "downlink" not in fixed_bps:
        found.append(
            '<div class="card note"><h3>Rate against elevation</h3><p>No geometry lies behind the downlinks of this'
            " run (<code>links.downlink.availability</code> is not <code>contacts</code>), so there is no elevation."
            "</p></div>"
        )
    return found


def rate_over_time(run: RunData, fixed: frozenset[str] = frozenset()) -> Figure | None:
    """Return the rates of the links over time, without the kinds whose rate is fixed; None where no kind is left."""
    chosen = _chosen(run)
    per_link = max(50, _MOST_POINTS // max(1, len(chosen)))
    views: dict[str, dict[str, Any]] = {}
    thinned = False
    present = []
    for kind in _KINDS:
        if kind in fixed:
            continue
        of_kind = {name: rows for name, rows in chosen.items() if str(rows["kind"].iloc[0]) == kind}
        if not of_kind:
            continue
        present.append(kind)
        lines: dict[str, dict[str, Any]] = {}
        for name, rows in of_kind.items():
            t_s, rate_bps = _stepped(rows)
            every = -(-len(t_s) // per_link)
            thinned |= every > 1
            group = name.rpartition(">")[2] if kind == "downlink" else "crosslinks"
            line = lines.setdefault(group, {"x": [], "y": [], "customdata": []})
            line["x"] += [*figures(t_s[::every] / HOUR_S), None]
            line["y"] += [*figures(rate_bps[::every] / _MBPS), None]
            line["customdata"] += [in_plot(name)] * (len(t_s[::every]) + 1)
        traces = [
            {
                "type": "scatter", "mode": "lines+markers", "name": in_plot(group), "connectgaps": False, **line,
                "line": {"color": f"@{sequence_name(index)}", "width": 1.5},
                "marker": {"size": 4, "color": f"@{sequence_name(index)}"},
                "hovertemplate": "%{customdata}<br>%{x:.3f} h: %{y:,.4g} Mbit/s<extra></extra>",
            }
            for index, (group, line) in enumerate(lines.items())
        ]  # fmt: skip
        views[kind] = {
            "data": traces,
            "layout": {
                "xaxis": time_axis(run.span_s),
                "yaxis": axis("rate [Mbit/s]", rangemode="tozero"),
                "hovermode": "closest",
                "showlegend": len(traces) > 1,
            },
        }
    if not present:
        return None
    n_all = run.tables["links"]["link"].nunique()
    note = f" Of {n_all:,} links those are shown that carried most." if n_all > len(chosen) else ""
    note += " Every so many of the points are shown." if thinned else ""
    down, isl = run.scenario.links.downlink, run.scenario.links.isl
    modes = f"Downlinks: {_mode(down)}. Crosslinks: {_mode(isl)}."
    return Figure(
        key="rate-time",
        title="Rate of the links over time",
        caption=f"{modes} At the steps of the clock, a gap while a link is closed; links with equal rates lie upon"
        f" one another." + note,
        alt="Lines: rate of each link over time, interrupted while the link is closed.",
        views=views,
        table=_table(chosen),
        choices=(Choice("kind", "Show", [(kind, _KINDS[kind]) for kind in present]),) if len(present) > 1 else (),
        height=340,
    )


def rate_over_geometry(run: RunData, fixed: frozenset[str] = frozenset()) -> Figure | None:
    """Return rates against elevation and distance, without kinds whose rate is fixed; None where there are none."""
    links = run.tables["links"]
    links = links[links["open"]]
    views: dict[str, dict[str, Any]] = {}
    words = {
        "elevation": ("downlinks against elevation", "downlink", "elevation_deg", 1.0, "elevation [deg]"),
        "distance": ("downlinks against distance", "downlink", "range_m", 1e3, "distance [km]"),
        "isl": ("crosslinks against distance", "isl", "range_m", 1e3, "distance [km]"),
    }
    rows_of: list[list[str]] = []
    for key, (_, kind, column, unit, title) in words.items():
        rows = links[(links["kind"] == kind) & links[column].notna()]
        if not len(rows) or kind in fixed:
            continue
        every = -(-len(rows) // (_MOST_POINTS // 2))
        thin = rows.iloc[::every].sort_values(column, kind="stable")
        ends = thin["link"].astype(str).str.split(">").str[-1]
        groups = dict.fromkeys(ends) if kind == "downlink" else {"crosslinks": None}
        traces = []
        for index, group in enumerate(groups):
            of_one = thin[ends == group] if kind == "downlink" else thin
            traces.append(
                {
                    "type": "scatter", "mode": "markers", "name": in_plot(group),
                    "x": figures(of_one[column] / unit), "y": figures(of_one["rate_bps"] / _MBPS),
                    "customdata": [in_plot(name) for name in of_one["link"].astype(str)],
                    "hovertemplate": f"%{{customdata}}<br>%{{x:,.4g}} {'deg' if unit == 1.0 else 'km'}: %{{y:,.4g}}"
                    f" Mbit/s<extra></extra>",
                    "marker": {"size": 5, "opacity": 0.6, "color": f"@{sequence_name(index)}"},
                }
            )  # fmt: skip
        views[key] = {
            "data": traces,
            "layout": {
                "xaxis": axis(title),
                "yaxis": axis("rate [Mbit/s]", rangemode="tozero"),
                "hovermode": "closest",
                "showlegend": len(traces) > 1,
            },
        }
        rows_of += _binned(rows, column, unit, title, words[key][0])
    if not views:
        return None
    return Figure(
        key="rate-elevation",
        title=f"Rate of the links against {'elevation and ' if 'elevation' in views else ''}distance",
        caption="Each point is an open link at a step of the clock (every so many where there are thousands).",
        alt="Points: rate of open links against the elevation of the satellite over the station, or the distance.",
        views=views,
        table=Table("Rates by elevation and distance", ["what", "from", "to", "samples", "lowest", "median",
        "highest"], rows_of),
        choices=(Choice("against", "Show", [(key, words[key][0]) for key in views]),),
        height=340,
    )  # fmt: skip


def _binned(rows: pd.DataFrame, column: str, unit: float, title: str, what: str) -> list[list[str]]:
    """Return lowest, median and highest rate in eight ranges of a column."""
    values, rates = rows[column].to_numpy() / unit, rows["rate_bps"].to_numpy()
    edges = np.linspace(values.min(), values.max(), 9)
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, 7)
    symbol = title[title.index("[") + 1 : -1]
    return [
        [what, f"{number(float(edges[i]))} {symbol}", f"{number(float(edges[i + 1]))} {symbol}",
         f"{int((place == i).sum()):,}",
         *(rate(float(f(rates[place == i]))) for f in (np.min, np.median, np.max))]
        for i in range(8)
        if (place == i).any()
    ]  # fmt: skip


def _table(chosen: dict[str, pd.DataFrame]) -> Table:
    rows = []
    for name, of_one in chosen.items():
        rates = of_one.loc[of_one["open"], "rate_bps"]
        ranges = of_one.loc[of_one["open"], "range_m"] / 1e3
        rows.append(
            [
                name,
                str(of_one["kind"].iloc[0]),
                f"{of_one['open'].mean():.1%}",
                *(rate(float(getattr(rates, what)())) if len(rates) else "-" for what in ("min", "median", "max")),
                f"{number(float(ranges.min()))} to {number(float(ranges.max()))}" if len(ranges) else "-",
            ]
        )
    columns = ["link", "kind", "open", "lowest rate", "median rate", "highest rate", "distance while open [km]"]
    return Table("Rates of the links", columns, rows, frozenset({1}), "links.parquet")


def _mode(link: Any) -> str:
    if link.mode == "fixed":
        return f"fixed at {rate(link.rate_bps)}"
    return "computed from link budgets" if link.mode == "budget" else f"{link.mode}"
