"""Names to blocks: the libraries' names, fused names, and times that are never lost or counted twice."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.errors import InputError
from orbitsim.workload.importers.mapping import all_targets, chosen_rules, map_parts, spanning_problem
from orbitsim.workload.importers.rules import BUILT_IN_RULES, RuleSet

EMBEDDING, HEAD = ("embedding", 0), ("head", 0)


def block(index: int) -> tuple[str, int]:
    return ("block", index)


def mapped(names):
    rules = chosen_rules(names, BUILT_IN_RULES)
    assert rules is not None
    return map_parts(names, rules)


@pytest.mark.parametrize(
    ("library", "first", "pattern", "last"),
    [
        ("torchvision", ["conv_proj", "encoder.dropout"], "encoder.layers.encoder_layer_{}.mlp.0", ["heads.head"]),
        ("torchvision", ["conv_proj", "add"], "encoder_layers_encoder_layer_{}_self_attention", ["encoder_ln"]),
        ("torchvision", ["/conv_proj/Conv"], "/encoder/layers/encoder_layer_{}/mlp/3/Gemm", ["/heads/head/Gemm"]),
        ("torchvision", ["patches"], "[FC]-[aten_ops.linear]-[/encoder_layers_encoder_layer_{}_mlp/0/linear]", ["end"]),
        ("encoder-decoder", ["embeddings.patch"], "vit.encoder.layer.{}.attention", ["vit.layernorm", "classifier"]),
        ("encoder-decoder", ["/embeddings/Conv"], "/encoder/layer.{}/attention/MatMul", ["/layernorm/Add", "/Gemm"]),
        ("encoder-decoder", ["a"], "/model/encoder/layers.{}/fc1/MatMul", ["b"]),
        ("timm", ["patch_embed.proj", "pos_drop"], "blocks.{}.attn.qkv", ["norm", "head"]),
        ("timm", ["/patch_embed/proj/Conv"], "/blocks.{}/norm1/LayerNormalization", ["/norm/Add", "/head/Gemm"]),
        ("timm", ["patch_embed_proj"], "blocks_{}_mlp_fc1", ["norm", "head"]),
        ("gpt", ["transformer.wte", "transformer.wpe"], "transformer.h.{}.attn", ["transformer.ln_f", "lm_head"]),
        ("layers", ["model.embed_tokens"], "model.layers.{}.mlp", ["model.norm", "lm_head"]),
        ("layers", ["/embed/Gather"], "/model/layers.{}/self_attn/q_proj/MatMul", ["/model/norm/Mul"]),
        ("layers", ["embeddings"], "layers.{}", ["head"]),
        ("block", ["embedding"], "block {}", ["head"]),
        ("block", ["embedding"], "block_{}", ["head"]),
    ],
)  # fmt: skip
def test_names_of_the_libraries(library, first, pattern, last):
    names = [*first, *(pattern.format(i) for i in range(13)), *last]
    rules = chosen_rules(names, BUILT_IN_RULES)
    assert rules is not None
    assert rules.name == library
    found = map_parts(names, rules)
    assert found.n_blocks == 13  # 12 has two digits: never block 1
    expected = [EMBEDDING] * len(first) + [block(i) for i in range(13)] + [HEAD] * len(last)
    assert list(found.targets) == [(target,) for target in expected]


def test_nodes_without_a_module_go_where_they_ran():
    """The order of torchvision's graph: a sum closes a block, the checks of its input open the next one."""
    names = [
        "getattr_1", "eq", "_assert", "conv_proj", "cat", "eq_2", "getattr_3", "_assert_2", "add", "encoder_dropout",
        "eq_3", "getattr_4", "_assert_3", "encoder_layers_encoder_layer_0_ln_1", "getitem_5", "add_1", "add_2",
        "eq_4", "getattr_5", "_assert_4", "encoder_layers_encoder_layer_1_ln_1", "getitem_7",
        "encoder_layers_encoder_layer_1_mlp_3", "add_4",
        "encoder_ln", "getitem_29", "heads_head",
    ]  # fmt: skip
    targets = [owners[0] for owners in mapped(names).targets]
    assert targets[:10] == [EMBEDDING] * 10
    assert targets[10:17] == [block(0)] * 7
    assert targets[17:24] == [block(1)] * 7
    assert targets[24:] == [HEAD] * 3


