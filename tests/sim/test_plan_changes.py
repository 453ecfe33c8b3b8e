"""A new plan applies to mini-batches that have not begun node 0; those in flight finish under the old one."""

from __future__ import annotations

import math

import pytest
from sim.worlds import changing_job, make_world, one_layer_each, stage, times_of

from orbitsim.errors import InfeasibleError
from orbitsim.sim.engine import simulate_scheme
from orbitsim.sim.jobs import GroundStage
from orbitsim.types.route import Route

MB_S = 8e6
GROUND = 3


def world_with_windows(opens, *, rate_bps=1e9, horizon_s=1000.0):
    """Three satellites; p-02 has a contact of 5 s at each of the given times, and a last one for the rest."""
    contacts = [(t, t + 5.0, rate_bps) for t in opens]
    return make_world(
        3, ["ground"], rate_bps, {(2, GROUND): [*contacts, (900.0, 990.0, rate_bps)]}, horizon_s=horizon_s
    )


def alternating(stage_lists, switch_s):
    """Return plans by time: the k-th from the k-th switch on."""
    plans = [one_layer_each(stages) for stages in stage_lists]

    def at(t_s):
        return plans[sum(t_s >= s for s in switch_s)]

    return plans, at


def job_of(route, stage_lists, at, plans, starts, n_batches, ground=None):
    by_plan = dict(zip(plans, stage_lists, strict=True))
    return changing_job(route, by_plan, at, starts, n_batches=n_batches, ground=ground)


def test_a_plan_holds_from_the_first_service_of_a_mini_batch_to_its_last():
    """Plan a: 3 s on p-00, 5 s on p-01. Plan b: 2 s on p-00, 1 s on p-02. Every window changes between them."""
    a = [stage(3.0, 1e3), stage(5.0, 1e3), stage(0.0, 1e3), stage(0.0, 4.0)]
    b = [stage(2.0, 1e3), stage(0.0, 1e3), stage(1.0, 1e3), stage(0.0, 4.0)]
    windows = [10.0, 30.5, 47.0, 71.0]
    plans, _ = alternating([a, b], windows)

    def at(t_s):
        return plans[sum(t_s >= w for w in windows) % 2]

    job = job_of(Route(0, (0, 1, 2), None, fixed=False), [a, b], at, plans, (0.0, 20.0, 40.0), 11)
    run = simulate_scheme(world_with_windows(windows), job)
    used = set()
    for key, times in times_of(run).items():
        # The plan in force when p-00 begins is the last that was announced before; a change at that very moment counts.
        begun_s = times[0][1]
        which = plans.index(at(begun_s))
        used.add(which)
        durations = {place: end - start for place, start, end in times if ">" not in place}
        expected = ({"p-00": 3.0, "p-01": 5.0}, {"p-00": 2.0, "p-02": 1.0})[which]
        assert durations == pytest.approx(expected), (key, times)
    assert used == {0, 1}
    assert all(task.n_delivered == 11 for task in run.tasks)
    changes = [(record.t_s, record.reason) for record in run.plans if record.changed]
    assert changes == [(0.0, "task"), *((t, "window") for t in windows), (900.0, "window")][: len(changes)]


def test_order_of_mini_batches_survives_a_change():
    a = [stage(3.0, 1e3), stage(0.0, 1e3), stage(0.0, 1e3), stage(0.0, 4.0)]
    b = [stage(2.0, 1e3), stage(0.0, 1e3), stage(0.0, 1e3), stage(0.0, 4.0)]
    plans, at = alternating([a, [stage(1.0, 1e3), stage(1.0, 1e3), *b[2:]]], [10.0])
    job = job_of(
        Route(0, (0, 1, 2), None, fixed=False),
        [a, [stage(1.0, 1e3), stage(1.0, 1e3), *b[2:]]],
        at,
        plans,
        (0.0, 5.0),
        6,
    )
    run = simulate_scheme(world_with_windows([10.0]), job)
    begun = sorted((times[0][1], key) for key, times in times_of(run).items())
    assert [key for _, key in begun] == [(t, k) for t in range(2) for k in range(6)]


