"""What a scenario names beyond its own keys: run folders, files, planners, devices and packages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scenario.faults import problems_of, write

from orbitsim.errors import Problem
from orbitsim.loading import load_scenario, shipped_scenarios
from orbitsim.loading.rules import MAX_BATCHES
from orbitsim.scenario import FileShell

# ISS (ZARYA), elements of 2008-09-20, from T. S. Kelso's page on the two-line format (celestrak.org).
ISS = """ISS (ZARYA)
1 25544U 98067A   08264.51782528 -.00002182  00000-0 -11606-4 0  2927
2 25544  51.6416 247.4627 0006703 130.5360 325.0288 15.72125391563537
"""

# -- run folders ----------------------------------------------------------------------------------------------------


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


# -- files that a scenario names ------------------------------------------------------------------------------------

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


# -- the world beyond the file --------------------------------------------------------------------------------------


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
