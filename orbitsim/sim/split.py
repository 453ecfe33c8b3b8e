"""Simulation of one task on a fixed split whose every mini-batch has times of its own."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import simpy
from numpy.typing import ArrayLike, NDArray

from orbitsim.link.capacity import CapacityCurve
from orbitsim.link.schedule import LinkSchedule
from orbitsim.sim.itinerary import FixedItinerary
from orbitsim.sim.jobs import MiniBatch, Part, Step, Task
from orbitsim.sim.network import Network, World
from orbitsim.sim.recorder import Recorder
from orbitsim.sim.static import StaticRun
from orbitsim.types.route import Route

FloatArray = NDArray[np.float64]


def simulate_split(
    compute_s: ArrayLike, n_bytes: ArrayLike, rate_bps: ArrayLike, delay_s: ArrayLike, *, record: bool = False
) -> StaticRun:
    """Run the mini-batches of one task through stages that overlap computing and sending.

    All mini-batches wait at the first stage at time 0. Every processor and every link serves one at a time, first in
    first out, with unbounded queues (the delay model `exact`); the link after the last stage carries the results.

    Parameters
    ----------
    compute_s : array_like, shape (n_stages, n_batches)
        Time that each stage computes on each mini-batch. [s]
    n_bytes : array_like, broadcast to (n_stages, n_batches)
        Bytes that leave each stage. [B]
    rate_bps : array_like, broadcast to (n_stages, n_batches)
        Rate of the link after each stage. [bit/s]
    delay_s : array_like, broadcast to (n_stages, n_batches)
        From the end of sending to the arrival; occupies nothing. [s]
    record : bool
        Keep every passage.

    Returns
    -------
    StaticRun
        Its places are numbered 0 to n_stages - 1 (processors), then n_stages to 2 n_stages - 1 (links).

    Raises
    ------
    ValueError
        If `compute_s` is not a matrix with at least one entry, a time or size is negative or not finite, or a rate is
        not finite and above 0.
    """
    compute = np.asarray(compute_s, dtype=np.float64)
    if compute.ndim != 2 or not compute.size:
        raise ValueError(f"compute_s must have the shape (n_stages, n_batches), not {compute.shape}")
    n_stages, n_batches = compute.shape
    size, rate, delay = (_matrix(values, compute.shape) for values in (n_bytes, rate_bps, delay_s))
    for name, values in (("compute_s", compute), ("n_bytes", size), ("delay_s", delay)):
        if not (np.isfinite(values) & (values >= 0.0)).all():
            raise ValueError(f"{name} must be finite and not negative")
    if not (np.isfinite(rate) & (rate > 0.0)).all():
        raise ValueError("rate_bps must be finite and above 0")

    env = simpy.Environment()
    recorder = Recorder(enabled=record)
    itinerary = FixedItinerary()

    def no_link(_source: int, _target: int) -> LinkSchedule:
        raise AssertionError("every mini-batch brings the rate of its links along")

    names = (*(f"stage {k}" for k in range(n_stages)), "sink")
    network = Network(
        env, World(names, n_stages, math.inf, no_link), recorder, "overlapped", itinerary.advance, itinerary.rebook
    )
    processors = [network.processor(k) for k in range(n_stages)]
    transmitters = [network.transmitter(k, k + 1, "isl") for k in range(n_stages)]
    task = Task(0, 0.0, n_batches, Route(0, (0,), None, fixed=True))
    for b in range(n_batches):
        steps: list[Step] = []
        for k in range(n_stages):
            steps.append(Step(processors[k], k, Part.COMPUTE, seconds=float(compute[k, b])))
            steps.append(
                Step(
                    transmitters[k],
                    k,
                    Part.ISL,
                    curve=CapacityCurve.constant(float(rate[k, b])),
                    n_bytes=float(size[k, b]),
                    delay_at=_constant(float(delay[k, b])),
                )
            )
        processors[0].put(MiniBatch(task, b, tuple(steps)))
    env.run()
    return StaticRun(
        makespan_s=itinerary.makespan_s(task.n_batches),
        delivered_s=tuple(itinerary.delivered_s),
        passages=recorder.passages(),
        n_passages=sum(server.n_served for server in network.servers),
    )


def _constant(seconds: float) -> Callable[[float], float]:
    return lambda _t_s: seconds


def _matrix(values: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    return np.broadcast_to(np.asarray(values, dtype=np.float64), shape)
