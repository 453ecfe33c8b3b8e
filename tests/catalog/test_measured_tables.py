"""Tables of schema 2: written and read back alike, every fault named, the older schema untouched."""

from __future__ import annotations

import copy
import math
import tomllib

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orbitsim import catalog
from orbitsim.catalog.measured_tables import measured_table, measured_table_text
from orbitsim.errors import InputError
from orbitsim.types.codec_table import ByteSpread, CodecTable, LossCurve, quantile_mean

CURVE = {
    "loss": [0.02, 0.004, 0.0],
    "loss_low": [0.01, -0.002, 0.0],
    "loss_high": [0.03, 0.009, 0.0],
    "feature_error": [0.1, 0.02, 0.0],
}
GOOD = {
    "schema_version": 2,
    "name": "mine",
    "title": 'A "quoted" title',
    "origin": "measured on a model with images; elsewhere an assumption",
    "source": "here",
    "notes": "Two lines,\none back\\slash and ümlauts.",
    "ratio": [0.02, 0.05, 1.0],
    "baseline_accuracy": 0.9,
    "accuracy": [0.88, 0.896, 0.9],
    "loss_high": [0.03, 0.009, 0.0],
    "cuts": [{"after_block": 2, **CURVE}, {"after_block": 5, **CURVE}],
    "together": {"after_blocks": [2, 5], **CURVE},
    "bytes": {
        "images_per_mini_batch": 64,
        "after_blocks": [2, 5],
        "kept": [[0.018, 0.045, 1.0], [0.022, 0.055, 1.0]],
        "level": [0.0, 0.5, 1.0],
        "quantile": [[0.8, 1.0, 1.2], [0.9, 1.0, 1.1], [1.0, 1.0, 1.0]],
    },
    "provenance": {"model": "tiny", "seeds": [1, 2], "n_images": 45, "versions": {"orbitsim": "0"}},
}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@example('a\x7fb\x00\x1f\x80\u2028"\\')
def test_any_text_is_read_back_alike(text):
    data = {**GOOD, "name": text, "notes": text, "provenance": {"command": text, "more": [{text: text}]}}
    assert tomllib.loads(measured_table_text(data)) == data


def test_half_a_surrogate_pair_is_written_as_an_escape():
    """As Python has the bytes of a command line that are no text."""
    text = measured_table_text({**GOOD, "provenance": {"command": "half \udcff"}})
    assert tomllib.loads(text.encode().decode())["provenance"] == {"command": "half \\udcff"}


def test_round_trip(tmp_path):
    text = measured_table_text(GOOD)
    assert tomllib.loads(text) == GOOD
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    table = catalog.codec_table(path)
    assert table == measured_table(GOOD, "x")
    assert (table.ratio, table.accuracy, table.baseline_accuracy) == ((0.02, 0.05, 1.0), (0.88, 0.896, 0.9), 0.9)
    assert table.loss == (0.02, 0.004, 0.0)
    assert table.loss_high == (0.03, 0.009, 0.0)
    assert table.allowed(0.01) == (0.05, 1.0)
    assert table.min_accuracy(0.01) == 0.89
    assert [cut.after_blocks for cut in table.cuts] == [(2,), (5,)]
    assert table.together is not None
    assert table.together.after_blocks == (2, 5)
    assert table.spread is not None
    assert table.spread.batch_size == 64
    assert table.notes == GOOD["notes"]
    assert table.provenance["model"] == "tiny"


TOGETHER = {**CURVE, "loss": [0.03, 0.005, 0.0], "loss_high": [0.04, 0.009, 0.0], "after_blocks": [2, 5]}


