"""The command line as a user meets it: formats that are a contract, exit codes, errors without a traceback."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from orbitsim.cli.app import run_app

SMALL = """
name = "small"
[clock]
epoch_utc = 2026-04-06T00:00:00Z
duration_s = 7200.0
slot_s = 600.0
step_s = 15.0
[[shells]]
name = "p"
kind = "walker-delta"
altitude_m = 500e3
inclination_deg = 53.0
n_satellites = 12
devices = ["jetson-agx-orin-50w", "jetson-agx-orin-30w"]
memory_bytes = 8e9
[[stations]]
name = "ground"
latitude_deg = -20.0
longitude_deg = 20.0
device = "rtx-4070-ti"
[[targets]]
name = "equator"
latitude_deg = 0.0
longitude_deg = 0.0
[links.isl]
kind = "optical"
[links.downlink]
kind = "radio"
rate_bps = 0.8e9
min_elevation_deg = 10.0
[workload]
model = "vit-b"
sensor = "p-00"
images_per_task = 20
resolution = "480p"
[codec]
table = "gumbel-8bit"
[planner]
max_compute_nodes = 3
[run]
schemes = [
  "collaborative", "single-satellite", "ground-only", "hybrid", "collaborative-uniform", "collaborative-proportional",
]
"""

DOWNLINK = "p-07>ground"  # the only pair with a contact in these two hours

PROBLEM = {
    "delay_model": "exact",
    "n_batches": 3,
    "relay": False,
    "max_compute_nodes": None,
    "min_accuracy": 0.97,
    "input": {"bytes": 1e6, "rate_bps": 1e8},
    "nodes": [
        {"name": "a", "memory_bytes": 100.0, "compute_s": [0.1, 0.1, 0.1]},
        {"name": "b", "memory_bytes": 100.0, "compute_s": [0.2, 0.2, 0.2]},
    ],
    "layers": {"memory_bytes": [30.0, 30.0, 30.0], "activation_bytes": [1e6, 1e6, 256]},
    "hops": [{"rate_bps": 1e8}, {"rate_bps": 1e8}],
    "codec": {"ratio": [0.1, 1.0], "accuracy": [0.98, 0.99]},
}


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["orbitsim", *words])
    return run_app()


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    path = tmp_path / "problem.json"
    path.write_text(json.dumps(PROBLEM))
    return path


def test_run_writes_the_contract(monkeypatch, capsys, scenario, tmp_path):
    out = tmp_path / "run"
    assert call(monkeypatch, "run", str(scenario), "--out", str(out)) == 0
    shown = capsys.readouterr()
    assert "collaborative" in shown.out
    assert "Traceback" not in shown.err
    summary = json.loads((out / "summary.json").read_text())
    assert {"scenario", "provenance", "schemes"} <= set(summary)
    for name, scheme in summary["schemes"].items():
        assert scheme["status"] == "ok", (name, scheme["reason"])
        assert set(scheme) == {
            "status", "reason", "planner_used", "tasks", "delivered", "unfinished", "undeliverable", "delay_s",
            "service_s", "isl_bytes", "downlink_bytes", "energy_j", "cost_origin",
        }  # fmt: skip
        assert set(scheme["delay_s"]) == set(scheme["service_s"]) == {"mean", "p50", "p95", "max"}
        assert set(scheme["cost_origin"]) == {"measured", "modelled", "published"}
        assert scheme["delivered"] + scheme["unfinished"] == scheme["tasks"] == 12
    assert summary["schemes"]["collaborative"]["planner_used"] == "optimal"
    assert summary["schemes"]["collaborative-uniform"]["planner_used"] == "uniform"
    tasks = pd.read_parquet(out / "tasks.parquet")
    assert list(tasks.columns[:7]) == ["scheme", "task", "start_s", "end_s", "delay_s", "service_s", "status"]
    parts = ["queue_s", "compute_s", "codec_s", "isl_s", "downlink_s", "propagation_s", "contact_wait_s"]
    delivered = tasks[tasks["status"] == "delivered"]
    assert len(delivered) > 0
    assert (delivered[parts].sum(axis=1) - delivered["delay_s"]).abs().max() < 1e-6
    assert (delivered["delay_s"] - delivered["contact_wait_s"] - delivered["service_s"]).abs().max() < 1e-9
    assert len(tasks) == 12 * 6
    for name in ("batches", "contacts", "links", "plans", "resources", "devices"):
        assert len(pd.read_parquet(out / f"{name}.parquet")) > 0, name


def test_the_resolved_scenario_runs_again_to_the_same_tables(monkeypatch, scenario, tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    assert call(monkeypatch, "run", str(scenario), "--out", str(first)) == 0
    assert call(monkeypatch, "run", str(first / "scenario.json"), "--out", str(second)) == 0
    for path in sorted(first.glob("*.parquet")):
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def test_an_existing_run_is_kept_without_force(monkeypatch, capsys, scenario, tmp_path):
    out = tmp_path / "run"
    words = ("run", str(scenario), "--out", str(out), "--scheme", "single-satellite")
    assert call(monkeypatch, *words) == 0
    before = (out / "summary.json").read_bytes()
    assert call(monkeypatch, *words) == 2
    assert "--force" in capsys.readouterr().err
    assert (out / "summary.json").read_bytes() == before
    assert call(monkeypatch, *words, "--force") == 0


def test_a_folder_with_other_files_is_never_replaced(monkeypatch, capsys, scenario, tmp_path):
    out = tmp_path / "precious"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    assert call(monkeypatch, "run", str(scenario), "--out", str(out), "--force") == 2
    assert "holds other files" in capsys.readouterr().err
    assert (out / "thesis.txt").read_text() == "years of work"


def test_several_scenarios_get_a_folder_each_and_a_table_side_by_side(monkeypatch, capsys, scenario, tmp_path):
    twin = tmp_path / "twin.toml"
    twin.write_text('extends = "small.toml"\nname = "twin"\n[links.downlink]\navailability = "always"\n')
    assert (
        call(monkeypatch, "run", str(scenario), str(twin), "--out", str(tmp_path / "both"), "--scheme", "hybrid") == 0
    )
    assert "mean delay / service" in capsys.readouterr().out
    assert (tmp_path / "both" / "small" / "summary.json").is_file()
    assert (tmp_path / "both" / "twin" / "summary.json").is_file()


def test_a_scheme_that_cannot_run_is_reported_and_the_others_run(monkeypatch, capsys, scenario, tmp_path):
    out = tmp_path / "run"
    tight = ("--set", "workload.model_memory_bytes=12e9", "--set", "planner.max_compute_nodes=2")
    assert call(monkeypatch, "run", str(scenario), "--out", str(out), *tight) == 0
    scheme = json.loads((out / "summary.json").read_text())["schemes"]["single-satellite"]
    assert scheme["status"] == "infeasible"
    assert "12" in scheme["reason"] or "1.2e+10" in scheme["reason"]
    assert "cannot run" in capsys.readouterr().out


def test_exit_code_1_when_no_scheme_runs(monkeypatch, scenario, tmp_path):
    words = ("run", str(scenario), "--out", str(tmp_path / "run"), "--scheme", "single-satellite")
    assert call(monkeypatch, *words, "--set", "workload.model_memory_bytes=1e12") == 1


def test_contacts_json_and_csv_agree_and_keep_their_columns(monkeypatch, capsys, scenario):
    assert call(monkeypatch, "contacts", str(scenario), "--format", "json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert call(monkeypatch, "contacts", str(scenario), "--format", "csv") == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    columns = ["satellite", "station", "kind", "start_utc", "end_utc", "peak_utc", "max_elevation_deg", "min_range_m"]
    assert rows
    assert list(rows[0]) == columns == list(table[0])
    assert len(rows) == len(table)
    stamp = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
    for row, line in zip(rows, table, strict=True):
        assert all(stamp.match(row[name]) for name in ("start_utc", "end_utc", "peak_utc"))
        assert row["start_utc"] <= row["peak_utc"] <= row["end_utc"]
        assert str(row["min_range_m"]) == line["min_range_m"]
    assert {row["kind"] for row in rows} == {"station", "target"}


def test_links_json_keeps_its_columns(monkeypatch, capsys, scenario):
    words = ("links", str(scenario), "--link", "p-00>p-01", "--link", DOWNLINK, "--format", "json")
    assert call(monkeypatch, *words, "--set", "links.isl.mode=budget") == 0
    rows = json.loads(capsys.readouterr().out)
    assert list(rows[0]) == ["link", "t_utc", "range_m", "elevation_deg", "snr_db", "rate_bps", "open"]
    assert len(rows) == 2 * 480
    crosslink = [row for row in rows if row["link"] == "p-00>p-01"]
    assert all(row["elevation_deg"] is None and row["snr_db"] > 50 for row in crosslink)
    down = [row for row in rows if row["link"] == DOWNLINK]
    assert any(row["open"] for row in down)
    assert all(row["open"] == (row["rate_bps"] > 0) == (row["elevation_deg"] >= 10.0) for row in down)


def test_links_table_summarises_each_link(monkeypatch, capsys, scenario):
    assert call(monkeypatch, "links", str(scenario)) == 0
    out = capsys.readouterr().out
    assert "p-00>p-01" in out
    assert "rate [Gbit/s]" in out


def test_plan_prints_the_contract_and_simulates_the_same(monkeypatch, capsys, problem):
    assert call(monkeypatch, "plan", str(problem), "--format", "json", "--verify", "--trace") == 0
    answer = json.loads(capsys.readouterr().out)
    assert {
        "total_s",
        "startup_s",
        "theta_s",
        "layers",
        "ratio",
        "optimal",
        "lower_bound_s",
        "expanded",
        "trace",
    } <= set(answer)
    # Two nodes: 0.08 s in; layers [0, 2) [2, 3) compute 0.2 s each; 1e5 B over the hop in 8 ms; 256 B out.
    assert answer["layers"] == [[0, 2], [2, 3]]
    assert answer["total_s"] == pytest.approx(0.08 + 0.2 + 0.008 + 0.2 + 2.048e-5 + 2 * 0.2, abs=1e-12)
    assert answer["simulated_s"] == pytest.approx(answer["total_s"], rel=1e-9)
    assert answer["optimal"] is True
    assert answer["lower_bound_s"] == pytest.approx(answer["total_s"], rel=1e-9)


@pytest.mark.parametrize("model", ["sequential", "serial"])
def test_plan_verifies_other_delay_models(monkeypatch, capsys, problem, model):
    assert call(monkeypatch, "plan", str(problem), "--delay-model", model, "--verify", "--format", "json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["simulated_s"] == pytest.approx(answer["total_s"], rel=1e-9)


def test_plan_front_and_table(monkeypatch, capsys, problem):
    assert call(monkeypatch, "plan", str(problem), "--front", "--format", "json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["total_s"] == min(row["total_s"] for row in rows)
    assert call(monkeypatch, "plan", str(problem), "--verify") == 0
    assert "proved optimal" in capsys.readouterr().out


def test_plan_infeasible_is_exit_1_and_says_which_constraint(monkeypatch, capsys, problem):
    data = json.loads(problem.read_text())
    data["nodes"][0]["memory_bytes"] = data["nodes"][1]["memory_bytes"] = 30.0
    problem.write_text(json.dumps(data))
    assert call(monkeypatch, "plan", str(problem)) == 1
    assert "memory" in capsys.readouterr().err.lower() or "B " in capsys.readouterr().err


def test_plan_malformed_is_exit_2_and_names_every_key(monkeypatch, capsys, problem):
    data = json.loads(problem.read_text())
    data["hops"][0]["rate_bps"] = -1
    data["n_batches"] = 0
    problem.write_text(json.dumps(data))
    assert call(monkeypatch, "plan", str(problem)) == 2
    err = capsys.readouterr().err
    assert "hops.0.rate_bps" in err
    assert "n_batches" in err


def test_check_previews_a_scenario(monkeypatch, capsys, scenario):
    assert call(monkeypatch, "check", str(scenario)) == 0
    out = capsys.readouterr().out
    for words in ("period", "first contact", "longest gap", "as off-nadir", "mini-batches of 64", "load per node"):
        assert words in out


def test_check_prints_every_error(monkeypatch, capsys, scenario):
    words = ("--set", "clock.slot_s=-1", "--set", "stations.0.latitude_deg=95", "--set", "shells.0.devices=['abacus']")
    assert call(monkeypatch, "check", str(scenario), *words) == 2
    err = capsys.readouterr().err
    assert "clock.slot_s" in err
    assert "stations.0.latitude_deg" in err
    assert "Traceback" not in err


def test_schema_lists_keys_as_text_and_json(monkeypatch, capsys):
    assert call(monkeypatch, "schema", "--filter", "links.downlink") == 0
    assert "links.downlink.rate_bps" in capsys.readouterr().out
    assert call(monkeypatch, "schema", "--json") == 0
    keys = {key["path"] for key in json.loads(capsys.readouterr().out)}
    assert {"clock.slot_s", "shells.N.altitude_m", "workload.resolution", "run.backlog"} <= keys


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "no-such-scenario"), "there is no such file"),
        (("contacts", "leo12-vitg", "--station", "grond"), "did you mean 'ground'"),
        (("links", "leo12-vitg", "--link", "p-00>p-06"), "--link"),
        (("plan", "no-such.json"), "no-such.json"),
        (("run", "leo12-vitg", "--set", "planner.kind=no.such:Planner"), "planner.kind"),
    ],
)
def test_bad_input_is_exit_2_with_one_clear_error(monkeypatch, capsys, words, said):
    assert call(monkeypatch, *words) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


def test_usage_errors_are_exit_2(monkeypatch, capsys):
    assert call(monkeypatch, "rum") == 2
    assert call(monkeypatch, "run", "leo12-vitg", "--no-such-option") == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["run", "check", "schema", "contacts", "links", "plan"])
def test_help_has_an_example(monkeypatch, capsys, name):
    assert call(monkeypatch, name, "--help") == 0
    assert f"orbitsim {name}" in capsys.readouterr().out


def test_import_is_light():
    code = "import sys, orbitsim; print(sorted({'torch', 'pandas', 'skyfield', 'simpy', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_closed_pipe_is_no_traceback(scenario):
    code = "from orbitsim.cli import main; main()"
    command = f"{sys.executable} -c '{code}' links {scenario} --format csv | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("link,")
    assert "Traceback" not in done.stderr


def test_an_interrupt_says_so_and_leaves_nothing(tmp_path):
    code = "from orbitsim.cli import main; main()"
    out = tmp_path / "runs" / "cut"
    words = [sys.executable, "-c", code, "run", "leo12-vitg", "--out", str(out)]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    time.sleep(3.0)  # the run takes longer, and is somewhere between its imports and its tables
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert not out.exists()
    assert not list(tmp_path.glob("runs/*"))


def test_every_benchmark_is_found_and_starts():
    folder = Path(__file__).resolve().parents[2]
    for name in ("propagation", "visibility", "contact_edges", "passages", "planner", "whole_command"):
        code = (
            f"import sys, runpy; sys.path.insert(0, 'benchmarks'); runpy.run_path('benchmarks/{name}.py', run_name='x')"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or "brahe" in done.stderr or "highspy" in done.stderr, done.stderr
