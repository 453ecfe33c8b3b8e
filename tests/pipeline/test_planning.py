"""Planning in a scenario: the choice of routes, waiting for contacts, loading weights, asking again."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from pipeline.small import small

from orbitsim import catalog
from orbitsim.loading import load_scenario
from orbitsim.pipeline.jobs import JobFactory
from orbitsim.pipeline.links import LinkBook
from orbitsim.pipeline.run import build_world, run_scenario, task_starts
from orbitsim.pipeline.space import Space
from orbitsim.pipeline.work import build_work
from orbitsim.sim.controller import Question
from orbitsim.sim.engine import simulate_scheme
from orbitsim.types.plan import Plan

COLLABORATIVE = {"run.schemes": ["collaborative"]}


def factory_of(scenario):
    space = Space(scenario)
    links = LinkBook(space)
    return JobFactory(scenario, build_work(scenario), links, build_world(links)), space


def test_the_chosen_route_is_the_earliest_of_all_when_each_is_simulated():
    # Slow boards ahead of the sensor and fast ones behind: the ring is to be walked backwards.
    devices = ["jetson-agx-orin-30w", *["jetson-agx-orin-15w"] * 6, *["jetson-agx-orin-maxn"] * 5]
    changes = {"planner.route": "choose", "shells.0.devices": devices, "links.downlink.availability": "always"}
    factory, _ = factory_of(small(changes))
    decision = factory.desk.answer("collaborative", Question(0.0), factory.deliver)
    delivered = {route: factory.deliver("collaborative", route, 0.0) for route in factory.desk.candidate_routes}
    assert len(delivered) == 2
    assert delivered[decision.route] == min(delivered.values()) < max(delivered.values())
    assert decision.route.chain == (0, 11, 10)


def test_a_budget_for_all_hops_counts_what_all_cuts_lost_together():
    name = "transform-vit-s14"
    table = catalog.codec_table(name)
    at = 1  # the second setting: 30x
    budget = table.together.loss[at] * 1.001
    changes = {"codec.table": name, "codec.max_accuracy_loss": budget, "codec.rule": "cumulative"}
    factory, _ = factory_of(load_scenario("leo12-vitg-idealised", settings=changes))
    plan = factory.desk.answer("collaborative", Question(0.0), factory.deliver).plan
    used = [ratio for ratio in plan.ratio if ratio is not None]
    n_cuts = len(table.together.after_blocks)
    share = dict(zip(table.ratio, table.hop_loss("cumulative", budget), strict=True))
    assert 2 <= len(used) <= n_cuts
    assert sum(share[ratio] for ratio in used) <= budget
    assert table.plan_loss(used) <= budget
    # as many hops as were measured at once may all have the ratio at which they lost the budget
    assert max(used) <= table.ratio[at]
    # counting each hop for all of it, as before, would have left one at most
    assert 2 * table.loss[at] > budget


@pytest.mark.parametrize("t_s", [0.0, 1800.0, 4200.0])
def test_routes_over_a_grid_with_real_contacts_are_chosen_by_delivery(t_s):
    changes = {
        "planner.route": "choose",
        "planner.most_simulated_routes": 1000,
        "links.isl.topology": "grid",
        "shells.0.n_satellites": 64,
        "shells.0.n_planes": 8,
        "shells.0.phasing": 1,
        "shells.0.altitude_m": 1200e3,
    }
    factory, _ = factory_of(small(changes))
    decision = factory.desk.answer("collaborative", Question(t_s), factory.deliver)
    delivered = [factory.deliver("collaborative", route, t_s) for route in factory.desk.candidate_routes]
    assert len(delivered) > 4
    assert factory.deliver("collaborative", decision.route, t_s) == min(delivered)


def test_the_lower_bound_of_a_route_is_never_above_its_delivery():
    factory, _ = factory_of(small({"planner.route": "choose"}))
    desk = factory.desk
    for t_s in np.linspace(0.0, 6000.0, 9):
        for scheme in ("collaborative", "hybrid", "ground-only"):
            for route in desk.candidate_routes:
                plan = desk.plan(scheme, route, desk.rates.at(route, float(t_s))).plan
                assert desk.earliest_s(route, plan, float(t_s)) <= factory.deliver(scheme, route, float(t_s))


def test_tasks_keep_their_route_and_the_next_ones_choose_anew():
    changes = {"planner.route": "choose", **COLLABORATIVE}
    result = run_scenario(small(changes))
    plans = result.tables["plans"]
    assert (plans.loc[plans["reason"] == "task"].groupby("task").size() > 0).all()
    assert result.summary["schemes"]["collaborative"]["delivered"] > 0


def test_hybrid_is_never_later_than_what_it_contains_for_a_task_on_an_empty_network():
    schemes = ["hybrid", "collaborative", "ground-only", "single-satellite"]
    result = run_scenario(small({"run.schemes": schemes, "run.backlog": "independent"}))
    tasks = result.tables["tasks"].pivot_table(index="task", columns="scheme", values="end_s", observed=True)
    assert len(tasks) > 5
    for scheme in schemes[1:]:
        both = tasks[["hybrid", scheme]].dropna()
        assert (both["hybrid"] <= both[scheme] + 1e-6).all(), scheme


def test_the_model_as_judge_does_not_know_contacts():
    waits = {"run.schemes": ["hybrid"], "run.backlog": "independent"}
    plans = {}
    for judge in ("simulation", "model"):
        plans[judge] = run_scenario(small({**waits, "planner.judge": judge})).tables["plans"]
    assert set(plans["model"]["plan_of"]) == {"hybrid"}
    assert "collaborative" in set(plans["simulation"]["plan_of"])


def alternating(desk, plans, times):
    """Let the desk find another plan at every time, as changing rates would."""
    original = desk.decide

    def decide(scheme, route, t_s):
        decision = original(scheme, route, t_s)
        index = sum(t_s >= time for time in times) % len(plans)
        return type(decision)(
            decision.route, plans[index], decision.planner_used, 1.0, 0.0, decision.downlink_bps, scheme
        )

    desk.decide = decide


def run_with(changes, plans, times):
    factory, space = factory_of(small(changes))
    alternating(factory.desk, plans, times)
    return simulate_scheme(factory.world, factory.job("collaborative", task_starts(space))), factory


SPLITS = (
    Plan(((0, 4), (4, 8), (8, 12), (12, 12)), (1 / 23.28, 1 / 23.28, None, None)),
    Plan(((0, 2), (2, 11), (11, 12), (12, 12)), (1 / 23.28, 1 / 23.28, None, None)),
)


def test_loading_weights_takes_its_time_and_nothing_else_changes():
    changes = {"links.downlink.availability": "always", "planner.max_compute_nodes": 3, **COLLABORATIVE}
    loads = {**changes, "planner.weights_from": "storage", "planner.storage_rate_bytes_s": 1e7}
    free, _ = run_with(changes, SPLITS[:1], [])
    loaded, _ = run_with(loads, SPLITS[:1], [])
    assert [task.end_s for task in loaded.tasks] == [task.end_s for task in free.tasks]  # deployed beforehand


def test_a_switch_that_costs_more_than_it_saves_is_not_made():
    changes = {"planner.weights_from": "storage", "planner.storage_rate_bytes_s": 1e5, **COLLABORATIVE}
    run, factory = run_with(changes, SPLITS, [650.0 * k for k in range(1, 12)])
    load_s = factory.desk.load_s
    assert load_s is not None
    assert min(load_s) > 100.0  # 14 MB of a block at 100 kB/s: longer than any task of this scenario
    assert any(record.decision.kept for record in run.plans)
    assert {record.decision.plan for record in run.plans} == {SPLITS[0]}
    assert all(record.decision.switch_s > 0 for record in run.plans if record.decision.kept)


def test_a_switch_that_pays_is_made_and_its_loading_is_spent():
    better = SPLITS[0]
    worse = Plan(((0, 1), (1, 2), (2, 12), (12, 12)), (1 / 23.28, 1 / 23.28, None, None))  # most on the slowest board
    base = {"links.downlink.availability": "always", "workload.images_per_task": 3000, **COLLABORATIVE}
    loads = {"planner.weights_from": "storage", "planner.storage_rate_bytes_s": 2e7}
    free, _ = run_with(base, (worse, better), [600.0, 1e9])
    paid, factory = run_with({**base, **loads}, (worse, better), [600.0, 1e9])
    changed = [record for record in paid.plans if record.changed]
    assert [record.decision.plan for record in changed] == [worse, better]
    load_s = factory.desk.load_s
    # The first node holds layer 0 and loads 1-3, the second holds 1 and loads 4-7, the third holds 8-11 already.
    switch_s = math.fsum(load_s[1:4]) + math.fsum(load_s[4:8])
    assert changed[1].decision.switch_s == pytest.approx(switch_s)
    first = next(task for task in paid.tasks if task.start_s == 600.0)
    twin = next(task for task in free.tasks if task.start_s == 600.0)
    assert 0.0 < first.end_s - twin.end_s <= switch_s + 1e-9


def test_free_loading_is_no_loading():
    schemes = {"run.schemes": ["hybrid", "collaborative"], "run.backlog": "carry"}
    free = run_scenario(small(schemes)).tables["tasks"]
    quick = {"planner.weights_from": "storage", "planner.storage_rate_bytes_s": 1e15}
    loaded = run_scenario(small({**schemes, **quick})).tables["tasks"]
    assert (free["end_s"] - loaded["end_s"]).abs().max() < 1e-3


def test_hybrid_on_chosen_routes_with_several_computing_stations_contains_the_others():
    changes = {
        "planner.route": "choose",
        "links.isl.topology": "grid",
        "shells.0.n_satellites": 64,
        "shells.0.n_planes": 8,
        "shells.0.phasing": 1,
        "shells.0.altitude_m": 1200e3,
        "stations": [
            {"name": "a", "latitude_deg": -53.0, "longitude_deg": 180.0, "device": "rtx-4070-ti"},
            {"name": "b", "latitude_deg": 40.0, "longitude_deg": 0.0, "device": "rtx-4090"},
        ],
        "run.schemes": ["hybrid", "collaborative", "ground-only"],
        "run.backlog": "independent",
        "clock.duration_s": 3600.0,
    }
    chosen = run_scenario(small(changes)).tables["tasks"]
    ends = chosen.pivot_table(index="task", columns="scheme", values="end_s", observed=True)
    assert len(ends) == 6
    for scheme in ("collaborative", "ground-only"):
        assert (ends["hybrid"] <= ends[scheme] + 1e-6).all(), scheme
    first = run_scenario(small({**changes, "planner.route": "first"})).tables["tasks"]
    before = first.pivot_table(index="task", columns="scheme", values="end_s", observed=True)
    assert (ends["collaborative"] <= before["collaborative"] + 1e-6).all()


def test_only_the_ground_needs_no_chain():
    changes = {"links.isl.topology": "none", "workload.sensor_computes": True}
    scenario = small(changes)
    lonely = scenario.model_copy(update={"workload": scenario.workload.model_copy(update={"sensor_computes": False})})
    schemes = run_scenario(lonely).summary["schemes"]
    assert schemes["ground-only"]["status"] == "ok"
    assert schemes["collaborative"]["status"] == "infeasible"


@pytest.mark.parametrize("source", ["storage", "isl"])
def test_weights_are_loaded_at_the_rate_of_their_source(source):
    factory, _ = factory_of(small({"planner.weights_from": source, "planner.storage_rate_bytes_s": 1e8}))
    weights = factory.work.graph.weights_bytes("fp16")
    rate_bytes_s = 1e8 if source == "storage" else 0.5e9 / 8
    assert factory.desk.load_s == pytest.approx((weights / rate_bytes_s).tolist())
    assert math.fsum(factory.desk.load_s) == pytest.approx(2 * 86.57e6 / rate_bytes_s, rel=0.01)


def test_the_planner_is_asked_when_a_crosslink_of_the_day_closes():
    # At 300 km, 12 satellites in a plane see one another barely or not at all over an ellipsoid; a grazing altitude in
    # between makes crosslinks open and close with latitude.
    changes = {"shells.0.altitude_m": 500e3, "links.isl.grazing_altitude_m": 266e3, **COLLABORATIVE}
    factory, _ = factory_of(small(changes))
    assert factory.world.changes_s
    result = run_scenario(small(changes))
    plans = result.tables["plans"]
    assert (plans["reason"] == "crosslink").any()
    assert pd.Series(plans["t_s"]).is_monotonic_increasing
    assert result.summary["schemes"]["collaborative"]["status"] == "ok"


def test_a_plan_is_looked_for_only_when_what_it_reckons_with_changed():
    factory, _ = factory_of(small({"links.isl.mode": "budget"}))
    desk, route = factory.desk, factory.desk.default_route
    asked = {id(desk.plan("collaborative", route, desk.rates.at(route, t_s))) for t_s in np.linspace(0, 7000, 200)}
    assert len(asked) < 60


@pytest.mark.parametrize("scheme", ["collaborative", "single-satellite"])
def test_without_any_chain_the_reason_is_the_same_whether_routes_are_chosen_or_not(scheme):
    alone = {"workload.sensor_computes": False, "links.isl.max_range_m": 100e3, "run.schemes": [scheme]}
    first, chosen = (run_scenario(small({**alone, "planner.route": route})) for route in ("first", "choose"))
    assert "has no crosslink" in str(chosen.summary["schemes"][scheme])
    assert chosen.summary["schemes"] == first.summary["schemes"]
