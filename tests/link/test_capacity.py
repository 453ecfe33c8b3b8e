"""CapacityCurve against a slow plain twin in exact arithmetic, against closed forms, and by its properties."""

from __future__ import annotations

import math
import pickle
from bisect import bisect_right
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbitsim.link.capacity import CapacityCurve


class ExactTwin:
    """Walks segment by segment in rational numbers; shares no code with the curve."""

    def __init__(self, segments):
        self.segments = [(Fraction(a), None if math.isinf(b) else Fraction(b), Fraction(r)) for a, b, r in segments]

    def finish(self, start, n_bytes):
        left, now = Fraction(n_bytes) * 8, Fraction(start)
        if left == 0:
            return now
        for begin, end, rate in self.segments:
            if (end is not None and end <= now) or rate == 0:
                continue
            now = max(now, begin)
            if end is None or left <= (end - now) * rate:
                return now + left / rate
            left -= (end - now) * rate
            now = end
        return math.inf

    def bits(self, t0, t1):
        t0, t1 = Fraction(t0), Fraction(t1)
        return sum(
            max(min(t1, end if end is not None else t1) - max(t0, begin), 0) * rate
            for begin, end, rate in self.segments
        )


@st.composite
def segment_lists(draw, max_size=12, endless=True):
    """Disjoint segments (start, end, rate) with gaps; sometimes touching, sometimes endless, rates from 0 to 1e12."""
    n = draw(st.integers(0, max_size))
    now = draw(st.floats(-1e4, 1e5))
    segments = []
    for _ in range(n):
        now += draw(st.one_of(st.just(0.0), st.floats(1e-3, 1e4)))
        end = now + draw(st.floats(1e-3, 1e4))
        rate = draw(st.one_of(st.just(0.0), st.floats(1.0, 1e12), st.sampled_from([1e3, 0.5e9])))
        segments.append((now, end, rate))
        now = end
    if endless and segments and draw(st.booleans()):
        begin, _, rate = segments[-1]
        segments[-1] = (begin, math.inf, rate or 1.0)
    return segments


def curve_of(segments):
    starts, ends, rates = (
        (np.array(column, dtype=float) for column in zip(*segments, strict=True)) if segments else (np.zeros(0),) * 3
    )
    return CapacityCurve.from_windows(starts, ends, rates)


times = st.floats(-2e4, 3e5)
sizes = st.one_of(st.just(0.0), st.floats(1e-3, 1e16), st.integers(1, 10**13).map(float))


def rounding_bytes(segments, n_bytes, last_s):
    """Bytes by which a size may be off: 4e-15 of itself, and 8 units in the last place of the time at the top rate."""
    top = max([rate for *_, rate in segments], default=0.0)
    return 4e-15 * n_bytes + top / 8 * 8 * math.ulp(max(abs(last_s), 3e5))


@settings(max_examples=250, deadline=None)
@given(segment_lists(), times, sizes)
def test_finish_equals_exact_twin(segments, start, n_bytes):
    """The finish is that of a transfer whose size differs by rounding, and by nothing more."""
    curve, twin = curve_of(segments), ExactTwin(segments)
    finish = curve.finish_at(start, n_bytes)
    off = Fraction(rounding_bytes(segments, n_bytes, finish if math.isfinite(finish) else 0.0)) if n_bytes else 0
    low, high = twin.finish(start, max(Fraction(n_bytes) - off, 0)), twin.finish(start, Fraction(n_bytes) + off)
    slack_s = 2 * math.ulp(max(abs(start), abs(finish))) if math.isfinite(finish) else 0.0
    assert low - Fraction(slack_s) <= finish <= high + Fraction(slack_s)
    assert finish >= start


@settings(max_examples=150, deadline=None)
@given(segment_lists(), st.lists(st.tuples(times, sizes), min_size=1, max_size=8))
def test_vector_and_scalar_agree_to_the_bit(segments, transfers):
    curve = curve_of(segments)
    starts, n_bytes = np.array(transfers).T
    together = curve.finish_s(starts, n_bytes)
    alone = np.array([curve.finish_at(start, size) for start, size in transfers])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(
        curve.closed_seconds(starts, starts + 1e3), [curve.closed_seconds_between(t, t + 1e3) for t in starts.tolist()]
    )


