"""Contact plans: the windows are those of the contacts, and what they promise is what the links can carry."""

import csv
import re
from datetime import datetime

import numpy as np
import pytest

from orbitsim.errors import InputError
from orbitsim.export.contact_plan import COLUMNS, contact_plan, write_contact_plan, write_ion_plan
from orbitsim.loading import change_scenario, load_scenario
from orbitsim.pipeline.links import LinkBook
from orbitsim.pipeline.space import Space


@pytest.fixture(scope="module")
def budget():
    return load_scenario("leo12-vitg-budget", settings={"clock.duration_s": 3600.0, "shells.0.raan_deg": 130.0})


def test_downlinks_are_the_contacts(quick):
    plan = contact_plan(quick).query("kind == 'downlink'")
    contacts = Space(quick).contacts.for_site(0)
    assert plan["source"].tolist() == [f"p-{satellite:02d}" for satellite in contacts.satellite]
    np.testing.assert_array_equal(plan[["start_s", "end_s"]], np.column_stack((contacts.start_s, contacts.end_s)))
    volume_bytes = quick.links.downlink.rate_bps * contacts.duration_s / 8
    np.testing.assert_allclose(plan["capacity_bytes"], volume_bytes, rtol=1e-12)


def test_crosslinks_go_both_ways(quick):
    plan = contact_plan(quick).query("kind == 'isl'")
    there = set(zip(plan["source"], plan["target"], strict=True))
    assert there == {(target, source) for source, target in there}
    assert len(there) == 2 * len(Space(quick).topology.edges)
    assert (plan["end_s"] == 3600.0).all()


def test_rates_of_a_budget_lie_between_their_bounds_and_add_up(budget):
    plan = contact_plan(budget)
    assert (plan["min_rate_bps"] <= plan["mean_rate_bps"] * (1 + 1e-12)).all()
    assert (plan["mean_rate_bps"] <= plan["max_rate_bps"] * (1 + 1e-12)).all()
    down = plan.query("kind == 'downlink'").iloc[0]
    assert down["min_rate_bps"] < down["max_rate_bps"]
    # the integral of the rate, by brute force over hundredths of seconds
    space = Space(budget)
    curve = LinkBook(space).link(space.names.index(down["source"]), space.names.index(down["target"])).curve
    edges = np.linspace(down["start_s"], down["end_s"], 20_001)
    rates = curve.rate_at(0.5 * (edges[1:] + edges[:-1]))
    assert down["capacity_bytes"] == pytest.approx((rates * np.diff(edges)).sum() / 8, rel=1e-4)
    # a bit in the middle travels as long as light needs for the distance then
    middle_s = 0.5 * (down["start_s"] + down["end_s"])
    position_m = space.ephemeris.positions_m([middle_s], [space.names.index(down["source"])])[0]
    range_m = space.look(space.names.index(down["target"]), position_m)[0][0]
    assert down["delay_s"] == pytest.approx(range_m / 299792458.0, rel=0.01)  # sampled at steps of 15 s


def test_an_idealised_downlink_is_always_open(quick):
    plan = contact_plan(change_scenario(quick, {"links.downlink.availability": "always"})).query("kind == 'downlink'")
    assert plan["source"].tolist() == [f"p-{satellite:02d}" for satellite in range(12)]
    assert (plan["start_s"] == 0.0).all()
    assert (plan["end_s"] == 3600.0).all()


def test_the_file_holds_the_same(quick, tmp_path):
    n_rows = write_contact_plan(quick, tmp_path / "plan.csv")
    with (tmp_path / "plan.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    expected = contact_plan(quick)
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == n_rows == len(expected)
    for row, truth in zip(rows, expected.to_dict(orient="records"), strict=True):
        assert float(row["start_s"]) == truth["start_s"]
        assert float(row["capacity_bytes"]) == truth["capacity_bytes"]
        start = (datetime.fromisoformat(row["start_utc"]) - quick.clock.epoch_utc).total_seconds()
        assert start == pytest.approx(truth["start_s"], abs=0.5e-3)


def test_commands_of_ion(budget, tmp_path):
    n_contacts = write_ion_plan(budget, tmp_path / "plan.ionrc")
    lines = (tmp_path / "plan.ionrc").read_text(encoding="utf-8").splitlines()
    nodes = dict(re.fullmatch(r"# node (\d+): (.+)", line).groups() for line in lines if line.startswith("# node"))
    assert list(nodes.values()) == list(Space(budget).names)
    assert "@ 2026/04/06-00:00:00" in lines
    contacts = [re.fullmatch(r"a contact \+(\d+) \+(\d+) (\d+) (\d+) (\d+)", line) for line in lines]
    contacts = [match.groups() for match in contacts if match]
    assert len(contacts) == n_contacts
    plan = contact_plan(budget)
    assert n_contacts == len(plan)
    for start, end, source, target, rate_bytes_s in contacts:
        truth = plan[(plan["source"] == nodes[source]) & (plan["target"] == nodes[target])]
        truth = truth[(truth["start_s"] <= int(start)) & (int(end) <= truth["end_s"])]
        assert len(truth) == 1
        assert int(rate_bytes_s) == pytest.approx(truth["mean_rate_bps"].iloc[0] / 8, abs=1.0)
        assert (int(end) - int(start)) * int(rate_bytes_s) <= truth["capacity_bytes"].iloc[0]
    ranges = [re.fullmatch(r"a range \+(\d+) \+(\d+) (\d+) (\d+) (\d+)", line) for line in lines]
    ranges = [match.groups() for match in ranges if match]
    assert all(int(low) < int(high) and distance == "0" for _, _, low, high, distance in ranges)
    known = {(start, end, frozenset(ends)) for start, end, *ends, _ in ranges}
    assert {(start, end, frozenset(ends)) for start, end, *ends, _ in contacts} == known
    spoken = [line for line in lines if not line.startswith(("#", "@", "a contact ", "a range "))]
    assert spoken == []


def test_an_existing_file_is_kept(quick, tmp_path):
    path = tmp_path / "plan.csv"
    path.write_text("mine")
    for write in (write_contact_plan, write_ion_plan):
        with pytest.raises(InputError, match="--force"):
            write(quick, path)
        assert path.read_text() == "mine"
        write(quick, path, force=True)
        assert path.read_text() != "mine"
        path.write_text("mine")
