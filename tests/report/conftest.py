"""Run folders that the tests of the report share: made once by the simulator itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from report import made

from orbitsim.report.data import RunData, read_run


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two hours with mini-batches, whose name is a script."""
    return made.run(tmp_path_factory.mktemp("runs") / "quick", f"name={made.quoted(made.NASTY)}")


@pytest.fixture(scope="session")
def tasks_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with tasks alone and a downlink that is always open."""
    return made.run(
        tmp_path_factory.mktemp("runs") / "tasks",
        'run.record="tasks"',
        'links.downlink.availability="always"',
        "clock.duration_s=3600",
    )


@pytest.fixture(scope="session")
def sweep_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sweep over rates and resolutions, in which one scheme is infeasible for one of the models."""
    return made.sweep(tmp_path_factory.mktemp("sweeps"))


@pytest.fixture(scope="session")
def run(run_folder: Path) -> RunData:
    """The run, read."""
    return read_run(run_folder)