def test_an_encoder_and_a_decoder_follow_one_another():
    names = ["/conv", *(f"/encoder/layers.{i}/fc1" for i in range(3)), *(f"/decoder/{i}/fc1" for i in range(2)), "/out"]
    found = mapped(names)
    assert found.n_blocks == 5
    assert [owners[0] for owners in found.targets[1:-1]] == [block(i) for i in range(5)]


def test_stages_of_a_hierarchical_model_follow_one_another():
    names = [f"layers.{stage}.blocks.{i}.attn" for stage, n in enumerate((2, 2, 6, 2)) for i in range(n)]
    found = mapped(names)
    assert found.n_blocks == 12
    assert [owners[0] for owners in found.targets] == [block(i) for i in range(12)]


@pytest.mark.parametrize(
    ("name", "owners"),
    [
        ("/blocks.0/fc + /blocks.0/act", [0]),
        ("/blocks.0/fc2/Add + /blocks.1/norm1/Mul", [0, 1]),
        ("/blocks.0/k/MatMul || /blocks.2/k/MatMul", [0, 2]),
        ("PWN(/blocks.1/Add, PWN(/blocks.2/Mul))", [1, 2]),
        ("Reformatting CopyNode for Input Tensor 0 to /blocks.1/fc", [1]),
        ("{ForeignNode[/blocks.0/norm1/Mul.../blocks.3/fc2/Add]}", [0, 1, 2, 3]),
        ("{ForeignNode[/blocks.2/norm1/Mul.../blocks.2/fc2/Add]}", [2]),
        ("PWN(/blocks.0/Constant_output_0_clone_3 + ONNXTRT_Broadcast_9, PWN(/blocks.2/Mul))", [2]),
    ],
)
def test_fused_names_belong_to_every_block_that_they_span(name, owners):
    names = ["/patch_embed/Conv", "/blocks.0/a", name, "/blocks.1/a", "/blocks.2/a", "/blocks.3/a", "/head/Gemm"]
    assert mapped(names).targets[2] == tuple(block(i) for i in owners)


def test_a_fused_embedding_or_head_is_not_put_into_the_block():
    names = ["/patch_embed/proj/Conv + /blocks.0/norm1/Mul", "/blocks.1/a + /head/Gemm"]
    assert mapped(names).targets == ((EMBEDDING, block(0)), (block(1), HEAD))


def test_kernels_of_a_fused_region_share_its_blocks():
    """What Myelin calls its kernels says nothing; the region that they follow does."""
    region = "{ForeignNode[/blocks.0/norm1/Mul.../blocks.2/fc2/Add]}"
    names = [
        "/conv",
        f"Reformatting CopyNode for Input Tensor 0 to {region}",
        "__myl_MulAdd_myl0_0",
        "__myl_Fc_myl0_1",
        f"Reformatting CopyNode for Output Tensor 0 to {region}",
        "/head/Gemm",
    ]
    found = mapped(names)
    assert found.targets[1:5] == ((block(0), block(1), block(2)),) * 4
    assert found.spanning() == (1, 2, 3, 4)
    problem = spanning_problem(names, [1.0] * 6, found, "engine.json")
    assert "4 of 6 parts (66.7% of the time)" in problem.message
    assert "block 0 to block 2" in problem.message
    assert "--attribute flop" in problem.message


def test_a_kernel_without_any_hint_spans_what_is_between_its_neighbours():
    names = ["/conv", "/blocks.0/a", "__myl_Fc_myl0_1", "/blocks.3/a", "__myl_Fc_myl9_1"]
    found = mapped(names)
    assert found.targets[2] == tuple(block(i) for i in range(4))
    assert found.targets[4] == (block(3), HEAD)


