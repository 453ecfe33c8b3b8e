"""A golden run of a replayed trace through the command line: seconds by hand, hashes, and what is printed."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pandas as pd
import pytest
from pipeline.toy_trace import SLOWDOWN, write_toy

from orbitsim.cli import main
from orbitsim.sim.samples import Recording, first_execution

SCENARIO = """
extends = "quick"
name = "golden"
"shells.0.devices" = ["toy"]
"shells.0.n_satellites" = 1

[clock]
duration_s = 1800.0             # three tasks of five mini-batches

[links.isl]
topology = "none"

[links.downlink]
availability = "always"

[workload]
images_per_task = 20            # 240 tiles of 480p in mini-batches of 64 would be four; of 48, five
batch_size = 48

[run]
schemes = ["single-satellite"]

[device.toy]
trace = "toy.parquet"
power_mode = "20W"
memory_bytes = 8e9
"""


def call(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["orbitsim", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0)


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    write_toy(tmp_path / "toy.parquet", batch_size=48)
    path = tmp_path / "golden.toml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


def test_a_replayed_day_adds_up_by_hand(monkeypatch, capsys, scenario, tmp_path):
    out = tmp_path / "run"
    arguments = ("--set", "device.toy.replay=in-order", "--out", str(out))
    assert call(monkeypatch, "run", str(scenario), *arguments) == 0
    printed = capsys.readouterr().out
    assert "compute times: 100% measured (100% trace)" in printed
    assert "energy of computing: measured" in printed
    tasks = pd.read_parquet(out / "tasks.parquet")
    # One pass takes (5 + 10 + 11 + ... + 21 + 2) / 2 = 96.5 ms, and the last three of ten 1.8 times as long. Results of
    # one mini-batch (192 B) are sent while the next one is computed; the last one's cross 0.8 Gbit/s after it.
    pass_s = 96.5e-3 * SLOWDOWN
    first = first_execution(1, "p-00", Recording([SLOWDOWN], [0]))
    compute_s = [pass_s[[(first + i) % 10 for i in range(5 * task, 5 * task + 5)]].sum() for task in range(3)]
    send_s = 8 * 4 * 48 / 0.8e9
    assert first == 4
    assert compute_s == pytest.approx([0.6369, 0.5597, 0.6369])
    assert tasks["delay_s"].tolist() == pytest.approx(
        [seconds + send_s + own for seconds, own in zip(compute_s, tasks["propagation_s"], strict=True)], abs=1e-9
    )
    summary = json.loads((out / "summary.json").read_text())
    item = summary["schemes"]["single-satellite"]
    # Embedding at 8 W, blocks at 18 W, head at 10 W, whatever the clock was.
    joules = (8 * 2.5e-3 + 18 * 93e-3 + 10 * 1e-3) * (sum(compute_s) / 96.5e-3)
    assert item["energy_j"] == pytest.approx(joules, rel=1e-9)
    assert item["cost_origin"] == {"measured": 1.0, "modelled": 0.0, "published": 0.0}
    assert summary["compute"]["single-satellite"]["method_s"] == {"trace": pytest.approx(sum(compute_s))}
    digest = hashlib.sha256((tmp_path / "toy.parquet").read_bytes()).hexdigest()
    assert summary["provenance"]["inputs_sha256"]["toy.parquet"] == digest
    devices = pd.read_parquet(out / "devices.parquet")
    row = devices[devices["device"] == "toy"].iloc[0]
    assert (row["trace_sha256"], row["replay"], row["n_samples"], row["n_executions"]) == (digest, "in-order", 10, 15)
    assert row["compute_s"] == pytest.approx(sum(compute_s))
    again = tmp_path / "again"  # the run's own scenario, from another folder
    assert call(monkeypatch, "run", str(out / "scenario.json"), "--out", str(again)) == 0
    for name in ("tasks", "batches", "devices"):
        assert (again / f"{name}.parquet").read_bytes() == (out / f"{name}.parquet").read_bytes()


def test_check_prints_the_trace_and_schema_the_keys(monkeypatch, capsys, scenario, tmp_path):
    assert call(monkeypatch, "check", str(scenario), "--set", "device.toy.replay=bootstrap") == 0
    printed = capsys.readouterr().out
    assert f"toy replays: bootstrap of 10 recorded executions, {tmp_path / 'toy.parquet'}" in printed
    assert call(monkeypatch, "schema", "--filter", "device.NAME") == 0
    printed = capsys.readouterr().out
    assert "mean | bootstrap | in-order; default: mean" in printed


def test_a_faulty_replay_is_one_line_without_a_traceback(monkeypatch, capsys, scenario):
    arguments = ("--set", "device.toy.replay=bootstrap", "--set", "workload.batch_size=47")
    assert call(monkeypatch, "run", str(scenario), *arguments) == 2
    shown = capsys.readouterr()
    assert "device.toy.replay: expected 'mean', or workload.batch_size as one of 48" in shown.err
    assert "Traceback" not in shown.err
