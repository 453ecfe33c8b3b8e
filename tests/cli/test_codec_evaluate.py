"""`orbitsim codec evaluate`, `table` and `calibrate` on a tiny model and coloured images."""

import csv
import io
import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("constriction")

from neural.evaluation import tiny

from orbitsim import catalog
from orbitsim.cli.app import run_app

SMALL = ["--cuts", "1,3", "--batch-size", "16", "--precision", "fp32", "--calibration-images", "30"]


def test_evaluate_prints_methods_and_cuts(orbitsim, world):
    arguments = ["codec", "evaluate", "--model", world["model"], "--data", world["one"], *SMALL]
    arguments += ["--calibration-data", world["two"], "--cache", world["cache"], "--codec", "uniform"]
    code, out, _ = orbitsim(*arguments, "--ratio", "6,9", "--format", "json")
    assert code == 0
    records = json.loads(out)
    assert [r["method"] for r in records] == ["uniform-6x", "uniform-9x"]
    assert records[0]["ratio_fp32"] == pytest.approx(6.0, rel=0.15)
    assert records[0]["token_error"] < records[1]["token_error"]
    assert [cut["cut"] for cut in records[0]["cuts"]] == [1, 3]
    for cut in records[0]["cuts"]:
        assert cut["sparsified"] <= cut["quantised"]
    code, out, _ = orbitsim(*arguments, "--set", "bits=4", "--format", "csv")
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["method"], row["cut"]) for row in rows] == [("uniform-bits-4", "1"), ("uniform-bits-4", "3")]
    code, out, _ = orbitsim(*arguments, "--set", "bits=4")
    assert code == 0
    assert "uniform-bits-4" in out
    assert "5 folds" in out
    assert "+ entropy coded" in out


def test_evaluate_goes_on_in_its_folder_but_drops_no_row_of_its_tables(orbitsim, world, tmp_path):
    out = tmp_path / "evaluated"
    arguments = ["codec", "evaluate", "--model", world["model"], "--data", world["one"], *SMALL]
    arguments += ["--calibration-data", world["two"], "--cache", world["cache"], "--codec", "uniform"]
    arguments += ["--out", str(out), "--format", "json"]
    code, first, _ = orbitsim(*arguments, "--set", "bits=4")
    assert code == 0
    tables = {name: (out / name).read_bytes() for name in ("tables.json", "methods.csv", "cuts.csv", "methods.md")}
    stamps = {path: path.stat().st_mtime_ns for path in (out / "rows").iterdir()}
    code, again, _ = orbitsim(*arguments, "--set", "bits=4")  # the same call goes on: all is there
    assert code == 0
    assert again == first
    assert {path: path.stat().st_mtime_ns for path in (out / "rows").iterdir()} == stamps
    code, _, err = orbitsim(*arguments, "--set", "bits=5")
    assert code == 2
    assert "--out: holds tables with what this call does not measure: uniform-bits-4 on the folder one" in err
    assert "--force" in err
    assert {name: (out / name).read_bytes() for name in tables} == tables
    assert {path: path.stat().st_mtime_ns for path in (out / "rows").iterdir()} == stamps
    code, _, _ = orbitsim(*arguments, "--set", "bits=4", "--seeds", "1,2")  # adds a seed, loses nothing
    assert code == 0
    code, _, err = orbitsim(*arguments, "--set", "bits=4")
    assert code == 2
    code, _, _ = orbitsim(*arguments, "--set", "bits=5", "--force")
    assert code == 0
    assert [r["method"] for r in json.loads((out / "tables.json").read_text())["methods"]] == ["uniform-bits-5"]
    assert stamps.keys() <= set((out / "rows").iterdir())
    (out / "tables.json").write_text("{")
    code, _, err = orbitsim(*arguments, "--set", "bits=5")
    assert code == 2
    assert "cannot be read" in err


def test_evaluate_draws_what_it_prints_and_refuses_a_name_before_it_measures(orbitsim, world, tmp_path):
    pytest.importorskip("matplotlib")
    arguments = ["codec", "evaluate", "--model", world["model"], "--data", world["one"], *SMALL]
    arguments += ["--calibration-data", world["two"], "--cache", world["cache"], "--codec", "uniform"]
    arguments += ["--set", "bits=4", "--out", str(tmp_path / "new")]
    code, _, err = orbitsim(*arguments, "--figure", str(tmp_path / "a.gif"))
    assert code == 2
    assert "--figure: expected a name that ends in one of .png, .svg, .pdf, got a.gif" in err
    assert not (tmp_path / "new").exists()
    code, out, err = orbitsim(*arguments, "--figure", str(tmp_path / "figures" / "a.png"))
    assert code == 0
    assert "uniform-bits-4" in out
    assert "a.png" in err
    assert (tmp_path / "figures" / "a.png").read_bytes().startswith(b"\x89PNG")


