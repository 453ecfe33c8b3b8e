"""How a scenario is put together: files, what they extend, overrides, ``--set``; and which file an error names."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orbitsim.errors import InputError, Problem
from orbitsim.loading import find_scenario, load_scenario, shipped_scenarios
from orbitsim.loading.rules import MAX_BATCHES
from orbitsim.scenario import FileShell, OpticalDownlink, OpticalIsl, RadioDownlink, RadioIsl, WalkerShell

# ISS (ZARYA), elements of 2008-09-20, from T. S. Kelso's page on the two-line format (celestrak.org).
ISS = """ISS (ZARYA)
1 25544U 98067A   08264.51782528 -.00002182  00000-0 -11606-4 0  2927
2 25544  51.6416 247.4627 0006703 130.5360 325.0288 15.72125391563537
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(name: str | Path, **arguments: Any) -> list[Problem]:
    with pytest.raises(InputError) as caught:
        load_scenario(name, **arguments)
    return list(caught.value.problems)


# -- files -----------------------------------------------------------------------------------------------------------


def test_shipped_scenarios_are_found_by_name_from_any_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_scenario("leo12-vitg").name == "leo12-vitg"


def test_a_file_comes_before_a_shipped_scenario_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "quick", 'extends = "leo12-vitg"\nname = "mine"')
    assert load_scenario("quick").name == "mine"


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    for wrong, right in [("leo12-vit-g", "leo12-vitg"), ("quikc", "quick"), ("starlink-grid.toml", "starlink-grid")]:
        (problem,) = problems_of(wrong)
        assert problem.message.endswith(f"there is no such file; did you mean '{right}'?")


def test_a_run_folder_is_answered_with_the_scenario_in_it(tmp_path: Path) -> None:
    write(tmp_path / "scenario.json", "{}")
    (problem,) = problems_of(tmp_path)
    assert problem.message == f"expected a scenario file, found a folder; did you mean {tmp_path / 'scenario.json'}?"


def test_a_special_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (problem,) = problems_of(tmp_path / "pipe")
    assert problem.message == "expected a scenario file, found something else"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file(tmp_path: Path) -> None:
    path = write(tmp_path / "s.toml", "")
    path.chmod(stat.S_IWUSR)
    (problem,) = problems_of(path)
    assert problem.message == "cannot be read: Permission denied"


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_bytes(b'name = "Z\xfcrich"')
    assert problems_of(path) == [Problem("", "expected UTF-8 text, which byte 9 is not", str(path))]


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_bytes(b'\xef\xbb\xbfextends = "leo12-vitg"')
    assert load_scenario(path) == load_scenario("leo12-vitg")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    with path.open("wb") as file:
        file.truncate(10**10)  # sparse: takes no space
    assert [problem.message for problem in problems_of(path)] == ["expected a scenario of at most 8 MB"]


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, ".".join("a" * 5000) + " = 1", "a = " + "{a = " * 5000])
def test_deep_nesting(tmp_path: Path, text: str) -> None:
    (problem, *_) = problems_of(write(tmp_path / "s.toml", text))
    assert problem.message == "expected tables and lists that are nested less deeply" or problem.key == "a"


# -- extends ---------------------------------------------------------------------------------------------------------


def test_extends_merges_tables_key_by_key_and_replaces_lists(tmp_path: Path) -> None:
    base = load_scenario("leo12-vitg")
    path = write(
        tmp_path / "s.toml",
        """extends = "leo12-vitg"
        name = "child"
        [links.downlink]
        rate_bps = 0.2e9
        [[stations]]
        name = "madrid"
        latitude_deg = 40.4
        longitude_deg = -3.7
        device = "rtx-4090"
        """,
    )
    child = load_scenario(path)
    assert child.name == "child"
    assert child.links.downlink == base.links.downlink.model_copy(update={"rate_bps": 0.2e9})
    assert [station.name for station in child.stations] == ["madrid"]
    assert child.shells == base.shells
    assert child.links.isl == base.links.isl


