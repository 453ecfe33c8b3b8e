"""`orbitsim codec backbone` and `train` on a folder of synthetic images, and the answers to bad input."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("constriction")
Image = pytest.importorskip("PIL.Image")

from neural.evaluation import tiny  # noqa: E402

from orbitsim.cli.app import run_app  # noqa: E402

TINY = ["--model", "tiny-dinov2.json", "--calibration-images", "4", "--no-accuracy"]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Return a folder of three classes that differ by colour."""
    root = tmp_path_factory.mktemp("images")
    draw = np.random.default_rng(0)
    for channel, name in enumerate(("red", "green", "blue")):
        (root / name).mkdir()
        for number in range(10):
            pixels = draw.normal(100, 30, size=(20, 24, 3))
            pixels[:, :, channel] += 60
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(root / name / f"{number:02d}.png")
    return root


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Return a folder with the configuration of a tiny model."""
    folder = tmp_path_factory.mktemp("models")
    tiny.write_model(folder)
    return folder


def orbitsim(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["orbitsim", *map(str, words)])
    return run_app()


def test_two_epochs_of_a_backbone_and_of_its_codecs(images, tmp_path, monkeypatch, capsys):
    vit = tmp_path / "vit"
    words = ["codec", "backbone", "--model", "vit-micro-16", "--data", images, "--out", vit, "--epochs", 2]
    assert orbitsim(monkeypatch, *words, "--batch-size", 8) == 0
    assert "held-out accuracy" in " ".join(capsys.readouterr().out.split())  # the line may be wrapped
    out = tmp_path / "masks"
    words = ["codec", "train", "--model", vit / "backbone", "--data", images, "--cuts", "1,3", "--codec", "gumbel",
             "--target-keep", 0.25, "--epochs", 2, "--batch-size", 8, "--finetune", "all", "--precision", "bf16",
             "--set", "bits=6", "--out", out]  # fmt: skip
    assert orbitsim(monkeypatch, *words) == 0
    shown = capsys.readouterr().out
    assert "best" in shown
    assert "0.250" in shown
    names = sorted(path.name for path in out.iterdir())
    assert names == ["backbone", "checkpoint.safetensors", "codec-cut001.safetensors", "codec-cut003.safetensors",
                     "images.sha256", "metrics.json"]  # fmt: skip
    content = json.loads((out / "metrics.json").read_text())
    assert [entry["epoch"] for entry in content["epochs"]] == [0, 1, 2]
    assert content["best"]["keep_share"] == pytest.approx(0.25, rel=0.02)
    assert {"loss", "distortion", "bits_per_value", "keep_share"} <= content["epochs"][1]["train"].keys()
    assert {"accuracy", "feature_error", "bytes_per_sample"} <= content["best"].keys()
    assert content["request"]["settings"] == {"bits": 6}
    assert content["provenance"]["data"]["classes"] == ["blue", "green", "red"]
    assert content["provenance"]["command"].startswith("orbitsim codec train --model")

    assert orbitsim(monkeypatch, *words) == 2
    assert "--resume" in capsys.readouterr().err
    before = (out / "codec-cut003.safetensors").read_bytes()
    assert orbitsim(monkeypatch, *words, "--resume", "--checkpoint-every", 5) == 0
    changed = json.loads((out / "metrics.json").read_text())
    assert changed["epochs"] == content["epochs"]
    assert len((out / "codec-cut003.safetensors").read_bytes()) > 0.9 * len(before)
    capsys.readouterr()
    assert orbitsim(monkeypatch, *words, "--resume", "--seed", 7) == 2
    assert "seed: expected 1 to go on with, got 7" in capsys.readouterr().err


def test_a_folder_called_vit_is_no_model_type(images, tmp_path, monkeypatch):
    """The first command of the manual makes a folder `vit` in the place it is run from."""
    monkeypatch.chdir(tmp_path)
    words = ["codec", "backbone", "--model", "vit-micro-16", "--data", images, "--out", "vit", "--epochs", 1]
    assert orbitsim(monkeypatch, *words, "--batch-size", 8) == 0
    assert (tmp_path / "vit" / "backbone" / "config.json").is_file()


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        (["--cuts", "a,b", "--set", "bits"], ["--cuts", "--set"]),
        (["--cuts", "1", "--codec", "zip", "--epochs", "-1", "--precision", "fp8"],
         ["--codec", "--epochs", "precision"]),
        (["--cuts", "1", "--codec", "transform", "--target-keep", "0.2"], ["--target-keep"]),
        (["--cuts", "2,1", "--codec", "topk", "--model", "vit-b", "--device", "cpu:x"], ["device"]),
        (["--cuts", "2", "--codec", "topk", "--model", "no-such-model"], ["expected a model"]),
        (["--cuts", "2", *TINY, "--codec", "topk", "--set", "keep=abc"],
         ["keep: expected a share above 0 and at most 1, got 'abc'"]),
        (["--cuts", "2", *TINY, "--codec", "transform", "--set", "step=0"], ["--set step: expected a finite"]),
        (["--cuts", "2", *TINY, "--codec", "transform", "--set", "n_classes=0"], ["n_classes: expected a whole"]),
        (["--cuts", "2", *TINY, "--codec", "transform", "--target-ratio", "9000"],
         ["--target-ratio: expected at most", "got 9000"]),
        (["--cuts", "2", "--codec", "quantize-me"], ["--codec: expected one of identity, ", "quantise"]),
    ],
)  # fmt: skip
def test_bad_input_ends_with_one_clear_error(images, models, tmp_path, monkeypatch, capsys, words, messages):
    monkeypatch.chdir(models)
    assert orbitsim(monkeypatch, "codec", "train", "--data", images, "--out", tmp_path / "out", *words) == 2
    shown = capsys.readouterr().err
    for message in messages:
        assert message in shown
    assert "Traceback" not in shown
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_none_is_named(tmp_path, monkeypatch, capsys):
    words = ["codec", "backbone", "--data", tmp_path / "none", "--out", tmp_path / "out", "--model", "vit-micro-16"]
    assert orbitsim(monkeypatch, *words) == 2
    assert "one sub-folder of images per class" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