def test_evaluate_that_fails_leaves_no_folder(orbitsim, world, tmp_path):
    arguments = ["codec", "evaluate", "--model", world["model"], "--data", world["one"], *SMALL]
    arguments += ["--calibration-data", world["two"], "--cache", world["cache"], "--out", str(tmp_path / "new")]
    code, _, _ = orbitsim(*arguments, "--codec", "topk", "--set", "keep=0")
    assert code == 2
    assert not (tmp_path / "new").exists()


def test_evaluate_takes_codecs_that_training_saved(orbitsim, world, tmp_path):
    from orbitsim.neural.codecs import make_codec, save_codec

    for cut in (1, 3):
        save_codec(make_codec("uniform", bits=5).eval(), tmp_path / f"codec-cut{cut:03d}.safetensors")
    arguments = ["codec", "evaluate", "--model", world["model"], "--data", world["one"], *SMALL]
    arguments += ["--cache", world["cache"], "--codec-dir", str(tmp_path)]
    code, out, _ = orbitsim(*arguments, "--format", "json")
    assert code == 0
    (record,) = json.loads(out)
    assert record["method"] == tmp_path.name
    assert record["ratio_fp32"] > 5.0
    code, _, err = orbitsim(*arguments, "--ratio", "5")
    assert code == 2
    assert "--codec-dir" in err


@pytest.fixture(scope="module")
def trained(world, tmp_path_factory):
    """Codecs of the cuts 1 and 3 that `orbitsim codec train` left, trained on the first folder."""
    out = tmp_path_factory.mktemp("trained") / "cg"
    words = ["codec", "train", "--model", world["model"], "--data", world["one"], "--cuts", "1,3", "--codec", "gumbel"]
    words += ["--target-keep", "0.5", "--epochs", "1", "--no-accuracy", "--calibration-images", "16", "--out", str(out)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["orbitsim", *words])
        assert run_app() == 0
    return str(out)


def test_trained_codecs_say_what_they_were_trained_on(orbitsim, world, trained, tmp_path):
    base = ["--model", world["model"], *SMALL, "--cache", world["cache"], "--format", "json"]
    code, out, err = orbitsim("codec", "evaluate", *base, "--data", world["one"], "--codec-dir", trained)
    assert code == 0
    (record,) = json.loads(out)
    assert record["codecs_calibrated_on"] == "folder one (3 classes, 45 images)"
    assert record["leak"] == "trained on the tested images"
    assert "leak: cg on folder one" in err
    arguments = ["codec", "table", *base, "--data", world["one"], "--data", world["two"], "--seeds", "1"]
    arguments += ["--methods", "uniform", "--trained", f"mask={trained}", "--out", str(tmp_path)]
    code, out, err = orbitsim(*arguments)
    assert code == 0
    found = {(r["data"], r["method"]): (r["codecs_calibrated_on"], r["leak"]) for r in json.loads(out)}
    one, two = (f"folder {name} (3 classes, 45 images)" for name in ("one", "two"))
    assert found[one, "mask"] == (one, "trained on the tested images")
    assert found[two, "mask"] == (one, "")
    assert found[one, "uniform"] == (two, "")
    assert err.count("leak") == 1
    code, out, _ = orbitsim(*arguments, "--stored-only", "--format", "table")
    assert code == 0
    assert "trained on the" in out


@pytest.mark.parametrize(
    ("cuts", "message"),
    [("1,2", "cuts: expected codecs of the cuts 1, 2, found those of 1, 3"), ("2", "cuts: expected 1 codecs")],
)
def test_codecs_of_other_cuts_are_refused(orbitsim, world, trained, cuts, message):
    arguments = ["codec", "evaluate", "--model", world["model"], "--data", world["one"], *SMALL, "--cuts", cuts]
    code, out, err = orbitsim(*arguments, "--cache", world["cache"], "--codec-dir", trained)
    assert (code, out) == (2, "")
    assert message in err.replace("\n", " ")
    assert "Traceback" not in err


def test_codecs_of_another_model_are_refused(orbitsim, world, trained, tmp_path):
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**tiny.CONFIG, "layerscale_value": 0.25}))
    arguments = ["codec", "evaluate", "--model", str(other), "--data", world["one"], *SMALL, "--codec-dir", trained]
    code, out, err = orbitsim(*arguments)
    assert (code, out) == (2, "")
    assert "model: expected codecs of other with the weights at hand" in err.replace("\n", " ")


