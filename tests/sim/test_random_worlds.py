"""Deliveries in random worlds: outages, changing plans, several stations; no law broken, nothing lost."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sim.slow_twin import walk
from sim.worlds import assert_sound, changing_job, make_world, one_layer_each, stage, times_of

from orbitsim.sim.engine import simulate_scheme
from orbitsim.sim.jobs import GroundStage
from orbitsim.sim.network import World
from orbitsim.sim.scheme import SchemeJob
from orbitsim.types.plan import Plan
from orbitsim.types.route import Route

COMPUTER = GroundStage(3.0, 0.5, None, (3.0, 0.0, 0.0))


class RandomWorld:
    """A ring with random contacts, rates, outages, plans that change, stations with and without computers."""

    def __init__(self, seed: int, execution: str) -> None:
        rng = np.random.default_rng([5, seed])
        self.n = n = int(rng.integers(2, 6))
        self.horizon_s = 400.0
        n_stations = int(rng.integers(1, 3))
        self.stations = ["ground", "dish"][:n_stations]
        slow = float(rng.choice([2e5, 2e6, 2e7]))
        crosslinks = {}
        for a in range(n):
            for b in ((a + 1) % n, (a - 1) % n):
                rate = float(rng.choice([1e6, 1e7]))
                gap = sorted(rng.uniform(50.0, 300.0, 2).tolist())
                always = [(0.0, math.inf, rate)]
                broken = [(0.0, gap[0], rate), (gap[1], math.inf, 2 * rate)]
                crosslinks[a, b] = broken if rng.random() < 0.2 else always
        self.downlinks = {}
        for a in range(n):
            for g in range(n_stations):
                edges = np.sort(np.round(rng.uniform(0.0, 400.0, 2 * rng.integers(0, 5)), 1))
                edges = edges.reshape(-1, 2)
                edges = edges[edges[:, 1] > edges[:, 0]]
                self.downlinks[a, n + g] = [(float(s), float(e), slow * float(rng.uniform(0.5, 2))) for s, e in edges]
        self.half_duplex = bool(rng.random() < 0.4)
        self.crosslinks = crosslinks
        self.delay_s = float(rng.choice([0.0, 0.02]))
        self.estimate_bps = float(rng.choice([1e6, 1e12]))
        self.sensor = int(rng.integers(0, n))
        self.sensor_computes = bool(rng.random() < 0.6)
        length = int(rng.integers(1, n + (1 if self.sensor_computes else 0)))
        first = self.sensor if self.sensor_computes else self.sensor + 1
        chain = tuple((first + i) % n for i in range(length))
        self.route = Route(self.sensor, chain, n, fixed=False)
        self.rng = rng
        self.ground = {n: COMPUTER}
        plans = []
        for _ in range(3):
            on = rng.random(length + 1) < 0.6
            on[rng.integers(0, length + 1)] = True
            plans.append(
                [stage(float(rng.uniform(0.2, 3.0)) * c, float(rng.choice([1e3, 1e5, 2e6])), 0.05 * c) for c in on]
            )
        self.stages = {one_layer_each(stages): stages for stages in plans}
        self.switch_s = float(rng.choice([5.0, 37.0, 1e9]))
        self.n_batches = int(rng.integers(1, 8))
        self.starts = np.sort(rng.choice(np.arange(0.0, 380.0, 20.0), rng.integers(1, 7), replace=False)).tolist()
        self.execution = execution

    def world(self) -> World:
        return make_world(
            self.n, self.stations, self.crosslinks, self.downlinks, horizon_s=self.horizon_s,
            crosslink_delay_s=self.delay_s, downlink_delay_s=self.delay_s / 2, hop_rate_bps=self.estimate_bps,
            half_duplex=self.half_duplex,
        )  # fmt: skip

    def plan_at(self, t_s: float) -> Plan:
        return list(self.stages)[int(t_s / self.switch_s) % len(self.stages)]

    def job(self) -> SchemeJob:
        return changing_job(
            self.route, self.stages, self.plan_at, self.starts, n_batches=self.n_batches, input_bytes=1.5e6,
            ground=self.ground, execution=self.execution,
        )  # fmt: skip


@pytest.mark.parametrize("execution", ["overlapped", "sequential", "serial"])
@pytest.mark.parametrize("backlog", ["carry", "independent"])
def test_random_worlds_break_no_law_and_lose_nothing(execution, backlog):
    n_delivered = n_unfinished = n_plans = 0
    for seed in range(60 if backlog == "carry" else 15):
        case = RandomWorld(seed, execution)
        world = case.world()
        run = simulate_scheme(world, case.job(), backlog=backlog)  # the laws are checked inside
        if backlog == "carry":
            assert_sound(run, world, case.sensor, places_are_links=execution == "overlapped")
        assert [task.index for task in run.tasks] == list(range(len(case.starts)))
        n_delivered += sum(not math.isnan(t.end_s) for t in run.tasks)
        n_unfinished += sum(math.isnan(t.end_s) for t in run.tasks)
        n_plans += len({record.decision.plan for record in run.plans})
        if seed % 10 == 0:
            again = simulate_scheme(case.world(), case.job(), backlog=backlog)
            for a, b in zip(run.passages, again.passages, strict=True):
                for name in ("task", "batch", "place", "part", "start_s", "end_s"):
                    np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert n_delivered > 20
    assert n_unfinished > 5
    assert n_plans > 15


@pytest.mark.parametrize("execution", ["overlapped", "sequential", "serial"])
def test_given_contacts_for_long_enough_everything_is_delivered(execution):
    for seed in range(40):
        case = RandomWorld(seed, execution)
        case.horizon_s = 5000.0
        later = [(1000.0 + 100.0 * i, 1080.0 + 100.0 * i, 4e6) for i in range(39)]
        a = case.sensor
        for pair in [(a, case.n)]:
            case.downlinks[pair] = [*case.downlinks[pair], *later]
        run = simulate_scheme(case.world(), case.job())
        assert [t.n_delivered for t in run.tasks] == [case.n_batches] * len(case.starts), seed
        assert all(t.end_s < 5000.0 for t in run.tasks)


def test_downlink_services_carry_exactly_the_integral_of_the_rate():
    n_services = 0
    for seed in range(40):
        case = RandomWorld(seed, "overlapped")
        case.switch_s = 1e9
        stages = case.stages[case.plan_at(0.0)]
        ground = bool(stages[-1].computes)
        computing = [k for k, item in enumerate(stages[:-1]) if item.computes]
        n_bytes = stages[computing[-1]].n_bytes if computing else 1.5e6
        run = simulate_scheme(case.world(), case.job())
        per_link: dict[str, float] = {}
        for times in times_of(run).values():
            for place, start_s, end_s in times:
                source, _, station = place.partition(">")
                if station not in case.stations:
                    continue
                assert station == "ground" or not ground
                segments = case.downlinks[int(source[-1]), case.n + case.stations.index(station)]
                assert walk(segments, start_s, n_bytes) == pytest.approx((start_s, end_s), rel=1e-9)
                per_link[place] = per_link.get(place, 0.0) + n_bytes
                n_services += 1
        for place, carried in per_link.items():
            source, _, station = place.partition(">")
            segments = case.downlinks[int(source[-1]), case.n + case.stations.index(station)]
            assert 8.0 * carried <= math.fsum((min(e, 400.0) - s) * r for s, e, r in segments) * (1 + 1e-9)
    assert n_services > 200
