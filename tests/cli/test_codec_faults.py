"""Bad input to `orbitsim codec`: one clear error before anything is measured, and damaged files are named."""

import json
import re

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("constriction")

from neural.evaluation import tiny

from orbitsim import catalog

SMALL = ["--cuts", "1,3", "--batch-size", "16", "--precision", "fp32", "--calibration-images", "30"]


@pytest.fixture
def evaluate(orbitsim, world, tmp_path):
    base = ["codec", "evaluate", "--model", world["model"], "--data", world["one"], *SMALL]
    base += ["--calibration-data", world["two"], "--cache", tmp_path / "cache", "--out", tmp_path / "out"]
    return lambda *words: orbitsim(*base, "--codec", "uniform", "--set", "bits=4", "--format", "json", *words)


def refused(answer, *messages):
    code, out, err = answer
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    words = " ".join(err.split())
    for message in messages:
        assert message in words
    return words


@pytest.mark.parametrize("command", ["evaluate", "table", "calibrate"])
@pytest.mark.parametrize(
    ("words", "messages"),
    [
        (["--seeds", "1,-1"], ["--seeds: expected whole numbers from 0 to 9223372036854775807 (2^63 - 1), got -1"]),
        (["--seeds", "99999999999999999999999"], ["--seeds: expected whole numbers from 0"]),
        (["--device", "tpu"], ["--device: expected cpu, cuda or cuda:N, got 'tpu'"]),
        (["--device", "cuda:77"], ["--device: expected a device that torch finds, got 'cuda:77'"]),
        (["--seeds", "x", "--cuts", "0,1", "--data", "nowhere", "--device", "tpu"],
         ["--seeds: expected numbers", "--cuts: expected whole numbers from 1, got 0", "nowhere: expected a folder",
          "--device: expected cpu"]),
    ],
)  # fmt: skip
def test_options_that_all_share_are_refused_together(orbitsim, world, tmp_path, command, words, messages):
    place = {"evaluate": [], "table": ["--out", tmp_path / "new"]}
    place["calibrate"] = ["--out", tmp_path / "new.toml", "--rows", tmp_path / "new"]
    answer = orbitsim(
        "codec", command, "--model", world["model"], "--data", world["one"], *SMALL, *place[command], *words
    )
    refused(answer, *messages)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        (["evaluate", "--ratio", "inf,1"],
         ["--ratio: expected finite numbers above 1 (fp32 bytes over real bytes), got inf, 1.0"]),
        (["evaluate", "--ratio", ""], ["--ratio: expected numbers with commas"]),
        (["evaluate", "--error", "0,nan"], ["--error: expected numbers between 0 and 1, got 0.0, nan"]),
        (["evaluate", "--set", "bits", "--ratio", "1"], ["--set: expected KEY=VALUE", "--ratio: expected finite"]),
        (["calibrate", "--name", "half \udcff"], ["--name: expected text in UTF-8, got 'half \\udcff'"]),
        (["calibrate", "--ratios", "9", "--cut-ratios", "1"], ["--cut-ratios: expected finite numbers above 1"]),
        (["table", "--methods", ""], ["--methods: expected one of identity, uniform, topk, mask, transform, got ''"]),
        (["table", "--methods", "uniform:infx,zip,topk:x"],
         ["--methods: expected a finite target above 1", "got 'zip'", "--methods: expected KIND, KIND:20x"]),
        (["table", "--methods", "uniform", "--data", "ONE"], ["--data: expected each folder once"]),
        (["evaluate", "--model", "a" * 300], ["expected a model: File name too long"]),
        (["evaluate", "--calibration-data", "a" * 300], ["one sub-folder of images per class, File name too long"]),
        (["evaluate", "--model", "vit-b/none"],
         ["vit-b/none: expected a configuration of transformers: found no such file or folder",
          "only `orbitsim profile` downloads one"]),
    ],
)  # fmt: skip
def test_faults_name_the_option_that_was_given(orbitsim, world, tmp_path, words, messages):
    place = {"evaluate": [], "table": ["--out", tmp_path / "new"]}
    place["calibrate"] = ["--out", tmp_path / "new.toml", "--rows", tmp_path / "new", "--codec", "uniform"]
    more = [world["one"] if word == "ONE" else word for word in words[1:]]
    base = ["codec", words[0], "--model", world["model"], "--data", world["one"], *SMALL, *place[words[0]]]
    shown = refused(orbitsim(*base, *more), *messages)
    assert "--ratios" not in shown
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["afile/a", "/proc/nothing/a", "a" * 300])
@pytest.mark.parametrize("option", ["--figure", "--out", "--cache"])
def test_places_that_cannot_be_written_are_found_before_measuring(
    orbitsim, world, tmp_path, monkeypatch, option, place
):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "afile").write_text("kept")
    monkeypatch.setattr("orbitsim.cli.codec_evaluate.make_experiment", lambda *_, **__: pytest.fail("too late"))
    words = [option, place + (".png" if option == "--figure" else "")]
    answer = orbitsim("codec", "evaluate", "--data", world["one"], "--codec", "uniform", "--set", "bits=4", *words)
    refused(answer, f"{option}: expected a place that can be written")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("afile", "kept")]


