"""Stages shared by runs: what comes from them is what would have been computed, and only where nothing differs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from pipeline.small import small

from orbitsim.pipeline.run import run_scenario
from orbitsim.pipeline.stages import Reuse, Stages, array_bytes

CHANGES: list[dict[str, Any]] = [
    {},
    {"links.downlink.rate_bps": 0.7e9},
    {"links.isl.rate_bps": 0.1e9},
    {"links.isl.mode": "budget"},
    {"links.downlink.mode": "budget"},
    {"links.downlink.mode": "budget", "links.downlink.transmit_power_dbm": 30.0},
    {"links.downlink.min_elevation_deg": 25.0},
    {"links.isl.topology": "none"},
    {"links.isl.acquisition_s": 30.0},
    {"links.isl.max_range_m": 1000e3},
    {"clock.duration_s": 3600.0},
    {"clock.step_s": 60.0},
    {"clock.epoch_utc": "2026-04-07T00:00:00Z"},
    {"shells.0.altitude_m": 600e3},
    {"shells.0.n_satellites": 8},
    {"shells.0.raan_deg": 100.0},
    {"stations.0.latitude_deg": 10.0},
    {"stations.0.altitude_m": 2000.0},
    {"targets.0.longitude_deg": 20.0},
    {"workload.model": "vit-l"},
    {"workload.batch_size": 16},
    {"workload.precision": "fp32"},
    {"workload.bytes_per_pixel": 6.0},
    {"workload.activation_bytes_per_value": 2},
    {"workload.model_memory_bytes": 3e9},
    {"workload.sensor": "p-03"},
    {"workload.trigger": "target"},
    {"codec.max_accuracy_loss": 0.0},
    {"shells.0.devices": ["jetson-agx-orin-15w"]},
    {"shells.0.memory_bytes": 4e9},
    {"links.downlink.availability": "always"},
    {"links.downlink.availability": "always", "shells.0.altitude_m": 600e3},
]


def _found(changes: Mapping[str, Any], stages: Stages | None) -> str:
    settings = {"run.record": "tasks", "run.schemes": ["collaborative", "ground-only"], **changes}
    result = run_scenario(small(settings), stages=stages)
    tables = {name: table.to_json(orient="split", double_precision=15) for name, table in result.tables.items()}
    return json.dumps([result.summary, tables, result.notes])


@pytest.mark.slow
def test_a_run_on_the_stages_of_others_finds_what_it_finds_alone() -> None:
    # Every change is made to one scenario, so each run meets parts of many others and must take only what is its own.
    shared = Stages()
    alone = [_found(changes, None) for changes in CHANGES]
    assert [_found(changes, shared) for changes in CHANGES] == alone
    assert [_found(changes, Stages()) for changes in CHANGES[::7]] == alone[::7]
    backwards = Stages()
    assert [_found(changes, backwards) for changes in CHANGES[::-3]] == alone[::-3]
    assert shared.total().n_reused > shared.total().n_made


def test_a_run_on_another_rate_computes_no_geometry() -> None:
    stages = Stages()
    run_scenario(small({"run.record": "tasks"}), stages=stages)
    before = {name: reuse.n_made for name, reuse in stages.reuse.items()}
    run_scenario(small({"run.record": "tasks", "links.downlink.rate_bps": 0.4e9}), stages=stages)
    made = {name: reuse.n_made - before[name] for name, reuse in stages.reuse.items()}
    assert {name for name, n_made in made.items() if n_made} == {"capacities"}
    assert {"ephemeris", "contacts", "crosslinks", "ranges", "delays", "costs"} <= set(made)


def test_parts_within_parts_count_their_time_once() -> None:
    import time

    stages = Stages()

    def inner() -> int:
        end_s = time.thread_time() + 0.02
        while time.thread_time() < end_s:
            pass
        return 1

    start_s = time.thread_time()
    stages.once("outer", 0, lambda: stages.once("inner", 0, inner) + 1)
    taken_s = time.thread_time() - start_s
    total = stages.total()
    assert stages.reuse["inner"].made_s >= 0.02
    assert total.made_s <= taken_s
    assert stages.once("outer", 0, lambda: pytest.fail("made twice")) == 2
    assert stages.reuse["outer"].n_reused == 1
    assert stages.reuse["outer"].reused_s == stages.reuse["outer"].made_s
    assert stages.total() - total == Reuse(0, 1, 0.0, stages.reuse["outer"].made_s)


def test_a_part_that_fails_is_not_kept() -> None:
    stages = Stages()

    def fail() -> int:
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            stages.once("part", 0, fail)
    assert stages.once("part", 0, lambda: 3) == 3
    assert stages.total().n_made == 1


def test_what_is_kept_stays_below_its_bound() -> None:
    stages = Stages(max_bytes=3.5 * 80_000)
    for _ in range(2):
        for number in range(4):
            stages.once("array", number, lambda: np.zeros(10_000))
    assert stages.reuse["array"].n_made == 8  # of four, three fit: the one not asked for longest is forgotten
    stages.once("array", 3, lambda: pytest.fail("should have been kept"))


def test_arrays_are_found_where_they_hide() -> None:
    array = np.zeros(1000)
    assert array_bytes([array, {"a": array, "b": (np.ones(10),)}]) == 8080
    assert array_bytes(lambda: array) == 8000
    assert array_bytes(small()) == 0
