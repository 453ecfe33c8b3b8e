"""Overrides and ``--set``: what they change, in which order, and what is wrong with them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from scenario.faults import problems_of, write

from orbitsim.errors import Problem
from orbitsim.loading import find_scenario, load_scenario
from orbitsim.scenario import OpticalDownlink, OpticalIsl, RadioDownlink, RadioIsl, WalkerShell

# -- overrides ------------------------------------------------------------------------------------------------------

WITH_OVERRIDES = """
extends = "leo12-vitg"

[overrides.slow]
links.downlink.rate_bps = 1e6
clock = { duration_s = 1200.0 }

[overrides.high]
"shells.0.altitude_m" = 900e3
"shells.0.devices.1" = "rtx-4090"

[overrides.radio.links.isl]
kind = "radio"
frequency_hz = 26e9
"""


def test_overrides_are_off_until_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "s.toml", WITH_OVERRIDES)
    assert load_scenario(path) == load_scenario("leo12-vitg")


def test_overrides_apply_in_order_and_reach_into_lists(tmp_path: Path) -> None:
    path = write(tmp_path / "s.toml", WITH_OVERRIDES + "[overrides.fast]\nlinks.downlink.rate_bps = 1e9\n")
    scenario = load_scenario(path, overrides=["slow", "high", "fast"])
    (shell,) = scenario.shells
    assert isinstance(shell, WalkerShell)
    assert shell.altitude_m == 900e3
    assert shell.devices == ("jetson-agx-orin-50w", "rtx-4090", "jetson-agx-orin-15w")
    assert scenario.links.downlink.rate_bps == 1e9
    assert scenario.clock.duration_s == 1200.0
    assert load_scenario(path, overrides=["fast", "slow"]).links.downlink.rate_bps == 1e6


def test_another_kind_of_link_drops_the_figures_of_the_old_one(tmp_path: Path) -> None:
    path = write(tmp_path / "s.toml", WITH_OVERRIDES)
    isl = load_scenario(path, overrides=["radio"]).links.isl
    assert isl == RadioIsl(kind="radio", frequency_hz=26e9, topology="ring", mode="fixed", rate_bps=0.5e9)


def test_overrides_of_what_a_file_extends_can_be_asked_for_and_replaced(tmp_path: Path) -> None:
    write(tmp_path / "base.toml", WITH_OVERRIDES)
    path = write(tmp_path / "s.toml", 'extends = "base.toml"\n[overrides.slow]\nseed = 7\n')
    assert (
        load_scenario(path, overrides=["high"]).shells[0]
        == load_scenario(tmp_path / "base.toml", overrides=["high"]).shells[0]
    )
    assert load_scenario(path, overrides=["slow"]).clock.duration_s == 86400.0
    assert load_scenario(path, overrides=["slow"]).seed == 7


def test_an_unknown_override(tmp_path: Path) -> None:
    path = write(tmp_path / "s.toml", WITH_OVERRIDES)
    assert problems_of(path, overrides=["slo", "xyz"]) == [
        Problem("overrides.slo", "expected a named override; did you mean 'slow'?", str(path)),
        Problem("overrides.xyz", "expected a named override; there are slow, high, radio", str(path)),
    ]
    (problem,) = problems_of("leo12-vitg", overrides=["slow"])
    assert problem.message == "expected a named override; there are none"


def test_a_fault_of_an_override_names_it(tmp_path: Path) -> None:
    path = write(
        tmp_path / "s.toml", 'extends = "leo12-vitg"\n[overrides.bad]\nclock.step_s = 0\n"shells.1.name" = "q"'
    )
    assert problems_of(path, overrides=["bad"]) == [
        Problem("shells.1.name", "expected an index of shells below 1, got '1'", f"{path} [overrides.bad]"),
        Problem("clock.step_s", "expected a number from 0.1 to 31622400, got 0", f"{path} [overrides.bad]"),
    ]


# -- --set ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "key", "value"),
    [
        ("seed=7", "seed", 7),
        ("seed = 7", "seed", 7),
        ("name=other", "name", "other"),
        ('name="other"', "name", "other"),
        ("name=a=b", "name", "a=b"),
        ("clock.epoch_utc=2030-01-01T12:00:00+02:00", "clock.epoch_utc", datetime(2030, 1, 1, 10, tzinfo=UTC)),
        ("shells.0.altitude_m=550e3", "shells.0.altitude_m", 550e3),
        ("shells.0.devices.2=rtx-4090", "shells.0.devices.2", "rtx-4090"),
        ('shells.0.devices=["rtx-4090"]', "shells.0.devices", ("rtx-4090",)),
        ("stations.0.latitude_deg=-12", "stations.0.latitude_deg", -12.0),
        ("links.isl.topology=none", "links.isl.topology", "none"),
        ("workload.sensor_computes=false", "workload.sensor_computes", False),
        ("workload.resolution=4K", "workload.resolution", "4K"),
        ("workload.resolution=[640, 480]", "workload.resolution", (640, 480)),
        ("run.schemes=['hybrid']", "run.schemes", ("hybrid",)),
        ("targets=[]", "targets", ()),
        ("run.execution=serial", "run.execution", "serial"),
    ],
)
def test_set(setting: str, key: str, value: Any) -> None:
    found: Any = load_scenario("leo12-vitg", settings=[setting])
    for part in key.split("."):
        found = found[int(part)] if isinstance(found, tuple) else getattr(found, part)
    assert found == value
    assert type(found) is type(value)


def test_later_settings_win() -> None:
    assert load_scenario("leo12-vitg", settings=["seed=2", "seed=3"]).seed == 3


def test_settings_come_after_overrides(tmp_path: Path) -> None:
    path = write(tmp_path / "s.toml", WITH_OVERRIDES)
    scenario = load_scenario(path, overrides=["slow"], settings=["links.downlink.rate_bps=5e6"])
    assert scenario.links.downlink.rate_bps == 5e6


def test_a_setting_can_add_a_section_that_the_file_leaves_out(tmp_path: Path) -> None:
    path = write(tmp_path / "s.toml", find_scenario("leo12-vitg").read_text(encoding="utf-8").partition("[run]")[0])
    assert load_scenario(path, settings=["run.record=tasks"]).run.record == "tasks"


@pytest.mark.parametrize(
    "settings",
    [["links.isl.kind=radio", "links.isl.frequency_hz=26e9"], ["links.isl.frequency_hz=26e9", "links.isl.kind=radio"]],
)
def test_kind_and_its_keys_may_be_set_in_any_order(settings: list[str]) -> None:
    isl = load_scenario("leo12-vitg", settings=settings).links.isl
    assert isinstance(isl, RadioIsl)
    assert (isl.frequency_hz, isl.bandwidth_hz, isl.rate_bps) == (26e9, 1e9, 0.5e9)


def test_an_optical_downlink() -> None:
    down = load_scenario(
        "leo12-vitg", settings=["links.downlink.kind=optical", "links.downlink.mode=budget"]
    ).links.downlink
    assert isinstance(down, OpticalDownlink)
    assert down.min_elevation_deg == 50.0


def test_setting_the_kind_that_it_has_changes_nothing() -> None:
    assert isinstance(load_scenario("leo12-vitg", settings=["links.isl.kind=optical"]).links.isl, OpticalIsl)
    assert load_scenario("leo12-vitg", settings=["links.isl.kind=optical"]) == load_scenario("leo12-vitg")


def test_one_way_to_say_something_replaces_the_other() -> None:
    down = load_scenario("leo12-vitg", settings=["links.downlink.max_off_nadir_deg=50"]).links.downlink
    assert (down.min_elevation_deg, down.max_off_nadir_deg) == (None, 50.0)
    down = load_scenario("leo12-vitg", settings=["links.downlink.receive_g_over_t_db_k=12"]).links.downlink
    assert isinstance(down, RadioDownlink)
    assert (down.receive_gain_dbi, down.receiver_gain_dbi) == (None, None)
    codec = load_scenario("leo12-vitg", settings=["codec.ratio=[0.1, 1]", "codec.accuracy=[0.9, 0.91]"]).codec
    assert (codec.table, codec.ratio) == (None, (0.1, 1.0))


def test_both_ways_in_one_layer_are_an_error() -> None:
    both = ["links.downlink.max_off_nadir_deg=50", "links.downlink.min_elevation_deg=20"]
    (problem,) = problems_of("leo12-vitg", settings=both)
    assert problem == Problem(
        "links.downlink.max_off_nadir_deg", "expected either this or min_elevation_deg, got both", "--set"
    )


@pytest.mark.parametrize(
    ("setting", "key", "message"),
    [
        ("seed", "", "expected key=value, such as links.downlink.rate_bps=0.2e9; got 'seed'"),
        ("=1", "", "expected key=value, such as links.downlink.rate_bps=0.2e9; got '=1'"),
        ("clock..slot_s=1", "", "expected key=value, such as links.downlink.rate_bps=0.2e9; got 'clock..slot_s=1'"),
        ("shells.1.altitude_m=1", "shells.1.altitude_m", "expected an index of shells below 1, got '1'"),
        ("shells.p.altitude_m=1", "shells.p.altitude_m", "expected an index of shells below 1, got 'p'"),
        ("shells.-1.altitude_m=1", "shells.-1.altitude_m", "expected an index of shells below 1, got '-1'"),
        ("clock.slot_s.x=1", "clock.slot_s.x", "expected clock.slot_s to be a table, got 600.0"),
        ("clock.slots=1", "clock.slots", "expected a known key; did you mean 'slot_s'?"),
        ("clock.slot_s=", "clock.slot_s", "expected a number above 0 and at most 31622400, got ''"),
        ("clock.slot_s=ten", "clock.slot_s", "expected a number above 0 and at most 31622400, got 'ten'"),
        ("seed=1\nname = 'x'", "seed", "expected a whole number from 0 to 9223372036854775807, got \"1\\nname = 'x'\""),
        ("extends=quick", "extends", "expected this key at the top of a scenario file only"),
    ],
)
def test_faulty_settings(setting: str, key: str, message: str) -> None:
    assert problems_of("leo12-vitg", settings=[setting]) == [Problem(key, message, "--set")]
