"""Whole runs of a small scenario: tables, parts, bytes, schemes, executions, and a golden run."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from pipeline.small import small

from orbitsim.pipeline.run import RunResult, run_scenario, save_run
from orbitsim.types.tables import TABLES

PARTS = ["queue_s", "compute_s", "codec_s", "isl_s", "downlink_s", "propagation_s", "contact_wait_s"]
ALWAYS = {"links.downlink.availability": "always"}
NO_CONTACT = {"stations.0.latitude_deg": 89.0}
ALL_SCHEMES = (
    "collaborative",
    "single-satellite",
    "ground-only",
    "hybrid",
    "collaborative-uniform",
    "collaborative-proportional",
)
RAW_BYTES = 64 * 224 * 224 * 3  # one mini-batch: 64 tiles of 224 x 224 pixels, 3 bytes each
RESULT_BYTES = 64 * 4
N_BATCHES, N_TASKS = 4, 12  # 20 images of 12 tiles make 240 tiles; two hours of ten minutes


@pytest.fixture(scope="module")
def contacts() -> RunResult:
    return run_scenario(small({"run.schemes": ALL_SCHEMES}))


@pytest.fixture(scope="module")
def always() -> RunResult:
    return run_scenario(small({**ALWAYS, "run.backlog": "independent", "run.schemes": ALL_SCHEMES}))


def by_scheme(result: RunResult, scheme: str) -> pd.DataFrame:
    tasks = result.tables["tasks"]
    return tasks[tasks["scheme"] == scheme].reset_index(drop=True)


# -- tables ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, ALWAYS, NO_CONTACT, {"run.record": "tasks"}])
def test_tables_have_the_columns_of_their_schema_in_order(changes):
    tables = run_scenario(small(changes)).tables
    assert set(tables) == set(TABLES) - ({"batches"} if changes.get("run.record") == "tasks" else set())
    for name, table in tables.items():
        assert list(table.columns) == [column.name for column in TABLES[name]], name
        for column in TABLES[name]:
            kind = str(table[column.name].dtype)
            assert kind == column.dtype or (column.dtype == "string" and kind in ("str", "object")), (name, column)
            assert column.nullable or not table[column.name].isna().any(), (name, column.name)


def test_the_contract_s_columns_are_there_under_their_names(contacts):
    needed = ["scheme", "task", "start_s", "end_s", "delay_s", "service_s", "status", "n_batches", "isl_bytes"]
    assert {*needed, "downlink_bytes", *PARTS} <= set(contacts.tables["tasks"].columns)
    item = contacts.summary["schemes"]["collaborative"]
    assert set(item) >= {
        "status", "reason", "planner_used", "tasks", "delivered", "unfinished", "undeliverable", "delay_s", "service_s",
        "isl_bytes", "downlink_bytes", "energy_j", "cost_origin",
    }  # fmt: skip
    assert set(item["delay_s"]) == set(item["service_s"]) == {"mean", "p50", "p95", "max"}
    assert set(item["cost_origin"]) == {"measured", "modelled", "published"}
    assert sum(item["cost_origin"].values()) == pytest.approx(1.0)


def test_a_row_for_every_scheme_and_task_and_parts_that_add_up(contacts, always):
    for result in (contacts, always):
        tasks = result.tables["tasks"]
        assert len(tasks) == len(ALL_SCHEMES) * N_TASKS
        for scheme in ALL_SCHEMES:
            assert by_scheme(result, scheme)["task"].tolist() == list(range(N_TASKS))
        done = tasks[tasks["status"] == "delivered"]
        assert len(done) == len(tasks)
        np.testing.assert_allclose(done[PARTS].sum(axis=1), done["delay_s"], rtol=1e-9, atol=1e-7)
        np.testing.assert_allclose(done["delay_s"], done["end_s"] - done["start_s"], rtol=0, atol=1e-9)
        np.testing.assert_allclose(done["service_s"], done["delay_s"] - done["contact_wait_s"], rtol=0, atol=1e-9)
        assert (done[PARTS].to_numpy() >= -1e-9).all()
        assert (done["start_s"] == done["task"] * 600.0).all()
    assert (always.tables["tasks"]["contact_wait_s"] == 0.0).all()
    assert (contacts.tables["tasks"]["contact_wait_s"] > 0.0).any()


def test_the_summary_says_what_the_table_holds(contacts):
    for scheme, item in contacts.summary["schemes"].items():
        tasks = by_scheme(contacts, scheme)
        assert (item["tasks"], item["delivered"], item["unfinished"]) == (N_TASKS, N_TASKS, 0)
        for column in ("delay_s", "service_s"):
            values = tasks[column].to_numpy()
            expected = {
                "mean": values.mean(), "p50": np.median(values), "p95": np.quantile(values, 0.95), "max": values.max()
            }  # fmt: skip
            assert item[column] == pytest.approx(expected, rel=1e-12)
        for column in ("isl_bytes", "downlink_bytes"):
            assert item[column] == pytest.approx(tasks[column].sum())


def test_batches_tell_the_way_of_every_mini_batch(contacts):
    batches = contacts.tables["batches"]
    names = {f"p-{i:02d}" for i in range(12)}
    for (scheme, _, _), rows in batches.groupby(["scheme", "task", "batch"], observed=True, sort=True):
        here, now_s = "p-00", -math.inf
        for place, service, start_s, end_s in rows.sort_values(["start_s", "end_s"], kind="stable")[
            ["place", "service", "start_s", "end_s"]
        ].itertuples(index=False):
            source, _, target = place.partition(">")
            assert source == here
            assert service == ("compute" if not target else "isl" if target in names else "downlink")
            assert now_s - 1e-9 <= start_s <= end_s
            here, now_s = target or here, end_s
        assert here == "ground", scheme


def test_bytes_follow_from_the_records(contacts):
    """A byte counts once per hop: services in `batches` times their size make the totals of `tasks`."""
    batches = contacts.tables["batches"]
    n_down = batches[batches["service"] == "downlink"].groupby("scheme", observed=True).size()
    assert (n_down == N_BATCHES * N_TASKS).all()
    for scheme, size in {
        "ground-only": RAW_BYTES,
        "collaborative": RESULT_BYTES,
        "single-satellite": RESULT_BYTES,
    }.items():
        tasks = by_scheme(contacts, scheme)
        assert tasks["downlink_bytes"].tolist() == [N_BATCHES * size] * N_TASKS
    n_isl = int(((batches["scheme"] == "ground-only") & (batches["service"] == "isl")).sum())
    assert by_scheme(contacts, "ground-only")["isl_bytes"].sum() == n_isl * RAW_BYTES


def test_links_carry_no_more_than_the_table_of_links_allows(contacts):
    links, resources = contacts.tables["links"], contacts.tables["resources"]
    capacity = (links.groupby("link", observed=True)["rate_bps"].sum() * 15.0).to_dict()
    sent = resources[resources["n_bytes"] > 0]
    assert len(sent) > 20
    for row in sent.itertuples():
        # The table samples each step at its middle: a contact's two edges may each hide a step.
        assert 8 * row.n_bytes <= capacity[row.place] + 4 * 15.0 * 0.5e9
        assert 0.0 <= row.utilisation <= 1.0 + 1e-9
        assert row.busy_s <= row.open_s * (1 + 1e-9)


@pytest.mark.parametrize("changes", [{}, {"run.execution": "sequential"}, {"links.isl.duplex": "half"}])
def test_the_table_of_links_has_those_that_carried_something_under_either_engine(changes):
    schemes = {"run.schemes": ["collaborative", "ground-only"], **changes}
    event, fast = (run_scenario(small({**schemes, "run.engine": engine})) for engine in ("simpy", "vectorised"))
    pd.testing.assert_frame_equal(event.tables["links"], fast.tables["links"])
    found = set(event.tables["links"]["link"].astype(str))
    if not changes:
        resources = event.tables["resources"]
        sent = resources[resources["kind"].isin(["isl", "downlink"]) & (resources["n_served"] > 0)]
        assert found == set(sent["place"].astype(str))
    else:
        assert found == set(run_scenario(small({"run.schemes": schemes["run.schemes"]})).tables["links"]["link"])


def test_links_that_carry_nothing_are_not_in_their_table():
    result = run_scenario(small({**NO_CONTACT, "links.downlink.min_elevation_deg": 80.0}))
    assert not set(result.tables["links"]["kind"]) & {"downlink"}


def test_recording_tasks_only_changes_no_figure(contacts):
    lean = run_scenario(small({"run.schemes": ALL_SCHEMES, "run.record": "tasks"}))
    assert lean.summary == contacts.summary
    for name in ("tasks", "plans", "resources", "contacts"):
        pd.testing.assert_frame_equal(lean.tables[name], contacts.tables[name])


# -- contacts, or none -------------------------------------------------------------------------------------------------


def test_without_any_contact_all_is_undeliverable_and_figures_of_delays_are_null():
    result = run_scenario(small({**NO_CONTACT, "links.downlink.min_elevation_deg": 80.0}))
    assert not len(result.tables["contacts"])
    for item in result.summary["schemes"].values():
        assert (item["delivered"], item["unfinished"], item["undeliverable"]) == (0, N_TASKS, N_TASKS)
        assert item["delay_s"] == {"mean": None, "p50": None, "p95": None, "max": None}
        assert item["downlink_bytes"] == 0.0
    tasks = result.tables["tasks"]
    assert tasks[["end_s", "delay_s", "service_s", *PARTS]].isna().all(axis=None)
    assert (tasks["status"] == "unfinished").all()


def test_tasks_after_the_last_contact_are_undeliverable_within_unfinished():
    """One satellite alone: it sees the station once, from 3942 s to 4416 s; 8 of 12 tasks start before that ends."""
    result = run_scenario(small({"shells.0.n_satellites": 1}))
    (last_s,) = result.tables["contacts"]["end_s"]
    assert round(last_s) == 4416
    for scheme, item in result.summary["schemes"].items():
        assert (item["delivered"], item["unfinished"], item["undeliverable"]) == (8, 4, 4)
        tasks = by_scheme(result, scheme)
        assert (tasks["undeliverable"] == (tasks["start_s"] >= last_s)).all()
        assert (tasks["undeliverable"] == (tasks["status"] == "unfinished")).all()


def test_a_slow_downlink_delivers_over_several_contacts():
    """At 0.1 Mbit/s a mini-batch of raw tiles takes 771 s, a contact lasts 474 s: it goes on an orbit later."""
    slow = {"links.downlink.rate_bps": 0.1e6, "run.schemes": ["ground-only"], "clock.slot_s": 7200.0}
    result = run_scenario(small(slow))
    batches = result.tables["batches"]
    down = batches[batches["service"] == "downlink"]
    (n_delivered,) = result.tables["tasks"]["n_delivered"]
    assert len(down) == n_delivered == 3
    assert (down["end_s"] - down["start_s"] > 5000.0).all()
    assert down["place"].is_unique  # three satellites, each over two contacts
    busy_s = result.tables["resources"].set_index("place")["busy_s"][list(down["place"])]
    np.testing.assert_allclose(busy_s, 8 * RAW_BYTES / 0.1e6, rtol=1e-9)
    assert result.tables["tasks"]["downlink_bytes"].sum() == 3 * RAW_BYTES


def test_a_ground_station_without_a_computer_takes_results_but_no_work():
    stations = [
        {"name": "ground", "latitude_deg": -53.0, "longitude_deg": 180.0},
        {"name": "centre", "latitude_deg": -8.4, "longitude_deg": 109.3, "device": "rtx-4070-ti"},
    ]
    result = run_scenario(small({"stations": stations, "run.schemes": ALL_SCHEMES}))
    batches = result.tables["batches"]
    down = batches[batches["service"] == "downlink"]
    to = down["place"].astype(str).str.partition(">")[2]
    assert set(to[down["scheme"] == "collaborative"]) == {"ground", "centre"}
    assert set(to[down["scheme"] == "ground-only"]) == {"centre"}
    computing = set(batches.loc[batches["service"] == "compute", "place"].astype(str))
    assert "ground" not in computing
    none = run_scenario(small({"stations": stations[:1], "run.schemes": ["collaborative", "hybrid"]})).summary[
        "schemes"
    ]
    assert none["hybrid"]["delay_s"] == none["collaborative"]["delay_s"]


# -- schemes and executions --------------------------------------------------------------------------------------------


def test_the_idealised_delay_equals_the_planner_s_and_the_closed_form(always):
    """Every task alone, downlink always open: the simulation is the plan's `exact` delay."""
    plans = always.tables["plans"]
    first = plans[plans["changed"] & (plans["position"] == 0)].groupby("scheme", observed=True)["expected_s"].first()
    for scheme in ALL_SCHEMES:
        delays = by_scheme(always, scheme)["delay_s"]
        # Planners reckon with delays of hops to the millisecond, and there are three hops.
        np.testing.assert_allclose(delays, first[scheme], rtol=0.0, atol=1.5e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"links.downlink.rate_bps": 10e6},
        {"workload.sensor_computes": False},
        {"links.isl.rate_bps": 20e6, "workload.model": "vit-l"},
        {"planner.max_compute_nodes": 5, "codec.encode_s_per_byte": 1e-9},
        {"workload.model_memory_bytes": 12e9, "planner.max_compute_nodes": 5},
        {"shells.0.devices": ["jetson-agx-orin-15w", "jetson-agx-orin-50w"], "links.downlink.rate_bps": 2e9},
    ],
)
def test_no_baseline_beats_the_optimal_planner_on_the_idealised_network(changes):
    settings = {**ALWAYS, "run.backlog": "independent", "run.schemes": ALL_SCHEMES, "clock.duration_s": 600.0}
    schemes = run_scenario(small({**settings, **changes})).summary["schemes"]
    ran = {name: item["delay_s"]["max"] for name, item in schemes.items() if item["status"] == "ok"}
    assert {"collaborative", "hybrid"} <= set(ran)
    assert len(ran) >= 4
    for name, delay_s in ran.items():
        assert ran["hybrid"] <= delay_s * (1 + 1e-9), (name, ran)
        if name not in ("ground-only", "hybrid"):
            assert ran["collaborative"] <= delay_s * (1 + 1e-9), (name, ran)


