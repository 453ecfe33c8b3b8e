"""From a question of the window controller to a decision: plan, route, and whether a change of split is worth it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from orbitsim.constants import BITS_PER_BYTE
from orbitsim.errors import InfeasibleError
from orbitsim.pipeline.rates import RateBook, Rates
from orbitsim.pipeline.work import NodeTables, Work, route_problem
from orbitsim.plan.evaluate import evaluate
from orbitsim.plan.problem import Problem
from orbitsim.plan.route_choice import Chosen, candidate_chains, choose
from orbitsim.plan.routing import first_chain
from orbitsim.plan.schemes import directly, plan_scheme
from orbitsim.plan.stages import Stage, stages_of
from orbitsim.plan.user_planner import planner_named
from orbitsim.scenario import Scenario
from orbitsim.sim.controller import Decision, Question
from orbitsim.sim.network import Execution
from orbitsim.sim.static import EXECUTION_OF
from orbitsim.types.plan import Plan, PlanResult
from orbitsim.types.route import Route

Candidate = tuple[str, Route]
"""A scheme whose plan is looked at, and the route that it is for."""

Deliver = Callable[[str, Route, float], float]
"""Scheme, route and start of a task -> when its last result is delivered on an empty network. [s]"""


class PlanDesk:
    """Answers the controller's questions for all schemes of a scenario.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    work : Work
        Costs by device.
    rates : RateBook
        Rates of any route at any time.
    """

    def __init__(self, scenario: Scenario, work: Work, rates: RateBook) -> None:
        self.scenario, self.work, self.rates = scenario, work, rates
        self._space = rates.links.space
        self._problems: dict[tuple[object, ...], tuple[Problem, NodeTables]] = {}
        self._results: dict[tuple[object, ...], PlanResult | InfeasibleError] = {}
        self._least: dict[tuple[Route, Plan], tuple[float, float]] = {}

    # -- routes --------------------------------------------------------------------------------------------------

    @cached_property
    def default_route(self) -> Route:
        """The compute chain from the sensor on along its plane, and the first station that can compute."""
        load, planner = self.scenario.workload, self.scenario.planner
        chain = first_chain(
            self._space.sensor,
            self._space.successors,
            planner.max_compute_nodes,
            sensor_computes=load.sensor_computes,
        )
        if not chain:
            raise InfeasibleError(_NO_CHAIN)
        return self._route(chain)

    @property
    def execution(self) -> Execution:
        """How nodes work: as asked for, or as the planner's delay model assumes."""
        return self.scenario.run.execution or EXECUTION_OF[self.scenario.planner.delay_model]

    @cached_property
    def candidate_routes(self) -> tuple[Route, ...]:
        """Every route over the crosslinks on which satellites may compute."""
        load, planner = self.scenario.workload, self.scenario.planner
        chains = candidate_chains(
            self._space.sensor,
            self._space.neighbours,
            planner.max_compute_nodes,
            sensor_computes=load.sensor_computes,
        )
        return tuple(self._route(chain) for chain in chains)

    def _route(self, chain: tuple[int, ...]) -> Route:
        # By name, not by place in the file: the order of stations there says nothing.
        stations = sorted(
            (station.device is None, station.name, index) for index, station in enumerate(self.scenario.stations)
        )
        return Route(
            sensor=self._space.sensor,
            chain=chain,
            station=self._space.n_satellites + stations[0][-1],
            fixed=self.fixed,
        )

    @property
    def ground_computes(self) -> bool:
        """Whether any station has a computer."""
        return any(station.device is not None for station in self.scenario.stations)

    def node_names(self, route: Route) -> tuple[str, ...]:
        """Return the names of the chain and the station."""
        return tuple(self._space.names[node] for node in (*route.chain, self._station(route)))

    def _station(self, route: Route) -> int:
        return self._space.n_satellites if route.station is None else route.station

    # -- plans ---------------------------------------------------------------------------------------------------

    def problem(self, route: Route, rates: Rates) -> tuple[Problem, NodeTables]:
        """Return the planning problem of a route under given rates; routes of equal nodes share it."""
        space = self._space
        station = self.scenario.stations[self._station(route) - space.n_satellites]
        devices = (*(space.device_of(satellite) for satellite in route.chain), station.device)
        memory_bytes = (*(space.memory_of(satellite) for satellite in route.chain), station.memory_bytes)
        key = (devices, memory_bytes, rates)
        if key not in self._problems:
            self._problems[key] = route_problem(
                self.work,
                self.node_names(route),
                devices,
                memory_bytes,
                input_rate_bps=rates.input_bps,
                rate_bps=rates.rate_bps,
                delay_s=rates.delay_s,
            )
        return self._problems[key]

    def plan(self, scheme: str, route: Route, rates: Rates) -> PlanResult:
        """Return the plan of a scheme; asks its planner only for a problem that it has not seen.

        Raises
        ------
        InfeasibleError
            When the scheme has no plan.
        """
        problem = self.problem(route, rates)[0]
        key = (scheme, id(problem), route.fixed)  # problems are kept, so that their ids stay their own
        if key not in self._results:
            planner = planner_named(self.scenario.planner.kind)
            try:
                self._results[key] = plan_scheme(
                    scheme, problem, planner, ground_computes=self.ground_computes, direct=not route.fixed
                )
            except InfeasibleError as error:
                self._results[key] = error
        result = self._results[key]
        if isinstance(result, InfeasibleError):
            raise result
        return result

    def stages(self, route: Route, plan: Plan) -> tuple[Stage, ...]:
        """Lay out a plan on a route."""
        problem, tables = self.problem(route, self.rates.best(route))
        return stages_of(problem, plan, tables.energy_j, tables.origin, self.load_s)

    # -- decisions -----------------------------------------------------------------------------------------------

    def answer(self, scheme: str, question: Question, deliver: Deliver) -> Decision:
        """Answer a question of the controller.

        Parameters
        ----------
        scheme : str
            Who asks.
        question : Question
            What is asked.
        deliver : callable
            Simulated delivery of a task, for the choice of a route.

        Raises
        ------
        InfeasibleError
            When there is no plan, and none in force to go on with.
        """
        current = None if question.route is None else question.in_force.get(question.route)
        candidates = self._candidates(scheme, question.route)
        if current is not None and current.plan_of == scheme:
            candidates = [(scheme, current.route)]  # no contact had to be waited for, so the model was right about it
        dear = len(candidates) > 1 or self.load_s is not None
        if current is not None and dear and not question.n_waiting():
            return replace(current, switch_s=0.0, kept=False)  # nobody waits for an answer that is dear to find
        try:
            chosen = self._choose(candidates, question.t_s, deliver) if len(candidates) > 1 else None
            variant, route = chosen.candidate if chosen is not None else candidates[0]
            decision = replace(self.decide(variant, route, question.t_s), chosen=chosen)
        except InfeasibleError:
            if current is None:
                raise
            return replace(current, switch_s=0.0, kept=False)
        in_force = question.in_force.get(route)
        if in_force is None or decision.plan == in_force.plan or self.load_s is None:
            return decision
        return self._worth_switching(in_force, decision, question, deliver)

    def decide(self, scheme: str, route: Route, t_s: float) -> Decision:
        """Return the plan of a scheme on a route at a time, whatever plan is in force."""
        rates = self.rates.at(route, t_s)
        result = self.plan(scheme, route, rates)
        return Decision(
            route, result.plan, result.planner, result.cost.total_s, result.lower_bound_s, rates.rate_bps[-1], scheme
        )

    def _worth_switching(self, current: Decision, found: Decision, question: Question, deliver: Deliver) -> Decision:
        """Return the plan found, or the one in force where loading weights would take longer than it saves.

        The gain is that of one task (of the mini-batches that wait, where some do), judged as the plan was found: by
        the model, or by simulated delivery where plans of different schemes competed.
        """
        rates = self.rates.at(found.route, question.t_s)
        problem = self.problem(found.route, rates)[0]
        total = evaluate if found.route.fixed else directly
        switch_s = self._loading_s(found, question)
        if current.plan_of == found.plan_of:
            waiting = replace(problem, n_batches=question.n_waiting() or self.work.n_batches)
            gain_s = total(waiting, current.plan).total_s - total(waiting, found.plan).total_s
        else:
            before_s, after_s = (deliver(d.plan_of, d.route, question.t_s) for d in (current, found))
            gain_s = math.inf if math.isinf(before_s) else before_s - after_s
        if gain_s > switch_s or switch_s == 0.0:
            return replace(found, switch_s=switch_s)
        return replace(
            current,
            total_s=total(problem, current.plan).total_s,
            lower_bound_s=found.lower_bound_s,
            downlink_bps=found.downlink_bps,
            switch_s=switch_s,
            kept=True,
        )

    def _loading_s(self, found: Decision, question: Question) -> float:
        """Return the time that the satellites of a plan need to load what they do not hold, one after the other. [s]"""
        stages = self.stages(found.route, found.plan)[: len(found.route.chain)]
        return sum(
            stage.weights.seconds_from(question.held.get(node))
            for node, stage in zip(found.route.chain, stages, strict=True)
            if stage.weights is not None
        )

    @cached_property
    def load_s(self) -> tuple[float, ...] | None:
        """Time to load the weights of each layer; None where every node holds all of them. [s]"""
        planner, graph = self.scenario.planner, self.work.graph
        if planner.weights_from == "memory":
            return None
        if planner.weights_from == "storage":
            rate_bytes_s = planner.storage_rate_bytes_s
        else:
            rate_bytes_s = self.rates.links.typical_isl()[0] / BITS_PER_BYTE
        weights_bytes = graph.weights_bytes(self.scenario.workload.precision)
        return tuple(float(n_bytes) / rate_bytes_s for n_bytes in weights_bytes)

    def _candidates(self, scheme: str, route: Route | None) -> list[Candidate]:
        """Return what a task may choose from: schemes that this one contains, each on every route that is open to it.

        A delay model knows no contacts. Where results wait for one, work on the ground begins only after the wait, so
        the plan that is best under the model need not deliver first; `hybrid` therefore also looks at the best plan
        without the ground, and at the one that leaves everything to it.
        """
        planner = self.scenario.planner
        if scheme == "ground-only":
            return [(scheme, route or self._ground_route)]
        choosing = planner.route == "choose"
        routes = (route,) if route is not None else self.candidate_routes if choosing else (self.default_route,)
        found = [(scheme, each) for each in routes]
        if scheme == "hybrid" and self.ground_computes and not self.fixed and planner.judge == "simulation":
            found += [("collaborative", each) for each in routes]
            found.append(("ground-only", route or self._ground_route))  # the same on every chain
        if not found:
            raise InfeasibleError(_NO_CHAIN)
        return found

    @property
    def fixed(self) -> bool:
        """Whether the downlink is idealised, so that routes are fixed beforehand."""
        return self.scenario.links.downlink.availability == "always"

    @cached_property
    def _ground_route(self) -> Route:
        """The route of what the ground computes: it needs no chain, only a sensor with a way down."""
        try:
            return self.default_route
        except InfeasibleError:
            if self.fixed:
                raise  # the idealised downlink is that of the chain's last satellite
            return self._route((self._space.sensor,))

    def _choose(self, candidates: Sequence[Candidate], t_s: float, deliver: Deliver) -> Chosen[Candidate]:
        """Return the candidate with the earliest delivery for a task that meets an empty network."""
        bounds: list[tuple[Candidate, float]] = []
        reasons: list[InfeasibleError] = []
        for variant, route in candidates:
            try:
                plan = self.plan(variant, route, self.rates.at(route, t_s)).plan
                bounds.append(((variant, route), self.earliest_s(route, plan, t_s)))
            except InfeasibleError as error:
                reasons.append(error)
        if not bounds:
            raise reasons[0] if reasons else InfeasibleError("no chain of satellites can compute")
        # The best-bounded route of every scheme, and the one without a choice, are looked at whatever the limit.
        always: dict[str, Candidate] = {}
        for candidate, _ in sorted(bounds, key=lambda item: item[1]):
            always.setdefault(candidate[0], candidate)
        with suppress(InfeasibleError):
            always |= {f"{variant} on the first": (variant, self.default_route) for variant in list(always)}
        return choose(
            bounds,
            lambda key: deliver(*key, t_s),
            most_simulated=self.scenario.planner.most_simulated_routes,
            always=set(always.values()),
        )

    def earliest_s(self, route: Route, plan: Plan, t_s: float) -> float:
        """Return a time before which a task that starts at a time under a plan is not delivered. [s]

        The delay on an idle network at the best rates that the route ever has, with a downlink that costs nothing where
        several satellites may deliver at once, and the work on the ground shared by all stations that compute; then a
        contact has to be open. All of these only bring the delivery forward.
        """
        total_s, ground_s = self._least_s(route, plan)
        earliest_s = t_s + total_s * (1.0 - _BOUND_SLACK)
        if route.fixed:
            return earliest_s
        # Work that the plan leaves to the ground begins when a contact opens, not before.
        return max(self.rates.opens_s(earliest_s), self.rates.opens_s(t_s) + ground_s * (1.0 - _BOUND_SLACK))

    def _least_s(self, route: Route, plan: Plan) -> tuple[float, float]:
        """Return the least that a plan takes from the start of a task, and on the ground alone, at any time. [s, s]"""
        key = (route, plan)
        if key not in self._least:
            problem = replace(self.problem(route, self.rates.best(route))[0], delay_model=MODEL_OF[self.execution])
            if route.fixed:
                self._least[key] = (evaluate(problem, plan).total_s, 0.0)
                return self._least[key]
            n_computing = sum(station.device is not None for station in self.scenario.stations)
            if n_computing > 1:  # the fastest of them all at once is the least that it can take
                problem = replace(problem, compute_s=np.vstack([problem.compute_s[:-1], self._shared_ground_s]))
            cost = directly(problem, plan)
            self._least[key] = (cost.total_s, self.work.n_batches * cost.compute_s[-1])
        return self._least[key]

    @cached_property
    def _shared_ground_s(self) -> NDArray[np.float64]:
        """Time of each layer when all stations that compute share a task, each as fast as the fastest. [s]"""
        devices = [station.device for station in self.scenario.stations if station.device is not None]
        fastest_s: NDArray[np.float64] = np.min([self.work.costs[device].compute_s for device in devices], axis=0)
        return fastest_s / len(devices)


MODEL_OF: dict[Execution, str] = {"overlapped": "exact", "sequential": "sequential", "serial": "serial"}
_NO_CHAIN = "no satellite can compute: the sensor may not, and it has no crosslink to another"
_BOUND_SLACK = 1e-6  # contacts and delays are rounded; a bound that is a millionth lower is still one
