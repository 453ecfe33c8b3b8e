"""Measure one combination of threads, batch size and precision: the rows of its parts, and how well they add up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from orbitsim.neural.memory import peak_memory_bytes, weights_bytes
from orbitsim.neural.parts import ModelParts
from orbitsim.neural.sensors import Reading
from orbitsim.neural.target import PRECISIONS, Target
from orbitsim.neural.timing import FloatArray, Guard, Limits, Passes, time_passes
from orbitsim.types.profile import BlockKind, BlockTiming

SUM_TOLERANCE = 0.05  # by which the sum of the parts may differ from the whole model, relative to it
SKEW_TOLERANCE = 0.1  # by which the mean of the passes may differ from their median, relative to it


@dataclass(frozen=True)
class Combination:
    """What one measurement is of.

    Attributes
    ----------
    n_threads : int
        Threads of the processor; 0 on a GPU.
    batch_size : int
        Samples.
    precision : str
        One of `orbitsim.neural.target.PRECISIONS`.
    """

    n_threads: int
    batch_size: int
    precision: str

    def __str__(self) -> str:
        threads = f", {self.n_threads} thread{'s' if self.n_threads > 1 else ''}" if self.n_threads else ""
        return f"batch {self.batch_size}, {self.precision}{threads}"


@dataclass(frozen=True)
class Measured:
    """Rows of one combination, and the check of their sum; both JSON values and rows are ready to be written.

    Attributes
    ----------
    rows : tuple of BlockTiming
        Embedding, blocks, head, and the whole model where it was timed.
    check : mapping
        Sum of the parts against the whole model, repeats, passes dropped.
    """

    rows: tuple[BlockTiming, ...]
    check: dict[str, Any]

    @property
    def adds_up(self) -> bool:
        """Whether the sum of the parts is the time of the whole model within `SUM_TOLERANCE`; True if not timed."""
        ratio = self.check["sum_over_forward"]
        return ratio is None or abs(ratio - 1.0) <= SUM_TOLERANCE

    @property
    def is_skewed(self) -> bool:
        """Whether mean and median of the passes differ by more than `SKEW_TOLERANCE`: a few passes were far slower."""
        return bool(abs(self.check["mean_over_median"] - 1.0) > SKEW_TOLERANCE)


@dataclass
class _Readings:
    """Readings of the sensors, after each pass."""

    target: Target
    all: list[Reading] = field(default_factory=list)

    def take(self) -> None:
        self.all.append(self.target.sensors.read())

    def mean(self, name: str) -> float | None:
        values = [getattr(reading, name) for reading in self.all]
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if known else None

    @property
    def throttled(self) -> bool | None:
        known = [reading.throttled for reading in self.all if reading.throttled is not None]
        return any(known) if known else None


@dataclass(frozen=True)
class _Part:
    """A part with all that was found of it but its time."""

    kind: BlockKind
    index: int
    weights_bytes: int
    peak_bytes: int
    output_bytes: int
    energy_j: float | None = None


def measure(
    parts: ModelParts,
    combination: Combination,
    target: Target,
    limits: Limits,
    *,
    name: str,
    allow_busy: bool,
    progress: Callable[[int, int], None],
) -> Measured:
    """Measure a model that lies on the device whole: passes through the parts alternate with passes through the model.

    Parameters
    ----------
    parts : ModelParts
        The model, on the device and in the precision's type of weights.
    combination, target, limits
        What, where, and when to stop.
    name : str
        `model` of the rows.
    allow_busy : bool
        Keep passes that others disturbed.
    progress : callable
        Called with the passes kept and the most there may be.
    """
    if parts.whole is None:
        raise ValueError("expected a model with all its weights")
    precision = PRECISIONS[combination.precision]
    x = parts.example_input(combination.batch_size, torch.Generator().manual_seed(1), target.device, precision.weights)
    readings = _Readings(target)
    with precision.active(target.device):
        found, inputs = _without_time(parts.labels, parts.chain, x)
        whole_peak, _ = peak_memory_bytes(parts.whole, x)
        passes = time_passes(
            parts.chain, parts.whole, x, target.stopwatch, limits,
            Guard(combination.n_threads, keep_all=allow_busy), progress, readings.take,
        )  # fmt: skip
        n = len(parts.blocks)
        per_block = _energy(target, parts.blocks, inputs[1], float(passes.parts_s[:, 1:-1].sum(axis=1).mean()))
        energy = [
            _energy(target, [parts.embedding], x, float(passes.parts_s[:, 0].mean())),
            *[None if per_block is None else per_block / n] * n,  # equal blocks share the energy of a run through all
            _energy(target, [parts.head], inputs[-1], float(passes.parts_s[:, -1].mean())),
        ]
        whole_s = passes.whole_s
        if whole_s is None:
            raise AssertionError("the whole model was timed")
        whole_energy = _energy(target, [parts.whole], x, float(whole_s.mean()))
    found = [_with_energy(part, joules) for part, joules in zip(found, energy, strict=True)]
    how = _how(target, "pass by pass", passes)
    make = _row_maker(combination, target, readings, name, how)
    rows = [make(part, passes.parts_s[:, number]) for number, part in enumerate(found)]
    whole = _Part("forward", 0, weights_bytes(parts.whole), whole_peak, found[-1].output_bytes, whole_energy)
    rows.append(make(whole, whole_s))
    return Measured(tuple(rows), _check(combination, [passes]))


def measure_one_at_a_time(
    parts: ModelParts,
    combination: Combination,
    target: Target,
    limits: Limits,
    *,
    name: str,
    allow_busy: bool,
    progress: Callable[[int, int], None],
) -> Measured:
    """Measure a model part by part, each built, timed and dropped; as `measure`, without the whole model."""
    precision = PRECISIONS[combination.precision]
    x = parts.example_input(combination.batch_size, torch.Generator().manual_seed(1), target.device, precision.weights)
    rows, all_passes = [], []
    share = Limits(limits.target_ci, limits.max_seconds / len(parts.chain), limits.min_repeats, limits.max_repeats)
    for number, label in enumerate(parts.labels):
        part = parts.build_part(number, target.device, precision.weights)
        readings = _Readings(target)
        with precision.active(target.device):
            found, _ = _without_time([label], [part], x)
            passes = time_passes(
                [part], None, x, target.stopwatch, share,
                Guard(combination.n_threads, keep_all=allow_busy), lambda *_: None, readings.take,
            )  # fmt: skip
            joules = _energy(target, [part], x, float(passes.parts_s.mean()))
            x = part(x)
        make = _row_maker(combination, target, readings, name, _how(target, "part by part", passes))
        rows.append(make(_with_energy(found[0], joules), passes.parts_s[:, 0]))
        all_passes.append(passes)
        del part
        progress(number + 1, len(parts.chain))
    return Measured(tuple(rows), _check(combination, all_passes))


def _without_time(
    labels: Sequence[tuple[BlockKind, int]], chain: Sequence[nn.Module], x: Tensor
) -> tuple[list[_Part], list[Tensor]]:
    """Run the chain once: sizes and peak memory of each part, and the input of each."""
    found, inputs = [], []
    for (kind, index), part in zip(labels, chain, strict=True):
        inputs.append(x)
        peak, x = peak_memory_bytes(part, x)
        found.append(_Part(kind, index, weights_bytes(part), peak, x.numel() * x.element_size()))
    return found, [inputs[0], inputs[min(1, len(inputs) - 1)], inputs[-1]]


def _energy(target: Target, chain: Sequence[nn.Module], x: Tensor, mean_s: float) -> float | None:
    """Return the energy of one run of a chain: from as many as the meter needs to be read well [J]."""
    meter = target.sensors.meter
    if meter is None:
        return None
    n_runs = max(3, int(np.ceil(meter.shortest_s / mean_s)))
    _synchronise(target.device)
    with meter:
        begin_s, n_done = time.perf_counter(), 0
        while n_done < n_runs or time.perf_counter() - begin_s < meter.shortest_s:
            y = x
            for part in chain:
                y = part(y)
            n_done += 1
            if n_done % 16 == 0:
                _synchronise(target.device)
        _synchronise(target.device)
    return None if meter.energy_j is None else meter.energy_j / n_done


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _with_energy(part: _Part, energy_j: float | None) -> _Part:
    return _Part(part.kind, part.index, part.weights_bytes, part.peak_bytes, part.output_bytes, energy_j)


def _how(target: Target, order: str, passes: Passes) -> str:
    busy = "; others kept the machine busy" if passes.n_disturbed else ""
    return f"{target.stopwatch.how_timed}, {order}{busy}"


def _row_maker(
    combination: Combination, target: Target, readings: _Readings, name: str, how_timed: str
) -> Callable[[_Part, FloatArray], BlockTiming]:
    clock_hz, temperature_k = readings.mean("clock_hz"), readings.mean("temperature_k")
    throttled = readings.throttled

    def row(part: _Part, seconds: FloatArray) -> BlockTiming:
        return BlockTiming(
            device=target.name,
            power_mode=target.power_mode(combination.n_threads),
            model=name,
            block_kind=part.kind,
            block_index=part.index,
            batch_size=combination.batch_size,
            precision=combination.precision,
            mean_s=float(seconds.mean()),
            std_s=float(seconds.std(ddof=1)) if len(seconds) > 1 else None,
            min_s=float(seconds.min()),
            p50_s=float(np.percentile(seconds, 50)),
            p95_s=float(np.percentile(seconds, 95)),
            n_samples=len(seconds),
            activation_bytes=part.output_bytes,
            weights_bytes=part.weights_bytes,
            peak_memory_bytes=part.peak_bytes,
            energy_j=part.energy_j,
            clock_hz=clock_hz,
            temperature_k=temperature_k,
            throttled=throttled,
            origin="measured",
            how_timed=how_timed,
            samples_s=tuple(float(value) for value in seconds),
        )

    return row


def _check(combination: Combination, all_passes: Sequence[Passes]) -> dict[str, Any]:
    sum_s = float(sum(passes.parts_s.mean(axis=0).sum() for passes in all_passes))
    skew: float = max((passes.mean_over_median for passes in all_passes), key=lambda ratio: abs(ratio - 1.0))
    whole = all_passes[0].whole_s if len(all_passes) == 1 else None
    forward_s = None if whole is None else float(whole.mean())
    return {
        "threads": combination.n_threads or None,
        "batch_size": combination.batch_size,
        "precision": combination.precision,
        "sum_of_parts_s": sum_s,
        "forward_s": forward_s,
        "sum_over_forward": None if forward_s is None else round(sum_s / forward_s, 4),
        "repeats": min(len(passes.parts_s) for passes in all_passes),
        "half_interval": _rounded(max(passes.ci for passes in all_passes)),
        "mean_over_median": round(skew, 4),
        # Where each part has passes of its own, those of the part that had most.
        "dropped": max(passes.n_dropped for passes in all_passes),
        "disturbed": max(passes.n_disturbed for passes in all_passes),
    }


def _rounded(width: float) -> float | None:
    return round(width, 5) if np.isfinite(width) else None
