"""Rows of measurements: exact where there is no codec, honest about bytes, and nothing leaks into the test images."""

import numpy as np
import pytest

from orbitsim.errors import InputError
from orbitsim.neural.evaluation.calibration_sample import calibration_sample
from orbitsim.neural.evaluation.clean_run import run_clean
from orbitsim.neural.evaluation.coded_run import run_coded
from orbitsim.neural.evaluation.experiment import Experiment, RowSpec
from orbitsim.neural.evaluation.methods import Method, fit_method, method_of
from orbitsim.neural.evaluation.probing import CrossValidatedProbe
from orbitsim.neural.evaluation.row import RowStore
from orbitsim.neural.evaluation.table import cross_specs, cut_records, markdown, measure_rows, summarise
from orbitsim.neural.images import image_folder


def test_without_codecs_nothing_changes(experiment, world):
    row = experiment.run(RowSpec(world["one"], Method("identity"), 1, world["two"]))
    np.testing.assert_array_equal(row.clean_right, row.coded_right)
    assert row.token_error < 1e-6  # what float16 costs the stored features
    assert row.pooled_error < 1e-9
    assert row.total_ratio == 1.0
    record = summarise([row])[0]
    assert (record["loss_points"], record["n_lost"], record["n_won"]) == (0.0, 0.0, 0.0)
    assert record["loss_low"] < 0.0 < record["loss_high"]


def test_bytes_are_those_of_the_streams(experiment, world):
    sample = calibration_sample(experiment.split, experiment.clean(world["two"]), 1, n_fitted=30, n_gradients=10)
    codecs, _ = fit_method(Method("uniform", settings={"bits": 4}), experiment.split, sample, "fp32")
    clean = experiment.clean(world["one"])
    order = np.arange(len(clean))
    run = run_coded(experiment.split, codecs, clean, order, batch_size=20, precision="fp32", n_staged=1)
    import torch

    x = torch.from_numpy(np.array(clean.first[:20]))
    streams = [codecs[0].encode(x)]
    x = experiment.split.stages[1](codecs[0].decode(streams[0])).detach()
    streams.append(codecs[1].encode(x))
    assert [len(s) for s in streams] == run.coded_bytes[:, 0].tolist()
    assert run.n_images.tolist() == [20, 20, 5]
    assert run.value_bytes == 4 * 17 * 16
    assert run.stage_bytes[:, 3].tolist() == run.coded_bytes[:, 0].tolist()
    assert run.total_ratio == pytest.approx(2 * 4 * 17 * 16 * 45 / run.coded_bytes.sum())
    assert (run.encode_s > 0).all()
    assert (run.decode_s > 0).all()


@pytest.mark.parametrize("kind", ["uniform", "transform"])
@pytest.mark.parametrize("aim", [{"ratio": 8.0}, {"error": 0.05}])
def test_a_target_is_reached_on_calibration_images(experiment, world, kind, aim):
    sample = calibration_sample(experiment.split, experiment.clean(world["two"]), 1, n_fitted=36, n_gradients=12)
    _, found = fit_method(Method(kind, **aim), experiment.split, sample, "fp32")
    if "ratio" in aim:
        assert found["calibration_ratio"] == pytest.approx(8.0, rel=0.15)  # six images to measure on, few to fit to
    else:
        assert found["calibration_error"] == pytest.approx(0.05, rel=0.5)


