"""GPU time by stage of a vision-language model."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from workload.importers.board_data import cuts, expected, needs_jetson, read_file, read_text, refusal

from orbitsim.workload.importers.base import Source
from orbitsim.workload.importers.stage_json import FORMAT


def stage(name: str, mean_ms: float, /, **changes: Any) -> dict[str, Any]:
    stats = {
        "count": 5,
        "max_ms": mean_ms + 2,
        "mean_ms": mean_ms,
        "median_ms": mean_ms - 0.5,
        "min_ms": mean_ms - 1,
        "p95_ms": mean_ms + 1,
        "stddev_ms": 0.7,
    }
    return {"average_time_per_run_ms": mean_ms, "gpu_time_stats": {**stats, **changes}, "stage_id": name}


def text(*stages: Any) -> str:
    rest = {"generation": {"average_tokens_per_run": 100.0}, "peak_unified_memory_bytes": 1024}
    return json.dumps({**rest, "stages": list(stages)})


ALL = (stage("vision_encoder", 200.0), stage("llm_generation", 2000.0), stage("llm_prefill", 250.0))


def test_stages_become_parts_in_the_order_in_which_they_run() -> None:
    imported = read_text(FORMAT, text(*ALL))
    (recording,) = imported.recordings
    assert [part.name for part in recording.parts] == ["vision_encoder", "llm_prefill", "llm_generation"]
    part = recording.parts[0]
    assert (part.mean_s, part.min_s, part.max_s, part.p50_s, part.p95_s, part.std_s, part.n_samples) == pytest.approx(
        (0.2, 0.199, 0.202, 0.1995, 0.201, 0.0007, 5)
    )
    assert not recording.parts_are_complete
    assert imported.facts["generation_average_tokens_per_run"] == 100
    assert imported.facts["peak_unified_memory_bytes"] == 1024


@pytest.mark.parametrize(
    ("stages", "where"),
    [
        ((), "stages"),
        ((1,), "stages[0].stage_id"),
        ((stage("a", 5, mean_ms=9),), "stages[0].gpu_time_stats.mean_ms"),
        ((stage("a", 5, mean_ms=5.5),), "stages[0].average_time_per_run_ms"),
        ((stage("a", 5, p95_ms=None),), "stages[0].gpu_time_stats.p95_ms"),
        ((stage("a", 5, count=0),), "stages[0].gpu_time_stats.count"),
        ((stage("a", 0.5),), "stages[0].gpu_time_stats.min_ms"),
        ((stage("a", 5), stage("a", 6)), "twice"),
    ],
)
def test_faults_name_their_key(stages: tuple[Any, ...], where: str) -> None:
    assert where in refusal(FORMAT, text(*stages))


def test_a_cut_file_is_refused() -> None:
    assert list(cuts(FORMAT, text(ALL[0]))) == []


def test_other_json_does_not_match() -> None:
    assert not FORMAT.matches(Source.of('{"stages": [{"name": "build"}]}'))


PROFILES = [(name, figures) for name, figures in expected("hokwangchoi-orin-nano") if "ms/run" in figures]


@needs_jetson
@pytest.mark.parametrize(("name", "figures"), PROFILES, ids=[name for name, _ in PROFILES])
def test_published_profiles(name: str, figures: str) -> None:
    (recording,) = read_file(FORMAT, name).recordings
    stated = {stage: float(ms) for stage, ms in re.findall(r"(\w+) ([\d.]+) ms/run", figures)}
    found = {part.name: part.mean_s * 1e3 for part in recording.parts}
    assert found == pytest.approx(stated, abs=1.1e-3)  # printed to a microsecond, from a single precision mean
