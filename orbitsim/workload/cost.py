"""What each layer of a model costs on a device, for one mini-batch: seconds, energy, memory, bytes that leave it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from orbitsim.catalog import Device, Precision
from orbitsim.types.profile import Origin, Profile
from orbitsim.workload.cost_times import LayerTimes, Method, best_fit, layer_times, nearest_profile
from orbitsim.workload.imagery import RESULT_BYTES_PER_TILE, mini_batch_bytes
from orbitsim.workload.models import ModelGraph

__all__ = [
    "LayerCosts",
    "LayerTimes",
    "Method",
    "activation_bytes",
    "best_fit",
    "input_bytes",
    "layer_costs",
    "layer_memory",
    "layer_times",
    "nearest_profile",
]

FloatArray = npt.NDArray[np.float64]
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
        Which of the sources of `orbitsim.workload.cost_times` gave the times.
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
    caveats : tuple of str
        What a reader must know of the times (an upper bound, scaled from far away); `basis` ends with them.
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
    caveats: tuple[str, ...] = ()

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return len(self.compute_s)


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
        caveats=times.caveats,
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
