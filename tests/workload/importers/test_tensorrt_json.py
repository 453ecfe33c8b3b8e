"""Samples of TensorRT layers with the time of day at which they were reported."""

from __future__ import annotations

import json
import math
import re

import pytest
from workload.importers.board_data import cuts, expected, needs_jetson, read_file, read_text, refusal

from orbitsim.workload.importers.base import Source
from orbitsim.workload.importers.tensorrt_json import FORMAT

TIMES = ("20241030-15:06:45.910735", "20241030-15:06:45.917187")
LAYERS = {
    "conv [1, 3]": [[0.5, TIMES[0]], [0.25, TIMES[1]]],
    'say "relu"': [[1, TIMES[0]], [3.0, TIMES[1]]],
}
TEXT = json.dumps(LAYERS, indent=2)


def test_layers_become_parts_with_their_samples() -> None:
    imported = read_text(FORMAT, TEXT)
    (recording,) = imported.recordings
    assert [part.name for part in recording.parts] == list(LAYERS)
    first, second = recording.parts
    assert first.samples_s == pytest.approx((5e-4, 2.5e-4))
    assert (second.mean_s, second.min_s, second.max_s, second.n_samples) == pytest.approx((2e-3, 1e-3, 3e-3, 2))
    assert second.std_s == pytest.approx(math.sqrt(2) * 1e-3)  # n - 1 in the denominator
    assert first.start_s is None  # the time of day is not when the layer began
    assert imported.facts["reported_from"] == "2024-10-30T15:06:45.910735"


def test_unlike_numbers_of_samples_are_noted() -> None:
    imported = read_text(FORMAT, json.dumps({**LAYERS, "pool": [[1.0, TIMES[0]]]}))
    assert imported.facts["n_samples"] == [1, 2]
    assert imported.recordings[0].parts[2].std_s is None
    assert any("unlike" in note for note in imported.notes)


@pytest.mark.parametrize(
    ("good", "bad", "where"),
    [
        ("0.25", "-0.25", '"conv [1, 3]"[1]'),
        ("0.25", '"0.25"', '"conv [1, 3]"[1]'),
        ("0.25", "NaN", "byte"),
        ("0.25", "0,25", '"conv [1, 3]"[1]'),
        (TIMES[1], "20241330-15:06:45.917187", '"conv [1, 3]"[1]'),
        (f'"{TIMES[1]}"', "7", '"conv [1, 3]"[1]'),
    ],
)
def test_faults_name_layer_and_sample(good: str, bad: str, where: str) -> None:
    assert where in refusal(FORMAT, TEXT.replace(good, bad)).replace("\\", "")


def test_samples_beyond_the_files_own_times_are_refused() -> None:
    said = refusal(FORMAT, TEXT.replace("0.25", "9999990.25")).replace("\\", "")
    assert '"conv [1, 3]"[1]' in said
    assert "times of day span 0.006452 s" in said
    assert read_text(FORMAT, TEXT.replace("0.5", "400.5")).recordings  # a first pass may be slow


def test_a_first_pass_beyond_all_the_others_is_refused() -> None:
    rows = [[2.0, f"20241030-15:06:45.{910 + 3 * i}000"] for i in range(12)]
    assert read_text(FORMAT, json.dumps({"conv": rows})).recordings
    rows[0][0] = 9999992.0
    assert '"conv"[0]' in refusal(FORMAT, json.dumps({"conv": rows})).replace("\\", "")


def test_a_cut_file_is_refused() -> None:
    assert list(cuts(FORMAT, TEXT)) == []


@pytest.mark.parametrize("text", ['{"layer": [1, 2]}', '{"layer": 5973112.2}', "[]", '[{"count": 3}]', "{"])
def test_other_json_does_not_match(text: str) -> None:
    assert not FORMAT.matches(Source.of(text))


PROFILES = expected("fuzzylabs-orin-nano")


@needs_jetson
@pytest.mark.parametrize(("name", "figures"), PROFILES, ids=[name for name, _ in PROFILES])
def test_published_profile(name: str, figures: str) -> None:
    match = re.match(r"(\d+) layers; (\d+) samples each; sum of per-layer mean ([\d.]+) ms", figures)
    assert match is not None
    (recording,) = read_file(FORMAT, name).recordings
    assert len(recording.parts) == int(match[1])
    assert {part.n_samples for part in recording.parts} == {int(match[2])}
    assert math.fsum(part.mean_s for part in recording.parts) == pytest.approx(float(match[3]) * 1e-3, abs=5.1e-8)
