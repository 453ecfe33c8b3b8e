"""Graphs of the network: links that are open, as long as the geometry says, and files that networkx reads again."""

import json

import networkx as nx
import numpy as np
import pytest

from orbitsim.errors import InputError
from orbitsim.export.contact_plan import contact_plan
from orbitsim.export.graph import topology_graph, write_graph
from orbitsim.loading import change_scenario
from orbitsim.pipeline.space import Space


@pytest.mark.parametrize("t_s", [0.0, 200.0, 700.0, 3600.0])
def test_edges_are_the_open_links(quick, t_s):
    graph = topology_graph(quick, t_s)
    plan = contact_plan(quick)
    open_now = plan[(plan["start_s"] <= t_s) & ((t_s < plan["end_s"]) | (plan["end_s"] == 3600.0))]
    assert set(graph.edges) == set(zip(open_now["source"], open_now["target"], strict=True))
    assert set(graph.nodes) == set(Space(quick).names)


def test_ranges_and_places(quick):
    graph = topology_graph(quick, 200.0)
    space = Space(quick)
    places = dict(zip(space.names, space.ephemeris.positions_m([200.0])[:, 0], strict=False))
    for a, b, facts in graph.edges(data=True):
        if facts["kind"] == "isl":
            assert facts["range_m"] == pytest.approx(np.linalg.norm(places[a] - places[b]), rel=1e-12)
            assert facts["delay_s"] == pytest.approx(facts["range_m"] / 299792458.0, rel=1e-3)
        else:
            assert facts["rate_bps"] == quick.links.downlink.rate_bps
            assert 400e3 < facts["range_m"] < 2600e3
    assert graph.nodes["ground"] == {
        "kind": "station", "latitude_deg": -53.0, "longitude_deg": 180.0, "height_m": 0.0, "device": "rtx-4070-ti",
    }  # fmt: skip
    assert nx.shortest_path_length(graph, "p-00", "p-03") == 3


def test_an_idealised_downlink_has_no_range(quick):
    graph = topology_graph(change_scenario(quick, {"links.downlink.availability": "always"}))
    down = [facts for *_, facts in graph.edges(data=True) if facts["kind"] == "downlink"]
    assert len(down) == 12
    assert all("range_m" not in facts for facts in down)


@pytest.mark.parametrize("name", ["net.graphml", "net.json"])
def test_files_come_back_as_the_same_graph(quick, tmp_path, name):
    graph = write_graph(quick, tmp_path / name, t_s=200.0)
    if name.endswith("json"):
        again = nx.node_link_graph(json.loads((tmp_path / name).read_text()), edges="links")
    else:
        again = nx.read_graphml(tmp_path / name)
    assert dict(again.nodes(data=True)) == dict(graph.nodes(data=True))
    assert {(a, b): facts for a, b, facts in again.edges(data=True)} == {
        (a, b): facts for a, b, facts in graph.edges(data=True)
    }


def test_what_cannot_be_drawn(quick, tmp_path):
    with pytest.raises(InputError, match="0 to 3600 s"):
        topology_graph(quick, 3601.0)
    with pytest.raises(InputError, match=r"\.graphml or \.json"):
        write_graph(quick, tmp_path / "net.dot")
    with pytest.raises(InputError, match="--at"):
        topology_graph(quick, float("nan"))
