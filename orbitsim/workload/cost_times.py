"""How long each layer of a model takes on a device on one mini-batch, from the best source there is.

Every layer says which kind of source that was. In order:

1. ``trace``: a trace of this device, power mode, model and precision at this batch size (the trace's own origins);
2. ``fitted``: overhead, rate and bandwidth fitted to traces of this device, power mode and precision: to those of this
   model, if batch sizes on either side were timed, else to those of all models; within its domain only (modelled);
3. ``trace-scaled``: a trace of this model at up to four times more or fewer samples, in proportion to them (modelled);
4. ``throughput``: a whole-model throughput in the catalogue, spread over the layers by their FLOP (modelled);
5. ``flop-over-rate``: FLOP over the rate that matrix products reach on the device (modelled);
6. ``flop-over-peak``: FLOP over the hardware's peak, the last resort of the catalogue: a lower bound (modelled).

A trace at a batch size further away is scaled only where the catalogue knows nothing. docs/cost-model.md says how well
each of these predicts what was left out of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from orbitsim import catalog
from orbitsim.catalog import Device, Figure, Precision
from orbitsim.errors import InputError, Problem
from orbitsim.types.profile import Origin, Profile, weakest_origin
from orbitsim.workload.cost_fit import DeviceFit, fit_device
from orbitsim.workload.importers.base import MEAN_POWER
from orbitsim.workload.models import ModelGraph, model_graph

FloatArray = npt.NDArray[np.float64]
Method = Literal["trace", "fitted", "trace-scaled", "throughput", "flop-over-rate", "flop-over-peak"]

_MODELLED: Origin = "modelled"
_EVERY_NODE = "synchronised after every node"  # in how_timed: no two launches overlap, as they would in a forward pass
MAX_BATCH_RATIO = 4.0  # of proportional scaling: as far as a fit is believed beyond what it was fitted on


@dataclass(frozen=True, eq=False, slots=True)
class LayerTimes:
    """Seconds and energy of each layer on one mini-batch, and where they come from; fields as in `LayerCosts`."""

    compute_s: FloatArray
    origin: tuple[Origin, ...]
    method: Method
    basis: str
    energy_j: FloatArray | None
    energy_origin: Origin | None
    profile: Profile | None = None
    caveats: tuple[str, ...] = ()


def layer_times(
    device: Device, graph: ModelGraph, precision: Precision, batch_size: int, profiles: Iterable[Profile] = ()
) -> LayerTimes:
    """Return seconds and energy of each layer on one mini-batch, from the best source there is (see the module)."""
    at_hand = list(profiles)
    profile = nearest_profile(device, graph, precision, batch_size, at_hand)
    if profile is not None and profile.batch_size == batch_size:
        return _from_profile(device, profile, batch_size)
    fit = best_fit(device, graph, precision, batch_size, at_hand)
    if fit is not None:
        return _from_fit(device, graph, batch_size, fit)
    if profile is not None and abs(math.log(profile.batch_size / batch_size)) <= math.log(MAX_BATCH_RATIO) + 1e-9:
        return _from_profile(device, profile, batch_size)
    throughput = device.throughput_tiles_s.get(precision, {}).get(graph.name)
    rate = device.rate_flop_s.get(precision)
    peak = device.peak_flop_s.get(precision)
    if throughput is not None:
        seconds = batch_size / throughput.value * graph.flop / graph.total_flop
        basis = f"{throughput.value:.5g} tiles/s of the whole model, spread over the layers by FLOP"
        return _modelled(device, seconds, "throughput", basis, throughput)
    if rate is not None:
        basis = f"FLOP over {rate.value:.5g} FLOP/s reached at {precision}"
        return _modelled(device, batch_size * graph.flop / rate.value, "flop-over-rate", basis, rate)
    if peak is not None:
        basis = f"last resort, a lower bound: FLOP over the peak of {peak.value:.5g} FLOP/s at {precision}"
        return _modelled(device, batch_size * graph.flop / peak.value, "flop-over-peak", basis, peak)
    if profile is not None:
        return _from_profile(device, profile, batch_size)
    known = sorted({*device.rate_flop_s, *device.peak_flop_s, *_throughput_precisions(device, graph.name)})
    raise InputError(
        Problem(
            "",
            f"expected a precision at which {device.name} is known to compute {graph.name}, got {precision!r}"
            f" (known: {', '.join(known) or 'none'}; a trace of it would do as well)",
        )
    )


def nearest_profile(
    device: Device, graph: ModelGraph, precision: Precision, batch_size: int, profiles: Iterable[Profile]
) -> Profile | None:
    """Return the profile of this device, mode, model and precision whose batch size is nearest, or None.

    Only profiles that cover the model from embedding to head count. Nearest means by ratio; of two that are equally
    near the larger one is taken, since overheads weigh less in it.
    """
    fitting = [
        profile
        for profile in profiles
        if (profile.device, profile.power_mode) == (device.board, device.power_mode)
        and (profile.model, profile.precision) == (graph.name, precision)
        and profile.covers_model
        and profile.n_layers == graph.n_layers
    ]
    if not fitting:
        return None
    return min(fitting, key=lambda p: (abs(math.log(p.batch_size / batch_size)), -p.batch_size))


def best_fit(
    device: Device, graph: ModelGraph, precision: Precision, batch_size: int, profiles: Iterable[Profile]
) -> DeviceFit | None:
    """Return the fit that is closest to a model at a batch size and has it in its domain, or None.

    First the profiles of this model alone: their batch sizes then lie on both sides. Then all of this device, power
    mode and precision.
    """
    key = (device.board, device.power_mode, precision)
    at_hand = [p for p in profiles if (p.device, p.power_mode, p.precision) == key and p.covers_model]
    peak = device.peak_flop_s.get(precision)
    peak_flop_s = math.inf if peak is None else peak.value
    for chosen in ([p for p in at_hand if p.model == graph.name], at_hand):
        batch_sizes = [p.batch_size for p in chosen]
        if not chosen or not min(batch_sizes) <= batch_size <= max(batch_sizes):
            continue  # outside the domain, whatever a fit would say: the solver need not be loaded
        graphs = known_graphs({p.model for p in chosen}, graph)
        fit = fit_device(chosen, graphs, device.board, device.power_mode, precision, peak_flop_s)
        if fit is not None and fit.covers(graph, batch_size):
            return fit
    return None


def known_graphs(models: Iterable[str], *given: ModelGraph) -> dict[str, ModelGraph]:
    """Return the layers of models by name: those that are given, and those of the catalogue; no others."""
    graphs = {graph.name: graph for graph in given}
    in_catalogue = set(catalog.names("model"))
    for name in models:
        if name not in graphs and name in in_catalogue:
            graphs[name] = model_graph(catalog.model(name))
    return graphs


def _from_fit(device: Device, graph: ModelGraph, batch_size: int, fit: DeviceFit) -> LayerTimes:
    seconds = fit.layer_s(graph, batch_size)
    origin = (_MODELLED,) * len(seconds)
    basis = f"{fit.basis()}, {fit.device} {fit.power_mode} {fit.precision}"
    energy = _active_energy_j(device, seconds) if fit.power_w is None else fit.power_w * seconds
    caveats = _caveats(fit.profiles)
    basis = "; ".join((basis, *caveats))
    return LayerTimes(seconds, origin, "fitted", basis, energy, None if energy is None else "modelled", caveats=caveats)


def _caveats(profiles: Iterable[Profile], scale: float = 1.0) -> tuple[str, ...]:
    """Say what a reader must know of times that rest on some profiles, and are scaled in proportion to the samples."""
    found = []
    if any(_EVERY_NODE in row.how_timed for profile in profiles for row in profile.parts):
        found.append(f"an upper bound: {_EVERY_NODE}")
    ratio = max(scale, 1.0 / scale)
    if ratio > MAX_BATCH_RATIO * (1.0 + 1e-9):
        more = "more" if scale > 1.0 else "fewer"
        found.append(
            f"scaled to {ratio:.4g} times {more} samples for want of anything nearer: may be wrong by several times"
        )
    return tuple(found)


def _from_profile(device: Device, profile: Profile, batch_size: int) -> LayerTimes:
    scale = batch_size / profile.batch_size
    seconds = profile.layer_s() * scale
    name = f"{profile.source or 'trace'}: {profile.model} {profile.precision}, {profile.device} {profile.power_mode}"
    method: Method = "trace"
    basis = f"{name}, batch {batch_size}"
    origin = profile.layer_origin()
    if scale != 1.0:
        method = "trace-scaled"
        basis = f"{name}, scaled from batch {profile.batch_size} in proportion to the samples"
        origin = (_MODELLED,) * profile.n_layers
    caveats = _caveats([profile], scale)
    basis = "; ".join((basis, *caveats))
    as_it_stands = profile if scale == 1.0 else None
    energy = profile.layer_energy_j()
    if energy is not None:
        rows = (profile.embedding, *profile.blocks, profile.head)
        one_power = any(row is not None and MEAN_POWER in row.how_timed for row in rows)
        energy_origin = _MODELLED if one_power else weakest_origin(origin)
        return LayerTimes(seconds, origin, method, basis, energy * scale, energy_origin, as_it_stands, caveats)
    energy = _active_energy_j(device, seconds)
    modelled = None if energy is None else _MODELLED
    return LayerTimes(seconds, origin, method, basis, energy, modelled, as_it_stands, caveats)


def _modelled(device: Device, seconds: FloatArray, method: Method, basis: str, figure: Figure) -> LayerTimes:
    origin = (_MODELLED,) * len(seconds)
    energy = _active_energy_j(device, seconds)
    cited = f"{basis} ({figure.basis}, confidence {figure.confidence}: {', '.join(figure.cite)})"
    return LayerTimes(seconds, origin, method, cited, energy, None if energy is None else "modelled")


def _active_energy_j(device: Device, seconds: FloatArray) -> FloatArray | None:
    return None if device.active_power_w is None else device.active_power_w.value * seconds


def _throughput_precisions(device: Device, model: str) -> set[str]:
    return {precision for precision, figures in device.throughput_tiles_s.items() if model in figures}
