"""Rows rest on backbone and images by their bytes, trained codecs on what they say of themselves, leaks are told."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from neural.evaluation import tiny

from orbitsim.errors import InputError
from orbitsim.neural.codecs import make_codec, save_codec
from orbitsim.neural.evaluation.backbone import blocks_hash, evaluation_model
from orbitsim.neural.evaluation.experiment import Experiment, RowSpec
from orbitsim.neural.evaluation.methods import Method
from orbitsim.neural.evaluation.row import RowStore
from orbitsim.neural.evaluation.row_origin import RowOrigins
from orbitsim.neural.evaluation.table import markdown, measure_rows, summarise, write_tables
from orbitsim.neural.evaluation.trained import TrainedCodecs
from orbitsim.neural.training.artefacts import codec_file, save_backbone
from orbitsim.neural.training.image_data import read_images

ABOUT = {"request": {"data": "/data/of-somebody/one", "held_out": 0.2, "seed": 1, "per_class": None}, "best_epoch": 2}


def codecs_in(folder, *, cuts=(1, 3), model=None, scale=None, origin=None):
    """Write Top-k codecs, which have no state of their own, and a backbone whose first block is scaled."""
    folder.mkdir(exist_ok=True)
    for cut in cuts:
        save_codec(make_codec("topk", bits=8, keep=0.5).eval(), codec_file(folder, cut), {**(origin or {}), "cut": cut})
    if scale is not None:
        parts = evaluation_model(model)
        for parameter in parts.blocks[0].parameters():
            parameter.data.mul_(scale)
        save_backbone(parts, folder / "backbone")
    return TrainedCodecs(str(folder), "topk, trained")


def former(experiment, spec, store, **changed):
    """Keep a row as rows were kept before they said what they rest on, and return its file."""
    row = replace(experiment.run(spec), **changed)
    facts = experiment.facts() | ({"codec_ids": row.codec_ids[0]} if isinstance(spec.method, TrainedCodecs) else {})
    key = store.key(spec.name, facts, row.data_key)
    store.save(key, row)
    path = store.folder / f"{key}.json"
    values = json.loads(path.read_text())
    for name in ("backbone_sha256", "calibration_key", "n_seen", "training", "measured_utc", "versions", "command"):
        del values[name]
    path.write_text(json.dumps(values))
    return path


def test_another_backbone_is_another_row(experiment, world, tmp_path):
    store, folder = RowStore(tmp_path / "rows"), tmp_path / "codecs"
    rows = []
    for scale in (1.0, 2.0):
        method = codecs_in(folder, model=world["model"], scale=scale)
        rows += measure_rows(experiment, [RowSpec(world["one"], method, 1, world["two"])], store)
    assert rows[0].codec_ids == rows[1].codec_ids
    assert rows[0].token_error != rows[1].token_error
    assert rows[0].backbone_sha256 != rows[1].backbone_sha256
    assert len(store.load_all()) == 2
    shutil.rmtree(folder / "backbone")
    (frozen,) = measure_rows(experiment, [RowSpec(world["one"], method, 1, world["two"])], store)
    assert frozen.backbone_sha256 is None
    assert len(store.load_all()) == 3


def test_other_calibration_images_in_a_folder_of_the_same_name_are_another_row(experiment, world, tmp_path):
    store, method = RowStore(tmp_path / "rows"), Method("uniform", settings={"bits": 4})
    others = [tiny.write_images(tmp_path / name / "others", seed) for name, seed in (("a", 5), ("b", 6))]
    specs = [RowSpec(world["one"], method, 1, folder) for folder in others]
    assert specs[0].name == specs[1].name
    rows = [measure_rows(experiment, [spec], store)[0] for spec in specs]
    assert rows[0].calibration_key != rows[1].calibration_key
    assert rows[0].codec_ids != rows[1].codec_ids
    again = measure_rows(experiment, specs, store)
    assert [row.codec_ids for row in again] == [row.codec_ids for row in rows]
    assert len(store.load_all()) == 2


def test_rows_that_say_less_are_still_found(experiment, world, tmp_path, monkeypatch):
    store, notes = RowStore(tmp_path / "rows"), []
    method = codecs_in(tmp_path / "codecs", model=world["model"], scale=2.0)
    specs = [
        RowSpec(world["one"], method, 1, world["two"]),
        RowSpec(world["one"], Method("uniform", settings={"bits": 4}), 1, world["two"]),
        RowSpec(world["one"], Method("uniform", settings={"bits": 4}), 1),
    ]
    files = [former(experiment, spec, store) for spec in specs]
    with monkeypatch.context() as patch:
        patch.setattr(Experiment, "run", lambda *_: pytest.fail("measured again"))
        for stored_only in (True, False):
            rows = measure_rows(
                experiment, specs, store, stored_only=stored_only, note=lambda *words: notes.append(words)
            )
            assert [row.name for row in rows] == [spec.name for spec in specs]
            assert all(row.measured_utc is not None for row in rows)
    told = [message for label, message in notes if label == "stored rows"]
    assert len(told) == 2
    assert told[0].startswith("1 say")  # the trained one keeps a hash of its backbone, the one in folds has no others
    codecs_in(tmp_path / "codecs", model=world["model"], scale=3.0)
    assert measure_rows(experiment, specs[:1], store, stored_only=True) == []
    measure_rows(experiment, specs[:1], store)
    assert len(store.load_all()) == 4
    assert all(path.is_file() for path in files)


def test_rows_that_say_less_are_seeds_like_any_other(experiment, world, tmp_path):
    store, method = RowStore(tmp_path / "rows"), Method("uniform", settings={"bits": 4})
    specs = [RowSpec(world["one"], method, seed, world["two"]) for seed in (1, 2)]
    former(experiment, specs[0], store)
    rows = measure_rows(experiment, specs, store)
    assert store.load_all()[0].calibration_key is None or store.load_all()[1].calibration_key is None
    assert [record["n_seeds"] for record in summarise(rows)] == [2]


def test_a_stored_row_of_other_calibration_images_is_not_taken(experiment, world, tmp_path):
    store, spec = RowStore(tmp_path), RowSpec(world["one"], Method("uniform", settings={"bits": 4}), 1, world["two"])
    former(experiment, spec, store, calibration="folder two (3 classes, 44 images)")
    assert measure_rows(experiment, [spec], store, stored_only=True) == []


def test_stored_rows_need_no_clean_run(experiment, world, tmp_path, monkeypatch):
    spec = RowSpec(world["one"], Method("uniform", settings={"bits": 4}), 1, world["two"])
    store = RowStore(tmp_path / "rows")
    assert experiment.data_key(world["one"]) == experiment.clean(world["one"]).key
    measure_rows(experiment, [spec], store)
    fresh = Experiment(
        evaluation_model(world["model"]), [1, 3], tmp_path, precision="fp32", batch_size=16, n_fitted=30, n_gradients=10
    )
    monkeypatch.setattr(Experiment, "clean", lambda *_: pytest.fail("computed"))
    assert len(measure_rows(fresh, [spec], store, stored_only=True)) == 1


@pytest.mark.parametrize("listed", [True, False])
def test_codecs_trained_on_the_tested_images_are_marked(experiment, world, tmp_path, listed):
    """By the hashes that a training keeps, or, where it kept none, by splitting the tested folder as it did."""
    data, notes = read_images(world["one"], 32, held_out=0.2, seed=1), []
    method = codecs_in(tmp_path, origin={"data": data.facts})
    if listed:
        (tmp_path / "images.sha256").write_text("".join(f"{d}  {name}\n" for name, d in data.digests.items()))
    else:
        measures = {**ABOUT, "best": {}, "provenance": {"command": "", "created_utc": "", "data": data.facts}}
        (tmp_path / "metrics.json").write_text(json.dumps(measures))
    specs = [RowSpec(world[name], method, 1, world["two"]) for name in ("one", "two")]
    rows = measure_rows(experiment, specs, RowStore(tmp_path / "rows"), note=lambda *words: notes.append(words))
    seen, other = summarise(rows)
    assert seen["codecs_calibrated_on"] == other["codecs_calibrated_on"] == "folder one (3 classes, 45 images)"
    assert (seen["leak"], rows[0].n_seen) == ("trained on the tested images", 45)
    assert notes[0][0] == "leak"
    assert "topk, trained on folder one" in notes[0][1]
    assert "| topk, trained (trained on the tested images) |" in markdown([seen])
    assert other["leak"] == ""
    assert rows[1].n_seen == (0 if listed else None)  # the same names of classes, and nothing to tell images apart by
    assert [label for label, _ in notes[1:]] == ([] if listed else ["origin"])


def test_images_are_known_again_in_another_folder(experiment, world, tmp_path):
    mixed = Path(shutil.copytree(world["two"], tmp_path / "mixed"))
    shutil.copy(Path(world["one"]) / "class-1" / "003.png", mixed / "class-1" / "more.png")
    spec = RowSpec(world["one"], Method("uniform", settings={"bits": 4}), 1, str(mixed))
    (row,) = measure_rows(experiment, [spec], RowStore(tmp_path / "rows"))
    assert summarise([row])[0]["leak"] == "calibrated on 1 of the 45 tested images"


def test_codecs_without_provenance_say_so(experiment, world, tmp_path):
    (row,) = measure_rows(
        experiment, [RowSpec(world["one"], codecs_in(tmp_path / "c"), 1, world["two"])], RowStore(tmp_path)
    )
    assert summarise([row])[0]["codecs_calibrated_on"] == "not recorded"
    assert RowOrigins(experiment).of(RowSpec(world["one"], codecs_in(tmp_path / "c"), 1)).n_seen is None


def test_codecs_of_other_cuts_or_another_model_are_refused(experiment, world, tmp_path, monkeypatch):
    parts = experiment.parts
    monkeypatch.setattr(Experiment, "clean", lambda *_: pytest.fail("computed before the codecs were checked"))
    wrong = [
        (codecs_in(tmp_path / "cuts", cuts=(1, 2)), "cuts: expected codecs of the cuts 1, 3, found those of 1, 2"),
    ]
    for name, origin in (("name", {"model": "vit-b"}), ("hash", {"model": parts.name, "blocks_sha256": "0" * 16})):
        wrong.append((codecs_in(tmp_path / name, origin=origin), f"model: expected codecs of {parts.name}"))
    with pytest.raises(InputError) as caught:
        measure_rows(
            experiment, [RowSpec(world["one"], m, 1, world["two"]) for m, _ in wrong], RowStore(tmp_path / "r")
        )
    for method, message in wrong:
        assert message in str(caught.value)
        assert method.folder in str(caught.value)
    same = {"model": "other name", "blocks_sha256": blocks_hash(parts)}
    codecs_in(tmp_path / "renamed", origin=same).check((1, 3), parts)


def test_a_record_stands_beside_the_tables(experiment, world, tmp_path):
    folder = tmp_path / "codecs"
    facts = read_images(world["one"], 32, held_out=0.2, seed=1).facts
    method = codecs_in(folder, model=world["model"], scale=2.0, origin={"data": facts})
    provenance = {"command": "orbitsim codec train --data /a/b/one", "created_utc": "2026-01-01T00:00:00Z"}
    measures = {**ABOUT, "best": {"accuracy": 0.5}, "provenance": {**provenance, "data": facts}}
    (folder / "metrics.json").write_text(json.dumps(measures))
    uniform = Method("uniform", settings={"bits": 4})
    specs = [RowSpec(world["two"], m, seed, world["one"]) for m in (uniform, method) for seed in (1, 2)]
    store = RowStore(tmp_path / "rows")
    rows = measure_rows(experiment, specs, store, command="orbitsim codec table --out /a/c")
    write_tables(tmp_path, rows, "orbitsim codec table --data ../up/one --trained 'x=/a/d-{seed}' --out runs/e")
    text = (tmp_path / "about.json").read_text()
    assert str(tmp_path) not in text
    about = json.loads(text)
    assert about["command"] == "orbitsim codec table --data one --trained 'x=d-{seed}' --out runs/e"
    assert about["name"] == experiment.parts.name
    assert about["models"] == [experiment.facts()]
    assert about["data"][0]["name"] == "folder two (3 classes, 45 images)"
    assert about["versions"].keys() >= {"orbitsim", "torch", "numpy", "python"}
    plain, trained = about["rows"]
    assert plain["seeds"] == trained["seeds"] == [1, 2]
    assert plain["measured_by"] == ["orbitsim codec table --out c"] * 2
    assert plain["measured_utc"] == [row.measured_utc for row in rows[:2]]
    assert plain["measured_with"][0] == about["versions"]
    assert trained["backbone_sha256"] == [row.found["backbone"] for row in rows[2:]]
    training = trained["trainings"][0]
    assert training["request"]["data"] == "one"
    assert training["command"] == "orbitsim codec train --data one"
    assert (training["best_epoch"], training["best"]) == (2, {"accuracy": 0.5})
    (folder / "metrics.json").unlink()
    (kept,) = measure_rows(experiment, specs[2:3], store)
    assert kept.training == rows[2].training  # a row remembers what its folder has lost
    (folder / "metrics.json").write_text("{}")
    with pytest.raises(InputError, match="expected the measures of a training"):
        measure_rows(experiment, specs[2:3], store)
    np.testing.assert_array_equal(kept.coded_bytes, rows[2].coded_bytes)
