"""The network that a scheme runs on: which server does the work of which node and link, and the steps between them."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Literal

import simpy

from orbitsim.link.schedule import LinkSchedule
from orbitsim.plan.delivery import ContactWindow
from orbitsim.plan.switching import Weights
from orbitsim.sim.jobs import Part, Step
from orbitsim.sim.places import Server
from orbitsim.sim.processes import Advance, Rebook, serve
from orbitsim.sim.recorder import Recorder
from orbitsim.sim.replay import Counter, Draws, StageReplay
from orbitsim.sim.samples import NodeReplay
from orbitsim.sim.sizes import DrawnBytes

Execution = Literal["overlapped", "sequential", "serial"]


@dataclass(frozen=True, eq=False)
class World:
    """What every scheme meets alike: places, links and contacts, all computed before the first event.

    Attributes
    ----------
    names : tuple of str
        Satellites, then stations.
    n_satellites : int
        Number of satellites.
    horizon_s : float
        End of the scenario. [s]
    link : callable
        Link from one node to another, by index; called once for each pair that is used.
    windows : tuple of ContactWindow
        Contacts over which something may be delivered; kept in order of start, name of satellite and name of station.
    n_hops : callable
        Hops from a satellite to every satellite at a time; negative where there is no way.
    path : callable
        Satellites on the way from one to another at a time, both ends included.
    reachable : callable
        Satellites that a satellite is ever connected with, itself included; None for all.
    hop_rate_bps, hop_propagation_s : float
        Typical crosslink, for estimates of arrival only. [bit/s, s]
    half_duplex : bool
        Whether both directions of a crosslink share one transmitter. Only ``"overlapped"`` execution knows it: in the
        others the sending node is busy as a whole, and the receiving one is not.
    changes_s : tuple of float
        Moments at which a crosslink opens or closes. [s]
    """

    names: tuple[str, ...]
    n_satellites: int
    horizon_s: float
    link: Callable[[int, int], LinkSchedule]
    windows: tuple[ContactWindow, ...] = ()
    n_hops: Callable[[int, float], Sequence[int]] = field(default=lambda _satellite, _t_s: ())
    path: Callable[[int, int, float], Sequence[int]] = field(default=lambda _source, _target, _t_s: ())
    reachable: Callable[[int], frozenset[int] | None] = lambda _satellite: None
    hop_rate_bps: float = 1.0
    hop_propagation_s: float = 0.0
    half_duplex: bool = False
    changes_s: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        names = self.names  # order by names: that of shells and stations in the scenario has no say where starts tie
        by_name = sorted(self.windows, key=lambda w: (w.start_s, names[w.satellite], names[w.station]))
        object.__setattr__(self, "windows", tuple(by_name))

    @cached_property
    def contact_edges(self) -> tuple[tuple[float, bool, int], ...]:
        """Edges of all contacts in order: time, whether it opens, satellite; at the same time closing comes first."""
        opens = ((window.start_s, True, window.satellite) for window in self.windows)
        closes = ((window.end_s, False, window.satellite) for window in self.windows)
        return tuple(sorted((*closes, *opens)))

    def edges_from(self, t_s: float) -> tuple[tuple[float, bool, int], ...]:
        """Return the edges of contacts from a time on."""
        return self.contact_edges[bisect_left(self.contact_edges, (t_s,)) :]


class Network:
    """Servers of one simulation, made when first used, each with its process.

    Under ``"sequential"`` a node's processor and transmitters are one server, held from the start of computing to the
    end of sending; under ``"serial"`` everything is one server, held through propagation too.
    """

    def __init__(
        self,
        env: simpy.Environment,
        world: World,
        recorder: Recorder,
        execution: Execution,
        advance: Advance,
        rebook: Rebook,
        replay: Mapping[int, NodeReplay] = MappingProxyType({}),
    ) -> None:
        self._env = env
        self._world = world
        self._recorder = recorder
        self._execution = execution
        self._advance = advance
        self._rebook = rebook
        self._servers: dict[tuple[int, ...], Server] = {}
        self.held: dict[int, Weights] = {}
        self._replay = replay
        self._n_executed: defaultdict[int, Counter] = defaultdict(Counter)

    @property
    def servers(self) -> list[Server]:
        """Servers in the order of their first use, which is their index."""
        return list(self._servers.values())

    def _server(self, key: tuple[int, ...], name: str, kind: str) -> Server:
        if self._execution == "serial":
            key, name, kind = (), "route", "route"
        elif self._execution == "sequential" and len(key) > 1 and kind != "input":
            key, name, kind = key[:1], self._world.names[key[0]], "node"
        elif self._execution == "sequential" and kind == "processor":
            kind = "node"
        server = self._servers.get(key)
        if server is None:
            server = Server(len(self._servers), name, kind)
            self._servers[key] = server
            self._open(server)
        return server

    def _open(self, server: Server) -> None:
        """Let a new server begin to serve."""
        self._env.process(
            serve(
                self._env,
                server,
                self._recorder,
                self._advance,
                self._rebook,
                self._load,
                held=self._execution == "serial",
            )
        )

    def _load(self, step: Step) -> float:
        """Note the weights that a node holds from now on, and return the time that loading them takes. [s]"""
        assert step.weights is not None  # noqa: S101 - the caller asks for steps with weights only
        seconds = step.weights.seconds_from(self.held.get(step.node))
        self.held[step.node] = step.weights
        return seconds

    def processor(self, node: int) -> Server:
        """Return the processor of a node."""
        return self._server((node,), self._world.names[node], "processor")

    def transmitter(self, source: int, target: int, kind: str) -> Server:
        """Return the transmitter from one node to another."""
        names = self._world.names
        if self._world.half_duplex and kind == "isl" and self._execution == "overlapped":
            low, high = sorted((source, target))
            return self._server((low, high, 0), f"{names[low]}<>{names[high]}", kind)
        return self._server((source, target), f"{names[source]}>{names[target]}", kind)

    def compute(
        self,
        node: int,
        seconds: float,
        codec_s: float = 0.0,
        energy_j: float | None = None,
        origin_s: tuple[float, float, float] = (0.0, 0.0, 0.0),
        *,
        layers: tuple[int, int] = (0, 0),
        weights: Weights | None = None,
        draws: Draws | None = None,
    ) -> Step:
        """Return the step of computing some layers on a node; its times are replayed where the node replays any."""
        if node in self._replay:
            draws = StageReplay(self._replay[node], layers, codec_s, self._n_executed[node])
        return Step(
            self.processor(node),
            node,
            Part.COMPUTE,
            seconds=seconds,
            codec_s=codec_s,
            energy_j=energy_j,
            origin_s=origin_s,
            weights=weights,
            draws=draws,
        )

    def send(
        self, source: int, target: int, n_bytes: float, *, begins: bool = True, sizes: DrawnBytes | None = None
    ) -> Step:
        """Return the step of sending bytes over the link from one node to another.

        Parameters
        ----------
        source, target : int
            Ends of the link.
        n_bytes : float
            Bytes of one mini-batch. [B]
        begins : bool
            Whether a mini-batch on this link has begun its plan.
        sizes : DrawnBytes or None
            Bytes by mini-batch, in place of `n_bytes`, which is their mean.
        """
        link = self._world.link(source, target)
        return Step(
            self.transmitter(source, target, link.kind),
            source,
            Part.DOWNLINK if link.kind == "downlink" else Part.ISL,
            curve=link.curve,
            n_bytes=n_bytes,
            delay_at=link.delay_at,
            begins=begins,
            sizes=sizes,
            target=target,
        )
