"""Every experiment in its small version, on images made for the run: resumable, and the same again."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("constriction")
pytest.importorskip("matplotlib")

from orbitsim.errors import InputError
from orbitsim.neural.reproduce import fig8, fig9, fig10, table4, table5, trainings
from orbitsim.neural.reproduce.image_sets import ImageSet, image_sets, like_resisc45
from orbitsim.neural.reproduce.made_images import make_images
from orbitsim.types.experiment import Bench


def as_json(data):
    """Data as they are kept: finite numbers, and keys as texts."""
    return json.loads(json.dumps(data, allow_nan=False))


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    return (make_images(root / "resisc-like", seed=1), make_images(root / "others", seed=2))


@pytest.fixture(scope="module")
def bench(tmp_path_factory, shared, images):
    return Bench(True, 1, tmp_path_factory.mktemp("work"), lambda *_: None, images[:1], shared)


@pytest.fixture(scope="module")
def measured(bench):
    """The data of every experiment, read again as JSON."""
    experiments = (fig8, fig9, fig10, table4, table5)
    return {
        m.EXPERIMENT.name: json.loads(json.dumps(m.EXPERIMENT.measure(bench), allow_nan=False)) for m in experiments
    }


@pytest.mark.parametrize("module", [fig8, fig9, fig10, table4, table5])
def test_statements_are_judged_and_figures_drawn(measured, module, tmp_path):
    experiment = module.EXPERIMENT
    data = measured[experiment.name]
    findings = experiment.judge(data)
    assert [f.statement for f in findings] == [s.name for s in experiment.statements]
    assert all(f.ours for f in findings)
    assert data["records"]
    for stem, figure in experiment.draw(data).items():
        figure.savefig(tmp_path / f"{stem}.png")
        assert (tmp_path / f"{stem}.png").stat().st_size > 5000


def test_nothing_is_trained_twice(measured, bench, monkeypatch):
    def refuse(*_args, **_more):
        raise AssertionError("trained again")

    monkeypatch.setattr(trainings, "train_codec", refuse)
    monkeypatch.setattr(trainings, "train_backbone", refuse)
    assert as_json(table5.EXPERIMENT.measure(bench)) == measured["table5"]
    assert as_json(fig9.EXPERIMENT.measure(bench)) == measured["fig9"]


def test_fig9_and_the_tables_tell_the_same(measured):
    def last(name):
        return {(r["method"], r["seed"]): r["right"] for r in measured[name]["rows"]}

    curves = last("fig9")
    assert set(curves) == {(m, s) for m in ("identity", "gumbel", "topk", "random-topk") for s in (1, 2)}
    assert all(curves[key] == right for key, right in last("table5").items())
    for row in measured["fig9"]["rows"]:
        assert row["accuracy_by_epoch"][-1] == pytest.approx(row["right"].count("1") / row["n_held_out"])


def test_stages_are_those_of_the_trained_mask(measured):
    for row in measured["fig8"]["rows"]:
        sizes = np.array([row[f"{stage}_bytes"] for stage in ("uncompressed", "sparsified", "quantised", "coded")])
        assert (sizes[0] == 4 * 17 * 32 * len(row["right"])).all()
        if row["method"] == "gumbel":
            kept = sizes[1].sum() / sizes[0].sum()
            assert kept == pytest.approx(0.2, rel=0.02)  # of all cuts together
            np.testing.assert_allclose(sizes[2] / sizes[1], 0.25, rtol=0.1)  # 8 bits of 32, and the ranges
    pairs = {(r["seed"], r["method"]): r for r in measured["fig8"]["rows"]}
    for seed in (1, 2):  # the transform was set to the bytes of the mask
        mask, transform = (np.sum(pairs[seed, method]["coded_bytes"]) for method in ("gumbel", "transform"))
        assert transform == pytest.approx(mask, rel=0.35)  # nine images: tables and headers weigh much


def test_choices_of_cuts_and_their_losses(measured):
    for row in measured["fig10"]["rows"]:
        assert row["cuts"] == [[1, 2], [1, 3], [2, 3]]
        assert len(row["right"]) == 3
        assert all(ratio > 5 for ratio in row["ratio_fp32"])
        base = row["base_right"].count("1")
        losses = [100 * (base - right.count("1")) / len(right) for right in row["right"]]
        np.testing.assert_allclose(fig10.losses_points(row), losses)


def test_an_interrupted_run_goes_on(tmp_path, images, monkeypatch):
    """Fig. 10 fails in its last part; the next attempt ends as if nothing had happened."""
    bench = Bench(True, 1, tmp_path, lambda *_: None, images[:1], tmp_path / "shared")
    right = fig10.run_choices
    calls = []

    def once(*args, **more):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return right(*args, **more)

    monkeypatch.setattr(fig10, "run_choices", once)
    with pytest.raises(KeyboardInterrupt):
        fig10.EXPERIMENT.measure(bench)
    data = fig10.EXPERIMENT.measure(bench)
    assert len(calls) == 3  # the first part was not measured again
    assert [row["method"] for row in data["rows"]] == ["gumbel", "transform"]


def test_a_full_run_needs_images():
    with pytest.raises(InputError, match="--data"):
        image_sets(Bench(False, 1, Path(), lambda *_: None), 10)
    with pytest.raises(InputError, match="each folder once"):
        image_sets(Bench(True, 1, Path(), lambda *_: None, (Path(), Path())), 10)


def test_data_sets_by_their_names(images):
    bench = Bench(True, 1, Path(), lambda *_: None, images)
    sets = image_sets(bench, 18)
    assert [s.per_class for s in sets] == [6, 6]
    assert sets[0].name == "folder resisc-like (3 classes, 18 images)"
    assert like_resisc45(sets, wanted=True) == sets[:1]
    assert like_resisc45(sets, wanted=False) == sets[1:]
    alone = [ImageSet("somewhere/else", "x", 1)]
    assert like_resisc45(alone, wanted=True) == alone
