"""The contract file of the project's users, where it is at hand: one folder above the repository."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orbitsim.loading import find_scenario

CONTRACT_FILE = Path(__file__).parents[3] / "shared" / "examples" / "leo12-vitg.toml"


def contract_file() -> Path:
    """Return the contract file, or skip the test."""
    if not CONTRACT_FILE.is_file():
        pytest.skip("needs the contract file ../shared/examples/leo12-vitg.toml")
    return CONTRACT_FILE


def contract_keys() -> set[str]:
    """Return every key of the contract file, or of the shipped scenario of the same name without it."""
    path = CONTRACT_FILE if CONTRACT_FILE.is_file() else find_scenario("leo12-vitg")
    return set(_paths(tomllib.loads(path.read_text(encoding="utf-8")), ""))


def _paths(table: dict[str, Any], prefix: str) -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _paths(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for item in value:
                yield from _paths(item, f"{prefix}{key}.N.")
        else:
            yield f"{prefix}{key}"