@settings(max_examples=150, deadline=None)
@given(segment_lists(), times, st.floats(0.0, 1e5))
def test_integral_equals_exact_twin(segments, t0, duration):
    exact = ExactTwin(segments).bits(t0, t0 + duration)
    # Two edges are rounded where they are clipped: an error of one part in 1e15 of the largest rate, no more.
    scale = max([rate for *_, rate in segments], default=0.0) * (abs(t0) + duration)
    assert float(curve_of(segments).integral_bits(t0, t0 + duration)) == pytest.approx(
        float(exact), rel=4e-15, abs=1e-15 * scale
    )


@settings(max_examples=150, deadline=None)
@given(segment_lists(), times, st.floats(0.0, 1e5))
def test_open_and_closed_time_cover_the_interval(segments, t0, duration):
    curve, t1 = curve_of(segments), t0 + duration
    opened = ExactTwin([(a, b, 1.0 if rate else 0.0) for a, b, rate in segments]).bits(t0, t1)
    tolerance_s = 1e-15 * (abs(t0) + duration) * 8
    assert float(curve.open_seconds(t0, t1)) == pytest.approx(float(opened), abs=tolerance_s)
    assert curve.closed_seconds_between(t0, t1) == pytest.approx(
        float(Fraction(t1) - Fraction(t0) - opened), abs=tolerance_s
    )
    assert curve.closed_seconds_between(t0, t1) >= 0.0


@settings(max_examples=150, deadline=None)
@given(segment_lists(), times, sizes, sizes)
def test_finish_never_falls_with_bytes(segments, start, one, other):
    curve = curve_of(segments)
    assert curve.finish_at(start, min(one, other)) <= curve.finish_at(start, max(one, other))


@settings(max_examples=150, deadline=None)
@given(segment_lists(), times, times, sizes)
def test_finish_never_falls_with_start(segments, one, other, n_bytes):
    curve, first, second = curve_of(segments), min(one, other), max(one, other)
    early, late = curve.finish_at(first, n_bytes), curve.finish_at(second, n_bytes)
    # Different starts sum different segments: equal up to the rounding of the bytes.
    more = n_bytes + rounding_bytes(segments, n_bytes, late if math.isfinite(late) else 0.0)
    assert early <= late or early <= curve.finish_at(second, more)


@settings(max_examples=150, deadline=None)
@given(segment_lists(), times, st.floats(1e-3, 1e5))
def test_inverse_of_the_integral(segments, start, duration):
    """What a link carries between two times crosses it by the second: nothing but rounding is left or carried again."""
    curve, stop = curve_of(segments), start + duration
    carried_bytes = float(curve.integral_bits(start, stop)) / 8
    finish = curve.finish_at(start, carried_bytes)
    missed_bits = ExactTwin(segments).bits(min(finish, stop), max(finish, stop))
    assert missed_bits / 8 <= rounding_bytes(segments, carried_bytes, max(abs(start), abs(stop)))


@settings(max_examples=100, deadline=None)
@given(segment_lists(), times, st.floats(0.0, 1e5), st.floats(0.0, 1e5))
def test_integral_is_additive(segments, t0, first, second):
    curve = curve_of(segments)
    t1 = t0 + first
    t2 = t1 + second
    whole = float(curve.integral_bits(t0, t2))
    assert float(curve.integral_bits(t0, t1) + curve.integral_bits(t1, t2)) == pytest.approx(whole, rel=1e-14)


@settings(max_examples=100, deadline=None)
@given(segment_lists(), times, sizes)
def test_latest_start_mirrors_finish(segments, deadline_s, n_bytes):
    curve = curve_of(segments)
    start = float(curve.latest_start_s(deadline_s, n_bytes))
    assert start <= deadline_s
    off = rounding_bytes(segments, n_bytes, max(abs(deadline_s), abs(start) if math.isfinite(start) else 0.0))
    if math.isinf(start):  # more than the link carries before the deadline
        assert n_bytes + off >= float(ExactTwin(segments).bits(-1e5, max(deadline_s, -1e5))) / 8
        return
    assert curve.finish_at(start, max(n_bytes - off, 0.0)) <= deadline_s
    later = start + 1e-9 * max(1.0, abs(start))  # any later and it comes too late
    if later <= deadline_s and curve.integral_bits(start, later) / 8 > 4 * off:
        assert curve.finish_at(later, n_bytes + off) > deadline_s


