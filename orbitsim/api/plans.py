"""Plans from Python: the split of a model over a route, of a problem or of a scenario."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orbitsim.api.scenarios import scenario_of
from orbitsim.errors import InputError
from orbitsim.pipeline.single_plan import checked, plan_scenario, simulated_total_s
from orbitsim.plan.answer import HEADINGS, headline, node_records, node_rows
from orbitsim.plan.problem import Problem
from orbitsim.plan.problem_file import parse_problem, read_problem
from orbitsim.plan.user_planner import held_to_port, planner_named
from orbitsim.scenario import Scenario
from orbitsim.types.plan import Plan, PlanResult

if TYPE_CHECKING:
    import pandas as pd

Planner = Callable[[Problem], Plan]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Planned:
    """A problem and its plan.

    Attributes
    ----------
    problem : Problem
        What was planned.
    result : PlanResult
        The plan, what it costs, and what is proved of it.
    """

    problem: Problem
    result: PlanResult

    @property
    def total_s(self) -> float:
        """Delay of one task on an empty network, under the problem's delay model. [s]"""
        return self.result.cost.total_s

    @property
    def optimal(self) -> bool:
        """Whether it is proved that no plan is faster."""
        return self.result.optimal

    @property
    def nodes(self) -> pd.DataFrame:
        """One row for each node: layers, computing, ratio, bytes sent and transfer of one mini-batch. [s, B]"""
        import pandas as pd

        return pd.DataFrame(node_records(self.problem, self.result)).set_index("node")

    def simulate(self) -> float:
        """Simulate the plan on the static route and return the delay of the task. [s]

        Raises
        ------
        InputError
            When the task has more mini-batches than can be simulated in reasonable time.
        """
        return simulated_total_s(self.problem, self.result.plan)

    def __repr__(self) -> str:
        return f"<Planned: {'; '.join(headline(self.problem, self.result)[:2])}>"

    def _repr_html_(self) -> str:
        """Return the plan as a table for a notebook."""
        heads = "".join(f'<th scope="col">{escape(text)}</th>' for text in HEADINGS)
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>"
            for row in node_rows(self.problem, self.result)
        )
        words = "".join(f"<div>{escape(line)}</div>" for line in headline(self.problem, self.result))
        return f"{words}<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def plan(
    problem: Problem | Scenario | Mapping[str, Any] | str | Path,
    *,
    planner: str | Planner | None = None,
    delay_model: str | None = None,
    scheme: str = "collaborative",
    t_s: float = 0.0,
    settings: Mapping[str, Any] | None = None,
) -> Planned:
    """Plan the split of a model over a route.

    Parameters
    ----------
    problem : Problem, mapping, Scenario, str or Path
        A problem, its contents, or its JSON file; or a scenario, its name or its TOML file, of which the task of
        `scheme` that starts at `t_s` is planned.
    planner : str or callable, optional
        A built-in planner, ``module:Name``, or (of a problem) a callable from `Problem` to `Plan`. By default
        ``"optimal"`` of a problem, and the scenario's own of a scenario.
    delay_model : str, optional
        ``"exact"``, ``"paper"``, ``"sequential"`` or ``"serial"``, instead of the problem's or the scenario's.
    scheme : str
        Of a scenario: whose plan.
    t_s : float
        Of a scenario: when the task starts, since the epoch. [s]
    settings : mapping, optional
        Of a scenario: keys to change, as for `load_scenario`.

    Returns
    -------
    Planned
        Problem and plan, with a row for each node.

    Raises
    ------
    InputError
        When the problem or the scenario is faulty, or there is no such planner.
    InfeasibleError
        When no plan meets the constraints; says which one cannot be met.

    Examples
    --------
    >>> import orbitsim
    >>> orbitsim.plan("leo12-vitg").optimal
    True
    """
    if isinstance(problem, Scenario) or _names_a_scenario(problem):
        scenario = scenario_of(problem, _with(settings, planner, delay_model))  # type: ignore[arg-type]
        return Planned(*plan_scenario(scenario, scheme, t_s))
    if settings:
        raise InputError("expected no settings with a problem: they are for scenarios")
    task = _problem_of(problem)
    if delay_model is not None:
        task = replace(task, delay_model=delay_model)
    if callable(planner):
        ask = held_to_port(getattr(planner, "__qualname__", type(planner).__name__), planner)
    else:
        ask = planner_named(planner or "optimal")
    return Planned(task, checked(ask(task)))


def _names_a_scenario(given: object) -> bool:
    """Tell the name or file of a scenario from that of a problem: problems are JSON, and so is a run's scenario."""
    return isinstance(given, str | Path) and (Path(given).suffix != ".json" or Path(given).name == "scenario.json")


def _problem_of(given: object) -> Problem:
    if isinstance(given, Problem):
        return given
    if isinstance(given, Mapping):
        return parse_problem(given)
    if isinstance(given, str | Path):
        return read_problem(given)
    raise InputError(f"expected a problem or a scenario, got {type(given).__name__}")


def _with(
    settings: Mapping[str, Any] | None, planner: str | Planner | None, delay_model: str | None
) -> Mapping[str, Any]:
    if callable(planner):
        raise InputError("expected the planner of a scenario by name (module:Name), got a callable")
    named = {"planner.kind": planner, "planner.delay_model": delay_model}
    return {key: value for key, value in named.items() if value is not None} | dict(settings or {})