def test_a_sensor_that_only_senses_sends_raw_tiles_over_a_crosslink(always):
    changes = {**ALWAYS, "run.backlog": "independent", "workload.sensor_computes": False, "run.schemes": ALL_SCHEMES}
    apart = run_scenario(small(changes))
    batches = apart.tables["batches"]
    for scheme in ("collaborative", "single-satellite", "ground-only"):
        rows = batches[batches["scheme"] == scheme]
        first = rows.sort_values("start_s", kind="stable").groupby(["task", "batch"], observed=True)["place"].first()
        assert (first == "p-00>p-01").all()
        assert "p-00" not in set(rows["place"])
    # K = 3 satellites compute in both cases, so raw tiles of ground-only take one crosslink more.
    more = by_scheme(apart, "ground-only")["isl_bytes"] - by_scheme(always, "ground-only")["isl_bytes"]
    assert (more == N_BATCHES * RAW_BYTES).all()
    assert (by_scheme(apart, "collaborative")["isl_bytes"] >= N_BATCHES * RAW_BYTES).all()


@pytest.mark.parametrize("execution", ["overlapped", "sequential", "serial"])
@pytest.mark.parametrize("duplex", ["full", "half"])
@pytest.mark.parametrize("sensor_computes", [True, False])
def test_every_execution_delivers_over_contacts(execution, duplex, sensor_computes):
    changes = {
        "run.execution": execution, "links.isl.duplex": duplex, "workload.sensor_computes": sensor_computes,
        "run.schemes": ALL_SCHEMES,
    }  # fmt: skip
    result = run_scenario(small(changes))
    for scheme, item in result.summary["schemes"].items():
        assert item["delivered"] == N_TASKS, scheme
        assert (by_scheme(result, scheme)["n_delivered"] == N_BATCHES).all()
    kinds = set(result.tables["resources"]["kind"])
    assert (
        kinds
        == {"overlapped": {"processor", "isl", "downlink"}, "sequential": {"node"}, "serial": {"route"}}[execution]
    )