@settings(max_examples=100, deadline=None)
@given(segment_lists(), segment_lists(), times)
def test_minimum_is_the_lower_rate_everywhere(one, other, t):
    a, b = curve_of(one), curve_of(other)
    low = CapacityCurve.minimum(a, b)
    probes = np.concatenate((a.edges_s, b.edges_s, [t]))
    np.testing.assert_array_equal(low.rate_at(probes), np.minimum(a.rate_at(probes), b.rate_at(probes)))
    assert low == CapacityCurve.minimum(b, a)
    assert CapacityCurve.minimum(a, a) == a


@settings(max_examples=100, deadline=None)
@given(segment_lists(endless=False), times, st.floats(0.0, 2.0))
def test_cutting_and_joining_gives_the_curve_back(segments, t, factor):
    curve = curve_of(segments)
    before, after = curve.clipped(-math.inf, t), curve.clipped(t, math.inf)
    assert CapacityCurve.concatenate([before, after]) == curve
    assert hash(CapacityCurve.concatenate([before, after])) == hash(curve)
    np.testing.assert_array_equal(curve.scaled(factor).rate_at(curve.edges_s), curve.rate_at(curve.edges_s) * factor)


@settings(max_examples=100, deadline=None)
@given(segment_lists(), times)
def test_windows_and_next_opening_follow_the_rate(segments, t):
    curve = curve_of(segments)
    starts, ends = curve.windows()
    assert (starts[1:] > ends[:-1]).all()  # maximal: touching windows are one
    inside = bool(((starts <= t) & (t < ends)).any())
    assert (float(curve.rate_at(t)) > 0.0) == inside
    opens = float(curve.next_open_s(t))
    assert opens == (t if inside else min([s for s in starts.tolist() if s > t], default=math.inf))


def test_rate_at_equals_a_linear_search():
    rng = np.random.default_rng(7)
    edges = np.cumsum(rng.uniform(0.1, 5.0, 301))
    rates = rng.choice([0.0, 1e6, 2e6], 300)
    curve = CapacityCurve(edges, rates)
    probes = np.concatenate((rng.uniform(-10, edges[-1] + 10, 2000), edges))
    slow = [0.0 if not edges[0] <= t < edges[-1] else rates[bisect_right(edges.tolist(), t) - 1] for t in probes]
    np.testing.assert_array_equal(curve.rate_at(probes), slow)


def test_constant_rate_is_start_plus_bits_over_rate():
    """Hundreds of thousands of transfers back to back drift from the closed form by less than 1e-9."""
    curve, n_bytes, now = CapacityCurve.constant(0.5e9), 1_703_936.0, 0.0
    for _ in range(300_000):
        now = curve.finish_at(now, n_bytes)
    assert now == pytest.approx(300_000 * 8 * n_bytes / 0.5e9, rel=1e-10)
    assert curve.finish_at(86_000.0, 125.0) == 86_000.0 + 1000.0 / 0.5e9


def test_hand_computed_transfer_through_outages():
    """1 Mbit/s on [10, 12) and [20, 21), 2 Mbit/s on [30, inf): 4 Mbit from t = 0 take 2 + 1 + 0.5 s of open link."""
    curve = CapacityCurve.from_windows([10, 20, 30], [12, 21, np.inf], [1e6, 1e6, 2e6])
    assert curve.finish_at(0.0, 4e6 / 8) == 30.5
    assert curve.finish_at(11.0, 1e6 / 8) == 12.0  # fills the window: its end, not 20
    assert curve.finish_at(11.0, 2e6 / 8) == 21.0  # fills two windows
    assert curve.finish_at(12.0, 1.0 / 8) == 20.000001  # a window's end is closed already
    assert curve.finish_at(15.0, 0.0) == 15.0
    assert curve.finish_s([0.0, 11.0], [4e6 / 8, 1e6 / 8]).tolist() == [30.5, 12.0]
    assert curve.closed_seconds_between(0.0, 30.5) == 10 + 8 + 9
    assert curve.next_open_s([0.0, 11.0, 12.0]).tolist() == [10.0, 11.0, 20.0]
    assert float(curve.latest_start_s(30.5, 4e6 / 8)) == 10.0
    assert float(curve.latest_start_s(21.0, 3e6 / 8)) == 10.0
    assert float(curve.latest_start_s(21.0, 3.1e6 / 8)) == -math.inf


