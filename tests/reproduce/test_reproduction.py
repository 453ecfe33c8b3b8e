"""The command end to end in its reduced version: outputs, tables, resuming, and every refusal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orbitsim.cli.app import app, run_app
from orbitsim.reproduce import cells
from orbitsim.reproduce.document import write_table
from orbitsim.reproduce.registry import load_experiment

pytest.importorskip("matplotlib")


def run(*arguments: str, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["orbitsim", "reproduce", *arguments])
    code = run_app()
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("reproduced") / "out"
    found = CliRunner().invoke(
        app, ["reproduce", "fig4", "fig6", "fig7", "fig11", "table2", "--small", "--out", str(folder)]
    )
    assert found.exit_code == 0, found.output
    return folder


def test_the_folder_holds_results_tables_and_figures_and_nothing_else(finished):
    assert sorted(path.name for path in finished.iterdir()) == ["figures", "results.json", "table.md"]
    assert not list(finished.parent.glob(".*"))
    results = json.loads((finished / "results.json").read_text())
    assert list(results["experiments"]) == ["table2", "fig4", "fig6", "fig7", "fig11"]
    for name, item in results["experiments"].items():
        assert [f["statement"] for f in item["findings"]] == [s["name"] for s in item["statements"]]
        assert all(f["agrees"] in ("yes", "partly", "no", "not comparable") for f in item["findings"])
        # Whatever does not agree says why.
        assert all(f["reason"] for f in item["findings"] if f["agrees"] != "yes"), name
        for stem in item["figures"]:
            for suffix in ("png", "svg", "pdf"):
                assert (finished / "figures" / f"{stem}.{suffix}").stat().st_size > 2000


def test_closed_form_and_simulation_agree_in_what_was_measured(finished):
    results = json.loads((finished / "results.json").read_text())
    found = [item["data"]["largest_difference"] for item in results["experiments"].values() if "points" in item["data"]]
    assert len(found) == 3
    # Not nothing, because propagation changes while a task runs: by less than a microsecond in tens of seconds.
    assert max(found) < 1e-7


def test_the_table_has_every_statement_and_the_reason_of_each_disagreement(finished):
    results = json.loads((finished / "results.json").read_text())
    text = (finished / "table.md").read_text()
    assert "reduced run" in text
    for item in results["experiments"].values():
        for statement, finding in zip(item["statements"], item["findings"], strict=True):
            assert statement["claim"] in text
            assert finding["reason"].replace("|", "\\|").replace("<", "&lt;") in text


def test_pictures_are_the_same_bytes_from_the_same_data(finished, tmp_path):
    from orbitsim.reproduce.figures import draw_figures

    results = json.loads((finished / "results.json").read_text())
    drawn = draw_figures(load_experiment("fig7"), results["experiments"]["fig7"]["data"], tmp_path)
    for path in drawn:
        assert path.read_bytes() == (finished / "figures" / path.name).read_bytes(), path.name


def test_cells_of_a_table_cannot_break_it(tmp_path):
    document = {
        "small": False,
        "provenance": {"version": "1", "command": ["orbitsim"]},
        "notes": [],
        "experiments": {
            "x": {
                "title": "t",
                "settings": [],
                "statements": [{"name": "a", "where": "w", "claim": "1 | 2 <script>", "published": {}}],
                "findings": [{"statement": "a", "ours": {"idealised": "b|c"}, "agrees": "no", "reason": "because"}],
                "assumptions": [],
                "effects": [],
                "figures": [],
                "data": {},
            }
        },
    }
    write_table(tmp_path / "table.md", document)
    text = (tmp_path / "table.md").read_text()
    assert "1 \\| 2 &lt;script>" in text
    assert "<script>" not in text


def test_an_interrupted_run_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    simulated: list[str] = []
    real = cells.simulate

    def counted(setting):
        if len(simulated) == 2 and not resumed:
            raise KeyboardInterrupt
        simulated.append(setting.in_words())
        return real(setting)

    resumed = False
    monkeypatch.setattr(cells, "simulate", counted)
    out = str(tmp_path / "out")
    code, _, err = run("fig7", "--small", "--out", out, monkeypatch=monkeypatch, capsys=capsys)
    assert (code, "--resume goes on with it" in err.replace("\n", " ")) == (130, True)
    assert not (tmp_path / "out").exists()

    code, _, err = run("fig7", "--small", "--out", out, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 2
    assert "--resume goes on with it" in err

    resumed = True
    code, _, err = run("fig7", "--small", "--out", out, "--resume", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0, err
    assert len(simulated) == len(set(simulated)) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_two_processes_find_what_one_finds(tmp_path):
    from orbitsim.reproduce.cells import one_task, run_cells
    from orbitsim.reproduce.setting import Setting
    from orbitsim.types.experiment import Bench

    few = Setting(("workload.images_per_task=1", 'workload.resolution="240p"'), schemes=("ground-only",))
    wanted = {f"{rate:g}": one_task(few.plus(f"links.downlink.rate_bps={rate}"), 10.0) for rate in (1e8, 1e9)}
    found = [run_cells(Bench(True, n, tmp_path / str(n), lambda *_: None), wanted) for n in (1, 2)]
    assert found[0] == found[1]
    assert list(found[1]) == list(wanted)


def test_a_torn_cell_is_simulated_again(tmp_path, monkeypatch):
    from orbitsim.reproduce.cells import run_cells
    from orbitsim.reproduce.setting import Setting
    from orbitsim.types.experiment import Bench

    bench = Bench(True, 1, tmp_path, lambda *_: None)
    monkeypatch.setattr(cells, "simulate", lambda setting: {"schemes": {}, "settings": setting.in_words()})
    wanted = {"a": Setting(("workload.images_per_task=1",))}
    first = run_cells(bench, wanted)
    kept = next(tmp_path.glob("*.json"))
    kept.write_text(kept.read_text()[:10])
    assert run_cells(bench, wanted) == first
    assert json.loads(kept.read_text()) == first["a"]


@pytest.mark.parametrize(
    ("prepare", "arguments", "said"),
    [
        (lambda _: None, ["fig33"], "expected one of table2"),
        (lambda p: (p / "out").mkdir() or (p / "out" / "mine.txt").write_text("x"), ["table2"], "holds other files"),
        (lambda p: (p / "out").write_text("x"), ["table2"], "found a file"),
        (
            lambda p: (p / "out").mkdir() or (p / "out" / "results.json").write_text("{}"),
            ["table2"],
            "give --force to replace",
        ),
        (lambda p: (p / ".out.unfinished").mkdir(), ["table2"], "an interrupted run is kept"),
        (
            lambda p: (
                (p / ".out.unfinished").mkdir()
                or (p / ".out.unfinished" / "run.json").write_text('{"version": "0", "small": false}')
            ),
            ["table2", "--resume"],
            "is of version 0",
        ),
    ],
    ids=["unknown name", "foreign files", "a file", "finished", "unfinished", "other version"],
)
def test_bad_requests_are_one_clear_error(prepare, arguments, said, tmp_path, monkeypatch, capsys):
    prepare(tmp_path)
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    code, out, err = run(*arguments, "--small", "--out", str(tmp_path / "out"), monkeypatch=monkeypatch, capsys=capsys)
    assert code == 2
    assert said in err.replace("\n", " ")
    assert "Traceback" not in err + out
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("in the way")
    code, out, err = run(
        "table2", "--small", "--out", str(tmp_path / "file" / "out"), monkeypatch=monkeypatch, capsys=capsys
    )
    assert code == 1
    assert "cannot be" in err
    assert "Traceback" not in err + out


def test_a_finished_folder_is_replaced_when_forced(tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "results.json").write_text("{}")
    code, _, err = run("table2", "--small", "--force", "--out", str(out), monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0, err
    assert "experiments" in json.loads((out / "results.json").read_text())
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
