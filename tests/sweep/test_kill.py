"""SIGKILL at random moments: what a sweep finds in the end is what it finds without interruption, byte for byte."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from sweep import tiny

N_CELLS = 6
N_KILLS = 4


@pytest.mark.slow
def test_kills_at_random_moments_change_nothing(tmp_path: Path) -> None:
    sweep = tiny.written(tmp_path, tiny.grid_of(N_CELLS, "sweep.cell_planners:slow"))
    reference, out = tmp_path / "reference", tmp_path / "out"
    start_s = time.monotonic()
    code, _, err = tiny.run("sweep", sweep, "--out", reference, "--workers", 2)
    assert code == 0, err
    took_s = time.monotonic() - start_s
    chance = np.random.default_rng(5)
    for _ in range(N_KILLS):
        with tiny.start("sweep", sweep, "--out", out, "--workers", 2, "--resume") as process:
            time.sleep(chance.uniform(0.2, 0.9) * took_s)
            process.send_signal(signal.SIGKILL)  # the main process alone: its workers have to notice
            process.communicate(timeout=60)
    code, _, err = tiny.run("sweep", sweep, "--out", out, "--workers", 2, "--resume")
    assert code == 0, err
    one, two = (json.loads((folder / "provenance.json").read_text())["sweep"] for folder in (reference, out))
    assert one == two, "the scenario was changed while the test ran"
    assert (out / "results.parquet").read_bytes() == (reference / "results.parquet").read_bytes()
    assert tiny.n_parts(out) == N_CELLS
    assert not list(out.rglob("*.partial"))


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    sweep = tiny.written(tmp_path, tiny.grid_of(N_CELLS, "sweep.cell_planners:slow"))
    out = tmp_path / "out"
    with tiny.start("sweep", sweep, "--out", out, "--workers", 2) as process:
        tiny.wait_until(lambda: tiny.n_parts(out) >= 1)
        group = _members(process.pid)
        assert len(group) >= 3
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        tiny.wait_until(lambda: not _members(process.pid), 30)


def _members(group: int) -> list[int]:
    """Return the living processes of a process group."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(folder.name))
    return found
