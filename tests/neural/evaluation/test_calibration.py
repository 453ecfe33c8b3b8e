"""Codec tables from made-up rows whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from orbitsim.catalog.measured_tables import measured_table
from orbitsim.errors import InputError
from orbitsim.neural.evaluation.calibration import LEVELS, sweep_methods, table_data
from orbitsim.neural.evaluation.intervals import tango_interval
from orbitsim.neural.evaluation.methods import Method
from orbitsim.neural.evaluation.row import Row, RowStore

N, BATCH, VALUE_BYTES = 600, 64, 1000


def row(method, data, seed, ratio, p_lost, *, scatter=0.1, facts=None):
    """Return a row of two cuts whose images are lost with a chance, and whose mini-batches scatter."""
    rng = np.random.default_rng([seed, int(ratio * 10), len(data)])
    images = np.random.default_rng(len(data))
    clean = images.random(N) < 0.9
    n_images = np.array([BATCH] * (N // BATCH) + [N % BATCH])
    sizes = VALUE_BYTES * n_images / ratio * rng.uniform(1 - scatter, 1 + scatter, (2, len(n_images)))
    if method.only_cut is not None:
        sizes[1 - method.only_cut] = VALUE_BYTES * n_images
    return Row(
        name="x", data=data, data_key=data, calibration="other", method=method.label, kind="uniform", seed=seed,
        facts=facts or {"model": "toy", "weights": "0", "cuts": [2, 5], "precision": "fp32", "batch_size": BATCH,
                        "per_class": None, "n_fitted": 10, "n_gradients": 5},
        found={}, codec_ids=[["a", "b"]], token_error=p_lost, pooled_error=p_lost, value_bytes=VALUE_BYTES,
        stage_ratio=[[1.0, 1.0, 2.0, ratio]] * 2, encode_s=[1.0, 1.0], decode_s=[1.0, 1.0], seconds=1.0,
        n_images=n_images, coded_bytes=sizes.astype(np.int64), clean_right=clean,
        coded_right=clean & (rng.random(N) >= p_lost),
    )  # fmt: skip


LOST = {10.0: 0.005, 20.0: 0.03, 40.0: 0.2}


def made(cut_ratios=()):
    sweep = sweep_methods("uniform", list(LOST), cut_ratios, 2, {})
    rows = []
    for method in sweep:
        share = LOST[method.ratio] * (1.0 if method.only_cut is None else (0.25, 0.5)[method.only_cut])
        rows += [row(method, data, seed, method.ratio, share) for data in ("one", "three") for seed in (1, 2)]
    return rows, sweep


def test_the_curve_is_monotone_near_the_truth_and_within_its_band():
    rows, sweep = made()
    table = measured_table(table_data("toy", "a toy", rows, sweep, command="none"), "x")
    assert [round(1.0 / r) for r in table.ratio] == [40, 20, 10, 1]
    assert list(table.accuracy) == sorted(table.accuracy)
    assert table.together is not None
    for i, share in enumerate((0.2, 0.03, 0.005)):
        truth = 0.9 * share
        assert table.together.loss[i] == pytest.approx(truth, abs=0.02)
        assert table.together.loss_low[i] - 0.01 <= truth <= table.together.loss_high[i] + 0.01
    assert table.loss == pytest.approx(table.together.loss, abs=2e-6)
    assert table.baseline_accuracy == pytest.approx(0.9, abs=0.03)
    assert table.together.feature_error == pytest.approx((0.2, 0.03, 0.005, 0.0), abs=2e-3)
    assert table.provenance["n_images"] == 2 * N
    assert table.provenance["seeds"] == [1, 2]


def test_one_hop_is_the_worst_cut_alone_where_it_was_measured():
    rows, sweep = made([10.0, 20.0, 40.0])
    table = measured_table(table_data("toy", "a toy", rows, sweep, command="none"), "x")
    assert [curve.after_blocks for curve in table.cuts] == [(2,), (5,)]
    assert table.together is not None
    assert table.cuts[0].loss[0] < table.cuts[1].loss[0] < table.together.loss[0]
    assert table.loss == pytest.approx(np.maximum(table.cuts[0].loss, table.cuts[1].loss), abs=2e-6)


def test_bytes_scatter_as_they_were_measured():
    rows, sweep = made()
    table = measured_table(table_data("toy", "a toy", rows, sweep, command="none"), "x")
    spread = table.spread
    assert spread is not None
    assert spread.level == LEVELS
    assert spread.quantile[-1] == (1.0,) * len(LEVELS)
    low, high = spread.quantile[0][0], spread.quantile[0][-1]
    assert 0.85 < low < 0.95 < 1.05 < high < 1.15
    assert np.mean(spread.kept, axis=0) == pytest.approx(table.ratio, rel=1e-4)


def test_a_table_is_the_same_every_time_but_for_its_date():
    rows, sweep = made()
    first, second = (table_data("toy", "a toy", rows, sweep, command="none") for _ in range(2))
    del first["provenance"]["created_utc"], second["provenance"]["created_utc"]
    assert first == second


def test_rows_that_do_not_belong_together_are_refused():
    rows, sweep = made()
    other = row(sweep[0], "one", 3, 10.0, 0.1, facts={**rows[0].facts, "model": "another"})
    with pytest.raises(InputError, match="one model"):
        table_data("toy", "a toy", [*rows, other], sweep, command="none")


def test_rows_keep_every_bit(tmp_path):
    rows, _ = made()
    store = RowStore(tmp_path)
    store.save("key", rows[0])
    again = store.load("key")
    for name in ("n_images", "coded_bytes", "clean_right", "coded_right"):
        np.testing.assert_array_equal(getattr(again, name), getattr(rows[0], name))
    assert again.facts == rows[0].facts
    assert again.total_ratio == rows[0].total_ratio
    (tmp_path / "key.json").write_text('{"version": 99}')
    with pytest.raises(InputError, match="version: expected 1, got 99"):
        store.load("key")
    (tmp_path / "key.json").write_text("{")
    with pytest.raises(InputError, match="a row of measurements"):
        store.load("key")


def few_images(n, n_lost, n_won=0):
    """Return the rows of a sweep in which so many of `n` images are lost and won, whatever the ratio."""
    sweep = sweep_methods("uniform", [10.0, 20.0], [], 2, {})
    rows = []
    for method in sweep:
        whole = row(method, "one", 1, method.ratio, 0.0)
        clean = np.arange(n) >= n_won
        coded = np.ones(n, dtype=bool)
        coded[n - n_lost :] = False
        rows.append(replace(whole, clean_right=clean, coded_right=coded))
    return rows, sweep


def test_few_images_promise_no_more_than_the_paired_score_interval():
    rows, sweep = few_images(20, 0)
    data = table_data("toy", "a toy", rows, sweep, command="none")
    # nothing of 20 images was lost: the interval of Tango for 0 + 0 of 20 reaches z^2 / (n + z^2)
    z2 = 1.959964**2
    assert data["loss_high"][:2] == pytest.approx([z2 / (20 + z2)] * 2, abs=1e-5)
    assert data["together"]["loss_low"][:2] == pytest.approx([-z2 / (20 + z2)] * 2, abs=1e-5)
    assert data["loss_high"][2] == data["together"]["loss_low"][2] == 0.0
    measured_table(data, "x")
    rows, sweep = few_images(600, 30, 6)
    data = table_data("toy", "a toy", rows, sweep, command="none")
    interval = tango_interval(30, 6, 600)
    assert data["loss_high"][0] >= interval.high - 1e-6
    assert data["together"]["loss_low"][0] <= interval.low + 1e-6


def test_the_upper_end_of_the_loss_covers_the_truth_as_often_as_it_says():
    sweep = sweep_methods("uniform", [10.0, 20.0], [], 2, {})
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(30):
        rows = []
        for method in sweep:
            clean = rng.random(120) < 0.9
            coded = clean & (rng.random(120) >= 0.01)
            rows.append(replace(row(method, "one", 1, method.ratio, 0.0), clean_right=clean, coded_right=coded))
        rows[1] = replace(rows[1], clean_right=rows[0].clean_right)
        covered += table_data("toy", "a toy", rows, sweep, command="none")["loss_high"][0] >= 0.009
    assert covered >= 28  # 97.5 % of 30, less what chance explains; the bootstrap alone reached about 20


def test_cuts_alone_are_to_reach_as_far_as_all_together():
    with pytest.raises(InputError, match=r"--cut-ratios: expected ratios up to the 15x of --ratios, got at most 6x"):
        sweep_methods("uniform", [6.0, 15.0], [5.0, 6.0], 2, {})


def test_without_a_full_mini_batch_the_spread_of_bytes_is_left_out():
    rows, sweep = made()
    short = [replace(r, facts={**r.facts, "batch_size": 1000}) for r in rows]
    data = table_data("toy", "a toy", short, sweep, command="none")
    assert "bytes" not in data
    assert "No mini-batch of 1000 images was measured" in data["notes"]
    assert measured_table(data, "x").spread is None


DECIDED = [("uniform", "bits"), ("uniform", "width"), ("topk", "keep"), ("mask", "keep"), ("transform", "step")]


@pytest.mark.parametrize(("kind", "name"), DECIDED)
def test_what_a_target_decides_cannot_be_set_too(kind, name):
    with pytest.raises(InputError, match=f"{name}: expected no value beside a target"):
        Method(kind, ratio=10.0, settings={name: 0.5 if name == "keep" else 3})
