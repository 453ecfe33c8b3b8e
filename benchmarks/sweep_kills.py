"""The kill test at full length: SIGKILL at 20 random moments of a sweep, resumed each time.

Run ``python benchmarks/sweep_kills.py [--sweep NAME] [--kills N] [--workers N] [--seed N]``. A first run without
interruption gives the reference, the time until its first cell, and its length. Then the sweep is killed over and over,
each time at a random moment while it starts or while cells finish. A run that ends before its moment closes a round:
its data set must have the same bytes as the reference, and the next round begins with nothing, until all are made.
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
        n_kills, n_rounds = 0, 1
        while n_kills < arguments.kills:
            before = n_parts(out)
            share_s = (took_s - first_s) * (1.0 - before / n_cells) / max(1, min(7, arguments.kills - n_kills))
            wait_s = chance.uniform(0.0, first_s) if n_kills % 4 == 3 else first_s + chance.uniform(0.0, 2.0 * share_s)
            with subprocess.Popen(
                command(arguments, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                time.sleep(wait_s)
                is_killed = process.poll() is None
                process.send_signal(signal.SIGKILL)
            if is_killed:
                n_kills += 1
                print(f"kill {n_kills} after {wait_s:.2f} s, from {before} to {n_parts(out)} cells", flush=True)
            else:
                check(reference, out)
                n_rounds += 1
                out = Path(parent) / f"out-{n_rounds}"
        finish(command(arguments, out))
        check(reference, out)
        print(f"{n_kills} kills in {n_rounds} round(s): the same bytes; load {os.getloadavg()[0]:.1f}")


def check(reference: Path, out: Path) -> None:
    """Compare the data sets of two folders; end with an error where they differ."""
    if (reference / "results.parquet").read_bytes() != (out / "results.parquet").read_bytes():
        sys.exit(f"DIFFERENT BYTES in {out}")


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
