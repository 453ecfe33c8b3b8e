"""orbitsim from Python: the same as the command line, as data frames, with errors of one family."""

import json
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import orbitsim
from orbitsim.errors import InfeasibleError, InputError, OutputError
from orbitsim.plan.problem import Problem
from orbitsim.types.plan import Plan
from orbitsim.types.tables import TABLES

SHORT = {"clock.duration_s": 1800.0}


@pytest.fixture(scope="module")
def results():
    return orbitsim.run("quick", settings=SHORT)


# -- importing ---------------------------------------------------------------------------------------------------------


def test_importing_loads_nothing_heavy():
    code = "import sys, orbitsim; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"numpy", "pandas", "scipy", "pydantic", "simpy", "skyfield", "networkx", "torch", "matplotlib", "plotly"}
    assert heavy.isdisjoint(loaded)
    assert "orbitsim" in loaded


def test_names_are_listed_and_others_are_not():
    assert set(orbitsim.__all__) <= set(dir(orbitsim))
    assert all(callable(getattr(orbitsim, name)) for name in orbitsim.__all__)
    with pytest.raises(AttributeError, match="no attribute 'lod_scenario'"):
        _ = orbitsim.lod_scenario


@pytest.mark.parametrize("first", ["orbitsim.plan.search", "orbitsim.plan"])
def test_plan_is_a_function_and_a_package_in_either_order(first):
    code = (
        f"import {first}, orbitsim; from orbitsim.plan.problem import Problem; import orbitsim.plan.search as search\n"
        "p = Problem(compute_s=[[1.0]], activation_bytes=1.0, layer_memory_bytes=0.0, memory_bytes=1.0, rate_bps=8.0,"
        " input_bytes=1.0, n_batches=2)\n"
        "print(orbitsim.plan(p).total_s, orbitsim.plan.search is search)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3.0", "True"]


# -- scenarios ---------------------------------------------------------------------------------------------------------


def test_settings_as_values_and_as_texts_are_the_same():
    as_values = {
        "links.downlink.rate_bps": np.float64(0.2e9), "workload.images_per_task": np.int64(7),
        "run.schemes": ("hybrid",), "shells.0.raan_deg": 10,
    }  # fmt: skip
    as_texts = [
        "links.downlink.rate_bps=0.2e9",
        "workload.images_per_task=7",
        'run.schemes=["hybrid"]',
        "shells.0.raan_deg=10",
    ]
    assert orbitsim.load_scenario("quick", settings=as_values) == orbitsim.load_scenario("quick", settings=as_texts)
    assert orbitsim.load_scenario("quick").links.downlink.rate_bps == 0.8e9


def test_faults_of_settings_come_all_at_once():
    with pytest.raises(InputError) as caught:
        orbitsim.load_scenario("quick", settings={"links.downlnk.rate_bps": 1.0, "clock.duration_s": "long"})
    text = str(caught.value)
    assert "did you mean 'downlink'" in text
    assert "settings: clock.duration_s: expected a number" in text


@pytest.mark.parametrize("given", [5, None, ["quick"]])
def test_no_name_of_a_scenario(given):
    with pytest.raises(InputError, match="expected the name or the file of a scenario"):
        orbitsim.load_scenario(given)


# -- runs --------------------------------------------------------------------------------------------------------------


def test_a_run_is_that_of_the_command_line(results, tmp_path):
    command = [sys.executable, "-m", "orbitsim", "run", "quick", "--set", "clock.duration_s=1800.0"]
    subprocess.run([*command, "--out", str(tmp_path / "run")], check=True, capture_output=True)
    read = orbitsim.read_results(tmp_path / "run")
    assert read.table_names == results.table_names == tuple(TABLES)
    for name in TABLES:
        pd.testing.assert_frame_equal(read.table(name), results.table(name), check_categorical=False)
    ours = {key: value for key, value in results.summary.items() if key != "provenance"}
    assert ours == {key: value for key, value in read.summary.items() if key != "provenance"}
    assert read.scenario == results.scenario


def test_every_table_is_an_attribute(results):
    for name in TABLES:
        assert getattr(results, name) is results.table(name)
    with pytest.raises(InputError, match="expected a table, one of tasks"):
        results.table("taks")


def test_schemes_are_chosen_by_name(results):
    one = orbitsim.run(results.scenario, "hybrid")
    assert one.schemes_ran == ("hybrid",)
    pd.testing.assert_series_equal(one.schemes.loc["hybrid"], results.schemes.loc["hybrid"])
    with pytest.raises(InputError, match="did you mean 'hybrid'"):
        orbitsim.run("quick", ["hybird"])


