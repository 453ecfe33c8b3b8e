"""Delivery at run time: what leaves the compute chain goes to the satellite that can deliver it first."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from orbitsim.plan.delivery import DeliveryBook, hop_seconds
from orbitsim.sim.jobs import Delivery, MiniBatch, Part, Step
from orbitsim.sim.network import Network, World
from orbitsim.sim.places import Server
from orbitsim.types.route import Route


@dataclass(slots=True)
class _Stranded:
    """Mini-batches at one holder for which no contact is left, and what that answer rests on."""

    n_hops: Sequence[int]
    n_cancelled: int
    batches: deque[MiniBatch] = field(default_factory=deque)


class Courier:
    """Books contacts for mini-batches and lays out the steps to them."""

    def __init__(self, world: World, network: Network, book: DeliveryBook) -> None:
        self._world = world
        self._network = network
        self._book = book
        self._steps: dict[tuple[int, tuple[int, ...], int], tuple[Delivery, tuple[Step, ...]]] = {}
        self._stranded: dict[tuple[int, Delivery], _Stranded] = {}
        self._downlinks: dict[int, dict[Server, None]] = {}  # a dict keeps its order, which a set does not

    def dispatch(self, batch: MiniBatch, now_s: float) -> Server | None:
        """Choose a contact for a mini-batch at its holder; return the first server of the way, None without contact."""
        delivery = batch.delivery
        assert delivery is not None, "only a mini-batch with a delivery is dispatched"  # noqa: S101 - internal contract
        world, holder, n_bytes = self._world, batch.holder, delivery.bytes_of(batch)
        n_hops = world.n_hops(holder, now_s)
        booking = self._book.choose(
            now_s,
            n_bytes,
            n_hops,
            hop_seconds(n_bytes, world.hop_rate_bps, world.hop_propagation_s),
            delivery.ground or None,
        )
        batch.booking = booking
        batch.position = 0
        if booking is None:
            batch.steps = ()
            batch.deadline_s = math.inf
            group = self._stranded.setdefault((holder, delivery), _Stranded(n_hops, self._book.n_cancelled))
            group.batches.append(batch)
            return None
        batch.steps = self.steps_to(holder, delivery, booking.satellite, booking.station, now_s)
        batch.deadline_s = booking.deadline_s
        return batch.steps[0].server

    def steps_to(self, holder: int, delivery: Delivery, satellite: int, station: int, now_s: float) -> tuple[Step, ...]:
        """Return the steps from a holder over the crosslinks of a moment to a satellite's contact with a station."""
        path = tuple(self._world.path(holder, satellite, now_s))
        key = (id(delivery), path, station)
        known = self._steps.get(key)
        if known is not None:
            return known[1]
        network, n_bytes, sizes = self._network, delivery.n_bytes, delivery.sizes
        steps = [network.send(a, b, n_bytes, sizes=sizes) for a, b in pairwise(path)]
        steps.append(network.send(satellite, station, n_bytes, sizes=sizes))
        self._downlinks.setdefault(satellite, {})[steps[-1].server] = None
        stage = delivery.ground.get(station)
        if stage is not None:
            steps.append(
                network.compute(
                    station, stage.seconds, stage.codec_s, stage.energy_j, stage.origin_s, layers=stage.layers
                )
            )
        self._steps[key] = (delivery, tuple(steps))  # the delivery is kept, so that its id stays its own
        return self._steps[key][1]

    def rebook(self, batch: MiniBatch, now_s: float) -> None:
        """Choose again for a mini-batch that waits for a contact which it would miss, and send it on its way."""
        step = batch.steps[batch.position]
        if step.curve is not None and now_s > batch.arrived_s:
            waited = step.curve.closed_seconds_between(batch.arrived_s, now_s) if step.gated else 0.0
            batch.parts[Part.CONTACT_WAIT] += waited
            batch.parts[Part.QUEUE] += now_s - batch.arrived_s - waited
        batch.arrived_s = now_s
        first = self.redirect(batch, now_s)
        if first is not None:
            first.put(batch)

    def redirect(self, batch: MiniBatch, now_s: float) -> Server | None:
        """Choose again from where a mini-batch is; return the first server of the new way, None without contact."""
        batch.holder = batch.steps[batch.position].node
        self.forget(batch)
        return self.dispatch(batch, now_s)

    def forget(self, batch: MiniBatch) -> None:
        """Give back a mini-batch's booking, because it takes another way."""
        if batch.booking is not None:
            self._book.cancel(batch.booking)
            batch.booking = None

    def contact_closed(self, satellite: int, now_s: float) -> None:
        """Choose again for everything that still waits at a satellite for a contact that is over."""
        for server in list(self._downlinks.get(satellite, ())):
            missed = [batch for batch in server.queue if batch.deadline_s <= now_s]
            if missed:
                server.take_back(missed)
                for batch in missed:
                    self.rebook(batch, now_s)

    def retry(self, now_s: float) -> None:
        """Choose again for the mini-batches without contact, where crosslinks or bookings have changed since."""
        for (holder, delivery), group in list(self._stranded.items()):
            n_hops = self._world.n_hops(holder, now_s)
            if group.n_hops is n_hops and group.n_cancelled == self._book.n_cancelled:
                continue
            del self._stranded[holder, delivery]
            while group.batches:
                batch = group.batches.popleft()
                batch.parts[Part.CONTACT_WAIT] += now_s - batch.arrived_s
                batch.arrived_s = now_s
                first = self.dispatch(batch, now_s)
                if first is not None:
                    first.put(batch)
                elif delivery.sizes is None:  # nor is there one for the rest of the group
                    self._stranded[holder, delivery].batches.extend(group.batches)
                    break

    def fresh(self) -> Iterator[MiniBatch]:
        """Yield the mini-batches without contact that have not begun their plan."""
        for group in self._stranded.values():
            yield from (batch for batch in group.batches if not batch.started)

    def take_back_fresh(self, route: Route, now_s: float) -> list[MiniBatch]:
        """Remove and return the mini-batches of a route without contact that have not begun their plan."""
        fresh: list[MiniBatch] = []
        for key, group in list(self._stranded.items()):
            kept: deque[MiniBatch] = deque()
            for batch in group.batches:
                (kept if batch.started or batch.task.route != route else fresh).append(batch)
            group.batches = kept
            if not group.batches:
                del self._stranded[key]
        for batch in fresh:
            batch.parts[Part.CONTACT_WAIT] += now_s - batch.arrived_s
            batch.arrived_s = now_s
        return fresh

    @property
    def n_stranded(self) -> int:
        """Number of mini-batches for which no contact is left."""
        return sum(len(group.batches) for group in self._stranded.values())

    def all_steps(self) -> list[Step]:
        """Return every step that was laid out."""
        return [step for _, steps in self._steps.values() for step in steps]
