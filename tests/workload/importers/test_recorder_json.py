"""What the board's recorder writes: every number where it belongs, and a named fault for everything else."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.errors import InputError
from orbitsim.workload.importers.base import Source
from orbitsim.workload.importers.recorder_json import FORMAT
from orbitsim.workload.importers.soundness import faults_of

NAMES = ["embedding", "block 0", "block 1", "head"]
DOCUMENT: dict[str, Any] = {
    "format": "orbitsim-recorder",
    "version": 1,
    "created_utc": "2030-01-02T03:04:05Z",
    "command": ["record_jetson.py"],
    "recorder_sha256": "0" * 64,
    "device": "jetson-agx-orin",
    "power_mode": "30W",
    "nvpmodel": {"name": "30W", "id": 2},
    "host": {"torch": "2.1.0"},
    "clock": {"at_s": 100.0, "unix_s": 1_900_000_100.0},
    "recordings": [
        {
            "model": {"name": "custom", "n_blocks": 2},
            "batch_size": 8,
            "precision": "fp16",
            "how_timed": "cuda-events",
            "resident": "one",
            "parts": [
                {
                    "name": name,
                    "samples_s": [0.001 * (k + 1), 0.003 * (k + 1)],
                    "start_s": [101.0 + k, 102.0 + k],
                    "output_bytes": 1000 + k,
                    "weights_bytes": 2000 + k,
                    "peak_memory_bytes": None,
                    "flop": 1e9,
                    "energy_j": 0.05,
                }
                for k, name in enumerate(NAMES)
            ],
            "forward": {"samples_s": [0.02], "start_s": [110.0]},
        }
    ],
    "telemetry": {
        "interval_s": 0.1,
        "time_s": [100.5, 100.6],
        "power_w": {"VDD_IN": [10.0, None]},
        "temperature_k": {"cpu": [318.15, 319.15]},
        "clock_hz": {"gpu": [6.12e8, 6.12e8]},
        "throttle_events": 0,
    },
    "faults": [],
}
TEXT = json.dumps(DOCUMENT)


def test_every_number_is_where_it_belongs() -> None:
    source = Source.of(TEXT)
    assert FORMAT.matches(source)
    imported = FORMAT.read(source)
    assert not faults_of(imported)
    (recording,) = imported.recordings
    assert (recording.device, recording.power_mode, recording.model) == ("jetson-agx-orin", "30W", "custom")
    assert (recording.batch_size, recording.precision, recording.how_timed) == (8, "fp16", "cuda-events")
    assert [part.name for part in recording.parts] == NAMES
    block = recording.parts[1]
    assert block.samples_s == (0.002, 0.006)
    assert (block.mean_s, block.min_s, block.max_s, block.p50_s) == pytest.approx((0.004, 0.002, 0.006, 0.004))
    assert block.std_s == pytest.approx(0.004 / math.sqrt(2))
    assert (block.output_bytes, block.weights_bytes, block.peak_memory_bytes) == (1001, 2001, None)
    assert (block.flop, block.energy_j, block.throttled) == (1e9, 0.05, None)
    # Monotonic clock to UTC: 102 is 2 s after the moment at which the wall clock said 1900000100.
    assert recording.time_basis == "utc"
    assert block.start_s == (1_900_000_102.0, 1_900_000_103.0)
    assert recording.forward is not None
    assert recording.forward.mean_s == 0.02
    telemetry = imported.telemetry
    assert telemetry is not None
    np.testing.assert_array_equal(telemetry.time_s, [1_900_000_100.5, 1_900_000_100.6])
    np.testing.assert_array_equal(telemetry.power_w["VDD_IN"], [10.0, np.nan])
    assert telemetry.temperature_k["cpu"][1] == 319.15
    assert imported.facts["nvpmodel"] == {"name": "30W", "id": 2}
    assert any("one at a time" in note for note in imported.notes)


def test_events_of_throttling_are_told() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["telemetry"]["throttle_events"] = 3
    assert all(part.throttled for part in FORMAT.read(Source.of(json.dumps(document))).recordings[0].parts)


def test_a_machine_without_sensors_has_no_telemetry() -> None:
    imported = FORMAT.read(Source.of(json.dumps({**DOCUMENT, "telemetry": None})))
    assert imported.telemetry is None


def test_a_split_run_is_sent_to_the_command_that_takes_it() -> None:
    source = Source.of('{"format":"orbitsim-split-run","version":1}')
    assert FORMAT.matches(source)
    with pytest.raises(InputError, match="orbitsim trace replay"):
        FORMAT.read(source)


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ("version", 2, "version"),
        ("version", True, "version"),
        ("device", "", "device"),
        ("power_mode", None, "power_mode"),
        ("clock", None, "clock"),
        ("clock/unix_s", "now", "clock.unix_s"),
        ("recordings", [], "recordings"),
        ("recordings/0", 3, "recordings[0]"),
        ("recordings/0/batch_size", 0, "recordings[0].batch_size"),
        ("recordings/0/model/n_blocks", 3, "recordings[0].parts"),
        ("recordings/0/parts/1/name", "block 1", "recordings[0].parts[1]"),
        ("recordings/0/parts/1/samples_s", [], "recordings[0].parts[1].samples_s"),
        ("recordings/0/parts/1/samples_s/1", 0, "recordings[0].parts[1].samples_s[1]"),
        ("recordings/0/parts/1/samples_s/1", "4", "recordings[0].parts[1].samples_s[1]"),
        ("recordings/0/parts/1/start_s", [1.0], "recordings[0].parts[1].start_s"),
        ("recordings/0/parts/1/weights_bytes", 1.5, "recordings[0].parts[1].weights_bytes"),
        ("recordings/0/parts/1/energy_j", -1, "recordings[0].parts[1].energy_j"),
        ("recordings/0/forward/samples_s", [True], "recordings[0].forward.samples_s[0]"),
        ("telemetry/power_w", [], "telemetry.power_w"),
        ("telemetry/clock_hz/gpu", [1.0], "telemetry.clock_hz.gpu"),
    ],
)
def test_each_fault_is_named(path: str, value: Any, key: str) -> None:
    document: Any = copy.deepcopy(DOCUMENT)
    *parents, last = path.split("/")
    at = document
    for step in parents:
        at = at[int(step) if step.isdigit() else step]
    at[int(last) if last.isdigit() else last] = value
    with pytest.raises(InputError) as caught:
        FORMAT.read(Source.of(json.dumps(document), "board.json"))
    (problem,) = caught.value.problems
    assert (problem.source, problem.key) == ("board.json", key)


@given(length=st.integers(0, len(TEXT) - 1))
def test_a_file_that_was_cut_is_refused(length: int) -> None:
    with pytest.raises(InputError):
        FORMAT.read(Source.of(TEXT[:length]))


@given(position=st.integers(0, len(TEXT) - 1), character=st.characters(min_codepoint=32, max_codepoint=126))
def test_a_changed_character_is_refused_or_a_sound_number(position: int, character: str) -> None:
    source = Source.of(TEXT[:position] + character + TEXT[position + 1 :])
    try:
        imported = FORMAT.read(source)
    except InputError:
        return
    assert len(imported.recordings[0].parts) == len(NAMES)
    assert all(part.mean_s > 0 for part in imported.recordings[0].parts)
