"""Tables of codecs at the command line: what is told apart, what is refused, and that nothing is dropped unasked."""

import csv
import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("constriction")

from neural.evaluation import tiny

from orbitsim import catalog

SMALL = ["--cuts", "1,3", "--batch-size", "16", "--precision", "fp32", "--calibration-images", "30"]


def codecs_in(folder, bits):
    from orbitsim.neural.codecs import make_codec, save_codec

    folder.mkdir(parents=True)
    for cut in (1, 3):
        save_codec(make_codec("uniform", bits=bits).eval(), folder / f"codec-cut{cut:03d}.safetensors")
    return str(folder)


def test_codecs_of_two_folders_of_one_name_are_two_methods(orbitsim, world, tmp_path):
    first, second = (codecs_in(tmp_path / name / "run", bits) for name, bits in (("p", 4), ("q", 6)))
    arguments = ["codec", "evaluate", "--model", world["model"], "--data", world["one"], *SMALL, "--cache"]
    arguments += [world["cache"], "--codec-dir", first]
    out = ["--out", str(tmp_path / "out"), "--format", "json"]
    code, printed, _ = orbitsim(*arguments, "--codec-dir", second, *out)
    assert code == 0
    coarse, fine = json.loads(printed)
    assert [(r["method"], r["n_seeds"]) for r in (coarse, fine)] == [("p/run", 1), ("q/run", 1)]
    assert coarse["ratio_fp32"] > 1.2 * fine["ratio_fp32"]
    assert [cut["coded"] for cut in coarse["cuts"]] > [cut["coded"] for cut in fine["cuts"]]
    code, again, _ = orbitsim(*arguments, "--codec-dir", second, *out)  # goes on: trained codecs too
    assert (code, again) == (0, printed)
    for extra, message in (
        (["--codec-dir", first], f"--codec-dir: expected each folder once, got {first} again"),
        (["--codec", "uniform"], "--codec-dir: expected no --codec, --ratio, --error or --set"),
    ):
        code, printed, err = orbitsim(*arguments, *extra)
        assert (code, printed) == (2, "")
        assert message in err.replace("\n", " ")


def test_repeated_names_are_refused_by_their_option(orbitsim, world, tmp_path):
    codecs = codecs_in(tmp_path / "codecs", 5)
    twin = tiny.write_images(tmp_path / "twin" / "one", 3)
    base = ["codec", "table", "--model", world["model"], *SMALL, "--cache", world["cache"], "--seeds", "1"]
    base += ["--out", str(tmp_path / "out"), "--data", world["one"]]
    for extra, message in (
        (["--methods", "uniform:6x,uniform:6.0x"], "--methods: expected each method once, got uniform-6x twice"),
        (["--methods", "uniform,uniform"], "--methods: expected each method once, got uniform twice"),
        (["--methods", ""], "--methods: expected one of identity, uniform"),
        (["--trained", f"x={codecs}", "--trained", f"x={codecs}"], "--trained: expected each name once, 'x'"),
        (["--methods", "uniform:6x", "--trained", f"uniform-6x={codecs}"], "--trained: expected another name"),
        (["--data", world["one"]], "--data: expected each folder once"),
        (["--data", twin], f"--data: {world['one']} and {twin} would both be the 'folder one (3 classes, 45 images)'"),
    ):
        code, out, err = orbitsim(*base, *extra)
        assert (code, out) == (2, "")
        assert message in " ".join(err.split("\n"))
        assert not (tmp_path / "out" / "rows").exists()
    base[1:2] = ["calibrate"]
    base[base.index("--out") :] = ["--rows", str(tmp_path / "out"), "--out", str(tmp_path / "a.toml")]
    code, _, err = orbitsim(*base, "--data", world["one"], "--data", twin, "--codec", "uniform")
    assert code == 2
    assert "--data: " in err
    code, _, err = orbitsim(*base, "--data", world["one"], "--codec", "uniform", "--set", "bits=4", "--set", "bits=8")
    assert code == 2
    assert "--set: expected each key once, got bits again with 'bits=8'" in err


