"""Scenarios whose devices replay a trace: times, energy, origins and hashes in the results; the same bytes again."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pipeline.small import BASE, small
from pipeline.test_determinism import RUN_IN_ANOTHER_PROCESS, contents
from pipeline.toy_trace import MODES, POWER_W, SLOWDOWN, as_published, pass_s, rows, write_toy

from orbitsim.errors import InputError
from orbitsim.pipeline.preview import preview
from orbitsim.pipeline.run import RunResult, run_scenario, save_run
from orbitsim.sim.samples import Recording, first_execution

DEVICES = ["toy-slow", "toy-fast"]
STATION = "rtx-4070-ti"


def changes(trace: Path, replay: str, **more: object) -> dict[str, object]:
    slow = {"trace": str(trace), "replay": replay, "board": "toy-board", "power_mode": "10W", "memory_bytes": 8e9}
    return {
        "shells.0.devices": DEVICES,
        "device": {"toy-slow": slow, "toy-fast": {**slow, "power_mode": "20W"}},
        **more,
    }


@pytest.fixture(scope="module")
def trace(tmp_path_factory) -> Path:
    return write_toy(tmp_path_factory.mktemp("trace") / "toy.parquet")


@pytest.fixture(scope="module")
def drawn(trace) -> RunResult:
    return run_scenario(small(changes(trace, "bootstrap")))


def computing(result: RunResult, scheme: str, place: str) -> pd.DataFrame:
    batches = result.tables["batches"]
    kept = (batches["scheme"] == scheme) & (batches["place"] == place) & (batches["service"] == "compute")
    found = batches[kept].sort_values("start_s", kind="stable")
    return found.assign(seconds=found["end_s"] - found["start_s"])


def first_of(place: str, n_samples: int = 10) -> int:
    """Return the recorded execution with which a satellite or station begins."""
    return first_execution(BASE.get("seed", 1), place, Recording([np.ones(n_samples)], [0]))


def layers_of(result: RunResult, scheme: str, place: str) -> list[tuple[float, int, int]]:
    plans = result.tables["plans"]
    mine = plans[(plans["scheme"] == scheme) & (plans["node"] == place) & plans["changed"]]
    return list(mine[["t_s", "layer_start", "layer_stop"]].itertuples(index=False, name=None))


# -- times -------------------------------------------------------------------------------------------------------------


def test_recorded_order_runs_through_the_passes_and_shows_the_throttling_step(trace):
    result = run_scenario(small(changes(trace, "in-order")))
    for place, mode in (("p-00", "10W"), ("p-01", "20W")):
        (_, start, stop), *changed = layers_of(result, "collaborative", place)
        assert not changed
        got = computing(result, "collaborative", place)["seconds"].to_numpy()
        assert len(got) == 48
        first = first_of(place)
        expected = pass_s(mode)[(first + np.arange(48)) % 10, start:stop].sum(axis=1)
        np.testing.assert_allclose(got, expected, rtol=0.0, atol=2e-9)
        step = (7 - first) % 10 or 10
        assert got[step] == pytest.approx(1.8 * got[step - 1], rel=1e-6)


def test_every_scheme_meets_the_same_executions(drawn):
    """Pass numbers, read back from the recorded durations, depend on satellite, task and mini-batch only."""
    numbers: dict[tuple[str, int, int], set[bool]] = {}
    for scheme in drawn.summary["schemes"]:
        for place, mode in (("p-00", "10W"), ("p-01", "20W")):
            for row in computing(drawn, scheme, place).itertuples():
                layers = [found for found in layers_of(drawn, scheme, place) if found[1] < found[2]]
                seconds = [pass_s(mode)[[0, 9], start:stop].sum(axis=1) for _, start, stop in layers]
                close = [np.isclose(row.seconds, pair, rtol=1e-6) for pair in seconds]
                assert any(pair.any() for pair in close), row
                if len(seconds) == 1:
                    numbers.setdefault((place, row.task, row.batch), set()).add(bool(close[0][1]))
    assert len(numbers) > 48
    assert all(len(found) == 1 for found in numbers.values())
    share = np.mean([found == {True} for found in numbers.values()])
    assert abs(share - 0.3) < 4.0 * np.sqrt(0.21 / len(numbers))  # three of ten passes are slow


def test_satellites_with_the_same_device_draw_on_their_own(trace):
    settings = changes(trace, "bootstrap", **{"shells.0.devices": ["toy-slow"], "planner.kind": "uniform"})
    result = run_scenario(small({**settings, "device": {"toy-slow": settings["device"]["toy-slow"]}}))
    slow = [
        computing(result, "collaborative", place)["seconds"].to_numpy()
        > 1.4 * pass_s()[0, start:stop].sum()
        for place in ("p-00", "p-01")
        for _, start, stop in layers_of(result, "collaborative", place)[:1]
    ]  # fmt: skip
    assert len(slow[0]) == len(slow[1]) == 48
    assert (slow[0] != slow[1]).any()


def test_means_are_the_same_world_as_a_trace_without_samples(trace, tmp_path):
    plain = write_toy(tmp_path / "plain.parquet", without_samples=tuple((r.block_kind, r.block_index) for r in rows()))
    a, b = run_scenario(small(changes(trace, "mean"))), run_scenario(small(changes(plain, "mean")))
    for name in set(a.tables) - {"devices"}:
        pd.testing.assert_frame_equal(a.tables[name], b.tables[name], obj=name)


def test_plans_are_made_with_means_whatever_is_replayed(trace, drawn):
    mean = run_scenario(small(changes(trace, "mean")))
    columns = ["scheme", "task", "node", "layer_start", "layer_stop", "expected_s"]
    started = [result.tables["plans"].query("reason == 'task' and changed")[columns] for result in (mean, drawn)]
    pd.testing.assert_frame_equal(started[0].reset_index(drop=True), started[1].reset_index(drop=True))
    assert not mean.tables["tasks"]["delay_s"].equals(drawn.tables["tasks"]["delay_s"])


def test_parts_recorded_in_unequal_numbers_are_replayed_each_on_its_own(tmp_path):
    streamed = write_toy(tmp_path / "streamed.parquet", unequal=True)
    result = run_scenario(small(changes(streamed, "in-order")))
    (_, start, stop), *_ = layers_of(result, "collaborative", "p-00")
    samples = [row.samples_s for row in rows(unequal=True, modes={"10W": 1.0})]
    parts = [(samples[1 + layer], samples[0] if layer == 0 else samples[-1] if layer == 11 else (0.0,))
             for layer in range(start, stop)]  # fmt: skip
    first = first_of("p-00")
    expected = [sum(part[(first + i) % len(part)] for pair in parts for part in pair) for i in range(48)]
    got = computing(result, "collaborative", "p-00")["seconds"]
    np.testing.assert_allclose(got, expected, rtol=0.0, atol=2e-9)


# -- determinism -------------------------------------------------------------------------------------------------------


def test_the_order_of_schemes_changes_none_of_them(trace, drawn):
    names = list(drawn.summary["schemes"])
    other = run_scenario(small(changes(trace, "bootstrap", **{"run.schemes": names[::-1]})))
    assert drawn.summary["schemes"] == {name: other.summary["schemes"][name] for name in names}


def test_the_seed_decides_what_is_drawn_and_nothing_else_does(trace, drawn):
    same, other = (run_scenario(small(changes(trace, "bootstrap", seed=seed))) for seed in (1, 2))
    for name, table in drawn.tables.items():
        pd.testing.assert_frame_equal(table, same.tables[name], obj=name)
    assert not drawn.tables["tasks"]["delay_s"].equals(other.tables["tasks"]["delay_s"])
    order = [run_scenario(small(changes(trace, "in-order", seed=seed))).tables["tasks"] for seed in (1, 1, 2)]
    pd.testing.assert_frame_equal(*order[:2])
    assert not order[0]["delay_s"].equals(order[2]["delay_s"])


def test_two_processes_write_the_same_bytes(trace, tmp_path, drawn):
    save_run(drawn, tmp_path / "here", command=["orbitsim"])
    data = copy.deepcopy(BASE)
    settings = changes(trace, "bootstrap")
    data["shells"][0]["devices"], data["device"] = settings["shells.0.devices"], settings["device"]
    for seed in ("0", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", RUN_IN_ANOTHER_PROCESS, json.dumps(data), str(tmp_path / seed)],
            env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        expected, got = contents(tmp_path / "here"), contents(tmp_path / seed)
        assert [file for file in expected if got[file] != expected[file]] == []


# -- what the results say ----------------------------------------------------------------------------------------------


def device_row(result: RunResult, scheme: str, device: str) -> pd.Series:
    devices = result.tables["devices"]
    (row,) = (r for _, r in devices[(devices["scheme"] == scheme) & (devices["device"] == device)].iterrows())
    return row


def test_energy_follows_the_time_drawn_at_the_recorded_power(drawn):
    total = 0.0
    for device, place, mode in (("toy-slow", "p-00", "10W"), ("toy-fast", "p-01", "20W")):
        (_, start, stop), *_ = layers_of(drawn, "collaborative", place)
        mean_s = pass_s(mode).mean(axis=0)
        watts = np.full(12, POWER_W["block"])
        watts[0] = (POWER_W["embedding"] * 5 + POWER_W["block"] * 10) / 15  # by the time of the parts of a layer
        watts[-1] = (POWER_W["head"] * 2 + POWER_W["block"] * 21) / 23
        energy_j = (watts / MODES[mode] * mean_s)[start:stop].sum() / mean_s[start:stop].sum()  # W: all slow down alike
        row = device_row(drawn, "collaborative", device)
        assert row["mean_power_w"] == pytest.approx(energy_j, rel=1e-9)
        places = [f"p-{i:02d}" for i in range(12)][int(place[-1]) :: 2]
        seconds = sum(computing(drawn, "collaborative", each)["seconds"].sum() for each in places)
        assert row["compute_s"] == pytest.approx(seconds, rel=1e-9)
        if places == [place]:
            assert row["energy_j"] == pytest.approx(energy_j * seconds, rel=1e-9)
        total += row["energy_j"]
    assert drawn.summary["schemes"]["collaborative"]["energy_j"] == pytest.approx(total, rel=1e-12)
    assert drawn.summary["compute"]["collaborative"]["energy_origin"] == "measured"


def test_devices_say_what_they_rest_on(drawn, trace):
    digest = hashlib.sha256(trace.read_bytes()).hexdigest()
    row = device_row(drawn, "hybrid", "toy-fast")
    assert (row["method"], row["trace"], row["trace_sha256"]) == ("trace", "toy.parquet", digest)
    assert (row["replay"], row["n_samples"], row["energy_origin"]) == ("bootstrap", 10, "measured")
    assert row["basis"] == "toy.parquet: vit-b fp16, toy-board 20W, batch 64"
    assert row["max_temperature_k"] == 350.0 + 11
    throttled_ms, all_ms = sum(range(16, 22)), 5 + sum(range(10, 22)) + 2
    assert row["throttled_share"] == pytest.approx(throttled_ms / all_ms)
    assert np.isnan(device_row(drawn, "hybrid", "toy-slow")["throttled_share"])
    ground = device_row(drawn, "ground-only", STATION)
    assert (ground["method"], ground["n_samples"]) == ("throughput", 0)
    assert pd.isna(ground["replay"])
    assert drawn.summary["costs"][STATION]["replay"] is None
    assert ground["trace"] is None or pd.isna(ground["trace"])
    assert device_row(drawn, "ground-only", "toy-fast")["n_executions"] == 0
    for scheme, item in drawn.summary["schemes"].items():
        compute = drawn.summary["compute"][scheme]
        mine = drawn.tables["devices"].query("scheme == @scheme")
        assert compute["seconds"] == pytest.approx(mine["compute_s"].sum())
        assert sum(compute["method_s"].values()) == pytest.approx(compute["seconds"])
        for origin, share in item["cost_origin"].items():
            assert compute["origin_s"][origin] / compute["seconds"] == pytest.approx(share)
            assert mine[f"{origin}_s"].sum() / compute["seconds"] == pytest.approx(share)
    assert drawn.summary["schemes"]["ground-only"]["cost_origin"]["modelled"] == 1.0
    assert drawn.summary["schemes"]["collaborative"]["cost_origin"]["measured"] == 1.0
    assert trace in drawn.inputs


def test_published_times_say_so_and_are_cited(tmp_path):
    path = write_toy(tmp_path / "cited.parquet", modes={}, more=as_published(rows()))
    result = run_scenario(small(changes(path, "mean")))
    assert result.summary["schemes"]["collaborative"]["cost_origin"]["published"] == 1.0
    assert "somebody (2026), Table 1" in result.summary["cite"]
    assert result.summary["costs"]["toy-slow"]["origin"] == ["published"]


def test_power_that_the_scenario_gives_is_modelled_energy(tmp_path):
    path = write_toy(tmp_path / "silent.parquet", energy=False)
    settings = changes(path, "in-order")
    settings["device"]["toy-slow"]["active_power_w"] = 12.0
    result = run_scenario(small(settings))
    row = device_row(result, "collaborative", "toy-slow")
    assert row["energy_j"] == pytest.approx(12.0 * row["compute_s"], rel=1e-9)
    assert row["energy_origin"] == "modelled"
    assert np.isnan(device_row(result, "collaborative", "toy-fast")["energy_j"])
    assert result.summary["schemes"]["collaborative"]["energy_j"] is None


def test_a_mean_at_another_batch_size_is_modelled(trace):
    result = run_scenario(small(changes(trace, "mean", **{"workload.batch_size": 32})))
    row = device_row(result, "collaborative", "toy-slow")
    assert row["method"] in ("trace-scaled", "fitted")
    assert row["modelled_s"] == pytest.approx(row["compute_s"])


def test_a_station_s_computer_replays_too(trace):
    settings = changes(trace, "in-order", **{"stations.0.device": "toy-fast", "run.schemes": ["ground-only"]})
    result = run_scenario(small(settings))
    got = computing(result, "ground-only", "ground")["seconds"].to_numpy()
    numbers = (first_of("ground") + np.arange(len(got))) % 10
    np.testing.assert_allclose(got, pass_s("20W").sum(axis=1)[numbers], rtol=0.0, atol=2e-9)
    assert set(np.round(got / got.min(), 6)) == set(SLOWDOWN)


def test_check_says_which_trace_and_what_is_replayed(trace):
    lines = dict(preview(small(changes(trace, "bootstrap"))))[
        "computers (seconds of a mini-batch through the whole model)"
    ]
    found = {line.label: line.text for line in lines}
    assert found["toy-slow"].startswith("0.2393 s, measured; 8.83 W while computing, measured: toy.parquet")
    assert found["toy-slow replays"] == f"bootstrap of 10 recorded executions, {trace}"
    assert "modelled" in found[STATION]
    assert f"{STATION} replays" not in found


def test_what_a_scenario_made_in_python_asks_for_in_vain_is_said_all_at_once(trace, tmp_path):
    settings = changes(trace, "bootstrap", **{"workload.batch_size": 8})
    settings["device"]["toy-fast"]["trace"] = str(tmp_path / "none.parquet")
    with pytest.raises(InputError) as caught:
        run_scenario(small(settings))
    assert [problem.key for problem in caught.value.problems] == ["device.toy-slow.replay", "device.toy-fast.trace"]
