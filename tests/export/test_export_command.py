"""`orbitsim export` as a user meets it: files that appear whole, one clear error otherwise."""

import json
import shutil
import sys

import pytest

from orbitsim.cli.app import run_app


@pytest.fixture
def command(monkeypatch, capfd):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["orbitsim", "export", *map(str, arguments)])
        code = run_app()
        return code, capfd.readouterr().err

    return call


@pytest.mark.parametrize(
    ("kind", "name"),
    [("perfetto", "a.json"), ("czml", "a.czml"), ("contact-plan", "a.csv"), ("ion", "a.ionrc"), ("graph", "a.graphml")],
)
def test_every_kind_of_a_run_folder(command, run_folder, tmp_path, kind, name):
    out = tmp_path / "new" / name
    code, err = command(run_folder, "--as", kind, "--out", out)
    assert (code, out.is_file()) == (0, True), err
    assert f"written: {out}" in err.replace("\n", "")
    code, err = command(run_folder, "--as", kind, "--out", out)
    assert code == 2
    assert "--force" in err
    before = out.read_bytes()
    assert command(run_folder, "--as", kind, "--out", out, "--force")[0] == 0
    assert out.read_bytes() == before
    assert [path.name for path in out.parent.iterdir()] == [name]


def test_a_scenario_will_do(command, tmp_path):
    out = tmp_path / "net.json"
    code, _ = command(
        "quick", "--as", "graph", "--at", "10", "--set", "shells.0.n_satellites=4", "--out", out
    )  # fmt: skip
    assert code == 0
    assert len(json.loads(out.read_text())["nodes"]) == 5


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--as", "prefetto", "--out", "x.json"], "expected one of perfetto"),
        (["--as", "czml", "--task", "3", "--out", "x.czml"], "--task: is for --as perfetto"),
        (["--as", "perfetto", "--at", "3", "--out", "x.json"], "--at: is for --as graph"),
        (["--as", "perfetto", "--task", "99", "--out", "x.json"], "expected a task of the run (0 to 5), got 99"),
        (["--as", "perfetto", "--scheme", "hybird", "--out", "x.json"], "'hybird'"),
        (["--as", "graph", "--at", "-1", "--out", "x.json"], "0 to 3600 s"),
        (["--as", "graph", "--out", "x.dot"], ".graphml or .json"),
        (["--as", "czml", "--set", "seed=3", "--out", "x.czml"], "what ran cannot be changed"),
        (["--as", "czml", "--out", "."], "found a folder"),
        (["--as", "czml"], "Missing option '--out'"),
    ],
)
def test_bad_input(command, run_folder, tmp_path, monkeypatch, arguments, expected):
    monkeypatch.chdir(tmp_path)
    code, err = command(run_folder, *arguments)
    assert code == 2
    assert expected in " ".join(err.split())
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_timeline_needs_a_run(command, tmp_path):
    code, err = command("quick", "--as", "perfetto", "--out", tmp_path / "x.json")
    assert code == 2
    assert "expected a run folder, got a scenario" in err
    code, err = command(tmp_path / "nothing", "--as", "perfetto", "--out", tmp_path / "x.json")
    assert code == 2
    assert "there is no such file" in " ".join(err.split())


@pytest.mark.parametrize("spoiled", ["batches.parquet", "tasks.parquet", "links.parquet", "contacts.parquet"])
@pytest.mark.parametrize("how", ["missing", "cut", "of another table"])
def test_damaged_tables_are_one_message(command, run_folder, tmp_path, spoiled, how):
    folder = shutil.copytree(run_folder, tmp_path / "run")
    path = folder / spoiled
    if how == "missing":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-50])
    else:
        shutil.copy(folder / "resources.parquet", path)
    code, err = command(folder, "--as", "perfetto", "--out", tmp_path / "day.json")
    assert code == 2
    assert spoiled in err.replace("\n", "")
    assert err.count("error:") == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["run"]


def test_a_damaged_summary(command, run_folder, tmp_path):
    folder = shutil.copytree(run_folder, tmp_path / "run")
    (folder / "summary.json").write_text("{")
    code, err = command(folder, "--as", "czml", "--out", tmp_path / "day.czml")
    assert code == 2
    assert "summary.json: expected JSON" in err.replace("\n", "")


def test_a_place_that_cannot_be_written(command, run_folder, tmp_path):
    (tmp_path / "file").write_text("")
    code, err = command(run_folder, "--as", "contact-plan", "--out", tmp_path / "file" / "plan.csv")
    assert code == 1
    assert "cannot be" in err
    assert "Traceback" not in err
