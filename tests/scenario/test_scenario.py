"""The models: immutable, strict, and in the words of the scenario whatever is wrong with whichever key."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, get_args, get_origin

import pytest
from pydantic import ValidationError

from orbitsim.errors import InputError, Problem
from orbitsim.loading import find_scenario
from orbitsim.scenario import Scenario, satellite_names, validate_scenario
from orbitsim.scenario.kinds import models_of
from orbitsim.scenario.reference import Key, reference

CONTRACT: dict[str, Any] = tomllib.loads(find_scenario("leo12-vitg").read_text(encoding="utf-8"))


def with_key(path: str, value: Any) -> dict[str, Any]:
    """Return the contract's data with a key changed; tables on the way are those of a kind that has the key."""
    data = copy.deepcopy(CONTRACT)
    place: Any = data
    *above, last = path.replace(".N", ".0").split(".")
    for part in above:
        place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
    place[last] = value
    return data


def refusal_of(data: dict[str, Any]) -> tuple[Problem, ...]:
    """Return the problems of data, none when it is sound."""
    try:
        validate_scenario(data)
    except InputError as error:
        return error.problems
    return ()


def problems(data: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in refusal_of(data)]


def keys_of_the_contract() -> Iterator[Key]:
    """Yield the keys that tables of the contract's kinds have."""
    kinds = {"shells.N": "walker-delta", "links.isl": "optical", "links.downlink": "radio"}
    for key in reference():
        if key.path.partition(".")[0] in ("extends", "overrides"):
            continue
        if not key.applies_to or kinds[key.path.rpartition(".")[0]] in key.applies_to:
            yield key


KEYS = list(keys_of_the_contract())
WRONG: list[Any] = [
    None,
    True,
    -1e12,
    1e300,
    float("nan"),
    float("inf"),
    10**400,
    "",
    "no such thing",
    [],
    [[]],
    {},
    {"kind": "radio"},
    date(2026, 1, 1),
    datetime(2026, 1, 1),
]


@pytest.mark.parametrize("key", KEYS, ids=[key.path for key in KEYS])
def test_any_wrong_value_of_any_key_is_answered_in_the_words_of_the_scenario(key: Key) -> None:
    section = key.path.replace(".N", ".0").rpartition(".")[0]
    refusals = [(value, refusal) for value in WRONG if (refusal := refusal_of(with_key(key.path, value)))]
    assert len(refusals) >= (7 if "text" in key.type else 10)
    for value, refusal in refusals:
        assert any(problem.key.startswith(section) for problem in refusal), (value, refusal)
        for problem in refusal:
            assert problem.message.startswith("expected ")
            assert "got " in problem.message or "known key" in problem.message
            assert not any(word in problem.message for word in ("Input should", "pydantic", "tuple", "None", "dict"))


def test_a_scenario_cannot_be_changed() -> None:
    scenario = validate_scenario(CONTRACT)
    with pytest.raises(ValidationError):
        scenario.seed = 5  # type: ignore[misc]
    assert hash(scenario) == hash(validate_scenario(copy.deepcopy(CONTRACT)))


def test_validation_leaves_its_input_as_it_was() -> None:
    data = copy.deepcopy(CONTRACT)
    validate_scenario(data)
    data["shells"][0]["kind"] = "walker"
    before = copy.deepcopy(data)
    assert len(problems(data)) == 1
    assert data == before


def test_rules_across_keys_hold_also_for_scenarios_made_in_python() -> None:
    scenario = validate_scenario(CONTRACT)
    sections = {name: getattr(scenario, name) for name in Scenario.model_fields}
    with pytest.raises(ValidationError, match=r"clock\.duration_s: expected a whole number of slots of 7 s"):
        Scenario(**{**sections, "clock": scenario.clock.model_copy(update={"slot_s": 7.0})})


