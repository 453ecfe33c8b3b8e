"""`orbitsim profile`: time the blocks of a model on the machine at hand."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from orbitsim.cli.terminal import progress_bar, warn
from orbitsim.errors import InputError

if TYPE_CHECKING:
    from orbitsim.neural.profile_file import ProfileFile

NAME = "profile"
EXAMPLE = (
    "Examples: [bold]orbitsim profile vit-b --device cpu[/bold] · "
    "[bold]orbitsim profile vit-b --threads 1,2 --batch-size 1,8 --out vit-b.parquet[/bold] · "
    "[bold]orbitsim profile gpt2 --device cuda --precision fp16,bf16 --seq-len 512 --out gpt2.parquet[/bold]"
)

Value = TypeVar("Value")


class WeightsOption(StrEnum):
    """Which weights a model gets."""

    AUTO = "auto"
    RANDOM = "random"
    LOCAL = "local"


def command(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A model of the catalogue; a model_type of transformers; a folder or JSON file with a configuration; "
            "org/model of the hub; or module:factory.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Trace to write (Parquet); BOARD-MODEL.parquet here when omitted."),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:N.")] = "cpu",
    threads: Annotated[
        str | None, typer.Option("--threads", metavar="N,N", help="Processor threads; all when omitted.")
    ] = None,
    batch_size: Annotated[str, typer.Option("--batch-size", metavar="N,N", help="Samples of a mini-batch.")] = "1",
    precision: Annotated[
        str,
        typer.Option("--precision", metavar="P,P", help="fp32, tf32, fp16, bf16, autocast-bf16, autocast-fp16."),
    ] = "fp32",
    board: Annotated[
        str | None, typer.Option("--board", metavar="NAME", help="Name of the device in the trace.")
    ] = None,
    power_mode: Annotated[
        str | None, typer.Option("--power-mode", metavar="NAME", help="Name of its power mode in the trace.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the model in the trace.")] = None,
    weights: Annotated[WeightsOption, typer.Option("--weights", help="Local ones where a folder has them.")] = (
        WeightsOption.AUTO
    ),
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--config", metavar="KEY=VALUE", help="Change the configuration, num_hidden_layers=2; repeatable."
        ),
    ] = None,
    image_px: Annotated[int | None, typer.Option("--image-px", min=1, help="Side of the images.")] = None,
    seq_len: Annotated[int | None, typer.Option("--seq-len", min=1, help="Tokens of a sequence.")] = None,
    block_list: Annotated[
        str | None, typer.Option("--blocks", metavar="PATH", help="List of blocks in a module of your own.")
    ] = None,
    input_shape: Annotated[
        str | None, typer.Option("--input-shape", metavar="N,N", help="One sample of a module of your own.")
    ] = None,
    target_ci: Annotated[
        str, typer.Option("--target-ci", metavar="SHARE", help="Repeat until the 95 % interval is this narrow.")
    ] = "1%",
    max_seconds: Annotated[float, typer.Option("--max-seconds", help="Or until this time, per combination.")] = 30.0,
    max_repeats: Annotated[int, typer.Option("--max-repeats", min=1, help="Or this often.")] = 200,
    min_repeats: Annotated[int, typer.Option("--min-repeats", min=1, help="But at least this often.")] = 4,
    streamed: Annotated[
        bool, typer.Option("--streamed", help="Build, time and drop one part at a time: models larger than memory.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Seed of random weights.")] = 1,
    allow_busy: Annotated[
        bool, typer.Option("--allow-busy", help="Keep what other programs disturbed, and mark it.")
    ] = False,
    allow_download: Annotated[
        bool, typer.Option("--allow-download", help="Download a model of the hub that is not in its cache.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a trace that is there.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a trace that was interrupted.")] = False,
) -> None:
    """Time embedding, blocks and head of a model on this machine, and write a trace."""
    # Read before torch is loaded: a typing error should be answered at once.
    asked_threads = _listed("--threads", threads, int, "whole numbers") if threads else ()
    batch_sizes = _listed("--batch-size", batch_size, int, "whole numbers")
    shape = _listed("--input-shape", input_shape, int, "whole numbers", is_set=False) if input_shape else None
    share = _share(target_ci)
    values = dict(_setting(text) for text in settings or ())

    from orbitsim.neural.extra import require_neural

    require_neural()
    from orbitsim.neural.profile import ProfileRequest, profile
    from orbitsim.neural.timing import Limits

    request = ProfileRequest(
        model=model,
        model_options={
            "weights": weights.value, "image_px": image_px, "seq_len": seq_len, "seed": seed, "settings": values,
            "block_list": block_list, "input_shape": shape, "allow_download": allow_download,
        },
        name=name,
        device=device,
        board=board,
        power_mode=power_mode,
        threads=asked_threads,
        batch_sizes=batch_sizes,
        precisions=_listed("--precision", precision, str, "names"),
        limits=Limits(share, max_seconds, min_repeats, max_repeats),
        streamed=streamed,
        allow_busy=allow_busy,
    )  # fmt: skip
    with progress_bar() as report:
        file = profile(request, out, command=_command(out), force=force, resume=resume, note=warn, progress=report)
    _print_checks(file)


def _command(out: Path | None) -> str:
    """Return the command as it was given, with the name of the trace in place of its path."""
    if out is None:
        return shlex.join(["orbitsim", *sys.argv[1:]])
    words = [out.name if word == str(out) else word.replace(f"={out}", f"={out.name}") for word in sys.argv[1:]]
    return shlex.join(["orbitsim", *words])


def _listed(
    option: str, text: str, convert: Callable[[str], Value], expected: str, *, is_set: bool = True
) -> tuple[Value, ...]:
    try:
        values = tuple(convert(word.strip()) for word in text.split(","))
    except ValueError as error:
        raise InputError(f"expected {option} as {expected} with commas between, got {text!r}") from error
    if "" in values:
        raise InputError(f"expected {option} as {expected} with commas between, got {text!r}")
    if is_set and len(set(values)) < len(values):
        raise InputError(f"expected each value of {option} once, got {text!r}")
    return values


def _share(text: str) -> float:
    is_percent = text.strip().endswith("%")
    try:
        value = float(text.strip().removesuffix("%"))
    except ValueError as error:
        raise InputError(f"expected --target-ci as a share, 0.01 or 1%, got {text!r}") from error
    return value / 100.0 if is_percent else value


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InputError(f"expected --config KEY=VALUE, got {text!r}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _print_checks(file: ProfileFile) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{file.path}: {len(file.rows)} rows", title_justify="left")
    headings = (
        "threads",
        "batch",
        "precision",
        "sum of parts [s]",
        "whole model [s]",
        "ratio",
        "n",
        "±95 %",
        "dropped",
    )
    for heading in headings:
        table.add_column(heading.replace("[", r"\["), justify="right")
    for check in file.checks:
        width = check["half_interval"]
        cells = (
            check["threads"], check["batch_size"], check["precision"], f"{check['sum_of_parts_s']:.6g}",
            None if check["forward_s"] is None else f"{check['forward_s']:.6g}", check["sum_over_forward"],
            check["repeats"], None if width is None else f"{100 * width:.2f} %", check["dropped"],
        )  # fmt: skip
        table.add_row(*("" if cell is None else str(cell) for cell in cells))
    Console(width=None if sys.stdout.isatty() else 120, highlight=False).print(table)
