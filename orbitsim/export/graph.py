"""The network at a moment as a networkx graph, and as GraphML or node-link JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from orbitsim.errors import InputError, Problem
from orbitsim.export.windows import pairs_of
from orbitsim.orbit import geometry
from orbitsim.pipeline.links import LinkBook
from orbitsim.pipeline.space import Space
from orbitsim.results.files import whole_file
from orbitsim.results.wording import utc_ms
from orbitsim.scenario import Scenario

if TYPE_CHECKING:
    import networkx as nx

SUFFIXES = (".graphml", ".json")


def topology_graph(scenario: Scenario, t_s: float = 0.0) -> nx.DiGraph:
    """Return the network of a scenario at a moment.

    Parameters
    ----------
    scenario : Scenario
        Its orbits and links; nothing is simulated.
    t_s : float
        Seconds since the epoch. [s]

    Returns
    -------
    networkx.DiGraph
        Satellites and stations by name, with ``kind``, ``latitude_deg``, ``longitude_deg``, ``height_m`` and, where
        there is one, ``device``. Edges are the links that are open, crosslinks in both directions, with ``kind``,
        ``rate_bps`` and ``delay_s``, and ``range_m`` unless the downlink is idealised.

    Raises
    ------
    InputError
        When the moment lies outside the scenario, or something that the scenario names is missing.
    """
    import networkx as nx

    duration_s = scenario.clock.duration_s
    if not 0.0 <= t_s <= duration_s:
        raise InputError(Problem("--at", f"expected a moment of the scenario, 0 to {duration_s:g} s, got {t_s:g}"))
    space = Space(scenario)
    book = LinkBook(space)
    now = np.array([t_s])
    graph = nx.DiGraph(name=scenario.name, t_s=float(t_s), t_utc=utc_ms(scenario.clock.epoch_utc, t_s))
    satellites_m = space.ephemeris.positions_m(now)[:, 0]
    latitude_rad, longitude_rad, height_m = geometry.ecef_to_geodetic(satellites_m)
    for index, name in enumerate(space.constellation.names):
        graph.add_node(
            name,
            kind="satellite",
            latitude_deg=float(np.degrees(latitude_rad[index])),
            longitude_deg=float(np.degrees(longitude_rad[index])),
            height_m=float(height_m[index]),
            device=space.device_of(index),
        )
    for station in scenario.stations:
        device = {} if station.device is None else {"device": station.device}
        graph.add_node(
            station.name,
            kind="station",
            latitude_deg=station.latitude_deg,
            longitude_deg=station.longitude_deg,
            height_m=station.altitude_m,
            **device,
        )
    idealised = scenario.links.downlink.availability == "always"
    # At the end of the scenario a link counts as just before it.
    asked_s = np.nextafter(duration_s, 0.0) if t_s == duration_s else t_s
    for source, target in pairs_of(book):
        link = book.link(source, target)
        rate_bps = float(link.curve.rate_at(asked_s))
        if rate_bps == 0.0:
            continue
        facts: dict[str, Any] = {"kind": link.kind, "rate_bps": rate_bps}
        facts["delay_s"] = 0.0 if link.delay_at is None else float(link.delay_at(t_s))
        if link.kind == "isl" or not idealised:
            ends = [space.positions_m(node, now, now)[0] for node in (source, target)]
            facts["range_m"] = float(geometry.slant_range_m(*ends))
        graph.add_edge(space.names[source], space.names[target], **facts)
    return graph


def write_graph(scenario: Scenario, out: Path, *, t_s: float = 0.0, force: bool = False) -> nx.DiGraph:
    """Write the network at a moment and return it: GraphML, or node-link JSON, as the name of the file ends.

    Raises
    ------
    InputError
        When the name ends otherwise, the moment lies outside the scenario, or the file must not be replaced.
    OutputError
        When it cannot be written.
    """
    import networkx as nx

    if out.suffix not in SUFFIXES:
        raise InputError(Problem("--out", f"expected a name that ends in {' or '.join(SUFFIXES)}", str(out)))
    graph = topology_graph(scenario, t_s)
    with whole_file(out, force=force) as work:
        if out.suffix == ".graphml":
            nx.write_graphml(graph, work)
        else:
            text = json.dumps(nx.node_link_data(graph, edges="links"), indent=1, ensure_ascii=False, allow_nan=False)
            work.write_text(text + "\n", encoding="utf-8")
    return graph
