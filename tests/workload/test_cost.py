from __future__ import annotations

import itertools

import numpy as np
import pytest

from orbitsim import catalog
from orbitsim.errors import InputError
from orbitsim.types.profile import BlockTiming, Profile
from orbitsim.workload.cost import layer_costs, nearest_profile
from orbitsim.workload.imagery import task_mini_batches
from orbitsim.workload.models import model_graph
from orbitsim.workload.traces import shipped_profiles

SCENARIO = {"precision": "fp16", "batch_size": 64, "bytes_per_pixel": 3, "activation_bytes_per_value": 4}
ORIN = "jetson-agx-orin-{}w"


@pytest.fixture(scope="module")
def vit_g():
    return model_graph(catalog.model("vit-g"))


@pytest.fixture(scope="module")
def vit_b():
    return model_graph(catalog.model("vit-b"))


def profile_of(
    device, *, batch_size=8, block_s=0.1, energy_j=None, precision="fp16", n_blocks=12, origin="measured", head=True
):
    def row(kind, index, mean_s):
        return BlockTiming(
            device=device.board, power_mode=device.power_mode, model="vit-b", block_kind=kind, block_index=index,
            batch_size=batch_size, precision=precision, mean_s=mean_s, origin=origin, how_timed="test",
            energy_j=energy_j,
        )  # fmt: skip

    blocks = tuple(row("block", i, block_s) for i in range(n_blocks))
    return Profile(
        device.board, device.power_mode, "vit-b", batch_size, precision,
        row("embedding", 0, 0.01), blocks, row("head", 0, 0.02) if head else None, None, "a trace",
    )  # fmt: skip


def test_scale_of_the_design(vit_g):
    """211 mini-batches: 211 s on the ground, about 484 s with the best balanced split over five Orins (design, 6)."""
    n_batches = task_mini_batches(300, "1080p", 224, 64)
    ground = layer_costs(catalog.device("rtx-4070-ti"), vit_g, **SCENARIO)
    assert n_batches * ground.compute_s.sum() == pytest.approx(211.0, rel=1e-9)

    nodes = [layer_costs(catalog.device(ORIN.format(w)), vit_g, **SCENARIO).compute_s for w in (50, 30, 15, 50, 30)]
    n_layers = vit_g.n_layers
    best = np.full(n_layers + 1, np.inf)
    best[0] = 0.0
    for seconds in nodes:  # slowest stage of the best split of the first `stop` layers over the nodes so far
        begin = np.concatenate([[0.0], np.cumsum(seconds)])
        best = np.array(
            [
                min(max(best[start], begin[stop] - begin[start]) for start in range(stop + 1))
                for stop in range(n_layers + 1)
            ]
        )
    assert n_batches * best[-1] == pytest.approx(484.0, rel=2e-3)


def test_orin_time_is_flop_over_the_measured_rate(vit_g):
    costs = layer_costs(catalog.device("jetson-agx-orin-15w"), vit_g, **SCENARIO)
    # 2 x 483.75 GMAC a tile, 64 tiles, 2642.2 GFLOP/s; the figures file prints 366 ms a tile
    assert costs.compute_s.sum() / 64 == pytest.approx(0.366, rel=2e-3)
    assert costs.method == "flop-over-rate"
    assert set(costs.origin) == {"modelled"}
    assert "branes-gemm" in costs.basis
    assert costs.energy_j == pytest.approx(10.41 * costs.compute_s)
    assert costs.energy_origin == "modelled"


@pytest.mark.parametrize(("model", "images_s"), [("vit-b", 1353), ("vit-l", 443), ("vit-h", 168), ("vit-g", 64)])
def test_ground_time_is_the_whole_models_throughput(model, images_s):
    graph = model_graph(catalog.model(model))
    costs = layer_costs(catalog.device("rtx-4070-ti"), graph, **SCENARIO)
    assert costs.compute_s.sum() == pytest.approx(64 / images_s, rel=1e-12)
    assert costs.compute_s / costs.compute_s.sum() == pytest.approx(graph.flop / graph.total_flop)
    assert costs.method == "throughput"
    assert set(costs.origin) == {"modelled"}
    assert costs.energy_j is None  # a power limit is no consumption


def test_peak_is_the_last_resort_and_says_so(vit_g):
    costs = layer_costs(catalog.device("rtx-4070-ti"), vit_g, **{**SCENARIO, "precision": "fp32"})
    assert costs.method == "flop-over-peak"
    assert costs.basis.startswith("last resort, a lower bound")
    assert costs.compute_s.sum() == pytest.approx(64 * vit_g.total_flop / 40.09e12)


def test_unknown_precision_is_explained(vit_g):
    with pytest.raises(InputError, match=r"rtx-4070-ti is known to compute vit-g, got 'int8' \(known: fp16, fp32;"):
        layer_costs(catalog.device("rtx-4070-ti"), vit_g, **{**SCENARIO, "precision": "int8"})


