"""Codec tables from made-up rows whose truth is known."""

import numpy as np
import pytest

from orbitsim.catalog.measured_tables import measured_table
from orbitsim.errors import InputError
from orbitsim.neural.evaluation.calibration import LEVELS, sweep_methods, table_data
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
