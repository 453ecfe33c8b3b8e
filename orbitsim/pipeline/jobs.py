"""From a scheme's name to a job of the simulator: its planner, its costs, its tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from orbitsim.pipeline.links import LinkBook
from orbitsim.pipeline.planning import PlanDesk
from orbitsim.pipeline.rates import RateBook
from orbitsim.pipeline.replays import byte_replay, node_replays
from orbitsim.pipeline.work import Work, route_problem
from orbitsim.plan.stages import Stage, stages_of
from orbitsim.scenario import Scenario
from orbitsim.sim.controller import Decision, Question
from orbitsim.sim.engines import Engine
from orbitsim.sim.jobs import GroundStage
from orbitsim.sim.network import World
from orbitsim.sim.scheme import SchemeJob
from orbitsim.types.plan import Plan
from orbitsim.types.route import Route


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
        self.engine = Engine(scenario.run.engine)
        self.replays = node_replays(work, links.space)
        self.bytes_replay = byte_replay(work)
        self.desk = PlanDesk(scenario, work, RateBook(links, world.windows, work.input_bytes))
        self._delivered_s: dict[tuple[str, Route, float], float] = {}

    def job(self, scheme: str, task_starts: Sequence[tuple[int, float]]) -> SchemeJob:
        """Return the job of a scheme.

        Raises
        ------
        InfeasibleError
            When the scheme has no plan at the start of the scenario.
        """
        self.desk.answer(scheme, Question(task_starts[0][1] if task_starts else 0.0), self.deliver)
        return self._job(scheme, task_starts, None)

    def _job(self, scheme: str, task_starts: Sequence[tuple[int, float]], route: Route | None) -> SchemeJob:
        """Return the job of a scheme: each task as it chooses, or all on one route under the plan of the first."""
        start_s = task_starts[0][1] if task_starts else 0.0
        settled = None if route is None else self.desk.decide(scheme, route, start_s)

        def ask(question: Question) -> Decision:
            return settled or self.desk.answer(scheme, question, self.deliver)

        return SchemeJob(
            fixed=self.scenario.links.downlink.availability == "always",
            ask=ask,
            stages=self.desk.stages,
            ground_stages=self._ground_stages,
            input_bytes=self.work.input_bytes,
            n_batches=self.work.n_batches,
            task_starts=task_starts,
            execution=self.desk.execution,
            # What is tried beforehand knows no more than the planner.
            replay=self.replays if route is None else {},
            bytes_replay=self.bytes_replay if route is None else None,
        )

    def deliver(self, scheme: str, route: Route, t_s: float) -> float:
        """Simulate one task on a route, alone, under the plan of its start, and return when it is delivered. [s]"""
        key = (scheme, route, t_s)
        if key not in self._delivered_s:
            run = self.engine.simulate(
                self.world, self._job(scheme, [(0, t_s)], route), backlog="independent", record=False
            )
            end_s = run.tasks[0].end_s
            self._delivered_s[key] = math.inf if math.isnan(end_s) else end_s
        return self._delivered_s[key]

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
            stages[node] = GroundStage(stage.seconds, stage.codec_s, stage.energy_j, stage.origin_s, stage.layers)
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
