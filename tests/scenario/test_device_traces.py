"""`[device.NAME]`: found from wherever it is named, and every fault said at once with file and key."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from pipeline.toy_trace import as_published, rows, write_toy
from scenario.faults import problems_of, write

from orbitsim import catalog
from orbitsim.loading import load_scenario
from orbitsim.scenario.reference import reference
from orbitsim.workload.traces import find_traces

CASES = tomllib.loads((Path(__file__).parent / "malformed-devices.toml").read_text(encoding="utf-8"))["case"]
HAS = "vit-b fp16 on toy-board 10W, batch 64; vit-b fp16 on toy-board 20W, batch 64"
SHIPPED = ", ".join(path.stem for path in find_traces())
HEAD = """
extends = "quick"
name = "toy"
"shells.0.devices" = ["toy"]
[workload]
precision = "fp16"
"""
SOUND = """
[device.toy]
trace = "toy.parquet"
power_mode = "10W"
memory_bytes = 8e9
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_toy(tmp_path / "toy.parquet")
    return tmp_path


def faults(folder: Path, tables: str, head: str = HEAD, **arguments: object) -> list[str]:
    """Return the problems of a scenario with these tables; the file is named where it is not the scenario."""
    path = write(folder / "mine.toml", head + tables)
    found = problems_of(path, **arguments)
    return [f"{'' if p.source == str(path) else Path(p.source).name + ': '}{p.key}: {p.message}" for p in found]


def test_a_trace_is_found_beside_the_scenario_and_by_name(folder, monkeypatch):
    path = write(folder / "sub" / "mine.toml", HEAD + SOUND.replace("toy.parquet", "../toy.parquet"))
    scenario = load_scenario(path)
    assert Path(scenario.device["toy"].trace).resolve() == folder / "toy.parquet"
    assert scenario.device["toy"].replay == "mean"
    again = write(folder / "elsewhere" / "scenario.json", json.dumps(scenario.model_dump(mode="json")))
    assert load_scenario(again) == scenario
    assert hash(load_scenario(again)) == hash(scenario)
    monkeypatch.chdir(folder)
    settings = [
        'device.toy={trace = "toy.parquet", power_mode = "20W"}',
        "device.toy.replay=in-order",
        "device.toy.memory_bytes=8e9",
    ]
    table = load_scenario(write(folder / "bare.toml", HEAD), settings=settings).device["toy"]
    assert (table.trace, table.replay) == (str(folder / "toy.parquet"), "in-order")
    shipped = 'device.cpu-xeon-amx-vm-2t={trace = "cpu-xeon-amx-vm-vit-b", replay = "bootstrap"}'
    cpu = ["shells.0.devices=['cpu-xeon-amx-vm-2t']", "workload.precision=fp32", "stations.0.device=cpu-xeon-amx-vm-2t"]
    loaded = load_scenario("quick", settings=[*cpu, shipped])
    assert loaded.device["cpu-xeon-amx-vm-2t"].trace == "cpu-xeon-amx-vm-vit-b"


def test_an_override_may_say_what_is_replayed(folder):
    tables = SOUND + '[overrides.jitter.device.toy]\nreplay = "bootstrap"\n'
    path = write(folder / "mine.toml", HEAD + tables)
    assert load_scenario(path).device["toy"].replay == "mean"
    assert load_scenario(path, overrides=["jitter"]).device["toy"].replay == "bootstrap"
    assert load_scenario(path, settings=["device.toy.replay=in-order"]).device["toy"].replay == "in-order"


def test_tables_cannot_be_changed_afterwards(folder):
    scenario = load_scenario(write(folder / "mine.toml", HEAD + SOUND))
    with pytest.raises(TypeError, match="cannot be changed"):
        scenario.device["other"] = scenario.device["toy"]
    with pytest.raises(TypeError, match="cannot be changed"):
        scenario.device.clear()


