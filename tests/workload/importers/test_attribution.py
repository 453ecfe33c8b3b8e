"""Spreading by FLOP: against the catalogue's published totals, and never a second more or less."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim import catalog
from orbitsim.catalog import Architecture, ModelEntry
from orbitsim.errors import InputError
from orbitsim.workload.importers.attribution import spread, target_flop
from orbitsim.workload.importers.mapping import all_targets
from orbitsim.workload.models import model_graph


@pytest.mark.parametrize("name", catalog.names("model"))
def test_shares_are_the_layers_of_the_model(name):
    entry = catalog.model(name)
    flop = target_flop(entry)
    graph = model_graph(entry)
    assert list(flop) == list(all_targets(graph.n_layers))
    if graph.input_px is not None:
        layers = np.array([flop["block", i] for i in range(graph.n_layers)])
        layers[0] += flop["embedding", 0]
        layers[-1] += flop["head", 0]
        np.testing.assert_allclose(layers, graph.flop, rtol=1e-12)


def test_vit_b_by_hand():
    """ViT-B/16: 196 patches of 768 values to 768 channels; 1000 classes from one token of 768."""
    flop = target_flop(catalog.model("vit-b"))
    assert flop["embedding", 0] == 2 * 196 * 768 * 768
    assert flop["head", 0] == 2 * 768 * 1000
    assert flop["block", 5] == 2 * (197 * 12 * 768**2 + 2 * 197**2 * 768)


def test_a_model_of_tokens_keeps_a_share_for_its_look_up():
    architecture = Architecture(
        width=64, mlp_width=256, n_heads=4, n_blocks=1, n_vocabulary=1000, n_tokens=16, tied_head=True
    )
    entry = ModelEntry(name="tiny", title="t", cite=("nobody",), architecture=architecture)
    flop = target_flop(entry)
    assert flop["embedding", 0] == 16 * 64
    assert flop["head", 0] == 2 * 64 * 1000


@given(st.floats(1e-6, 1e3), st.lists(st.integers(0, 11), min_size=1, unique=True))
def test_shares_add_up(total_s, indices):
    flop = target_flop(catalog.model("vit-b"))
    targets = [("embedding", 0), *(("block", i) for i in indices), ("head", 0)]
    shares = spread(total_s, targets, flop)
    assert math.isclose(math.fsum(shares.values()), total_s, rel_tol=1e-12)
    assert all(share > 0 for share in shares.values())


def test_blocks_that_the_model_does_not_have():
    with pytest.raises(InputError, match="the 12 blocks of the model, found block 12"):
        spread(1.0, [("block", 12)], target_flop(catalog.model("vit-b")))
