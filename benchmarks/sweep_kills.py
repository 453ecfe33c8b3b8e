"""The kill test at full length: SIGKILL at 20 random moments of a sweep, resumed each time.

Run ``python benchmarks/sweep_kills.py [--sweep NAME] [--kills N] [--workers N] [--seed N]``. A first run without
interruption gives the reference, the time until its first cell, and its length. Then the sweep is killed over and over,
each time at a random moment while it starts or while cells finish, spread over its length; the last run finishes it.
Both data sets must be the same bytes.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

COMMAND = "from orbitsim.cli import main; main()"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweep", default="s2g-small", help="sweep file or shipped sweep (default s2g-small)")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = np.random.default_rng(arguments.seed)
    with tempfile.TemporaryDirectory() as parent:
        reference, out = Path(parent) / "reference", Path(parent) / "out"
        start_s = time.perf_counter()
        with subprocess.Popen(
            command(arguments, reference), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            while not n_parts(reference) and process.poll() is None:
                time.sleep(0.05)
            first_s = time.perf_counter() - start_s
        took_s = time.perf_counter() - start_s
        if process.returncode:
            sys.exit("the run without interruption failed")
        n_cells = n_parts(reference)
        print(f"{arguments.sweep}: {n_cells} cells in {took_s:.1f} s without interruption", flush=True)
        for number in range(1, arguments.kills + 1):
            left_s = (took_s - first_s) * (1.0 - n_parts(out) / n_cells)
            share_s = left_s / (arguments.kills + 1 - number)
            wait_s = chance.uniform(0.0, first_s) if number % 4 == 0 else first_s + chance.uniform(0.0, 2.0 * share_s)
            with subprocess.Popen(
                command(arguments, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                time.sleep(wait_s)
                finished = process.poll() is not None
                process.send_signal(signal.SIGKILL)
            state = "after its end" if finished else f"with {n_parts(out)} cells stored"
            print(f"kill {number} after {wait_s:.2f} s, {state}", flush=True)
        finish(command(arguments, out))
        same = (reference / "results.parquet").read_bytes() == (out / "results.parquet").read_bytes()
        print(f"{n_parts(out)} cells, {'the same bytes' if same else 'DIFFERENT BYTES'}, {os.getloadavg()[0]:.1f} load")
        sys.exit(0 if same else 1)


def command(arguments: argparse.Namespace, folder: Path) -> list[str]:
    """Return the command that goes on with a folder."""
    options = ["--out", str(folder), "--workers", str(arguments.workers), "--resume"]
    return [sys.executable, "-c", COMMAND, "sweep", arguments.sweep, *options]


def finish(words: list[str]) -> None:
    """Run a command to its end."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)} failed:\n{done.stderr}")


def n_parts(folder: Path) -> int:
    """Return how many cells a folder holds."""
    return len(list((folder / "cells").glob("*.parquet")))


if __name__ == "__main__":
    main()
