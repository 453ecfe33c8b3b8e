"""`orbitsim profile`: every combination of threads, batch size and precision of one model on one device, to a trace."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch

from orbitsim.errors import InputError, OrbitsimError
from orbitsim.neural.dissection import EmbeddingPart
from orbitsim.neural.measurement import Combination, Measured, measure, measure_one_at_a_time
from orbitsim.neural.parts import ModelParts, largest_difference
from orbitsim.neural.profile_file import ProfileFile
from orbitsim.neural.target import PRECISIONS, Target, chosen_threads, find_target, memory_available_bytes
from orbitsim.neural.timing import BusyError, Limits
from orbitsim.neural.zoo import Weights, load_model

_USABLE_SHARE = 0.9  # of the memory that is left, for weights
_CHAIN_TOLERANCE = {torch.float32: 1e-3}  # of the values that leave the chain, against those that leave the model
_CHAIN_TOLERANCE_HALF = 0.05

Note = Callable[[str, str], None]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ProfileRequest:
    """What is to be profiled, where and how.

    Attributes
    ----------
    model : str
        As `orbitsim.neural.zoo.load_model` takes it.
    model_options : mapping
        Its further arguments.
    name : str or None
        `model` of the rows; the model's own when None.
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``.
    board, power_mode : str or None
        `device` and `power_mode` of the rows, instead of what the device says.
    threads, batch_sizes : tuple of int
        Numbers of threads (empty: all processors), and of samples.
    precisions : tuple of str
        Of `orbitsim.neural.target.PRECISIONS`.
    limits : Limits
        When to stop repeating.
    streamed : bool
        Build, time and drop one part at a time.
    allow_busy : bool
        Keep what other programs disturbed.
    """

    model: str
    model_options: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    device: str = "cpu"
    board: str | None = None
    power_mode: str | None = None
    threads: tuple[int, ...] = ()
    batch_sizes: tuple[int, ...] = (1,)
    precisions: tuple[str, ...] = ("fp32",)
    limits: Limits = field(default_factory=Limits)
    streamed: bool = False
    allow_busy: bool = False


def profile(
    request: ProfileRequest,
    out: Path | None,
    *,
    command: str,
    force: bool = False,
    resume: bool = False,
    note: Note = lambda *_: None,
    progress: Progress = lambda *_: None,
) -> ProfileFile:
    """Measure and write; after each combination the file holds all that was measured so far.

    Parameters
    ----------
    request : ProfileRequest
        What, where and how.
    out : Path or None
        Trace to write; `default_path` when None.
    command : str
        The command, for the provenance.
    force, resume : bool
        Replace a trace that is there, or go on with it.
    note, progress : callable
        Called with (label, message); with (what, done, of how many).

    Returns
    -------
    ProfileFile
        The file, complete.

    Raises
    ------
    InputError
        When something asked for is not there, or does not fit the trace that is to be gone on with.
    BusyError
        When other programs leave no quiet moment.
    """
    _check_request(request)
    target = find_target(request.device, name=request.board, power_mode=request.power_mode)
    threads = chosen_threads(request.threads, target)
    parts = _load(request, note)
    name = request.name or parts.name
    if out is None:
        out = default_path(target.name, name)
        note("trace", str(out))
    file = ProfileFile(out, _provenance(request, target, parts, name, command), force=force, resume=resume)
    asked = [
        Combination(n, batch_size, precision)
        for precision in PRECISIONS
        if precision in request.precisions
        for n in threads
        for batch_size in request.batch_sizes
    ]
    todo = [c for c in asked if not file.has(target.name, target.power_mode(c.n_threads), name, c)]
    if len(todo) < len(asked):
        note("resumed", f"{len(asked) - len(todo)} of {len(asked)} combinations were measured before")
    threads_before = torch.get_num_threads()
    try:
        for number, combination in enumerate(todo, start=1):
            if combination.n_threads:
                torch.set_num_threads(combination.n_threads)
            label = f"{name} {number}/{len(todo)}: {combination}"
            _one(request, parts, combination, target, name, file, note, partial(progress, label))
    except KeyboardInterrupt:
        if file.rows:
            note("kept", f"{out} holds every combination that was finished; go on with --resume")
        raise
    finally:
        torch.set_num_threads(threads_before)
    if not file.rows:
        raise InputError("nothing could be measured: " + "; ".join(file.failed.values()))
    return file


def default_path(board: str, model: str) -> Path:
    """Return the trace of a model on a board, in the current folder: names of traces have no spaces and slashes."""
    words = (re.sub(r"[^\w.]+", "-", word).strip("-.") for word in (board, model))
    return Path("-".join(word for word in words if word) + ".parquet")


def _check_request(request: ProfileRequest) -> None:
    unknown = [p for p in request.precisions if p not in PRECISIONS]
    if unknown or not request.precisions:
        raise InputError(f"expected --precision of {', '.join(PRECISIONS)}, got {', '.join(unknown) or 'none'}")
    if not request.batch_sizes or min(request.batch_sizes) < 1:
        raise InputError("expected --batch-size of at least 1")
    limits = request.limits
    if not (0 < limits.target_ci < 1 and 0 < limits.max_seconds < math.inf):
        raise InputError("expected --target-ci between 0 and 100 %, and --max-seconds above 0")
    if not 1 <= limits.min_repeats <= limits.max_repeats:
        raise InputError("expected --min-repeats from 1 to --max-repeats")
    if "tf32" in request.precisions and request.device == "cpu":
        raise InputError("expected the precision tf32 only with --device cuda")


def _load(request: ProfileRequest, note: Note) -> ModelParts:
    """Load the model; one of the user's own may raise whatever it likes."""
    if ":" not in request.model or Path(request.model).exists():
        return _load_at_hand(request)
    try:
        parts = _load_at_hand(request)
    except OrbitsimError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"expected {request.model} to return a torch.nn.Module, it raised {type(error).__name__}: {reason}"
        ) from error
    if not request.model_options.get("block_list"):
        embedding = cast("EmbeddingPart", parts.embedding)
        path = embedding.passages.layout.path.removeprefix("model.")
        note("blocks", f"found {len(parts.blocks)} in {path}; choose another list with --blocks")
    return parts