def test_extends_is_relative_to_the_folder_of_the_file_not_to_the_working_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a" / "base.toml", 'extends = "leo12-vitg"\nseed = 5')
    path = write(tmp_path / "a" / "child.toml", 'extends = "base.toml"\nname = "child"')
    monkeypatch.chdir(tmp_path)
    assert load_scenario("a/child.toml").seed == 5
    write(tmp_path / "base.toml", 'extends = "leo12-vitg"\nseed = 6')
    (tmp_path / "a" / "base.toml").unlink()
    (problem,) = problems_of(path)
    assert problem.key == "extends"
    assert problem.message.startswith("expected a file, relative to the folder of this one, or one of leo12-vitb, ")


def test_a_chain_of_three(tmp_path: Path) -> None:
    write(tmp_path / "one.toml", 'extends = "leo12-vitg"\nseed = 1\n[clock]\nslot_s = 1200.0\nduration_s = 2400.0')
    write(tmp_path / "two.toml", 'extends = "one.toml"\nseed = 2\n[clock]\nslot_s = 2400.0')
    three = load_scenario(write(tmp_path / "three.toml", 'extends = "two.toml"\nseed = 3'))
    assert (three.seed, three.clock.slot_s, three.clock.duration_s, three.n_slots) == (3, 2400.0, 2400.0, 1)


def test_a_file_may_extend_a_shipped_scenario_of_its_own_name(tmp_path: Path) -> None:
    assert load_scenario(write(tmp_path / "quick.toml", 'extends = "quick"\nseed = 9')).seed == 9


@pytest.mark.parametrize("names", [["a.toml"], ["a.toml", "b.toml"], ["a.toml", "b.toml", "c.toml"]])
def test_a_circle_of_extends(tmp_path: Path, names: list[str]) -> None:
    for name, parent in zip(names, [*names[1:], names[0]], strict=True):
        write(tmp_path / name, f'extends = "{parent}"')
    way = " -> ".join([*names, names[0]])
    expected = Problem(
        "extends", f"expected a chain of at most 16 files that ends, got {way}", str(tmp_path / names[-1])
    )
    assert problems_of(tmp_path / "a.toml") == [expected]


def test_a_chain_without_end(tmp_path: Path) -> None:
    for index in range(20):
        write(tmp_path / f"{index}.toml", f'extends = "{index + 1}.toml"')
    (problem,) = problems_of(tmp_path / "0.toml")
    assert problem.key == "extends"
    assert problem.message.startswith("expected a chain of at most 16 files that ends, got 0.toml -> 1.toml -> ")


@pytest.mark.parametrize(
    ("value", "got"),
    [
        ('"leo12-vith.toml"', "got 'leo12-vith.toml'; did you mean 'leo12-vith'?"),
        ("5", "got 5"),
        ("[]", "got []"),
        ('""', "got ''"),
        ('"."', "got '.'"),
    ],
)
def test_what_cannot_be_extended(tmp_path: Path, value: str, got: str) -> None:
    (problem,) = problems_of(write(tmp_path / "s.toml", f"extends = {value}"))
    assert problem.key == "extends"
    assert problem.message.endswith(got)


def test_a_fault_names_the_file_that_holds_it(tmp_path: Path) -> None:
    base = write(tmp_path / "base.toml", 'extends = "leo12-vitg"\n[clock]\nstep_s = -1\n[workload]\nbatch_size = 0')
    path = write(
        tmp_path / "s.toml", 'extends = "base.toml"\n[workload]\nimages_per_task = 0\n[planner]\nkind = "best"'
    )
    assert [(Path(problem.source), problem.key) for problem in problems_of(path, settings=["seed=-1"])] == [
        (Path("--set"), "seed"),
        (base, "clock.step_s"),
        (path, "workload.images_per_task"),
        (base, "workload.batch_size"),
        (path, "planner.kind"),
    ]


def test_keys_that_do_not_go_together_are_the_fault_of_the_file_that_brings_them_together(tmp_path: Path) -> None:
    path = write(tmp_path / "s.toml", 'extends = "leo12-vitg"\n[clock]\nslot_s = 7.0')
    (problem,) = problems_of(path)
    assert (problem.source, problem.key) == (str(path), "clock.duration_s")


# -- overrides -------------------------------------------------------------------------------------------------------

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


# -- --set -----------------------------------------------------------------------------------------------------------


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


# -- run folders -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(shipped_scenarios()))
def test_the_scenario_of_a_run_folder_loads_again_as_it_was(tmp_path: Path, name: str) -> None:
    scenario = load_scenario(name)
    path = write(tmp_path / "scenario.json", json.dumps(scenario.model_dump(mode="json")))
    assert load_scenario(path) == scenario


