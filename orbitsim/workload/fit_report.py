"""How well times are predicted that were left out: of another model, another batch size, another power mode.

Every prediction stands beside what a simpler rule would have said, and nothing is adjusted to what it predicts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Literal, cast, get_args

import numpy as np

from orbitsim import catalog
from orbitsim.catalog import BYTES_PER_VALUE, Device, Figure, Precision
from orbitsim.errors import InputError
from orbitsim.types.profile import Profile
from orbitsim.workload.cost_fit import DeviceFit, fit_device, part_work
from orbitsim.workload.cost_times import known_graphs, layer_times
from orbitsim.workload.fit import fit_time_model
from orbitsim.workload.models import ModelGraph

Question = Literal["model", "batch", "power-mode", "whole-model"]
QUESTIONS: tuple[Question, ...] = get_args(Question)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A time that was left out, and what was predicted for it; errors are predicted over timed time, less 1.

    Attributes
    ----------
    question : {'model', 'batch', 'power-mode', 'whole-model'}
        What the left-out time differed in from those that were fitted; ``whole-model`` as ``model``, from times of
        whole models instead of their parts.
    device, power_mode, precision, model : str
        What was left out.
    batch_size : int
        Its samples in a mini-batch.
    known : str
        What was fitted: models, batch sizes, or a power mode.
    timed_s : float
        Time of the whole model on a mini-batch: the sum of its parts. [s]
    fitted_error : float
        Of the fit.
    proportional_error : float
        Of the simpler rule: proportional to FLOP (model), to samples (batch), or to peak rates (power mode).
    catalogue_error : float or None
        Of the catalogue's rate for the device; None where it has none, or was made from this very figure.
    between : bool
        Whether the batch size lay between fitted ones.
    """

    question: Question
    device: str
    power_mode: str
    precision: str
    model: str
    batch_size: int
    known: str
    timed_s: float
    fitted_error: float
    proportional_error: float
    catalogue_error: float | None = None
    between: bool = True


def device_fits(profiles: Iterable[Profile]) -> list[DeviceFit]:
    """Fit every device, power mode and precision that the profiles have blocks of."""
    at_hand = list(profiles)
    graphs = known_graphs({profile.model for profile in at_hand})
    keys = dict.fromkeys((p.device, p.power_mode, p.precision) for p in at_hand)
    fits = (fit_device(at_hand, graphs, *key, _peak_flop_s(*key)) for key in keys)
    return [fit for fit in fits if fit is not None]


def leave_one_out(profiles: Iterable[Profile]) -> list[LeftOut]:
    """Leave out whatever can be left out of the profiles, one thing at a time, and predict it from the rest.

    Parameters
    ----------
    profiles : iterable of Profile
        Of any devices; models that the catalogue does not know are passed over.

    Returns
    -------
    list of LeftOut
        By question, then in the order of the profiles.
    """
    at_hand = list(profiles)
    graphs = known_graphs({profile.model for profile in at_hand})
    known = [p for p in at_hand if p.model in graphs and p.precision in BYTES_PER_VALUE]
    groups: dict[tuple[str, str, str], list[Profile]] = {}
    whole: dict[tuple[str, str, str], list[Profile]] = {}
    for profile in known:
        chosen = groups if profile.covers_model and profile.n_layers == graphs[profile.model].n_layers else whole
        if chosen is groups or (profile.forward is not None and not profile.blocks):
            chosen.setdefault((profile.device, profile.power_mode, profile.precision), []).append(profile)
    found: list[LeftOut] = []
    for key, group in groups.items():
        found += _models(key, group, graphs)
    for key, group in groups.items():
        found += _batches(key, group, graphs)
    for (origin, source), (target, left_out) in permutations(groups.items(), 2):
        if (origin[0], origin[2]) == (target[0], target[2]):
            found += _power_modes(origin, source, target, left_out, graphs)
    for key, group in whole.items():
        found += _whole_models(key, group, graphs)
    return sorted(found, key=lambda row: QUESTIONS.index(row.question))


def _models(key: tuple[str, str, str], group: Sequence[Profile], graphs: Mapping[str, ModelGraph]) -> Iterator[LeftOut]:
    for name in dict.fromkeys(profile.model for profile in group):
        rest = [profile for profile in group if profile.model != name]
        fit = fit_device(rest, graphs, *key, _peak_flop_s(*key))
        if fit is None:
            continue
        models = ", ".join(dict.fromkeys(profile.model for profile in rest))
        for profile in (p for p in group if p.model == name):
            graph, batch_size = graphs[name], profile.batch_size
            nearest = min(_distance(p, batch_size) for p in rest)
            rates = [
                graphs[p.model].total_flop * p.batch_size / _timed_s(p)
                for p in rest
                if _distance(p, batch_size) == nearest
            ]
            by_flop_s = batch_size * graph.total_flop / _geometric_mean(rates)
            yield _row("model", profile, models, float(fit.layer_s(graph, batch_size).sum()), by_flop_s, graph)


def _batches(
    key: tuple[str, str, str], group: Sequence[Profile], graphs: Mapping[str, ModelGraph]
) -> Iterator[LeftOut]:
    for profile in group:
        rest = [p for p in group if p.model == profile.model and p.batch_size != profile.batch_size]
        sizes = sorted({p.batch_size for p in rest})
        fit = fit_device(rest, graphs, *key, _peak_flop_s(*key))
        if fit is None or len(sizes) < 2:
            continue
        graph = graphs[profile.model]
        nearest = min(rest, key=lambda p: (_distance(p, profile.batch_size), -p.batch_size))
        yield _row(
            "batch",
            profile,
            f"batch {', '.join(map(str, sizes))}",
            float(fit.layer_s(graph, profile.batch_size).sum()),
            _timed_s(nearest) * profile.batch_size / nearest.batch_size,
            graph,
            between=sizes[0] < profile.batch_size < sizes[-1],
        )


