"""Neighbours, crosslink windows against a dense scan, graphs and fewest-hop paths against networkx."""

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbitsim.constants import SPEED_OF_LIGHT_M_S
from orbitsim.orbit.catalogues import read_tle
from orbitsim.orbit.constellation import Constellation, walker_shell
from orbitsim.orbit.crosslinks import CrosslinkLimits, CrosslinkWindows, find_crosslink_windows
from orbitsim.orbit.ephemeris import Ephemeris
from orbitsim.orbit.geometry import segment_clearance_m, slant_range_m
from orbitsim.orbit.neighbours import crosslink_edges
from orbitsim.orbit.topology import Topology, build_topology

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
EDGE_S = 0.01
FREE = {"grazing_altitude_m": 80e3, "max_range_m": float("inf")}


def walker(n_satellites, n_planes, phasing=0, kind="walker-delta", altitude_m=550e3, inclination_deg=53.0, name="s"):
    return walker_shell(
        name=name,
        kind=kind,
        altitude_m=altitude_m,
        inclination_deg=inclination_deg,
        n_satellites=n_satellites,
        n_planes=n_planes,
        phasing=phasing,
        raan_deg=0.0,
        epoch_utc=EPOCH,
    )


def edges_of(*shells, topology):
    return [tuple(edge) for edge in crosslink_edges(Constellation(shells), topology).tolist()]


def test_ring_of_one_two_and_more():
    assert edges_of(walker(1, 1), topology="ring") == []
    assert edges_of(walker(2, 1), topology="ring") == [(0, 1)]
    assert edges_of(walker(4, 1), topology="ring") == [(0, 1), (0, 3), (1, 2), (2, 3)]
    assert edges_of(walker(6, 2), topology="ring") == [(0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5)]


def test_grid_of_two_planes_and_of_single_satellites():
    assert edges_of(walker(4, 2), topology="grid") == [(0, 1), (0, 2), (1, 3), (2, 3)]
    # with F = 1 the seam leads from slot s of plane 1 to slot s + 1 of plane 0
    assert edges_of(walker(4, 2, 1), topology="grid") == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert edges_of(walker(3, 3, 1), topology="grid") == [(0, 1), (0, 2), (1, 2)]


def test_none_and_unknown():
    assert edges_of(walker(4, 2), topology="none") == []
    with pytest.raises(ValueError, match="topology"):
        edges_of(walker(4, 2), topology="mesh")


def test_shells_are_not_joined():
    first, second = walker(4, 1, name="a"), walker(3, 1, name="b")
    assert edges_of(first, second, topology="grid") == [(0, 1), (0, 3), (1, 2), (2, 3), (4, 5), (4, 6), (5, 6)]


@pytest.mark.parametrize(("n_satellites", "n_planes", "phasing"), [(72, 6, 0), (72, 6, 1), (72, 6, 5), (1584, 72, 39)])
def test_the_seam_is_like_any_other_place_of_a_delta(n_satellites, n_planes, phasing):
    """Walker's pattern looks the same from every satellite: so must the links to the neighbouring planes."""
    shell = walker(n_satellites, n_planes, phasing)
    edges = crosslink_edges(Constellation([shell]), "grid")
    assert len(edges) == 2 * n_satellites
    assert np.bincount(edges.ravel(), minlength=n_satellites).tolist() == [4] * n_satellites
    across = edges[shell.plane[edges[:, 0]] != shell.plane[edges[:, 1]]]
    # Argument of latitude at epoch, from SGP4's elements; the step across a plane is 360 F / T everywhere.
    anomaly = np.array([satrec.mo for satrec in shell.satrecs])
    gap = shell.plane[across[:, 1]] - shell.plane[across[:, 0]]
    forward = np.where(
        gap == 1, anomaly[across[:, 1]] - anomaly[across[:, 0]], anomaly[across[:, 0]] - anomaly[across[:, 1]]
    )
    steps = np.degrees(forward) - 360.0 * phasing / n_satellites
    np.testing.assert_allclose((steps + 180.0) % 360.0 - 180.0, 0.0, atol=1e-9)


def test_a_star_has_no_links_across_its_seam():
    shell = walker(24, 4, 1, kind="walker-star", inclination_deg=88.0)
    edges = crosslink_edges(Constellation([shell]), "grid")
    planes = {tuple(pair) for pair in shell.plane[edges].tolist()}
    assert planes == {(0, 0), (1, 1), (2, 2), (3, 3), (0, 1), (1, 2), (2, 3)}