def test_table_goes_on_where_it_stopped(orbitsim, world, tmp_path):
    arguments = ["codec", "table", "--model", world["model"], "--data", world["one"], "--data", world["two"], *SMALL]
    arguments += ["--seeds", "1", "--cache", world["cache"], "--out", str(tmp_path), "--format", "json"]
    code, out, _ = orbitsim(*arguments, "--methods", "uniform,mask:k0.3")
    assert code == 0
    assert len(json.loads(out)) == 4
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "rows").glob("*.json")}
    assert len(stamps) == 4
    code, out, _ = orbitsim(*arguments, "--methods", "uniform,mask:k0.3,topk:k0.3")
    assert code == 0
    assert len(json.loads(out)) == 6
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {
        "methods.csv", "cuts.csv", "methods.md", "tables.json", "about.json",
    }  # fmt: skip
    assert (tmp_path / "methods.md").read_text().count("\n") == 8


def test_calibrate_writes_a_table_that_scenarios_can_name(orbitsim, world, tmp_path):
    out = tmp_path / "mine.toml"
    arguments = ["codec", "calibrate", "--model", world["model"], "--data", world["one"], "--data", world["two"]]
    arguments += [*SMALL, "--seeds", "1,2", "--cache", world["cache"], "--rows", str(tmp_path / "rows")]
    arguments += ["--codec", "uniform", "--ratios", "6,9,14", "--out", str(out), "--format", "json"]
    code, printed, _ = orbitsim(*arguments)
    assert code == 0
    table = catalog.codec_table(out)
    assert table.name == "mine"
    assert len(table.ratio) == 4
    assert table.ratio[-1] == 1.0
    assert 1.0 / table.ratio[0] == pytest.approx(14.0, rel=0.2)
    assert table.loss[-1] == 0.0
    assert "assumption" in table.origin
    assert table.together is not None
    assert table.cuts == ()
    assert "upper bound" in table.notes
    assert table.spread is not None
    assert table.spread.after_blocks == (1, 3)
    assert list(table.provenance["seeds"]) == [1, 2]
    assert table.provenance["codecs_calibrated_on"] != []
    assert [record["ratio"] for record in json.loads(printed)] == list(table.ratio)
    written = out.read_bytes()
    code, _, err = orbitsim(*arguments, "--cut-ratios", "6,14")
    assert code == 2
    assert "--force" in err
    assert out.read_bytes() == written
    code, _, _ = orbitsim(*arguments, "--cut-ratios", "6,14", "--force")
    assert code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.toml", "rows"]
    table = catalog.codec_table(out)
    assert [curve.after_blocks for curve in table.cuts] == [(1,), (3,)]
    assert "worst cut" in table.notes
    worst = [max(curve.loss[i] for curve in table.cuts) for i in range(len(table.ratio))]
    assert table.loss == pytest.approx(worst, abs=2e-6)


@pytest.mark.parametrize(
    ("arguments", "option", "bound"),
    [
        (["--codec", "transform", "--ratio", "5000"], "--ratio: expected at most ", "got 5000"),
        (["--codec", "transform", "--error", "1e-9"], "--error: expected at least ", "got 1e-09"),
        (["--codec", "uniform", "--ratio", "4000"], "--ratio: expected at most ", "got 4000"),
        (["--codec", "topk", "--ratio", "1.01"], "--ratio: expected at least ", "got 1.01"),
    ],
)
def test_a_target_out_of_reach_is_named_with_its_option_and_bound(orbitsim, world, arguments, option, bound):
    base = ["codec", "evaluate", "--model", world["model"], "--data", world["one"], *SMALL, "--cache", world["cache"]]
    code, out, err = orbitsim(*base, "--calibration-data", world["two"], *arguments)
    assert code == 2
    assert option in err
    assert bound in err
    assert "calibration images" in err
    assert out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ratio", "x"], "--ratio: expected numbers"),
        (["--ratio", "5,5"], "each number once"),
        (["--set", "bits"], "KEY=VALUE"),
        (["--codec", "zip"], "--codec: expected one of identity"),
        (["--set", "step=abc"], "--set step: expected a finite number above 0, got 'abc'"),
        (["--set", "width=-1", "--codec", "uniform"], "--set width: expected a finite number above 0, got -1"),
        (["--data", "nowhere", "--set", "bits=4", "--codec", "uniform"], "sub-folder of images per class"),
        (["--cuts", "9", "--set", "bits=4", "--codec", "uniform"], "whole numbers from 1 to 3"),
    ],
)
def test_faults_are_told_without_a_traceback(orbitsim, world, arguments, message):
    base = ["codec", "evaluate", "--model", world["model"], "--data", world["one"], "--cuts", "1,3"]
    code, out, err = orbitsim(*base, "--cache", world["cache"], *arguments)
    assert code == 2
    assert message in err.replace("\n", " ")
    assert out == ""


def test_a_table_is_a_toml_file(orbitsim, world, tmp_path):
    code, _, err = orbitsim(
        "codec", "calibrate", "--data", world["one"], "--rows", str(tmp_path), "--out", str(tmp_path / "table.json")
    )
    assert code == 2
    assert ".toml" in err