def test_a_region_with_one_known_end_reaches_to_its_neighbour():
    names = [
        "/conv",
        "/blocks.0/a",
        "{ForeignNode[onnx::MatMul_1.../blocks.2/fc]}",
        "{ForeignNode[/blocks.2/x.../Gemm_9]}",
    ]
    found = mapped(names)
    assert found.targets[2] == (block(0), block(1), block(2))
    assert found.targets[3] == (block(2), HEAD)


def test_names_that_tell_nothing_are_found_out():
    names = [
        "conv1 + relu",
        "{ForeignNode[lstm_W...Max_reduce_min]}",
        "layer1.0.conv1",
        "features.7",
        "void gemm<int>(a, b)",
    ]
    assert chosen_rules(names, BUILT_IN_RULES) is None
    with pytest.raises(InputError, match="find no block"):
        map_parts(names, BUILT_IN_RULES[0])


def test_a_gap_in_the_blocks_is_an_error():
    names = ["/blocks.0/a", "/blocks.1/a", "/blocks.4/a"]
    with pytest.raises(InputError, match="none of block 2, 3"):
        map_parts(names, chosen_rules(names, BUILT_IN_RULES))


def test_the_number_of_a_block_is_a_small_one():
    with pytest.raises(InputError, match="expected the number of a block"):
        chosen_rules(["/blocks.123456789/a"], BUILT_IN_RULES)


def test_quarters_of_pipeedge_make_blocks_with_the_edges_inside():
    names = [f"layer {i}" for i in range(1, 9)]
    found = mapped(names)
    assert found.n_blocks == 2
    assert found.per_block == 4
    assert found.targets == ((EMBEDDING, block(0)), *[(block(0),)] * 3, *[(block(1),)] * 3, (block(1), HEAD))


WORDS = st.sampled_from(
    ["conv", "patch_embed.proj", "head", "norm", "__myl_Fc_myl0_1", "void gemm<int, float>(a)", "add_3", ""]
)
BLOCKS = st.integers(0, 5).map(lambda i: f"blocks.{i}.fc")
FUSED = st.lists(st.one_of(WORDS, BLOCKS), min_size=1, max_size=3).map(" + ".join)
REGIONS = st.tuples(st.one_of(WORDS, BLOCKS), st.one_of(WORDS, BLOCKS)).map(
    lambda ends: "{{ForeignNode[{}...{}]}}".format(*ends)
)
NAMES = st.lists(st.one_of(FUSED, REGIONS, BLOCKS), min_size=0, max_size=20)


@given(NAMES, st.randoms(use_true_random=False))
def test_every_part_lands_somewhere_and_no_time_is_lost(names, random):
    names = [*names, *(f"blocks.{i}.end" for i in range(6))]
    seconds = [random.random() for _ in names]
    found = mapped(names)
    assert len(found.targets) == len(names)
    assert all(owners and set(owners) <= set(all_targets(6)) for owners in found.targets)
    own = math.fsum(found.sums(seconds).values())
    spanning = math.fsum(seconds[i] for i in found.spanning())
    assert math.isclose(own + spanning, math.fsum(seconds), rel_tol=1e-12)


@given(st.lists(st.integers(0, 5), min_size=2, max_size=4, unique=True), st.sampled_from([" + ", " || "]))
def test_a_fused_name_is_never_in_one_block(indices, sign):
    names = [sign.join(f"/blocks.{i}/fc" for i in indices), *(f"/blocks.{i}/a" for i in range(6))]
    assert mapped(names).targets[0] == tuple(block(i) for i in sorted(indices))


def test_skipped_parts_are_counted_apart():
    import re

    from orbitsim.workload.importers.rules import Rule

    rules = RuleSet("mine", (Rule(re.compile("^idle"), "skip"), *BUILT_IN_RULES[2].rules))
    found = map_parts(["idle", "blocks.0", "idle", "blocks.1"], rules)
    assert found.skipped() == (0, 2)
    assert found.sums([5.0, 1.0, 5.0, 2.0]) == {block(0): 1.0, block(1): 2.0}