def scan_windows(ephemeris, edge, duration_s, grazing_altitude_m, max_range_m):
    """Slow twin: a 1 s scan of `segment_clearance_m`, roots by bisection."""

    def is_open(t_s):
        a, b = ephemeris.positions_m(t_s, [int(i) for i in edge])
        return (segment_clearance_m(a, b, grazing_altitude_m) >= 0.0) & (slant_range_m(a, b) <= max_range_m)

    t_s = np.arange(0.0, duration_s + 0.5)
    opened = is_open(t_s)
    change = np.flatnonzero(opened[1:] != opened[:-1])
    low, high = t_s[change], t_s[change + 1]
    for _ in range(14):
        if low.size:
            middle = (low + high) / 2.0
            same = is_open(middle) == opened[change]
            low, high = np.where(same, middle, low), np.where(same, high, middle)
    edges = (low + high) / 2.0
    starts = np.concatenate(([0.0] if opened[0] else [], edges[~opened[change]]))
    ends = np.concatenate((edges[opened[change]], [duration_s] if opened[-1] else []))
    return starts, ends


@pytest.mark.parametrize(
    ("shell", "grazing_altitude_m", "max_range_m"),
    [
        (walker(24, 4, 1, kind="walker-star", altitude_m=780e3, inclination_deg=86.4), 80e3, 3_500e3),
        (walker(48, 8, 1), 80e3, float("inf")),
        (walker(40, 8, 3, altitude_m=1_200e3, inclination_deg=70.0), 150e3, 6_500e3),
    ],
)
def test_windows_are_those_of_a_dense_scan(shell, grazing_altitude_m, max_range_m):
    ephemeris = Ephemeris(Constellation([shell]), EPOCH)
    duration_s = 9_000.0
    edges = crosslink_edges(ephemeris.constellation, "grid")
    windows = find_crosslink_windows(ephemeris, edges, duration_s, CrosslinkLimits(grazing_altitude_m, max_range_m))
    cut = 0
    for i, edge in enumerate(edges):
        starts, ends = scan_windows(ephemeris, edge, duration_s, grazing_altitude_m, max_range_m)
        own = windows.edge == i
        assert np.count_nonzero(own) == starts.size
        np.testing.assert_allclose(windows.start_s[own], starts, rtol=0.0, atol=EDGE_S)
        np.testing.assert_allclose(windows.end_s[own], ends, rtol=0.0, atol=EDGE_S)
        cut += np.count_nonzero((starts > 0.0) | (ends < duration_s))
    assert cut > 10


def test_windows_between_real_satellites_of_all_kinds_of_orbits():
    # Low, high, eccentric; one of them jumps (see test_grids), so its neighbours' positions come from SGP4 directly.
    epoch = datetime(2006, 6, 26, 9, tzinfo=UTC)
    shell = read_tle(Path(__file__).parent / "data" / "real-2006-06.tle", "real", epoch_utc=epoch)
    ephemeris = Ephemeris(Constellation([shell]), epoch)
    edges = crosslink_edges(ephemeris.constellation, "ring")
    assert len(edges) == 10
    windows = find_crosslink_windows(ephemeris, edges, 10_800.0, CrosslinkLimits(80e3, 40_000e3))
    for i, edge in enumerate(edges):
        starts, ends = scan_windows(ephemeris, edge, 10_800.0, 80e3, 40_000e3)
        own = windows.edge == i
        np.testing.assert_allclose(windows.start_s[own], starts, rtol=0.0, atol=EDGE_S)
        np.testing.assert_allclose(windows.end_s[own], ends, rtol=0.0, atol=EDGE_S)


def test_twelve_in_one_plane_are_a_closed_ring_all_day():
    ephemeris = Ephemeris(Constellation([walker(12, 1, altitude_m=500e3)]), EPOCH)
    topology = build_topology(ephemeris, "ring", duration_s=86_400.0, **FREE)
    assert topology.changes_s.size == 0
    assert topology.is_open(86_400.0).all()
    n_hops, predecessor = topology.hops_from(0, 50_000.0)
    assert n_hops.tolist() == [0, 1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1]
    assert predecessor[6] == 5  # both ways take six hops: the lower index
    assert topology.path(0, 6, 0.0) == (0, 1, 2, 3, 4, 5, 6)
    assert topology.path(2, 11, 0.0) == (2, 1, 0, 11)
    assert topology.path(4, 4, 0.0) == (4,)
    edge = topology.edge_between(11, 0)
    assert float(topology.range_m(edge, 1_000.0)) == pytest.approx(3_560e3, abs=10e3)  # design section 5
    assert topology.range_m(edge, np.zeros(3)).shape == (3,)


