"""Results put into the page leave beside every table of methods a record of where it comes from."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("constriction")

from orbitsim.neural.evaluation.row import Row
from orbitsim.neural.evaluation.table import write_tables

PATH = Path(__file__).parents[1] / "docs" / "insert_codec_results.py"
FACTS = {"model": "toy", "weights": "0", "cuts": [2], "precision": "fp32", "batch_size": 4, "per_class": None,
         "n_fitted": 4, "n_gradients": 2}  # fmt: skip
TRAINING = {"request": {"data": "/data/of-somebody/two", "seed": 1}, "best_epoch": 3, "best": {"accuracy": 0.75}}
ORIGIN = {"data": {"folder": "two", "classes": ["a", "b"], "n_train": 6, "n_held_out": 2}}


def made(method, seed, **more):
    clean = np.array([True, True, False, True])
    return Row(
        name="x", data="one", data_key="k", calibration="two", method=method, seed=seed, facts=FACTS,
        codec_ids=[["a"]], token_error=0.1, pooled_error=0.1, value_bytes=100, stage_ratio=[[1.0, 1.0, 4.0, 8.0]],
        encode_s=[1.0], decode_s=[1.0], seconds=2.0, n_images=np.array([4]), coded_bytes=np.array([[50]]),
        clean_right=clean, coded_right=clean, measured_utc=f"2026-01-0{seed}T00:00:00Z",
        **{"kind": "uniform", "found": {}, **more},
    )  # fmt: skip


@pytest.fixture
def inserter(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("insert_codec_results", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = tmp_path / "codecs.md"
    page.write_text("before\n<!-- results: begin -->\nold\n<!-- results: end -->\nafter\n")
    monkeypatch.setattr(module, "PAGE", page)
    monkeypatch.setattr(module, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(module, "IMAGES", tmp_path / "images")
    return module


def test_a_record_stands_beside_the_tables(inserter, tmp_path, monkeypatch):
    rows = [made("uniform-4x", seed) for seed in (1, 2)]
    rows += [made("mask", 1, kind="trained", found={"provenance": ORIGIN}, training=TRAINING, n_seen=0)]
    write_tables(tmp_path / "out", rows, "orbitsim codec table --data /data/of-somebody/one --out runs/out")
    monkeypatch.setattr("sys.argv", ["insert_codec_results.py", str(tmp_path / "out")])
    inserter.main()
    kept = tmp_path / "kept"
    assert sorted(path.name for path in kept.iterdir()) == [
        "table-toy-cuts.csv", "table-toy-methods.csv", "table-toy.json",
    ]  # fmt: skip
    text = (kept / "table-toy.json").read_text()
    assert "somebody" not in text
    about = json.loads(text)
    assert about["files"] == ["table-toy-methods.csv", "table-toy-cuts.csv"]
    assert about["command"] == "orbitsim codec table --data one --out runs/out"
    assert (about["name"], about["seeds"], about["models"]) == ("toy", [1, 2], [FACTS])
    plain, trained = about["rows"]
    assert (plain["method"], plain["seeds"]) == ("uniform-4x", [1, 2])
    assert plain["measured_utc"] == ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]
    assert trained["codecs_calibrated_on"] == ["folder two (2 classes, 8 images)"]
    assert trained["trainings"] == [{**TRAINING, "request": {"data": "two", "seed": 1}}]
    with (kept / "table-toy-methods.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["method"], int(line["n_seeds"])) for line in lines] == [
        (group["method"], len(group["seeds"])) for group in about["rows"]
    ]
    page = (tmp_path / "codecs.md").read_text()
    assert page.startswith("before\n")
    assert page.endswith("after\n")
    assert "`table-toy.json` there" in page
    assert "](images/codec-trade-off-toy.png)" in page
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["codec-trade-off-toy.png"]


def test_tables_without_a_record_are_refused(inserter, tmp_path, monkeypatch):
    write_tables(tmp_path / "out", [made("uniform-4x", 1)])
    (tmp_path / "out" / "about.json").unlink()
    monkeypatch.setattr("sys.argv", ["insert_codec_results.py", str(tmp_path / "out")])
    with pytest.raises(SystemExit, match=r"about\.json is missing"):
        inserter.main()
    assert not (tmp_path / "kept").exists() or not list((tmp_path / "kept").iterdir())