def test_a_json_scenario_takes_overrides_of_its_keys(tmp_path: Path) -> None:
    path = write(tmp_path / "scenario.json", json.dumps(load_scenario("leo12-vitg").model_dump(mode="json")))
    scenario = load_scenario(path, settings=["links.downlink.max_off_nadir_deg=50", "workload.batch_size=32"])
    assert scenario.links.downlink.min_elevation_deg is None
    assert scenario.workload.batch_size == 32


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "expected a table of keys, got []"),
        ("null", "expected a table of keys, got null"),
        ('{"seed": 1, "seed": 2}', "expected JSON: key 'seed' stands twice in one object"),
        ("{", "expected JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ('{"a": ' * 5000, "expected tables and lists that are nested less deeply"),
    ],
)
def test_faulty_json(tmp_path: Path, text: str, message: str) -> None:
    assert [problem.message for problem in problems_of(write(tmp_path / "s.json", text))] == [message]


def test_null_is_a_value_only_of_keys_that_may_be_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "s.json", '{"extends": "leo12-vitg", "workload": {"model_memory_bytes": null}}')
    assert load_scenario(path).workload.model_memory_bytes is None
    path = write(tmp_path / "s.json", '{"extends": "leo12-vitg", "workload": {"model": null}, "seed": null}')
    assert [str(problem) for problem in problems_of(path)] == [
        f"{path}: seed: expected a whole number from 0 to 9223372036854775807, got null",
        f"{path}: workload.model: expected text in quotes, got null",
    ]


# -- files that a scenario names -------------------------------------------------------------------------------------

REAL = """
extends = "leo12-vitg"
name = "real"
[clock]
epoch_utc = 2008-09-20T12:00:00Z
[workload]
sensor = "{sensor}"
[[shells]]
name = "real"
kind = "tle"
file = "iss.tle"
devices = ["jetson-agx-orin-50w"]
memory_bytes = 8e9
"""


def test_files_are_found_beside_the_scenario_and_from_a_saved_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a" / "iss.tle", ISS)
    write(tmp_path / "a" / "real.toml", REAL.format(sensor="ISS (ZARYA)"))
    monkeypatch.chdir(tmp_path)
    scenario = load_scenario("a/real.toml")
    (shell,) = scenario.shells
    assert isinstance(shell, FileShell)
    assert shell.file == str(tmp_path / "a" / "iss.tle")
    saved = write(tmp_path / "runs" / "x" / "scenario.json", json.dumps(scenario.model_dump(mode="json")))
    assert load_scenario(saved) == scenario


@pytest.mark.parametrize(
    "override",
    [
        "'shells.0.file' = 'iss.tle'",
        "shells = [{name = 'real', kind = 'tle', file = 'iss.tle', devices = ['jetson-agx-orin-50w']}]",
    ],
)
def test_files_of_overrides_are_found_beside_the_scenario(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, override: str
) -> None:
    write(tmp_path / "a" / "iss.tle", ISS)
    text = REAL.format(sensor="ISS (ZARYA)").replace("iss.tle", "missing.tle")
    write(tmp_path / "a" / "real.toml", f"{text}\n[overrides.there]\n{override}\n")
    monkeypatch.chdir(tmp_path)
    assert load_scenario("a/real.toml", overrides=["there"]).workload.sensor == "ISS (ZARYA)"


def test_a_file_of_a_setting_is_found_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "iss.tle", ISS)
    write(tmp_path / "a" / "real.toml", REAL.format(sensor="ISS (ZARYA)"))
    monkeypatch.chdir(tmp_path)
    (shell,) = load_scenario("a/real.toml", settings=["shells.0.file=iss.tle"]).shells
    assert isinstance(shell, FileShell)
    assert shell.file == str(tmp_path / "iss.tle")


def test_a_missing_file_and_other_faults_are_reported_together(tmp_path: Path) -> None:
    path = write(tmp_path / "real.toml", REAL.format(sensor="ISS") + "\n[planner]\nkind = 'best'\n[run]\nbacklog = 5\n")
    assert [(Path(problem.source).name, problem.key) for problem in problems_of(path)] == [
        ("real.toml", "run.backlog"),
        ("real.toml", "planner.kind"),
        ("iss.tle", "shells.0.file"),
    ]


