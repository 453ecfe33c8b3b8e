"""Choice of the contact that delivers a mini-batch first, with the capacity that earlier choices already took.

The rule of the design: what is to be delivered goes by the fewest hops to the satellite that can deliver first. "First"
counts what was booked before on the same contact, so a pass that is full is not chosen again; ties go to fewer hops,
then to the lower satellite. A mini-batch that misses its contact after all (a crosslink was busier than estimated) is
chosen again when that contact closes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from orbitsim.constants import BITS_PER_BYTE
from orbitsim.link.capacity import CapacityCurve


@dataclass(frozen=True, slots=True)
class ContactWindow:
    """One contact of a satellite with a station: who, when, and the capacity of the pair over the whole scenario.

    The curve is asked for when it is needed: a large constellation has many pairs of which few ever deliver.
    """

    satellite: int
    station: int
    start_s: float
    end_s: float
    curve_of: Callable[[int, int], CapacityCurve]

    @property
    def curve(self) -> CapacityCurve:
        """Capacity of the pair over the whole scenario."""
        return self.curve_of(self.satellite, self.station)


@dataclass(frozen=True, slots=True)
class Booking:
    """A contact chosen for one mini-batch.

    Attributes
    ----------
    window : int
        Position of the contact in the book.
    satellite, station : int
        Who delivers, and where to.
    finish_s : float
        Estimated end of the transfer. [s]
    deadline_s : float
        End of the contact, or infinity for a transfer that goes on in later contacts of the same pair. [s]
    seconds : float
        Time that it takes on the link. [s]
    """

    window: int
    satellite: int
    station: int
    finish_s: float
    deadline_s: float
    seconds: float


class DeliveryBook:
    """Contacts in order of their start, each with the time up to which it is booked."""

    def __init__(self, windows: Iterable[ContactWindow]) -> None:
        self.windows: tuple[ContactWindow, ...] = tuple(
            sorted(windows, key=lambda w: (w.start_s, w.satellite, w.station))
        )
        self._free_s = [window.start_s for window in self.windows]
        self._first = 0
        self._of_pair: dict[tuple[int, int], list[int]] = {}
        for index, window in enumerate(self.windows):
            self._of_pair.setdefault((window.satellite, window.station), []).append(index)

    @property
    def last_end_s(self) -> float:
        """End of the last contact; minus infinity when there is none. [s]"""
        return max((window.end_s for window in self.windows), default=-math.inf)

    def choose(
        self,
        now_s: float,
        n_bytes: float,
        n_hops: Sequence[int],
        hop_s: float,
        stations: Collection[int] | None = None,
    ) -> Booking | None:
        """Choose and book the contact that ends the transfer first.

        Parameters
        ----------
        now_s : float
            Time at which the mini-batch is ready to leave its holder. [s]
        n_bytes : float
            Its size. [B]
        n_hops : sequence of int
            Hops from the holder to each satellite; negative where there is no way.
        hop_s : float
            Estimated time of one hop. [s]
        stations : collection of int or None
            Stations that may receive it; None for all.

        Returns
        -------
        Booking or None
            None when no contact is left that could deliver it.
        """
        windows, free_s = self.windows, self._free_s
        while self._first < len(windows) and windows[self._first].end_s <= max(now_s, free_s[self._first]):
            self._first += 1
        best: tuple[float, int, int, int] | None = None
        for index in range(self._first, len(windows)):
            window = windows[index]
            if best is not None and window.start_s > best[0]:
                break
            hops = n_hops[window.satellite]
            if hops < 0 or (stations is not None and window.station not in stations):
                continue
            begin_s = max(now_s + hops * hop_s, free_s[index])
            if begin_s >= window.end_s:
                continue
            key = (window.curve.finish_at(begin_s, n_bytes), hops, window.satellite, index)
            if key[0] < math.inf and (best is None or key < best):
                best = key
        if best is None:
            return None
        return self._book(best[3], now_s + best[1] * hop_s, best[0], n_bytes)

    def _book(self, index: int, arrival_s: float, finish_s: float, n_bytes: float) -> Booking:
        window = self.windows[index]
        begin_s = max(arrival_s, self._free_s[index])
        within = finish_s <= window.end_s
        if within:
            self._free_s[index] = finish_s
        else:  # the rest goes over in later contacts of the same pair
            for later in self._of_pair[window.satellite, window.station]:
                if later >= index:
                    self._free_s[later] = max(self._free_s[later], min(finish_s, self.windows[later].end_s))
        return Booking(
            window=index,
            satellite=window.satellite,
            station=window.station,
            finish_s=finish_s,
            deadline_s=window.end_s if within else math.inf,
            seconds=finish_s - begin_s,
        )

    def cancel(self, booking: Booking) -> None:
        """Give back the time of a booking whose mini-batch takes another way."""
        window = self.windows[booking.window]
        self._free_s[booking.window] = max(window.start_s, self._free_s[booking.window] - booking.seconds)
        self._first = min(self._first, booking.window)


def hop_seconds(n_bytes: float, rate_bps: float, propagation_s: float) -> float:
    """Return the estimated time of one crosslink hop on an idle link. [s]"""
    return BITS_PER_BYTE * n_bytes / rate_bps + propagation_s
