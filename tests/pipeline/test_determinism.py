"""The same scenario gives the same bytes; the order of stations and shells in the file does not change the physics."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pipeline.small import BASE, small

from orbitsim.pipeline.run import RunResult, run_scenario, save_run

TWO_STATIONS = [
    {"name": "zulu", "latitude_deg": -53.0, "longitude_deg": 180.0, "device": "rtx-4070-ti"},
    {"name": "alpha", "latitude_deg": -8.4, "longitude_deg": 109.3, "device": "rtx-4070-ti"},
    {"name": "mike", "latitude_deg": -20.0, "longitude_deg": 100.0},
]
RUN_IN_ANOTHER_PROCESS = """
import json, sys
from pathlib import Path
from orbitsim.pipeline.run import run_scenario, save_run
from orbitsim.scenario import validate_scenario
scenario = validate_scenario(json.loads(sys.argv[1]))
save_run(run_scenario(scenario), Path(sys.argv[2]), command=["another", "command"])
"""


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file; of `summary.json` all but the provenance."""
    found = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    summary = json.loads(found.pop("summary.json"))
    assert summary.pop("provenance")
    found["summary.json"] = json.dumps(summary).encode()
    return found


def test_two_runs_and_two_processes_write_the_same_bytes(tmp_path):
    data = copy.deepcopy(BASE)
    data["stations"] = TWO_STATIONS
    data["links"]["downlink"]["rate_bps"] = 20e6  # a backlog that misses contacts and is chosen again
    scenario = small({"stations": TWO_STATIONS, "links.downlink.rate_bps": 20e6})
    for name in ("first", "second"):
        save_run(run_scenario(scenario), tmp_path / name, command=["orbitsim", name])
    for seed in ("0", "4242"):  # sets and hashes of text are ordered differently
        done = subprocess.run(
            [sys.executable, "-c", RUN_IN_ANOTHER_PROCESS, json.dumps(data), str(tmp_path / seed)],
            env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    expected = contents(tmp_path / "first")
    assert {"tasks.parquet", "batches.parquet", "contacts.parquet", "links.parquet", "plans.parquet"} <= set(expected)
    for name in ("second", "0", "4242"):
        got = contents(tmp_path / name)
        assert set(got) == set(expected)
        assert [file for file in expected if got[file] != expected[file]] == []


def physics(result: RunResult) -> dict[str, pd.DataFrame]:
    """Return the tables in an order of their own: by names, not by position in the file."""
    keys = {
        "tasks": ["scheme", "task"],
        "batches": ["scheme", "task", "batch", "start_s", "end_s"],
        "contacts": ["station", "satellite", "start_s"],
        "links": ["link", "t_s"],
        "resources": ["scheme", "place"],
        "devices": ["scheme", "device"],
        "plans": ["scheme", "t_s", "reason", "position"],
    }
    found = {}
    for name, table in result.tables.items():
        plain = table.copy()
        for column in plain.columns:
            if isinstance(plain[column].dtype, pd.CategoricalDtype):
                plain[column] = plain[column].astype(str)
        if name == "plans":  # planning reckons with the first station in the file that has a computer
            plain["node"] = plain["node"].where(plain["node"].str.startswith(("p-", "q-")), "the station")
        found[name] = plain.sort_values(keys[name], kind="stable").reset_index(drop=True)
    return found


def assert_same(a: RunResult, b: RunResult) -> None:
    left, right = physics(a), physics(b)
    for name in left:
        pd.testing.assert_frame_equal(left[name], right[name], check_exact=False, rtol=1e-12, atol=1e-9, obj=name)
    for scheme, item in a.summary["schemes"].items():
        for key, value in item.items():
            assert b.summary["schemes"][scheme][key] == (
                pytest.approx(value, rel=1e-12) if isinstance(value, dict | float) else value
            ), (scheme, key)


@pytest.mark.parametrize("rate_bps", [0.2e9, 2e6])
def test_the_order_of_stations_does_not_matter(rate_bps):
    settings = {"links.downlink.rate_bps": rate_bps, "clock.duration_s": 5400.0}
    forward = run_scenario(small({**settings, "stations": TWO_STATIONS}))
    backward = run_scenario(small({**settings, "stations": TWO_STATIONS[::-1]}))
    used = forward.tables["batches"]["place"].astype(str)
    assert used.str.endswith(">zulu").any()
    assert used.str.endswith(">alpha").any()
    assert_same(forward, backward)


def test_stations_in_sight_at_the_same_time_from_the_start_do_not_depend_on_their_order():
    """Two stations at the same place see everything alike: whichever is taken, the file's order must not decide."""
    twins = [{**TWO_STATIONS[0], "name": name} for name in ("bravo", "alpha")]
    settings = {"shells.0.raan_deg": 133.0, "clock.duration_s": 1800.0}
    assert_same(
        run_scenario(small({**settings, "stations": twins})), run_scenario(small({**settings, "stations": twins[::-1]}))
    )


def test_the_order_of_shells_does_not_matter():
    second = {
        "name": "q", "kind": "walker-delta", "altitude_m": 550e3, "inclination_deg": 70.0, "n_satellites": 24,
        "n_planes": 2, "phasing": 1, "devices": ["jetson-agx-orin-30w"], "memory_bytes": 8e9,
    }  # fmt: skip
    shells = [BASE["shells"][0], second]
    for sensor in ("p-00", "q-05"):
        settings = {"workload.sensor": sensor, "clock.duration_s": 3600.0, "links.isl.topology": "grid"}
        assert_same(
            run_scenario(small({**settings, "shells": shells})),
            run_scenario(small({**settings, "shells": shells[::-1]})),
        )


def test_the_seed_names_a_run_and_changes_nothing_without_random_streams():
    a, b = run_scenario(small({"seed": 1})), run_scenario(small({"seed": 2}))
    assert a.summary == b.summary
    for name in a.tables:
        pd.testing.assert_frame_equal(a.tables[name], b.tables[name])


def test_the_order_of_schemes_does_not_change_any_of_them():
    names = ["collaborative", "ground-only", "hybrid", "single-satellite"]
    a, b = run_scenario(small({"run.schemes": names})), run_scenario(small({"run.schemes": names[::-1]}))
    assert a.summary["schemes"] == {name: b.summary["schemes"][name] for name in names}
    for name in names:
        one = a.tables["tasks"][a.tables["tasks"]["scheme"] == name]
        other = b.tables["tasks"][b.tables["tasks"]["scheme"] == name]
        columns = [c for c in one.columns if one[c].dtype.kind in "fi"]
        np.testing.assert_array_equal(one[columns].to_numpy(), other[columns].to_numpy())