def test_a_sample_is_stratified_and_stays_outside_what_it_may_not_see(experiment, world):
    clean = experiment.clean(world["one"])
    allowed = np.flatnonzero(np.arange(len(clean)) % 3 != 0)
    sample = calibration_sample(experiment.split, clean, 4, candidates=allowed, n_fitted=15, n_checked=6, n_gradients=5)
    assert len(sample.images) == 21
    assert len(set(sample.images.tolist())) == 21
    assert set(sample.images.tolist()) <= set(allowed.tolist())
    assert np.bincount(clean.labels[sample.images[:15]]).tolist() == [5, 5, 5]
    again = calibration_sample(experiment.split, clean, 4, candidates=allowed, n_fitted=15, n_checked=6, n_gradients=5)
    np.testing.assert_array_equal(sample.images, again.images)
    for one, other in zip(sample.gradients, again.gradients, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_gradients_say_how_the_features_move(experiment, world):
    """A small change of an activation moves r . f by its product with the gradient (signs r drawn as in the sample)."""
    import torch

    clean = experiment.clean(world["one"])
    sample = calibration_sample(experiment.split, clean, 2, n_fitted=8, n_checked=2, n_gradients=8)
    x = sample.fitted[:8].double()
    split = experiment.split.double()
    try:
        noise = torch.Generator().manual_seed(2)
        run = lambda a: split.stages[2](split.stages[1](a))  # noqa: E731
        with torch.no_grad():
            signs = torch.randint(2, run(x).shape, generator=noise).double() * 2 - 1
            step = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 1e-6
            moved = ((run(x + step) - run(x - step)) * signs).sum() / 2.0
    finally:
        experiment.split.float()
    assert float((sample.gradients[0].double() * step).sum()) == pytest.approx(float(moved), rel=1e-3)


def test_every_probe_is_blind_to_its_fold(experiment, world):
    clean = experiment.clean(world["one"])
    probe = CrossValidatedProbe(clean, 3)
    spoilt = clean.pooled.copy()
    inside = probe.fold == 2
    spoilt[inside] = np.random.default_rng(0).normal(size=spoilt[inside].shape)
    right = probe.correct(spoilt)
    np.testing.assert_array_equal(right[~inside], probe.correct(clean.pooled)[~inside])
    again = CrossValidatedProbe(clean, 3)  # from disk
    for one, other in zip(probe.probes, again.probes, strict=True):
        np.testing.assert_array_equal(one.weight, other.weight)


def test_within_folds_every_image_is_coded_by_codecs_that_have_not_seen_it(experiment, world):
    row = experiment.run(RowSpec(world["one"], Method("uniform", settings={"bits": 5}), 1))
    assert row.calibration is None
    assert row.n_images.sum() == 45
    assert len(row.codec_ids) == 5
    assert len({tuple(ids) for ids in row.codec_ids}) == 5
    assert summarise([row])[0]["codecs_calibrated_on"] == "training folds"


def test_only_one_cut(experiment, world):
    row = experiment.run(RowSpec(world["one"], Method("uniform", settings={"bits": 4}, only_cut=1), 1, world["two"]))
    assert row.cut_ratio[0] == 1.0
    assert row.cut_ratio[1] > 4.0
    assert row.codec_ids[0][0] is None


@pytest.mark.slow
def test_rows_resume_after_a_kill(experiment, world, tmp_path, monkeypatch):
    """Killed in the middle, the run goes on with the rows that are missing, and ends with the same numbers."""
    methods = [Method("uniform", settings={"bits": bits}) for bits in (3, 5)]
    specs = cross_specs([world["one"], world["two"]], methods, [1, 2])
    assert len(specs) == 8
    whole = measure_rows(experiment, specs, RowStore(tmp_path / "whole"))
    run, n_run = Experiment.run, 0

    def counted(self, spec):
        nonlocal n_run
        n_run += 1
        if n_run == 4:
            raise KeyboardInterrupt
        return run(self, spec)

    monkeypatch.setattr(Experiment, "run", counted)
    store = RowStore(tmp_path / "parts")
    with pytest.raises(KeyboardInterrupt):
        measure_rows(experiment, specs, store)
    assert len(store.load_all()) == 3
    (tmp_path / "parts" / "half.json").write_text("{")  # a JSON file without its arrays is no row
    resumed = measure_rows(experiment, specs, store)
    assert n_run == 4 + 5
    for one, other in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(one.coded_bytes, other.coded_bytes)
        np.testing.assert_array_equal(one.coded_right, other.coded_right)
        assert one.codec_ids == other.codec_ids
    times = ("encode_mb_per_s", "decode_mb_per_s")
    drop = lambda records: [{k: v for k, v in r.items() if k not in times} for r in records]  # noqa: E731
    assert drop(summarise(whole)) == drop(summarise(resumed))
    record = summarise(whole)[0]
    assert record["n_seeds"] == 2
    assert record["ratio_fp16"] == record["ratio_fp32"] / 2.0
    assert {r["cut"] for r in cut_records(whole)} == {1, 3}
    assert "paired loss" in markdown(summarise(whole))


def test_an_interrupted_clean_run_goes_on(experiment, world, tmp_path):
    from orbitsim.neural.evaluation import clean_run as module

    folder = image_folder(world["one"])
    whole = run_clean(experiment.parts, (1, 3), folder, tmp_path / "a", precision="fp32", batch_size=10)

    class KillError(Exception):
        pass

    def stop(_name, done, _total):
        if done >= 20:
            raise KillError

    with pytest.raises(KillError):
        run_clean(experiment.parts, (1, 3), folder, tmp_path / "b", precision="fp32", batch_size=10, report=stop)
    parts = run_clean(experiment.parts, (1, 3), folder, tmp_path / "b", precision="fp32", batch_size=10)
    np.testing.assert_array_equal(np.array(whole.first), np.array(parts.first))
    np.testing.assert_array_equal(whole.pooled, parts.pooled)
    assert module.images_hash(folder) != module.images_hash(image_folder(world["two"]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "zip"}, "expected one of identity"),
        ({"kind": "transform"}, "target ratio, a target error or a step"),
        ({"kind": "topk"}, "a share to keep"),
        ({"kind": "uniform", "ratio": 10.0, "error": 0.1}, "got both"),
        ({"kind": "uniform", "ratio": 0.5}, "above 1"),
        ({"kind": "uniform", "error": 2.0}, "between 0 and 1"),
        ({"kind": "identity", "ratio": 2.0}, "no target"),
    ],
)
def test_methods_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Method(**arguments)


