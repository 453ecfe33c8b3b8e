"""GPU time by stage of a vision-language model, as TensorRT-Edge-LLM's profile writes it (JSON).

Stages are the vision encoder, the prefill of the prompt and the generation of all tokens; ``gpu_time_stats`` are
milliseconds of one run of a stage. What the host does between them is in none.
"""

from __future__ import annotations

import math
import re
from typing import Any

from orbitsim.workload.importers.base import Format, Imported, Recording, Source, Timing
from orbitsim.workload.importers.strict_json import number_at, parse_json, shown

_NAME = "stage-json"
_MS = 1e-3
_TOLERANCE = 1e-4  # the two means of a stage are a single and a double precision sum
_ORDER = ("vision_encoder", "audio_encoder", "llm_prefill", "llm_generation")

_STAGES = re.compile(r'"stages"\s*:\s*\[')
_STAGE = re.compile(r'"(stage_id|gpu_time_stats)"\s*:')


def _matches(source: Source) -> bool:
    head = source.head
    return head.lstrip().startswith("{") and bool(_STAGES.search(head) and _STAGE.search(head))


def _read(source: Source) -> Imported:
    document = parse_json(source)
    stages = document.get("stages") if isinstance(document, dict) else None
    if not isinstance(stages, list) or not stages:
        raise source.fault(f"expected a list of stages, found {shown(stages)}", key="stages")
    timings = [_timing(source, stage, f"stages[{index}]") for index, stage in enumerate(stages)]
    names = [timing.name for timing in timings]
    if repeated := next((name for name in names if names.count(name) > 1), ""):
        raise source.fault(f"stage {shown(repeated)} stands twice", key="stages")
    ordered = sorted(timings, key=lambda timing: _ORDER.index(timing.name) if timing.name in _ORDER else len(_ORDER))
    recording = Recording(tuple(ordered), how_timed="tensorrt-edge-llm, GPU time", parts_are_complete=False)
    facts: dict[str, Any] = {"n_stages": len(timings)}
    for section, key in (
        ("prefill", "average_tokens_per_run"),
        ("generation", "average_tokens_per_run"),
        ("generation", "average_time_per_token_ms"),
        ("multimodal", "total_image_tokens"),
    ):
        value = document.get(section, {}).get(key) if isinstance(document.get(section), dict) else None
        if value is not None:
            facts[f"{section}_{key}"] = number_at(source, value, f"{section}.{key}")
    peak = document.get("peak_unified_memory_bytes")
    if peak is not None:
        facts["peak_unified_memory_bytes"] = int(number_at(source, peak, "peak_unified_memory_bytes"))
    notes = (
        "stages in the order in which they run: encoder, prefill, generation of all tokens",
        "GPU time only: the work of the host between stages is in none of them",
    )
    return Imported(_NAME, (recording,), facts=facts, notes=notes)


def _timing(source: Source, stage: Any, key: str) -> Timing:
    name = stage.get("stage_id") if isinstance(stage, dict) else None
    if not isinstance(name, str) or not name:
        raise source.fault(f"expected a name, found {shown(name)}", key=f"{key}.stage_id")
    stats = stage.get("gpu_time_stats")
    if not isinstance(stats, dict):
        raise source.fault(f"expected an object, found {shown(stats)}", key=f"{key}.gpu_time_stats")
    at = f"{key}.gpu_time_stats"
    labels = ("mean_ms", "stddev_ms", "min_ms", "max_ms", "median_ms", "p95_ms")
    ms = {label: number_at(source, stats.get(label), f"{at}.{label}") for label in labels}
    slack = _TOLERANCE * ms["max_ms"]
    for label in ("mean_ms", "median_ms", "p95_ms"):
        if not ms["min_ms"] - slack <= ms[label] <= ms["max_ms"] + slack:
            raise source.fault(f"expected a time between min and max, found {ms[label]:g} ms", key=f"{at}.{label}")
    count = stats.get("count")
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count < 2**31:
        raise source.fault(f"expected a count of runs, found {shown(count)}", key=f"{at}.count")
    if stage.get("average_time_per_run_ms") is not None:
        average = number_at(source, stage["average_time_per_run_ms"], f"{key}.average_time_per_run_ms")
        if not math.isclose(average, ms["mean_ms"], rel_tol=_TOLERANCE):
            message = f"expected the mean of the runs, {ms['mean_ms']:g} ms, found {average:g} ms"
            raise source.fault(message, key=f"{key}.average_time_per_run_ms")
    return Timing(
        name=name,
        mean_s=max(ms["mean_ms"], ms["min_ms"]) * _MS,
        std_s=ms["stddev_ms"] * _MS,
        min_s=ms["min_ms"] * _MS,
        max_s=ms["max_ms"] * _MS,
        p50_s=ms["median_ms"] * _MS,
        p95_s=ms["p95_ms"] * _MS,
        n_samples=count,
    )


FORMAT = Format(_NAME, "GPU time by stage of a vision-language model (TensorRT-Edge-LLM JSON)", _matches, _read)
