"""The map: ground tracks, stations, targets and contacts; land comes with the program, nothing is fetched."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orbitsim.errors import OrbitsimError
from orbitsim.orbit import geometry
from orbitsim.pipeline.space import Space
from orbitsim.report.blocks import Figure, Table
from orbitsim.report.charts.axes import axis
from orbitsim.report.data import RunData, records
from orbitsim.report.wording import clock, figures, in_plot, number

MOST_SATELLITES = 300  # whose places over time are on the page
_MOST_FRAMES = 145
_TRACK_STEP_S = 60.0
_MOST_PEAKS = 1_500
_TRACK_S = 6_000.0  # about an orbit in low Earth orbit
_EARTH_RADIUS_M = 6_371_000.0  # of the sphere that rings of visibility are drawn on: to be seen, not computed with

FloatArray = NDArray[np.float64]


def land() -> dict[str, Any]:
    """Return the trace of land."""
    text = resources.files("orbitsim.report").joinpath("land.json").read_text(encoding="utf-8")
    x: list[float | None] = []
    y: list[float | None] = []
    for ring in json.loads(text)["rings"]:
        x += [*ring[::2], None]
        y += [*ring[1::2], None]
    return {
        "type": "scatter", "mode": "lines", "x": x, "y": y, "fill": "toself", "fillcolor": "@land",
        "line": {"width": 0.7, "color": "@coast"}, "hoverinfo": "skip", "showlegend": False, "name": "land",
    }  # fmt: skip


def world_map(run: RunData) -> Figure | str:
    """Return the figure, or in words why there is none."""
    try:
        space = Space(run.scenario)
        frames_s, names, longitude_deg, latitude_deg = _frames(run, space)
        track = _track(run, space)
        peaks = _peaks(run, space)
        rings = _rings(run, space)
    except (OrbitsimError, LookupError) as error:
        from orbitsim.report.wording import in_html

        return (
            '<div class="card note"><h3>Map</h3><p>The satellites of this run cannot be placed on this machine: '
            f"{in_html(error)}</p></div>"
        )
    sensor = run.scenario.workload.sensor
    traces = [land(), track, *rings, *peaks, *_sites(run)]
    open_now = _contacts_at(run, frames_s, names)
    shown = len(names)
    note = "" if shown == space.n_satellites else f" Of {space.n_satellites:,} satellites {shown} are shown."
    duplicates = len(traces)
    traces += [
        _dots("satellites", "@ink", "circle", 8),
        _dots("in contact with a station", "@vermilion", "circle", 11),
        _dots(in_plot(f"sensor {sensor}"), "@blue", "diamond", 12),
    ]
    layout = {
        "xaxis": axis("longitude [deg]", range=[-180, 180], dtick=60, constrain="domain", zeroline=False),
        "yaxis": axis("latitude [deg]", range=[-90, 90], dtick=30, scaleanchor="x", constrain="domain", zeroline=False),
        "hovermode": "closest",
        "plot_bgcolor": "@sea",
        "margin": {"t": 10, "r": 16},
        "legend": {"orientation": "h", "y": -0.14, "x": 0, "yanchor": "top"},
    }
    minimum = run.scenario.links.downlink
    mask = (
        f"{minimum.min_elevation_deg:g} deg elevation" if minimum.min_elevation_deg is not None
        else f"{minimum.max_off_nadir_deg:g} deg off nadir" if minimum.max_off_nadir_deg is not None else "the horizon"
    )  # fmt: skip
    return Figure(
        key="map",
        title="Map",
        caption=f"Satellites at the moment that the slider sets. The thin line is the ground track of the sensor"
        f" {sensor} from"
        f" the start on, a ring the area around a station in which a satellite is in contact (from {mask} up), a small"
        f" dot a satellite at the highest point of a contact.{note} Land: Natural Earth (public domain),"
        f" equirectangular.",
        alt="World map: stations, targets, the ground track of the sensing satellite and the places of the satellites.",
        views={"": {"data": traces, "layout": layout}},
        height=560,
        kind="map",
        extra={
            "frames": [clock(t_s) for t_s in frames_s.tolist()],
            "names": names,
            "sensor": names.index(sensor),
            "lon": [figures(row, 5) for row in longitude_deg.T],
            "lat": [figures(row, 5) for row in latitude_deg.T],
            "contacts": open_now,
            "first": duplicates,
        },
        table=_table(run, space, frames_s),
    )


def _frames(run: RunData, space: Space) -> tuple[FloatArray, list[str], FloatArray, FloatArray]:
    """Return moments, names, and longitudes and latitudes of the satellites shown at them. [s, deg]"""
    n = min(_MOST_FRAMES, run.scenario.n_slots + 1)
    frames_s = np.linspace(0.0, run.span_s, max(2, n))
    names = list(space.constellation.names)
    if len(names) > MOST_SATELLITES:
        places: Any = run.tables["resources"]["place"].astype(str) if "resources" in run.tables else []
        used = {node for place in places for node in place.split(">")} | {run.scenario.workload.sensor}
        kept = [name for name in names if name in used][:MOST_SATELLITES]
        others = [name for name in names if name not in used]
        left = MOST_SATELLITES - len(kept)
        if run.scenario.workload.sensor not in kept:
            kept[-1:] = [run.scenario.workload.sensor]
        kept += others[:: -(-len(others) // left)] if left > 0 and others else []
        wanted = set(kept)
        names = [name for name in names if name in wanted]
    indices = [space.constellation.index[name] for name in names]
    longitude_deg, latitude_deg = _below(space.ephemeris.positions_m(frames_s, indices))
    return frames_s, names, longitude_deg, latitude_deg


def _below(position_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return longitude and latitude of the points below some positions. [deg]"""
    latitude_rad, longitude_rad, _ = geometry.ecef_to_geodetic(position_m)
    return np.degrees(longitude_rad), np.degrees(latitude_rad)