def test_short_texts_of_methods():
    assert method_of("transform:20x") == Method("transform", ratio=20.0)
    assert method_of("uniform:e0.03") == Method("uniform", error=0.03)
    assert method_of("topk:k0.2") == Method("topk", settings={"keep": 0.2, "bits": 8})
    with pytest.raises(InputError, match="KIND:20x"):
        method_of("transform:twenty")


def test_a_model_with_a_head_only_is_refused(world, tmp_path):
    from orbitsim.neural.zoo import load_model

    parts = load_model("vit", settings={"num_hidden_layers": 2, "hidden_size": 12, "num_attention_heads": 2,
                                        "intermediate_size": 24, "image_size": 32, "patch_size": 8})  # fmt: skip
    with pytest.raises(InputError, match="without a head"):
        Experiment(parts, [1], tmp_path)


def test_codecs_trained_with_a_backbone_run_on_that_backbone(experiment, world, tmp_path):
    """Errors and probe stay those of the model itself; another backbone moves them, the same one does not."""
    from orbitsim.neural.codecs import make_codec, save_codec
    from orbitsim.neural.evaluation.backbone import evaluation_model
    from orbitsim.neural.evaluation.trained import TrainedCodecs
    from orbitsim.neural.training.artefacts import codec_file, save_backbone

    rows = {}
    for name in ("frozen", "same", "tuned"):
        folder = tmp_path / name
        folder.mkdir()
        for cut in (1, 3):
            save_codec(make_codec("uniform", bits=6).eval(), codec_file(folder, cut))
        if name != "frozen":
            parts = evaluation_model(world["model"])
            if name == "tuned":
                for parameter in parts.blocks[0].parameters():
                    parameter.data.mul_(2.0)
            save_backbone(parts, folder / "backbone")
        rows[name] = experiment.run(RowSpec(world["one"], TrainedCodecs(str(folder), name), 1, world["two"]))
    np.testing.assert_array_equal(rows["frozen"].coded_bytes, rows["same"].coded_bytes)
    assert rows["frozen"].token_error == rows["same"].token_error
    np.testing.assert_array_equal(rows["frozen"].clean_right, rows["tuned"].clean_right)
    assert rows["tuned"].token_error > 2.0 * rows["frozen"].token_error
    assert rows["same"].found["backbone"] != rows["tuned"].found["backbone"]
    with pytest.raises(InputError, match="one for each cut"):
        TrainedCodecs(str(tmp_path / "frozen")).load((1, 2, 3))
    with pytest.raises(InputError, match="found none"):
        TrainedCodecs(str(tmp_path)).files()
