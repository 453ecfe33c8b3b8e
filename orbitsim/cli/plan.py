"""`orbitsim plan`: the best split of a model over a route, from a problem file."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orbitsim.cli.terminal import warn

if TYPE_CHECKING:
    from orbitsim.plan.problem import Problem
    from orbitsim.types.plan import PlanResult

NAME = "plan"
EXAMPLE = (
    "Examples: [bold]orbitsim plan problem.json --verify[/bold] · "
    "[bold]orbitsim plan problem.json --front --format json[/bold]"
)


class PlanFormat(StrEnum):
    """How a plan is printed."""

    TABLE = "table"
    JSON = "json"


class Model(StrEnum):
    """Delay models."""

    EXACT = "exact"
    PAPER = "paper"
    SEQUENTIAL = "sequential"
    SERIAL = "serial"


def command(
    problem: Annotated[
        Path, typer.Argument(metavar="PROBLEM", help="A JSON file that describes route, model and codec.")
    ],
    delay_model: Annotated[Model | None, typer.Option("--delay-model", help="Instead of the file's.")] = None,
    planner: Annotated[
        str, typer.Option("--planner", help="A built-in planner, or module:Name of your own.")
    ] = "optimal",
    verify: Annotated[bool, typer.Option("--verify", help="Simulate the plan on the static route.")] = False,
    show_front: Annotated[
        bool, typer.Option("--front", help="All Pareto-optimal plans: delay, throughput, bytes, energy.")
    ] = False,
    trace: Annotated[bool, typer.Option("--trace", help="Show how bound and incumbent converge.")] = False,
    fmt: Annotated[PlanFormat, typer.Option("--format", help="How to print the plan.")] = PlanFormat.TABLE,
) -> None:
    """Plan a problem: layers of every node and ratio of every hop, with the proof of optimality."""
    from orbitsim.errors import InputError
    from orbitsim.pipeline.single_plan import checked, simulated_total_s
    from orbitsim.plan.answer import plan_record
    from orbitsim.plan.problem_file import read_problem
    from orbitsim.plan.user_planner import planner_named

    task = read_problem(problem)
    if delay_model is not None:
        task = replace(task, delay_model=delay_model.value)
    if show_front:
        if verify or trace or planner != "optimal":
            raise InputError("expected --front without --verify, --trace and --planner: it shows plans of its own")
        _print_front(task, fmt)
        return
    result = checked(planner_named(planner)(task))
    answer = plan_record(result)
    if verify:
        answer["simulated_s"] = simulated_total_s(task, result.plan)
        if task.delay_model == "paper":
            warn("note", "the paper's delay model is an approximation; the simulation overlaps computing and sending")
    if trace:
        answer["trace"] = [step._asdict() for step in result.trace]
    if fmt is PlanFormat.JSON:
        json.dump(answer, sys.stdout, indent=1, allow_nan=False)
        sys.stdout.write("\n")
    else:
        _print_plan(task, result, answer)


def _print_plan(task: Problem, result: PlanResult, answer: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from orbitsim.plan.answer import HEADINGS, headline, node_rows

    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    for line in headline(task, result):
        console.print(escape(line))
    table = Table()
    table.add_column(HEADINGS[0])
    for heading in HEADINGS[1:]:
        table.add_column(escape(heading), justify="right")
    for row in node_rows(task, result):
        table.add_row(*(escape(cell) for cell in row))
    console.print(table)
    if "simulated_s" in answer:
        difference = answer["simulated_s"] - answer["total_s"]
        console.print(f"simulated {answer['simulated_s']:.10f} s ({difference:+.3g} s)")
    if "trace" in answer:
        steps = Table(title="convergence", title_justify="left")
        for heading in ("step", "lower bound [s]", "incumbent [s]"):
            steps.add_column(escape(heading), justify="right")
        for step in result.trace:
            steps.add_row(str(step.step), f"{step.lower_bound_s:.10g}", f"{step.incumbent_s:.10g}")
        console.print(steps)


def _print_front(task: Problem, fmt: PlanFormat) -> None:
    from orbitsim.plan.front import front, front_table

    table = front_table(front(task))
    if fmt is PlanFormat.JSON:
        records = json.loads(table.to_json(orient="records", double_precision=15))
        json.dump(records, sys.stdout, indent=1)
        sys.stdout.write("\n")
        return
    sys.stdout.write(table.to_string(index=False) + "\n")