def test_raw_tiles_that_wait_for_node_0_take_the_new_plan_without_crossing_again():
    """The sensor is p-00, node 0 is p-01. Tiles cross in 0.008 s and wait: at 10 s those not begun change."""
    a = [stage(4.0, 1e3), stage(0.0, 1e3), stage(0.0, 4.0)]
    b = [stage(1.0, 1e3), stage(1.0, 1e3), stage(0.0, 4.0)]
    plans, at = alternating([a, b], [10.0])
    job = job_of(Route(0, (1, 2), None, fixed=False), [a, b], at, plans, (0.0,), 6)
    run = simulate_scheme(world_with_windows([10.0]), job)
    for (_, number), times in times_of(run).items():
        places = [place for place, _, _ in times]
        assert places[:2] == ["p-00>p-01", "p-01"]
        assert times[0][2] < 0.1  # all crossed long before the change, and once
        assert places.count("p-00>p-01") == 1
        assert times[1][2] - times[1][1] == pytest.approx(4.0 if number < 3 else 1.0)
        assert ("p-02" in places) == (number >= 3)
    assert run.tasks[0].isl_bytes == pytest.approx(6 * 1e6 + 6 * 1e3)


def test_a_change_to_the_ground_sends_raw_tiles_from_where_they_are():
    """The new plan computes on the ground only: tiles that wait at node 0 leave from there, not from the sensor."""
    a = [stage(4.0, 1e3), stage(0.0, 1e3), stage(0.0, 4.0)]
    b = [stage(0.0, 1e3), stage(0.0, 1e3), stage(0.5, 4.0)]
    plans, at = alternating([a, b], [10.0])
    ground = {GROUND: GroundStage(0.5, 0.0, None, (0.0, 0.5, 0.0))}
    job = job_of(Route(0, (1, 2), None, fixed=False), [a, b], at, plans, (0.0,), 6, ground)
    run = simulate_scheme(world_with_windows([10.0]), job)
    for (_, number), times in times_of(run).items():
        places = [place for place, _, _ in times]
        if number < 3:
            assert places == ["p-00>p-01", "p-01", "p-01>p-02", "p-02>ground"]
        else:
            assert places == ["p-00>p-01", "p-01>p-02", "p-02>ground", "ground"]
    assert run.tasks[0].n_delivered == 6


def test_raw_tiles_booked_for_a_contact_give_it_back_when_the_plan_moves_the_work_on_board():
    ground = {GROUND: GroundStage(0.5, 0.0, None, (0.0, 0.5, 0.0))}
    a = [stage(0.0, 1e3), stage(0.0, 1e3), stage(0.0, 1e3), stage(0.5, 4.0)]
    b = [stage(1.0, 1e3), stage(0.0, 1e3), stage(0.0, 1e3), stage(0.0, 4.0)]
    plans, at = alternating([a, b], [5.0])
    job = job_of(Route(0, (0, 1, 2), None, fixed=False), [a, b], at, plans, (0.0, 5.0), 4, ground)
    contacts = {(0, GROUND): [(50.0, 52.0, MB_S)]}  # room for two mini-batches of raw tiles
    run = simulate_scheme(make_world(3, ["ground"], MB_S, contacts, horizon_s=100.0), job)
    assert [times[0][0] for _, times in sorted(times_of(run).items())] == ["p-00"] * 8
    assert [task.n_delivered for task in run.tasks] == [4, 4]
    assert run.tasks[1].end_s == pytest.approx(50.008)


def test_a_planner_without_a_plan_stops_the_scheme_with_its_reason():
    a = [stage(1.0, 1e3), stage(0.0, 4.0)]

    def plan_at(t_s):
        if t_s >= 10.0:
            raise InfeasibleError("no satellite has the memory")
        return one_layer_each(a)

    job = changing_job(Route(0, (0,), None, fixed=False), {one_layer_each(a): a}, plan_at, (0.0, 10.0), n_batches=1)
    with pytest.raises(InfeasibleError, match="no satellite has the memory"):
        simulate_scheme(make_world(1, ["ground"], {}, {}, horizon_s=100.0), job)


def test_the_planner_is_asked_at_each_task_and_each_window_and_its_answers_are_kept():
    a = [stage(1.0, 1e3), stage(0.0, 1e3), stage(0.0, 1e3), stage(0.0, 4.0)]
    plans, at = alternating([a], [])
    job = job_of(Route(0, (0, 1, 2), None, fixed=False), [a], at, plans, (0.0, 60.0), 2)
    run = simulate_scheme(world_with_windows([10.0, 60.0]), job)
    asked = [(record.t_s, record.reason, record.task, record.changed) for record in run.plans]
    assert asked == [
        (0.0, "task", 0, True),
        (10.0, "window", None, False),
        (60.0, "window", None, False),
        (60.0, "task", 1, False),
        (900.0, "window", None, False),
    ]
    assert not math.isnan(run.tasks[1].end_s)