def test_the_table_of_schemes_holds_what_the_tasks_say(results):
    tasks = results.tasks[results.tasks["status"] == "delivered"]
    means = tasks.groupby("scheme", observed=True)["delay_s"].mean()
    np.testing.assert_allclose(results.schemes["delay_mean_s"], means[results.schemes.index], rtol=1e-12)


def test_saving_and_reading_back(results, tmp_path):
    folder = results.save(tmp_path / "run")
    again = orbitsim.read_results(folder)
    assert dict(again.provenance) == dict(results.provenance)
    pd.testing.assert_frame_equal(again.schemes, results.schemes)
    with pytest.raises(InputError, match="--force"):
        results.save(folder)
    assert results.save(folder, force=True) == folder


def test_an_existing_folder_is_refused_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "notes.txt").write_text("mine")
    monkeypatch.setattr("orbitsim.api.runs.run_scenario", lambda *_: pytest.fail("it ran"))
    with pytest.raises(InputError, match="other files"):
        orbitsim.run("quick", out=tmp_path)


def test_a_place_that_cannot_be_written(results, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be"):
        results.save(tmp_path / "file" / "run")


def test_without_a_scheme_that_runs_there_are_no_tasks():
    nothing = orbitsim.run("leo12-vitg", "single-satellite", settings={"clock.duration_s": 600.0})
    assert nothing.schemes_ran == ()
    assert "12 GB" in nothing.schemes.loc["single-satellite", "reason"]
    assert "single-satellite cannot run" in nothing._repr_html_()
    with pytest.raises(InputError, match="no scheme ran"):
        _ = nothing.tasks


def test_tasks_only():
    brief = orbitsim.run("quick", "hybrid", settings=SHORT | {"run.record": "tasks"})
    assert "batches" not in brief.table_names
    with pytest.raises(InputError, match="recorded tasks only"):
        _ = brief.batches


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], [], []

    def handle_starttag(self, tag, attrs):  # noqa: ARG002
        self.open.append(tag)
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_notebook_table_is_well_formed_and_escaped(results):
    summary = json.loads(json.dumps(results.summary))
    summary["scenario"]["name"] = "<script>alert(1)</script>"
    summary["notes"] = ["a & b <img src=x>"]
    parser = _Tags()
    parser.feed(orbitsim.Results(summary, {})._repr_html_())
    assert parser.open == []
    assert {"script", "img"}.isdisjoint(parser.seen)
    assert "<script>alert(1)</script>" in parser.text
    assert parser.seen.count("tr") == 1 + len(results.schemes)
    assert results.name in repr(results)


def test_a_folder_that_is_no_run(tmp_path, results):
    with pytest.raises(InputError, match="holds no summary"):
        orbitsim.read_results(tmp_path)
    folder = results.save(tmp_path / "run")
    shutil.copy(folder / "contacts.parquet", folder / "tasks.parquet")
    with pytest.raises(InputError, match=r"tasks\.parquet: expected the columns scheme"):
        _ = orbitsim.read_results(folder).tasks


# -- plans -------------------------------------------------------------------------------------------------------------


def _problem():
    return Problem(
        compute_s=np.array([[1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.0]]),
        activation_bytes=1.0,
        layer_memory_bytes=1.0,
        memory_bytes=10.0,
        rate_bps=80.0,
        input_bytes=1.0,
        n_batches=5,
        node_names=("fast", "slow"),
    )


def test_a_problem_is_planned_and_simulated():
    found = orbitsim.plan(_problem())
    assert found.optimal
    assert list(found.nodes.index) == ["fast", "slow"]
    assert found.nodes["layer_stop"].iloc[-1] == 4
    assert found.simulate() == pytest.approx(found.total_s, abs=1e-12)
    assert found.total_s <= orbitsim.plan(_problem(), planner="uniform").total_s
    assert "proved optimal" in found._repr_html_()


def test_a_planner_of_ones_own_is_held_to_the_port():
    halves = orbitsim.plan(_problem(), planner=lambda _: Plan(((0, 2), (2, 4)), (1.0, None)))
    assert halves.result.plan.cuts == (2, 4)
    assert not halves.optimal
    with pytest.raises(orbitsim.errors.OrbitsimError, match="must return"):
        orbitsim.plan(_problem(), planner=lambda _: None)