def test_whole_numbers_are_numbers_but_not_the_other_way_round() -> None:
    assert validate_scenario(with_key("clock.slot_s", 600)).clock.slot_s == 600.0
    assert isinstance(validate_scenario(with_key("clock.slot_s", 600)).clock.slot_s, float)
    assert problems(with_key("workload.batch_size", 64.0)) == [
        "workload.batch_size: expected a whole number from 1 to 65536, got 64.0"
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-04-06T02:00:00+02:00", datetime(2026, 4, 6, tzinfo=UTC)),
        ("2026-04-06T00:00:00Z", datetime(2026, 4, 6, tzinfo=UTC)),
        (datetime(2026, 4, 5, 19, tzinfo=timezone(timedelta(hours=-5))), datetime(2026, 4, 6, tzinfo=UTC)),
        ("1972-01-01T00:00:00Z", datetime(1972, 1, 1, tzinfo=UTC)),
        ("2099-12-31T23:59:59.999999Z", datetime(2099, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    ],
)
def test_epochs_are_kept_in_utc(given: Any, expected: datetime) -> None:
    epoch_utc = validate_scenario(with_key("clock.epoch_utc", given)).clock.epoch_utc
    assert epoch_utc == expected
    assert epoch_utc.tzinfo is UTC


@pytest.mark.parametrize(
    ("duration_s", "slot_s", "n_slots"), [(86400.0, 600.0, 144), (1.2, 0.4, 3), (0.3, 0.1, 3), (600.0, 600.0, 1)]
)
def test_slots_are_counted_in_spite_of_rounding(duration_s: float, slot_s: float, n_slots: int) -> None:
    data = with_key("clock.duration_s", duration_s)
    data["clock"] |= {"slot_s": slot_s, "step_s": min(15.0, duration_s)}
    assert validate_scenario(data).n_slots == n_slots


@pytest.mark.parametrize(
    ("n_satellites", "first", "last"),
    [(1, "p-00", "p-00"), (100, "p-00", "p-99"), (101, "p-000", "p-100"), (1584, "p-0000", "p-1583")],
)
def test_satellites_have_as_many_digits_as_needed_at_least_two(n_satellites: int, first: str, last: str) -> None:
    data = with_key("shells.0.n_satellites", n_satellites)
    data["workload"]["sensor"] = first
    (shell,) = validate_scenario(data).shells
    names = satellite_names(shell)
    assert (names[0], names[-1], len(names)) == (first, last, n_satellites)


def test_a_fault_of_one_key_hides_only_the_rules_that_read_it() -> None:
    data = with_key("clock.slot_s", "ten minutes")
    data["shells"][0] |= {"phasing": 4, "n_planes": "three"}
    data["stations"].append({**data["stations"][0], "latitude_deg": 100})
    assert problems(data) == [
        "clock.slot_s: expected a number above 0 and at most 31622400, got 'ten minutes'",
        "shells.0.n_planes: expected a whole number from 1 to 100000, got 'three'",
        "stations.1.latitude_deg: expected a number from -90 to 90, got 100",
        "stations.1.name: expected a name of its own, got 'ground' of stations.0",
    ]


def test_many_shells_may_not_be_too_many_satellites_together() -> None:
    data = with_key("shells.0.n_satellites", 60_000)
    data["workload"]["sensor"] = "p-00000"
    data["shells"].append({**data["shells"][0], "name": "q"})
    assert problems(data) == ["shells: expected at most 100000 satellites in all shells together, got 120000"]


def test_lists_are_kept_as_tuples() -> None:
    def lists_in(value: Any) -> Iterator[Any]:
        if isinstance(value, list):
            yield value
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else ():
            yield from lists_in(item)

    assert not list(lists_in(validate_scenario(CONTRACT).model_dump()))


def test_every_model_is_within_reach_of_the_walk_over_models() -> None:
    names = {model.__name__ for model in models_of(Scenario.model_fields["shells"].annotation)}
    assert names == {"WalkerShell", "FileShell"}
    assert get_origin(Scenario.model_fields["shells"].annotation) is tuple
    assert len(get_args(Scenario.model_fields["shells"].annotation)) == 2