def test_executions_without_overlap_are_never_faster():
    delays = {}
    for execution in ("overlapped", "sequential", "serial"):
        settings = {**ALWAYS, "run.backlog": "independent", "run.execution": execution, "clock.duration_s": 600.0}
        schemes = run_scenario(small({**settings, "run.schemes": ALL_SCHEMES})).summary["schemes"]
        delays[execution] = [schemes[name]["delay_s"]["mean"] for name in ALL_SCHEMES]
    assert all(a <= b <= c for a, b, c in zip(*delays.values(), strict=True))
    assert delays["serial"][2] > delays["overlapped"][2]


def test_backlog_grows_when_a_task_takes_longer_than_its_slot():
    loaded = {**ALWAYS, "workload.images_per_task": 400, "clock.duration_s": 60.0, "clock.slot_s": 6.0}
    carried = run_scenario(small({**loaded, "run.schemes": ["single-satellite"]})).tables["tasks"]
    alone = run_scenario(small({**loaded, "run.schemes": ["single-satellite"], "run.backlog": "independent"})).tables[
        "tasks"
    ]
    done = carried["status"] == "delivered"
    assert 1 < done.sum() < len(carried)
    np.testing.assert_allclose(alone["delay_s"].dropna(), alone["delay_s"][0], rtol=1e-6)
    step_s = np.diff(carried.loc[done, "delay_s"])
    np.testing.assert_allclose(step_s, alone["compute_s"][0] * carried["n_batches"][0] - 6.0, rtol=1e-3)
    assert carried["delay_s"][0] == pytest.approx(alone["delay_s"][0], rel=1e-9)