def test_one_satellite_has_no_links():
    ephemeris = Ephemeris(Constellation([walker(1, 1)]), EPOCH)
    topology = build_topology(ephemeris, "grid", duration_s=3_600.0, **FREE)
    assert topology.edges.shape == (0, 2)
    assert topology.is_open(0.0).shape == (0,)
    assert list(topology.graph(10.0).nodes) == ["s-00"]
    assert topology.hops_from(0, 10.0)[0].tolist() == [0]


def test_six_in_one_plane_are_hidden_by_the_earth():
    ephemeris = Ephemeris(Constellation([walker(6, 1)]), EPOCH)
    topology = build_topology(ephemeris, "ring", duration_s=3_600.0, **FREE)
    assert len(topology.edges) == 6
    assert not topology.is_open(0.0).any()
    assert topology.path(0, 3, 0.0) is None
    assert topology.hops_from(0, 0.0)[0].tolist() == [0, -1, -1, -1, -1, -1]


@pytest.fixture(scope="module")
def star():
    shell = walker(72, 6, 2, kind="walker-star", altitude_m=780e3, inclination_deg=86.4)
    ephemeris = Ephemeris(Constellation([shell]), EPOCH)
    return build_topology(ephemeris, "grid", duration_s=6_000.0, grazing_altitude_m=80e3, max_range_m=3_900e3)


def test_the_graph_has_names_ranges_and_delays(star):
    graph = star.graph(1_234.0)
    assert set(graph.nodes) == set(star.ephemeris.constellation.names)
    assert graph.number_of_edges() == np.count_nonzero(star.is_open(1_234.0))
    index = star.ephemeris.constellation.index
    for a, b, data in graph.edges(data=True):
        edge = star.edge_between(index[a], index[b])
        assert data["range_m"] == pytest.approx(float(star.range_m(edge, 1_234.0)), abs=1e-6)
        assert data["range_m"] <= 3_900e3
        assert data["propagation_s"] == data["range_m"] / SPEED_OF_LIGHT_M_S


def test_states_hold_from_one_change_to_the_next(star):
    assert star.changes_s.size > 10
    for i, change_s in enumerate(star.changes_s):
        assert not np.array_equal(star.is_open(change_s), star.is_open(np.nextafter(change_s, 0.0))), i
    middle = (star.changes_s[3] + star.changes_s[4]) / 2.0
    assert star.hops_from(5, middle)[0] is star.hops_from(5, star.changes_s[3])[0]  # kept, not computed again
    for t_s in (-0.1, 6_000.1, float("nan")):
        with pytest.raises(ValueError, match="within the scenario"):
            star.is_open(t_s)


@settings(deadline=None, max_examples=40)
@given(start=st.integers(0, 71), end=st.integers(0, 71), t_s=st.floats(0.0, 6_000.0))
def test_paths_have_the_fewest_hops(star, start, end, t_s):
    graph = nx.Graph()
    graph.add_nodes_from(range(72))
    graph.add_edges_from(star.edges[star.is_open(t_s)].tolist())
    lengths = nx.single_source_shortest_path_length(graph, start)
    n_hops, predecessor = star.hops_from(start, t_s)
    assert {i: n for i, n in enumerate(n_hops.tolist()) if n >= 0} == lengths
    for node, before in enumerate(predecessor.tolist()):
        nearer = [other for other in graph[node] if n_hops[other] == n_hops[node] - 1] if n_hops[node] > 0 else []
        assert before == min(nearer, default=-1)
    path = star.path(start, end, t_s)
    if end not in lengths:
        assert path is None
    else:
        assert path is not None
        assert len(path) == lengths[end] + 1
        assert all(graph.has_edge(a, b) for a, b in pairwise(path))


def test_a_window_is_open_at_its_start_and_closed_at_its_end():
    ephemeris = Ephemeris(Constellation([walker(2, 1)]), EPOCH)
    windows = CrosslinkWindows(np.array([0, 0]), np.array([0.0, 20.0]), np.array([10.0, 30.0]))
    topology = Topology(ephemeris, np.array([[0, 1]]), windows, 30.0)
    opened = [bool(topology.is_open(t_s)[0]) for t_s in (0.0, 9.99, 10.0, 19.99, 20.0, 30.0)]
    assert opened == [True, True, False, False, True, True]


@pytest.mark.parametrize(("altitude_m", "range_m"), [(float("nan"), 1.0), (0.0, 0.0), (0.0, float("nan"))])
def test_impossible_limits_are_refused(altitude_m, range_m):
    with pytest.raises(ValueError, match="must be"):
        CrosslinkLimits(altitude_m, range_m)
