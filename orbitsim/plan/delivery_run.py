"""Choice of contacts for many mini-batches in a row: as one by one, but a run that takes the same contact at once."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from orbitsim.link.fifo import fifo_link
from orbitsim.plan.delivery import Booking, DeliveryBook

FloatArray = NDArray[np.float64]

_SHORTEST, _LONGEST = 16, 1 << 16
_MOST_PATIENT = 64


@dataclass(eq=False, slots=True)
class Bookings:
    """Contacts of the mini-batches of a run, by column.

    Attributes
    ----------
    window : (n,) array of int
        Contact by its position in the book; -1 where none is left.
    deadline_s : (n,) array
        End of the contact, or infinity for a transfer that goes on in later ones. [s]
    taken_s : (n,) array
        Time taken of it; nan for a transfer that goes on in later ones. [s]
    several : dict of int to Booking
        Bookings of those transfers, by place in the run.
    """

    window: NDArray[np.int64]
    deadline_s: FloatArray
    taken_s: FloatArray
    several: dict[int, Booking] = field(default_factory=dict)


def choose_run(
    book: DeliveryBook,
    now_s: FloatArray,
    n_bytes: FloatArray,
    n_hops: Sequence[int],
    hop_s: FloatArray,
    stations: Collection[int] | None = None,
) -> Bookings:
    """Choose and book contacts for mini-batches, one after the other.

    Parameters
    ----------
    book : DeliveryBook
        The book; afterwards as if `DeliveryBook.choose` had been called for each mini-batch.
    now_s : (n,) array
        When each is ready to leave the holder, in order. [s]
    n_bytes : (n,) array
        Their sizes. [B]
    n_hops : sequence of int
        Hops from the holder to each satellite; negative where there is no way.
    hop_s : (n,) array
        Estimated time of one hop. [s]
    stations : collection of int or None
        Stations that may receive them; None for all.

    Returns
    -------
    Bookings

    Notes
    -----
    The bookings of a run that keeps to one contact follow the recursion of that contact's link. The run ends where
    another contact would deliver earlier, or where the contact is full; there the book chooses.
    """
    n = len(now_s)
    found = Bookings(np.full(n, -1, dtype=np.int64), np.full(n, math.inf), np.full(n, math.nan))
    equal = n > 0 and bool((n_bytes == n_bytes[0]).all())
    i, length, patience, skip = 0, _SHORTEST, 1, 0
    while i < n:
        booking = book.choose(float(now_s[i]), float(n_bytes[i]), n_hops, float(hop_s[i]), stations)
        if booking is None:
            if equal:
                break  # what finds no contact now finds none later
            i += 1
            continue
        found.window[i], found.deadline_s[i] = booking.window, booking.deadline_s
        if booking.deadline_s == math.inf:
            found.several[i] = booking
            i += 1
            continue
        found.taken_s[i] = booking.taken[0][1]
        i += 1
        if skip:
            skip -= 1
            continue
        while i < n:
            stop = min(n, i + length)
            n_booked = _extend(book, booking.window, found, i, stop, now_s, n_bytes, n_hops, hop_s, stations)
            i += n_booked
            if i < stop:
                if n_booked < _SHORTEST // 2:  # contacts that take turns are better chosen one by one
                    patience = min(2 * patience, _MOST_PATIENT)
                    skip, length = patience, _SHORTEST
                break
            patience, length = 1, min(4 * length, _LONGEST)
    return found


def _extend(
    book: DeliveryBook,
    index: int,
    found: Bookings,
    i: int,
    stop: int,
    now_s: FloatArray,
    n_bytes: FloatArray,
    n_hops: Sequence[int],
    hop_s: FloatArray,
    stations: Collection[int] | None,
) -> int:
    """Book a contact for those from `i` to `stop` for which it is the best; return for how many it was."""
    window = book.windows[index]
    now, sizes, hop = now_s[i:stop], n_bytes[i:stop], hop_s[i:stop]
    begin_s, finish_s = fifo_link(now + n_hops[window.satellite] * hop, sizes, window.curve, book.free_s(index))
    good = (finish_s <= window.end_s) & (begin_s < window.end_s)
    n_good = _leading(good)
    if n_good == 0:
        return 0
    last_s = float(finish_s[n_good - 1])
    smallest = float(sizes.min())
    for other in range(book.first_open, len(book.windows)):
        rival = book.windows[other]
        if rival.start_s > last_s:
            break
        hops = n_hops[rival.satellite]
        if other == index or hops < 0 or (stations is not None and rival.station not in stations):
            continue
        soonest_s = max(float(now[0]) + hops * float(hop[0]), book.free_s(other))
        if soonest_s >= rival.end_s or rival.curve.finish_at(soonest_s, smallest) > last_s:
            continue
        rival_begin_s = np.maximum(now[:n_good] + hops * hop[:n_good], book.free_s(other))
        contested = (rival_begin_s < rival.end_s) & (rival_begin_s <= finish_s[:n_good])
        if contested.any():
            first = int(np.argmax(contested))
            rival_s = rival.curve.finish_s(rival_begin_s[first:], sizes[first:n_good])
            contested[first:] &= rival_s <= finish_s[first:n_good]
            n_good = _leading(~contested)
            if n_good == 0:
                return 0
    found.window[i : i + n_good] = index
    found.deadline_s[i : i + n_good] = window.end_s
    found.taken_s[i : i + n_good] = finish_s[:n_good] - begin_s[:n_good]
    book.book_until(index, float(finish_s[n_good - 1]))
    return n_good


def _leading(good: NDArray[np.bool_]) -> int:
    """Return how many of the first are good."""
    return len(good) if good.all() else int(np.argmin(good))
