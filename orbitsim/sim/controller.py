"""The window controller: asks for a plan when tasks start, and again at each visibility window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orbitsim.types.plan import Plan

Ask = Callable[[float], "Decision"]
"""Planner as the controller sees it: time in seconds since the epoch -> decision; raises `InfeasibleError`."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A plan as it was decided.

    Attributes
    ----------
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
    """

    plan: Plan
    planner_used: str
    total_s: float
    lower_bound_s: float
    downlink_bps: float


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """A row of the record of plans: when, why, what, and whether it differs from the plan before."""

    t_s: float
    task: int | None
    reason: str
    changed: bool
    decision: Decision


class PlanLog:
    """Remembers the plan in force and every answer of the planner."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.current: Decision | None = None
        self.records: list[PlanRecord] = []

    def consult(self, t_s: float, reason: str, task: int | None = None) -> bool:
        """Ask the planner, note the answer, and return whether the plan changed."""
        decision = self._ask(t_s)
        changed = self.current is None or decision.plan != self.current.plan
        self.records.append(PlanRecord(t_s, task, reason, changed, decision))
        self.current = decision
        return changed

    @property
    def plan(self) -> Plan:
        """The plan in force; a planner must have been consulted."""
        if self.current is None:
            raise LookupError("no planner was consulted yet")
        return self.current.plan
