"""The laws at the end of a run: broken records are caught, each by its number; sound runs pass."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from sim.worlds import make_job, make_world, stage

import orbitsim.sim.engine as engine
from orbitsim.errors import LawError
from orbitsim.link.capacity import CapacityCurve
from orbitsim.sim.engine import simulate_scheme
from orbitsim.sim.jobs import MiniBatch, Part, Step
from orbitsim.sim.laws import check_laws
from orbitsim.sim.places import Server
from orbitsim.types.route import Route

SPAN = {"n_stranded": 0, "start_s": 0.0, "end_s": 100.0}


@pytest.fixture
def sound(monkeypatch):
    """Return the arguments with which a real run was checked."""
    caught = []

    def spy(*args, **kwargs):
        caught.append((args, kwargs))
        check_laws(*args, **kwargs)

    monkeypatch.setattr(engine, "check_laws", spy)
    world = make_world(2, ["ground"], 8e6, {(1, 2): [(10.0, 90.0, 8e6)]}, horizon_s=100.0, crosslink_delay_s=0.01)
    job = make_job(
        Route(0, (0, 1), None, fixed=False),
        [stage(1.0, 1e6), stage(2.0, 1e5), stage(0.0, 4.0)],
        (0.0, 5.0),
        n_batches=3,
    )
    simulate_scheme(world, job)
    (args, kwargs) = caught[0]
    assert kwargs == SPAN
    return list(args)


def law(args, **changes) -> str:
    with pytest.raises(LawError) as caught:
        check_laws(*args, **{**SPAN, **changes})
    return str(caught.value)


def test_a_sound_run_breaks_no_law(sound):
    check_laws(*sound, **SPAN)


def test_law_1_a_lost_mini_batch(sound):
    tasks, servers, *_ = sound
    tasks[0].n_batches += 1
    text = law(sound)
    assert "law 1: task 0 delivered 3 of 4 mini-batches" in text
    assert "law 1: 7 mini-batches started, 6 were found at the end" in text
    tasks[0].end_s = math.nan
    assert "task 0" not in law(sound)  # unfinished is no fault in itself, but somebody has to hold the missing one
    check_laws(*sound, **{**SPAN, "n_stranded": 1})
    servers[0].queue.append(MiniBatch(tasks[0], 3, ()))
    check_laws(*sound, **SPAN)


def test_law_1_a_mini_batch_delivered_twice(sound):
    sound[0][1].n_delivered += 1
    assert "law 1: task 1 delivered 4 of 3" in law(sound)


def test_law_2_parts_that_do_not_add_up(sound):
    tasks = sound[0]
    tasks[1].last.parts[Part.QUEUE] += 1e-3
    text = law(sound)
    assert "law 2: task 1" in text
    assert "task 0" not in text
    tasks[1].last.parts[Part.QUEUE] -= 1e-3 + 50.0
    tasks[1].last.parts[Part.CONTACT_WAIT] += 50.0
    assert "law 2: task 1" in law(sound)  # they add up, but one of them is negative


def test_law_3_a_link_that_carries_more_than_its_rate(sound):
    steps = sound[2]
    down = next(step for step in steps if step.part is Part.DOWNLINK)
    down.count *= 1000
    assert "law 3: a link of p-01>ground carried" in law(sound)


def test_law_3_a_transmitter_that_carries_more_than_its_links(sound):
    servers = sound[1]
    server = next(server for server in servers if server.name == "p-01>ground")
    server.n_bytes = 80.0 * 1e6 * 1.001  # 80 s open at 1 MB/s
    assert "law 3: p-01>ground carried 640640000 bit, its rate allows 640000000 bit" in law(sound)
    server.n_bytes = 80.0 * 1e6
    check_laws(*sound, **SPAN)


def test_law_4_a_service_before_its_task(sound):
    passages = sound[3]
    early = passages.start_s.copy()
    early[np.flatnonzero(passages.task == 1)[0]] = 4.9
    text = law([*sound[:3], replace(passages, start_s=early)])
    assert "law 4: 1 services began before their task" in text


def test_law_4_a_mini_batch_in_two_places(sound):
    passages = sound[3]
    mine = np.flatnonzero((passages.task == 0) & (passages.batch == 1))
    start = passages.start_s.copy()
    start[mine[1]] = passages.end_s[mine[0]] - 0.1
    assert "law 4: 1 mini-batches were in two places at once" in law([*sound[:3], replace(passages, start_s=start)])


def test_law_5_two_at_once_in_a_server(sound):
    passages = sound[3]
    place = passages.place.copy()
    place[:] = 0
    assert "law 5: p-00 served two mini-batches at once" in law([*sound[:3], replace(passages, place=place)])


def test_law_6_busier_than_time(sound):
    sound[1][0].busy_s = 100.1
    assert "law 6: p-00 was busy for 100.1 s of 100 s" in law(sound)


def test_every_broken_law_is_named_at_once(sound):
    tasks, servers, steps, passages = sound
    tasks[0].n_batches += 1
    tasks[1].last.parts[0] += 1.0
    next(step for step in steps if step.part is Part.ISL).count *= 10_000
    servers[0].busy_s = 1e3
    start = passages.start_s - 50.0
    text = law([tasks, servers, steps, replace(passages, start_s=start)])
    assert [f"law {number}" in text for number in range(1, 7)] == [True, True, True, True, True, True]
    assert "please report this" in text


def test_a_half_duplex_transmitter_and_a_node_s_own_are_within_the_sum_of_their_links():
    curve, same = CapacityCurve.constant(8e6), CapacityCurve.constant(8e6)
    server = Server(0, "p-00<>p-01", "isl")
    steps = [Step(server, 0, Part.ISL, curve=curve, n_bytes=1e6), Step(server, 1, Part.ISL, curve=same, n_bytes=1e6)]
    for step in steps:
        step.count = 60
    server.n_bytes = 120e6  # each direction alone is within its 100 MB, both together are not
    text = law([[], [server], steps, _no_passages()])
    assert "law 3: p-00<>p-01 carried" in text
    assert "a link of" not in text


def _no_passages():
    from orbitsim.sim.recorder import Recorder

    return Recorder(enabled=False).passages()