def test_the_plan_of_a_scenario_is_that_of_its_first_task(results):
    found = orbitsim.plan(results.scenario)
    first = results.plans.query("scheme == 'collaborative' and task == 0")
    assert found.total_s == pytest.approx(first["expected_s"].iloc[0], rel=1e-12)
    rows = first.set_index("node").loc[found.nodes.index]
    assert found.nodes["layer_start"].tolist() == rows["layer_start"].tolist()
    assert (first["layer_stop"] - first["layer_start"]).sum() == rows["layer_stop"].sub(rows["layer_start"]).sum() == 12
    assert found.simulate() == pytest.approx(found.total_s, rel=1e-9)
    slower = orbitsim.plan("quick", planner="uniform", settings=SHORT)
    assert slower.total_s >= found.total_s


def test_what_cannot_be_planned():
    with pytest.raises(InfeasibleError, match="12 GB"):
        orbitsim.plan("leo12-vitg", scheme="single-satellite")
    with pytest.raises(InputError, match="0 to 7200 s"):
        orbitsim.plan("quick", t_s=7201.0)
    with pytest.raises(InputError, match="by name"):
        orbitsim.plan("quick", planner=lambda _: None)
    with pytest.raises(InputError, match="no settings with a problem"):
        orbitsim.plan(_problem(), settings={"seed": 1})
    with pytest.raises(InputError, match="expected a problem or a scenario"):
        orbitsim.plan(3)
    with pytest.raises(InputError, match=r"nodes: missing"):
        orbitsim.plan({"n_batches": 1})


# -- sweeps, reports, figures, exports ---------------------------------------------------------------------------------


def test_a_sweep_of_plain_tables_is_that_of_its_cells(tmp_path):
    base = orbitsim.load_scenario("quick", settings=SHORT)
    tables = {
        "base": base,
        "set": {"run.schemes": ["hybrid"]},
        "grid": {"links.downlink.rate_bps": np.array([0.2e9, 0.8e9])},
    }
    swept = orbitsim.sweep(tables, tmp_path / "rates", workers=1)
    for rate_bps, rows in swept.frame.groupby("links.downlink.rate_bps"):
        alone = orbitsim.run(base, "hybrid", settings={"links.downlink.rate_bps": rate_bps})
        assert rows["delay_mean_s"].tolist() == pytest.approx(alone.schemes["delay_mean_s"].tolist(), rel=1e-12)
    again = orbitsim.sweep(tables, tmp_path / "rates", workers=1, resume=True)
    assert again.n_run == 0
    pd.testing.assert_frame_equal(again.frame, swept.frame)
    pd.testing.assert_frame_equal(orbitsim.sweep.read_sweep(tmp_path / "rates").frame, swept.frame)


def test_faults_of_a_sweep_name_its_keys_and_no_file_that_is_gone(tmp_path):
    with pytest.raises(InputError) as caught:
        orbitsim.sweep({"base": "quick", "grid": {"links.downlnk.rate_bps": [1e9]}}, tmp_path / "out", workers=1)
    assert "did you mean 'downlink'" in str(caught.value)
    assert "sweep.json" not in str(caught.value)
    with pytest.raises(InputError, match="plain values"):
        orbitsim.sweep({"base": "quick", "grid": {"seed": [object()]}}, tmp_path / "out")
    with pytest.raises(InputError, match="expected a sweep file or one of"):
        orbitsim.sweep("no-such-sweep", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_was_not_saved_is_reported_drawn_and_exported_like_what_was(results, tmp_path):
    fresh = orbitsim.Results(results.summary, {name: results.table(name) for name in results.table_names})
    assert fresh.folder is None
    page = fresh.report(tmp_path / "page.html")
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    (picture,) = fresh.figures(tmp_path / "figures", formats=["png"], names=["day"])
    figure = fresh.figure("day")
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert fresh.figure("gantt-hybrid", task=1) is not None
    fresh.export("perfetto", tmp_path / "fresh.json")
    saved = orbitsim.read_results(fresh.save(tmp_path / "run"))
    saved.export("perfetto", tmp_path / "saved.json")
    assert (tmp_path / "fresh.json").read_bytes() == (tmp_path / "saved.json").read_bytes()
    with pytest.raises(InputError, match="expected one of perfetto"):
        fresh.export("pefetto", tmp_path / "x")
    with pytest.raises(InputError, match="got dya"):
        fresh.figure("dya")
    with pytest.raises(InputError, match="exists"):
        fresh.report(page)