def _load_at_hand(request: ProfileRequest) -> ModelParts:
    """Load the model; only lay it out when its parts are built one at a time."""
    options = dict(request.model_options)
    weights: Weights = options.pop("weights", "auto")
    if request.streamed:
        return load_model(request.model, **options, weights="random", one_at_a_time=True)
    if ":" not in request.model and weights != "local":
        laid_out = load_model(request.model, **options, weights="random", one_at_a_time=True)
        need, have = 4 * laid_out.n_parameters, memory_available_bytes()
        if have is not None and need > _USABLE_SHARE * have:
            raise InputError(
                f"the weights of {laid_out.name} take {need / 1e9:.1f} GB in fp32 and {have / 1e9:.1f} GB are free; "
                "profile one part at a time with --streamed"
            )
    return load_model(request.model, **options, weights=weights)


def _one(
    request: ProfileRequest,
    parts: ModelParts,
    combination: Combination,
    target: Target,
    name: str,
    file: ProfileFile,
    note: Note,
    progress: Callable[[int, int], None],
) -> None:
    """Measure one combination and write it; a precision or size that the device cannot do is noted, and left out."""
    measure_it = measure_one_at_a_time if request.streamed else measure
    try:
        if not request.streamed:
            parts.to(target.device, PRECISIONS[combination.precision].weights)
            _check_chain(parts, combination, target)
        measured = measure_it(
            parts, combination, target, request.limits, name=name, allow_busy=request.allow_busy, progress=progress
        )
    except (BusyError, InputError):
        raise
    except RuntimeError as error:  # too little memory, and operators that a precision lacks, are kinds of it
        reason = " ".join(str(error).split())[:200]
        file.fail(str(combination), reason)
        note("left out", f"{combination}: {reason}")
        if target.device.type == "cuda":
            torch.cuda.empty_cache()
        return
    file.add(measured)
    _warn(measured, combination, note)


def _check_chain(parts: ModelParts, combination: Combination, target: Target) -> None:
    """Raise unless the parts, one after another, give what the whole model gives."""
    precision = PRECISIONS[combination.precision]
    x = parts.example_input(1, torch.Generator().manual_seed(2), target.device, precision.weights)
    with precision.active(target.device):
        difference = largest_difference(parts, x)
    tolerance = _CHAIN_TOLERANCE.get(precision.autocast or precision.weights, _CHAIN_TOLERANCE_HALF)
    if math.isfinite(difference) and difference > tolerance:
        raise InputError(
            f"the blocks of {parts.name} are not a plain chain: run one after another, their result differs from the "
            f"whole model's by {difference:.2g} of its largest value"
        )


def _warn(measured: Measured, combination: Combination, note: Note) -> None:
    check = measured.check
    if not measured.adds_up:
        note("warning", f"{combination}: the parts sum to {check['sum_over_forward']} of the whole model's time")
    if measured.is_skewed:
        note(
            "warning",
            f"{combination}: the mean of the passes is {check['mean_over_median']} of their median (other programs, or "
            "a clock that was lowered); the rows hold the mean",
        )
    if check["disturbed"]:
        note("warning", f"{combination}: other programs disturbed {check['disturbed']} of the passes that were kept")


def _provenance(request: ProfileRequest, target: Target, parts: ModelParts, name: str, command: str) -> dict[str, Any]:
    """Return what a trace is the measurement of; the same again when it is gone on with."""
    import transformers

    from orbitsim import __version__

    options = {key: value for key, value in request.model_options.items() if value is not None and value != {}}
    return {
        "tool": "orbitsim profile",
        "orbitsim": __version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "command": command,
        "device": target.name,
        "model": {
            "name": name,
            "loaded": request.model,
            "options": options,
            "kind": parts.kind,
            "output": parts.output,
            "input_shape": list(parts.input_shape),
            "n_blocks": len(parts.blocks),
            "n_parameters": parts.n_parameters,
        },
        "order": "part by part" if request.streamed else "pass by pass",
        "machine": dict(target.facts),
        "energy": target.sensors.meter.source if target.sensors.meter else None,
    }
