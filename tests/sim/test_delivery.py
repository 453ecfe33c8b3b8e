"""Delivery over contacts: where results and raw tiles go, what a missed contact does, and that nothing is lost."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from sim.slow_twin import walk
from sim.worlds import (
    assert_sound,
    changing_job,
    curve_of,
    make_job,
    make_world,
    one_layer_each,
    ring_hops,
    stage,
    times_of,
)

from orbitsim.plan.delivery import ContactWindow
from orbitsim.sim.agenda import until_after
from orbitsim.sim.engine import simulate_scheme
from orbitsim.sim.jobs import GroundStage, Part
from orbitsim.sim.scheme import SchemeJob
from orbitsim.types.route import Route

MB = 1e6
MB_S = 8e6  # bit/s
ALONE = Route(0, (0,), None, fixed=False)


def one_satellite(contacts, *, horizon_s=1000.0, rate_bps=MB_S, delay_s=0.0, stations=("ground",)):
    """Make a world of p-00 alone; contacts by station."""
    if not isinstance(contacts, dict):
        contacts = {0: contacts}
    downlinks = {(0, 1 + g): [(s, e, rate_bps) for s, e in windows] for g, windows in contacts.items()}
    return make_world(1, stations, {}, downlinks, horizon_s=horizon_s, downlink_delay_s=delay_s)


def results(n_bytes: float, seconds: float = 2.0, starts=(0.0,), n_batches: int = 1, **more) -> SchemeJob:
    """Compute everything on p-00, then deliver."""
    return make_job(ALONE, [stage(seconds, n_bytes), stage(0.0, 4.0)], starts, n_batches=n_batches, **more)


def raw(n_bytes: float, ground: dict[int, GroundStage], starts=(0.0,), n_batches: int = 1, **more) -> SchemeJob:
    """Deliver raw tiles; a station computes."""
    stages = [stage(0.0, n_bytes), stage(3.0, 4.0)]
    return make_job(ALONE, stages, starts, n_batches=n_batches, input_bytes=n_bytes, ground=ground, **more)


COMPUTER = GroundStage(3.0, 0.5, None, (3.0, 0.0, 0.0))


# -- store and forward, and the edges of the scenario ------------------------------------------------------------------


def test_results_wait_on_board_until_a_contact_opens():
    run = simulate_scheme(one_satellite([(100.0, 110.0)], delay_s=0.01), results(4 * MB))
    (task,) = run.tasks
    assert task.end_s == pytest.approx(104.01, abs=1e-9)
    expected = [0.0, 2.0, 0.0, 0.0, 4.0, 0.01, 98.0]  # queue, compute, codec, isl, downlink, propagation, wait
    assert task.last.parts == pytest.approx(expected, abs=1e-9)
    assert times_of(run)[0, 0][1] == ("p-00>ground", pytest.approx(100.0), pytest.approx(104.0))
    assert [place.busy_s for place in run.places] == pytest.approx([2.0, 4.0])  # waiting is not being busy


def test_without_any_contact_every_task_is_undeliverable_and_unfinished():
    for world in (one_satellite([]), make_world(1, ["ground"], {}, {}, horizon_s=1000.0)):
        run = simulate_scheme(world, results(MB, starts=(0.0, 600.0), n_batches=3))
        assert [(t.undeliverable, t.n_delivered, math.isnan(t.end_s), t.last) for t in run.tasks] == [
            (True, 0, True, None)
        ] * 2
        assert [(place.name, place.n_served) for place in run.places] == [("p-00", 6)]
        assert [t.downlink_bytes for t in run.tasks] == [0.0, 0.0]


def test_contacts_that_are_cut_by_the_scenario_s_ends():
    world = one_satellite([(0.0, 50.0), (900.0, 1000.0)])
    run = simulate_scheme(world, results(4 * MB, starts=(0.0, 46.5, 950.0, 995.0), n_batches=1))
    # 46.5 s: computed by 48.5, 1.5 s of sending in the first contact and the rest in the second.
    ends = [t.end_s for t in run.tasks]
    assert ends[:3] == pytest.approx([6.0, 902.5, 956.0], abs=1e-9)
    assert math.isnan(ends[3])  # ready at 997 s, 4 s to send, 3 s left
    assert [t.undeliverable for t in run.tasks] == [False] * 4
    waits = [t.last.parts[Part.CONTACT_WAIT] for t in run.tasks[:3]]
    assert waits == pytest.approx([0.0, 850.0, 0.0], abs=1e-9)


def test_a_transfer_may_end_at_the_very_end_of_the_scenario():
    run = simulate_scheme(one_satellite([(900.0, 1000.0)]), results(4 * MB, seconds=2.0, starts=(994.0,)))
    assert run.tasks[0].end_s == 1000.0


def test_the_run_ends_just_after_the_horizon_wherever_the_clock_begins():
    """SimPy adds the wait to the clock and rounds: for one beginning in fifty, the next float would fall back on it."""
    rng = np.random.default_rng(1)
    n_naive = 0
    for horizon_s in (7200.0, 86400.0, 100.3):
        for begin_s in rng.uniform(0.0, horizon_s, 2000).tolist():
            end_s = begin_s + until_after(horizon_s, begin_s)
            assert horizon_s < end_s <= horizon_s * (1.0 + 1e-15)
            n_naive += begin_s + (math.nextafter(horizon_s, math.inf) - begin_s) <= horizon_s
    assert n_naive > 20


@pytest.mark.parametrize(("start_s", "undeliverable"), [(109.0, False), (110.0, True), (111.0, True)])
def test_undeliverable_means_that_no_contact_is_left_when_the_task_starts(start_s, undeliverable):
    run = simulate_scheme(one_satellite([(100.0, 110.0)]), results(MB, starts=(start_s,)))
    assert run.tasks[0].undeliverable is undeliverable
    assert math.isnan(run.tasks[0].end_s)


def test_transfers_longer_than_any_contact_go_on_in_later_ones():
    """At 1 Mbit/s 2 MB take 16 s, contacts last 10 s: mini-batch i ends after 16 (i + 1) s of open time."""
    contacts = [(100.0 * i, 100.0 * i + 10.0) for i in range(1, 9)]
    run = simulate_scheme(one_satellite(contacts, rate_bps=1e6), results(2 * MB, n_batches=5))
    ends = [times[-1][2] for _, times in sorted(times_of(run).items())]
    assert ends == pytest.approx([206.0, 402.0, 508.0, 704.0, 810.0], abs=1e-6)
    (task,) = run.tasks
    assert task.end_s == pytest.approx(810.0)
    assert task.last.parts[Part.DOWNLINK] == pytest.approx(16.0)
    assert_sound(run, one_satellite(contacts), 0)


def test_what_does_not_fit_before_the_end_stays_on_board():
    run = simulate_scheme(one_satellite([(100.0, 110.0)]), results(3 * MB, n_batches=5))
    assert (run.tasks[0].n_delivered, run.tasks[0].downlink_bytes) == (3, 9 * MB)
    assert math.isnan(run.tasks[0].end_s)
    assert not run.tasks[0].undeliverable


# -- several stations --------------------------------------------------------------------------------------------------


def test_results_go_to_the_station_that_is_in_sight_first_and_raw_tiles_to_one_that_computes():
    world = one_satellite({0: [(50.0, 60.0)], 1: [(200.0, 260.0)]}, stations=("dish", "centre"))
    to_any = simulate_scheme(world, results(4 * MB))
    assert to_any.tasks[0].end_s == pytest.approx(54.0)
    to_centre = simulate_scheme(world, raw(4 * MB, {2: COMPUTER}, starts=(0.0, 270.0)))
    assert [place for place, _, _ in times_of(to_centre)[0, 0]] == ["p-00>centre", "centre"]
    first, second = to_centre.tasks
    assert first.end_s == pytest.approx(207.0)
    assert first.last.parts == pytest.approx([0.0, 2.5, 0.5, 0.0, 4.0, 0.0, 200.0], abs=1e-9)
    assert second.undeliverable  # the dish is not asked, though
    world = one_satellite({0: [(50.0, 60.0), (300.0, 310.0)], 1: [(200.0, 260.0)]}, stations=("dish", "centre"))
    late = simulate_scheme(world, raw(4 * MB, {2: COMPUTER}, starts=(270.0,)))
    assert late.tasks[0].undeliverable  # a contact with a station that cannot receive it is none


def test_a_second_station_takes_what_missed_the_first():
    """A crosslink slower than estimated brings mini-batches late to p-01; some miss the dish and go to the centre."""
    world = make_world(
        2, ["dish", "centre"], {(0, 1): [(0.0, math.inf, 0.5 * MB_S)], (1, 0): [(0.0, math.inf, 0.5 * MB_S)]},
        {(1, 2): [(10.0, 30.0, MB_S)], (1, 3): [(40.0, 90.0, MB_S)]}, horizon_s=500.0, hop_rate_bps=1e12,
    )  # fmt: skip
    run = simulate_scheme(world, results(5 * MB, seconds=0.001, n_batches=4))
    got = [times_of(run)[0, b][-1] for b in range(4)]
    # They reach p-01 after 10, 20, 30 and 40 s; 10 s + 5 s and 20 s + 5 s fit, the others go to the centre.
    assert [place for place, _, _ in got] == ["p-01>dish", "p-01>dish", "p-01>centre", "p-01>centre"]
    assert [end for _, _, end in got] == pytest.approx([15.0, 25.0, 45.0, 50.0], abs=0.01)
    assert_sound(run, world, 0)


# -- the choice of the satellite ---------------------------------------------------------------------------------------


def test_a_mini_batch_alone_arrives_as_early_as_any_satellite_could_deliver_it():
    """With nothing else on the network the estimate is exact, so the arrival is the minimum over all satellites."""
    n, delay_s = 6, 0.004
    n_hops_used = set()
    for seed in range(80):
        rng = np.random.default_rng([11, seed])
        downlinks = {}
        for a in range(n):
            edges = np.sort(rng.uniform(0.0, 900.0, 2 * rng.integers(0, 3)))
            downlinks[a, n] = [(float(s), float(e), float(rng.uniform(2e6, 2e7))) for s, e in edges.reshape(-1, 2)]
        n_bytes = float(rng.uniform(1e5, 3e7))
        world = make_world(
            n, ["ground"], 2e7, downlinks, horizon_s=1000.0, crosslink_delay_s=delay_s, downlink_delay_s=0.001
        )
        job = results(n_bytes, seconds=1.5, starts=(float(rng.uniform(0.0, 500.0)),))
        (task,) = simulate_scheme(world, job).tasks
        ready_s = task.start_s + 1.5
        arrivals = []
        for a in range(n):
            hops = ring_hops(n, 0, a)
            at_s = ready_s + hops * (8.0 * n_bytes / 2e7 + delay_s)
            arrivals.append((walk(downlinks[a, n], at_s, n_bytes)[1] + 0.001, hops))
        best_s, hops = min(arrivals)
        if best_s > 1000.0:
            assert math.isnan(task.end_s)
            continue
        n_hops_used.add(hops)
        assert task.end_s == pytest.approx(best_s, rel=1e-9)
        assert task.isl_bytes == pytest.approx(hops * n_bytes)
        assert task.downlink_bytes == pytest.approx(n_bytes)
    assert n_hops_used >= {0, 1, 2, 3}


def test_equal_arrivals_go_by_fewer_hops_then_to_the_lower_satellite():
    contact = [(100.0, 200.0, MB_S)]
    world = make_world(5, ["ground"], 1e9, {(a, 5): contact for a in (3, 2, 4, 1)}, horizon_s=500.0)
    assert times_of(simulate_scheme(world, results(MB)))[0, 0][-1][0] == "p-01>ground"
    world = make_world(5, ["ground"], 1e9, {(a, 5): contact for a in (2, 4)}, horizon_s=500.0)
    assert times_of(simulate_scheme(world, results(MB)))[0, 0][-1][0] == "p-04>ground"  # one hop, not two


def test_a_contact_that_is_full_is_not_chosen_again():
    world = make_world(
        3, ["ground"], 1e9, {(0, 3): [(10.0, 14.0, MB_S)], (1, 3): [(20.0, 24.0, MB_S)], (2, 3): [(30.0, 34.0, MB_S)]},
        horizon_s=500.0,
    )  # fmt: skip
    run = simulate_scheme(world, results(2 * MB, seconds=0.001, n_batches=6))
    places = [times_of(run)[0, b][-1] for b in range(6)]
    assert [p for p, _, _ in places] == [f"p-0{i}>ground" for i in (0, 0, 1, 1, 2, 2)]
    assert [e for _, _, e in places] == pytest.approx([12.0, 14.0, 22.0, 24.0, 32.0, 34.0], abs=1e-6)


def test_crosslinks_that_open_later_let_stranded_results_go_at_the_next_window():
    """Nothing leads from p-00 to p-01 before 40 s: the results wait, and leave when the contact at 60 s opens."""
    base = make_world(2, ["ground"], 1e9, {(1, 2): [(60.0, 70.0, MB_S), (80.0, 99.0, MB_S)]}, horizon_s=100.0)
    alone, joined = [0, -1], [0, 1]
    world = replace(base, n_hops=lambda a, t_s: (joined if t_s >= 40.0 else alone) if a == 0 else [1, 0])
    (task,) = simulate_scheme(world, results(MB)).tasks
    assert task.end_s == pytest.approx(61.008, abs=1e-9)
    assert task.last.parts[Part.CONTACT_WAIT] == pytest.approx(58.0)
    assert math.fsum(task.last.parts) == pytest.approx(task.end_s)


@pytest.mark.parametrize("own_contacts", [[], [(5.0, 13.0, MB_S), (400.0, 460.0, MB_S)]])
@pytest.mark.parametrize("execution", ["overlapped", "sequential", "serial"])
def test_a_mini_batch_chosen_again_before_it_left_still_crosses_the_crosslinks(execution, own_contacts):
    """Raw tiles booked with p-01 wait on p-00 for the slow crosslink when the contact closes: they are there still."""
    slow = [(0.0, math.inf, 0.1 * MB_S)]
    world = make_world(
        2, ["ground"], {(0, 1): slow, (1, 0): slow},
        {(1, 2): [(1.0, 12.0, MB_S), (200.0, 390.0, MB_S)], (0, 2): own_contacts},
        horizon_s=1000.0, hop_rate_bps=1e12,
    )  # fmt: skip
    run = simulate_scheme(world, raw(2 * MB, {2: COMPUTER}, n_batches=5, execution=execution))
    (task,) = run.tasks
    assert task.n_delivered == 5
    assert_sound(run, world, 0, places_are_links=execution == "overlapped")
    (passages,) = run.passages
    crossed = passages.batch[passages.part == Part.ISL].tolist()
    down = passages.part == Part.DOWNLINK
    if execution == "serial" and own_contacts:
        return  # one server for everything: the records do not tell who sent
    places = [run.place_names[place] for place in passages.place[down]]
    from_neighbour = [
        b for b, p in zip(passages.batch[down].tolist(), places, strict=True) if "p-01" in p or p == "route"
    ]
    assert sorted(crossed) == sorted(from_neighbour)
    assert len(crossed) == 5 or own_contacts
    assert task.isl_bytes == len(crossed) * 2 * MB


@pytest.mark.parametrize(("isl_mb_s", "end_s"), [(0.1, 42.0), (0.05, 44.0)])
def test_what_waits_behind_a_long_transfer_leaves_when_its_contact_closes(isl_mb_s, end_s):
    """40 MB hold p-00's link to A from 10 s to 120 s; 2 MB booked on it come late, and go to B after A has set.

    Over the crosslink they take 20 s (they wait in the queue when A sets at 30 s) or 40 s (A has set when they come).
    """
    small = [stage(1.0, 1.0), stage(1.0, 2 * MB), stage(0.0, 4.0)]
    large = [stage(1.0, 40 * MB), stage(0.0, 1.0), stage(0.0, 4.0)]
    plans = {one_layer_each(small): small, one_layer_each(large): large}
    world = make_world(
        2, ["a", "b"], {(0, 1): [(0.0, math.inf, 1e9)], (1, 0): [(0.0, math.inf, isl_mb_s * MB_S)]},
        {(0, 2): [(10.0, 30.0, MB_S), (100.0, 130.0, MB_S)], (0, 3): [(40.0, 60.0, MB_S)]},
        horizon_s=1000.0, hop_rate_bps=1e12,
    )  # fmt: skip
    route = Route(0, (0, 1), None, fixed=False)
    job = changing_job(route, plans, lambda t_s: list(plans)[t_s >= 3.0], (0.0, 3.0), n_batches=1)
    first, second = simulate_scheme(world, job).tasks
    assert second.end_s == pytest.approx(120.0)
    assert first.end_s == pytest.approx(end_s, abs=1e-6)
    assert first.isl_bytes == pytest.approx(2 * MB + 1.0)
    assert math.fsum(first.last.parts) == pytest.approx(first.end_s)
    assert first.last.parts[Part.CONTACT_WAIT] == pytest.approx(max(0.0, 40.0 - 30.0) if isl_mb_s == 0.1 else 0.0)


# -- the way of raw tiles to the first node ----------------------------------------------------------------------------


def test_raw_tiles_over_a_crosslink_to_the_first_node_count_as_crosslink_bytes():
    world = make_world(3, ["ground"], MB_S, {(2, 3): [(0.0, 500.0, MB_S)]}, horizon_s=500.0)
    route = Route(0, (1, 2), None, fixed=False)
    stages = [stage(1.0, 2 * MB), stage(1.0, 0.5 * MB), stage(0.0, 4.0)]
    run = simulate_scheme(world, make_job(route, stages, (0.0,), n_batches=3, input_bytes=4 * MB))
    (task,) = run.tasks
    assert [place for place, _, _ in times_of(run)[0, 0]] == [
        "p-00>p-01", "p-01", "p-01>p-02", "p-02", "p-02>ground",
    ]  # fmt: skip
    assert task.isl_bytes == 3 * (4 + 2) * MB
    assert task.downlink_bytes == 3 * 0.5 * MB
    assert task.end_s == pytest.approx(4.0 + 1.0 + 2.0 + 1.0 + 0.5 + 2 * 4.0)


# -- contacts that carry nothing ---------------------------------------------------------------------------------------


def test_a_window_whose_rate_is_zero_carries_nothing():
    """A contact in which the link does not close (budget mode at low elevation) is no contact that delivers."""
    curve = curve_of([(300.0, 310.0, MB_S)])
    base = one_satellite([(300.0, 310.0)])
    windows = (ContactWindow(0, 1, 100.0, 110.0, lambda _s, _g: curve), *base.windows)
    world = replace(base, windows=windows)
    (task,) = simulate_scheme(world, results(MB)).tasks
    assert task.end_s == pytest.approx(301.0)
