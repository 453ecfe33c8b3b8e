"""Contacts with the ground and outages, over the day."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from orbitsim.report.blocks import Figure, Table
from orbitsim.report.charts.axes import HOUR_S, axis, time_axis
from orbitsim.report.data import RunData
from orbitsim.report.palette import CONTACTS
from orbitsim.report.wording import clock, figures, in_plot, number

MOST_LINES = 36  # of the figure: more cannot be told apart
_PIXELS = 4000  # a gap shorter than this part of the scenario is not to be seen

FloatArray = NDArray[np.float64]


def merged(start_s: FloatArray, end_s: FloatArray, gap_s: float = 0.0) -> tuple[FloatArray, FloatArray]:
    """Return the union of windows; those that a gap of at most `gap_s` parts become one. [s]"""
    if not len(start_s):
        return start_s, end_s
    order = np.argsort(start_s, kind="stable")
    first, last = start_s[order], np.maximum.accumulate(end_s[order])
    fresh = np.concatenate([[True], first[1:] > last[:-1] + gap_s])
    return first[fresh], last[np.concatenate([fresh[1:], [True]])]


def contact_share(run: RunData) -> dict[str, tuple[float, float | None, int]]:
    """Return of every station the share of time with a contact, the first contact [s] and the number of passes."""
    contacts = run.tables["contacts"]
    found: dict[str, tuple[float, float | None, int]] = {}
    for station in run.scenario.stations:
        rows = contacts[(contacts["station"] == station.name) & (contacts["kind"] == "station")]
        start_s, end_s = merged(rows["start_s"].to_numpy(), rows["end_s"].to_numpy())
        open_s = float((end_s - start_s).sum())
        found[station.name] = (open_s / run.span_s, float(start_s[0]) if len(start_s) else None, len(rows))
    return found


def contact_timeline(run: RunData) -> Figure:
    """Return the timeline: a line for each site, each satellite with contacts, and each crosslink with outages."""
    contacts, gap_s = run.tables["contacts"], run.span_s / _PIXELS
    lines: list[tuple[str, str, FloatArray, FloatArray]] = []  # label, kind of bar, starts, ends
    rows = []
    for kind in ("station", "target"):
        of_kind = contacts[contacts["kind"] == kind]
        for site in dict.fromkeys(of_kind["station"].astype(str)):
            of_site = of_kind[of_kind["station"] == site]
            start_s, end_s = merged(of_site["start_s"].to_numpy(), of_site["end_s"].to_numpy())
            lines.append((f"{site} ({kind}), any satellite", kind, start_s, end_s))
            rows.append(_row(f"{site} ({kind})", "contacts with any satellite", start_s, end_s, run.span_s))
            if kind == "station":
                gone_s, back_s = np.append(0.0, end_s), np.append(start_s, run.span_s)
                closed = back_s > gone_s
                if closed.any():
                    lines.append((f"{site}, outages", "outage", gone_s[closed], back_s[closed]))
                rows.append(_row(f"{site} (station)", "outages", gone_s[closed], back_s[closed], run.span_s))
    left = max(0, MOST_LINES - len(lines))
    stations = contacts[contacts["kind"] == "station"]
    total_s = (stations["end_s"] - stations["start_s"]).groupby(stations["satellite"].astype(str)).sum()
    most = sorted(total_s.sort_values(ascending=False, kind="stable").index[:left])
    for satellite in most:
        of_one = stations[stations["satellite"] == satellite]
        start_s, end_s = of_one["start_s"].to_numpy(), of_one["end_s"].to_numpy()
        lines.append((satellite, "station", *merged(start_s, end_s, gap_s)))
        rows.append(_row(satellite, "contacts with stations", *merged(start_s, end_s), run.span_s))
    closed_links = _crosslink_outages(run, max(0, MOST_LINES - len(lines)))
    for link, start_s, end_s in closed_links:
        lines.append((f"{link} closed", "outage", start_s, end_s))
        rows.append(_row(link, "outages of the crosslink", start_s, end_s, run.span_s))
    note = ""
    if len(total_s) > len(most):
        note = f" Of {len(total_s):,} satellites with contacts the {len(most)} with the longest are shown."
    if run.scenario.links.downlink.availability == "always":
        note += " The downlink of this scenario is open always: its contacts are geometry that the run did not use."
    if not closed_links:
        note += " No crosslink that the run used was ever closed at a step of the clock."
    labels = [in_plot(label) for label, *_ in lines]
    return Figure(
        key="contacts",
        title="Contacts and outages",
        caption="Edges of contacts are refined to 0.01 s; outages of crosslinks are seen at the steps of the clock."
        + note,
        alt="Bars over time: when each station or target is in contact with any satellite, when there is no contact,"
        " and the contacts of single satellites.",
        views={
            "": {
                "data": _bars(lines),
                "layout": {
                    "xaxis": time_axis(run.span_s),
                    "yaxis": axis(
                        "", type="category", categoryorder="array", categoryarray=labels, autorange="reversed",
                        automargin=True, showgrid=False,
                    ),
                    "barmode": "overlay", "bargap": 0.3, "hovermode": "closest",
                },
            }
        },
        table=Table(
            "Contacts and outages", ["place", "what", "number", "total [s]", "share of time", "first from",
            "last until"],
            rows, frozenset({1}), "contacts.parquet",
        ),
        height=max(240, 110 + 22 * len(lines)),
    )  # fmt: skip


def _row(place: str, what: str, start_s: FloatArray, end_s: FloatArray, span_s: float) -> list[str]:
    total_s = float((end_s - start_s).sum())
    first, last = (clock(start_s[0]), clock(end_s[-1])) if len(start_s) else ("-", "-")
    return [place, what, f"{len(start_s):,}", number(total_s), f"{total_s / span_s:.1%}", first, last]


def _bars(lines: list[tuple[str, str, FloatArray, FloatArray]]) -> list[dict[str, Any]]:
    traces = []
    names = {"station": "contact with a station", "target": "contact with a target", "outage": "outage"}
    for kind, words in names.items():
        of_kind = [line for line in lines if line[1] == kind]
        if not of_kind:
            continue
        base, width, y, hover = [], [], [], []
        for label, _, start_s, end_s in of_kind:
            base += figures(start_s / HOUR_S, 8)
            width += figures((end_s - start_s) / HOUR_S, 6)
            y += [in_plot(label)] * len(start_s)
            hover += [
                f"{in_plot(label)}<br>{clock(a)} to {clock(b)} ({number(b - a)} s)"
                for a, b in zip(start_s.tolist(), end_s.tolist(), strict=True)
            ]
        color = "@pale" if kind == "outage" else f"@{CONTACTS[kind]}"
        traces.append(
            {
                "type": "bar", "orientation": "h", "name": words, "base": base, "x": width, "y": y,
                "customdata": hover, "hovertemplate": "%{customdata}<extra></extra>",
                "marker": {"color": color, "line": {"width": 0 if kind == "outage" else 0.6, "color": color}},
            }
        )  # fmt: skip
    return traces


def _crosslink_outages(run: RunData, most: int) -> list[tuple[str, FloatArray, FloatArray]]:
    """Return the outages of crosslinks as the table of links shows them, a step at a time."""
    links = run.tables["links"]
    isl = links[links["kind"] == "isl"]
    closed = isl[~isl["open"]]
    found = []
    for name in list(dict.fromkeys(closed["link"].astype(str)))[:most]:
        t_s = isl.loc[isl["link"] == name, "t_s"].to_numpy()
        half_s = 0.5 * float(np.diff(t_s).min()) if len(t_s) > 1 else 0.5 * run.scenario.clock.step_s
        at_s = closed.loc[closed["link"] == name, "t_s"].to_numpy()
        found.append((name, *merged(at_s - half_s, at_s + half_s, 1e-6 * half_s)))
    return found
