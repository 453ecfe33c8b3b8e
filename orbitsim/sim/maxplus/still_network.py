"""A network whose servers run no process: they only carry names, and take the sums of what is counted."""

from __future__ import annotations

from collections.abc import Mapping

import simpy

from orbitsim.sim.jobs import MiniBatch
from orbitsim.sim.network import Execution, Network, World
from orbitsim.sim.places import Server
from orbitsim.sim.recorder import Recorder
from orbitsim.sim.samples import NodeReplay


class StillNetwork(Network):
    """Servers and steps as in an event-driven simulation, with nothing that serves."""

    def __init__(self, world: World, execution: Execution, replay: Mapping[int, NodeReplay]) -> None:
        super().__init__(simpy.Environment(), world, Recorder(enabled=False), execution, _no_event, _no_event, replay)

    def _open(self, server: Server) -> None:
        """Do nothing: the recursion asks servers one after the other."""


def _no_event(_batch: MiniBatch, _now_s: float) -> None:
    raise AssertionError("there is no event loop that could call this")
