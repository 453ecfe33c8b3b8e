"""Recorded split runs against the simulation: predicted from what was measured before, or replayed from the run itself.

Two questions that must not be mixed up:

- *Predicted*: stage times and link rates were measured before the run, each by itself; nothing of the run is used but
  the number and size of its mini-batches. The error says how far such a simulation can be trusted.
- *Replayed*: durations of computing, sending and travelling are taken from the run itself, in order. The error says
  only whether the simulation queues as real threads and sockets do; a good figure here is no prediction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from orbitsim.constants import BITS_PER_BYTE
from orbitsim.errors import InputError, Problem
from orbitsim.sim.split import simulate_split
from orbitsim.workload.split_run import Condition, SplitRun

FloatArray = npt.NDArray[np.float64]
Method = Literal["mean", "bootstrap", "in-order"]
Basis = Literal["predicted", "replayed"]

BASIS: dict[Method, Basis] = {"mean": "predicted", "bootstrap": "predicted", "in-order": "replayed"}
FIGURES = ("makespan", "mean", "p50", "p95", "p99")
_Simulated = tuple["Figures", FloatArray]  # and the delay of each mini-batch
_LEAST_SEND_S = 1e-9  # a clock's resolution: sending takes longer than nothing


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run comes to.

    Attributes
    ----------
    makespan_s : float
        Until the last result. [s]
    mean_s, p50_s, p95_s, p99_s : float
        Of the mini-batches' delays from the start of the run; percentiles interpolate linearly. [s]
    utilisation : tuple of float
        Share of the makespan in which each stage computed.
    """

    makespan_s: float
    mean_s: float
    p50_s: float
    p95_s: float
    p99_s: float
    utilisation: tuple[float, ...]

    @property
    def delays_s(self) -> dict[str, float]:
        """The figures in seconds by name, in the order of `FIGURES`. [s]"""
        return dict(zip(FIGURES, (self.makespan_s, self.mean_s, self.p50_s, self.p95_s, self.p99_s), strict=True))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A simulation beside the record.

    Attributes
    ----------
    method : {'mean', 'bootstrap', 'in-order'}
        Where the stage times come from.
    basis : {'predicted', 'replayed'}
        Whether that was known before the run.
    simulated : Figures
        What the simulation says; of several simulations the mean of each figure.
    interval_s : mapping of str to (float, float), or None
        From the 5th to the 95th percentile of each figure over the simulations; None for a single one. [s]
    error : mapping of str to float
        Simulated over recorded less one, by figure.
    delay_s : tuple of float
        Delay of each mini-batch; of several simulations its mean. [s]
    """

    method: Method
    basis: Basis
    simulated: Figures
    interval_s: dict[str, tuple[float, float]] | None
    error: dict[str, float]
    delay_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SplitReplay:
    """The record, and what the simulation makes of it.

    Attributes
    ----------
    recorded : Figures
        Delays on the first host's clock alone.
    comparisons : tuple of Comparison
        One for each method.
    condition : {'together', 'alone'}
        Isolated times that the predictions rest on.
    """

    recorded: Figures
    comparisons: tuple[Comparison, ...]
    condition: Condition


def replay_split(
    run: SplitRun,
    *,
    methods: tuple[Method, ...] = ("mean", "bootstrap", "in-order"),
    condition: Condition | None = None,
    n_runs: int = 100,
    seed: int = 1,
) -> SplitReplay:
    """Simulate a recorded split run, and compare.

    Parameters
    ----------
    run : SplitRun
        The record.
    methods : tuple of {'mean', 'bootstrap', 'in-order'}
        ``mean``: every mini-batch takes the mean of its stage's isolated times. ``bootstrap``: each draws one of them,
        with replacement. Both take sizes from the record and rates from the probes of the idle links.
        ``in-order``: durations of the run itself.
    condition : {'together', 'alone'}, optional
        Which isolated times; ``together`` where they were taken, as hosts work at the same time in the run too.
    n_runs : int
        Simulations of ``bootstrap``.
    seed : int
        Of its generator.

    Returns
    -------
    SplitReplay

    Raises
    ------
    InputError
        When the record has no isolated times under that condition.
    """
    if condition is None:
        condition = "together" if all("together" in stage.isolated_s for stage in run.stages) else "alone"
    lacking = [str(k) for k, stage in enumerate(run.stages) if condition not in stage.isolated_s]
    if lacking:
        known = ", ".join(run.stages[int(lacking[0])].isolated_s)
        raise InputError(
            Problem("isolated", f"expected times taken {condition}; stage {lacking[0]} has {known}", run.source)
        )
    recorded = figures_of(run.delay_s, run.compute_s)
    return SplitReplay(
        recorded,
        tuple(_compare(recorded, method, _simulate(run, method, condition, n_runs, seed)) for method in methods),
        condition,
    )


def figures_of(delay_s: FloatArray, compute_s: FloatArray) -> Figures:
    """Return the figures of one run.

    Parameters
    ----------
    delay_s : ndarray, shape (n_batches,)
        Delay of each mini-batch from the start of the run. [s]
    compute_s : ndarray, shape (n_stages, n_batches)
        Time that each stage computed. [s]
    """
    makespan_s = float(delay_s.max())
    p50, p95, p99 = (float(value) for value in np.percentile(delay_s, (50, 95, 99)))
    shares = tuple(float(seconds) / makespan_s for seconds in compute_s.sum(axis=1))
    return Figures(makespan_s, float(delay_s.mean()), p50, p95, p99, shares)


def _simulate(run: SplitRun, method: Method, condition: Condition, n_runs: int, seed: int) -> list[_Simulated]:
    if method == "in-order":
        send_s = np.maximum(run.send_s, _LEAST_SEND_S)
        rate_bps = BITS_PER_BYTE * run.sent_bytes / send_s
        return [_figures(run, run.compute_s, rate_bps, run.travel_s)]
    samples = [stage.isolated_s[condition] for stage in run.stages]
    rate_bps = np.array([[link.rate_bps] for link in run.links])
    delay_s = np.array([[link.delay_s] for link in run.links])
    if method == "mean":
        compute_s = np.repeat([[stage.mean()] for stage in samples], run.n_batches, axis=1)
        return [_figures(run, compute_s, rate_bps, delay_s)]
    rng = np.random.default_rng(seed)
    return [
        _figures(run, np.stack([rng.choice(stage, run.n_batches) for stage in samples]), rate_bps, delay_s)
        for _ in range(n_runs)
    ]


def _figures(run: SplitRun, compute_s: FloatArray, rate_bps: FloatArray, delay_s: FloatArray) -> _Simulated:
    delivered_s = np.array(simulate_split(compute_s, run.sent_bytes, rate_bps, delay_s).delivered_s)
    return figures_of(delivered_s, compute_s), delivered_s


def _compare(recorded: Figures, method: Method, simulated: list[_Simulated]) -> Comparison:
    table = np.array([list(figures.delays_s.values()) for figures, _ in simulated])
    used = np.array([figures.utilisation for figures, _ in simulated]).mean(axis=0)
    delays = np.array([delay_s for _, delay_s in simulated]).mean(axis=0)
    makespan, average, p50, p95, p99 = (float(value) for value in table.mean(axis=0))
    mean = Figures(makespan, average, p50, p95, p99, tuple(float(share) for share in used))
    low, high = np.percentile(table, (5, 95), axis=0)
    several = len(simulated) > 1
    intervals = {name: (float(a), float(b)) for name, a, b in zip(FIGURES, low, high, strict=True)} if several else None
    truth = recorded.delays_s
    return Comparison(
        method=method,
        basis=BASIS[method],
        simulated=mean,
        interval_s=intervals,
        error={name: mean.delays_s[name] / truth[name] - 1.0 for name in FIGURES},
        delay_s=tuple(float(seconds) for seconds in delays),
    )
