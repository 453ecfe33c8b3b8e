"""Leaving out: nothing is missed in perfect data, and what is known of real data is pinned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from orbitsim import catalog
from orbitsim.types.profile import BlockTiming, Profile
from orbitsim.workload.cost_fit import fit_device, part_work
from orbitsim.workload.fit import TimeModel
from orbitsim.workload.fit_report import device_fits, leave_one_out, scaled_to
from orbitsim.workload.models import model_graph
from orbitsim.workload.traces import shipped_profiles

GRAPHS = {name: model_graph(catalog.model(name)) for name in ("vit-b", "vit-l", "vit-h", "vit-g")}
ORIN = "jetson-agx-orin"


def profile_of(models, model, batch_size=1, power_mode="15W", device=ORIN, precision="fp16"):
    """A profile whose times are exactly those of time models, by kind of part."""
    work = part_work(GRAPHS[model], precision, batch_size)

    def rows(kind):
        seconds = models[kind].seconds(work[kind].flop, work[kind].moved_bytes)
        return tuple(
            BlockTiming(device, power_mode, model, kind, i, batch_size, precision, float(s), "measured", "test")
            for i, s in enumerate(seconds)
        )

    return Profile(
        device, power_mode, model, batch_size, precision,
        rows("embedding")[0], rows("block"), rows("head")[0], None, "exact",
    )  # fmt: skip


def same(model):
    return {"embedding": model, "block": model, "head": model}


@pytest.fixture(scope="module")
def shipped():
    """What ships of boards other than this project's own processor, whose trace may be measured again."""
    return leave_one_out([p for p in shipped_profiles() if p.source.startswith("published-")])


def test_perfect_data_have_no_error():
    truth = same(TimeModel(1e-3, 1e-12, 0.0))
    profiles = [profile_of(truth, model, batch) for model in ("vit-b", "vit-l", "vit-h") for batch in (1, 8, 64)]
    rows = leave_one_out(profiles)
    assert {row.question for row in rows} == {"model", "batch"}
    assert len([row for row in rows if row.question == "model"]) == 9
    assert len([row for row in rows if row.question == "batch"]) == 9
    for row in rows:
        assert row.fitted_error == pytest.approx(0.0, abs=1e-6)
        assert row.timed_s == pytest.approx(next(
            p.layer_s().sum() for p in profiles if (p.model, p.batch_size) == (row.model, row.batch_size)
        ))  # fmt: skip
    assert [row.between for row in rows if row.question == "batch"] == [False, True, False] * 3


def test_the_simpler_rule_is_what_it_says():
    """Time that does not depend on the work at all: in proportion to FLOP or to samples it is missed by their ratio."""
    constant = same(TimeModel(5e-3, 1e-20, 0.0))
    rows = leave_one_out([profile_of(constant, model) for model in ("vit-b", "vit-l")])
    error = {row.model: row.proportional_error for row in rows}
    per_flop = {name: GRAPHS[name].total_flop / (GRAPHS[name].n_layers + 2) for name in GRAPHS}
    assert error["vit-l"] == pytest.approx(per_flop["vit-l"] / per_flop["vit-b"] - 1)
    assert error["vit-b"] == pytest.approx(per_flop["vit-b"] / per_flop["vit-l"] - 1)
    rows = leave_one_out([profile_of(constant, "vit-b", batch) for batch in (1, 8, 64)])
    assert [row.proportional_error for row in rows] == pytest.approx([1 / 8 - 1, 1 / 8 - 1, 8 - 1])


def test_power_modes_scale_with_what_the_catalogue_says_of_them():
    slow, fast = catalog.device("jetson-agx-orin-15w"), catalog.device("jetson-agx-orin-maxn")
    truth = same(TimeModel(2e-3, 1 / 1e12, 0.0))
    rate = fast.peak_flop_s["fp16"].value / slow.peak_flop_s["fp16"].value
    assert rate == pytest.approx(8.50, rel=1e-3)  # SM x MHz: 16 x 1300.5 / (6 x 408)
    as_fast = same(TimeModel(2e-3 * 1113.6 / 2201.6, 1 / 1e12 / rate, 0.0))
    profiles = [profile_of(truth, m) for m in ("vit-b", "vit-l")]
    profiles += [profile_of(as_fast, m, power_mode="MAXN") for m in ("vit-b", "vit-l")]
    rows = [row for row in leave_one_out(profiles) if row.question == "power-mode"]
    assert len(rows) == 4
    assert np.abs([row.fitted_error for row in rows]).max() < 1e-6
    fit = fit_device(profiles, GRAPHS, ORIN, "15W", "fp16")
    assert scaled_to(fit, slow, fast.model_copy(update={"host_clock_hz": None})) is None


def test_models_without_a_place_in_the_catalogue_are_passed_over():
    stranger = replace(profile_of(same(TimeModel(1e-3, 1e-12, 0.0)), "vit-b"), model="somebody's")
    assert leave_one_out([stranger]) == []
    assert device_fits([stranger]) == []


def test_whole_models_are_left_out_one_by_one(shipped):
    rows = [row for row in shipped if row.question == "whole-model"]
    assert {row.device for row in rows} == {"rtx-3090", "rtx-4090"}
    assert [row.model for row in rows] == ["vit-b", "vit-l", "vit-h", "vit-g"] * 2
    assert np.abs([row.fitted_error for row in rows]).max() < 0.10
    assert all(row.catalogue_error is None for row in rows)  # the catalogue has the very figures that were left out


# As the documentation prints them (docs/cost-model.md); two directions of one model for another, one image, fp16.
MISSED = {
    ("15W", "vit-b"): -0.237, ("15W", "vit-l"): 0.371,
    ("30W", "vit-b"): -0.218, ("30W", "vit-l"): 0.407,
    ("50W", "vit-b"): -0.426, ("50W", "vit-l"): 0.826,
    ("MAXN", "vit-b"): -0.332, ("MAXN", "vit-l"): 0.569,
}  # fmt: skip


def test_what_a_fit_on_one_model_misses_of_the_other(shipped):
    found = {
        (row.power_mode, row.model): row.fitted_error
        for row in shipped
        if row.question == "model" and row.precision == "fp16"
    }
    assert found == pytest.approx(MISSED, abs=5e-4)


def test_the_fit_is_nearer_than_the_simpler_rules_on_the_board(shipped):
    """Across models always; across power modes by median. If better data change this, the order of sources must too."""
    models = [row for row in shipped if row.question == "model"]
    assert len(models) == 16
    assert all(abs(row.fitted_error) < abs(row.proportional_error) for row in models)
    assert all(abs(row.fitted_error) < abs(row.catalogue_error) for row in models)
    modes = [row for row in shipped if row.question == "power-mode"]
    assert len(modes) == 48
    fitted, simple = (np.median(np.abs([getattr(row, name) for row in modes])) for name in
                      ("fitted_error", "proportional_error"))  # fmt: skip
    assert fitted < 0.10 < simple