def test_hops_count_for_their_share_of_what_all_cuts_lost_but_never_beyond_the_budget():
    table = measured_table({**GOOD, "together": TOGETHER, "cuts": []}, "x")
    assert table.hop_loss("per-hop", 0.01) == table.loss
    assert table.hop_loss("cumulative", 0.03) == (0.015, 0.0025, 0.0)
    assert table.allowed(0.03, "cumulative") == table.ratio
    # One of two hops at 0.02 may have lost nearly all of the 0.03: with a budget below it no hop has that ratio.
    assert table.hop_loss("cumulative", 0.02) == (0.03, 0.0025, 0.0)
    assert table.allowed(0.02, "cumulative") == (0.05, 1.0)
    # where a cut alone lost more than its share, that counts
    alone = measured_table({**GOOD, "together": TOGETHER}, "x")
    assert alone.hop_loss("cumulative", 0.01) == (0.02, 0.004, 0.0)
    # and without a measurement of all at once the losses of hops are what adds up
    assert measured_table({**GOOD, "together": None}, "x").hop_loss("cumulative", 0.01) == table.loss


def test_a_plan_loses_no_more_than_as_many_cuts_lost_together():
    table = measured_table({**GOOD, "together": TOGETHER, "cuts": [], "accuracy": [0.87, 0.895, 0.9]}, "x")
    assert table.plan_loss([]) == 0.0
    assert table.plan_loss([0.02, 0.02]) == pytest.approx(0.03)
    assert table.plan_loss([0.02, 0.05]) == pytest.approx(0.03)
    assert table.plan_loss([0.05]) == pytest.approx(0.005)
    assert table.plan_loss([0.02] * 3) == pytest.approx(0.045)  # one more than was measured: shares
    assert math.isnan(table.plan_loss([0.03]))
    without = measured_table({**GOOD, "together": None}, "x")
    assert without.plan_loss([0.02, 0.05, 1.0]) == pytest.approx(0.024)


@given(
    st.lists(st.floats(0.0, 0.2), min_size=2, max_size=5),
    st.integers(1, 6),
    st.floats(0.0, 0.3),
    st.booleans(),
    st.data(),
)
def test_what_the_cumulative_rule_lets_through_keeps_the_budget(losses, n_cuts, budget, is_alone_known, data):
    lost = sorted(losses, reverse=True)
    ratio = [(i + 1) / (len(lost) + 1) for i in range(len(lost))] + [1.0]
    curve = LossCurve(tuple(range(1, n_cuts + 1)), (*lost, 0.0), (*lost, 0.0), (*lost, 0.0), (*lost, 0.0))
    alone = [data.draw(st.floats(0.0, 1.0)) * x for x in lost]
    alone = [*np.maximum.accumulate(alone[::-1])[::-1].tolist(), 0.0] if is_alone_known else [*lost, 0.0]
    cuts = (curve,) if is_alone_known else ()
    accuracy = tuple(1.0 - x for x in alone)
    table = CodecTable("x", tuple(ratio), accuracy, tuple(alone), together=curve, cuts=cuts)
    counted = dict(zip(ratio, table.hop_loss("cumulative", budget), strict=True))
    hops = data.draw(st.lists(st.sampled_from(ratio), max_size=8))
    if sum(counted[hop] for hop in hops) <= budget:
        assert table.plan_loss(hops) <= budget + 1e-12


def test_minimal_table_is_enough():
    data = {key: value for key, value in GOOD.items() if key not in ("cuts", "together", "bytes", "notes")}
    table = measured_table(data, "x")
    assert (table.cuts, table.together, table.spread, table.notes) == ((), None, None, "")
    assert tomllib.loads(measured_table_text(data)) == data