def _track(run: RunData, space: Space) -> dict[str, Any]:
    span_s = min(run.span_s, 4 * _TRACK_S)
    t_s = np.arange(0.0, span_s + 1.0, _TRACK_STEP_S)
    longitude_deg, latitude_deg = _below(space.ephemeris.positions_m(t_s, [space.sensor]))
    x, y = _broken(longitude_deg[0], latitude_deg[0])
    return {
        "type": "scatter", "mode": "lines", "name": in_plot(f"ground track of {run.scenario.workload.sensor}, first"
        f" {span_s / 3600:.1f} h"),
        "x": figures(x, 5), "y": figures(y, 5), "line": {"width": 1.2, "color": "@sky"}, "hoverinfo": "skip",
    }  # fmt: skip


def _broken(longitude_deg: FloatArray, latitude_deg: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return a line that is broken where it leaves the map at one side and comes back at the other."""
    jumps = np.flatnonzero(np.abs(np.diff(longitude_deg)) > 180.0) + 1
    return np.insert(longitude_deg, jumps, np.nan), np.insert(latitude_deg, jumps, np.nan)


def _peaks(run: RunData, space: Space) -> list[dict[str, Any]]:
    contacts = run.tables["contacts"]
    contacts = contacts[contacts["kind"] == "station"]
    every = -(-max(1, len(contacts)) // _MOST_PEAKS)
    thin = contacts.iloc[::every]
    if not len(thin):
        return []
    x, y, hover = [], [], []
    for row in records(thin):
        position_m = space.ephemeris.positions_m([row.peak_s], [space.constellation.index[str(row.satellite)]])
        longitude_deg, latitude_deg = _below(position_m)
        x.append(float(longitude_deg[0, 0]))
        y.append(float(latitude_deg[0, 0]))
        hover.append(
            f"{in_plot(row.satellite)} over {in_plot(row.station)} at {clock(row.peak_s)}<br>"
            f"elevation {number(row.max_elevation_deg)} deg, {number(row.end_s - row.start_s)} s in contact"
        )
    return [
        {
            "type": "scatter", "mode": "markers", "name": "highest points of contacts", "x": figures(x, 5),
            "y": figures(y, 5),
            "customdata": hover, "hovertemplate": "%{customdata}<extra></extra>",
            "marker": {"size": 4.5, "color": "@green", "opacity": 0.75},
        }
    ]  # fmt: skip


def _rings(run: RunData, space: Space) -> list[dict[str, Any]]:
    """Return around each station the ring in which a satellite of the sensor's height is in contact."""
    radius_m = float(np.linalg.norm(space.ephemeris.positions_m([0.0], [space.sensor])[0, 0]))
    down = run.scenario.links.downlink
    if down.max_off_nadir_deg is not None:
        sine = np.sin(np.radians(down.max_off_nadir_deg)) * radius_m / _EARTH_RADIUS_M
        lowest_rad = float(np.arccos(sine)) if sine <= 1.0 else 0.0
    else:
        lowest_rad = float(np.radians(down.min_elevation_deg or 0.0))
    angle_rad = float(geometry.coverage_angle_rad(lowest_rad, radius_m, _EARTH_RADIUS_M))
    x_all: list[float] = []
    y_all: list[float] = []
    for station in run.scenario.stations:
        x, y = _circle(station.latitude_deg, station.longitude_deg, angle_rad)
        x_all += [*x.tolist(), float("nan")]
        y_all += [*y.tolist(), float("nan")]
    return [
        {
            "type": "scatter", "mode": "lines", "name": "in contact within", "x": figures(x_all, 5),
            "y": figures(y_all, 5),
            "line": {"width": 1.6, "color": "@green", "dash": "dot"}, "hoverinfo": "skip",
        }
    ]  # fmt: skip


def _circle(latitude_deg: float, longitude_deg: float, angle_rad: float) -> tuple[FloatArray, FloatArray]:
    """Return points at a central angle from a place. [deg]"""
    azimuth = np.linspace(0.0, 2.0 * np.pi, 121)
    phi = np.radians(latitude_deg)
    latitude = np.arcsin(np.sin(phi) * np.cos(angle_rad) + np.cos(phi) * np.sin(angle_rad) * np.cos(azimuth))
    turn = np.arctan2(
        np.sin(azimuth) * np.sin(angle_rad) * np.cos(phi), np.cos(angle_rad) - np.sin(phi) * np.sin(latitude)
    )
    return _broken((longitude_deg + np.degrees(turn) + 180.0) % 360.0 - 180.0, np.degrees(latitude))


def _sites(run: RunData) -> list[dict[str, Any]]:
    traces = []
    for name, sites, color, symbol in (
        ("stations", run.scenario.stations, "@green", "triangle-up"),
        ("targets", run.scenario.targets, "@orange", "x"),
    ):
        if not sites:
            continue
        traces.append(
            {
                "type": "scatter", "mode": "markers+text", "name": name,
                "x": [(site.longitude_deg + 180.0) % 360.0 - 180.0 for site in sites],
                "y": [site.latitude_deg for site in sites],
                "text": [in_plot(site.name) for site in sites] if len(sites) <= 12 else [],
                "textposition": [_side(site.longitude_deg) for site in sites],
                "customdata": [
                    f"{in_plot(site.name)}<br>{site.latitude_deg:g} deg N, {site.longitude_deg:g} deg E"
                    for site in sites
                ],
                "hovertemplate": "%{customdata}<extra></extra>", "cliponaxis": False,
                "marker": {"size": 13, "color": color, "symbol": symbol, "line": {"width": 1, "color": "@paper"}},
            }
        )  # fmt: skip
    return traces


def _side(longitude_deg: float) -> str:
    return "middle right" if (longitude_deg + 180.0) % 360.0 - 180.0 < 0.0 else "middle left"


def _dots(name: str, color: str, symbol: str, size: int) -> dict[str, Any]:
    """Return a trace whose points the page's script sets."""
    return {
        "type": "scatter", "mode": "markers", "name": name, "x": [], "y": [], "customdata": [],
        "hovertemplate": "%{customdata}<extra></extra>", "cliponaxis": False,
        "marker": {"size": size, "color": color, "symbol": symbol, "line": {"width": 1, "color": "@paper"}},
    }  # fmt: skip


def _contacts_at(run: RunData, frames_s: FloatArray, names: list[str]) -> list[list[int]]:
    """Return which of the satellites shown are in contact with a station at each moment."""
    contacts = run.tables["contacts"]
    contacts = contacts[contacts["kind"] == "station"]
    index = {name: i for i, name in enumerate(names)}
    found: list[set[int]] = [set() for _ in frames_s]
    first = np.searchsorted(frames_s, contacts["start_s"].to_numpy(), side="left")
    last = np.searchsorted(frames_s, contacts["end_s"].to_numpy(), side="right")
    for satellite, a, b in zip(contacts["satellite"].astype(str), first.tolist(), last.tolist(), strict=True):
        if a < b and satellite in index:
            for frame in range(a, b):
                found[frame].add(index[satellite])
    return [sorted(frame) for frame in found]


def _table(run: RunData, space: Space, frames_s: FloatArray) -> Table:
    rows = [
        [site.name, kind, f"{site.latitude_deg:g}", f"{site.longitude_deg:g}", f"{site.altitude_m:g}"]
        for kind, sites in (("station", run.scenario.stations), ("target", run.scenario.targets))
        for site in sites
    ]
    longitude_deg, latitude_deg = _below(space.ephemeris.positions_m(frames_s[:1]))
    _, _, height_m = geometry.ecef_to_geodetic(space.ephemeris.positions_m(frames_s[:1]))
    rows += [
        [name, "satellite at the start", f"{lat:.2f}", f"{lon:.2f}", f"{height:.0f}"]
        for name, lat, lon, height in zip(
            space.constellation.names, latitude_deg[:, 0], longitude_deg[:, 0], height_m[:, 0], strict=True
        )
    ]
    columns = ["place", "kind", "latitude [deg]", "longitude [deg]", "altitude [m]"]
    return Table("Stations, targets, and satellites at the start", columns, rows, frozenset({1}), "scenario.json")