def test_faults_of_a_file_of_element_sets_come_with_its_lines(tmp_path: Path) -> None:
    write(tmp_path / "iss.tle", ISS.replace("51.6416", "51.64x6").replace("0  2927", "0  2928"))
    path = write(tmp_path / "real.toml", REAL.format(sensor="ISS (ZARYA)"))
    assert [(problem.source, problem.key) for problem in problems_of(path)] == [
        (str(tmp_path / "iss.tle"), "line 2"),
        (str(tmp_path / "iss.tle"), "line 3"),
        (str(tmp_path / "iss.tle"), "line 3"),
    ]


def test_the_sensor_must_be_in_the_file_of_element_sets(tmp_path: Path) -> None:
    write(tmp_path / "iss.tle", ISS)
    path = write(tmp_path / "real.toml", REAL.format(sensor="ISS (ZARIA)"))
    (problem,) = problems_of(path)
    expected = "expected a satellite of the shells, got 'ISS (ZARIA)'; did you mean 'ISS (ZARYA)'?"
    assert problem == Problem("workload.sensor", expected, str(path))


def test_a_codec_table_of_its_own(tmp_path: Path) -> None:
    path = write(tmp_path / "s.toml", 'extends = "leo12-vitg"\n[codec]\ntable = "mine.toml"')
    (problem,) = problems_of(path)
    assert problem == Problem("codec.table", "cannot be read: No such file or directory", str(tmp_path / "mine.toml"))
    table = 'schema_version = 1\nname = "mine"\norigin = "made up"\nsource = "here"\nratio = [0.1, 1]\nloss = [0.01, 0]'
    write(tmp_path / "mine.toml", table)
    assert load_scenario(path).codec.table == str(tmp_path / "mine.toml")
    write(tmp_path / "mine.toml", table.replace("ratio = [0.1, 1]", "ratio = [0.1]"))
    assert {problem.source for problem in problems_of(path)} == {str(tmp_path / "mine.toml")}


# -- the world beyond the file ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("no_such_module:x", "No module named 'no_such_module'"),
        ("math:nothing", "module 'math' has no attribute 'nothing'"),
        ("math:pi", "got 3.14"),
        (".:x", "relative import"),
        (":x", "Empty module name"),
        ("builtins:type", "TypeError"),
    ],
)
def test_planners_that_cannot_be_used(kind: str, reason: str) -> None:
    (problem,) = problems_of("leo12-vitg", settings=[f"planner.kind={kind}"])
    assert (problem.key, problem.source) == ("planner.kind", "--set")
    assert repr(kind) in problem.message
    assert reason in problem.message


def test_a_planner_module_that_fails_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "failing_planner.py", "raise KeyError('licence')")
    monkeypatch.syspath_prepend(tmp_path)
    (problem,) = problems_of("leo12-vitg", settings=["planner.kind=failing_planner:Best"])
    assert problem.key == "planner.kind"
    assert "KeyError: 'licence'" in problem.message


def test_a_planner_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "own_planner.py", "def best(problem):\n    raise NotImplementedError\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert load_scenario("leo12-vitg", settings=["planner.kind=own_planner:best"]).planner.kind == "own_planner:best"


def test_work_without_end_is_refused() -> None:
    (problem,) = problems_of("leo12-vitg", settings=["workload.resolution=[100000, 100000]"])
    assert problem.key == "workload.images_per_task"
    assert problem.message.startswith(f"expected at most {MAX_BATCHES} mini-batches in all slots, got 144 slots of ")


def test_a_device_known_only_by_a_trace_is_accepted() -> None:
    settings = ["stations.0.device=cpu-xeon-amx-vm-1t", "workload.model=vit-b", "workload.precision=fp32"]
    assert load_scenario("leo12-vitg", settings=settings).stations[0].device == "cpu-xeon-amx-vm-1t"


def test_weather_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orbitsim.loading.rules.find_spec", lambda _: None)
    weather = "links.downlink.itu_availability_pct=99.0"
    assert load_scenario("leo12-vitg", settings=[weather])  # a fixed rate needs no weather
    (problem,) = problems_of("leo12-vitg", settings=[weather, "links.downlink.mode=budget"])
    expected = "expected ITU-Rpy to be installed for it (pip install orbitsim[weather]), got 99"
    assert problem == Problem("links.downlink.itu_availability_pct", expected, "--set")
