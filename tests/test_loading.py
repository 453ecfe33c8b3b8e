"""How a scenario is put together: files and what they extend; and which file an error names."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from scenario.faults import problems_of, write

from orbitsim.errors import Problem
from orbitsim.loading import load_scenario

# -- files ----------------------------------------------------------------------------------------------------------


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


# -- extends --------------------------------------------------------------------------------------------------------


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
