"""What a plan makes of a route: the work of each node and the bytes on each hop, for the simulation to carry out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orbitsim.plan.evaluate import evaluate
from orbitsim.plan.problem import Problem
from orbitsim.plan.switching import Weights
from orbitsim.types.plan import Plan

ORIGINS = ("measured", "modelled", "published")


@dataclass(frozen=True, slots=True)
class Stage:
    """Work of one node for one mini-batch, and what it sends on.

    Attributes
    ----------
    seconds : float
        Computing, codec included; 0 for a relay. [s]
    codec_s : float
        Share of `seconds` that is encoding and decoding. [s]
    energy_j : float or None
        Energy of computing; None where it is not known. [J]
    origin_s : tuple of float
        Seconds of the layers that rest on measured, modelled and published figures, in the order of `ORIGINS`. [s]
    n_bytes : float
        What leaves the node: raw tiles, an activation as its codec leaves it, or results. [B]
    computes : bool
        Whether the node takes at least one layer.
    layers : (int, int)
        Its first layer, and the one after its last.
    weights : Weights or None
        Weights that it has to hold; None where nodes hold those of all layers.
    ratio : float or None
        Codec's ratio of the activation that leaves it, cut after its last layer; None where something else does. [1]
    """

    seconds: float
    codec_s: float
    energy_j: float | None
    origin_s: tuple[float, float, float]
    n_bytes: float
    computes: bool
    layers: tuple[int, int] = (0, 0)
    weights: Weights | None = None
    ratio: float | None = None


def stages_of(
    problem: Problem,
    plan: Plan,
    layer_energy_j: NDArray[np.float64] | None = None,
    layer_origin: NDArray[np.int8] | None = None,
    load_s: Sequence[float] | None = None,
) -> tuple[Stage, ...]:
    """Lay out a plan as one stage for each node.

    Parameters
    ----------
    problem : Problem
        The route with its costs.
    plan : Plan
        A plan for it.
    layer_energy_j : (n_nodes, n_layers) array or None
        Energy of each layer on each node for one mini-batch, nan where not known. [J]
    layer_origin : (n_nodes, n_layers) array of int or None
        Index into `ORIGINS` of each layer's time; None counts all as modelled.
    load_s : sequence of float or None
        Time to load the weights of each layer after a change of split; None where nodes hold all weights. [s]

    Returns
    -------
    tuple of Stage
    """
    cost = evaluate(problem, plan)
    cumulative_s = None if load_s is None else [0.0, *np.cumsum(load_s).tolist()]
    result_bytes = float(problem.activation_bytes[-1])
    sent = [*cost.hop_bytes, result_bytes][: plan.n_nodes]
    in_flight = plan.ratio_in_flight
    stages: list[Stage] = []
    for node, (start, stop) in enumerate(plan.layers):
        layers_s = problem.compute_s[node, start:stop]
        energy: float | None = None
        if layer_energy_j is not None:
            total = float(layer_energy_j[node, start:stop].sum())
            energy = None if math.isnan(total) else total
        origin = np.full(stop - start, 1) if layer_origin is None else layer_origin[node, start:stop]
        by_origin = tuple(float(layers_s[origin == index].sum()) for index in range(len(ORIGINS)))
        seconds = cost.compute_s[node]
        stages.append(
            Stage(
                seconds=seconds,
                codec_s=max(0.0, seconds - math.fsum(layers_s.tolist())),
                energy_j=energy,
                origin_s=(by_origin[0], by_origin[1], by_origin[2]),
                n_bytes=sent[node],
                computes=stop > start,
                layers=(start, stop),
                weights=None if cumulative_s is None or start == stop else Weights(start, stop, cumulative_s),
                ratio=in_flight[node] if 0 < stop < problem.n_layers else None,
            )
        )
    return tuple(stages)
