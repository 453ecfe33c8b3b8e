"""Cells per second of a sweep, what reuse saves, and how it scales from one worker to two.

Run ``python benchmarks/sweep.py [--sweep NAME] [--runs N] [--workers 1 2]``. Every run is a subprocess from start to
exit, validation of all cells and results on the disk included; the best of each number of workers counts. All runs must
find the same bytes. Aim: at least 1.8 times the speed with two workers, on an idle machine with two cores or more.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from orbitsim.sweep import SweepResult, read_sweep

COMMAND = "from orbitsim.cli import main; main()"


def run(sweep: str, folder: Path, n_workers: int) -> tuple[float, SweepResult]:
    """Run a sweep in a process of its own; return its seconds and results."""
    command = [sys.executable, "-c", COMMAND, "sweep", sweep, "--out", str(folder), "--workers", str(n_workers)]
    start_s = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    taken_s = time.perf_counter() - start_s
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return taken_s, read_sweep(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweep", default="s2g-small", help="sweep file or shipped sweep (default s2g-small)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each number of workers (default 3)")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="numbers of workers (default 1 2)")
    arguments = parser.parse_args()
    best: dict[int, tuple[float, SweepResult]] = {}
    found: set[bytes] = set()
    with tempfile.TemporaryDirectory() as parent:
        for number in range(arguments.runs):
            for n_workers in arguments.workers:  # in turns, so that a busy moment does not hit one of them alone
                taken = run(arguments.sweep, Path(parent) / f"{n_workers}-{number}", n_workers)
                found.add((taken[1].folder / "results.parquet").read_bytes())
                if n_workers not in best or taken[0] < best[n_workers][0]:
                    best[n_workers] = taken
        if len(found) != 1:
            sys.exit("the runs found different results")
        print(f"{arguments.sweep}: {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}, best of runs")
        alone_s = best[arguments.workers[0]][0]
        for n_workers, (taken_s, result) in best.items():
            print(
                f"{n_workers} worker(s): {taken_s:.1f} s, {result.n_cells / taken_s:.2f} cells/s, "
                f"{alone_s / taken_s:.2f} times the speed of {arguments.workers[0]}; processor time of cells "
                f"{result.cpu_s:.1f} s, of it stages {result.made_s:.2f} s; reuse saved {result.reused_s:.2f} s "
                f"({result.saved_share:.1%} of the time without)"
            )


if __name__ == "__main__":
    main()
