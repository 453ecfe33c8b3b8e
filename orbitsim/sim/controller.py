"""The window controller: asks for a plan when tasks start, at each visibility window, and when crosslinks change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from orbitsim.plan.route_choice import Chosen
from orbitsim.plan.switching import Weights
from orbitsim.types.plan import Plan
from orbitsim.types.route import Route


@dataclass(frozen=True, slots=True)
class Question:
    """What the controller asks.

    Attributes
    ----------
    t_s : float
        When, since the epoch. [s]
    route : Route or None
        The route of tasks that have started, whose chain is fixed; None for a task that starts, whose chain is open.
    in_force : mapping of Route to Decision
        The decision in force on every route so far.
    n_waiting : callable
        Counts the mini-batches on that route that no server has begun, and to which a new plan would apply.
    held : mapping of int to Weights
        Weights that each node holds now; a node that never computed is not in it, and gets its first ones for nothing.
    """

    t_s: float
    route: Route | None = None
    in_force: Mapping[Route, Decision] = field(default_factory=dict)
    n_waiting: Callable[[], int] = lambda: 0
    held: Mapping[int, Weights] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """A plan as it was decided.

    Attributes
    ----------
    route : Route
        The route that it is for.
    plan : Plan
        Over the satellites of the chain and, last, the station (with an empty interval where it takes nothing).
    planner_used : str
        Who made it.
    total_s : float
        Delay of one task that the planner expects, without waiting for contacts or earlier tasks. [s]
    lower_bound_s : float
        What the planner proved that no plan can beat; 0 when it proves nothing. [s]
    downlink_bps : float
        Downlink rate that the planner reckoned with. [bit/s]
    plan_of : str
        Scheme whose plan it is: `hybrid` may take the plan of a scheme that it contains.
    switch_s : float
        Time that loading weights takes for this plan, or for the better one that was not worth it. [s]
    kept : bool
        Whether a better plan was found, and not worth the switch.
    chosen : Chosen or None
        How the choice among candidates was proved; None where there was none to make.
    """

    route: Route
    plan: Plan
    planner_used: str
    total_s: float
    lower_bound_s: float
    downlink_bps: float
    plan_of: str = ""
    switch_s: float = 0.0
    kept: bool = False
    chosen: Chosen[tuple[str, Route]] | None = None


Ask = Callable[[Question], Decision]
"""Planner as the controller sees it; raises `InfeasibleError` when there is no plan."""


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """A row of the record of plans: when, why, what, and whether it differs from the plan before on that route."""

    t_s: float
    task: int | None
    reason: str
    changed: bool
    decision: Decision


class PlanLog:
    """Remembers the plan in force on every route, and every answer of the planner."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.held: Mapping[int, Weights] = {}
        self._in_force: dict[Route, Decision] = {}
        self._answered: dict[Route, Plan] = {}
        self.records: list[PlanRecord] = []

    @property
    def routes(self) -> tuple[Route, ...]:
        """Routes that have a plan, in the order of their first one."""
        return tuple(self._in_force)

    def new_network(self, held: Mapping[int, Weights]) -> None:
        """Forget which plans are in force, because what follows meets a network of its own, with weights of its own."""
        self._in_force.clear()
        self.held = held

    def plan(self, route: Route) -> Plan:
        """Return the plan in force on a route that a planner was asked for."""
        return self._in_force[route].plan

    def consult(
        self,
        t_s: float,
        reason: str,
        *,
        task: int | None = None,
        route: Route | None = None,
        n_waiting: Callable[[], int] = lambda: 0,
    ) -> PlanRecord:
        """Ask the planner, note the answer, and return it."""
        decision = self._ask(Question(t_s, route, self._in_force, n_waiting, self.held))
        changed = self._answered.get(decision.route) != decision.plan
        self._answered[decision.route] = decision.plan
        record = PlanRecord(t_s, task, reason, changed, decision)
        if changed or decision.kept or reason != "crosslink":  # of crosslinks only what came of them
            self.records.append(record)
        self._in_force[decision.route] = decision
        return record
