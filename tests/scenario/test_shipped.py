"""The scenarios that travel with orbitsim: they load, and are what they say they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from scenario.contract import contract_file

from orbitsim import catalog
from orbitsim.loading import load_scenario, shipped_scenarios
from orbitsim.scenario import Scenario, WalkerShell

SHIPPED = shipped_scenarios()
README = Path(__file__).parents[2] / "scenarios" / "README.md"


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_it_loads_under_its_own_name_and_says_what_it_is(name: str) -> None:
    assert load_scenario(name).name == name
    assert SHIPPED[name].read_text(encoding="utf-8").startswith("# ")


def test_the_readme_lists_each_of_them() -> None:
    listed = re.findall(r"^\| `([a-z0-9-]+)` \|", README.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert sorted(listed) == sorted(SHIPPED)


def test_the_contract_file_is_the_shipped_scenario_but_for_our_own_codec_table() -> None:
    published, ours = load_scenario(contract_file()), load_scenario("leo12-vitg")
    assert differing(published, ours) == {"codec.table"}
    assert (published.codec.table, ours.codec.table) == ("gumbel-8bit", "transform-vit-s14")


def differing(one: Scenario, other: Scenario) -> set[str]:
    """Return the dotted keys in which two scenarios differ."""

    def walk(a: object, b: object, path: str) -> set[str]:
        if isinstance(a, dict) and isinstance(b, dict):
            return {key for name in a.keys() | b.keys() for key in walk(a.get(name), b.get(name), f"{path}.{name}")}
        if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
            return {key for i in range(len(a)) for key in walk(a[i], b[i], f"{path}.{i}")}
        return set() if a == b else {path.removeprefix(".")}

    return walk(one.model_dump(mode="json"), other.model_dump(mode="json"), "")


@pytest.mark.parametrize(
    ("name", "gigabytes"), [("leo12-vitb", 2), ("leo12-vitl", 4), ("leo12-vith", 7), ("leo12-vitg", 12)]
)
def test_models_have_the_memory_of_table_iii(name: str, gigabytes: int) -> None:
    workload = load_scenario(name).workload
    assert workload.model_memory_bytes == gigabytes * 1e9
    published = catalog.model(workload.model).published_memory_bytes
    assert published is not None
    assert published.value == workload.model_memory_bytes


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("leo12-vitb", {"workload.model", "workload.model_memory_bytes"}),
        ("leo12-vitl", {"workload.model", "workload.model_memory_bytes"}),
        ("leo12-vith", {"workload.model", "workload.model_memory_bytes"}),
        ("leo12-vitg-budget", {"links.isl.mode", "links.downlink.mode"}),
        ("leo12-vitg-idealised", {"links.downlink.availability", "run.backlog"}),
    ],
)
def test_twins_differ_from_the_contract_in_nothing_else(name: str, keys: set[str]) -> None:
    assert differing(load_scenario(name), load_scenario("leo12-vitg")) == {"name", *keys}


def test_the_large_one_is_the_first_shell_of_starlink_with_a_grid() -> None:
    scenario = load_scenario("starlink-grid")
    (shell,) = scenario.shells
    assert isinstance(shell, WalkerShell)
    assert (shell.n_satellites, shell.n_planes, shell.phasing) == (1584, 72, 1)
    assert (shell.altitude_m, shell.inclination_deg) == (550e3, 53.0)
    assert (scenario.links.isl.topology, scenario.links.downlink.min_elevation_deg) == ("grid", 25.0)
    assert (scenario.n_slots, len(scenario.stations)) == (144, 3)
