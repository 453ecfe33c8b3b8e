"""From a scheme's name to a job of the simulator: its route, its planner, its costs, its tasks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from orbitsim.errors import InfeasibleError
from orbitsim.link.capacity import CapacityCurve
from orbitsim.pipeline.links import LinkBook
from orbitsim.pipeline.work import NodeTables, Work, route_problem
from orbitsim.plan.problem import Problem
from orbitsim.plan.routing import first_chain
from orbitsim.plan.schemes import plan_scheme
from orbitsim.plan.stages import Stage, stages_of
from orbitsim.plan.user_planner import planner_named
from orbitsim.scenario import Scenario
from orbitsim.sim.controller import Decision
from orbitsim.sim.engine import SchemeJob
from orbitsim.sim.jobs import GroundStage
from orbitsim.sim.network import Execution, World
from orbitsim.sim.static import EXECUTION_OF
from orbitsim.types.plan import Plan
from orbitsim.types.route import Route


@dataclass(frozen=True)
class Rates:
    """What a planner reckons with at some time: rate and delay of every hop of the route. [bit/s, s]

    Rates are rounded to three significant digits and delays to a millisecond (`rounded`), so that a plan is looked for
    only when something changed that matters: the rounding moves the expected delay by at most 0.05 % and 1 ms a hop.
    """

    input_bps: float
    rate_bps: tuple[float, ...]
    delay_s: tuple[float, ...]

    @classmethod
    def rounded(cls, input_bps: float, rate_bps: Iterable[float], delay_s: Iterable[float]) -> Rates:
        """Return rates as planners reckon with them. [bit/s, s]"""
        return cls(
            input_bps if math.isinf(input_bps) else float(f"{input_bps:.3g}"),
            tuple(float(f"{rate:.3g}") for rate in rate_bps),
            tuple(round(delay, 3) for delay in delay_s),
        )


class JobFactory:
    """Builds the jobs of all schemes on the same world.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    work : Work
        Costs by device.
    links : LinkBook
        Links over time.
    world : World
        What the simulation runs on.
    """

    def __init__(self, scenario: Scenario, work: Work, links: LinkBook, world: World) -> None:
        self.scenario, self.work, self.links, self.world = scenario, work, links, world
        self._problems: dict[Rates, tuple[Problem, NodeTables]] = {}
        self._windows: dict[int, tuple[float, float] | None] = {}
        self._decisions: dict[tuple[str, Rates], Decision | InfeasibleError] = {}

    @cached_property
    def route(self) -> Route:
        """The compute chain from the sensor on, and the first station that can compute."""
        scenario, space = self.scenario, self.links.space
        chain = first_chain(
            space.sensor,
            space.successors,
            scenario.planner.max_compute_nodes,
            sensor_computes=scenario.workload.sensor_computes,
        )
        if not chain:
            raise InfeasibleError("no satellite can compute: the sensor may not, and it has no crosslink to another")
        stations = [index for index, station in enumerate(scenario.stations) if station.device is not None]
        return Route(
            sensor=space.sensor,
            chain=chain,
            station=space.n_satellites + (stations[0] if stations else 0),
            fixed=scenario.links.downlink.availability == "always",
        )

    @property
    def ground_computes(self) -> bool:
        """Whether any station has a computer."""
        return any(station.device is not None for station in self.scenario.stations)

    @property
    def node_names(self) -> tuple[str, ...]:
        """Names of the chain and the station."""
        return tuple(self.world.names[node] for node in (*self.route.chain, self.station))

    @property
    def station(self) -> int:
        """The station that planning reckons with."""
        station = self.route.station
        return self.links.space.n_satellites if station is None else station

    @property
    def execution(self) -> Execution:
        """How nodes work: as asked for, or as the planner's delay model assumes."""
        return self.scenario.run.execution or EXECUTION_OF[self.scenario.planner.delay_model]

    # -- planning ------------------------------------------------------------------------------------------------

    def rates(self, t_s: float) -> Rates:
        """Return what a planner reckons with at a time: crosslinks as they are, the downlink of the next contact."""
        route, link = self.route, self.links.link
        hops = list(zip(route.chain, route.chain[1:], strict=False))
        curves = [link(a, b).curve for a, b in hops]
        delays = [link(a, b).delay_at for a, b in hops]
        for (a, b), curve in zip(hops, curves, strict=True):
            if not len(curve.rates_bps):
                names = self.world.names
                raise InfeasibleError(f"the crosslink {names[a]}>{names[b]} of the compute chain never opens")
        input_bps = math.inf
        if not route.sensor_computes:
            input_bps = _rate_now(link(route.sensor, route.chain[0]).curve, t_s)
        downlink_bps, downlink_delay_s = self._downlink(t_s)
        return Rates.rounded(
            input_bps,
            [*(_rate_now(curve, t_s) for curve in curves), downlink_bps],
            [*(0.0 if delay is None else delay(t_s) for delay in delays), downlink_delay_s],
        )

    def _downlink(self, t_s: float) -> tuple[float, float]:
        """Mean rate of the contact that is open or opens next, and its shortest delay; the nominal ones without any."""
        down = self.scenario.links.downlink
        if self.route.fixed:
            schedule = self.links.link(self.route.chain[-1], self.station)
            return down.rate_bps, 0.0 if schedule.delay_at is None else schedule.delay_at(t_s)
        for index in np.flatnonzero(self._window_ends_s > t_s):
            known = self._mean_of_window(int(index))
            if known is not None:
                return known
        return down.rate_bps, 0.0

    @cached_property
    def _window_ends_s(self) -> NDArray[np.float64]:
        return np.array([window.end_s for window in self.world.windows])

    def _mean_of_window(self, index: int) -> tuple[float, float] | None:
        """Mean rate of a contact while it is open, and its delay half-way; None when it never carries anything."""
        if index not in self._windows:
            window = self.world.windows[index]
            bits = float(window.curve.integral_bits(window.start_s, window.end_s))
            open_s = float(window.curve.open_seconds(window.start_s, window.end_s))
            delay_at = self.links.link(window.satellite, window.station).delay_at
            delay_s = 0.0 if delay_at is None else delay_at(0.5 * (window.start_s + window.end_s))
            self._windows[index] = (bits / open_s, delay_s) if open_s > 0.0 else None
        return self._windows[index]

    def problem(self, rates: Rates) -> tuple[Problem, NodeTables]:
        """Return the planning problem of the route under given rates."""
        if rates not in self._problems:
            scenario, space = self.scenario, self.links.space
            station = scenario.stations[self.station - space.n_satellites]
            self._problems[rates] = route_problem(
                self.work,
                self.node_names,
                [*(space.device_of(s) for s in self.route.chain), station.device],
                [*(space.memory_of(s) for s in self.route.chain), station.memory_bytes],
                input_rate_bps=rates.input_bps,
                rate_bps=rates.rate_bps,
                delay_s=rates.delay_s,
            )
        return self._problems[rates]

    def decide(self, scheme: str, t_s: float) -> Decision:
        """Return the plan of a scheme at a time; asks the planner only when what it reckons with has changed."""
        rates = self.rates(t_s)
        key = (scheme, rates)
        if key not in self._decisions:
            planner = planner_named(self.scenario.planner.kind)
            try:
                result = plan_scheme(scheme, self.problem(rates)[0], planner, ground_computes=self.ground_computes)
                self._decisions[key] = Decision(
                    result.plan, result.planner, result.cost.total_s, result.lower_bound_s, rates.rate_bps[-1]
                )
            except InfeasibleError as error:
                self._decisions[key] = error
        decision = self._decisions[key]
        if isinstance(decision, InfeasibleError):
            raise decision
        return decision

    # -- jobs ----------------------------------------------------------------------------------------------------

    def job(self, scheme: str, task_starts: list[tuple[int, float]]) -> SchemeJob:
        """Return the job of a scheme.

        Raises
        ------
        InfeasibleError
            When the scheme has no plan at the start of the scenario.
        """
        start_s = task_starts[0][1] if task_starts else 0.0
        self.decide(scheme, start_s)
        _, tables = self.problem(self.rates(start_s))
        return SchemeJob(
            route=self.route,
            ask=lambda t_s: self.decide(scheme, t_s),
            stages=self._stages(self.problem(self.rates(start_s))[0], tables),
            ground_stages=self._ground_stages,
            input_bytes=self.work.input_bytes,
            n_batches=self.work.n_batches,
            task_starts=task_starts,
            execution=self.execution,
        )

    def _stages(self, problem: Problem, tables: NodeTables) -> Callable[[Plan], tuple[Stage, ...]]:
        return lambda plan: stages_of(problem, plan, tables.energy_j, tables.origin)

    def _ground_stages(self, plan: Plan) -> Mapping[int, GroundStage]:
        """Return what each station with a computer does of a plan; empty when nothing is left to it."""
        start, stop = plan.layers[-1]
        if start == stop:
            return {}
        stages: dict[int, GroundStage] = {}
        for index, station in enumerate(self.scenario.stations):
            if station.device is None:
                continue
            node = self.links.space.n_satellites + index
            stage = self._station_stage(plan, station.device, station.memory_bytes, node)
            stages[node] = GroundStage(stage.seconds, stage.codec_s, stage.energy_j, stage.origin_s)
        return stages

    def _station_stage(self, plan: Plan, device: str, memory_bytes: float | None, node: int) -> Stage:
        problem, tables = route_problem(
            self.work,
            (self.world.names[node],) * 2,
            (device, device),
            (None, memory_bytes),
            input_rate_bps=math.inf,
            rate_bps=(1.0,),
            delay_s=(0.0,),
        )
        start, stop = plan.layers[-1]
        ratio = plan.ratio_in_flight[-2] if start > 0 else None
        alone = Plan(layers=((0, start), (start, stop)), ratio=(ratio, None))
        return stages_of(problem, alone, tables.energy_j, tables.origin)[1]


def _rate_now(curve: CapacityCurve, t_s: float) -> float:
    """Rate of a crosslink at a time, or its mean open rate while it is closed. [bit/s]"""
    rate = float(curve.rate_at(t_s))
    if rate > 0.0:
        return rate
    rates = curve.rates_bps[curve.rates_bps > 0.0]
    return float(rates.mean()) if len(rates) else 0.0
