"""The choice of contacts against brute force on small random books."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from sim.slow_twin import Segments, walk
from sim.worlds import curve_of

from orbitsim.plan.delivery import ContactWindow, DeliveryBook, hop_seconds

N_SATELLITES = 4
STATIONS = (4, 5)


@dataclass
class Contact:
    satellite: int
    station: int
    start_s: float
    end_s: float
    segments: Segments
    free_s: float = field(init=False)

    def __post_init__(self):
        self.free_s = self.start_s


def random_contacts(rng: np.random.Generator) -> list[Contact]:
    """Draw up to four contacts of each pair; everything a multiple of a power of two, so that ties are exact."""
    found = []
    for satellite in range(N_SATELLITES):
        for station in STATIONS:
            edges = np.sort(rng.choice(np.arange(0, 60), 2 * rng.integers(0, 5), replace=False)).astype(float)
            for start_s, end_s in edges.reshape(-1, 2):
                middle_s = 0.5 * (start_s + end_s)
                rates = rng.choice([2.0**22, 2.0**23, 2.0**24], 2)
                segments = [(start_s, middle_s, float(rates[0])), (middle_s, end_s, float(rates[1]))]
                found.append(Contact(satellite, station, float(start_s), float(end_s), segments))
    return found


def cut(segments: Segments, start_s: float) -> float:
    """Return the bytes that still fit from a time on."""
    return math.fsum(max(0.0, e - max(s, start_s)) * r for s, e, r in segments) / 8.0


def try_all(contacts: list[Contact], now_s, n_bytes, n_hops, hop_s, stations):
    """Return (finish, hops, satellite), the contact, and what it would book, of the best transfer there is."""
    best = None
    for contact in contacts:
        hops = n_hops[contact.satellite]
        if hops < 0 or (stations is not None and contact.station not in stations):
            continue
        begin_s = max(now_s + hops * hop_s, contact.free_s)
        if begin_s >= contact.end_s:
            continue
        pair = [c for c in contacts if (c.satellite, c.station) == (contact.satellite, contact.station)]
        left, booked, finish_s = n_bytes, [], math.inf
        for part in sorted((c for c in pair if c.start_s >= contact.start_s), key=lambda c: c.start_s):
            begin_s = max(begin_s, part.free_s)
            if begin_s >= part.end_s:
                continue
            fits = cut(part.segments, begin_s)
            if left <= fits * (1 + 1e-12):
                finish_s = min(walk(part.segments, begin_s, min(left, fits))[1], part.end_s)
                booked.append((part, finish_s))
                break
            left -= fits
            booked.append((part, part.end_s))
        key = (round(finish_s, 9), hops, contact.satellite)
        if finish_s < math.inf and (best is None or key < best[0]):
            best = (key, contact, booked)
    return best


@pytest.mark.parametrize("n_bytes", [2.0**18, 2.0**21, 2.0**24, 3 * 2.0**24])
def test_the_choice_equals_brute_force_with_everything_booked_before(n_bytes):
    n_chosen = n_long = n_none = 0
    for seed in range(150):
        rng = np.random.default_rng([7, seed, int(n_bytes)])
        contacts = random_contacts(rng)
        curves = {
            (s, g): curve_of(sorted(x for c in contacts if (c.satellite, c.station) == (s, g) for x in c.segments))
            for s in range(N_SATELLITES)
            for g in STATIONS
        }
        book = DeliveryBook(
            ContactWindow(c.satellite, c.station, c.start_s, c.end_s, lambda s, g, known=curves: known[s, g])
            for c in contacts
        )
        now_s = 0.0
        for _ in range(12):
            now_s += float(rng.choice([0.0, 0.0, 1.0, 6.0]))
            n_hops = rng.permutation([0, 1, 1, 2]).tolist()
            if rng.random() < 0.2:
                n_hops[rng.integers(N_SATELLITES)] = -1
            hop_s = float(rng.choice([0.0, 0.5, 3.0]))
            stations = None if rng.random() < 0.6 else {int(rng.choice(STATIONS))}
            size = float(n_bytes * rng.choice([0.5, 1.0]))
            expected = try_all(contacts, now_s, size, n_hops, hop_s, stations)
            booking = book.choose(now_s, size, n_hops, hop_s, stations)
            if expected is None:
                assert booking is None
                n_none += 1
                continue
            (finish_s, _, satellite), contact, booked = expected
            assert booking is not None
            assert booking.finish_s == pytest.approx(finish_s, abs=1e-8)
            assert booking.satellite == satellite
            n_chosen += 1
            n_long += len(booked) > 1
            assert (
                booking.deadline_s == (contact.end_s if len(booked) == 1 else math.inf)
                or booking.station != contact.station
            )
            if booking.station != contact.station:  # a tie between stations of one satellite: either will do
                break
            for part, until_s in booked:
                part.free_s = until_s
    assert n_chosen > 200
    assert n_none > 50 or n_bytes < 2**24
    assert n_long > 20 or n_bytes < 2**21


def test_a_booking_that_is_given_back_leaves_the_book_as_it_was():
    for seed in range(60):
        rng = np.random.default_rng([8, seed])
        contacts = random_contacts(rng)
        if not contacts:
            continue
        whole = {
            (s, g): curve_of(sorted(x for c in contacts if (c.satellite, c.station) == (s, g) for x in c.segments))
            for s in range(N_SATELLITES)
            for g in STATIONS
        }
        book = DeliveryBook(
            ContactWindow(c.satellite, c.station, c.start_s, c.end_s, lambda s, g, known=whole: known[s, g])
            for c in contacts
        )
        size = float(rng.choice([1e6, 20e6, 90e6]))
        for _ in range(int(rng.integers(0, 6))):
            book.choose(0.0, size, [0, 1, 2, 1], 0.1)
        before = book.choose(0.0, size, [0, 1, 2, 1], 0.1)
        if before is None:
            continue
        assert before.finish_s == pytest.approx(
            sum(s for _, s in before.taken[-1:]) + before.finish_s - before.taken[-1][1]
        )
        book.cancel(before)
        again = book.choose(0.0, size, [0, 1, 2, 1], 0.1)
        assert again is not None
        assert (again.window, again.satellite, again.station) == (before.window, before.satellite, before.station)
        assert again.finish_s == pytest.approx(before.finish_s, abs=1e-9)


def one_pair(*windows: tuple[float, float], satellite: int = 0, rate_bps: float = 8e6) -> list[ContactWindow]:
    curve = curve_of([(s, e, rate_bps) for s, e in windows])
    return [ContactWindow(satellite, 4, s, e, lambda _s, _g: curve) for s, e in windows]


def test_a_transfer_longer_than_a_contact_goes_on_in_the_next_and_counts_what_is_booked_there():
    book = DeliveryBook(one_pair((0.0, 10.0), (100.0, 110.0), (200.0, 210.0)))  # 1 MB/s
    short = book.choose(0.0, 4e6, [1], 50.0)  # arrives after the first contact: booked ahead on the second
    assert (short.window, short.finish_s, short.deadline_s) == (1, pytest.approx(104.0), 110.0)
    long = book.choose(2.0, 12e6, [0], 0.0)  # 8 MB now, 4 MB more behind the 4 MB of the other
    assert (long.window, long.finish_s, long.deadline_s) == (0, pytest.approx(108.0), math.inf)
    assert long.taken == ((0, pytest.approx(8.0)), (1, pytest.approx(4.0)))
    rest = book.choose(2.0, 12e6, [0], 0.0)
    assert rest.finish_s == pytest.approx(210.0)  # the last 2 MB of the second contact and all 10 MB of the third
    assert book.choose(2.0, 1.0, [0], 0.0) is None
    book.cancel(long)
    assert book.choose(2.0, 8e6, [0], 0.0).finish_s == pytest.approx(10.0)


def test_ties_go_to_fewer_hops_then_to_the_lower_satellite():
    windows = [w for s in (2, 1, 3) for w in one_pair((10.0, 20.0), satellite=s)]
    assert DeliveryBook(windows).choose(0.0, 1e6, [0, 2, 1, 1], 1.0).satellite == 2
    assert DeliveryBook(windows).choose(0.0, 1e6, [0, 1, 1, 1], 1.0).satellite == 1
    assert DeliveryBook(windows).choose(0.0, 1e6, [0, 1, -1, 1], 1.0, {5}) is None


def test_no_contacts_at_all():
    book = DeliveryBook(())
    assert book.choose(0.0, 1.0, [0, 1], 0.1) is None
    assert book.last_end_s() == -math.inf


def test_the_last_contact_of_some_stations():
    book = DeliveryBook([*one_pair((0.0, 10.0), (30.0, 40.0))])
    assert (book.last_end_s(), book.last_end_s({4}), book.last_end_s({5})) == (40.0, 40.0, -math.inf)


def test_a_hop_takes_its_transfer_and_its_propagation():
    assert hop_seconds(1e6, 8e6, 0.25) == 1.25
