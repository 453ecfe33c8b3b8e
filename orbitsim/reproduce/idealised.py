"""The idealised twin in closed form: a static network, where the delay model and the simulation are the same.

With the downlink of the last satellite always open and every task alone, a task is a flow shop of identical
mini-batches and its delay follows from the stage times (`orbitsim.plan.delay.exact`). That is what makes maps and
sensitivity tables dense; every experiment that uses it also simulates some of its cells and says how far the two are
apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from orbitsim import catalog
from orbitsim.errors import InfeasibleError
from orbitsim.pipeline.links import LinkBook
from orbitsim.pipeline.planning import PlanDesk
from orbitsim.pipeline.rates import RateBook, Rates
from orbitsim.pipeline.space import Space
from orbitsim.pipeline.work import Work, build_work
from orbitsim.plan.evaluate import evaluate
from orbitsim.plan.problem import Problem
from orbitsim.reproduce.setting import IDEALISED, Setting, shared_stages
from orbitsim.types.plan import PlanResult

AT_PEAK = "peak"


@dataclass(frozen=True, slots=True)
class Speed:
    """Computers other than the catalogue has them: what no key of a scenario says.

    Attributes
    ----------
    boards, ground : float
        Factor on the speed of the satellites' boards, and of the ground computer.
    boards_at_peak : bool
        The boards reach the peak of their data sheet at the scenario's precision, where the catalogue has a rate.
    """

    boards: float = 1.0
    ground: float = 1.0
    boards_at_peak: bool = False

    def apply(self, work: Work) -> Work:
        """Return the work with its times scaled."""
        if self == Speed():
            return work
        stations = {station.device for station in work.scenario.stations}
        costs = {
            name: replace(
                each, compute_s=each.compute_s / (self.ground if name in stations else self._of_board(work, name))
            )
            for name, each in work.costs.items()
        }
        return replace(work, costs=costs)

    def _of_board(self, work: Work, name: str) -> float:
        if not self.boards_at_peak:
            return self.boards
        device, precision = catalog.device(name), work.scenario.workload.precision
        return self.boards * device.peak_flop_s[precision].value / device.rate_flop_s[precision].value


class Idealised:
    """Delays of schemes in the idealised twin of a setting.

    Parameters
    ----------
    setting : Setting
        What is run; the idealisation is laid over it.
    speed : Speed
        Of the computers.
    """

    def __init__(self, setting: Setting, speed: Speed | None = None) -> None:
        self.setting = setting.plus(*IDEALISED)
        self.scenario = self.setting.scenario()
        links = LinkBook(Space(self.scenario, shared_stages()))
        self.work = (speed or Speed()).apply(build_work(self.scenario, shared_stages()))
        self.desk = PlanDesk(self.scenario, self.work, RateBook(links, (), self.work.input_bytes))
        self.route = self.desk.default_route
        self.rates = self.desk.rates.at(self.route, 0.0)

    def problem(self, downlink_bps: float | None = None) -> Problem:
        """Return the planning problem, at another rate of the downlink where one is given. [bit/s]"""
        return self.desk.problem(self.route, self._rates(downlink_bps))[0]

    def plan(self, scheme: str, downlink_bps: float | None = None) -> PlanResult:
        """Return the plan of a scheme.

        Raises
        ------
        InfeasibleError
            When it has none.
        """
        return self.desk.plan(scheme, self.route, self._rates(downlink_bps))

    def forecast(self, scheme: str, downlink_bps: float | None = None) -> dict[str, Any]:
        """Return what a task of a scheme takes, as plain data.

        Parameters
        ----------
        scheme : str
            Which.
        downlink_bps : float, optional
            Instead of the scenario's rate. [bit/s]

        Returns
        -------
        dict
            ``delay_s``, the same without propagation (``pipeline_s``), bytes, the plan and its slowest stage; or the
            reason why the scheme is infeasible.
        """
        try:
            result = self.plan(scheme, downlink_bps)
        except InfeasibleError as error:
            return {"status": "infeasible", "reason": str(error), "delay_s": None}
        problem, cost = self.problem(downlink_bps), result.cost
        still = evaluate(replace(problem, delay_s=np.zeros(problem.n_hops)), result.plan)
        return {
            "status": "ok",
            "delay_s": cost.total_s,
            "pipeline_s": still.total_s,
            "theta_s": cost.theta_s,
            "isl_bytes": self._input_bytes() + cost.isl_bytes,
            "downlink_bytes": cost.downlink_bytes,
            "layers": [list(each) for each in result.plan.layers],
            "ratio": list(result.plan.ratio),
            "slowest": self._slowest(problem, result),
        }

    def forecasts(self, downlink_bps: float | None = None) -> dict[str, Any]:
        """Return the forecast of every scheme of the setting."""
        return {scheme: self.forecast(scheme, downlink_bps) for scheme in self.setting.schemes}

    def _rates(self, downlink_bps: float | None) -> Rates:
        if downlink_bps is None:
            return self.rates
        return Rates(self.rates.input_bps, (*self.rates.rate_bps[:-1], downlink_bps), self.rates.delay_s)

    def _input_bytes(self) -> float:
        """Raw tiles that cross from a sensor that does not compute; part of no hop of the plan. [B]"""
        return 0.0 if self.scenario.workload.sensor_computes else self.work.n_batches * self.work.input_bytes

    def _slowest(self, problem: Problem, result: PlanResult) -> str:
        """Name the stage that sets the pace."""
        cost, names = result.cost, problem.node_names
        stages = {"raw tiles to the first satellite": cost.input_s}
        stages |= {f"computing on {name}": s for name, s in zip(names, cost.compute_s, strict=True)}
        for hop in range(problem.n_hops):
            stages[f"sending {names[hop]}>{names[hop + 1]}"] = cost.transfer_s[hop]
        return max(stages, key=lambda name: stages[name])


def delay_of(forecasts: Mapping[str, Mapping[str, Any]], scheme: str) -> float | None:
    """Return the delay of a scheme, None where it is infeasible. [s]"""
    return forecasts[scheme].get("delay_s")
