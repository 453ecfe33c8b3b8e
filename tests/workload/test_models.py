"""Layer graphs against figures from outside: published counts, and a twin that lists every matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim import catalog
from orbitsim.catalog import Architecture
from orbitsim.workload.models import model_graph, transformer_graph

ONE_PERCENT = 1e-2

# Parameters [M] and GFLOP a tile as the design prints them.
DESIGN = {"vit-b": (86.57, 35.1), "vit-l": (304.33, 123.1), "vit-h": (632.05, 334.6), "vit-g": (1844.44, 967.5)}


@pytest.mark.parametrize("name", DESIGN)
def test_vit_matches_the_printed_figures(name):
    graph = model_graph(catalog.model(name))
    parameters_m, gflop = DESIGN[name]
    assert graph.n_unique_parameters / 1e6 == pytest.approx(parameters_m, rel=ONE_PERCENT)
    assert graph.total_flop / 1e9 == pytest.approx(gflop, rel=ONE_PERCENT)


@pytest.mark.parametrize("name", DESIGN)
def test_catalogue_figures_agree_with_the_computed_ones(name):
    entry = catalog.model(name)
    graph = model_graph(entry)
    assert graph.n_unique_parameters == pytest.approx(entry.published_parameters.value, rel=ONE_PERCENT)
    assert graph.total_flop == pytest.approx(entry.published_flop.value, rel=ONE_PERCENT)


# Exact parameter counts of public checkpoints.
VIT_B_PARAMETERS = 86_567_656  # timm vit_base_patch16_224, torchvision vit_b_16
VIT_L_PARAMETERS = 304_326_632  # torchvision vit_l_16
GPT2_PARAMETERS = 124_439_808  # openai-community/gpt2, head tied to the token table
LLAMA2_7B_PARAMETERS = 6_738_415_616  # meta-llama/Llama-2-7b
LLAMA3_8B_PARAMETERS = 8_030_261_248  # meta-llama/Meta-Llama-3-8B: 8 key and value heads of 32

GPT2 = Architecture(
    width=768, mlp_width=3072, n_heads=12, n_blocks=12, n_vocabulary=50257, n_tokens=1024, n_positions=1024
)
LLAMA = {"norm": "rms", "gated_mlp": True, "bias": False, "qkv_bias": False, "tied_head": False, "n_tokens": 512}
LLAMA2_7B = Architecture(width=4096, mlp_width=11008, n_heads=32, n_blocks=32, n_vocabulary=32000, **LLAMA)
LLAMA3_8B = Architecture(
    width=4096, mlp_width=14336, n_heads=32, n_kv_heads=8, n_blocks=32, n_vocabulary=128256, **LLAMA
)


@pytest.mark.parametrize(
    ("architecture", "parameters"),
    [
        (catalog.model("vit-b").architecture, VIT_B_PARAMETERS),
        (catalog.model("vit-l").architecture, VIT_L_PARAMETERS),
        (GPT2, GPT2_PARAMETERS),
        (LLAMA2_7B, LLAMA2_7B_PARAMETERS),
        (LLAMA3_8B, LLAMA3_8B_PARAMETERS),
    ],
    ids=["vit-b", "vit-l", "gpt2", "llama2-7b", "llama3-8b"],
)
def test_parameters_are_exact(architecture, parameters):
    assert transformer_graph("model", architecture).n_unique_parameters == parameters


def test_vit_g_sizes_of_the_design():
    graph = model_graph(catalog.model("vit-g"))
    assert graph.n_layers == 48
    assert graph.weights_bytes("fp16").sum() == pytest.approx(3.7e9, rel=ONE_PERCENT)
    assert graph.weights_bytes("fp32").sum() == pytest.approx(7.4e9, rel=ONE_PERCENT)
    assert graph.activation_values[0] * 4 == 257 * 1664 * 4  # 1.7 MB an uncompressed fp32 activation of one tile


def listed_mac(a: Architecture) -> float:
    """MACs of a vision model as a list of matrix products, each (rows, inner, columns)."""
    n_tokens = (a.image_px // a.patch_px) ** 2 + a.n_extra_tokens
    head_width = a.width // a.n_heads
    n_kv_heads = a.n_kv_heads or a.n_heads
    products = [(n_tokens - a.n_extra_tokens, a.n_channels * a.patch_px**2, a.width), (1, a.width, a.n_classes)]
    for _ in range(a.n_blocks):
        products += [(n_tokens, a.width, a.width)]  # query
        products += [(n_tokens, a.width, n_kv_heads * head_width)] * 2  # key, value
        for _ in range(a.n_heads):
            products += [(n_tokens, head_width, n_tokens), (n_tokens, n_tokens, head_width)]
        products += [(n_tokens, a.width, a.width)]  # projection
        products += [(n_tokens, a.width, a.mlp_width)] * (2 if a.gated_mlp else 1)
        products += [(n_tokens, a.mlp_width, a.width)]
    return float(sum(rows * inner * columns for rows, inner, columns in products))


@given(
    n_heads=st.sampled_from([1, 2, 4, 6]),
    n_groups=st.sampled_from([1, 2]),
    head_width=st.integers(1, 16),
    mlp_width=st.integers(1, 200),
    n_blocks=st.integers(1, 5),
    n_side=st.integers(1, 6),
    patch_px=st.integers(1, 8),
    gated_mlp=st.booleans(),
)
def test_flop_equal_the_list_of_products(
    n_heads, n_groups, head_width, mlp_width, n_blocks, n_side, patch_px, gated_mlp
):
    a = Architecture(
        width=n_heads * head_width, mlp_width=mlp_width, n_heads=n_heads, n_blocks=n_blocks, gated_mlp=gated_mlp,
        n_kv_heads=n_heads // n_groups if n_heads % n_groups == 0 else n_heads,
        patch_px=patch_px, image_px=n_side * patch_px, n_classes=10,
    )  # fmt: skip
    graph = transformer_graph("any", a)
    assert graph.total_flop == 2 * listed_mac(a)
    assert graph.n_layers == n_blocks
    assert np.all(graph.flop > 0)


def test_embedding_and_head_fold_into_the_first_and_the_last_layer():
    graph = model_graph(catalog.model("vit-b"))
    inner = graph.flop[1:-1]
    assert np.all(inner == inner[0])
    assert graph.flop[0] - inner[0] == 2 * 196 * 768 * 768  # patches x values of a patch x width
    assert graph.flop[-1] - inner[0] == 2 * 768 * 1000
    assert graph.n_parameters[0] - graph.n_parameters[1] == 768 * 768 + 768 + 768 + 197 * 768
    assert graph.n_parameters[-1] - graph.n_parameters[1] == 2 * 768 + 768 * 1000 + 1000


def test_tied_table_is_counted_once_but_held_at_both_ends():
    graph = transformer_graph("gpt2", GPT2)
    table = 50257 * 768
    assert graph.n_parameters.sum() - graph.n_unique_parameters == table
    one_block = transformer_graph("small", GPT2.model_copy(update={"n_blocks": 1}))
    assert one_block.n_parameters.sum() == one_block.n_unique_parameters


def test_workspace_grows_with_the_mini_batch_and_holds_the_widest_tensors():
    graph = model_graph(catalog.model("vit-g"))
    assert graph.workspace_bytes("fp16", 64) == 64 * graph.workspace_bytes("fp16", 1)
    assert graph.workspace_bytes("fp16", 1) == 257 * (2 * 1664 + 2 * 8192) * 2


def test_graph_cannot_be_changed():
    graph = model_graph(catalog.model("vit-b"))
    with pytest.raises(ValueError, match="read-only"):
        graph.flop[0] = 0.0
