"""Sweeps of cells that take a fraction of a second, and the command line in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
COMMAND = "from orbitsim.cli import main; main()"

BASE = """
extends = "quick"
name = "tiny"
[clock]
duration_s = 1800.0
[workload]
images_per_task = 2
[run]
record = "tasks"
schemes = ["collaborative", "ground-only"]
"""
GRID = """
name = "tiny"
base = "tiny.toml"
[grid]
links.downlink.rate_bps = [0.2e9, 0.8e9]
workload.images_per_task = [1, 3]
seed = [1, 2]
"""


def written(folder: Path, text: str = GRID) -> Path:
    """Write a sweep file and its base into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.toml").write_text(BASE)
    path = folder / "sweep.toml"
    path.write_text(text)
    return path


def grid_of(n_cells: int, planner: str = "optimal") -> str:
    """Return the text of a sweep of some cells under a planner."""
    images = ", ".join(str(number) for number in range(1, n_cells + 1))
    head = f'name = "tiny"\nbase = "tiny.toml"\n[set]\nplanner.kind = "{planner}"\n[grid]\n'
    return f"{head}workload.images_per_task = [{images}]\nworkload.batch_size = [1]\n"


def environment() -> dict[str, str]:
    """Return the environment of a process that finds the planners of these tests."""
    path = os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path}


def start(*arguments: object) -> subprocess.Popen[str]:
    """Start the command line in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, arguments)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(*arguments: object) -> tuple[int, str, str]:
    """Run the command line; return exit code, stdout and stderr."""
    with start(*arguments) as process:
        out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def n_parts(folder: Path) -> int:
    """Return how many cells a folder holds."""
    return len(list((folder / "cells").glob("*.parquet")))


def wait_until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait for something to come true; fail when it does not in time."""
    end_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end_s, "did not come true in time"
        time.sleep(0.02)
