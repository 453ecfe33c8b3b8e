"""Conformance checks for what users bring: does a planner keep the contract of `orbitsim.ports.Planner`?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from orbitsim.errors import InfeasibleError
from orbitsim.plan.delay import DELAY_MODELS
from orbitsim.plan.evaluate import evaluate
from orbitsim.plan.planners import plan as plan_by_name
from orbitsim.plan.problem import Problem
from orbitsim.types.plan import Plan


@dataclass(frozen=True, slots=True)
class PlannerReport:
    """What a conformance check found.

    Attributes
    ----------
    n_problems : int
        Problems that the planner was asked.
    n_feasible : int
        Those that have a plan at all.
    worst_ratio, mean_ratio : float
        Delay of its plans over that of the optimal ones; 1 for a planner that is optimal itself.
    """

    n_problems: int
    n_feasible: int
    worst_ratio: float
    mean_ratio: float


def check_planner(
    planner: Callable[[Problem], Plan], *, rng: np.random.Generator | None = None, n_problems: int = 60
) -> PlannerReport:
    """Ask a planner many small problems, and check each answer against the contract.

    Parameters
    ----------
    planner : callable
        Problem -> Plan; raises `InfeasibleError` where there is no plan.
    rng : numpy.random.Generator, optional
        Source of the problems; a fixed one by default, so that a failure can be repeated.
    n_problems : int
        How many problems, all delay models in turn.

    Returns
    -------
    PlannerReport
        How far the planner is from optimal.

    Raises
    ------
    AssertionError
        When an answer is not a `Plan`, does not fit its problem, breaks a constraint, differs when the same problem is
        asked again, changes the problem, or when the planner gives up on a problem that has a plan, or fails to raise
        `InfeasibleError` on one that has none.
    """
    rng = np.random.default_rng(20260406) if rng is None else rng
    ratios: list[float] = []
    for number, problem in enumerate(sample_problems(rng, n_problems)):
        before = _fingerprint(problem)
        answers = [_ask(planner, problem, number) for _ in range(2)]
        _require(_fingerprint(problem) == before, number, "changed its problem")
        _require(answers[0] == answers[1], number, f"answered differently when asked again: {answers}")
        best = _optimum(problem)
        answer = answers[0]
        if best is None:
            _require(answer is None, number, "must raise InfeasibleError: no plan meets the constraints")
            continue
        if answer is None:
            raise AssertionError(f"problem {number}: gave up, although {best} s can be reached")
        cost = evaluate(problem, answer)
        broken = "; ".join(violation.message for violation in cost.violations)
        _require(not cost.violations, number, f"broke a constraint: {broken}")
        ratios.append(cost.total_s / best)
    return PlannerReport(
        n_problems=n_problems,
        n_feasible=len(ratios),
        worst_ratio=max(ratios, default=1.0),
        mean_ratio=float(np.mean(ratios)) if ratios else 1.0,
    )


def sample_problems(rng: np.random.Generator, n_problems: int) -> Iterator[Problem]:
    """Yield small problems of every kind: all delay models, relays or none, tight memory, one in ten infeasible."""
    models = list(DELAY_MODELS)
    for number in range(n_problems):
        n_nodes, n_layers = int(rng.integers(1, 5)), int(rng.integers(4, 9))
        speed = rng.uniform(0.01, 0.2, n_nodes)
        needed_bytes = 100.0 * n_layers / n_nodes
        room = 0.5 if number % 10 == 9 else rng.uniform(1.6, 4.0)
        yield Problem(
            compute_s=speed[:, None] * rng.uniform(0.8, 1.2, n_layers),
            activation_bytes=np.append(rng.uniform(1e5, 1e6, n_layers - 1), 256.0),
            layer_memory_bytes=np.full(n_layers, 100.0),
            memory_bytes=np.full(n_nodes, max(room * needed_bytes, 100.0 if room > 1 else 0.0)),
            rate_bps=rng.uniform(1e7, 1e9, n_nodes - int(rng.random() < 0.3)),
            input_bytes=float(rng.uniform(1e5, 1e6)),
            input_rate_bps=float(rng.uniform(1e7, 1e9)) if rng.random() < 0.5 else np.inf,
            n_batches=int(rng.integers(1, 100)),
            codec_ratio=np.array([0.05, 0.25, 1.0]),
            codec_accuracy=np.array([0.95, 0.98, 0.99]),
            min_accuracy=float(rng.choice([0.9, 0.97, 0.985])),
            codec_loss=np.array([0.04, 0.01, 0.0]),
            max_loss=float(rng.choice([0.0, 0.02, 0.09])),
            rule=str(rng.choice(["per-hop", "per-hop", "cumulative"])),
            max_compute_nodes=None if rng.random() < 0.7 else int(rng.integers(1, n_nodes + 1)),
            memory_overhead_bytes=np.full(n_nodes, rng.choice([0.0, 5.0])),
            encode_s_per_byte=np.full(n_nodes, rng.choice([0.0, 1e-8])),
            decode_s_per_byte=np.full(n_nodes, rng.choice([0.0, 1e-8])),
            relay=bool(rng.random() < 0.5),
            delay_model=models[number % len(models)],
        )


def _ask(planner: Callable[[Problem], Plan], problem: Problem, number: int) -> Plan | None:
    try:
        answer: Any = planner(problem)
    except InfeasibleError:
        return None
    except Exception as error:
        raise AssertionError(f"problem {number}: raised {type(error).__name__}: {error}") from error
    _require(isinstance(answer, Plan), number, f"must return a Plan, returned {type(answer).__name__}")
    fits = answer.n_nodes == problem.n_nodes and answer.n_layers == problem.n_layers
    _require(fits, number, f"must plan {problem.n_nodes} nodes and {problem.n_layers} layers, returned {answer}")
    return answer  # type: ignore[no-any-return]


def _optimum(problem: Problem) -> float | None:
    try:
        return plan_by_name(problem, planner="optimal").cost.total_s
    except InfeasibleError:
        return None


def _fingerprint(problem: Problem) -> tuple[object, ...]:
    values = (getattr(problem, name) for name in problem.__dataclass_fields__)
    return tuple(value.tobytes() if isinstance(value, np.ndarray) else value for value in values)


def _require(holds: bool, number: int, fault: str) -> None:
    if not holds:
        raise AssertionError(f"problem {number}: {fault}")
