"""Delivery at run time: each mini-batch that leaves the compute chain goes to the satellite that can deliver it first."""

from __future__ import annotations

from orbitsim.plan.delivery import Booking, DeliveryBook, hop_seconds
from orbitsim.sim.jobs import Delivery, MiniBatch, Part, Step
from orbitsim.sim.network import Network, World
from orbitsim.sim.places import Server


class Courier:
    """Books contacts for mini-batches and lays out the steps to them."""

    def __init__(self, world: World, network: Network, book: DeliveryBook) -> None:
        self._world = world
        self._network = network
        self._book = book
        self._steps: dict[tuple[int, tuple[int, ...], int], tuple[Delivery, tuple[Step, ...]]] = {}
        self.stranded: list[MiniBatch] = []
        self.waiting_at: dict[int, set[Server]] = {}

    def dispatch(self, batch: MiniBatch, now_s: float) -> Server | None:
        """Choose a contact for a mini-batch at its holder; return the first server of the way, None without contact."""
        delivery = batch.delivery
        assert delivery is not None, "only a mini-batch with a delivery is dispatched"  # noqa: S101 - internal contract
        world = self._world
        booking = self._book.choose(
            now_s,
            delivery.n_bytes,
            world.n_hops(batch.holder, now_s),
            hop_seconds(delivery.n_bytes, world.hop_rate_bps, world.hop_propagation_s),
            delivery.ground or None,
        )
        batch.booking = booking
        batch.position = 0
        if booking is None:
            batch.steps = ()
            self.stranded.append(batch)
            return None
        batch.steps = self._steps_to(batch.holder, delivery, booking, now_s)
        batch.holder = booking.satellite
        batch.deadline_s = booking.deadline_s
        return batch.steps[0].server

    def _steps_to(self, holder: int, delivery: Delivery, booking: Booking, now_s: float) -> tuple[Step, ...]:
        path = tuple(self._world.path(holder, booking.satellite, now_s))
        key = (id(delivery), path, booking.station)
        known = self._steps.get(key)
        if known is not None:
            return known[1]
        network, n_bytes = self._network, delivery.n_bytes
        steps = [network.send(a, b, n_bytes) for a, b in zip(path, path[1:], strict=False)]
        steps.append(network.send(booking.satellite, booking.station, n_bytes))
        self.waiting_at.setdefault(booking.satellite, set()).add(steps[-1].server)
        stage = delivery.ground.get(booking.station)
        if stage is not None:
            steps.append(
                network.compute(booking.station, stage.seconds, stage.codec_s, stage.energy_j, stage.origin_s)
            )
        self._steps[key] = (delivery, tuple(steps))  # the delivery is kept, so that its id stays its own
        return self._steps[key][1]

    def rebook(self, batch: MiniBatch, now_s: float) -> None:
        """Choose again for a mini-batch that would miss its contact, and send it on its way."""
        step = batch.steps[batch.position]
        if step.curve is not None and now_s > batch.arrived_s:
            waited = step.curve.closed_seconds_between(batch.arrived_s, now_s)
            batch.parts[Part.CONTACT_WAIT] += waited
            batch.parts[Part.QUEUE] += now_s - batch.arrived_s - waited
            batch.arrived_s = now_s
        self.forget(batch)
        first = self.dispatch(batch, now_s)
        if first is not None:
            first.put(batch)

    def forget(self, batch: MiniBatch) -> None:
        """Give back a mini-batch's booking, because it takes another way."""
        if batch.booking is not None:
            self._book.cancel(batch.booking)
            batch.booking = None

    def contact_closed(self, satellite: int, now_s: float) -> None:
        """Choose again for everything that still waits at a satellite for a contact that is over."""
        for server in self.waiting_at.get(satellite, ()):
            missed = [batch for batch in server.queue if batch.deadline_s <= now_s and batch.delivery is not None]
            if missed:
                server.take_back(missed)
                for batch in missed:
                    self.rebook(batch, now_s)

    def all_steps(self) -> list[Step]:
        """Return every step that was laid out."""
        return [step for _, steps in self._steps.values() for step in steps]
