"""The reference of every key: nothing left out, nothing said twice, units in every name."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from scenario.contract import contract_keys

from orbitsim.scenario import Scenario
from orbitsim.scenario.kinds import models_of
from orbitsim.scenario.reference import reference

UNITS = {"_s", "_m", "_deg", "_rad", "_hz", "_bps", "_bytes", "_k", "_db", "_dbi", "_dbm", "_dbw", "_db_k", "_pct"} | {
    "_w",
    "_s_per_byte",
    "bytes_per_pixel",
}
DIMENSIONLESS = {
    "codec.ratio",
    "codec.accuracy",
    "codec.max_accuracy_loss",
    "links.isl.path_loss_exponent",
    "links.downlink.path_loss_exponent",
    "links.isl.rolloff",
    "links.downlink.rolloff",
}


def plain_types(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) in (Annotated, Union, types.UnionType, tuple):
        for arg in get_args(annotation):
            yield from plain_types(arg)
    else:
        yield annotation


def floats_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        sections = list(models_of(field.annotation))
        for section in sections:
            yield from floats_of(section, f"{prefix}{name}.")
        if not sections and float in plain_types(field.annotation):
            yield f"{prefix}{name}"


def test_every_number_has_its_unit_in_its_name_or_none() -> None:
    floats = set(floats_of(Scenario))
    assert len(floats) > 40
    without = {key for key in floats if not any(key.rpartition(".")[2].endswith(unit) for unit in UNITS)}
    assert without == DIMENSIONLESS


def test_it_lists_every_key_of_the_models() -> None:
    def paths(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
        for name, field in model.model_fields.items():
            sections = list(models_of(field.annotation))
            entry = {tuple: "N.", dict: "NAME."}.get(get_origin(field.annotation), "")
            inner = f"{prefix}{name}.{entry}"
            for section in sections:
                yield from paths(section, inner)
            if not sections:
                yield f"{prefix}{name}"

    assert {key.path for key in reference()} == {*paths(Scenario), "extends", "overrides.NAME"}


def test_it_lists_every_key_of_the_contract() -> None:
    assert contract_keys() <= {key.path for key in reference()}


def test_each_key_says_what_it_takes_and_means() -> None:
    for key in reference():
        assert key.type
        assert key.default
        assert len(key.meaning) > 5, key.path
        assert key.meaning.endswith("."), key.path


def test_a_key_stands_twice_only_where_kinds_differ_in_it() -> None:
    seen: dict[str, list[str]] = {}
    for key in reference():
        seen.setdefault(key.path, []).append(key.applies_to)
    for path, kinds in seen.items():
        assert len(kinds) == 1 or ("" not in kinds and len(set(kinds)) == len(kinds)), path
    assert seen["links.isl.bandwidth_hz"] == ["optical", "radio"]
    assert seen["links.downlink.rate_bps"] == [""]


@pytest.mark.parametrize(
    ("path", "type_", "default", "limits"),
    [
        ("clock.epoch_utc", "time", "required", ""),
        ("clock.slot_s", "number", "600", "above 0 and at most 31622400"),
        ("shells.N.kind", "walker-delta | walker-star | tle | omm", "required", ""),
        ("planner.max_compute_nodes", "whole number", "5", "from 1 to 1000"),
        ("workload.resolution", "text | [whole number, whole number]", "1080p", "from 1 to 100000"),
        ("workload.sensor_computes", "true/false", "true", ""),
        ("codec.ratio", "[number, ...]", "omitted", "above 0 and at most 1"),
        ("run.execution", "overlapped | sequential | serial", "omitted", ""),
    ],
)
def test_some_entries(path: str, type_: str, default: str, limits: str) -> None:
    (key,) = (key for key in reference() if key.path == path)
    assert (key.type, key.default, key.limits, key.applies_to) == (type_, default, limits, "")


def test_optional_keys_may_be_left_out() -> None:
    for name, field in Scenario.model_fields.items():
        if field.default is not PydanticUndefined and list(models_of(field.annotation)):
            assert any(key.path.startswith(name) and key.default != "required" for key in reference())
