"""Several tasks in flight on one network: first in, first out, one at a time, backlog over slots, or each alone."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from sim.slow_twin import Job, Work, fifo_network, random_segments
from sim.worlds import make_job, make_world, stage, times_of

from orbitsim.sim.engine import simulate_scheme
from orbitsim.types.route import Route

REL = 1e-9
HORIZON_S = 1e5
STATION = 3


class Case:
    """A fixed route p-00 > p-01 > p-02 > ground (or one entered at p-01), with everything drawn at random."""

    def __init__(self, seed: int, execution: str, *, half_duplex: bool = False, entered_over: bool = False) -> None:
        rng = np.random.default_rng([99, seed])
        self.execution, self.half_duplex = execution, half_duplex
        self.sensor = 1 if entered_over else 0
        self.chain = (0, 1, 2)
        self.n_batches = int(rng.integers(1, 9))
        n_tasks = int(rng.integers(1, 6))
        self.starts = np.sort(np.round(rng.uniform(0.0, 60.0, n_tasks), 1)).tolist()
        computes = rng.random(4) < 0.7
        computes[rng.integers(0, 3)] = True
        self.stages = [
            stage(float(rng.uniform(0.5, 4.0)) * c, float(rng.uniform(1e5, 3e6)), codec_s=0.1 * c) for c in computes
        ]
        self.input_bytes = float(rng.uniform(1e5, 3e6))
        pairs = [(0, 1), (1, 2), (2, STATION), (1, 0)]
        drawn = {pair: random_segments(rng, 150.0, 5e6, outages=rng.random() < 0.5) for pair in pairs}
        self.segments = drawn
        self.delay_s = {"isl": float(rng.choice([0.0, 0.011])), "down": float(rng.choice([0.0, 0.004]))}

    def world(self, horizon_s: float = HORIZON_S):
        return make_world(
            3,
            ["ground"],
            {pair: s for pair, s in self.segments.items() if pair[1] < STATION},
            {(2, STATION): self.segments[2, STATION]},
            horizon_s=horizon_s,
            crosslink_delay_s=self.delay_s["isl"],
            downlink_delay_s=self.delay_s["down"],
            half_duplex=self.half_duplex,
        )

    def job(self):
        return make_job(
            Route(self.sensor, self.chain, STATION, fixed=True),
            self.stages,
            self.starts,
            n_batches=self.n_batches,
            input_bytes=self.input_bytes,
            execution=self.execution,
        )

    def services(self) -> list[tuple[str, str, Work]]:
        """Return (machine, name in the records, service) of a mini-batch on its way."""
        names = ["p-00", "p-01", "p-02", "ground"]

        def send(a: int, b: int, n_bytes: float):
            delay_s = self.delay_s["down" if b == STATION else "isl"]
            name = f"{names[a]}>{names[b]}"
            if self.half_duplex and b != STATION:
                name = f"{names[min(a, b)]}<>{names[max(a, b)]}"
            return a, name, Work(n_bytes=n_bytes, segments=self.segments[a, b], delay_s=delay_s)

        steps = [send(1, 0, self.input_bytes)] if self.sensor == 1 else []
        nodes = [*self.chain, STATION]
        for k, (node, item) in enumerate(zip(nodes, self.stages, strict=True)):
            if item.computes:
                steps.append((node, names[node], Work(seconds=item.seconds)))
            if k < 3:
                steps.append(send(node, nodes[k + 1], item.n_bytes))
        if self.execution == "serial":
            return [("route", "route", work) for _, _, work in steps]
        if self.execution == "sequential":
            return [(names[node], names[node], work) for node, _, work in steps]
        return [(name, name, work) for _, name, work in steps]

    def twin(self, starts: list[float]) -> dict[tuple[int, int], Job]:
        """Run the tasks through the plain network."""
        route: list[tuple[str, list[Work]]] = []
        for machine, _, work in self.services():
            if route and route[-1][0] == machine and (self.execution == "serial" or not travels(route[-1][1][-1])):
                route[-1][1].append(work)
            else:
                route.append((machine, [work]))
        jobs = {(t, b): Job(s, route) for t, s in enumerate(starts) for b in range(self.n_batches)}
        fifo_network(list(jobs.values()), hold_propagation=self.execution == "serial")
        return jobs


def travels(work: Work) -> bool:
    return work.segments is not None and work.delay_s > 0.0


def compare(run, jobs, number=0, first_task=0):
    got = times_of(run, number)
    assert set(got) == {(t + first_task, b) for t, b in jobs}
    for (t, b), job in jobs.items():
        mine = got[t + first_task, b]
        assert [place for place, _, _ in mine] == [place for place, _, _ in job.times]
        np.testing.assert_allclose(
            [times[1:] for times in mine], [times[1:] for times in job.times], rtol=REL, atol=1e-9, err_msg=f"{t} {b}"
        )


@pytest.mark.parametrize("execution", ["overlapped", "sequential", "serial"])
def test_overlapping_tasks_equal_a_plain_fifo_network(execution):
    n_overlapping = 0
    for seed in range(60):
        case = Case(seed, execution, entered_over=seed % 3 == 0)
        run = simulate_scheme(case.world(), case.job())
        jobs = case.twin(case.starts)
        compare(run, jobs)
        for task in run.tasks:
            mine = [job.done_s for (t, _), job in jobs.items() if t == task.index]
            assert task.end_s == pytest.approx(max(mine), rel=REL)
            assert task.n_delivered == task.n_batches
        ends = [task.end_s for task in run.tasks]
        n_overlapping += any(end > start for end, start in zip(ends, case.starts[1:], strict=False))
    assert n_overlapping > 30


def test_both_directions_of_a_half_duplex_crosslink_share_it_in_order_of_arrival():
    n_shared = 0
    for seed in range(60):
        case = Case(seed, "overlapped", half_duplex=True, entered_over=True)
        run = simulate_scheme(case.world(), case.job())
        compare(run, case.twin(case.starts))
        full = Case(seed, "overlapped", half_duplex=False, entered_over=True)
        n_shared += any(
            a.end_s > b.end_s + 1e-6
            for a, b in zip(run.tasks, simulate_scheme(full.world(), full.job()).tasks, strict=True)
        )
    assert n_shared > 20  # sharing does delay


@pytest.mark.parametrize("execution", ["overlapped", "sequential", "serial"])
def test_independent_tasks_are_each_alone_on_an_empty_network(execution):
    for seed in range(25):
        case = Case(seed, execution)
        run = simulate_scheme(case.world(), case.job(), backlog="independent")
        assert len(run.passages) == len(case.starts)
        for number, start_s in enumerate(case.starts):
            compare(run, case.twin([start_s]), number, first_task=number)


def test_backlog_carries_over_slots_and_grows_when_the_load_is_above_one():
    """One processor, 3 s a mini-batch, 4 of them every 10 s: task i ends at 12 (i + 1), so its delay is 12 + 2 i."""
    case = Case(0, "overlapped")
    case.segments = {pair: [(0.0, math.inf, 1e15)] for pair in case.segments}
    case.delay_s = {"isl": 0.0, "down": 0.0}
    case.stages = [stage(3.0, 1.0), stage(0.0, 1.0), stage(0.0, 1.0), stage(0.0, 1.0)]
    case.n_batches, case.starts = 4, [10.0 * i for i in range(6)]
    run = simulate_scheme(case.world(), case.job())
    assert [t.end_s - t.start_s for t in run.tasks] == pytest.approx([12.0 + 2.0 * i for i in range(6)], abs=1e-9)
    alone = simulate_scheme(case.world(), case.job(), backlog="independent")
    assert [t.end_s - t.start_s for t in alone.tasks] == pytest.approx([12.0] * 6, abs=1e-9)


def test_a_server_serves_in_order_of_arrival_and_one_at_a_time():
    for seed in range(20):
        case = Case(seed, "overlapped")
        run = simulate_scheme(case.world(), case.job())
        by_place: dict[str, list[tuple[float, float, int, int]]] = {}
        for (task, batch), times in times_of(run).items():
            for place, start_s, end_s in times:
                by_place.setdefault(place, []).append((start_s, end_s, task, batch))
        for place, services in by_place.items():
            services.sort()
            keys = [(task, batch) for _, _, task, batch in services]
            assert keys == sorted(keys), f"{place}: a later mini-batch overtook an earlier one"
            assert all(a[1] <= b[0] + 1e-9 for a, b in pairwise(services)), place


@pytest.mark.parametrize("execution", ["overlapped", "sequential", "serial"])
def test_what_is_recorded_at_the_horizon_is_what_ended_by_then(execution):
    for seed in range(25):
        case = Case(seed, execution)
        jobs = case.twin(case.starts)
        ends = sorted(end for job in jobs.values() for _, _, end in job.times)
        horizon_s = ends[2 * len(ends) // 3]  # a service that ends at the horizon itself counts
        starts = [s for s in case.starts if s <= horizon_s]
        case.starts = starts
        jobs = case.twin(starts)
        run = simulate_scheme(case.world(horizon_s), case.job())
        got = sorted(end for times in times_of(run).values() for _, _, end in times)
        expected = sorted(end for job in jobs.values() for _, _, end in job.times if end <= horizon_s * (1.0 + 1e-12))
        np.testing.assert_allclose(got, expected, rtol=REL)
        for task in run.tasks:
            done = [job.done_s <= horizon_s * (1 + 1e-12) for (t, _), job in jobs.items() if t == task.index]
            assert task.n_delivered == sum(done)
            assert math.isnan(task.end_s) == (not all(done))


def test_parts_of_the_last_mini_batch_add_up_to_the_delay():
    for seed in range(40):
        for execution in ("overlapped", "sequential", "serial"):
            case = Case(seed, execution, entered_over=seed % 2 == 0, half_duplex=execution == "overlapped")
            for task in simulate_scheme(case.world(), case.job()).tasks:
                parts = task.last.parts
                assert min(parts) >= -1e-9
                assert math.fsum(parts) == pytest.approx(task.end_s - task.start_s, rel=REL)


def test_places_count_bytes_services_and_busy_time():
    for seed in range(20):
        case = Case(seed, "overlapped")
        run = simulate_scheme(case.world(), case.job())
        n = case.n_batches * len(case.starts)
        expected = {name: work for _, name, work in case.services()}
        assert {place.name for place in run.places} == set(expected)
        for place in run.places:
            work = expected[place.name]
            assert place.n_served == n
            assert place.n_bytes == pytest.approx(n * work.n_bytes)
            if work.segments is None:
                assert place.busy_s == pytest.approx(n * work.seconds)
            else:  # the time in which bits flow, whatever outages they meet
                slowest = min(rate for _, _, rate in work.segments if rate)
                fastest = max(rate for _, _, rate in work.segments)
                assert 8 * n * work.n_bytes / fastest * (1 - REL) <= place.busy_s
                assert place.busy_s <= 8 * n * work.n_bytes / slowest * (1 + REL)


def test_a_link_of_a_fixed_route_that_closes_for_ever_keeps_what_waits_for_it():
    case = Case(3, "overlapped")
    case.segments = {pair: [(0.0, math.inf, 1e9)] for pair in case.segments}
    case.delay_s = {"isl": 0.0, "down": 0.0}
    case.stages = [stage(1.0, 1e6), stage(0.0, 1e6), stage(0.0, 1e6), stage(0.0, 1.0)]
    case.n_batches, case.starts = 6, [0.0]
    for pair in [(2, STATION), (1, 2)]:
        case.segments[pair] = [(0.0, 3.5, 1e9)]
        run = simulate_scheme(case.world(), case.job())
        assert [(t.n_delivered, math.isnan(t.end_s), t.undeliverable) for t in run.tasks] == [(3, True, False)]
        case.segments[pair] = [(0.0, math.inf, 1e9)]
