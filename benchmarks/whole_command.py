"""Wall time of ``orbitsim run leo12-vitg`` as a user meets it, and where it goes.

Run ``python benchmarks/whole_command.py [--runs N] [--scenario NAME]``. The whole is a subprocess from start to exit,
run folder included; the split comes from one run in this process, timed from outside. Aim: under 12 s on an idle
machine with four schemes.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

COMMAND = "from orbitsim.cli import main; main()"
IMPORTS = "import orbitsim.cli.app, orbitsim.loading, orbitsim.pipeline.run, orbitsim.results.console, pandas, pyarrow"


def whole_s(scenario: str) -> float:
    """Return the seconds of the whole command, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", COMMAND, "run", scenario, "--out", str(Path(folder) / "run")]
        start_s = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        taken_s = time.perf_counter() - start_s
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return taken_s


def imports_s() -> float:
    """Return the seconds that a bare interpreter takes to import everything, less those it takes for nothing."""
    taken_s = []
    for code in ("pass", IMPORTS):
        start_s = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        taken_s.append(time.perf_counter() - start_s)
    return taken_s[1] - taken_s[0]


class Clock:
    """Adds up the seconds of named stages; what runs inside another stage counts for the inner one alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._open: list[tuple[str, float]] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        now_s = time.perf_counter()
        if self._open:
            outer, since_s = self._open[-1]
            self.seconds[outer] = self.seconds.get(outer, 0.0) + now_s - since_s
        self._open.append((name, now_s))
        try:
            yield
        finally:
            now_s = time.perf_counter()
            _, since_s = self._open.pop()
            self.seconds[name] = self.seconds.get(name, 0.0) + now_s - since_s
            if self._open:
                self._open[-1] = (self._open[-1][0], now_s)

    def wrap(self, owner: Any, attribute: str, name: Callable[..., str] | str) -> None:
        """Time every call of a function under a stage."""
        inner = getattr(owner, attribute)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name if isinstance(name, str) else name(*args, **kwargs)):
                return inner(*args, **kwargs)

        setattr(owner, attribute, timed)


def split_s(scenario: str) -> dict[str, float]:
    """Return the seconds of each stage of one run in this process."""
    from orbitsim.loading import load_scenario
    from orbitsim.pipeline import run as job
    from orbitsim.pipeline.links import LinkBook
    from orbitsim.pipeline.planning import PlanDesk
    from orbitsim.results import store

    clock = Clock()
    scheme = ""

    def remember(_factory: Any, name: str, *_rest: Any) -> str:
        nonlocal scheme
        scheme = name
        return "planning"

    clock.wrap(job, "build_world", "geometry and contacts")
    clock.wrap(LinkBook, "link", "links")
    clock.wrap(job, "build_work", "workload and costs")
    clock.wrap(PlanDesk, "answer", "planning")
    clock.wrap(job.JobFactory, "job", remember)
    clock.wrap(job, "simulate_scheme", lambda *_args, **_kwargs: f"simulation {scheme}")
    clock.wrap(store, "write_tables", "writing")
    with tempfile.TemporaryDirectory() as folder, clock.stage("tables"):
        with clock.stage("loading"):
            loaded = load_scenario(scenario)
        result = job.run_scenario(loaded)
        target = job.save_run(result, Path(folder) / "run", command=["benchmark"])
        shutil.rmtree(target)
    return clock.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="runs of the whole command; the median is printed")
    parser.add_argument("--scenario", default="leo12-vitg")
    options = parser.parse_args()
    taken_s = [whole_s(options.scenario) for _ in range(options.runs)]
    print(f"orbitsim run {options.scenario}: {statistics.median(taken_s):.2f} s, the median of {options.runs} runs")
    print(f"  {'imports':34}{imports_s():8.2f} s")
    for name, seconds in split_s(options.scenario).items():
        print(f"  {name:34}{seconds:8.2f} s")


if __name__ == "__main__":
    main()
