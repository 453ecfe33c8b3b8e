"""From traces to what the nodes of a scenario replay."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from orbitsim.pipeline.space import Space
from orbitsim.pipeline.work import Work
from orbitsim.plan.stages import ORIGINS
from orbitsim.sim.samples import NodeReplay, Recording, first_execution
from orbitsim.sim.sizes import ByteReplay


def node_replays(work: Work, space: Space) -> dict[int, NodeReplay]:
    """Return what each node replays, by node; nodes that compute in mean times are not in it."""
    recordings: dict[str, Recording] = {}
    found: dict[int, NodeReplay] = {}
    for node, device in devices_of_nodes(space):
        replay = work.replay_of(device)
        profile = work.costs[device].profile
        if replay == "mean" or profile is None:
            continue
        if device not in recordings:
            recordings[device] = Recording.of(profile)
        costs = work.costs[device]
        unknown = np.full(costs.n_layers, np.nan)
        found[node] = NodeReplay(
            name=space.names[node],
            recording=recordings[device],
            order=replay,
            seed=work.scenario.seed,
            n_batches=work.n_batches,
            power_w=unknown if costs.energy_j is None else costs.energy_j / costs.compute_s,
            origin=np.array([ORIGINS.index(origin) for origin in costs.origin], dtype=np.int8),
            first=first_execution(work.scenario.seed, space.names[node], recordings[device]),
        )
    return found


def byte_replay(work: Work) -> ByteReplay | None:
    """Return what the bytes of encoded activations are drawn from; None where all have their mean."""
    if work.scenario.codec.replay == "mean" or work.codec.spread is None:
        return None
    return ByteReplay(work.codec.spread, work.codec.ratio, work.scenario.seed, work.n_batches)


def devices_of_nodes(space: Space) -> Iterator[tuple[int, str]]:
    """Yield every node that has a computer, and the name of that."""
    for satellite in range(space.n_satellites):
        yield satellite, space.device_of(satellite)
    for index, station in enumerate(space.scenario.stations):
        if station.device is not None:
            yield space.n_satellites + index, station.device
