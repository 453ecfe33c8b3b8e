"""`orbitsim trace replay`: a recorded split run beside its simulation."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orbitsim.cli.terminal import Format, FormatOption, print_rows

if TYPE_CHECKING:
    from orbitsim.pipeline.split_replay import SplitReplay
    from orbitsim.workload.split_run import SplitRun

NAME = "replay"
EXAMPLE = "Example: [bold]orbitsim trace replay split.json[/bold], recorded with record_jetson.py --pipeline"


class Isolated(StrEnum):
    """How the stages were timed by themselves."""

    TOGETHER = "together"
    ALONE = "alone"


def command(
    run: Annotated[str, typer.Argument(metavar="SPLIT.json", help="What record_jetson.py --pipeline wrote.")],
    fmt: FormatOption = Format.TABLE,
    isolated: Annotated[
        Isolated | None,
        typer.Option("--isolated", help="Predict from stage times taken on all hosts together, or one after another."),
    ] = None,
    n_runs: Annotated[int, typer.Option("--runs", min=2, help="Simulations with drawn stage times.")] = 100,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the drawn stage times.")] = 1,
) -> None:
    """Simulate a recorded split run and compare makespan and delays with the record."""
    from orbitsim.pipeline.split_replay import replay_split
    from orbitsim.workload.split_run import read_split_run

    recorded = read_split_run(run)
    replayed = replay_split(recorded, condition=isolated.value if isolated else None, n_runs=n_runs, seed=seed)
    records = replay_records(replayed)
    print_rows(_table(replayed), fmt, title=_title(recorded), records=records)
    if fmt is Format.TABLE:
        sys.stdout.write("\n".join(_explanation(recorded, replayed)) + "\n")


def replay_records(replayed: SplitReplay) -> list[dict[str, Any]]:
    """Return one row for each method and figure, as CSV and JSON hold them."""
    rows: list[dict[str, Any]] = []
    truth = replayed.recorded
    for comparison in replayed.comparisons:
        for figure, recorded_s in truth.delays_s.items():
            low, high = (comparison.interval_s or {}).get(figure, (None, None))
            rows.append(
                {
                    "method": comparison.method,
                    "basis": comparison.basis,
                    "figure": f"{figure}_s",
                    "recorded": recorded_s,
                    "simulated": comparison.simulated.delays_s[figure],
                    "low": low,
                    "high": high,
                    "relative_error": comparison.error[figure],
                }
            )
        for k, share in enumerate(comparison.simulated.utilisation):
            rows.append(
                {
                    "method": comparison.method,
                    "basis": comparison.basis,
                    "figure": f"utilisation_stage_{k}",
                    "recorded": truth.utilisation[k],
                    "simulated": share,
                    "low": None,
                    "high": None,
                    "relative_error": share / truth.utilisation[k] - 1.0,
                }
            )
    return rows


def _table(replayed: SplitReplay) -> Any:
    import pandas as pd

    truth = replayed.recorded
    names = {"makespan": "makespan, s", "mean": "mean delay, s"}
    lines: list[dict[str, str]] = []
    for figure, recorded_s in truth.delays_s.items():
        line = {"": names.get(figure, f"{figure.upper()} delay, s"), "recorded": f"{recorded_s:.6g}"}
        for comparison in replayed.comparisons:
            line[_heading(comparison.basis, comparison.method)] = (
                f"{comparison.simulated.delays_s[figure]:.6g} ({comparison.error[figure]:+.2%})"
            )
        lines.append(line)
    for k, share in enumerate(truth.utilisation):
        line = {"": f"utilisation of stage {k}", "recorded": f"{share:.2%}"}
        for comparison in replayed.comparisons:
            line[_heading(comparison.basis, comparison.method)] = f"{comparison.simulated.utilisation[k]:.2%}"
        lines.append(line)
    return pd.DataFrame(lines)


def _heading(basis: str, method: str) -> str:
    return f"{basis}, {method}"


def _title(run: SplitRun) -> str:
    blocks = "/".join(str(cut) for cut in run.cuts)
    return (
        f"{run.model}, {run.precision}, {run.n_batches} mini-batches of {run.batch_size}, "
        f"{len(run.stages)} stages (cut after {blocks} blocks)"
    )


def _explanation(run: SplitRun, replayed: SplitReplay) -> list[str]:
    error_s = max(stage.clock_error_s for stage in run.stages)
    return [
        "recorded: on the first host's clock alone, from the start of the run to each result.",
        f"predicted: from stage times ({replayed.condition}) and links measured before it; no time of the run used.",
        "replayed: with the durations of the run itself, in order; it tests queueing only and predicts nothing.",
        f"Clocks of the hosts agree to {error_s:.2g} s; only the replayed column depends on that.",
    ]
