"""Stages of a backbone that only has to be loaded: a tiny random one stands in for the pretrained one."""

from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("constriction")

from neural.evaluation import tiny

from orbitsim.neural.reproduce import fig8, pretrained_stages
from orbitsim.neural.reproduce.image_sets import image_sets
from orbitsim.neural.reproduce.made_images import make_images
from orbitsim.neural.reproduce.plan import SMALL
from orbitsim.types.experiment import Bench


@pytest.mark.parametrize("n_sets", [1, 2])
def test_stages_of_a_loaded_backbone(tmp_path, monkeypatch, n_sets):
    monkeypatch.setattr(pretrained_stages, "TARGET_RATIO", 6.0)
    folders = tuple(make_images(tmp_path / f"images-{i}", seed=i) for i in range(n_sets))
    bench = Bench(True, 1, tmp_path, lambda *_: None, folders)
    plan = replace(SMALL, pretrained=tiny.write_model(tmp_path), pretrained_cuts=(1, 3), pretrained_images=18)
    sets = image_sets(bench, plan.most_images)
    rows = pretrained_stages.pretrained_stages(bench, plan, sets)
    assert [row["method"] for row in rows] == ["mask", "transform"]
    for row in rows:
        assert row["n_images"] == 18
        assert row["uncompressed_bytes"] == [4 * 17 * 16 * 18] * 2
        assert (row["data"] == row["codecs_calibrated_on"]) == (n_sets == 1)  # other images of the same folder
    assert rows[0]["sparsified_bytes"] == pytest.approx([4 * 17 * 16 * 18 / 3.96] * 2, rel=0.01)
    assert rows[1]["feature_error"] < rows[0]["feature_error"]
    monkeypatch.setattr(pretrained_stages, "run_coded", pytest.fail)
    assert pretrained_stages.pretrained_stages(bench, plan, sets) == rows  # kept, not measured again
    findings = fig8.judge({"rows": rows})
    assert findings[0].agrees == "yes"
    assert all(record["loss_points_all_cuts"] is None for record in fig8.records(rows))


def test_with_one_data_set_codecs_see_other_images(tmp_path):
    folder = make_images(tmp_path / "images")
    bench = Bench(True, 1, tmp_path, lambda *_: None, (folder,))
    test, others = pretrained_stages._two_parts(image_sets(bench, 36), 18)
    assert not set(test.files) & set(others.files)
    assert len(test) == len(others) == 18
