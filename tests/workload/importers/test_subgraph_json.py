"""Per-node times of a torch.fx graph; the small profile here is written by hand."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from workload.importers.board_data import cuts, expected, needs_jetson, read_file, read_text, refusal

from orbitsim.workload.importers.base import Source
from orbitsim.workload.importers.subgraph_json import FORMAT


def subgraph(mean_ms: float, *names: str, flop: float = 0) -> dict[str, Any]:
    return {
        "subgraph_id": 0,
        "flops": flop,
        "total_bytes": 100,
        "theoretical_peak_flops": 1e12,
        "measured_latency": {
            "mean": mean_ms,
            "std": 0.1,
            "min": mean_ms - 0.25,
            "max": mean_ms + 0.5,
            "ci_lower": mean_ms - 0.125,
            "ci_upper": mean_ms + 0.125,
            "samples": 50,
        },
        "node_names": list(names),
    }


def document(**changes: Any) -> dict[str, Any]:
    return {
        "model": "vit_tiny",
        "hardware_id": "jetson_board_30w",
        "precision": "FP16",
        "thermal_profile": "30W",
        "batch_size": 4,
        "subgraphs": [
            subgraph(0.5, "conv_proj", flop=2e6),
            subgraph(2.0, "encoder_layer_0_ln", "encoder_layer_0_mlp", flop=8e6),
            subgraph(1.5, "heads_head"),
        ],
        "model_summary": {"num_subgraphs": 3, "total_latency_ms": 4.0},
        **changes,
    }


def text(**changes: Any) -> str:
    return json.dumps(document(**changes), indent=1)


def test_subgraphs_become_parts_in_order() -> None:
    imported = read_text(FORMAT, text())
    (recording,) = imported.recordings
    assert (recording.device, recording.power_mode) == ("jetson_board", "30W")
    assert (recording.model, recording.precision, recording.batch_size) == ("vit_tiny", "fp16", 4)
    assert [part.name for part in recording.parts] == [
        "conv_proj",
        "encoder_layer_0_ln + encoder_layer_0_mlp",
        "heads_head",
    ]
    part = recording.parts[1]
    assert (part.mean_s, part.std_s, part.min_s, part.max_s) == pytest.approx((2e-3, 1e-4, 1.75e-3, 2.5e-3))
    assert (part.n_samples, part.flop) == (50, 8e6)
    assert imported.facts["sum_of_means_s"] == pytest.approx(4e-3)
    assert any("upper bound" in note for note in imported.notes)
    assert any("theoretical_peak_flops" in note for note in imported.notes)


def test_a_board_whose_name_lacks_the_mode_keeps_its_name() -> None:
    assert read_text(FORMAT, text(hardware_id="agx")).recordings[0].device == "agx"


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"subgraphs": []}, "subgraphs"),
        ({"subgraphs": [subgraph(0.1, "conv")]}, "subgraphs[0].measured_latency.min"),  # 0.1 - 0.25 is below zero
        ({"subgraphs": [subgraph(1.0)]}, "subgraphs[0].node_names"),
        ({"subgraphs": [1]}, "subgraphs[0]"),
        ({"subgraphs": [{"node_names": ["x"]}]}, "subgraphs[0].measured_latency"),
        ({"subgraphs": [subgraph(1.0, "a")]}, "num_subgraphs"),
        ({"model_summary": {"total_latency_ms": 4.1}}, "total_latency_ms"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": "4"}, "batch_size"),
        ({"batch_size": True}, "batch_size"),
        ({"precision": None}, "precision"),
        ({"model": ""}, "model"),
    ],
)
def test_faults_name_their_key(changes: dict[str, Any], where: str) -> None:
    assert where in refusal(FORMAT, text(**changes))


@pytest.mark.parametrize(
    ("key", "value"),
    [("mean", 9.0), ("mean", None), ("mean", "2.0"), ("mean", -1), ("std", -1), ("samples", 0), ("ci_upper", 1.9)],
)
def test_statistics_that_contradict_each_other_are_refused(key: str, value: Any) -> None:
    graph = subgraph(2.0, "node")
    graph["measured_latency"][key] = value
    assert "subgraphs[0].measured_latency" in refusal(FORMAT, text(subgraphs=[graph], model_summary={}))


def test_nan_and_decimal_commas_are_refused_with_their_byte() -> None:
    assert "byte" in refusal(FORMAT, text().replace('"mean": 0.5', '"mean": NaN'))
    assert "byte" in refusal(FORMAT, text().replace('"mean": 0.5', '"mean": 0,5'))


def test_a_cut_file_is_refused() -> None:
    assert list(cuts(FORMAT, text(subgraphs=[subgraph(1.0, "a")], model_summary={}))) == []


def test_other_json_does_not_match() -> None:
    assert not FORMAT.matches(Source.of('{"subgraphs": []}'))
    assert not FORMAT.matches(Source.of("[]"))


PROFILES = expected("branes-orin-agx")


@needs_jetson
@pytest.mark.parametrize(("name", "figures"), PROFILES, ids=[name for name, _ in PROFILES])
def test_published_profiles(name: str, figures: str) -> None:
    match = re.match(r"(\d+) subgraphs; sum of mean latency ([\d.]+) ms", figures)
    assert match is not None
    (recording,) = read_file(FORMAT, name).recordings
    assert len(recording.parts) == int(match[1])
    assert math.fsum(part.mean_s for part in recording.parts) == pytest.approx(float(match[2]) * 1e-3, abs=5.1e-8)
    mode, precision, file = name.split("/")[-3:]
    assert recording.power_mode == mode.removeprefix("run2_").upper()
    assert recording.precision == precision
    assert recording.batch_size == int(file.removesuffix(".json").rsplit("_b", 1)[1])
    assert recording.device in {"jetson_orin_agx", "jetson_orin"}


@needs_jetson
def test_each_block_of_vit_b_is_named_in_order() -> None:
    (recording,) = read_file(FORMAT, "branes-orin-agx/15w/fp16/vit_b_16_b1.json").recordings
    named = [int(match[1]) for part in recording.parts if (match := re.search(r"encoder_layer_(\d+)_", part.name))]
    assert named == sorted(named)
    assert sorted(set(named)) == list(range(12))
    assert recording.parts[11].name == "conv_proj"
    assert recording.parts[-1].name == "heads_head"


def test_huge_integers_are_refused_as_any_other_fault() -> None:
    for key in ("mean", "samples", "ci_lower", "max"):
        graph = subgraph(2.0, "node")
        graph["measured_latency"][key] = 10**400
        assert "subgraphs[0]" in refusal(FORMAT, text(subgraphs=[graph], model_summary={}))
    assert "batch_size" in refusal(FORMAT, text(batch_size=10**400))
