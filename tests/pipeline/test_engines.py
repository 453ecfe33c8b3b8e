"""Both engines on scenarios: the same tables and summary; a note where the event loop stepped in."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pandas.api.types import is_float_dtype

from orbitsim.loading import load_scenario
from orbitsim.pipeline.run import RunResult, run_scenario
from orbitsim.sim.maxplus import pace

DAYS = [
    ("quick", ()),
    ("quick", ("run.backlog=independent",)),
    ("quick", ("planner.weights_from=storage", "workload.model=vit-h")),
    ("quick", ("codec.table=gumbel-8bit", "planner.route=choose")),
    ("leo12-vitg", ("clock.duration_s=21600", "workload.resolution=480p")),
    ("leo12-vitg-budget", ("clock.duration_s=21600", "workload.resolution=240p")),
    ("leo12-vitg-idealised", ("clock.duration_s=7200", "workload.resolution=480p")),
    ("leo12-vitg-idealised", ("clock.duration_s=3600", "run.backlog=carry", "run.execution=sequential")),
    ("leo12-vitl-measured", ("clock.duration_s=21600", "workload.images_per_task=8")),
]


@pytest.fixture(autouse=True)
def _however_short_runs_are(monkeypatch):
    """Let the recursion go on where the event loop would be faster."""
    monkeypatch.setattr(pace, "FREE_RUNS", math.inf)


def both(name: str, *changes: str) -> tuple[RunResult, RunResult]:
    """Return the result of either engine."""
    event, fast = (
        run_scenario(load_scenario(name, settings=[*changes, f"run.engine={e}"])) for e in ("simpy", "vectorised")
    )
    return event, fast


def assert_close(one: object, two: object, where: str = "") -> None:
    """Check that two parts of a summary are equal, numbers to a relative 1e-9."""
    assert type(one) is type(two), where
    if isinstance(one, dict):
        assert one.keys() == two.keys(), where
        for key in one:
            assert_close(one[key], two[key], f"{where}.{key}")
    elif isinstance(one, list):
        assert len(one) == len(two), where
        for k, (a, b) in enumerate(zip(one, two, strict=True)):
            assert_close(a, b, f"{where}[{k}]")
    elif isinstance(one, float):
        assert math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-9) or (math.isnan(one) and math.isnan(two)), where
    else:
        assert one == two, where


@pytest.mark.parametrize(("name", "changes"), DAYS)
def test_tables_and_summary_are_the_same(name, changes):
    event, fast = both(name, *changes)
    assert [note for note in fast.notes if "event by event" in note] == []
    assert event.notes == fast.notes
    assert event.tables.keys() == fast.tables.keys()
    for table in event.tables:
        frame, other = event.tables[table], fast.tables[table]
        assert list(frame.columns) == list(other.columns)
        assert len(frame) == len(other), table
        if table == "batches":  # services that end at the same moment may be listed in either order
            keys = ["scheme", "task", "batch", "start_s", "end_s"]
            frame, other = (t.astype({"scheme": str, "place": str}).sort_values(keys) for t in (frame, other))
        for column in frame.columns:
            a, b = frame[column].to_numpy(), other[column].to_numpy()
            if is_float_dtype(frame[column].dtype):
                np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-9, err_msg=f"{table}.{column}")
            else:
                assert frame[column].astype(str).tolist() == other[column].astype(str).tolist(), f"{table}.{column}"
    assert_close(event.summary, fast.summary)


def test_what_the_recursion_cannot_express_is_said_scheme_by_scheme():
    event, fast = both("quick", "run.execution=sequential")
    assert_close(event.summary, fast.summary)
    said = [note for note in fast.notes if "was simulated event by event, because" in note]
    assert {note.partition(" ")[0] for note in said} == {"collaborative", "single-satellite", "ground-only", "hybrid"}
    assert not any("event by event" in note for note in event.notes)