@pytest.mark.parametrize("words", [["--out", "afile/x.toml"], ["--out", "x.toml", "--rows", "afile/rows"]])
def test_a_table_that_cannot_be_written_is_refused_before_measuring(orbitsim, world, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "afile").write_text("")
    monkeypatch.setattr("orbitsim.cli.codec_calibrate.make_experiment", lambda *_, **__: pytest.fail("too late"))
    answer = orbitsim("codec", "calibrate", "--data", world["one"], "--rows", "rows", *words)
    refused(answer, f"{words[-2]}: expected a place that can be written", "afile is a file, not a folder")
    assert [path.name for path in tmp_path.iterdir()] == ["afile"]


@pytest.mark.parametrize("command", ["train", "backbone"])
def test_a_training_that_cannot_be_written_is_refused_before_images_are_read(orbitsim, tmp_path, command):
    (tmp_path / "afile").write_text("")
    cuts = ["--cuts", "1", "--codec", "topk"] if command == "train" else []
    answer = orbitsim("codec", command, "--data", tmp_path / "none", *cuts, "--out", tmp_path / "afile" / "x")
    refused(answer, "--out: expected a place that can be written: ", "afile is a file, not a folder")


@pytest.mark.parametrize("n_classes", [2, 3])
def test_single_images_of_classes_cannot_be_tested(orbitsim, world, tmp_path, n_classes):
    few = tiny.write_images(tmp_path / "few", 1, n_classes=n_classes, per_class=1)
    base = ["codec", "evaluate", "--model", world["model"], "--codec", "uniform", *SMALL]
    wanted = "expected at least 2 images of each class to test, found 1 of class-0, class-1"
    refused(orbitsim(*base, "--data", few, "--ratio", "6"), wanted)
    refused(orbitsim(*base, "--data", few, "--set", "bits=4", "--calibration-data", world["two"]), wanted)
    pair = tiny.write_images(tmp_path / "pair", 1, n_classes=2, per_class=2)
    refused(orbitsim(*base, "--data", pair, "--set", "bits=4"), "expected at least 5 images to test, one for each fold")


@pytest.mark.parametrize("words", [["--codec", "transform", "--ratio", "6"], ["--codec", "topk", "--set", "keep=0.2"]])
def test_few_images_are_enough_where_they_can_be_tested(orbitsim, world, tmp_path, words):
    """Two of each class to test within folds, and one of each class to calibrate on."""
    few = tiny.write_images(tmp_path / "few", 1, per_class=2)
    single = tiny.write_images(tmp_path / "single", 1, per_class=1)
    base = ["codec", "evaluate", "--model", world["model"], "--data", few, *SMALL, "--format", "json"]
    for more in ([], ["--calibration-data", single]):
        code, out, err = orbitsim(*base, *words, *more)
        assert code == 0, err
        assert json.loads(out)[0]["n_images"] == 6


def _cut_short(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "cut short": _cut_short,
    "text": lambda path: path.write_text('"text"'),
    "one byte": lambda path: path.write_bytes(path.read_bytes()[:-1]),
}


# Every damage to every array and row is tried in tests/neural/evaluation; here each reaches the command line once.
@pytest.mark.parametrize(("damage", "suffix"), [("empty", ".npz"), ("text", ".json")])
def test_a_damaged_row_is_named_and_measured_again_once_removed(evaluate, tmp_path, damage, suffix):
    code, first, _ = evaluate()
    assert code == 0
    (path,) = (tmp_path / "out" / "rows").glob(f"*{suffix}")
    DAMAGES[damage](path)
    shown = refused(evaluate(), path.name, "damaged: ", "remove it, and the row is measured again")
    assert "interrupted" not in shown
    path.unlink()
    code, again, _ = evaluate()
    assert code == 0
    times = re.compile(r'"(en|de)code_\w+": [\d.e-]+')
    assert times.sub("", again) == times.sub("", first)


@pytest.mark.parametrize(
    ("name", "damage"),
    [("probe-*-2.npz", "cut short"), ("final.npy", "one byte")],
)
def test_a_damaged_file_of_the_cache_is_computed_again_with_a_note(evaluate, tmp_path, name, damage):
    code, first, _ = evaluate()
    assert code == 0
    path = min((tmp_path / "cache").glob(f"clean-*/{name}"))
    whole = path.read_bytes()
    DAMAGES[damage](path)
    for row in (tmp_path / "out" / "rows").iterdir():
        row.unlink()
    code, again, err = evaluate()
    assert code == 0
    assert f"computed again: {path} is damaged" in err
    times = re.compile(r'"(en|de)code_\w+": [\d.e-]+')
    assert times.sub("", again) == times.sub("", first)
    if not name.startswith("probe"):
        assert path.read_bytes() == whole
    code, _, err = evaluate("--seeds", "1,2")
    assert (code, "damaged" in err) == (0, False)


@pytest.mark.parametrize("name", ["a\x7fb", "a\nb", "\x1b[2J", "\u202e"])
def test_a_name_that_would_not_print_is_refused(orbitsim, world, tmp_path, name):
    words = ["codec", "calibrate", "--data", world["one"], "--rows", tmp_path / "rows", "--out", tmp_path / "x.toml"]
    refused(orbitsim(*words, "--name", name), f"--name: expected letters that print, got {name!r}")


