"""`orbitsim trace fit`: overhead, rate and bandwidth of devices, fitted to traces, and how well they predict."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orbitsim.cli.terminal import Format, FormatOption, print_rows

if TYPE_CHECKING:
    from orbitsim.types.profile import Profile
    from orbitsim.workload.cost_fit import DeviceFit
    from orbitsim.workload.fit_report import LeftOut

NAME = "fit"
EXAMPLE = (
    "Examples: [bold]orbitsim trace fit[/bold] · "
    "[bold]orbitsim trace fit published-orin-agx-vit --leave-one-out[/bold] · "
    "[bold]orbitsim trace fit mine.parquet --format json[/bold]"
)


def command(
    traces: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TRACE...", help="Trace files, or names of shipped ones. Default: all that are shipped."
        ),
    ] = None,
    leave_one_out: Annotated[
        bool,
        typer.Option(
            "--leave-one-out",
            help="Leave out each model, batch size and power mode in turn, and compare what the rest predicts.",
        ),
    ] = False,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Fit time = overhead + max(FLOP / rate, bytes / bandwidth) to each device, power mode and precision."""
    import pandas as pd

    profiles = _profiles(traces or [])
    records = _left_out(profiles) if leave_one_out else _fits(profiles)
    if not records:
        _nothing(leave_one_out=leave_one_out)
    title = (
        "Predicted from the rest" if leave_one_out else "Fitted overhead, rate and bandwidth, and the errors of the fit"
    )
    shown = [_shown_left_out(record) for record in records] if leave_one_out else [_shown_fit(r) for r in records]
    print_rows(pd.DataFrame(shown), fmt, title=title, records=records)


def _profiles(names: list[str]) -> list[Profile]:
    from orbitsim.loading.device_traces import trace_at
    from orbitsim.workload.traces import find_traces

    chosen = names or [str(path) for path in find_traces()]
    return [profile for name in chosen for profile in trace_at(name).profiles()]


def _nothing(*, leave_one_out: bool) -> None:
    from orbitsim.errors import InputError, Problem

    expected = "profiles that cover a model of the catalogue from embedding to head"
    if leave_one_out:
        expected = "two models, three batch sizes or two power modes of a device in the catalogue"
    raise InputError(Problem("TRACE", f"expected {expected}; these traces have none"))


def _fits(profiles: list[Profile]) -> list[dict[str, Any]]:
    from orbitsim.workload.fit_report import device_fits

    return [record for fit in device_fits(profiles) for record in _records_of(fit)]


def _records_of(fit: DeviceFit) -> list[dict[str, Any]]:
    import numpy as np

    head = {"device": fit.device, "power_mode": fit.power_mode, "precision": fit.precision}
    parts = [
        {
            **head,
            "part": kind,
            "n_rows": model.n_rows,
            "overhead_s": model.overhead_s,
            "rate_flop_s": _finite(model.rate_flop_s),
            "bandwidth_bytes_s": _finite(model.bandwidth_bytes_s),
            "median_error": float(np.median(np.abs(fit.row_error[kind]))),
            "max_error": float(np.max(np.abs(fit.row_error[kind]))),
            "note": "; ".join(model.fixed),
        }
        for kind, model in fit.time_models().items()
    ]
    errors = [abs(error) for error in fit.model_error.values()]
    whole = {
        **head,
        "part": "whole model",
        "n_rows": len(fit.profiles),
        "overhead_s": None,
        "rate_flop_s": None,
        "bandwidth_bytes_s": None,
        "median_error": float(np.median(errors)),
        "max_error": max(errors),
        "note": ", ".join(f"{model} batch {size} {error:+.1%}" for (model, size), error in fit.model_error.items()),
    }
    return [*parts, whole]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _shown_fit(record: dict[str, Any]) -> dict[str, Any]:
    def scaled(value: float | None, unit: float) -> str:
        return "" if value is None else f"{value / unit:.4g}" if value < 1e4 * unit else f"{value / unit:.0f}"

    return {
        "device": f"{record['device']} {record['power_mode']} {record['precision']}",
        "part": record["part"],
        "rows": record["n_rows"],
        "ms": scaled(record["overhead_s"], 1e-3),
        "GFLOP/s": scaled(record["rate_flop_s"], 1e9),
        "GB/s": scaled(record["bandwidth_bytes_s"], 1e9),
        "median": f"{record['median_error']:.1%}",
        "max": f"{record['max_error']:.1%}",
        "note": record["note"],
    }


def _left_out(profiles: list[Profile]) -> list[dict[str, Any]]:
    from orbitsim.workload.fit_report import leave_one_out

    return [_record_of_left_out(row) for row in leave_one_out(profiles)]


def _record_of_left_out(row: LeftOut) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(row)


def _shown_left_out(record: dict[str, Any]) -> dict[str, Any]:
    def percent(value: float | None) -> str:
        return "" if value is None else f"{value:+.1%}"

    beyond = "" if record["between"] else " (beyond)"
    return {
        "left out": record["question"],
        "device": record["device"],
        "power mode": record["power_mode"],
        "precision": record["precision"],
        "model": record["model"],
        "batch": record["batch_size"],
        "fitted on": f"{record['known']}{beyond}",
        "timed [s]": f"{record['timed_s']:.4g}",
        "fitted": percent(record["fitted_error"]),
        "proportional": percent(record["proportional_error"]),
        "catalogue": percent(record["catalogue_error"]),
    }
