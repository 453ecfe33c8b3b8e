"""The optimal planner: best-first search over theta, each step a shortest path under a cap on theta.

The total is ``g + (n_batches - 1) theta``, a sum along the path and a bottleneck, so what counts is the Pareto set of
(g, theta). It is searched by caps on theta (the epsilon-constraint method: Haimes et al., IEEE Trans. Syst. Man Cybern.
1, 1971; for a sum and a bottleneck Berman, Einav & Handler, Eur. J. Oper. Res. 45, 1990): the least g under a cap is
one pass of `orbitsim.plan.shortest`, with a loss budget a label-setting A* of `orbitsim.plan.labels` on top of it.

The search keeps open intervals of theta. In an interval (lower, upper] every plan costs at least
``g(upper) + (n_batches - 1) lower``: the intervals with the least bound are split next, at several caps in one pass,
and an interval whose bound misses the best plan known is discarded. Between a cap and the theta of the plan found under
it there is nothing better, so the intervals vanish; when none is left, the best plan is proved optimal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from orbitsim.errors import InfeasibleError
from orbitsim.plan.evaluate import evaluate
from orbitsim.plan.graph import StageGraph, build_graph
from orbitsim.plan.infeasible import explain
from orbitsim.plan.labels import best_within_budget
from orbitsim.plan.problem import Problem
from orbitsim.plan.rivals import proportional
from orbitsim.plan.shortest import CostToGo, Step, cost_to_go, follow
from orbitsim.types.plan import Plan, PlanResult, TraceStep

Array = NDArray[np.float64]

GAP = 1e-13
"""Relative gap at which a bound and a plan count as equal: the rounding of the sums."""

MOST_CAPS = 16
WORK_PER_PASS = 40_000
"""Caps handled in one pass: at most the first, fewer where arcs times ratios times caps exceed the second."""

WORTH_FIXING = 4_000
"""Arcs times ratios from which on it pays to look for arcs that no better plan can use."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Values of theta that may hold a better plan.

    Attributes
    ----------
    lower_s, upper_s : float
        Above the first (or at it, in the first interval), at most the second [s].
    spent_s : float
        Least computing and sending of one mini-batch in a plan with theta at most `upper_s` [s].
    """

    lower_s: float
    upper_s: float
    spent_s: float


def optimal(problem: Problem) -> PlanResult:
    """Find the fastest plan, with a proof that no other is faster.

    Parameters
    ----------
    problem : Problem
        What to plan; optimal means over all splits and over the ratios of its codec table.

    Returns
    -------
    PlanResult
        The plan; its `lower_bound_s` equals its total up to rounding (relative 2e-13).

    Raises
    ------
    InfeasibleError
        If no plan meets the constraints; says which one cannot be met and by how little it is missed.
    """
    return Search(problem).run()


class Search:
    """One search: open intervals of theta, the best plan so far, and what it took.

    Parameters
    ----------
    problem : Problem
        What to plan.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        is_serial = problem.delay_model == "serial"
        self.n_first = problem.n_batches if is_serial else 1
        self.n_more = 0 if is_serial else problem.n_batches - 1
        self.has_budget = problem.rule == "cumulative" and bool(np.isfinite(problem.max_loss))
        self.best: Plan | None = None
        self.best_s = np.inf
        self.proved_s = -np.inf
        self.discarded_s = np.inf
        self.expanded = self.pruned = 0
        self.trace: list[TraceStep] = []
        self.base_s = problem.input_s + float(problem.delay_s.sum())
        self._try_rival()
        least_s = float(problem.compute_s.min(axis=0).sum())
        upper_s = self._theta_limit(least_s)
        self.graph: StageGraph = build_graph(problem, self._compute_limit(upper_s))
        self.open = [Interval(theta_floor(problem), upper_s, least_s)]

    def run(self) -> PlanResult:
        """Search until no interval is left and return the best plan with its proof."""
        while self.open:
            self._split(self._next_intervals())
        if self.best is None:
            raise InfeasibleError(explain(self.problem))
        cost = evaluate(self.problem, self.best)
        lower_bound_s = min(self.discarded_s, cost.total_s)
        return PlanResult(
            plan=self.best,
            cost=cost,
            planner="optimal",
            optimal=lower_bound_s >= cost.total_s * (1.0 - 2.0 * GAP),
            lower_bound_s=lower_bound_s,
            expanded=self.expanded,
            pruned=self.pruned,
            trace=tuple(self.trace),
        )

    def _total(self, spent_s: float, theta_s: float) -> float:
        return self.n_first * (self.base_s + spent_s) + (self.n_more * theta_s if self.n_more else 0.0)

    def _theta_limit(self, spent_s: float) -> float:
        """Return the theta at which a plan with that startup time is as slow as the best one known."""
        if not self.n_more or not np.isfinite(self.best_s):
            return float(np.inf)
        return float((self.best_s - self.base_s - spent_s) / self.n_more)

    def _compute_limit(self, theta_s: float) -> float:
        """Return the computing time that no stage of a plan with at most this theta exceeds."""
        if self.problem.delay_model != "paper" or not np.isfinite(theta_s):
            return theta_s
        sizes = np.concatenate([[self.problem.input_bytes], self.problem.activation_bytes])
        largest = float(sizes.max() * max(1.0, self.problem.codec_ratio.max()) * 8.0)
        slowest = float(min(self.problem.rate_bps.min(initial=np.inf), self.problem.input_rate_bps))
        return theta_s + largest / slowest

    def _try_rival(self) -> None:
        try:
            result = proportional(self.problem)
        except InfeasibleError:
            return
        self.best, self.best_s = result.plan, result.cost.total_s

    def _next_intervals(self) -> list[Interval]:
        """Take the intervals with the least bounds; as many as one pass can split at least in two."""
        self.open.sort(key=lambda interval: self._total(interval.spent_s, interval.lower_s))
        n_chosen = max(self._n_caps() // 2, 1)
        chosen, self.open = self.open[:n_chosen], self.open[n_chosen:]
        return chosen

    def _n_caps(self) -> int:
        work = self.graph.n_arcs * (len(self.graph.ratio) if self.problem.delay_model == "paper" else 1)
        return int(np.clip(WORK_PER_PASS // max(work, 1), 2, MOST_CAPS))

    def _split(self, chosen: list[Interval]) -> None:
        n_each = max(self._n_caps() // len(chosen), 2)
        caps = [_caps_within(interval, n_each) for interval in chosen]
        costs = cost_to_go(self.graph, np.concatenate(caps))
        self.expanded += costs.expanded
        self.pruned += costs.pruned
        first = 0
        for interval, own in zip(chosen, caps, strict=True):
            self._look_between(interval, costs, first, len(own))
            first += len(own)
        self.open = [kept for interval in self.open if (kept := self._still_open(interval)) is not None]
        self._drop_useless_arcs(costs)
        bounds = [self._total(interval.spent_s, interval.lower_s) for interval in self.open]
        self.proved_s = max(self.proved_s, min([self.best_s, self.discarded_s, *bounds]))
        if self.best is not None:
            self.trace.append(TraceStep(len(self.trace) + 1, self.proved_s, self.best_s))

    def _look_between(self, interval: Interval, costs: CostToGo, first: int, n_caps: int) -> None:
        """Find the best plan under each cap and leave open what lies between a cap and the plan found above it."""
        lower_s, spent_below_s = interval.lower_s, np.inf
        for index in range(first, first + n_caps):
            cap_s, spent_s = float(costs.cap_s[index]), float(costs.total_s[index])
            if np.isfinite(spent_s) and spent_s < spent_below_s and self._may_improve(spent_s, lower_s):
                found_s, steps = self._best_path(costs, index, lower_s)
                if steps is not None:
                    theta_s = self._keep(found_s, steps)
                    self.open.append(Interval(lower_s, float(np.nextafter(theta_s, -np.inf)), found_s))
            if not self.has_budget:
                spent_below_s = min(spent_below_s, spent_s)
            lower_s = cap_s

    def _best_path(self, costs: CostToGo, index: int, lower_s: float) -> tuple[float, list[Step] | None]:
        if not self.has_budget:
            return float(costs.total_s[index]), follow(self.graph, costs, index)
        limit_s = np.inf
        if np.isfinite(self.best_s):
            limit_s = (self.best_s - (self.n_more * lower_s if self.n_more else 0.0)) / self.n_first - self.base_s
        path = best_within_budget(self.graph, costs, index, limit_s)
        self.expanded += path.expanded
        self.pruned += path.pruned
        if path.steps is None:
            self.discarded_s = min(self.discarded_s, self.best_s)
        return path.total_s, path.steps

    def _keep(self, spent_s: float, steps: list[Step]) -> float:
        """Keep a plan if it is the best so far; return its theta."""
        input_s = self.problem.input_s if self.problem.delay_model in ("exact", "sequential") else 0.0
        theta_s = max(input_s, *(step.stage_s for step in steps))
        total_s = self._total(spent_s, theta_s)
        if total_s < self.best_s:
            self.best, self.best_s = self._plan(steps), total_s
        return theta_s

    def _plan(self, steps: list[Step]) -> Plan:
        stops = [0, *(step.cut for step in steps)]
        encodes = [step.computes and step.cut < self.problem.n_layers for step in steps]
        ratio = tuple(
            float(self.graph.ratio[step.ratio]) if encoded else None
            for step, encoded in zip(steps, encodes, strict=True)
        )
        return Plan(tuple(pairwise(stops)), ratio)

    def _may_improve(self, spent_s: float, lower_s: float) -> bool:
        bound_s = self._total(spent_s, lower_s)
        if bound_s < self.best_s * (1.0 - GAP):
            return True
        self.discarded_s = min(self.discarded_s, bound_s)
        return False

    def _still_open(self, interval: Interval) -> Interval | None:
        """Return what is left of an interval now that the best plan may have become faster."""
        upper_s = min(interval.upper_s, self._theta_limit(interval.spent_s))
        if upper_s < interval.lower_s or not self._may_improve(interval.spent_s, interval.lower_s):
            return None
        return replace(interval, upper_s=upper_s) if self.n_more else None

    def _drop_useless_arcs(self, costs: CostToGo) -> None:
        """Drop the arcs that no plan better than the best one known can use: reduced-cost fixing.

        The least cost of a path through an arc is the least cost to its start, whatever the stages, plus its own, plus
        the cost to go under the largest cap still open.
        """
        ratios = len(self.graph.ratio) if self.problem.delay_model == "paper" else 1
        if not self.open or not np.isfinite(self.best_s) or self.graph.n_arcs * ratios < WORTH_FIXING:
            return
        top = int(costs.cap_s.argmax())
        upper_s = max(interval.upper_s for interval in self.open)
        if costs.cap_s[top] < upper_s:
            return
        theta_s = min(interval.lower_s for interval in self.open)
        limit_s = (self.best_s - self.n_more * theta_s) / self.n_first - self.base_s
        limit_s += GAP * self.best_s
        spent_s = np.full(self.problem.n_layers + 1, np.inf)
        spent_s[0] = 0.0
        kept = []
        for node, arcs in enumerate(self.graph.arcs):
            sent_s = self.graph.transfer_s[node].min(axis=-1)
            n_ratios = costs.to_go_s[node + 1].shape[-1]
            to_go_s = (self.graph.transfer_s[node, :, :n_ratios] + costs.to_go_s[node + 1][top, -1]).min(axis=-1)
            through_s = spent_s[arcs.start] + arcs.compute_s
            keep = (through_s + to_go_s[arcs.stop] <= limit_s) & (arcs.compute_s <= self._compute_limit(upper_s))
            self.pruned += int(len(keep) - np.count_nonzero(keep))
            kept.append(arcs.kept(keep))
            after_s = spent_s + sent_s if self.problem.relay else np.full_like(spent_s, np.inf)
            np.minimum.at(after_s, arcs.stop[keep], through_s[keep] + sent_s[arcs.stop[keep]])
            spent_s = after_s
        self.graph = replace(self.graph, arcs=tuple(kept))


def theta_floor(problem: Problem) -> float:
    """Return a theta that no plan falls below: the input transfer, or the best balanced share of the layers.

    With weights w_k that add up to 1, the longest stage is at least ``sum_k w_k comp_k``, and every layer adds at least
    its least ``w_k t_kl`` to that. Weights in proportion to the nodes' speeds give the share of a perfect balance.

    Parameters
    ----------
    problem : Problem
        What is planned.

    Returns
    -------
    float
        The bound; 0 under `paper` and `serial`, where a long computing time need not show in theta [s].
    """
    if problem.delay_model not in ("exact", "sequential"):
        return 0.0
    floor_s = max(problem.input_s, float(problem.compute_s.min(axis=0).max()))
    whole_s = problem.compute_s.sum(axis=1)
    if whole_s.min() > 0.0:
        weight = (1.0 / whole_s) / (1.0 / whole_s).sum()
        share_s = float((weight[:, None] * problem.compute_s).min(axis=0).sum())
        floor_s = max(floor_s, share_s * (1.0 - 1e-12))
    return floor_s


def _caps_within(interval: Interval, n_caps: int) -> Array:
    if not np.isfinite(interval.upper_s):
        return np.array([np.inf])
    caps = np.linspace(interval.lower_s, interval.upper_s, n_caps + 1)[1:]
    return np.asarray(np.unique(caps))
