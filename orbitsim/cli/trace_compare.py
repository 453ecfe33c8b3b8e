"""`orbitsim trace compare`: two traces side by side, block by block."""

from __future__ import annotations

from typing import Annotated

import typer

from orbitsim.cli.terminal import Format, FormatOption, print_rows

NAME = "compare"
EXAMPLE = (
    "Examples: [bold]orbitsim trace compare monday.parquet friday.parquet[/bold] · "
    "[bold]orbitsim trace compare 15w.parquet 30w.parquet --ignore power-mode --format csv[/bold]"
)


def command(
    a: Annotated[str, typer.Argument(metavar="A", help="A trace (Parquet), or the name of a shipped one.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    fmt: FormatOption = Format.TABLE,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="FIELD", help="Pass over device, power-mode, model, batch-size or precision."),
    ] = None,
) -> None:
    """Compare matching profiles of two traces: ratio B/A of each block, and whether it is more than noise."""
    import pandas as pd

    from orbitsim.loading.device_traces import trace_at
    from orbitsim.workload.trace_compare import compare_profiles

    ignored = [name.strip().replace("-", "_") for names in ignore or () for name in names.split(",")]
    found = compare_profiles(trace_at(a).profiles(), trace_at(b).profiles(), ignore=ignored)
    records: list[dict[str, object]] = []
    for comparison in found:
        one, other = comparison.a, comparison.b
        for difference in comparison.differences:
            records.append(  # noqa: PERF401
                {
                    "device_a": one.device,
                    "device_b": other.device,
                    "power_mode_a": one.power_mode,
                    "power_mode_b": other.power_mode,
                    "model_a": one.model,
                    "model_b": other.model,
                    "batch_size_a": one.batch_size,
                    "batch_size_b": other.batch_size,
                    "precision_a": one.precision,
                    "precision_b": other.precision,
                    "part": difference.name,
                    "mean_a_s": difference.a_s,
                    "mean_b_s": difference.b_s,
                    "ratio": difference.ratio,
                    "p_value": difference.p_value,
                }
            )
    columns = ("device", "power_mode", "model", "batch_size", "precision")
    shown = pd.DataFrame(
        {
            "profile": [" ".join(_either(record, name) for name in columns) for record in records],
            "part": [record["part"] for record in records],
            "A [ms]": [f"{1e3 * float(str(record['mean_a_s'])):.4f}" for record in records],
            "B [ms]": [f"{1e3 * float(str(record['mean_b_s'])):.4f}" for record in records],
            "B/A": [f"{float(str(record['ratio'])):.4f}" for record in records],
            "p": ["" if record["p_value"] is None else f"{float(str(record['p_value'])):.2g}" for record in records],
        }
    )
    print_rows(shown, fmt, title=f"{a} (A) and {b} (B)", records=records)


def _either(record: dict[str, object], name: str) -> str:
    one, other = str(record[f"{name}_a"]), str(record[f"{name}_b"])
    return one if one == other else f"{one}>{other}"