def test_a_table_of_any_name_can_be_read_back(orbitsim, world, tmp_path):
    name, out = 'q"\\ ü', tmp_path / "mine.toml"
    words = ["codec", "calibrate", "--model", world["model"], "--data", world["one"], "--data", world["two"], *SMALL]
    words += ["--seeds", "1", "--cache", world["cache"], "--rows", tmp_path / "rows", "--codec", "uniform"]
    code, _, err = orbitsim(*words, "--ratios", "6,9", "--out", out, "--name", name, "--format", "json")
    assert code == 0, err
    assert catalog.codec_table(out).name == name


def test_random_weights_never_stand_in_for_trained_ones(orbitsim, world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, _ = orbitsim("codec", "backbone", "--model", "vit-micro-16", "--data", world["one"], "--out", "vit",
                          "--epochs", "1")  # fmt: skip
    assert code == 0
    said = "and of a folder here that holds a model; say ./vit/backbone for the folder's model"
    base = ["--data", world["one"], "--cuts", "1,3", "--codec", "topk"]
    refused(orbitsim("codec", "evaluate", "--model", "vit", *base, "--set", "keep=0.2"), said)
    refused(orbitsim("codec", "train", "--model", "vit", *base, "--out", "x"), said)
    refused(orbitsim("codec", "train", "--model", "./vit", *base, "--out", "x"), "the one it holds is vit/backbone")
    assert not (tmp_path / "x").exists()
    code, out, _ = orbitsim("codec", "evaluate", "--model", "./vit/backbone", *base, "--set", "keep=0.2",
                            "--format", "json")  # fmt: skip
    assert (code, json.loads(out)[0]["n_images"]) == (0, 45)


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        (["--smoothing", "2"], ["--smoothing: expected at least 0 and below 1, got 2.0"]),
        (["--smoothing", "nan"], ["--smoothing: expected"]),
        (["--weight-decay", "nan"], ["--weight-decay: expected a finite number of at least 0, got nan"]),
        (["--weight-decay", "-1"], ["--weight-decay: expected"]),
        (["--mix-alpha", "-1"], ["--mix-alpha: expected from 0 to 1e+06, got -1.0"]),
        (["--mix-alpha", "inf"], ["--mix-alpha: expected"]),
        (["--mix-alpha", "nan"], ["--mix-alpha: expected"]),
        (["--checkpoint-every", "nan"], ["--checkpoint-every: expected a finite number of at least 0, got nan"]),
        (["--rate", "nan"], ["--rate: expected a finite number above 0, got nan"]),
        (["--seed", "-1", "--patience", "-2"],
         ["--seed: expected a whole number from 0 to 9223372036854775807 (2^63 - 1), got -1",
          "--patience: expected at least 0, got -2"]),
        (["--seed", "99999999999999999999999"], ["--seed: expected a whole number from 0"]),
        (["--precision", "fp8", "--smoothing", "1"], ["--precision: expected one of", "--smoothing: expected"]),
    ],
)  # fmt: skip
def test_numbers_of_a_backbone_are_checked(orbitsim, world, tmp_path, words, messages):
    base = ["codec", "backbone", "--model", "vit-micro-16", "--data", world["one"], "--epochs", "1"]
    refused(orbitsim(*base, "--out", tmp_path / "out", *words), *messages)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        (["--codec", "gumbel", "--target-keep", "0.2", "--learn", "foo, logits,bar"],
         ["--learn: expected logits, got 'foo'", "--learn: expected logits, got 'bar'"]),
        (["--codec", "transform", "--learn", ""], ["--learn: expected analysis or centre or", "got ''"]),
        (["--codec", "topk", "--set", "keep=0.2", "--learn", "foo"], ["--learn: expected nothing, these codecs"]),
        (["--codec", "topk", "--checkpoint-every", "nan", "--seed", "-1"],
         ["--checkpoint-every: expected a finite", "--seed: expected"]),
    ],
)  # fmt: skip
def test_what_codecs_cannot_learn_is_named(orbitsim, world, tmp_path, words, messages):
    base = ["codec", "train", "--model", world["model"], "--data", world["one"], "--cuts", "1,3", "--no-accuracy"]
    refused(orbitsim(*base, "--calibration-images", "4", "--out", tmp_path / "out", *words), *messages)
    assert not (tmp_path / "out").exists()


def test_spaces_between_names_that_learn_do_no_harm(orbitsim, world, tmp_path):
    base = ["codec", "train", "--model", world["model"], "--data", world["one"], "--cuts", "1", "--no-accuracy"]
    base += ["--calibration-images", "4", "--codec", "transform", "--set", "step=0.5", "--epochs", "0"]
    code, _, err = orbitsim(*base, "--learn", "synthesis, centre", "--out", tmp_path / "out")
    assert code == 0, err
    content = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert content["options"]["learn"] == ["synthesis", "centre"]
    assert np.isfinite(content["best"]["feature_error"])