def test_an_infeasible_scheme_says_why_and_the_others_run():
    result = run_scenario(small({"workload.model_memory_bytes": 12e9, "run.schemes": ["single-satellite", "hybrid"]}))
    item = result.summary["schemes"]["single-satellite"]
    assert item["status"] == "infeasible"
    assert "p-00 needs 12 GB" in item["reason"]
    assert result.summary["schemes"]["hybrid"]["status"] == "ok"
    assert set(result.tables["tasks"]["scheme"]) == {"hybrid"}


def test_only_infeasible_schemes_leave_tables_that_can_be_written(tmp_path):
    changes = {"workload.model_memory_bytes": 12e9, "run.schemes": ["single-satellite"]}
    result = run_scenario(small(changes))
    folder = save_run(result, tmp_path / "run", command=["orbitsim"])
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["schemes"]["single-satellite"]["status"] == "infeasible"
    assert (folder / "contacts.parquet").is_file()


# -- a golden run ------------------------------------------------------------------------------------------------------


def test_golden_run(contacts, always):
    """Figures of the small scenario, stored so that a change can be judged; this is where they come from.

    A mini-batch of ViT-B takes p-00 (Jetson AGX Orin at 50 W) 0.31618 s in fp16: four take 1.2647 s, and with the light
    time of results over up to five hops a task in sight of the ground takes 1.267 to 1.338 s on a single satellite. The
    optimal split puts layers 0-6 on p-00 (0.18530 s) and 7-11 on p-01 (30 W, 0.16538 s): 4 x 0.18530 + 0.16538 s and
    0.025 s for the activation over the crosslink. Raw tiles (9.63 MB) cross a 0.5 Gbit/s hop in 0.15414 s and the
    0.2 Gbit/s downlink in 0.38535 s, which is the bottleneck of ground-only. The first task has to wait for the first
    contact (p-08, four hops away, 10.106 s): the maximum of every scheme but ground-only, in which a task of 5400 s
    misses the end of p-10's contact at 5401.3 s and waits for p-09's at 5420.0 s. With the downlink always open, hybrid
    computes layer 0 on p-00 and the rest on the ground: 0.416 s a task.
    """
    schemes = contacts.summary["schemes"]
    for name, (mean_s, max_s, isl_bytes, downlink_bytes) in GOLDEN.items():
        item = schemes[name]
        assert (item["delay_s"]["mean"], item["delay_s"]["max"]) == pytest.approx((mean_s, max_s), abs=2e-5), name
        assert item["isl_bytes"] == pytest.approx(isl_bytes, rel=1e-9), name
        assert item["downlink_bytes"] == pytest.approx(downlink_bytes, rel=1e-9), name
    assert schemes["single-satellite"]["energy_j"] == pytest.approx(378.961, rel=1e-5)
    assert always.summary["schemes"]["hybrid"]["delay_s"]["mean"] == pytest.approx(0.416205, abs=2e-5)
    single = by_scheme(contacts, "single-satellite")
    in_sight = single[single["contact_wait_s"] == 0.0]
    assert len(in_sight) == 11
    assert in_sight["compute_s"].to_numpy() == pytest.approx(0.316181, abs=1e-6)
    assert (in_sight["queue_s"] + in_sight["compute_s"]).to_numpy() == pytest.approx(4 * 0.316181, abs=1e-5)
    first = contacts.tables["contacts"].iloc[0]
    assert (first["satellite"], round(first["start_s"], 3)) == ("p-08", 10.106)


GOLDEN = {  # mean and largest delay [s], bytes over crosslinks and downlinks
    "collaborative": (1.747732, 10.111924, 79901315.95876288, 12288.0),
    "single-satellite": (2.039759, 10.111924, 39936.0, 12288.0),
    "ground-only": (4.490079, 20.783315, 1522139136.0, 462422016.0),
}
