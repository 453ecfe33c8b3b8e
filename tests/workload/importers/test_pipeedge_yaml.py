"""PipeEdge's layer times; YAML that does more than state them is refused."""

from __future__ import annotations

import pytest
from workload.importers.board_data import cuts, read_text, refusal

from orbitsim.workload.importers.base import Source
from orbitsim.workload.importers.pipeedge_yaml import FORMAT

RESULTS = """\
batch_size: 8
dtype: torch.float32
layers: 2
model_name: org/vit-tiny
profile_data:
- layer: 1
  memory: 26.5
  shape_in:
  - [3, 32, 32]
  shape_out:
  - [17, 64]
  - [17, 64]
  time: 0.375
- layer: 2
  memory: -0.5
  shape_in:
  - [17, 64]
  - [17, 64]
  shape_out:
  - [10]
  time: 1.25e-01
"""
DEVICES = """\
Idle:
  bw_Mbps: 0
  mem_MB: 0
  model_profiles:
Board-A:
  bw_Mbps: 1000
  mem_MB: 2048
  model_profiles:
    org/vit-tiny:
    - batch_size: 8
      dtype: torch.float32
      time_s: [0.5, 0.25,
        0.125]
    - batch_size: 1
      dtype: torch.float16
      time_s: [0.05, 0.025, 0.0125]
Board-B:
  bw_Mbps: 100
  mem_MB: 512
  model_profiles:
    org/vit-tiny:
    - batch_size: 8
      dtype: torch.float32
      time_s: [1.5, 1, 0.5]
"""


def test_results_of_the_profiler() -> None:
    imported = read_text(FORMAT, RESULTS)
    (recording,) = imported.recordings
    assert (recording.model, recording.batch_size, recording.precision) == ("org/vit-tiny", 8, "fp32")
    assert [(part.name, part.mean_s) for part in recording.parts] == [("layer 1", 0.375), ("layer 2", 0.125)]
    assert recording.parts[0].output_bytes == 2 * 17 * 64 * 8 * 4  # two tensors, batch of 8, 4 bytes each
    assert recording.parts[1].output_bytes == 10 * 8 * 4
    assert imported.facts == {"n_layers": 2, "memory_mb": [26.5, -0.5]}
    assert any("4 layers make one block" in note for note in imported.notes)


def test_device_types() -> None:
    imported = read_text(FORMAT, DEVICES)
    assert [(r.device, r.batch_size, r.precision, [part.mean_s for part in r.parts]) for r in imported.recordings] == [
        ("Board-A", 8, "fp32", [0.5, 0.25, 0.125]),
        ("Board-A", 1, "fp16", [0.05, 0.025, 0.0125]),
        ("Board-B", 8, "fp32", [1.5, 1.0, 0.5]),
    ]
    assert imported.facts["devices"][1] == {"device": "Board-A", "mem_MB": 2048, "bw_Mbps": 1000}


def test_a_type_of_token_ids_says_nothing_of_the_model() -> None:
    imported = read_text(FORMAT, RESULTS.replace("torch.float32", "torch.int64"))
    assert imported.recordings[0].precision is None
    assert imported.recordings[0].parts[0].output_bytes is None
    assert any("token ids" in note for note in imported.notes)


@pytest.mark.parametrize(
    ("text", "good", "bad", "where"),
    [
        (RESULTS, "time: 0.375", "time: 0,375", "line 13, profile_data[0].time"),
        (RESULTS, "time: 0.375", "time: .nan", "line 13, profile_data[0].time"),
        (RESULTS, "time: 0.375", "time: -0.375", "line 13, profile_data[0].time"),
        (RESULTS, "time: 0.375", "time: '0.375'", "line 13, profile_data[0].time"),
        (RESULTS, "time: 0.375", "time: [0.375]", "line 13, profile_data[0].time"),
        (RESULTS, "time: 0.375", "tame: 0.375", "time is missing"),
        (RESULTS, "layers: 2", "layers: 3", "expected 3 layers"),
        (RESULTS, "layer: 2", "layer: 1", "expected layer 2, found layer 1"),
        (RESULTS, "batch_size: 8", "batch_size: 8.5", "line 1, batch_size"),
        (RESULTS, "torch.float32", "torch.quint8", "line 2, dtype"),
        (RESULTS, "- [10]", "- [10", "line"),
        (RESULTS, "memory: 26.5", "memory: &a 26.5", "line 7: anchors"),
        (RESULTS, "memory: 26.5", "memory: *a", "line 7: anchors"),
        (RESULTS, "memory: 26.5", "memory: !!python/name:os.system x", "line 7: tags"),
        (RESULTS, "dtype:", "batch_size:", "line 2: key 'batch_size' stands twice"),
        (RESULTS, "dtype: torch.float32", "dtype: torch.float32\n---\na: 1", "YAML"),
        (RESULTS, "dtype: torch.float32", "dtype:\ttorch.float32", "line 2"),
        (DEVICES, "time_s: [1.5, 1, 0.5]", "time_s: []", "line 24, Board-B.org/vit-tiny[0].time_s"),
        (DEVICES, "1.5, 1, 0.5", "1.5, , 0.5", "line"),
        (DEVICES, "batch_size: 1\n", "batch_size: 8\n", ""),
        (
            DEVICES,
            "batch_size: 1\n      dtype: torch.float16",
            "batch_size: 8\n      dtype: torch.float32",
            "stands twice",
        ),
        (DEVICES, "mem_MB: 512", "mem_MB: lots", "line 19, Board-B.mem_MB"),
    ],
)
def test_faults_name_line_and_key(text: str, good: str, bad: str, where: str) -> None:
    assert good in text
    changed = text.replace(good, bad)
    if where:
        assert where in refusal(FORMAT, changed)
    else:  # another precision at the same batch size is another profile
        assert len(read_text(FORMAT, changed).recordings) == 3


def test_nesting_and_size_have_limits() -> None:
    deep = RESULTS.replace("26.5", "[" * 200 + "]" * 200)
    assert "nested too deeply" in refusal(FORMAT, deep)
    assert "nested too deeply" in refusal(FORMAT, RESULTS.replace("26.5", "[" * 100_000))
    assert "at most 8 MiB" in refusal(FORMAT, RESULTS + "#" * 9_000_000 + "\n")


def test_sizes_without_times_are_refused() -> None:
    models = "org/vit-tiny:\n  layers: 1\n  mem_MB: [1.0]\n  parameters_in: 3\n  parameters_out: [10]\n"
    assert FORMAT.matches(Source.of(models))
    assert "no layer times here" in refusal(FORMAT, models)


def test_a_cut_file_is_refused_or_lacks_whole_profiles() -> None:
    assert list(cuts(FORMAT, RESULTS)) == []
    whole = read_text(FORMAT, DEVICES).recordings
    for _, imported in cuts(FORMAT, DEVICES):
        assert imported.recordings == whole[: len(imported.recordings)]


@pytest.mark.parametrize("text", ["", "a: 1\n", '{"profile_data": []}', "services:\n  web:\n    image: x\n"])
def test_other_files_do_not_match(text: str) -> None:
    assert not FORMAT.matches(Source.of(text))
