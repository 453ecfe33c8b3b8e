"""Every malformed scenario gives exactly the errors that stand beside it, each with its key, range and file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from orbitsim import catalog
from orbitsim.errors import InputError
from orbitsim.loading import find_scenario, load_scenario
from orbitsim.plan.planners import PLANNERS

CASES: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "malformed.toml").read_text(encoding="utf-8"),
)["case"]
CONTRACT = find_scenario("leo12-vitg").read_text(encoding="utf-8")
SHIPPED_NAMES = {
    "DEVICES": catalog.names("device"),
    "MODELS": catalog.names("model"),
    "CODEC_TABLES": catalog.names("codec_table"),
    "PLANNERS": tuple(PLANNERS),
}


def errors_of(path: Path, **arguments: Any) -> list[str]:
    """Return the errors of loading a file: ``key: message``, with the file where it is another one."""
    with pytest.raises(InputError) as caught:
        load_scenario(path, **arguments)
    assert caught.value.exit_code == 2
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    named = {str(path): "", **{str(path.parent / other): other for other in ("missing.tle", "mine.toml")}}
    return [
        ": ".join(filter(None, (named.get(problem.source, problem.source), problem.key, problem.message)))
        for problem in caught.value.problems
    ]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_malformed_scenario(tmp_path: Path, case: dict[str, Any]) -> None:
    text = CONTRACT
    for old, new in case.get("edits") or [[case["old"], case["new"]]]:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "scenario.toml"
    path.write_text(text, encoding="utf-8")
    expected = list(case["errors"])
    for placeholder, names in SHIPPED_NAMES.items():
        expected = [error.replace(placeholder, ", ".join(names)) for error in expected]
    assert errors_of(path) == expected


def test_there_are_enough_cases() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES) >= 60


def test_a_seed_of_thousands_of_digits_is_shown_briefly(tmp_path: Path) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(CONTRACT.replace("seed = 1", "seed = 0x1" + "0" * 5000), encoding="utf-8")
    expected = "seed: expected a whole number from 0 to 9223372036854775807, got a whole number of 20001 bits"
    assert errors_of(path) == [expected]
    path.write_text(CONTRACT.replace("seed = 1", "seed = " + "9" * 5000), encoding="utf-8")
    (message,) = errors_of(path)
    assert message.startswith("expected TOML: ")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("seed = 1\n", "seed = 1\nseed = 2\n", 6),
        ('name = "leo12-vitg"\n', 'name = "leo12-vitg\n', 4),
        ("seed = 1\n", "seed == 1\n", 5),
        ("[clock]\n", "[clock\n", 7),
        ("slot_s = 600.0", "slot_s = 600,0", 10),
    ],
)
def test_toml_faults_come_with_their_line(tmp_path: Path, old: str, new: str, line: int) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(CONTRACT.replace(old, new, 1), encoding="utf-8")
    (message,) = errors_of(path)
    assert re.fullmatch(rf"expected TOML: .+ \(at line {line}, column \d+\)", message)


def test_an_empty_file_lacks_every_required_section(tmp_path: Path) -> None:
    path = tmp_path / "scenario.toml"
    path.write_bytes(b"")
    assert errors_of(path) == [
        "name: expected text of at most 120 characters, got nothing",
        "clock: expected a table, got nothing",
        "shells: expected a list of at least one entry, each a table, got nothing",
        "stations: expected a list of at least one entry, each a table, got nothing",
        "links: expected a table, got nothing",
        "workload: expected a table, got nothing",
    ]


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("shells = []", "shells: expected a list of at least one entry, each a table, got []"),
        ("shells = [5]", "shells.0: expected a table, got 5"),
        ("shells = [[]]", "shells.0: expected a table, got []"),
        ("stations = []", "stations: expected a list of at least one entry, each a table, got []"),
        ("stations = 'madrid'", "stations: expected a list of at least one entry, each a table, got 'madrid'"),
        ("clock = 5", "clock: expected a table, got 5"),
        ("clock = []", "clock: expected a table, got []"),
        ("links = true", "links: expected a table, got true"),
        ("codec = 'gumbel-8bit'", "codec: expected a table, got 'gumbel-8bit'"),
        ("planner = 'optimal'", "planner: expected a table, got 'optimal'"),
        ("targets = {name = 'x'}", "targets.name: expected an index of targets below 1, got 'name'"),
        ("links.isl = 'optical'", "links.isl: expected a table, got 'optical'"),
        ("links.isl.kind = 5", "links.isl.kind: expected one of optical, radio, got 5"),
        (
            "run.schemes = 'hybrid'",
            "run.schemes: expected a list of at least one entry, each one of SCHEMES, got 'hybrid'",
        ),
        ("overrides = []", "overrides: expected a table of named tables, got []"),
    ],
)
def test_wrong_types_of_whole_sections(tmp_path: Path, fragment: str, expected: str) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(f'extends = "leo12-vitg"\n{fragment}\n', encoding="utf-8")
    schemes = "collaborative, single-satellite, ground-only, hybrid, collaborative-uniform, collaborative-proportional"
    assert errors_of(path) == [expected.replace("SCHEMES", schemes)]