def test_bytes_of_a_mini_batch(vit_g):
    costs = layer_costs(catalog.device("jetson-agx-orin-50w"), vit_g, **SCENARIO)
    assert costs.input_bytes == 64 * 224 * 224 * 3
    assert costs.activation_bytes[:-1] == pytest.approx(64 * 257 * 1664 * 4)
    assert costs.activation_bytes[-1] == 64 * 4
    assert len(costs.compute_s) == len(costs.memory_bytes) == len(costs.activation_bytes) == 48


def test_tokens_cost_four_bytes_each():
    architecture = catalog.Architecture(width=8, mlp_width=16, n_heads=2, n_blocks=2, n_vocabulary=100, n_tokens=10)
    graph = model_graph(catalog.ModelEntry(name="small", title="", architecture=architecture, cite=("x",)))
    assert layer_costs(catalog.device("jetson-agx-orin-50w"), graph, **SCENARIO).input_bytes == 64 * 10 * 4


def test_memory_is_weights_a_layer_and_workspace_and_runtime_once(vit_g):
    device = catalog.device("jetson-agx-orin-50w")
    costs = layer_costs(device, vit_g, **SCENARIO)
    assert costs.memory_bytes.sum() == pytest.approx(3.7e9, rel=1e-2)
    assert costs.memory_overhead_bytes == pytest.approx(64 * 257 * (2 * 1664 + 2 * 8192) * 2 + 0.67e9)
    fp32 = layer_costs(device, vit_g, **{**SCENARIO, "precision": "fp32"})
    assert fp32.memory_bytes.sum() == pytest.approx(7.4e9, rel=1e-2)
    assert layer_costs(catalog.device("rtx-4090"), vit_g, **SCENARIO).memory_overhead_bytes == vit_g.workspace_bytes(
        "fp16", 64
    )


def test_given_model_memory_is_spread_over_the_blocks(vit_g):
    costs = layer_costs(catalog.device("jetson-agx-orin-50w"), vit_g, **SCENARIO, model_memory_bytes=12e9)
    assert np.all(costs.memory_bytes == 250e6)
    assert costs.memory_overhead_bytes == 0.0


def test_exact_profile_wins_over_the_catalogue(vit_b):
    device = catalog.device("jetson-agx-orin-30w")
    costs = layer_costs(device, vit_b, **{**SCENARIO, "batch_size": 8}, profiles=[profile_of(device, energy_j=2.0)])
    assert costs.compute_s == pytest.approx([0.11, *[0.1] * 10, 0.12])
    assert costs.energy_j == pytest.approx([4.0, *[2.0] * 10, 4.0])
    assert costs.method == "trace"
    assert set(costs.origin) == {"measured"}
    assert costs.energy_origin == "measured"
    published = layer_costs(
        device, vit_b, **{**SCENARIO, "batch_size": 8}, profiles=[profile_of(device, origin="published")]
    )
    assert set(published.origin) == {"published"}
    assert published.energy_j == pytest.approx(13.32 * published.compute_s)
    assert published.energy_origin == "modelled"


def test_batch_size_between_two_that_were_timed_is_fitted_and_marked(vit_b):
    device = catalog.device("jetson-agx-orin-30w")
    profiles = [profile_of(device, batch_size=b, block_s=0.002 + 0.01 * b, energy_j=0.05 * b) for b in (1, 16, 128)]
    costs = layer_costs(device, vit_b, **{**SCENARIO, "batch_size": 64}, profiles=profiles)
    assert costs.method == "fitted"
    assert set(costs.origin) == {"modelled"}
    assert costs.profile is None
    assert costs.compute_s[1] == pytest.approx(0.642, rel=1e-6)
    assert "fitted on 42 rows of vit-b, batch 1 to 128, in a trace (median error 0" in costs.basis
    timed_s = sum(profile.layer_s().sum() for profile in profiles)
    power_w = sum(profile.layer_energy_j().sum() for profile in profiles) / timed_s
    assert costs.energy_j == pytest.approx(power_w * costs.compute_s)
    assert costs.energy_origin == "modelled"


def test_batch_size_beside_those_that_were_timed_is_scaled_from_the_nearest_and_marked(vit_b):
    device = catalog.device("jetson-agx-orin-30w")
    profiles = [profile_of(device, batch_size=b, block_s=0.01 * b, energy_j=1.0) for b in (1, 2, 16)]
    costs = layer_costs(device, vit_b, **{**SCENARIO, "batch_size": 64}, profiles=profiles)
    assert nearest_profile(device, vit_b, "fp16", 64, profiles).batch_size == 16
    assert costs.method == "trace-scaled"
    assert set(costs.origin) == {"modelled"}
    assert costs.compute_s[1] == pytest.approx(0.64)
    assert costs.energy_j[1] == pytest.approx(4.0)
    assert "scaled from batch 16" in costs.basis


