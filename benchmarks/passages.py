"""Stage passages per second of the event loop, against a bare SimPy tandem of the same stages.

Run ``python benchmarks/passages.py [--runs N] [--batches B] [--large]``. The rival is what one would write first: a
process and a Store for every stage, one timeout for every mini-batch in it, nothing recorded, links of a fixed rate, no
propagation. orbitsim does the same stages over capacity curves and records start and end of every passage. Aim: at
least 0.6 of it. The vectorised engine does the same day without events, and with ``--large`` a day of 4.7 million
passages, once. Aim: at least 100 times the event loop.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Generator
from typing import Any

import simpy

from orbitsim.loading import load_scenario
from orbitsim.pipeline.jobs import JobFactory
from orbitsim.pipeline.links import LinkBook
from orbitsim.pipeline.run import build_world, task_starts
from orbitsim.pipeline.space import Space
from orbitsim.pipeline.work import build_work
from orbitsim.plan.evaluate import evaluate
from orbitsim.plan.problem import Problem
from orbitsim.sim.engine import simulate_scheme
from orbitsim.sim.maxplus.engine import simulate_scheme_vectorised
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


def paper_day(*settings: str) -> tuple[Callable[..., Any], list[float], int]:
    """Return the collaborative scheme of the paper's idealised day as a simulation, its stages and its mini-batches."""
    scenario = load_scenario("leo12-vitg-idealised", settings=["run.backlog=carry", *settings])
    space = Space(scenario)
    links = LinkBook(space)
    work = build_work(scenario)
    world = build_world(links)
    job = JobFactory(scenario, work, links, world).job("collaborative", task_starts(space))
    passages = simulate_scheme(world, job, record=True).passages[0]
    first = (passages.task == 0) & (passages.batch == 0)
    seconds = (passages.end_s - passages.start_s)[first].tolist()
    n_batches = len(job.task_starts) * work.n_batches
    assert len(passages) == n_batches * len(seconds)
    return lambda record, simulate=simulate_scheme: simulate(world, job, record=record), seconds, n_batches


def timed_s(run: Callable[[], Any]) -> float:
    gc.collect()
    start_s = time.process_time()
    run()
    return time.process_time() - start_s


def compare(title: str, n_passages: int, contenders: dict[str, Callable[[], Any]], runs: int) -> None:
    """Print passages per second of each, and its ratio to the first."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(runs):
        for name, run in contenders.items():
            times[name].append(timed_s(run))
    rates = {name: n_passages / statistics.median(seconds) for name, seconds in times.items()}
    first = next(iter(rates.values()))
    print(f"{title}: {n_passages} passages, process time, medians of {runs} interleaved runs")
    print(f"  {'':40}{'passages/s':>12}{'of first':>10}")
    for name, rate in rates.items():
        print(f"  {name:40}{rate:12,.0f}{rate / first:10.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each, interleaved; the medians are printed")
    parser.add_argument("--batches", type=int, default=20_000, help="mini-batches that pass the static route")
    parser.add_argument("--large", action="store_true", help="also a day of ViT-B at 8K, which takes a minute")
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
        "orbitsim, recorded, propagation": lambda: simulate_static(travelling, plan, record=True),
    }
    compare(f"static route, {len(seconds)} stages", n_passages, contenders, options.runs)
    simulate, day_seconds, n_batches = paper_day()
    contenders = {
        "bare SimPy tandem": lambda: bare_tandem(day_seconds, n_batches),
        "orbitsim, recorded, laws checked": lambda: simulate(True),
        "orbitsim, not recorded": lambda: simulate(False),
        "vectorised, recorded, laws checked": lambda: simulate(True, simulate_scheme_vectorised),
        "vectorised, not recorded, laws checked": lambda: simulate(False, simulate_scheme_vectorised),
    }
    title = f"leo12-vitg-idealised, collaborative, {len(day_seconds)} stages with propagation"
    compare(title, n_batches * len(day_seconds), contenders, options.runs)
    if options.large:
        compare_large_day()


def compare_large_day() -> None:
    """Compare the engines on a day whose tasks are large, so that questions to the controller count for little."""
    simulate, seconds, n_batches = paper_day(
        'workload.resolution="8K"', 'workload.model="vit-b"', "workload.model_memory_bytes=2e9"
    )
    contenders: dict[str, Callable[[], Any]] = {
        "orbitsim, not recorded": lambda: simulate(False),
        "orbitsim, recorded, laws checked": lambda: simulate(True),
        "vectorised, not recorded, laws checked": lambda: simulate(False, simulate_scheme_vectorised),
        "vectorised, recorded, laws checked": lambda: simulate(True, simulate_scheme_vectorised),
    }
    compare("the same with ViT-B at 8K", n_batches * len(seconds), contenders, 1)


if __name__ == "__main__":
    main()
