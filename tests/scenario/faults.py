"""Writing scenario files, and reading the problems that loading them reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orbitsim.errors import InputError, Problem
from orbitsim.loading import load_scenario


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(name: str | Path, **arguments: Any) -> list[Problem]:
    with pytest.raises(InputError) as caught:
        load_scenario(name, **arguments)
    return list(caught.value.problems)
