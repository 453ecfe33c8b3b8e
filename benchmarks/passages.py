"""Stage passages per second of the event loop, against a bare SimPy tandem of the same stages.

Run ``python benchmarks/passages.py [--runs N] [--batches B]``. The rival is what one would write first: a process and a
Store for every stage, one timeout for every mini-batch in it, nothing recorded, links of a fixed rate, no propagation.
orbitsim does the same stages over capacity curves and records start and end of every passage. Aim: at least 0.6 of it.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Generator
from typing import Any

import simpy

from orbitsim.plan.evaluate import evaluate
from orbitsim.plan.problem import Problem
from orbitsim.sim.static import simulate_static
from orbitsim.types.plan import Plan

N_NODES, N_LAYERS = 6, 12


def bare_tandem(seconds: list[float], n_batches: int) -> float:
    """Pass mini-batches through a line of stages; return when the last one is through."""
    env = simpy.Environment()
    stores = [simpy.Store(env) for _ in range(len(seconds) + 1)]

    def stage(index: int) -> Generator[simpy.Event, Any, None]:
        while True:
            batch = yield stores[index].get()
            yield env.timeout(seconds[index])
            yield stores[index + 1].put(batch)

    for index in range(len(seconds)):
        env.process(stage(index))
    for batch in range(n_batches):
        stores[0].put(batch)
    env.run()
    assert len(stores[-1].items) == n_batches
    return float(env.now)


def pipeline(n_batches: int, delay_s: float) -> tuple[Problem, Plan, list[float]]:
    """Return six nodes with two layers each, and the times of the eleven stages."""
    problem = Problem(
        compute_s=[[0.11 + 0.01 * node] * N_LAYERS for node in range(N_NODES)],
        activation_bytes=[4e6] * (N_LAYERS - 1) + [256.0],
        layer_memory_bytes=[1.0] * N_LAYERS,
        memory_bytes=float("inf"),
        rate_bps=[0.2e9] * (N_NODES - 1),
        delay_s=[delay_s] * (N_NODES - 1),
        input_bytes=9.6e6,
        n_batches=n_batches,
    )
    plan = Plan(tuple((2 * k, 2 * k + 2) for k in range(N_NODES)), (1.0,) * (N_NODES - 1) + (None,))
    cost = evaluate(problem, plan)
    seconds = [s for pair in zip(cost.compute_s, cost.transfer_s, strict=True) for s in pair][: 2 * N_NODES - 1]
    return problem, plan, seconds


def timed_s(run: Callable[[], Any]) -> float:
    gc.collect()
    start_s = time.process_time()
    run()
    return time.process_time() - start_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7, help="runs of each, interleaved; the medians are printed")
    parser.add_argument("--batches", type=int, default=20_000, help="mini-batches that pass the eleven stages")
    options = parser.parse_args()
    problem, plan, seconds = pipeline(options.batches, 0.0)
    travelling, _, _ = pipeline(options.batches, 0.012)
    n_passages = options.batches * len(seconds)
    recorded = simulate_static(problem, plan, record=True)
    assert recorded.n_passages == len(recorded.passages) == n_passages
    assert abs(recorded.makespan_s - bare_tandem(seconds, options.batches)) < 1e-9 * recorded.makespan_s
    contenders: dict[str, Callable[[], Any]] = {
        "bare SimPy tandem": lambda: bare_tandem(seconds, options.batches),
        "orbitsim, recorded": lambda: simulate_static(problem, plan, record=True),
        "orbitsim, not recorded": lambda: simulate_static(problem, plan),
        "orbitsim, recorded, with propagation": lambda: simulate_static(travelling, plan, record=True),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(options.runs):
        for name, run in contenders.items():
            times[name].append(timed_s(run))
    bare_per_s = n_passages / statistics.median(times["bare SimPy tandem"])
    print(f"stage passages, {n_passages} of them, process time, medians of {options.runs} interleaved runs")
    print(f"{'':44}{'passages/s':>12}{'of bare':>10}")
    for name, runs_s in times.items():
        per_s = n_passages / statistics.median(runs_s)
        print(f"{name:44}{per_s:12,.0f}{per_s / bare_per_s:10.2f}")


if __name__ == "__main__":
    main()
