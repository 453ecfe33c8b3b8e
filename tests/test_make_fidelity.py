"""The fidelity page says what the records say, and does not praise what misses the aim."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from workload.split_documents import split_document

from orbitsim.pipeline.split_replay import replay_split
from orbitsim.workload.split_run import split_run_of

PATH = Path(__file__).parents[1] / "docs" / "make_fidelity.py"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_fidelity", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_fidelity"] = module
    spec.loader.exec_module(module)
    return module


def document(slowdown: float, load: float) -> dict[str, Any]:
    """Return a run whose stages took `slowdown` times what was measured before."""
    compute = np.full((2, 10), 0.4)
    made = split_document(compute * slowdown, np.full((2, 10), 0.01), np.full((2, 10), 0.001))
    for stage in made["stages"]:
        stage["isolated"] = [{"condition": name, "samples_s": [0.39, 0.41]} for name in ("together", "alone")]
        stage["host"] = {
            "processor": "A processor", "n_processors": 2, "system": "Linux", "torch": "2.0", "python": "3.11",
            "load_average": [load, 0, 0],
        }  # fmt: skip
    return {**made, "created_utc": "2030-01-02T03:04:05Z"}


def test_the_page_holds_errors_against_the_aim(maker: ModuleType) -> None:
    runs = {
        "loopback": split_run_of(document(1.0, load=0.1)),
        "slow-link": split_run_of(document(1.25, load=0.1)),
    }
    text = maker.page(runs, {name: replay_split(run, n_runs=5) for name, run in runs.items()}, has_picture=False)
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("|")}
    assert "not idle" not in text
    first, second = rows["predicted, mean"].split("|")[2:4]
    assert first.strip() == "0.00%"
    assert "over the aim" in second
    assert rows["replayed, in order"].count("0.00%") == 2
    # The last table is that of the slow run: by hand 2 (0.511) + 9 x 0.5 s recorded, 2 (0.411) + 9 x 0.4 s predicted.
    assert "| 5.522 s | 4.422 s (-19.92%) |" in rows["makespan"]
    assert max(len(line) for line in text.splitlines() if not line.startswith(("|", "!"))) <= 120


def test_a_busy_machine_is_named(maker: ModuleType) -> None:
    run = split_run_of(document(1.0, load=3.0))
    runs = {"loopback": run, "slow-link": run}
    text = maker.page(runs, {name: replay_split(run, n_runs=2) for name in runs}, has_picture=True)
    assert "**The machine was not idle** (load average 3.00" in text
    assert "images/fidelity.png" in text
