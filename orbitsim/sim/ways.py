"""From a route and its plan to the steps of a mini-batch: the compute chain, and what is delivered at its end."""

from __future__ import annotations

from orbitsim.plan.stages import Stage
from orbitsim.sim.controller import PlanLog
from orbitsim.sim.jobs import Delivery, Step
from orbitsim.sim.network import Network, World
from orbitsim.sim.scheme import SchemeJob
from orbitsim.sim.sizes import DrawnBytes
from orbitsim.types.plan import Plan
from orbitsim.types.route import Route


class WayBook:
    """Lays out each plan on each route once.

    Attributes
    ----------
    steps : list of Step
        Every step that was laid out.
    """

    def __init__(self, world: World, job: SchemeJob, network: Network, log: PlanLog) -> None:
        self._world, self._job, self._network, self._log = world, job, network, log
        self._ways: dict[tuple[Route, Plan], tuple[tuple[Step, ...], Delivery | None, int]] = {}
        self.steps: list[Step] = []

    def way(self, route: Route) -> tuple[tuple[Step, ...], Delivery | None, int]:
        """Return the steps on the compute chain under the plan in force, what is delivered then, and from where."""
        key = (route, self._log.plan(route))
        if key not in self._ways:
            self._ways[key] = self._fixed_way(*key) if route.fixed else self._chain_way(*key)
            self.steps.extend(self._ways[key][0])
        return self._ways[key]

    def _compute(self, node: int, stage: Stage) -> Step:
        return self._network.compute(
            node,
            stage.seconds,
            stage.codec_s,
            stage.energy_j,
            stage.origin_s,
            layers=stage.layers,
            weights=stage.weights,
        )

    def _sizes(self, stage: Stage) -> DrawnBytes | None:
        replay = self._job.bytes_replay
        return None if replay is None else replay.of(stage.layers[1], stage.ratio, stage.n_bytes)

    def _to_chain(self, route: Route) -> list[Step]:
        if route.sensor_computes:
            return []
        return [self._network.send(route.sensor, route.chain[0], self._job.input_bytes, begins=False)]

    def _fixed_way(self, route: Route, plan: Plan) -> tuple[tuple[Step, ...], Delivery | None, int]:
        stages = self._job.stages(route, plan)
        steps = self._to_chain(route)
        station = route.station if route.station is not None else self._world.n_satellites
        nodes = [*route.chain, station]
        for position, (node, stage) in enumerate(zip(nodes, stages, strict=True)):
            if stage.computes:
                steps.append(self._compute(node, stage))
            if position + 1 < len(nodes):
                following = nodes[position + 1]
                steps.append(self._network.send(node, following, stage.n_bytes, sizes=self._sizes(stage)))
        return tuple(steps), None, route.chain[-1]

    def _chain_way(self, route: Route, plan: Plan) -> tuple[tuple[Step, ...], Delivery | None, int]:
        stages = self._job.stages(route, plan)
        computing = [position for position in plan.computing_nodes if position < len(route.chain)]
        ground = self._job.ground_stages(plan)
        if not computing:
            return (), Delivery(self._job.input_bytes, ground), route.sensor
        last = computing[-1]
        steps = self._to_chain(route)
        for position, node in enumerate(route.chain[: last + 1]):
            stage = stages[position]
            if stage.computes:
                steps.append(self._compute(node, stage))
            if position < last:
                following = route.chain[position + 1]
                steps.append(self._network.send(node, following, stage.n_bytes, sizes=self._sizes(stage)))
        return tuple(steps), Delivery(stages[last].n_bytes, ground, self._sizes(stages[last])), route.chain[last]
