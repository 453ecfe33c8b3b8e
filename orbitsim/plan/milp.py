"""A mixed-integer linear model of the problem for HiGHS: the independent referee of the optimal planner.

Binary variables say what hop k carries (cut j with ratio i) and whether node k computes; the rest follows linearly. It
shares nothing with the search but the problem. HiGHS comes with the extra ``bench`` (``highspy``): Huangfu & Hall,
"Parallelizing the dual revised simplex method", Math. Program. Comput. 10, 2018.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from orbitsim.errors import InfeasibleError, InputError, OrbitsimError
from orbitsim.plan.evaluate import evaluate
from orbitsim.plan.infeasible import explain
from orbitsim.plan.problem import BITS_PER_BYTE, Problem, loss_limit, memory_limit
from orbitsim.types.plan import Plan, PlanResult


def milp(problem: Problem, time_limit_s: float = np.inf, relative_gap: float = 1e-9) -> PlanResult:
    """Solve the problem as a mixed-integer linear programme with HiGHS, on one thread.

    Parameters
    ----------
    problem : Problem
        What to plan.
    time_limit_s : float
        Wall-clock limit; the best plan found by then is returned with its bound [s].
    relative_gap : float
        Gap at which HiGHS stops.

    Returns
    -------
    PlanResult
        The plan; `expanded` counts nodes of the branch-and-bound tree.

    Raises
    ------
    InputError
        If ``highspy`` is not installed.
    InfeasibleError
        If no plan meets the constraints.
    OrbitsimError
        If HiGHS finds no plan within the time limit.
    """
    try:
        import highspy
    except ImportError as error:
        raise InputError("planner milp needs HiGHS: pip install 'orbitsim[bench]'") from error
    model: Any = highspy.Highs()  # type: ignore[no-untyped-call, unused-ignore]
    model.setOptionValue("output_flag", False)
    model.setOptionValue("threads", 1)
    model.setOptionValue("mip_rel_gap", relative_gap)
    model.setOptionValue("mip_abs_gap", 0.0)
    model.setOptionValue("mip_feasibility_tolerance", 1e-9)
    model.setOptionValue("primal_feasibility_tolerance", 1e-9)
    if np.isfinite(time_limit_s):
        model.setOptionValue("time_limit", float(time_limit_s))
    carries = _Model(model, problem).build()
    model.minimize()
    status = model.getModelStatus()
    if status in (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible):
        raise InfeasibleError(explain(problem))
    info = model.getInfo()
    values = np.array(model.getSolution().col_value)
    if not values.size or not np.isfinite(info.objective_function_value) or info.primal_solution_status != 2:
        raise OrbitsimError(f"milp: HiGHS found no plan ({model.modelStatusToString(status)})")
    plan = _plan(problem, [{key: values[var.index] for key, var in hop.items()} for hop in carries])
    return PlanResult(
        plan=plan,
        cost=evaluate(problem, plan),
        planner="milp",
        optimal=status == highspy.HighsModelStatus.kOptimal,
        lower_bound_s=float(info.mip_dual_bound),
        expanded=int(info.mip_node_count),
        pruned=0,
    )


class _Model:
    """Variables and constraints of the programme; one method for each kind of constraint."""

    def __init__(self, model: Any, problem: Problem) -> None:
        self.model, self.problem = model, problem
        self.last = problem.n_layers
        self.settings = [int(i) for i in np.flatnonzero(problem.allowed_ratio)]
        self.carries: list[dict[tuple[int, int], Any]] = []
        self.computes = [model.addBinary() for _ in range(problem.n_nodes)]

    def build(self) -> list[dict[tuple[int, int], Any]]:
        """Add everything and return what each hop carries."""
        for node in range(self.problem.n_nodes):
            self._add_carried(node)
        for node in range(self.problem.n_nodes):
            self._add_order(node)
            self._add_memory(node)
        self._add_codec_budget()
        compute = [self._compute_s(node) for node in range(self.problem.n_nodes)]
        send = [self._send_s(node) for node in range(self.problem.n_nodes)]
        self._set_objective(compute, send)
        return self.carries

    def _add_carried(self, node: int) -> None:
        """Let the hop after a node carry one cut with one ratio; raw input and result have setting -1."""
        whole = [(self.last, -1)]
        if node < self.problem.n_nodes - 1:
            inner = [(cut, i) for cut in range(1, self.last) for i in self.settings]
            whole = [(0, -1), *inner, (self.last, -1)]
        variables = {key: self.model.addBinary() for key in whole}
        self.model.addConstr(sum(variables.values()) == 1)
        self.carries.append(variables)

    def _cut(self, node: int) -> Any:
        return sum(cut * var for (cut, _), var in self.carries[node].items()) if node >= 0 else 0

    def _beyond(self, node: int, layer: int) -> Any:
        """1 if the cut after a node lies beyond a layer."""
        return sum(var for (cut, _), var in self.carries[node].items() if cut > layer) if node >= 0 else 0

    def _add_order(self, node: int) -> None:
        """Take layers in order; a node computes exactly if it takes one, and a relay keeps what it carries."""
        taken = self._cut(node) - self._cut(node - 1)
        self.model.addConstr(taken - self.computes[node] >= 0)
        self.model.addConstr(taken - self.last * self.computes[node] <= 0)
        if not self.problem.relay:
            self.model.addConstr(self.computes[node] >= 1)
        if node > 0:
            for key, var in self.carries[node].items():
                before = self.carries[node - 1].get(key)
                if before is not None and key[1] >= 0:
                    self.model.addConstr(var - before + self.computes[node] >= 0)
        elif self.problem.max_compute_nodes is not None:
            self.model.addConstr(sum(self.computes) <= self.problem.max_compute_nodes)

    def _add_memory(self, node: int) -> None:
        limit = float(memory_limit(self.problem.memory_bytes[node]))
        if not np.isfinite(limit):
            return
        # In units of the node's memory, so that the solver's tolerance is relative.
        unit = max(limit, 1.0)
        used = sum(
            float(size / unit) * (self._beyond(node, layer) - self._beyond(node - 1, layer))
            for layer, size in enumerate(self.problem.layer_memory_bytes)
        )
        overhead = float(self.problem.memory_overhead_bytes[node] / unit)
        self.model.addConstr(used + overhead * self.computes[node] <= limit / unit)

    def _encoded(self, node: int, value: Any) -> Any:
        """Return a variable of at least the sum of a value over what leaves a node, if the node computes."""
        largest = max((value(cut, i) for cut in range(1, self.last) for i in self.settings), default=0.0)
        variable = self.model.addVariable(lb=0.0)
        terms = sum(value(*key) * var for key, var in self.carries[node].items() if key[1] >= 0)
        self.model.addConstr(variable - terms - largest * self.computes[node] >= -largest)
        return variable

    def _add_codec_budget(self) -> None:
        problem = self.problem
        if problem.rule != "cumulative" or not self.settings or not np.isfinite(problem.max_loss):
            return
        unit = max(problem.max_loss, 1e-9)
        spent = [
            self._encoded(node, lambda _cut, i: float(problem.codec_loss[i] / unit))
            for node in range(problem.n_nodes - 1)
        ]
        if spent:
            self.model.addConstr(sum(spent) <= loss_limit(problem.max_loss) / unit)

    def _compute_s(self, node: int) -> Any:
        problem = self.problem
        busy = sum(
            float(layer_s) * (self._beyond(node, layer) - self._beyond(node - 1, layer))
            for layer, layer_s in enumerate(problem.compute_s[node])
        )
        encode, decode = problem.encode_s_per_byte[node], problem.decode_s_per_byte[node]
        if encode > 0.0 and node < problem.n_nodes - 1:
            busy += self._encoded(node, lambda cut, _i: float(encode * problem.activation_bytes[cut - 1]))
        if decode > 0.0 and node > 0:
            largest = float(decode * problem.activation_bytes.max())
            variable = self.model.addVariable(lb=0.0)
            terms = sum(
                float(decode * problem.activation_bytes[cut - 1]) * var
                for (cut, i), var in self.carries[node - 1].items()
                if i >= 0
            )
            self.model.addConstr(variable - terms - largest * self.computes[node] >= -largest)
            busy += variable
        return busy

    def _send_s(self, node: int) -> Any:
        problem = self.problem
        if node >= problem.n_hops:
            return 0.0
        seconds_per_byte = BITS_PER_BYTE / float(problem.rate_bps[node])

        def size(cut: int, i: int) -> float:
            if i >= 0:
                return float(problem.activation_bytes[cut - 1] * problem.codec_ratio[i])
            return float(problem.activation_bytes[-1]) if cut else float(problem.input_bytes)

        return sum(seconds_per_byte * size(*key) * var for key, var in self.carries[node].items())

    def _set_objective(self, compute: list[Any], send: list[Any]) -> None:
        problem = self.problem
        base_s = problem.input_s + float(problem.delay_s.sum())
        once = sum(compute) + sum(send) + base_s
        if problem.delay_model == "serial":
            self.model.setObjective(problem.n_batches * once)
            return
        theta = self.model.addVariable(lb=0.0 if problem.delay_model == "paper" else problem.input_s)
        received = [problem.input_s, *send[:-1]]
        for busy, sent, before in zip(compute, send, received, strict=True):
            if problem.delay_model == "exact":
                self.model.addConstr(theta - busy >= 0)
                if not isinstance(sent, float):
                    self.model.addConstr(theta - sent >= 0)
            elif problem.delay_model == "sequential":
                self.model.addConstr(theta - busy - sent >= 0)
            else:
                # comp + comm - min(comp, received) is the larger of comm and comp + comm - received.
                self.model.addConstr(theta - sent >= 0)
                self.model.addConstr(theta - busy - sent + before >= 0)
        self.model.setObjective(once + (problem.n_batches - 1) * theta)


def _plan(problem: Problem, carried: list[dict[tuple[int, int], float]]) -> Plan:
    chosen = [max(hop, key=lambda key: hop[key]) for hop in carried]
    cuts = [0, *(cut for cut, _ in chosen)]
    layers = tuple(pairwise(cuts))
    ratio = tuple(
        float(problem.codec_ratio[i]) if i >= 0 and start < stop else None
        for (start, stop), (_, i) in zip(layers, chosen, strict=True)
    )
    return Plan(layers, ratio)
