"""`orbitsim codec backbone`: a small vision transformer from scratch, for codecs to be measured on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from orbitsim.cli.codec_train import command_line, resumable
from orbitsim.cli.terminal import progress_bar, warn
from orbitsim.results.files import check_place

NAME = "backbone"
EXAMPLE = (
    "Example: [bold]orbitsim codec backbone --model vit-tiny-48 --data images --out vit --precision bf16[/bold] and "
    "then [bold]orbitsim codec train --model vit/backbone ...[/bold]"
)


def command(
    data: Annotated[str, typer.Option("--data", metavar="FOLDER", help="Images: one sub-folder a class.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for weights, measures and checkpoint.")],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="NAME",
            help="vit-tiny-48, vit-small-48, vit-base-48, vit-48-w48, -w64, -w96, -w64-d12, or vit-micro-16.",
        ),
    ] = "vit-tiny-48",
    epochs: Annotated[int, typer.Option("--epochs", help="Passes over the images.")] = 60,
    batch_size: Annotated[int, typer.Option("--batch-size", help="Images of one step.")] = 32,
    patience: Annotated[int, typer.Option("--patience", help="Epochs without gain before the end; 0: never.")] = 0,
    rate: Annotated[float, typer.Option("--rate", metavar="X", help="Peak learning rate.")] = 1e-3,
    weight_decay: Annotated[float, typer.Option("--weight-decay", help="Of matrices.")] = 0.05,
    smoothing: Annotated[float, typer.Option("--smoothing", help="Of labels.")] = 0.1,
    mix_alpha: Annotated[float, typer.Option("--mix-alpha", help="Of mixup and cutmix; 0 for none.")] = 0.2,
    held_out: Annotated[float, typer.Option("--held-out", metavar="SHARE", help="Of each class.")] = 0.2,
    per_class: Annotated[int | None, typer.Option("--per-class", min=2, help="Only so many images a class.")] = None,
    precision: Annotated[str, typer.Option("--precision", help="fp32, bf16, or fp16 on CUDA.")] = "fp32",
    device: Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:N.")] = "cpu",
    threads: Annotated[int, typer.Option("--threads", help="Processor threads; part of what fixes every bit.")] = 1,
    seed: Annotated[int, typer.Option("--seed", help="Of weights, split, augmentation and mixing.")] = 1,
    checkpoint_every: Annotated[
        float, typer.Option("--checkpoint-every", metavar="SECONDS", help="Longest time between checkpoints.")
    ] = 60.0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the checkpoint in --out.")] = False,
) -> None:
    """Train a small vision transformer from scratch, and keep the best state on the held-out images."""
    from orbitsim.neural.extra import require_neural

    require_neural()
    from orbitsim.neural.training.train_backbone import BackboneRequest, train_backbone

    request = BackboneRequest(
        model=model, data=data, n_epochs=epochs, batch_size=batch_size, patience=patience, rate=rate,
        weight_decay=weight_decay, smoothing=smoothing, mix_alpha=mix_alpha, precision=precision, seed=seed,
        checkpoint_every_s=checkpoint_every, held_out=held_out, per_class=per_class, device=device, threads=threads,
    )  # fmt: skip
    check_place(out, "--out")
    with resumable(out), progress_bar() as report:
        content = train_backbone(request, out, command=command_line(), resume=resume, report=report, note=warn)

    from rich.console import Console

    best, last = content["best"]["accuracy"], content["last"]["accuracy"]
    words = (
        f"{out}: {content['model']}, {content['n_parameters'] / 1e6:.2f} M parameters; held-out accuracy {best:.2%} "
        f"after epoch {content['best_epoch']} (kept), {last:.2%} after the last"
    )
    Console(width=None if sys.stdout.isatty() else 120, highlight=False).print(words)