def test_filling_windows_of_many_steps_ends_at_their_end():
    """A transfer of exactly what a window of uneven steps carries ends with the window, for every window of a day."""
    rng = np.random.default_rng(3)
    starts = np.sort(rng.uniform(0, 86_000, 29))
    ends = starts + np.minimum(rng.uniform(20, 400, 29), np.diff(np.append(starts, 86_400)) * 0.9)
    curve = CapacityCurve.from_steps(starts, ends, 15.0, lambda t: 1e9 + 7e8 * np.sin(t))
    np.testing.assert_array_equal(curve.finish_s(starts, curve.integral_bits(starts, ends) / 8), ends)


def test_rounded_times_do_not_cost_an_orbit():
    """Ten transfers fill a window of 1 s exactly; their finishes are rounded, yet the last one meets no outage."""
    for begin in (0.3, 1234.1, 86_399.7):
        curve = CapacityCurve.from_windows([begin, begin + 5700], [begin + 1, begin + 5701], 1e9)
        now = begin
        for _ in range(10):
            now = curve.finish_at(now, 1e8 / 8)
        assert now <= begin + 1
        assert curve.finish_at(now, 1e3 / 8) == pytest.approx(begin + 5700, abs=1e-5)


def test_a_day_at_100_gbit_s_keeps_its_precision():
    """A kilobit link after a day at 100 Gbit/s: 8.6e15 bit before it cost its finish times no more than 1e-12."""
    edges = np.arange(0.0, 86_400.1, 15.0)
    curve = CapacityCurve.from_windows([*edges[:-1], 86_500.0], [*edges[1:], np.inf], [*(1e11 + edges[:-1] / 3), 1e3])
    assert curve.finish_at(86_450.0, 125.0) == 86_501.0
    assert curve.finish_at(86_399.9, (0.1 * 1e11) / 8) > 86_399.9
    t0, t1 = 86_000.3, 86_399.7
    exact = ExactTwin(list(zip(curve.edges_s, curve.edges_s[1:], curve.rates_bps, strict=False))).bits(t0, t1)
    assert float(curve.integral_bits(t0, t1)) == pytest.approx(float(exact), rel=1e-15)


def test_finish_relative_accuracy_within_a_day():
    """Rates within a factor of 1e3: the finish is within 1e-12 of the exact one, relative to the time taken."""
    rng = np.random.default_rng(11)
    edges = np.sort(rng.uniform(0, 86_400, 401))
    rates = 10 ** rng.uniform(8, 11, 400) * (rng.uniform(size=400) > 0.3)
    curve, twin = CapacityCurve(edges, rates), ExactTwin(list(zip(edges, edges[1:], rates, strict=False)))
    for start, size in zip(rng.uniform(0, 40_000, 200), 10 ** rng.uniform(3, 13, 200), strict=True):
        exact = twin.finish(start, size)
        assert curve.finish_at(start, size) == pytest.approx(
            float(exact), rel=4e-16, abs=1e-12 * (float(exact) - start)
        )


def test_from_steps_samples_the_middle_of_what_is_inside():
    """Steps of 15 s from t = 0; window [20, 50): parts [20, 30), [30, 45), [45, 50) with middles 25, 37.5, 47.5."""
    seen = []

    def rate_bps(t_s):
        seen.append(t_s)
        return t_s

    curve = CapacityCurve.from_steps([20.0, 60.0], [50.0, 75.0], 15.0, rate_bps)
    assert np.concatenate(seen).tolist() == [25.0, 37.5, 47.5, 67.5]
    assert curve.edges_s.tolist() == [20.0, 30.0, 45.0, 50.0, 60.0, 75.0]
    assert curve.rates_bps.tolist() == [25.0, 37.5, 47.5, 0.0, 67.5]


def test_normal_form_merges_neighbours_and_drops_empty_ends():
    curve = CapacityCurve([-1.0, 0.0, 1.0, 2.0, 3.0, 9.0], [0.0, 5.0, 5.0, 6.0, 0.0])
    assert curve.edges_s.tolist() == [0.0, 2.0, 3.0]
    assert curve.rates_bps.tolist() == [5.0, 6.0]
    assert curve == CapacityCurve.from_windows([0, 2], [2, 3], [5, 6])
    assert curve != CapacityCurve.from_windows([0, 2], [2, 3], [5, 7])
    assert curve != "curve"
    assert pickle.loads(pickle.dumps(curve)) == curve  # noqa: S301


