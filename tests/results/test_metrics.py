"""Figures of a scheme from its tasks, the frames of tables, and provenance."""

from __future__ import annotations

import hashlib
import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.results import metrics
from orbitsim.results.frames import frame
from orbitsim.results.provenance import provenance
from orbitsim.results.wording import seconds, size
from orbitsim.types.tables import TABLES


def tasks(**columns):
    n = len(columns["status"])
    base = {
        "scheme": ["x"] * n, "task": range(n), "start_s": np.zeros(n), "end_s": np.full(n, np.nan),
        "delay_s": np.full(n, np.nan), "service_s": np.full(n, np.nan), "undeliverable": [False] * n,
        "n_batches": [4] * n, "n_delivered": [0] * n, "isl_bytes": np.zeros(n), "downlink_bytes": np.zeros(n),
    }  # fmt: skip
    base |= {c.name: np.full(n, np.nan) for c in TABLES["tasks"] if c.name not in base and c.name != "status"}
    return frame("tasks", {**base, **columns})


def summary(table):
    return metrics.scheme_summary(
        table, planner_used="p", energy_j=None, origin=metrics.origin_shares([1, 3, 0], "abc")
    )


def test_delays_count_delivered_tasks_only_and_bytes_all_of_them():
    table = tasks(
        status=["delivered", "unfinished", "delivered", "unfinished"],
        delay_s=[10.0, np.nan, 30.0, np.nan], service_s=[4.0, np.nan, 8.0, np.nan],
        undeliverable=[False, False, False, True], isl_bytes=[1.0, 2.0, 3.0, 4.0], downlink_bytes=[5.0, 1.0, 0.0, 0.0],
    )  # fmt: skip
    got = summary(table)
    assert (got["tasks"], got["delivered"], got["unfinished"], got["undeliverable"]) == (4, 2, 2, 1)
    assert got["delay_s"] == {"mean": 20.0, "p50": 20.0, "p95": 29.0, "max": 30.0}
    assert got["service_s"]["mean"] == 6.0
    assert (got["isl_bytes"], got["downlink_bytes"], got["energy_j"]) == (10.0, 6.0, None)
    assert got["cost_origin"] == {"a": 0.25, "b": 0.75, "c": 0.0}
    json.dumps(got, allow_nan=False)


def test_no_task_at_all_and_none_delivered_give_nulls():
    for table in (tasks(status=[]), tasks(status=["unfinished"], undeliverable=[True])):
        got = summary(table)
        assert got["delay_s"] == got["service_s"] == {"mean": None, "p50": None, "p95": None, "max": None}
        json.dumps(got, allow_nan=False)
    assert metrics.origin_shares([0.0, 0.0], ("a", "b")) == {"a": None, "b": None}
    assert set(metrics.infeasible_summary("why", None)) == set(summary(tasks(status=[])))


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40))
def test_a_distribution_is_ordered_and_within_its_values(values):
    got = metrics.distribution(values)
    ordered = sorted(values)
    assert got["max"] == ordered[-1]
    assert ordered[0] <= got["p50"] <= got["p95"] <= got["max"]
    assert ordered[0] * (1 - 1e-12) <= got["mean"] <= got["max"] * (1 + 1e-12)
    position = 0.95 * (len(ordered) - 1)  # linear interpolation between order statistics, by hand
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    assert got["p95"] == pytest.approx(ordered[low] + (position - low) * (ordered[high] - ordered[low]), rel=1e-9)


def test_a_frame_has_the_schema_s_columns_types_and_nulls():
    table = tasks(status=["delivered"])
    assert list(table.columns) == [column.name for column in TABLES["tasks"]]
    with pytest.raises(ValueError, match="table tasks has the columns"):
        frame("tasks", {"scheme": ["x"]})
    columns = {name: table[name] for name in table.columns}
    with pytest.raises(ValueError, match=r"column tasks\.start_s must not hold nulls"):
        frame("tasks", {**columns, "start_s": [np.nan]})
    with pytest.raises(ValueError, match="table tasks has the columns"):
        frame("tasks", {**columns, "extra": [1]})
    assert isinstance(table["scheme"].dtype, pd.CategoricalDtype)


def test_provenance_names_versions_command_seed_and_hashes(tmp_path):
    file = tmp_path / "elements.tle"
    file.write_bytes(b"1 25544U")
    got = provenance(["orbitsim", "run", "x"], 7, [file, file])
    assert (got["command"], got["seed"]) == (["orbitsim", "run", "x"], 7)
    assert got["inputs_sha256"] == {"elements.tle": hashlib.sha256(b"1 25544U").hexdigest()}
    assert {"numpy", "simpy", "sgp4"} <= set(got["packages"])
    assert got["created_utc"].endswith("Z")
    assert str(tmp_path) not in json.dumps(got)


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.0, "0 s"), (492.4, "492.4 s"), (999.96, "1000 s"), (21758.3, "21,758 s")]
)
def test_durations_as_people_read_them(value, text):
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 B"), (999, "999 B"), (12288, "12.3 kB"), (5.72e11, "572 GB"), (1.17e12, "1.17 TB")]
)
def test_sizes_as_people_read_them(value, text):
    assert size(value) == text
