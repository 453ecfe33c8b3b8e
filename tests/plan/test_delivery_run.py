"""Contacts chosen for runs of mini-batches, against the book asked for one after the other."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from orbitsim.link.capacity import CapacityCurve
from orbitsim.plan.delivery import ContactWindow, DeliveryBook
from orbitsim.plan.delivery_run import choose_run


class Case:
    """Random contacts of a few satellites with two stations, and mini-batches in order of time."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([79, seed])
        n, n_stations = int(rng.integers(1, 5)), int(rng.integers(1, 3))
        same_rates = bool(rng.random() < 0.5)  # then contacts tie
        curves: dict[tuple[int, int], CapacityCurve] = {}
        self.windows: list[ContactWindow] = []
        for satellite in range(n):
            for station in range(n_stations):
                edges = np.unique(np.round(rng.uniform(0.0, 300.0, 2 * int(rng.integers(0, 4))), -1)).tolist()
                edges = edges[: len(edges) // 2 * 2]
                starts, ends = edges[::2], edges[1::2]
                rates = [1e6 if same_rates else float(rng.uniform(0.5e6, 4e6)) for _ in starts]
                curves[satellite, station] = CapacityCurve.from_windows(starts, ends, rates)
                self.windows += [
                    ContactWindow(satellite, station, s, e, lambda a, b: curves[a, b])
                    for s, e in zip(starts, ends, strict=True)
                ]
        n_batches = int(rng.integers(1, 200))
        spread_s = float(rng.choice([0.0, 1.0, 250.0]))
        self.now_s = np.sort(rng.uniform(0.0, spread_s, n_batches) + float(rng.choice([0.0, 40.0])))
        big = rng.uniform(1e4, 4e6, n_batches)
        self.n_bytes = big if rng.random() < 0.4 else np.full(n_batches, float(rng.choice([0.0, 4e4, 4e5, 8e6])))
        self.n_hops = [int(h) for h in rng.integers(-1 if rng.random() < 0.3 else 0, 4, n)]
        self.hop_s = np.full(n_batches, float(rng.choice([0.0, 0.3]))) + self.n_bytes * 1e-8
        self.stations = [None, [0], [0, 1]][int(rng.integers(0, 3))]
        self.booked = [(float(rng.uniform(0, 100)), float(rng.uniform(1e3, 1e7))) for _ in range(rng.integers(0, 4))]

    def book(self) -> DeliveryBook:
        """Return a book in which something is booked already."""
        book = DeliveryBook(self.windows)
        for now_s, n_bytes in self.booked:
            book.choose(now_s, n_bytes, self.n_hops, 0.1)
        return book


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_the_same_bookings_as_one_by_one(seed):
    case = Case(seed)
    one, many = case.book(), case.book()
    plain = [
        one.choose(now_s, n_bytes, case.n_hops, hop_s, case.stations)
        for now_s, n_bytes, hop_s in zip(case.now_s.tolist(), case.n_bytes.tolist(), case.hop_s.tolist(), strict=True)
    ]
    found = choose_run(many, case.now_s, case.n_bytes, case.n_hops, case.hop_s, case.stations)
    assert found.window.tolist() == [-1 if b is None else b.window for b in plain]
    for place, booking in enumerate(plain):
        if booking is None:
            continue
        assert found.deadline_s[place] == booking.deadline_s
        if booking.deadline_s == math.inf:
            assert [index for index, _ in found.several[place].taken] == [index for index, _ in booking.taken]
            np.testing.assert_allclose(
                [s for _, s in found.several[place].taken], [s for _, s in booking.taken], rtol=0.0, atol=1e-9
            )
        else:
            np.testing.assert_allclose(found.taken_s[place], booking.taken[0][1], rtol=0.0, atol=1e-9)
    free_s = [[book.free_s(index) for index in range(len(book.windows))] for book in (one, many)]
    np.testing.assert_allclose(free_s[1], free_s[0], rtol=0.0, atol=1e-9)
