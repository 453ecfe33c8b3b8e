"""The fit of a device: exact data are predicted exactly, poor data stay usable, the domain is kept."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbitsim import catalog
from orbitsim.types.profile import BlockTiming, Profile
from orbitsim.workload.cost_fit import PART_KINDS, fit_device, part_work
from orbitsim.workload.fit import TimeModel
from orbitsim.workload.models import model_graph

GRAPHS = {name: model_graph(catalog.model(name)) for name in ("vit-b", "vit-l", "vit-h", "vit-g")}
TRUTH = {
    "embedding": TimeModel(1e-3, 1 / 8e10, 0.0),
    "block": TimeModel(2e-3, 1 / 1.5e12, 1 / 5e9),
    "head": TimeModel(4e-4, 1 / 4e9, 0.0),
}
KEY = ("board", "mode", "fp16")


def profile(model="vit-b", batch_size=1, *, truth=TRUTH, factor=1.0, energy_w=None, source="a.parquet"):
    work = part_work(GRAPHS[model], "fp16", batch_size)

    def rows(kind):
        seconds = truth[kind].seconds(work[kind].flop, work[kind].moved_bytes) * factor
        return tuple(
            BlockTiming(
                device=KEY[0], power_mode=KEY[1], model=model, block_kind=kind, block_index=index,
                batch_size=batch_size, precision=KEY[2], mean_s=float(mean_s), origin="measured", how_timed="test",
                energy_j=None if energy_w is None else float(mean_s) * energy_w,
            )
            for index, mean_s in enumerate(seconds)
        )  # fmt: skip

    return Profile(
        KEY[0], KEY[1], model, batch_size, KEY[2], rows("embedding")[0], rows("block"), rows("head")[0], None, source
    )


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("batch_size", [1, 64])
def test_parts_add_up_to_the_layers(name, batch_size):
    graph, work = GRAPHS[name], part_work(GRAPHS[name], "fp16", batch_size)
    total_flop = sum(part.flop.sum() for part in work.values())
    assert total_flop == pytest.approx(batch_size * graph.total_flop, rel=1e-12)
    assert np.ptp(work["block"].flop) == 0
    weights = sum(part_work(graph, "fp16", 1)[kind].moved_bytes.sum() for kind in PART_KINDS)
    twice = sum(part_work(graph, "fp16", 2)[kind].moved_bytes.sum() for kind in PART_KINDS)
    assert 2 * weights - twice == pytest.approx(graph.n_parameters.sum() * 2)  # the weights do not grow with the batch


def test_exact_data_are_predicted_exactly_for_other_models_and_batch_sizes():
    known = [profile(model, batch) for model in ("vit-b", "vit-l") for batch in (1, 2, 16, 128)]
    fit = fit_device(known, GRAPHS, *KEY)
    assert fit.max_error < 1e-9
    assert max(map(abs, fit.model_error.values())) < 1e-9
    for model, batch_size in (("vit-h", 1), ("vit-g", 4), ("vit-b", 32), ("vit-l", 100)):
        left_out = profile(model, batch_size)
        assert fit.layer_s(GRAPHS[model], batch_size) == pytest.approx(left_out.layer_s(), rel=1e-9)
    assert fit.block.bandwidth_bytes_s == pytest.approx(5e9)
    assert fit.block.rate_flop_s == pytest.approx(1.5e12)


def test_overhead_of_equal_blocks_comes_from_the_head():
    fit = fit_device([profile("vit-b", 1)], GRAPHS, *KEY)
    head_s = float(TRUTH["head"].seconds(GRAPHS["vit-b"].head_flop, 0.0))
    assert fit.block.overhead_s == pytest.approx(head_s)
    assert fit.block.fixed[0].startswith("overhead at")
    assert fit.layer_s(GRAPHS["vit-b"], 1) == pytest.approx(profile("vit-b", 1).layer_s())
    # less than in proportion to the FLOP, and never below the time of a smaller model's
    smaller, larger = (fit.layer_s(GRAPHS[name], 1)[1] for name in ("vit-b", "vit-l"))
    assert smaller < larger < smaller * GRAPHS["vit-l"].flop[1] / GRAPHS["vit-b"].flop[1]


def test_rates_stay_below_the_hardwares_peak():
    slow = fit_device([profile("vit-b", 1), profile("vit-l", 1, factor=0.6)], GRAPHS, *KEY, peak_flop_s=2e12)
    assert slow.block.rate_flop_s == pytest.approx(2e12)
    assert slow.max_error > 0.05  # and the error says that these data are odd


def test_nothing_to_fit():
    assert fit_device([], GRAPHS, *KEY) is None
    assert fit_device([profile()], {}, *KEY) is None
    assert fit_device([profile()], GRAPHS, "board", "other mode", "fp16") is None
    assert fit_device([profile()], {"vit-b": GRAPHS["vit-l"]}, *KEY) is None


def test_domain():
    fit = fit_device([profile("vit-b", 4), profile("vit-b", 16)], GRAPHS, *KEY)
    assert [fit.covers(GRAPHS["vit-b"], n) for n in (3, 4, 9, 16, 17)] == [False, True, True, True, False]
    assert fit.covers(GRAPHS["vit-h"], 8)
    assert not fit_device([profile("vit-b", 1)], GRAPHS, *KEY).covers(GRAPHS["vit-g"], 1)  # 7 times the FLOP
    assert fit_device([profile("vit-l", 1)], GRAPHS, *KEY).covers(GRAPHS["vit-g"], 1)  # 3.9 times


def test_basis_says_what_was_fitted_and_how_well():
    fit = fit_device([profile("vit-b", 1), profile("vit-l", 8, source="b.parquet")], GRAPHS, *KEY)
    words = fit.basis()
    assert words.startswith("fitted on 40 rows of vit-b, vit-l, batch 1 to 8, in a.parquet, b.parquet (median error ")
    assert words.endswith("%)")


def test_power_is_that_of_all_rows_or_unknown():
    assert fit_device([profile(energy_w=20.0)], GRAPHS, *KEY).power_w == pytest.approx(20.0)
    assert fit_device([profile(energy_w=20.0), profile("vit-l")], GRAPHS, *KEY).power_w is None


def test_scaling_to_other_hardware():
    fit = fit_device([profile(m, b) for m in ("vit-b", "vit-l") for b in (1, 2, 16, 128)], GRAPHS, *KEY)
    faster = fit.scaled(rate=2.0, bandwidth=2.0, overhead=0.5)
    assert faster.layer_s(GRAPHS["vit-h"], 8) == pytest.approx(fit.layer_s(GRAPHS["vit-h"], 8) / 2)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["vit-b", "vit-l"]), st.sampled_from([1, 4, 16]), st.floats(0.3, 3.0)),
                min_size=1, max_size=4, unique_by=lambda entry: entry[:2]))  # fmt: skip
def test_whatever_was_timed_predictions_are_finite_positive_and_grow_with_the_batch(entries):
    fit = fit_device([profile(model, batch, factor=factor) for model, batch, factor in entries], GRAPHS, *KEY)
    totals = [fit.layer_s(GRAPHS["vit-h"], batch_size).sum() for batch_size in (1, 3, 10, 64)]
    assert all(math.isfinite(total) and total > 0 for total in totals)
    assert totals == sorted(totals)
    per_layer = fit.layer_s(GRAPHS["vit-h"], 3)
    assert per_layer.shape == (32,)
    assert per_layer.sum() == pytest.approx(sum(part.sum() for part in fit.part_s(GRAPHS["vit-h"], 3).values()))
