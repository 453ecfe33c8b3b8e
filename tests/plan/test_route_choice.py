"""The choice of the compute chain: every simple path is a candidate, and the best is found with few simulations."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.plan.route_choice import candidate_chains, choose


def ring(n):
    return lambda node: sorted({(node - 1) % n, (node + 1) % n} - {node})


def test_a_ring_can_be_walked_either_way():
    assert candidate_chains(0, ring(12), 5, sensor_computes=True) == [(0, 1, 2, 3, 4), (0, 11, 10, 9, 8)]


def test_a_sensor_that_only_sends_is_not_in_the_chain():
    assert candidate_chains(3, ring(6), 2, sensor_computes=False) == [(2, 1), (4, 5)]


def test_a_chain_ends_early_only_where_it_cannot_go_on():
    assert candidate_chains(0, ring(3), 5, sensor_computes=True) == [(0, 1, 2), (0, 2, 1)]
    assert candidate_chains(0, lambda _: (), 5, sensor_computes=True) == [(0,)]
    assert candidate_chains(0, lambda _: (), 5, sensor_computes=False) == []


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_candidates_are_the_maximal_simple_paths(seed, n_compute):
    graph = nx.gnp_random_graph(7, 0.4, seed=seed)
    found = candidate_chains(0, lambda node: sorted(graph[node]), n_compute, sensor_computes=True)
    every = {(0,)} | {
        tuple(path)
        for target in graph
        if target != 0
        for path in nx.all_simple_paths(graph, 0, target, cutoff=n_compute - 1)
    }
    every = {path for path in every if len(path) <= n_compute}
    maximal = {p for p in every if len(p) == n_compute or not any(q[: len(p)] == p and q != p for q in every)}
    assert found == sorted(maximal)


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=1, max_size=12),
    st.integers(1, 12),
)
def test_the_choice_is_the_earliest_delivery_and_the_bound_holds(pairs, most):
    bounds = [bound for bound, _ in pairs]
    deliveries = [bound + late for bound, late in pairs]  # a lower bound is never above what it bounds
    asked = []

    def simulate(key):
        asked.append(key)
        return deliveries[key]

    chosen = choose(enumerate(bounds), simulate, most_simulated=most)
    assert chosen.n_simulated == len(asked) == len(set(asked)) <= most
    assert chosen.delivery_s == deliveries[chosen.candidate] == min(deliveries[key] for key in asked)
    assert chosen.lower_bound_s <= min(deliveries)
    if chosen.lower_bound_s == chosen.delivery_s:
        assert chosen.delivery_s == min(deliveries)
    if most >= len(pairs):
        assert chosen.delivery_s == min(deliveries)


def test_a_bound_that_is_no_better_is_not_simulated():
    asked = []
    chosen = choose([("a", 1.0), ("b", 5.0)], lambda key: asked.append(key) or 5.0, most_simulated=9)
    assert (chosen.candidate, asked) == ("a", ["a"])
    assert chosen.lower_bound_s == chosen.delivery_s == 5.0


def test_without_any_delivery_the_first_bound_is_taken():
    chosen = choose([("a", math.inf), ("b", math.inf)], lambda _: math.inf, most_simulated=9)
    assert (chosen.candidate, chosen.delivery_s, chosen.n_simulated) == ("a", math.inf, 1)


def test_no_candidate_is_an_error():
    with pytest.raises(ValueError, match="at least one candidate"):
        choose([], lambda _: 0.0, most_simulated=1)


def test_a_grid_has_as_many_chains_as_it_has_walks_without_return():
    # On a large torus no path of 4 nodes but the square's last side can meet itself: 4 * 3 * 3 walks, none closed.
    n = 10
    torus = nx.convert_node_labels_to_integers(nx.grid_2d_graph(n, n, periodic=True), ordering="sorted")
    chains = candidate_chains(0, lambda node: sorted(torus[node]), 4, sensor_computes=True)
    assert len(chains) == 4 * 3 * 3
    assert len(np.unique(chains, axis=0)) == len(chains)
