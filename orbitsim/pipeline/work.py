"""From the workload to numbers: mini-batches of a task, costs of every node, the planning problem of a route."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orbitsim import catalog
from orbitsim.errors import InputError
from orbitsim.errors import Problem as Fault
from orbitsim.loading.device_traces import DeviceTrace, device_traces
from orbitsim.pipeline.stages import Stages
from orbitsim.plan.problem import Problem
from orbitsim.plan.stages import ORIGINS
from orbitsim.scenario import Scenario
from orbitsim.scenario.devices import Replay
from orbitsim.types.codec_table import IDENTITY, CodecTable
from orbitsim.types.profile import Profile
from orbitsim.workload.cost import LayerCosts, layer_costs
from orbitsim.workload.imagery import mini_batches, tiles_per_image
from orbitsim.workload.models import ModelGraph, model_graph
from orbitsim.workload.traces import shipped_profiles


@dataclass(frozen=True, eq=False)
class Work:
    """What a task costs, wherever it is computed.

    Attributes
    ----------
    graph : ModelGraph
        Layers of the model.
    n_tiles, n_batches : int
        Of one task.
    codec : CodecTable
        Ratios and losses that may be chosen.
    costs : mapping of str to LayerCosts
        By device.
    traces : mapping of str to DeviceTrace
        By device, of those that the scenario knows by a trace.
    """

    scenario: Scenario
    graph: ModelGraph
    n_tiles: int
    n_batches: int
    codec: CodecTable
    costs: Mapping[str, LayerCosts]
    traces: Mapping[str, DeviceTrace]

    @cached_property
    def any_costs(self) -> LayerCosts:
        """Costs of some device, for the sizes that are the same on all."""
        return next(iter(self.costs.values()))

    def replay_of(self, device: str) -> Replay:
        """Return which of the recorded times of a device a mini-batch meets."""
        return self.traces[device].replay if device in self.traces else "mean"

    @property
    def input_bytes(self) -> float:
        """Raw tiles of one mini-batch. [B]"""
        return self.any_costs.input_bytes

    @property
    def result_bytes(self) -> float:
        """Results of one mini-batch. [B]"""
        return float(self.any_costs.activation_bytes[-1])


def codec_of(scenario: Scenario) -> CodecTable:
    """Return the codec table that a scenario names, holds, or does without."""
    codec = scenario.codec
    if codec.table is not None:
        return catalog.codec_table(codec.table)
    if codec.ratio is not None and codec.accuracy is not None:
        return CodecTable.from_accuracy("inline", codec.ratio, codec.accuracy)
    return IDENTITY


def build_work(scenario: Scenario, stages: Stages | None = None) -> Work:
    """Compute sizes and costs of the scenario's workload on every device it uses.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    stages : Stages, optional
        Costs that earlier runs have left; omitted: all are computed.

    Raises
    ------
    InputError
        When a device is not known to compute at the precision asked for; names every such device.
    """
    load = scenario.workload
    graph = model_graph(catalog.model(load.model))
    per_image = 1 if graph.input_px is None else tiles_per_image(load.resolution, graph.input_px)
    n_tiles = load.images_per_task * per_image
    costs: dict[str, LayerCosts] = {}
    problems: list[Fault] = []
    traces: Mapping[str, DeviceTrace] = {}
    try:
        traces = device_traces(scenario, graph)
    except InputError as error:
        problems.extend(error.problems)
    shipped = shipped_profiles()
    stages = Stages() if stages is None else stages
    for key, name in _devices(scenario):
        if name in costs or (name in scenario.device and name not in traces):
            continue
        try:
            costs[name] = stages.once(
                "costs",
                _cost_inputs(scenario, name, traces.get(name)),
                partial(_costs, scenario, graph, name, traces, shipped),
            )
        except InputError as error:
            problems.extend(Fault(key, fault.message) for fault in error.problems)
    if problems:
        raise InputError(problems)
    return Work(
        scenario=scenario,
        graph=graph,
        n_tiles=n_tiles,
        n_batches=mini_batches(n_tiles, load.batch_size),
        codec=codec_of(scenario),
        costs=costs,
        traces=traces,
    )


def _costs(
    scenario: Scenario,
    graph: ModelGraph,
    name: str,
    traces: Mapping[str, DeviceTrace],
    shipped: Iterable[Profile],
) -> LayerCosts:
    load = scenario.workload
    return layer_costs(
        traces[name].device if name in traces else catalog.device(name),
        graph,
        precision=load.precision,
        batch_size=load.batch_size,
        bytes_per_pixel=load.bytes_per_pixel,
        activation_bytes_per_value=load.activation_bytes_per_value,
        model_memory_bytes=load.model_memory_bytes,
        profiles=traces[name].profiles if name in traces else shipped,
    )


def _cost_inputs(scenario: Scenario, name: str, traced: DeviceTrace | None) -> list[Any]:
    """Return what the costs of a device depend on, beside what travels with the package."""
    load = scenario.workload
    sizes = [load.bytes_per_pixel, load.activation_bytes_per_value, load.model_memory_bytes]
    trace = None if traced is None else [scenario.device[name], traced.trace.sha256, traced.device]
    return [name, load.model, load.precision, load.batch_size, sizes, trace]


def _devices(scenario: Scenario) -> Iterable[tuple[str, str]]:
    for index, shell in enumerate(scenario.shells):
        for number, device in enumerate(shell.devices):
            yield f"shells.{index}.devices.{number}", device
    for index, station in enumerate(scenario.stations):
        if station.device is not None:
            yield f"stations.{index}.device", station.device


@dataclass(frozen=True, eq=False)
class NodeTables:
    """Energy and origin of every layer on the nodes of a route; shapes (n_nodes, n_layers)."""

    energy_j: NDArray[np.float64]
    origin: NDArray[np.int8]


def route_problem(
    work: Work,
    names: Sequence[str],
    devices: Sequence[str | None],
    memory_bytes: Sequence[float | None],
    *,
    input_rate_bps: float,
    rate_bps: Sequence[float],
    delay_s: Sequence[float],
) -> tuple[Problem, NodeTables]:
    """Return the planning problem of a route: the satellites of the chain and, last, a station.

    Parameters
    ----------
    work : Work
        Costs by device.
    names, devices, memory_bytes : sequence, (n_nodes,)
        Of the chain and the station; a node without a device takes no layer, None as memory is no bound. [B]
    input_rate_bps : float
        From the sensor to the first node; infinite where the sensor computes. [bit/s]
    rate_bps, delay_s : sequence, (n_nodes - 1,)
        Of each hop. [bit/s, s]
    """
    scenario = work.scenario
    codec, table = scenario.codec, work.codec
    n_layers = work.graph.n_layers
    costs = [None if device is None else work.costs[device] for device in devices]
    largest = float(np.finfo(np.float64).max) / 1e6
    compute_s = np.array([np.full(n_layers, largest / n_layers) if c is None else c.compute_s for c in costs])
    limits = [0.0 if c is None else np.inf if m is None else m for c, m in zip(costs, memory_bytes, strict=True)]
    sizes = work.any_costs
    problem = Problem(
        compute_s=compute_s,
        activation_bytes=sizes.activation_bytes,
        layer_memory_bytes=sizes.memory_bytes,
        memory_bytes=np.array(limits),
        memory_overhead_bytes=np.array([0.0 if c is None else c.memory_overhead_bytes for c in costs]),
        rate_bps=np.array(rate_bps),
        delay_s=np.array(delay_s),
        input_bytes=sizes.input_bytes,
        input_rate_bps=input_rate_bps,
        n_batches=work.n_batches,
        codec_ratio=np.array(table.ratio),
        codec_accuracy=np.array(table.accuracy),
        codec_loss=np.array(table.hop_loss(codec.rule, codec.max_accuracy_loss)),
        min_accuracy=table.min_accuracy(codec.max_accuracy_loss),
        max_loss=codec.max_accuracy_loss,
        rule=codec.rule,
        relay=True,
        delay_model=scenario.planner.delay_model,
        encode_s_per_byte=np.full(len(names), codec.encode_s_per_byte),
        decode_s_per_byte=np.full(len(names), codec.decode_s_per_byte),
        power_w=np.array([_power_w(c) for c in costs]),
        node_names=tuple(names),
    )
    tables = NodeTables(
        energy_j=np.array(
            [np.full(n_layers, np.nan) if c is None or c.energy_j is None else c.energy_j for c in costs]
        ),
        origin=np.array(
            [np.full(n_layers, 1) if c is None else [ORIGINS.index(o) for o in c.origin] for c in costs], dtype=np.int8
        ),
    )
    return problem, tables


def _power_w(costs: LayerCosts | None) -> float:
    if costs is None or costs.energy_j is None:
        return np.nan
    return float(costs.energy_j.sum() / costs.compute_s.sum())