def test_a_far_batch_size_is_scaled_only_where_the_catalogue_knows_nothing(vit_b):
    device = catalog.device("jetson-agx-orin-30w")
    profiles = [profile_of(device, batch_size=1)]
    far = {**SCENARIO, "batch_size": 64}
    assert layer_costs(device, vit_b, **far, profiles=profiles).method == "flop-over-rate"
    unknown = device.model_copy(update={"rate_flop_s": {}, "peak_flop_s": {}})
    costs = layer_costs(unknown, vit_b, **far, profiles=profiles)
    assert costs.method == "trace-scaled"
    assert costs.compute_s == pytest.approx(64 * profiles[0].layer_s())
    (caveat,) = costs.caveats
    assert caveat.startswith("scaled to 64 times more samples")
    assert costs.basis.endswith(caveat)
    (caveat,) = layer_costs(unknown, vit_b, **SCENARIO, profiles=[profile_of(device, batch_size=512)]).caveats
    assert caveat.startswith("scaled to 8 times fewer samples")
    assert not layer_costs(unknown, vit_b, **SCENARIO, profiles=[profile_of(device, batch_size=16)]).caveats


@pytest.mark.parametrize(("model", "method"), [("vit-b", "trace"), ("vit-h", "fitted")])
def test_sums_of_synchronised_nodes_say_that_they_are_upper_bounds(model, method):
    device, graph = catalog.device("jetson-agx-orin-15w"), model_graph(catalog.model(model))
    costs = layer_costs(device, graph, **{**SCENARIO, "batch_size": 1}, profiles=shipped_profiles())
    assert costs.method == method
    assert "an upper bound: synchronised after every node" in costs.basis


def test_another_model_is_fitted_from_what_was_timed_on_the_device(vit_b):
    device = catalog.device("jetson-agx-orin-15w")
    vit_l = model_graph(catalog.model("vit-l"))
    profiles = [profile_of(device, batch_size=1, block_s=0.008)]
    settings = {**SCENARIO, "batch_size": 1}
    costs = layer_costs(device, vit_l, **settings, profiles=profiles)
    assert costs.method == "fitted"
    assert costs.n_layers == 24
    # 20 ms of a head without work to speak of are more than the block took: nothing is left to grow with the FLOP,
    # but for what the hardware cannot exceed
    assert costs.compute_s[1] == pytest.approx(0.02 + vit_l.flop[1] / device.peak_flop_s["fp16"].value)
    # a block of ViT-G takes 7.1 times the FLOP of ViT-B's: too far
    vit_g = model_graph(catalog.model("vit-g"))
    assert layer_costs(device, vit_g, **settings, profiles=profiles).method == "flop-over-rate"


def test_nearest_batch_does_not_depend_on_the_order_of_profiles(vit_b):
    device = catalog.device("jetson-agx-orin-30w")
    profiles = [profile_of(device, batch_size=b) for b in (4, 16, 64)]
    for order in itertools.permutations(profiles):
        assert nearest_profile(device, vit_b, "fp16", 8, order).batch_size == 16  # 4 and 16 are equally near
        assert nearest_profile(device, vit_b, "fp16", 5, order).batch_size == 4


def test_profiles_of_something_else_are_passed_over(vit_b):
    device = catalog.device("jetson-agx-orin-30w")
    strangers = [
        profile_of(catalog.device("jetson-agx-orin-15w")),
        profile_of(catalog.device("rtx-4070-ti")),
        profile_of(device, precision="fp32"),
        profile_of(device, n_blocks=11),
        profile_of(device, head=False),
    ]
    costs = layer_costs(device, vit_b, **SCENARIO, profiles=strangers)
    assert costs.method == "flop-over-rate"


@pytest.mark.parametrize(
    ("name", "batch_sizes"), [("cpu-xeon-amx-vm-1t", (1, 8, 64)), ("cpu-xeon-amx-vm-2t", (1, 8, 64))]
)
def test_shipped_processor_is_measured_where_it_was_measured(vit_b, name, batch_sizes):
    def costs(batch_size, profiles):
        settings = {**SCENARIO, "precision": "fp32", "batch_size": batch_size}
        return layer_costs(catalog.device(name), vit_b, **settings, profiles=profiles)

    for batch_size in batch_sizes:
        exact = costs(batch_size, shipped_profiles())
        assert exact.method == "trace"
        assert set(exact.origin) == {"measured"}
    assert set(costs(24, shipped_profiles()).origin) == {"modelled"}
    # the catalogue's rate for other models is that of the trace's largest batch
    assert costs(batch_sizes[-1], ()).compute_s.sum() == pytest.approx(exact.compute_s.sum(), rel=0.05)


def test_costs_cannot_be_changed(vit_b):
    costs = layer_costs(catalog.device("jetson-agx-orin-30w"), vit_b, **SCENARIO)
    with pytest.raises(ValueError, match="read-only"):
        costs.compute_s[0] = 0.0