def _power_modes(
    origin: tuple[str, str, str],
    source: Sequence[Profile],
    target: tuple[str, str, str],
    left_out: Sequence[Profile],
    graphs: Mapping[str, ModelGraph],
) -> Iterator[LeftOut]:
    old, new = _device(*origin[:2]), _device(*target[:2])
    fit = fit_device(source, graphs, *origin, _peak_flop_s(*origin))
    scaled = fit and old and new and scaled_to(fit, old, new)
    if not scaled:
        return
    rate = _peak_flop_s(*target) / _peak_flop_s(*origin)
    for profile in left_out:
        twins = [p for p in source if (p.model, p.batch_size) == (profile.model, profile.batch_size)]
        if twins:
            graph = graphs[profile.model]
            fitted_s = float(scaled.layer_s(graph, profile.batch_size).sum())
            yield _row("power-mode", profile, origin[1], fitted_s, _timed_s(twins[0]) / rate, graph)


def scaled_to(fit: DeviceFit, old: Device, new: Device) -> DeviceFit | None:
    """Return the fit of one power mode as it would be in another of the same board.

    Rates go with the peak, bandwidths with the peak bandwidth, overheads with the clock of the processor that launches.

    Parameters
    ----------
    fit : DeviceFit
        Of `old`.
    old, new : Device
        Two power modes in the catalogue.

    Returns
    -------
    DeviceFit or None
        None where the catalogue lacks one of these figures.
    """
    precision = cast("Precision", fit.precision)
    pairs = (
        (old.peak_flop_s.get(precision), new.peak_flop_s.get(precision)),
        (old.bandwidth_bytes_s, new.bandwidth_bytes_s),
        (new.host_clock_hz, old.host_clock_hz),
    )
    ratios = [new_figure.value / old_figure.value for old_figure, new_figure in pairs if old_figure and new_figure]
    if len(ratios) < len(pairs):
        return None
    return fit.scaled(rate=ratios[0], bandwidth=ratios[1], overhead=ratios[2])


def _whole_models(
    key: tuple[str, str, str], group: Sequence[Profile], graphs: Mapping[str, ModelGraph]
) -> Iterator[LeftOut]:
    def columns(profiles: Sequence[Profile]) -> list[list[float]]:
        works = [part_work(graphs[p.model], p.precision, p.batch_size) for p in profiles]
        return [
            [sum(float(part.flop.sum()) for part in work.values()) for work in works],
            [sum(float(part.moved_bytes.sum()) for part in work.values()) for work in works],
            [float(graphs[p.model].n_layers) for p in profiles],
        ]

    for profile in group:
        rest = [p for p in group if p.model != profile.model]
        if len({p.model for p in rest}) < 2:
            continue
        flop, moved_bytes, n_blocks = columns(rest)
        seconds = [_timed_s(p) for p in rest]
        model = fit_time_model(flop, moved_bytes, seconds, n_launches=n_blocks, peak_flop_s=_peak_flop_s(*key))
        own_flop, own_bytes, own_blocks = columns([profile])
        rates = [f / s for f, s in zip(flop, seconds, strict=True)]
        known = ", ".join(dict.fromkeys(p.model for p in rest))
        fitted_s = float(model.seconds(own_flop, own_bytes, own_blocks)[0])
        yield _row("whole-model", profile, known, fitted_s, own_flop[0] / _geometric_mean(rates), graphs[profile.model])


def _row(
    question: Question,
    profile: Profile,
    known: str,
    fitted_s: float,
    proportional_s: float,
    graph: ModelGraph,
    *,
    between: bool = True,
) -> LeftOut:
    timed_s = _timed_s(profile)
    catalogue_s = _catalogue_s(profile, graph)
    return LeftOut(
        question=question,
        device=profile.device,
        power_mode=profile.power_mode,
        precision=profile.precision,
        model=profile.model,
        batch_size=profile.batch_size,
        known=known,
        timed_s=timed_s,
        fitted_error=fitted_s / timed_s - 1.0,
        proportional_error=proportional_s / timed_s - 1.0,
        catalogue_error=None if catalogue_s is None else catalogue_s / timed_s - 1.0,
        between=between,
    )


def _timed_s(profile: Profile) -> float:
    """Return the sum of the parts of a profile, or the time of the whole model where that alone was timed [s]."""
    if profile.blocks:
        return float(profile.layer_s().sum())
    return profile.forward.mean_s if profile.forward is not None else math.nan


def _distance(profile: Profile, batch_size: int) -> float:
    return abs(math.log(profile.batch_size / batch_size))


def _geometric_mean(values: Sequence[float]) -> float:
    return float(np.exp(np.mean(np.log(values))))


def _device(board: str, power_mode: str) -> Device | None:
    """Return the device of the catalogue with this board and power mode, or None."""
    devices = (catalog.device(name) for name in catalog.names("device"))
    return next((d for d in devices if (d.board, d.power_mode) == (board, power_mode)), None)


def _peak_flop_s(board: str, power_mode: str, precision: str) -> float:
    device = _device(board, power_mode)
    peak: Figure | None = device.peak_flop_s.get(cast("Precision", precision)) if device else None
    return math.inf if peak is None else peak.value


def _catalogue_s(profile: Profile, graph: ModelGraph) -> float | None:
    device = _device(profile.device, profile.power_mode)
    if device is None:
        return None
    try:
        times = layer_times(device, graph, cast("Precision", profile.precision), profile.batch_size)
    except InputError:
        return None
    return None if times.method == "throughput" else float(times.compute_s.sum())
