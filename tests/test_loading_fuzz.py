"""Whatever stands in a scenario file or in ``--set``, loading it gives a scenario or an InputError, nothing else."""

from __future__ import annotations

import copy
import json
import tomllib
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orbitsim.errors import InputError
from orbitsim.loading import find_scenario, load_scenario
from orbitsim.loading.layers import Layers, assignments_of
from orbitsim.loading.rules import RULES
from orbitsim.scenario import Scenario
from orbitsim.scenario.reference import reference
from orbitsim.scenario.root import check_scenario

CONTRACT = find_scenario("leo12-vitg").read_text(encoding="utf-8")
CONTRACT_DATA = tomllib.loads(CONTRACT)
KEYS = [key.path.replace("N", "0") for key in reference()]

fuzz = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=250)

numbers = st.one_of(
    st.integers(),
    st.integers(min_value=10**300, max_value=10**320),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0, -1, 1e-320, 1e308, -0.0, 2**63, 2**64]),
)
words = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["", "\0", "tle", "omm", "walker", "walker-star", "radio", "optical", "budget", "always", "grid", "a:b", ".:x"]
    ),
    st.sampled_from(KEYS),
)
offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    numbers,
    words,
    st.datetimes(),
    st.datetimes(timezones=offsets),
    st.dates(),
    st.times(),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=6,
)


def outcome(load: Any) -> Scenario | None:
    """Return the scenario, or None after an InputError whose every problem can be printed."""
    refused: InputError | None = None
    scenario = None
    try:
        scenario = load()
    except InputError as error:
        refused = error
    if refused is None:
        assert isinstance(scenario, Scenario)
        return scenario
    assert refused.problems
    for problem in refused.problems:
        assert problem.message
        assert f"{problem.key} {problem.message}".encode()
    return None


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all nodes of nested tables and lists."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in items for place in places(item, (*path, key)))]


@st.composite
def mutated_data(draw: st.DrawFn) -> Any:
    """Return the contract's data with some of it replaced, removed, added, moved or wrapped."""
    data = copy.deepcopy(CONTRACT_DATA)
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from([place for place in places(data) if place]))
        holder: Any = data
        for part in path[:-1]:
            holder = holder[part]
        last = path[-1]
        match draw(st.sampled_from(["replace", "remove", "add", "move", "wrap", "repeat"])):
            case "replace":
                holder[last] = draw(values)
            case "remove":
                del holder[last]
            case "add" if isinstance(holder, dict):
                holder[draw(words)] = draw(values)
            case "move" if isinstance(holder, dict):
                holder[draw(words)] = holder.pop(last)
            case "wrap":
                holder[last] = draw(st.sampled_from([[holder[last]], {"kind": holder[last]}, [[holder[last]]]]))
            case "repeat" if isinstance(holder[last], list):
                holder[last] = holder[last] * 2
            case _:
                holder[last] = None
        if not data:
            break
    return data


@fuzz
@given(mutated_data())
@example({"clock": {"epoch_utc": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=10)))}})
@example({"clock": {"epoch_utc": datetime(9999, 12, 31, tzinfo=timezone(timedelta(hours=-10)))}})
@example({"clock": {"epoch_utc": date(2026, 1, 1)}, "links": {"isl": {"kind": []}}, "shells": [{"kind": {}}, 5]})
@example({"clock": {"epoch_utc": time(1)}, "seed": 1 << 60_000, "stations": [[{}]], "run": {"schemes": [None]}})
def test_mutated_data_gives_a_scenario_or_input_error(data: Any) -> None:
    def load() -> Scenario:
        layers = Layers("fuzz")
        problems = layers.lay(assignments_of(data), "fuzz")
        checked = check_scenario(layers.data, rules=RULES)
        if checked.scenario is None or problems:
            raise InputError([*problems, *checked.faults, *checked.broken])
        return checked.scenario

    outcome(load)


@fuzz
@given(mutated_data())
def test_mutated_json_gives_a_scenario_or_input_error(tmp_path: Path, data: Any) -> None:
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(data, default=str, skipkeys=True), encoding="utf-8")
    outcome(lambda: load_scenario(path))


@st.composite
def mutated_text(draw: st.DrawFn) -> str:
    """Return the contract's text with pieces cut, copied, moved or typed over."""
    text = CONTRACT
    for _ in range(draw(st.integers(1, 5))):
        lines = text.splitlines(keepends=True) or [""]
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["cut line", "repeat line", "swap lines", "type", "value"])):
            case "cut line":
                del lines[at]
            case "repeat line":
                lines.insert(at, lines[at])
            case "swap lines":
                other = draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            case "type":
                column = draw(st.integers(0, len(lines[at])))
                junk = draw(st.one_of(st.text(max_size=6), st.sampled_from(list("[]{}=\"'.,#\n"))))
                lines[at] = lines[at][:column] + junk + lines[at][column + draw(st.integers(0, 3)) :]
            case "value":
                key, equals, _ = lines[at].partition("=")
                junk = draw(st.sampled_from(["nan", "inf", "-1", "0", "1e400", "true", "[]", "{}", "''", "1979-05-27"]))
                lines[at] = f"{key}={junk}\n" if equals else lines[at]
        text = "".join(lines)
    return text


@fuzz
@given(mutated_text())
@example("a = " + "[" * 5000)
@example(".".join("a" * 5000) + " = 1")
@example("seed = " + "9" * 5000)
@example("seed = 0x" + "f" * 5000)
@example("[shells]\n" + "\n".join(f'"0.{i}" = 1' for i in range(50)))
def test_mutated_text_gives_a_scenario_or_input_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "scenario.toml"
    path.write_bytes(text.encode("utf-8", errors="replace"))
    outcome(lambda: load_scenario(path))


@fuzz
@given(st.binary(max_size=200))
@example(b"\xff\xfe")
@example(b"\xef\xbb\xbf")
def test_bytes_give_input_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "scenario.toml"
    path.write_bytes(content)
    assert outcome(lambda: load_scenario(path)) is None


parts = st.one_of(
    st.sampled_from([*KEYS, "shells.0", "shells.1.name", "stations.0", "links", "extends"]), st.text(max_size=12)
)
texts = st.one_of(
    st.sampled_from(
        ["nan", "-inf", "0", "1", "true", "[1, 2]", "{a = 1}", "radio", "grid", '"x"', "2026-01-01T00:00:00Z"]
    ),
    st.text(max_size=12),
    scalars.map(str),
)


@fuzz
@given(st.lists(st.one_of(st.text(max_size=20), st.builds("{}={}".format, parts, texts)), max_size=4))
@example(["shells." + "9" * 5000 + ".altitude_m=1"])
@example(["seed=1\nname = 'x'"])
@example(["a" + ".a" * 5000 + "=1"])
def test_settings_give_a_scenario_or_input_error(given_settings: list[str]) -> None:
    outcome(lambda: load_scenario("leo12-vitg", settings=given_settings))


@pytest.mark.parametrize("name", ["", ".", "/", "\0", "a" * 5000, "/dev/null", "leo12-vitg/x", "\ud800", "~"])
def test_names_give_input_error(name: str) -> None:
    assert outcome(lambda: load_scenario(name)) is None


def test_the_contract_itself_loads() -> None:
    assert outcome(lambda: load_scenario("leo12-vitg")) is not None
    assert CONTRACT_DATA["clock"]["epoch_utc"] == datetime(2026, 4, 6, tzinfo=UTC)
