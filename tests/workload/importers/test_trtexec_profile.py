"""Layers from ``trtexec --exportProfile``, and what ``--exportLayerInfo`` adds to them."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.errors import InputError
from orbitsim.workload.importers.base import Source
from orbitsim.workload.importers.trtexec_profile import FORMAT, join_layer_info

SHARED = Path(__file__).parents[4] / "shared" / "data" / "jetson"

PROFILE: list[dict[str, Any]] = [
    {"count": 100},
    {"name": "reformat", "timeMs": 10.0, "averageMs": 0.1, "medianMs": 0.09, "percentage": 2.5},
    {"name": "/patch/Conv", "timeMs": 90.0, "averageMs": 0.9, "medianMs": 0.9, "percentage": 22.5},
    {"name": "shape only", "timeMs": 0, "averageMs": 0, "medianMs": 0, "percentage": 0},
    {"name": "{ForeignNode[/blocks.0/norm1.../blocks.11/mlp]}", "timeMs": 300.0, "averageMs": 3.0, "percentage": 75.0},
]
TEXT = json.dumps(PROFILE, indent=1)


def tensor(name: str, dims: list[int], kind: str) -> dict[str, Any]:
    return {"Name": name, "Location": "Device", "Dimensions": dims, "Format/Datatype": kind}


LAYERS: dict[str, Any] = {
    "Layers": [
        {
            "Name": "reformat",
            "LayerType": "Reformat",
            "Inputs": [tensor("image", [8, 3, 224, 224], "Row major linear FP32")],
            "Outputs": [tensor("t0", [8, 3, 224, 224], "Channel major FP16 format where channel % 4 == 0")],
        },
        {
            "Name": "/patch/Conv",
            "LayerType": "CaskConvolution",
            "Inputs": [tensor("t0", [8, 3, 224, 224], "Channel major FP16 format where channel % 4 == 0")],
            "Outputs": [tensor("t1", [8, 768, 14, 14], "Half")],
            "Weights": {"Type": "Half", "Count": 589824},
            "Bias": {"Type": "Half", "Count": 768},
        },
        {"Name": "shape only", "LayerType": "Shape", "Inputs": [], "Outputs": [tensor("n", [-1], "Int32")]},
        {
            "Name": "{ForeignNode[/blocks.0/norm1.../blocks.11/mlp]}",
            "LayerType": "Myelin",
            "Inputs": [tensor("t1", [8, 768, 14, 14], "Half")],
            "Outputs": [tensor("logits", [8, 1000], "Row major linear FP16 format")],
        },
    ],
    "Bindings": ["image", "logits"],
}


def test_reads_layers_in_order_and_keeps_those_without_time() -> None:
    imported = FORMAT.read(Source.of(TEXT))
    (recording,) = imported.recordings
    assert [part.name for part in recording.parts] == [layer["name"] for layer in PROFILE[1:]]
    assert [part.mean_s for part in recording.parts] == pytest.approx([1e-4, 9e-4, 0.0, 3e-3])
    assert recording.parts[0].p50_s == pytest.approx(9e-5)
    assert recording.parts[3].p50_s is None
    assert {part.n_samples for part in recording.parts} == {100}
    assert imported.facts["layer_mean_sum_s"] == pytest.approx(4e-3)


def test_says_how_much_is_fused() -> None:
    notes = FORMAT.read(Source.of(TEXT)).notes
    assert any("1 of 4 layers" in note and "75.0%" in note for note in notes)


def test_layer_information_alone_has_no_times() -> None:
    imported = FORMAT.read(Source.of(json.dumps(LAYERS)))
    assert imported.recordings == ()
    assert imported.facts["batch_size"] == 8
    assert imported.facts["precision"] == "fp16"
    assert imported.facts["layers"]["/patch/Conv"]["outputs"] == {"t1": [8, 768, 14, 14]}


def test_joining_adds_sizes_precision_and_batch() -> None:
    joined = join_layer_info(FORMAT.read(Source.of(TEXT)), FORMAT.read(Source.of(json.dumps(LAYERS))))
    (recording,) = joined.recordings
    reformat, conv, shape, fused = recording.parts
    assert reformat.output_bytes == 8 * 3 * 224 * 224 * 2
    assert conv.output_bytes == 8 * 768 * 14 * 14 * 2
    assert conv.weights_bytes == (589824 + 768) * 2
    assert shape.output_bytes is None
    assert fused.output_bytes == 8 * 1000 * 2
    assert (recording.batch_size, recording.precision) == (8, "fp16")
    assert conv.mean_s == pytest.approx(9e-4)


def test_joining_refuses_another_engine() -> None:
    profile = FORMAT.read(Source.of(TEXT))
    other = FORMAT.read(Source.of('{"Layers": ["a", "b"], "Bindings": []}'))
    joined = join_layer_info(profile, other)
    assert joined.recordings == profile.recordings
    assert "not used" in joined.notes[-1]


def test_layers_of_one_name_are_not_described() -> None:
    twice = {"Layers": [LAYERS["Layers"][1], LAYERS["Layers"][1] | {"Outputs": []}], "Bindings": []}
    assert FORMAT.read(Source.of(json.dumps(twice))).facts["layers"]["/patch/Conv"] == {}


def test_mixed_precisions_are_said_and_not_chosen() -> None:
    layers = json.loads(json.dumps(LAYERS))
    layers["Layers"][1]["Outputs"][0]["Format/Datatype"] = "Thirty-two wide channel vectorized row major Int8 format"
    imported = FORMAT.read(Source.of(json.dumps(layers)))
    assert "precision" not in imported.facts
    assert any("fp16, int8" in note for note in imported.notes)


def changed(index: int, **values: object) -> str:
    return json.dumps([row | values if at == index else row for at, row in enumerate(PROFILE)])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (changed(2, averageMs=0.8), r"\[2\]: averageMs x count is 80, but timeMs says 90"),
        (changed(2, percentage=20.0), r"\[2\]: timeMs is 22.5 %"),
        (json.dumps(PROFILE[:2] + PROFILE[3:]), "a layer was lost or changed"),
        (changed(2, timeMs=-1), r"\[2\]\.timeMs: expected a number of at least 0"),
        (changed(2, name=""), r"\[2\]: expected a layer with a name"),
        (changed(2, averageMs="0,9"), r"\[2\]\.averageMs"),
        (changed(0, count=0), r"\[0\]\.count"),
        ('[{"count": 5}]', "no layer"),
        ('[{"count": 5}, {"name": "a", "timeMs": 0, "averageMs": 0}]', "took any time"),
        ('{"Layers": [], "Bindings": []}', "Layers: there is no layer"),
        ('{"Layers": [3], "Bindings": []}', r"Layers\[0\]"),
        ('{"Layers": ["a"], "Bindings": [3]}', "Bindings"),
        ('{"Layers": [{"Name": "a", "Outputs": [{"Dimensions": [1.5]}]}]}', r"Outputs\[0\]"),
        ('{"Layers": [{"Name": "a", "Outputs": [{"Dimensions": [1000000000000, 1000000]}]}]}', "fits a memory"),
    ],
)
def test_names_the_layer_at_fault(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        FORMAT.read(Source.of(text))


@given(st.lists(st.floats(1e-3, 50.0), min_size=2, max_size=300), st.data())
def test_a_lost_layer_is_seen_by_the_sum_of_percentages(times: list[float], data: st.DataObject) -> None:
    """Six digits, as trtexec prints; whatever the layers, the whole file passes and one without a layer does not."""
    total = math.fsum(times)
    rows: list[dict[str, Any]] = [
        {"name": f"l{i}", "timeMs": time, "averageMs": time, "percentage": float(f"{100 * time / total:.6g}")}
        for i, time in enumerate(times)
    ]
    assert FORMAT.read(Source.of(json.dumps([{"count": 1}, *rows]))).recordings
    lost = data.draw(st.integers(0, len(rows) - 1))
    if rows[lost]["percentage"] > 2e-3:
        kept = rows[:lost] + rows[lost + 1 :]
        with pytest.raises(InputError, match=r"layers are missing|was lost"):
            FORMAT.read(Source.of(json.dumps([{"count": 1}, *kept])))


def test_a_small_lost_layer_is_named_as_missing() -> None:
    rows: list[dict[str, Any]] = [
        {"name": "a", "timeMs": 99.995, "averageMs": 99.995, "percentage": 99.995},
        {"name": "b", "timeMs": 0.005, "averageMs": 0.005, "percentage": 0.005},
    ]
    assert FORMAT.read(Source.of(json.dumps([{"count": 1}, *rows]))).recordings
    with pytest.raises(InputError, match=r"\[1\] to \[1\]: percentages of 1 layers add up to 99.995.*are missing"):
        FORMAT.read(Source.of(json.dumps([{"count": 1}, rows[0]])))


@pytest.mark.parametrize("text", [TEXT, json.dumps(LAYERS, indent=1)])
def test_every_cut_is_a_fault(text: str) -> None:
    for length in range(0, len(text), 5):
        with pytest.raises(InputError, match="byte"):
            FORMAT.read(Source.of(text[:length]))


@given(st.sampled_from([TEXT, json.dumps(LAYERS)]), st.integers(0, 10_000), st.binary(min_size=1, max_size=3))
def test_a_changed_byte_is_a_fault_or_sound(text: str, position: int, put: bytes) -> None:
    content = text.encode()
    position %= len(content)
    source = Source.of(content[:position] + put + content[position + len(put) :])
    FORMAT.matches(source)
    try:
        imported = FORMAT.read(source)
    except InputError:
        return
    assert all(math.isfinite(part.mean_s) for recording in imported.recordings for part in recording.parts)


def test_is_told_by_content() -> None:
    assert FORMAT.matches(Source.of(TEXT))
    assert FORMAT.matches(Source.of(json.dumps(LAYERS)))
    assert not FORMAT.matches(Source.of('[{"startEnqMs": 3}]'))
    assert not FORMAT.matches(Source.of('{"layers": []}'))


@pytest.mark.parametrize(
    ("file", "count", "n_layers", "sum_ms", "median_ms"),
    [
        ("fuzzylabs-trtexec-rtx3060-laptop/alexnet_fp16.profile.json", 14590, 14, 0.52417, 0.52499),
        ("fuzzylabs-trtexec-rtx3060-laptop/resnet18_fp16.profile.json", 21071, 26, 0.36352, 0.35942),
        ("detr-trtexec-unknown-gpu/detr-profile.json", 641, 840, 4.16161, 4.15779),
    ],
)
def test_shared_profiles_have_the_expected_sums(
    file: str, count: int, n_layers: int, sum_ms: float, median_ms: float
) -> None:
    path = SHARED / file
    if not path.exists():
        pytest.skip("needs ../shared")
    imported = FORMAT.read(Source.of(path.read_bytes()))
    parts = imported.recordings[0].parts
    assert (imported.facts["n_iterations"], len(parts)) == (count, n_layers)
    assert sum(part.mean_s for part in parts) * 1e3 == pytest.approx(sum_ms, abs=6e-6)
    assert sum(part.p50_s or 0.0 for part in parts) * 1e3 == pytest.approx(median_ms, abs=6e-6)


def test_shared_layer_information_joins_its_profile() -> None:
    folder = SHARED / "fuzzylabs-trtexec-rtx3060-laptop"
    if not folder.exists():
        pytest.skip("needs ../shared")
    profile = FORMAT.read(Source.of((folder / "alexnet_fp16.profile.json").read_bytes()))
    layers = FORMAT.read(Source.of((folder / "alexnet_fp16.graph.json").read_bytes()))
    (recording,) = join_layer_info(profile, layers).recordings
    assert recording.parts[1].output_bytes == 64 * 55 * 55 * 2
    assert (recording.batch_size, recording.precision) == (1, "fp16")