def test_the_reference_has_its_keys():
    keys = {key.path: key for key in reference()}
    assert keys["device.NAME.trace"].default == "required"
    assert keys["device.NAME.replay"].type == "mean | bootstrap | in-order"
    assert keys["device.NAME.replay"].default == "mean"


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_malformed(folder, case):
    text = HEAD + SOUND
    for old, new in case["edits"]:
        assert old in text
        text = text.replace(old, new, 1)
    words = {"SHIPPED": SHIPPED, "FOLDER": str(folder), "DEVICES": ", ".join(catalog.names("device")), "HAS": HAS}
    expected = list(case["errors"])
    for placeholder, meant in words.items():
        expected = [line.replace(placeholder, meant) for line in expected]
    assert faults(folder, "", text) == expected


def test_a_board_that_only_its_trace_knows_needs_a_memory(folder):
    head = HEAD.replace("[workload]", '"shells.0.memory_bytes" = 1e9\n[workload]')
    tables = SOUND.replace("memory_bytes = 8e9", "")
    assert load_scenario(write(folder / "mine.toml", head + tables)).device["toy"].memory_bytes is None
    # The shell of `quick` states one for all of its satellites; a shell of one's own may not.
    shell = (
        'shells = [{name = "p", kind = "walker-delta", altitude_m = 5e5, inclination_deg = 53.0, n_satellites = 12, '
    )
    head = HEAD.replace('"shells.0.devices" = ["toy"]', shell + 'devices = ["toy"]}]')
    assert faults(folder, tables, head) == [
        (
            "device.toy.memory_bytes: expected the memory of a computer that is not in the catalogue (or "
            "memory_bytes of its shells), got nothing"
        )
    ]


def test_rows_without_samples_are_named(folder):
    gone = (("embedding", 0), ("block", 2), ("block", 3), ("block", 4), ("block", 7))
    write_toy(folder / "toy.parquet", without_samples=gone)
    tables = SOUND + 'replay = "bootstrap"\n'
    assert faults(folder, tables) == [
        (
            "device.toy.replay: expected 'mean' where a trace lacks single executions (samples_s), here those of "
            "embedding, blocks 2 to 4, block 7; got 'bootstrap'"
        )
    ]
    write_toy(folder / "toy.parquet", modes={}, more=as_published(rows()))
    assert faults(folder, tables) == [
        (
            "device.toy.replay: expected 'mean' where a trace lacks single executions (samples_s), here those of "
            "embedding, blocks 0 to 11, head; got 'bootstrap'"
        )
    ]


def test_a_catalogue_s_device_takes_its_own_board_and_mode_or_what_is_said(folder):
    write_toy(folder / "toy.parquet", more=rows(board="jetson-agx-orin", modes={"30W": 0.2, "50W": 0.1}))
    head = HEAD.replace('["toy"]', '["jetson-agx-orin-15w"]')
    table = '[device.jetson-agx-orin-15w]\ntrace = "toy.parquet"\n'
    assert faults(folder, table, head) == [
        (
            "device.jetson-agx-orin-15w.power_mode: expected one of 30W, 50W, got nothing (the catalogue's 15W is "
            'not in the trace); set device.jetson-agx-orin-15w.power_mode = "30W", for example'
        )
    ]
    load_scenario(write(folder / "mine.toml", head + table + 'power_mode = "50W"\n'))
    load_scenario(write(folder / "mine.toml", head.replace("15w", "30w") + table.replace("15w", "30w")))
    write_toy(folder / "toy.parquet")
    assert faults(folder, table, head) == [
        (
            "device.jetson-agx-orin-15w.board: expected one of toy-board, got nothing (the catalogue's jetson-agx-orin "
            'is not in the trace); set device.jetson-agx-orin-15w.board = "toy-board"'
        )
    ]


def test_a_trace_that_cannot_be_trusted_names_its_own_faults(folder):
    (folder / "toy.parquet").write_bytes(b"PAR1 and then nothing")
    (line,) = faults(folder, SOUND)
    assert line.startswith("toy.parquet: device.toy.trace: expected a Parquet file with a trace table; ")
