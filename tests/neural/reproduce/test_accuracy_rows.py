"""Comparisons of trainings: paired on the same images, never narrower than one repetition allows."""

import math

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from orbitsim.neural.evaluation.intervals import mean_interval
from orbitsim.neural.reproduce import fig9, table4, table5
from orbitsim.neural.reproduce.accuracy_rows import compared, difference


def rows_of(rights, model="small", data="made"):
    """Rows of methods from texts of zeros and ones, one for each seed."""
    return [
        {
            "data": data,
            "model": model,
            "method": method,
            "seed": seed,
            "right": text,
            "ratio_fp32": None if method == "identity" else 20.0,
            "accuracy_by_epoch": [0.5, text.count("1") / len(text)],
        }
        for method, texts in rights.items()
        for seed, text in enumerate(texts, start=1)
    ]


def test_a_loss_is_that_of_the_same_images():
    found = compared(rows_of({"identity": ["1111100000", "1111110000"], "gumbel": ["1111000001", "1111100000"]}))
    base, mask = found
    assert base.loss is None
    assert base.accuracy.estimate == pytest.approx(0.55)
    assert mask.loss.loss.estimate == pytest.approx(0.05)  # lost 1 and won 1 of ten, then lost 1
    assert (mask.loss.n_lost, mask.loss.n_won) == (1.0, 0.5)
    assert mask.accuracy.low < 0.5 < mask.accuracy.high
    assert mask.seeds.estimate == 0.5
    assert mask.ratio_fp32 == 20.0


def test_repetitions_do_not_narrow_the_interval_of_images():
    once = compared(rows_of({"identity": ["1" * 40], "topk": ["1" * 30 + "0" * 10]}))[1]
    often = compared(rows_of({"identity": ["1" * 40] * 5, "topk": ["1" * 30 + "0" * 10] * 5}))[1]
    assert once.loss.loss == often.loss.loss
    assert once.accuracy == often.accuracy
    assert once.seeds is None


def test_the_order_of_rows_pairs_nothing_wrongly():
    rows = rows_of({"gumbel": ["1100", "0011"], "topk": ["1100", "0011"]})
    assert difference(list(reversed(rows)), "made", "small", "gumbel", "topk").loss.estimate == 0.0
    swapped = [*rows[:2], rows[3], rows[2]]
    assert difference(swapped, "made", "small", "gumbel", "topk").n_lost == 0.0


def test_the_t_interval_is_that_of_a_textbook():
    """Three values, 95 %: the quantile of two degrees of freedom is 4.30265 (any table of Student's t)."""
    found = mean_interval([1.0, 2.0, 4.0])
    half = 4.30265 * np.std([1.0, 2.0, 4.0], ddof=1) / math.sqrt(3)
    assert found.estimate == pytest.approx(7 / 3)
    assert found.high - found.estimate == pytest.approx(half, rel=1e-5)
    with pytest.raises(ValueError, match="two values"):
        mean_interval([1.0])


@pytest.mark.parametrize(
    ("table", "size", "mask", "topk"),
    [(table4, "ViT-Tiny", 0.27, 0.27), (table5, "ViT-Tiny", 0.96, 4.95), (table5, "ViT-Large", 0.70, 1.13)],
)
def test_published_losses(table, size, mask, topk):
    """Differences of the printed accuracies, by hand."""
    assert table.PUBLISHED.loss_points(size, "gumbel") == pytest.approx(mask)
    assert table.PUBLISHED.loss_points(size, "topk") == pytest.approx(topk)


def test_agreement_follows_the_figures():
    good = rows_of({"identity": ["1" * 100], "gumbel": ["1" * 100], "topk": ["1" * 50 + "0" * 50]})
    bad = rows_of({"identity": ["1" * 100], "gumbel": ["0" * 20 + "1" * 80], "topk": ["1" * 100]})
    assert [f.agrees for f in table5.EXPERIMENT.judge({"rows": good})] == ["yes", "yes", "yes"]
    assert [f.agrees for f in table5.EXPERIMENT.judge({"rows": bad})][:2] == ["no", "no"]
    both = [*good, *rows_of({"identity": ["1" * 100], "gumbel": ["0" * 20 + "1" * 80], "topk": ["1" * 100]}, "large")]
    assert [f.agrees for f in table5.EXPERIMENT.judge({"rows": both})][:2] == ["partly", "partly"]


def test_a_curve_converges_where_it_stays():
    rows = [
        {"data": "made", "method": "gumbel", "seed": s, "accuracy_by_epoch": [0.2, 0.61, 0.5, 0.596, 0.6]}
        for s in (1, 2)
    ]
    found = fig9.curve(rows, "made", "gumbel")
    assert [round(at.estimate, 3) for at in found] == [0.2, 0.61, 0.5, 0.596, 0.6]
    assert fig9.epochs_to_converge(found) == 3
    assert found[0].low == found[0].high == pytest.approx(0.2)
