"""Planners side by side: time, labels and quality on ViT-G, growth with size, and what the paper's delay model costs.

Run ``python benchmarks/planner.py`` (needs the extra ``bench`` for HiGHS). Every figure is measured in this run: a
planner that does not finish a size within ``--limit-s`` is reported with the largest size that it did finish.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from orbitsim.catalog import device
from orbitsim.errors import InfeasibleError, OrbitsimError
from orbitsim.plan.brute_force import brute_force, count_plans
from orbitsim.plan.delay import DELAY_MODELS
from orbitsim.plan.milp import milp
from orbitsim.plan.planners import plan
from orbitsim.plan.problem import Problem
from orbitsim.plan.rivals_paper import paper_astar_tree
from orbitsim.sim.static import simulate_static
from orbitsim.types.plan import PlanResult

# ViT-G on one mini-batch of 64 tiles of 224 x 224; one 1080p task of 300 images is 211 mini-batches.
N_LAYERS, N_BATCHES, N_TILES = 48, 211, 64
FLOP_PER_TILE = 967.5e9
ACTIVATION_BYTES = N_TILES * 257 * 1664 * 4.0
INPUT_BYTES = N_TILES * 224 * 224 * 3.0
MODES = ("50w", "30w", "15w")
PAPER_GAIN = 2.03  # arXiv:2604.04654, Fig. 12: "103 % reduction" against the proportional split, read as a ratio


def vit_g(n_nodes: int = 5, n_ratios: int = 10, n_layers: int = N_LAYERS, **given: Any) -> Problem:
    """ViT-G over Jetson AGX Orins in three power modes, dealt in order; other depths cut the same work differently."""
    rates = np.array([device(f"jetson-agx-orin-{MODES[k % 3]}").rate_flop_s["fp16"].value for k in range(n_nodes)])
    depth = np.linspace(0.98, 1.02, n_layers)  # no two layers alike, so that no two plans tie
    ratio = np.linspace(1.0 / n_ratios, 1.0, n_ratios) if n_ratios > 1 else np.ones(1)
    accuracy = 0.985 - 0.03 * np.exp(-10.0 * ratio)
    memory_bytes = 12e9
    options: dict[str, Any] = {
        "compute_s": FLOP_PER_TILE * N_TILES / n_layers * depth / rates[:, None],
        "activation_bytes": np.append(np.full(n_layers - 1, ACTIVATION_BYTES), 4.0 * N_TILES),
        "layer_memory_bytes": memory_bytes / n_layers,
        "memory_bytes": 8e9,
        "rate_bps": np.append(np.full(n_nodes - 1, 0.5e9), 0.8e9),
        "input_bytes": INPUT_BYTES,
        "input_rate_bps": 0.5e9,
        "n_batches": N_BATCHES,
        "codec_ratio": ratio,
        "codec_accuracy": accuracy,
        "min_accuracy": 0.972,
        "codec_loss": 0.985 - accuracy,
        "max_loss": 0.03,
    }
    return Problem(**(options | given))


class OutOfTimeError(Exception):
    """The limit of one measurement has passed."""


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    def stop(_signal: int, _frame: object) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def timed(planner: Callable[[Problem], PlanResult], problem: Problem, repeats: int) -> tuple[PlanResult, float]:
    """Return the answer and the median processor time [s]."""
    spent_s = []
    for _ in range(repeats):
        start_s = time.process_time()
        result = planner(problem)
        spent_s.append(time.process_time() - start_s)
    return result, statistics.median(spent_s)


def row(*cells: str) -> None:
    widths = (34, 12, 12, 12, 12, 14, 14)
    print(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=False))
        )
    )


def compare_on_vit_g(limit_s: float) -> None:
    print(f"\nViT-G: {N_LAYERS} layers, 5 nodes, 10 ratios, {N_BATCHES} mini-batches; processor time, one thread")
    for model in DELAY_MODELS:
        for rule in ("per-hop", "cumulative"):
            problem = vit_g(delay_model=model, rule=rule)
            best, best_s = timed(plan, problem, 15)
            print()
            row(f"{model}, {rule}", "time [ms]", "x optimal", "total [s]", "gap [%]", "expanded", "pruned")
            row(
                "optimal",
                f"{best_s * 1e3:.2f}",
                "1",
                f"{best.cost.total_s:.3f}",
                "0",
                str(best.expanded),
                str(best.pruned),
            )
            names: dict[str, Callable[[Problem], PlanResult]] = {
                "milp (HiGHS)": partial(milp, time_limit_s=limit_s),
                **{
                    name: partial(plan, planner=name)
                    for name in ("paper-astar", "partition-dp", "proportional", "uniform")
                },
            }
            for name, planner in names.items():
                try:
                    rival, rival_s = timed(planner, problem, 1 if "milp" in name else 5)
                except OrbitsimError as error:
                    row(name, str(error)[:80])
                    continue
                gap = 100.0 * (rival.cost.total_s / best.cost.total_s - 1.0)
                proof = "" if rival.optimal or "milp" not in name else " (limit)"
                row(
                    name + proof,
                    f"{rival_s * 1e3:.2f}",
                    f"{rival_s / best_s:.0f}",
                    f"{rival.cost.total_s:.3f}",
                    f"{gap:.3f}",
                    str(rival.expanded),
                    str(rival.pruned),
                )


def largest_within(name: str, planner: Callable[[Problem], PlanResult], limit_s: float) -> None:
    """Let a planner run on ever larger problems and report the last one that it finishes."""
    done = "none"
    for n_layers, n_nodes, n_ratios in (
        (6, 3, 3),
        (8, 3, 4),
        (8, 4, 4),
        (10, 4, 5),
        (12, 4, 6),
        (16, 4, 6),
        (12, 5, 6),
        (16, 5, 6),
        (16, 5, 8),
        (24, 5, 8),
        (24, 5, 10),
        (48, 5, 10),
    ):
        problem = vit_g(n_nodes, n_ratios, n_layers, delay_model="paper", min_accuracy=-np.inf)
        try:
            with limit(limit_s):
                result, spent_s = timed(planner, problem, 1)
        except OutOfTimeError:
            print(
                f"{name}: largest finished within {limit_s:g} s: {done}; "
                f"not {n_layers} layers, {n_nodes} nodes, {n_ratios} ratios"
            )
            return
        ours, ours_s = timed(plan, problem, 3)
        same = abs(result.cost.total_s / ours.cost.total_s - 1.0) < 1e-9
        done = (
            f"{n_layers} layers, {n_nodes} nodes, {n_ratios} ratios ({count_plans(problem)} plans): {spent_s:.2f} s, "
            f"optimal {ours_s * 1e3:.1f} ms, {'same total' if same else 'OTHER TOTAL'}"
        )
    print(f"{name}: finished every size: {done}")


def grow(models: tuple[str, ...], limit_s: float) -> None:
    print("\nGrowth, 20 ratios, per-hop rule, relays allowed; processor time, one thread")
    for model in models:
        print()
        row(model, "time [s]", "passes", "total [s]", "gap to prop.", "expanded", "pruned")
        for n_layers, n_nodes in ((48, 5), (96, 8), (192, 12), (384, 20), (768, 32)):
            problem = vit_g(n_nodes, 20, n_layers, delay_model=model, relay=True, memory_bytes=24e9 / n_nodes)
            try:
                with limit(limit_s):
                    result, spent_s = timed(plan, problem, 1)
            except OutOfTimeError:
                row(f"{n_layers} layers, {n_nodes} nodes", f"> {limit_s:g}")
                break
            try:
                rival_s = plan(problem, "proportional").cost.total_s
                gap = f"{100.0 * (rival_s / result.cost.total_s - 1.0):.2f} %"
            except InfeasibleError:
                gap = "infeasible"
            row(
                f"{n_layers} layers, {n_nodes} nodes",
                f"{spent_s:.3f}",
                str(len(result.trace)),
                f"{result.cost.total_s:.3f}",
                gap,
                str(result.expanded),
                str(result.pruned),
            )
    print(f"largest resident memory so far: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def price_of_the_papers_model() -> None:
    print("\nThe plan that `paper` thinks best, simulated mini-batch by mini-batch")
    row("", "believed [s]", "simulated [s]", "optimum [s]", "excess [%]")
    rates: dict[str, dict[str, Any]] = {
        "ViT-G, 5 nodes, 0.5 Gbit/s": {},
        "ViT-G, 5 nodes, 0.1 Gbit/s": {"rate_bps": np.append(np.full(4, 0.1e9), 0.8e9), "input_rate_bps": 0.1e9},
        "ViT-G, 5 nodes, 2 Gbit/s": {"rate_bps": np.append(np.full(4, 2e9), 0.8e9), "input_rate_bps": 2e9},
    }
    for label, given in rates.items():
        exact, paper = vit_g(**given), vit_g(delay_model="paper", **given)
        believed, best = plan(paper), plan(exact)
        real_s = simulate_static(exact, believed.plan).makespan_s
        row(
            label,
            f"{believed.cost.total_s:.2f}",
            f"{real_s:.2f}",
            f"{best.cost.total_s:.2f}",
            f"{100.0 * (real_s / best.cost.total_s - 1.0):.2f}",
        )


def compare_with_figure_12() -> None:
    print(f"\nFig. 12 of arXiv:2604.04654: proportional over optimal, 48 layers, five nodes (paper: {PAPER_GAIN:.2f})")
    row("", "optimal [s]", "prop. [s]", "uniform [s]", "prop./opt.", "uniform/opt.")
    for rate_bps in (0.1e9, 0.5e9, 2e9):
        for model in ("exact", "paper", "sequential"):
            problem = vit_g(delay_model=model, rate_bps=np.append(np.full(4, rate_bps), 0.8e9), input_rate_bps=rate_bps)
            problem = replace(problem, memory_bytes=np.full(5, 12e9))
            best, prop, even = (plan(problem, name).cost.total_s for name in ("optimal", "proportional", "uniform"))
            row(
                f"{model}, ISL {rate_bps / 1e9:g} Gbit/s",
                f"{best:.2f}",
                f"{prop:.2f}",
                f"{even:.2f}",
                f"{prop / best:.3f}",
                f"{even / best:.3f}",
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit-s", type=float, default=60.0, help="limit of one measurement [s]")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}, {os.cpu_count()} cores")
    plan(vit_g())  # the first call pays for imports
    compare_on_vit_g(options.limit_s)
    print(f"\nExhaustive searches under `paper`, limit {options.limit_s:g} s each")
    largest_within("paper-astar-tree", partial(paper_astar_tree, most_settings=10**12), options.limit_s)
    largest_within("brute-force", partial(brute_force, most_plans=10**12), options.limit_s)
    grow(("exact", "sequential", "serial", "paper"), options.limit_s)
    price_of_the_papers_model()
    compare_with_figure_12()


if __name__ == "__main__":
    main()
