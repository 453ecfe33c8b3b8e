"""Choice of the contact that delivers a mini-batch first, with the capacity that earlier choices already took.

The rule of the design: what is to be delivered goes by the fewest hops to the satellite that can deliver first. "First"
counts what was booked before on the same contact, so a pass that is full is not chosen again; ties go to fewer hops,
then to the lower satellite. A mini-batch that misses its contact after all (a crosslink was busier than estimated) is
chosen again when that contact closes.
"""

from __future__ import annotations

import math
from bisect import bisect_right
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
    taken : tuple of (int, float)
        Contacts by their position in the book, and the time that the transfer takes of each. [s]
    """

    window: int
    satellite: int
    station: int
    finish_s: float
    deadline_s: float
    taken: tuple[tuple[int, float], ...]


class DeliveryBook:
    """Contacts in order of their start, each with the time up to which it is booked.

    Attributes
    ----------
    windows : tuple of ContactWindow
        The contacts; of those with the same satellite and start, the one that came first stays first.
    n_cancelled : int
        How many bookings were given back so far.
    """

    def __init__(self, windows: Iterable[ContactWindow]) -> None:
        self.windows: tuple[ContactWindow, ...] = tuple(sorted(windows, key=lambda w: (w.start_s, w.satellite)))
        self._free_s = [window.start_s for window in self.windows]
        self._first = 0
        self.n_cancelled = 0
        self._left: dict[int, tuple[float, float]] = {}
        self._last_end_s: dict[tuple[frozenset[int] | None, frozenset[int] | None], float] = {}
        self._of_pair: dict[tuple[int, int], list[int]] = {}
        for index, window in enumerate(self.windows):
            self._of_pair.setdefault((window.satellite, window.station), []).append(index)

    def last_end_s(self, stations: Collection[int] | None = None, satellites: frozenset[int] | None = None) -> float:
        """Return the end of the last contact of some satellites with some stations (None: any); -inf without. [s]"""
        key = (None if stations is None else frozenset(stations), satellites)
        if key not in self._last_end_s:
            ends = (
                window.end_s
                for window in self.windows
                if (key[0] is None or window.station in key[0])
                and (satellites is None or window.satellite in satellites)
            )
            self._last_end_s[key] = max(ends, default=-math.inf)
        return self._last_end_s[key]

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
        too_long: list[tuple[float, int, int, int, float]] = []
        for index in range(self._first, len(windows)):
            window = windows[index]
            if best is not None and window.start_s > best[0]:
                break
            hops = n_hops[window.satellite]
            if hops < 0 or (stations is not None and window.station not in stations):
                continue
            begin_s = max(now_s + hops * hop_s, free_s[index])
            if begin_s >= window.end_s or (best is not None and begin_s > best[0]):
                continue
            finish_s = window.curve.finish_at(begin_s, n_bytes)
            key = (finish_s, hops, window.satellite, index)
            if best is not None and key >= best:
                continue
            if finish_s <= window.end_s:
                best = key
            elif finish_s < math.inf:
                too_long.append((*key, begin_s))
        for bound_s, hops, satellite, index, begin_s in too_long:
            # The bound knows nothing of what later contacts of the pair have been booked for.
            if best is None or (bound_s, hops, satellite, index) < best:
                key = (self._transfer(index, begin_s, n_bytes)[0], hops, satellite, index)
                if key[0] < math.inf and (best is None or key < best):
                    best = key
        if best is None:
            return None
        return self._book(best[3], now_s + best[1] * hop_s, n_bytes)

    def _transfer(self, index: int, begin_s: float, n_bytes: float) -> tuple[float, list[tuple[int, float]]]:
        """Return when a transfer that begins in a contact ends, and the contacts it uses with the time it ends in each.

        What does not fit goes over in later contacts of the same pair, behind what was booked on them before.
        """
        window = self.windows[index]
        curve = window.curve
        finish_s = curve.finish_at(begin_s, n_bytes)
        if finish_s <= window.end_s:
            return finish_s, [(index, finish_s)]
        used = [(index, window.end_s)]
        rest = max(0.0, n_bytes - self._left_bytes(index, begin_s))
        pair = self._of_pair[window.satellite, window.station]
        for later in pair[bisect_right(pair, index) :]:
            begin_s, end_s = self._free_s[later], self.windows[later].end_s
            if begin_s >= end_s:
                continue
            finish_s = curve.finish_at(begin_s, rest)
            if finish_s <= end_s:
                used.append((later, finish_s))
                return finish_s, used
            used.append((later, end_s))
            rest = max(0.0, rest - self._left_bytes(later, begin_s))
        return math.inf, used

    def _left_bytes(self, index: int, begin_s: float) -> float:
        """Return what a contact can carry from a time on; remembers the last answer for each contact. [B]"""
        known = self._left.get(index)
        if known is None or known[0] != begin_s:
            window = self.windows[index]
            n_bytes = float(window.curve.integral_bits(begin_s, window.end_s)) / BITS_PER_BYTE
            known = self._left[index] = (begin_s, n_bytes)
        return known[1]

    def _book(self, index: int, arrival_s: float, n_bytes: float) -> Booking:
        window, free_s = self.windows[index], self._free_s
        begin_s = max(arrival_s, free_s[index])
        finish_s, used = self._transfer(index, begin_s, n_bytes)
        taken: list[tuple[int, float]] = []
        for position, until_s in used:
            taken.append((position, until_s - (begin_s if position == index else free_s[position])))
            free_s[position] = until_s
        return Booking(
            window=index,
            satellite=window.satellite,
            station=window.station,
            finish_s=finish_s,
            deadline_s=window.end_s if len(used) == 1 else math.inf,
            taken=tuple(taken),
        )

    @property
    def first_open(self) -> int:
        """Position of the first contact that may still be chosen."""
        return self._first

    def free_s(self, index: int) -> float:
        """Return the time up to which a contact is booked, its start if it is not. [s]"""
        return self._free_s[index]

    def book_until(self, index: int, until_s: float) -> None:
        """Book a contact up to a time."""
        self._free_s[index] = until_s

    def state(self) -> tuple[list[float], int]:
        """Return what has been booked so far, to go back to."""
        return self._free_s.copy(), self._first

    def go_back(self, state: tuple[list[float], int]) -> None:
        """Forget what was booked since a state."""
        self._free_s, self._first = state[0].copy(), state[1]

    def cancel(self, booking: Booking) -> None:
        """Give back the time of a booking whose mini-batch takes another way."""
        for index, seconds in booking.taken:
            self._free_s[index] = max(self.windows[index].start_s, self._free_s[index] - seconds)
        self._first = min(self._first, booking.window)
        self.n_cancelled += 1


def hop_seconds(n_bytes: float, rate_bps: float, propagation_s: float) -> float:
    """Return the estimated time of one crosslink hop on an idle link. [s]"""
    return BITS_PER_BYTE * n_bytes / rate_bps + propagation_s
