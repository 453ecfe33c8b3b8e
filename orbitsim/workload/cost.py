"""What each layer of a model costs on a device, for one mini-batch: seconds, energy, memory, and bytes that leave it.

Seconds come from the best source there is, and every layer says which kind of source that was:

1. a trace of this device, power mode, model and precision at this batch size (the trace's own origins);
2. such a trace at another batch size, scaled in proportion to the samples (modelled);
3. a whole-model throughput in the catalogue, spread over the layers by their FLOP (modelled);
4. FLOP over the rate that matrix products reach on the device (modelled);
5. FLOP over the hardware's peak, the last resort: a lower bound (modelled).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from orbitsim.catalog import Device, Figure, Precision
from orbitsim.errors import InputError, Problem
from orbitsim.types.profile import Origin, Profile, weakest_origin
from orbitsim.workload.imagery import RESULT_BYTES_PER_TILE, mini_batch_bytes
from orbitsim.workload.models import ModelGraph

FloatArray = npt.NDArray[np.float64]
Method = Literal["trace", "trace-scaled", "throughput", "flop-over-rate", "flop-over-peak"]

_MODELLED: Origin = "modelled"
TOKEN_BYTES = 4  # a 32-bit number of an entry of the vocabulary


@dataclass(frozen=True, eq=False, slots=True)
class LayerCosts:
    """Costs of the L layers of a model on one device, for one mini-batch.

    Attributes
    ----------
    device, model, precision : str
        What the costs are of.
    batch_size : int
        Samples in the mini-batch.
    compute_s : ndarray, shape (L,)
        Time to compute each layer. [s]
    origin : tuple of str, length L
        Of each layer's time: ``measured``, ``published`` or ``modelled``.
    method : str
        Which of the five sources of this module gave the times.
    basis : str
        That source in words, with its figure.
    energy_j : ndarray, shape (L,), or None
        Energy to compute each layer; None where neither trace nor catalogue knows it. [J]
    energy_origin : str or None
        Its origin; ``modelled`` where it is active power times time.
    memory_bytes : ndarray, shape (L,)
        Memory that a node needs for each layer that it holds. [B]
    memory_overhead_bytes : float
        Memory that a node needs once if it computes at all: workspace of one block, and runtime. [B]
    activation_bytes : ndarray, shape (L,)
        Uncompressed bytes that leave each layer; the last entry is the result, which is never compressed. [B]
    input_bytes : float
        Raw input of the first layer. [B]
    profile : Profile or None
        The profile whose rows are these times as they stand (method ``trace``): its samples may be replayed.
    """

    device: str
    model: str
    precision: str
    batch_size: int
    compute_s: FloatArray
    origin: tuple[Origin, ...]
    method: Method
    basis: str
    energy_j: FloatArray | None
    energy_origin: Origin | None
    memory_bytes: FloatArray
    memory_overhead_bytes: float
    activation_bytes: FloatArray
    input_bytes: float
    profile: Profile | None = None

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return len(self.compute_s)


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


def layer_costs(
    device: Device,
    graph: ModelGraph,
    *,
    precision: Precision,
    batch_size: int,
    bytes_per_pixel: float,
    activation_bytes_per_value: float,
    model_memory_bytes: float | None = None,
    profiles: Iterable[Profile] = (),
) -> LayerCosts:
    """Return what each layer of a model costs on a device, for one mini-batch.

    Parameters
    ----------
    device : Device
        Device of the catalogue.
    graph : ModelGraph
        The model's layers.
    precision : {'fp32', 'tf32', 'fp16', 'bf16', 'int8'}
        Precision of computing.
    batch_size : int
        Samples (tiles, sequences) in a mini-batch.
    bytes_per_pixel : float
        Bytes of a pixel of a raw tile, all channels. [B]
    activation_bytes_per_value : float
        Bytes of a value of an uncompressed activation on its way. [B]
    model_memory_bytes : float, optional
        Memory of the whole model, spread evenly over the layers in place of weights, workspace and runtime. [B]
    profiles : iterable of Profile
        Profiles of traces; those of another device, power mode, model or precision are passed over.

    Returns
    -------
    LayerCosts
        With L entries in every array.

    Raises
    ------
    InputError
        When neither traces nor catalogue know how fast the device is at this precision.
    """
    times = layer_times(device, graph, precision, batch_size, profiles)
    memory, overhead = layer_memory(device, graph, precision, batch_size, model_memory_bytes)
    costs = LayerCosts(
        device=device.name,
        model=graph.name,
        precision=precision,
        batch_size=batch_size,
        compute_s=times.compute_s,
        origin=times.origin,
        method=times.method,
        basis=times.basis,
        energy_j=times.energy_j,
        energy_origin=times.energy_origin,
        memory_bytes=memory,
        memory_overhead_bytes=overhead,
        activation_bytes=activation_bytes(graph, batch_size, activation_bytes_per_value),
        input_bytes=input_bytes(graph, batch_size, bytes_per_pixel),
        profile=times.profile,
    )
    for array in (costs.compute_s, costs.energy_j, costs.memory_bytes, costs.activation_bytes):
        if array is not None:
            array.setflags(write=False)
    return costs


def input_bytes(graph: ModelGraph, batch_size: int, bytes_per_pixel: float) -> float:
    """Return the size of one mini-batch of raw tiles, or of token numbers for a model of tokens [B]."""
    if graph.input_px is None:
        return float(batch_size * graph.n_tokens * TOKEN_BYTES)
    return float(mini_batch_bytes(batch_size, graph.input_px, bytes_per_pixel))


def activation_bytes(graph: ModelGraph, batch_size: int, bytes_per_value: float) -> FloatArray:
    """Return the bytes that leave each layer on one mini-batch, shape (L,); the last are the results [B]."""
    sizes = graph.activation_values * batch_size * bytes_per_value
    sizes[-1] = RESULT_BYTES_PER_TILE * batch_size
    return sizes


def layer_memory(
    device: Device, graph: ModelGraph, precision: Precision, batch_size: int, model_memory_bytes: float | None
) -> tuple[FloatArray, float]:
    """Return the memory of each layer, shape (L,), and what a computing node needs once besides [B].

    Notes
    -----
    Computed: weights for each layer; once, the workspace of one block on one mini-batch (blocks reuse it) and the
    runtime of the device's inference software (0 where the catalogue has no figure). Mini-batches that wait in buffers
    are not counted. Given: `model_memory_bytes` / L for each layer, and nothing besides.
    """
    if model_memory_bytes is not None:
        return np.full(graph.n_layers, model_memory_bytes / graph.n_layers), 0.0
    runtime_bytes = device.runtime_memory_bytes.value if device.runtime_memory_bytes else 0.0
    return graph.weights_bytes(precision), graph.workspace_bytes(precision, batch_size) + runtime_bytes


def layer_times(
    device: Device, graph: ModelGraph, precision: Precision, batch_size: int, profiles: Iterable[Profile] = ()
) -> LayerTimes:
    """Return seconds and energy of each layer on one mini-batch, from the best source there is (see the module)."""
    profile = nearest_profile(device, graph, precision, batch_size, profiles)
    if profile is not None:
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
    as_it_stands = profile if scale == 1.0 else None
    energy = profile.layer_energy_j()
    if energy is not None:
        return LayerTimes(seconds, origin, method, basis, energy * scale, weakest_origin(origin), as_it_stands)
    energy = _active_energy_j(device, seconds)
    return LayerTimes(seconds, origin, method, basis, energy, None if energy is None else "modelled", as_it_stands)


def _modelled(device: Device, seconds: FloatArray, method: Method, basis: str, figure: Figure) -> LayerTimes:
    origin = (_MODELLED,) * len(seconds)
    energy = _active_energy_j(device, seconds)
    cited = f"{basis} ({figure.basis}, confidence {figure.confidence}: {', '.join(figure.cite)})"
    return LayerTimes(seconds, origin, method, cited, energy, None if energy is None else "modelled")


def _active_energy_j(device: Device, seconds: FloatArray) -> FloatArray | None:
    return None if device.active_power_w is None else device.active_power_w.value * seconds


def _throughput_precisions(device: Device, model: str) -> set[str]:
    return {precision for precision, figures in device.throughput_tiles_s.items() if model in figures}
