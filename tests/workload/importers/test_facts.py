"""What was timed: files and user brought together, contradictions and gaps named."""

from __future__ import annotations

import pytest

from orbitsim.errors import InputError
from orbitsim.workload.importers.base import Recording, Timing
from orbitsim.workload.importers.facts import Facts, catalogue_name, settled_keys

FULL = Facts("jetson-agx-orin", "30W", "vit-b", 8, "fp16")


def recording(**words):
    return Recording((Timing("a", 1.0),), **words)


def test_the_user_fills_what_the_file_leaves_open():
    assert settled_keys([("f", recording())], FULL) == [("jetson-agx-orin", "30W", "vit-b", 8, "fp16")]


def test_the_file_says_it_all():
    found = recording(device="board", power_mode="15W", model="vit_l_16", batch_size=2, precision="FP16")
    assert settled_keys([("f", found)], Facts()) == [("board", "15W", "vit-l", 2, "fp16")]


@pytest.mark.parametrize(
    ("in_file", "given"),
    [
        ({"device": "jetson_orin_agx"}, {"device": "jetson-agx-orin"}),
        ({"device": "Orin"}, {"device": "jetson-agx-orin"}),
        ({"device": "NVIDIA GeForce RTX 3060"}, {"device": "rtx-3060"}),
        ({"power_mode": "MODE_30W_ALL"}, {"power_mode": "MODE-30W"}),
        ({"model": "vit_b_16"}, {"model": "vit-b"}),
        ({"model": "google/vit-base-patch16-224"}, {"model": "vit-b"}),
        ({"precision": "FP16"}, {"precision": "fp16"}),
        ({"batch_size": 8}, {"batch_size": 8}),
    ],
)
def test_two_words_for_one_thing_agree_and_the_users_is_kept(in_file, given):
    facts = Facts(**{**{name: getattr(FULL, name) for name in Facts.__slots__}, **given})
    (key,) = settled_keys([("f", recording(**in_file))], facts)
    assert set(given.values()) <= set(key)


@pytest.mark.parametrize(
    ("in_file", "given"),
    [
        ({"device": "Xavier"}, {"device": "jetson-agx-orin"}),
        ({"power_mode": "15W"}, {"power_mode": "30W"}),
        ({"model": "vit_b_32"}, {"model": "vit-b"}),
        ({"model": "vit_l_16"}, {"model": "vit-b"}),
        ({"model": "resnet18"}, {"model": "vit-b"}),
        ({"precision": "fp32"}, {"precision": "fp16"}),
        ({"batch_size": 1}, {"batch_size": 8}),
    ],
)
def test_contradictions_name_both_and_may_be_renamed(in_file, given):
    facts = Facts(**{**{name: getattr(FULL, name) for name in Facts.__slots__}, **given})
    with pytest.raises(InputError) as caught:
        settled_keys([("log.json", recording(**in_file))], facts)
    (problem,) = caught.value.problems
    (name, said), (_, word) = *in_file.items(), *given.items()
    assert (problem.source, problem.key) == ("log.json", name)
    assert repr(said) in problem.message
    assert repr(word) in problem.message
    assert "--rename" in problem.message
    (key,) = settled_keys([("log.json", recording(**in_file))], facts, rename=True)
    assert word in key


def test_all_gaps_at_once():
    with pytest.raises(InputError) as caught:
        settled_keys([("a", recording()), ("b", recording(device="x"))], Facts(model="m"))
    assert [problem.key for problem in caught.value.problems] == [
        "--device", "--power-mode", "--batch-size", "--precision",
    ]  # fmt: skip
    assert "2 files" in str(caught.value)


def test_the_patch_size_is_part_of_a_models_name():
    assert catalogue_name("vit_b_16") == "vit-b"
    assert catalogue_name("vit_huge_patch14_224") == "vit-h"
    assert catalogue_name("vit_b_32") == "vit_b_32"
    assert catalogue_name("resnet50") == "resnet50"