def test_table_drops_nothing_of_its_tables_unasked(orbitsim, world, tmp_path):
    arguments = ["codec", "table", "--model", world["model"], "--data", world["one"], "--data", world["two"], *SMALL]
    arguments += ["--cache", world["cache"], "--out", str(tmp_path), "--format", "json"]
    code, _, _ = orbitsim(*arguments, "--seeds", "1", "--methods", "uniform,mask:k0.3")
    assert code == 0
    names = ("tables.json", "methods.csv", "cuts.csv", "methods.md", "about.json")
    tables = {name: (tmp_path / name).read_bytes() for name in names}
    for less in (
        ["--seeds", "1", "--methods", "uniform"],
        ["--seeds", "1", "--methods", "uniform", "--stored-only"],
        ["--seeds", "1,2", "--methods", "uniform,mask:k0.3", "--precision", "bf16", "--stored-only"],
        ["--seeds", "2", "--methods", "uniform,mask:k0.3"],  # as many seeds, but another
        ["--seeds", "1", "--methods", "uniform,mask:k0.3", "--within-folds"],
    ):
        code, out, err = orbitsim(*arguments, *less)
        assert (code, out) == (2, "")
        assert "--out: " in err
        assert "--force" in err or "found none" in err
        assert {name: (tmp_path / name).read_bytes() for name in names} == tables
    (tmp_path / "rows").rename(tmp_path / "away")  # what is not stored is not in tables of what is stored
    (tmp_path / "rows").mkdir()
    for path in (tmp_path / "away").glob("*__uniform__*"):
        path.rename(tmp_path / "rows" / path.name)
    code, _, err = orbitsim(*arguments, "--seeds", "1", "--methods", "uniform,mask:k0.3", "--stored-only")
    assert code == 2
    assert "does not measure: mask" in err
    assert (tmp_path / "methods.csv").read_bytes() == tables["methods.csv"]
    code, out, _ = orbitsim(*arguments, "--seeds", "1", "--methods", "uniform,mask:k0.3", "--stored-only", "--force")
    assert code == 0
    assert {r["method"] for r in json.loads(out)} == {"uniform"}
    (tmp_path / "about.json").unlink()  # tables from before a record stood beside them
    code, _, err = orbitsim(*arguments, "--seeds", "2", "--methods", "mask:k0.3")
    assert code == 2
    assert "does not measure: uniform" in err


def test_other_images_in_a_folder_of_the_same_name_do_not_replace_tables(orbitsim, world, tmp_path):
    out, data = tmp_path / "out", tiny.write_images(tmp_path / "one", 7)
    arguments = ["codec", "evaluate", "--model", world["model"], *SMALL, "--out", str(out), "--calibration-data"]
    arguments += [world["two"], "--cache", world["cache"], "--codec", "uniform", "--data"]
    code, _, _ = orbitsim(*arguments, world["one"])
    assert code == 0
    code, _, err = orbitsim(*arguments, data)
    assert code == 2
    assert "does not measure: uniform on the folder one" in err


def test_calibrate_leaves_tables_that_have_more(orbitsim, world, tmp_path):
    base = ["--model", world["model"], "--data", world["one"], "--data", world["two"], *SMALL, "--seeds", "1"]
    base += ["--cache", world["cache"], "--format", "json"]
    folder, out = tmp_path / "rows", tmp_path / "a.toml"
    assert orbitsim("codec", "table", *base, "--methods", "uniform", "--out", str(folder))[0] == 0
    tables = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert len(tables) == 5
    calibrate = ["codec", "calibrate", *base, "--codec", "uniform", "--rows", str(folder), "--out", str(out)]
    code, _, err = orbitsim(*calibrate, "--ratios", "6,9")
    assert code == 0
    assert "left as they are" in err
    assert "uniform on the folder one" in err
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == tables
    assert len(list((folder / "rows").glob("*.json"))) == 2 + 4
    (folder / "tables.json").write_text("{")
    code, _, err = orbitsim(*calibrate, "--ratios", "6,9", "--force")
    assert code == 0
    assert "cannot be read" in err
    assert (folder / "tables.json").read_text() == "{"
    (folder / "tables.json").unlink()
    code, _, err = orbitsim(*calibrate, "--ratios", "6,9", "--force")
    assert code == 0
    assert "left as they are" not in err
    methods = {r["method"] for r in json.loads((folder / "tables.json").read_text())["methods"]}
    assert methods == {"uniform-6x", "uniform-9x"}
    command = catalog.codec_table(out).provenance["command"]
    assert "--codec uniform" in command
    assert str(tmp_path) not in command
    assert str(world["one"]) not in command


def test_the_printed_table_says_images_and_seeds_of_every_row(orbitsim, world, tmp_path):
    data = tiny.write_images(tmp_path / "few", 4, per_class=10)
    arguments = ["codec", "table", "--model", world["model"], "--data", data, "--data", world["one"], *SMALL]
    arguments += ["--seeds", "1,2", "--cache", world["cache"], "--out", str(tmp_path / "out"), "--methods"]
    code, out, _ = orbitsim(*arguments, "identity,uniform")
    assert code == 0
    title = out[: out.index("┏")]
    assert "images" not in title
    assert "seeds" not in title
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    shown = [cell for cell in cells if len(cell) == 12]
    assert [cell[2:4] for cell in shown] == [["2", "30"], ["2", "30"], ["2", "45"], ["2", "45"]]
    assert [cell[-1] == "-" for cell in shown] == [True, False, True, False]
    records = list(csv.DictReader((tmp_path / "out" / "methods.csv").open()))
    assert [r["encode_mb_per_s"] == "" for r in records] == [True, False, True, False]