def test_never_open():
    never = CapacityCurve.from_windows([], [], 1e6)
    assert (
        never == CapacityCurve.constant(0.0) == CapacityCurve.concatenate([]) == CapacityCurve.constant(1.0).scaled(0)
    )
    assert never.finish_at(3.0, 1.0) == math.inf
    assert never.finish_at(3.0, 0.0) == 3.0
    assert never.finish_s([1.0, 2.0], [0.0, 1.0]).tolist() == [1.0, math.inf]
    assert never.next_open_s(0.0) == math.inf
    assert never.closed_seconds_between(1.0, 4.0) == 3.0 == float(never.closed_seconds(1.0, 4.0))
    assert float(never.integral_bits(0, 10)) == 0.0
    assert float(never.latest_start_s(5.0, 1.0)) == -math.inf
    assert "never" in repr(never)


def test_curve_cannot_be_changed():
    curve = CapacityCurve.constant(1e6)
    with pytest.raises(AttributeError):
        curve.edges_s = np.zeros(2)
    with pytest.raises(ValueError, match="read-only"):
        curve.rates_bps[0] = 2.0


@pytest.mark.parametrize(
    ("edges", "rates", "message"),
    [
        ([0.0, 1.0], [1.0, 2.0], "one longer"),
        ([0.0, 0.0], [1.0], "strictly increasing"),
        ([1.0, 0.0], [1.0], "strictly increasing"),
        ([0.0, math.inf, math.inf], [1.0, 1.0], "finite"),
        ([-math.inf, 0.0], [1.0], "finite"),
        ([math.nan, 0.0], [1.0], "finite"),
        ([0.0, math.nan], [1.0], "finite"),
        ([0.0, 1.0], [-1.0], "not negative"),
        ([0.0, 1.0], [math.inf], "not negative"),
        ([0.0, 1.0], [math.nan], "not negative"),
    ],
)
def test_bad_curves_are_refused(edges, rates, message):
    with pytest.raises(ValueError, match=message):
        CapacityCurve(np.array(edges), np.array(rates))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.finish_s(0.0, -1.0), "negative"),
        (lambda c: c.finish_s(math.nan, 1.0), "nan"),
        (lambda c: c.finish_at(0.0, -1.0), "negative"),
        (lambda c: c.finish_at(math.nan, 1.0), "nan"),
        (lambda c: c.finish_at(0.0, math.nan), "nan"),
        (lambda c: c.integral_bits(2.0, 1.0), "exceed"),
        (lambda c: c.integral_bits(0.0, math.nan), "nan"),
        (lambda c: c.closed_seconds(0.0, math.inf), "finite"),
        (lambda c: c.closed_seconds_between(0.0, math.inf), "finite"),
        (lambda c: c.closed_seconds_between(2.0, 1.0), "before"),
        (lambda c: c.latest_start_s(math.inf, 1.0), "finite"),
        (lambda c: c.scaled(-1.0), "factor"),
        (lambda c: c.scaled(math.nan), "factor"),
        (lambda c: c.clipped(2.0, 1.0), "exceed"),
        (lambda c: CapacityCurve.concatenate([c, c]), "begins"),
        (lambda _: CapacityCurve.from_windows([0, 1], [2, 3], 1.0), "before window 0 ends"),
        (lambda _: CapacityCurve.from_windows([1], [1], 1.0), "window 0 must end"),
        (lambda _: CapacityCurve.from_windows([-math.inf], [1], 1.0), "finite"),
        (lambda _: CapacityCurve.from_windows([0, 1], [1], 1.0), "equally long"),
        (lambda _: CapacityCurve.from_steps([0], [math.inf], 15.0, np.ones_like), "finite"),
        (lambda _: CapacityCurve.from_steps([0], [1], 0.0, np.ones_like), "step_s"),
        (lambda _: CapacityCurve.from_steps([0], [1], 15.0, lambda t: t * math.nan), "not negative"),
    ],
)
def test_bad_questions_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(CapacityCurve.constant(1e6))
