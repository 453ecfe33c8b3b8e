"""Scenarios that draw the bytes of their activations from a measured codec table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pipeline.small import small

from orbitsim.catalog.measured_tables import measured_table_text
from orbitsim.errors import InputError
from orbitsim.loading import load_scenario
from orbitsim.pipeline.preview import preview
from orbitsim.pipeline.run import run_scenario

ORIGIN = "measured on a toy; for any other model or data an assumption"
TABLE = {
    "schema_version": 2,
    "name": "toy",
    "title": "A toy codec",
    "origin": ORIGIN,
    "source": "these tests",
    "notes": "Of no codec.",
    "ratio": [0.05, 1.0],
    "baseline_accuracy": 0.9,
    "accuracy": [0.895, 0.9],
    "loss_high": [0.008, 0.0],
    "bytes": {
        "images_per_mini_batch": 64,
        "after_blocks": [2],
        "kept": [[0.05, 1.0]],
        "level": [0.0, 0.5, 1.0],
        "quantile": [[0.5, 1.0, 1.5], [1.0, 1.0, 1.0]],
    },
    "provenance": {"model": "toy"},
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("codec") / "toy.toml"
    path.write_text(measured_table_text(TABLE), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def mean(table):
    return run_scenario(small({"codec.table": table}))


@pytest.fixture(scope="module")
def drawn(table):
    return run_scenario(small({"codec.table": table, "codec.replay": "bootstrap"}))


def test_plans_are_made_with_means_and_transfers_meet_the_scatter(mean, drawn):
    kept = ["scheme", "task", "node", "layer_start", "layer_stop", "ratio"]
    first = [result.tables["plans"].query("scheme == 'collaborative'").iloc[:3] for result in (mean, drawn)]
    columns = [name for name in kept if name in first[0]]
    pd.testing.assert_frame_equal(first[0][columns], first[1][columns])
    tasks = [result.tables["tasks"].query("scheme == 'collaborative'")["isl_bytes"] for result in (mean, drawn)]
    assert np.ptp(tasks[0]) < 0.01 * np.mean(tasks[0])  # results that go another number of hops
    assert np.ptp(tasks[1]) > 0.05 * np.mean(tasks[1])
    assert np.mean(tasks[1]) == pytest.approx(np.mean(tasks[0]), rel=0.15)
    single = [result.tables["tasks"].query("scheme == 'single-satellite'") for result in (mean, drawn)]
    pd.testing.assert_frame_equal(*single)  # nothing encoded leaves its one satellite


def test_the_same_seed_gives_the_same_bytes_and_another_others(table, drawn):
    again = run_scenario(small({"codec.table": table, "codec.replay": "bootstrap"}))
    for name, frame in drawn.tables.items():
        pd.testing.assert_frame_equal(frame, again.tables[name], obj=name)
    other = run_scenario(small({"codec.table": table, "codec.replay": "bootstrap", "seed": 99}))
    assert not drawn.tables["tasks"]["isl_bytes"].equals(other.tables["tasks"]["isl_bytes"])


def test_results_say_on_what_the_codec_was_measured(mean, drawn, table):
    assert mean.summary["codec"]["origin"] == ORIGIN
    assert mean.summary["codec"]["notes"] == "Of no codec."
    assert "replay" not in mean.summary["codec"]
    assert drawn.summary["codec"]["replay"] == "bootstrap"
    assert ORIGIN in str(preview(small({"codec.table": table})))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["codec.table=gumbel-8bit"], r"codec.replay: expected a codec table that holds the spread.*does not"),
        (["codec.table=TABLE", "workload.batch_size=32"], r"codec.replay: expected mini-batches of 64 images.*got 32"),
    ],
)
def test_a_table_that_cannot_be_replayed_is_refused(table, settings, message):
    chosen = [text.replace("TABLE", table) for text in settings]
    with pytest.raises(InputError, match=message):
        load_scenario("leo12-vitg", settings=["codec.replay=bootstrap", *chosen])
    load_scenario("leo12-vitg", settings=["codec.replay=bootstrap", f"codec.table={table}"])