def changed(path, value):
    data = copy.deepcopy(GOOD)
    at = data
    for key in path[:-1]:
        at = at[key]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "key", "message"),
    [
        (("ratio",), [0.05, 0.02, 1.0], "ratio", "ascending"),
        (("ratio",), [0.02, 0.02, 1.0], "ratio", "each ratio once"),
        (("together", "after_blocks"), [2, 2], "together.after_blocks", "each once"),
        (("ratio", 0), 0.0, "ratio.0", "greater than 0"),
        (("ratio", 2), 1.5, "ratio.2", "less than or equal to 1"),
        (("ratio", 0), "a", "ratio.0", "number"),
        (("ratio",), [], "ratio", "at least 1"),
        (("accuracy",), [0.88, 0.9], "accuracy", "as many entries as ratio (3), got 2"),
        (("accuracy",), [0.9, 0.88, 0.9], "accuracy", "do not fall"),
        (("accuracy",), [0.88, 0.9, 0.95], "accuracy", "above baseline_accuracy"),
        (("accuracy", 0), float("nan"), "accuracy.0", "finite"),
        (("loss_high",), [0.0], "loss_high", "as many entries"),
        (("baseline_accuracy",), None, "baseline_accuracy", "found none"),
        (("origin",), "", "origin", "at least 1 character"),
        (("surprise",), 3, "surprise", "no such key"),
        (("cuts", 0, "loss"), [0.02, 0.004], "cuts.0.loss", "as many entries"),
        (("cuts", 0, "loss", 0), 0.05, "cuts.0.loss.0", "within its band"),
        (("cuts", 1, "after_block"), 2, "cuts", "ascending order"),
        (("cuts", 1, "after_block"), 0, "cuts.1.after_block", "greater than or equal to 1"),
        (("together", "feature_error"), [0.1], "together.feature_error", "as many entries"),
        (("bytes", "level"), [0.0, 0.4, 0.9], "bytes.level", "from 0 to 1"),
        (("bytes", "quantile", 0), [1.2, 1.0, 0.8], "bytes.quantile.0", "ascending quantiles"),
        (("bytes", "quantile", 0), [0.8, 1.0], "bytes.quantile.0", "as many entries as level"),
        (("bytes", "quantile", 1), [1.0, 1.1, 1.2], "bytes.quantile.1", "a mean of 1, got 1.1"),
        (("bytes", "quantile"), [[1.0, 1.0, 1.0]], "bytes.quantile", "as many entries as ratio"),
        (("bytes", "kept"), [[0.018, 0.045, 1.0]], "bytes.kept", "as many rows as after_blocks"),
        (("bytes", "kept", 0), [0.018], "bytes.kept.0", "as many entries"),
        (("bytes", "images_per_mini_batch"), 0, "bytes.images_per_mini_batch", "greater than or equal to 1"),
    ],
)
def test_faults_are_named(path, value, key, message):
    with pytest.raises(InputError) as caught:
        measured_table(changed(path, value), "mine.toml")
    assert all(problem.source == "mine.toml" for problem in caught.value.problems)
    found = [(problem.key, problem.message) for problem in caught.value.problems]
    assert any(k == key and message in m for k, m in found), found


def test_all_faults_come_at_once():
    data = changed(("accuracy",), [0.9, 0.88])
    data["bytes"]["level"] = [0.0, 0.5]
    data["ratio"] = [0.05, 0.02, 1.0]
    with pytest.raises(InputError) as caught:
        measured_table(data, "mine.toml")
    keys = {problem.key for problem in caught.value.problems}
    assert {"ratio", "accuracy", "bytes.level"} <= keys


@given(
    st.lists(st.floats(0.2, 5.0), min_size=2, max_size=9).map(sorted),
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20),
)
def test_spread_has_mean_one_and_keeps_order(quantiles, levels):
    grid = [i / (len(quantiles) - 1) for i in range(len(quantiles))]
    spread = ByteSpread.of(grid, [quantiles], 64)
    assert quantile_mean(spread.level, spread.quantile[0]) == pytest.approx(1.0, rel=1e-9)
    found = spread.factor(0, sorted(levels))
    assert found == sorted(found)
    assert spread.quantile[0][0] <= found[0] <= found[-1] <= spread.quantile[0][-1]


def test_drawn_factors_average_to_one():
    import numpy as np

    spread = ByteSpread.of([0.0, 0.3, 0.8, 1.0], [[0.5, 0.9, 1.3, 2.5]], 64)
    drawn = spread.factor(0, np.random.default_rng(3).random(40_000).tolist())
    assert np.mean(drawn) == pytest.approx(1.0, abs=4 * np.std(drawn) / 200)
