"""Simulation of one task on a static route: always open, fixed rates; the twin of the closed-form delay models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import simpy
from numpy.typing import ArrayLike

from orbitsim.link.capacity import CapacityCurve
from orbitsim.link.schedule import LinkSchedule
from orbitsim.plan.problem import Problem
from orbitsim.plan.stages import stages_of
from orbitsim.sim.itinerary import FixedItinerary
from orbitsim.sim.jobs import MiniBatch, Step, Task
from orbitsim.sim.network import Execution, Network, World
from orbitsim.sim.recorder import Passages, Recorder
from orbitsim.sim.replay import GivenTimes
from orbitsim.types.plan import Plan
from orbitsim.types.route import Route

EXECUTION_OF: dict[str, Execution] = {
    "exact": "overlapped",
    "paper": "overlapped",
    "sequential": "sequential",
    "serial": "serial",
}


@dataclass(frozen=True, slots=True, eq=False)
class StaticRun:
    """Outcome of one task on a static route.

    Attributes
    ----------
    makespan_s : float
        From the start of the task to the arrival of its last mini-batch; infinite if one never arrives. [s]
    delivered_s : tuple of float
        Arrival of each mini-batch, in order of arrival. [s]
    passages : Passages
        Every service, if recording was asked for.
    n_passages : int
        Number of services.
    """

    makespan_s: float
    delivered_s: tuple[float, ...]
    passages: Passages
    n_passages: int


def simulate_static(
    problem: Problem,
    plan: Plan,
    *,
    execution: Execution | None = None,
    curves: Sequence[CapacityCurve] | None = None,
    input_curve: CapacityCurve | None = None,
    stage_s: ArrayLike | None = None,
    record: bool = False,
) -> StaticRun:
    """Run one task of a problem under a plan, alone, mini-batch by mini-batch.

    Parameters
    ----------
    problem : Problem
        Route, costs and number of mini-batches.
    plan : Plan
        Plan to carry out.
    execution : {"overlapped", "sequential", "serial"}, optional
        How nodes work; by default as the problem's delay model assumes (`exact` and `paper`: overlapped).
    curves : sequence of CapacityCurve, optional
        Capacity of each hop, instead of the problem's constant rates.
    input_curve : CapacityCurve, optional
        Capacity of the way to node 0, instead of the problem's constant rate.
    stage_s : (n_nodes, n_batches) array_like, optional
        Time that each node's stage takes for each mini-batch, codec included, instead of the plan's; rows of nodes that
        compute nothing are not looked at. [s]
    record : bool
        Keep every passage.

    Returns
    -------
    StaticRun

    Raises
    ------
    ValueError
        If `stage_s` has another shape, or a time in it is not a finite number from 0.
    """
    if execution is None:
        execution = EXECUTION_OF[problem.delay_model]
    if curves is None:
        curves = [CapacityCurve.constant(float(rate)) for rate in problem.rate_bps]
    if input_curve is None and problem.input_rate_bps < math.inf:
        input_curve = CapacityCurve.constant(problem.input_rate_bps)
    n_nodes, n_hops = problem.n_nodes, problem.n_hops
    given_s = None if stage_s is None else _checked(stage_s, (n_nodes, int(problem.n_batches)), plan)
    sensor, sink = n_nodes, n_nodes + 1

    def link(source: int, _target: int) -> LinkSchedule:
        if source == sensor:
            assert input_curve is not None  # noqa: S101 - no step leads here otherwise
            return LinkSchedule("input", input_curve)
        delay_s = float(problem.delay_s[source])
        return LinkSchedule("isl", curves[source], (lambda _t_s: delay_s) if delay_s else None)

    world = World(names=(*problem.node_names, "sensor", "sink"), n_satellites=n_nodes, horizon_s=math.inf, link=link)
    env = simpy.Environment()
    recorder = Recorder(enabled=record)
    itinerary = FixedItinerary()
    network = Network(env, world, recorder, execution, itinerary.advance, itinerary.rebook)
    steps: list[Step] = []
    if input_curve is not None:
        steps.append(network.send(sensor, 0, problem.input_bytes))
    for node, stage in enumerate(stages_of(problem, plan)):
        if stage.computes:
            draws = None if given_s is None else GivenTimes(given_s[node])
            steps.append(network.compute(node, stage.seconds, 0.0 if draws else stage.codec_s, draws=draws))
        if node < n_hops:
            steps.append(network.send(node, node + 1 if node + 1 < n_nodes else sink, stage.n_bytes))
    task = Task(0, 0.0, int(problem.n_batches), Route(sensor, (0,), None, fixed=True))
    for index in range(task.n_batches):
        steps[0].server.put(MiniBatch(task, index, tuple(steps)))
    env.run()
    return StaticRun(
        makespan_s=itinerary.makespan_s(task.n_batches),
        delivered_s=tuple(itinerary.delivered_s),
        passages=recorder.passages(),
        n_passages=sum(server.n_served for server in network.servers),
    )


def _checked(stage_s: ArrayLike, shape: tuple[int, int], plan: Plan) -> list[list[float]]:
    times = np.asarray(stage_s, dtype=np.float64)
    if times.shape != shape:
        raise ValueError(f"expected stage_s of shape (n_nodes, n_batches) = {shape}, got {times.shape}")
    computing = times[list(plan.computing_nodes)]
    if not (np.isfinite(computing).all() and (computing >= 0.0).all()):
        raise ValueError("expected stage_s of finite seconds from 0 on every node that computes")
    return [row.tolist() for row in times]
