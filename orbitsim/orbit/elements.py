"""Element sets: what the readers of TLE and OMM files have in common."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sgp4.api import SGP4_ERRORS

from orbitsim.errors import Problem


@dataclass(frozen=True, slots=True)
class Element:
    """One element set of a file: where it stands, its name (possibly empty), catalogue number and satrec."""

    place: str
    name: str
    number: str
    satrec: Any


def finite_number(text: Any) -> float | None:
    """Return a field's text as a number, or None where it is not a finite one."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def initialised(
    place: str, name: str, number: str, initialise: Callable[[], Any], problems: list[Problem]
) -> Element | None:
    """Run one of sgp4's readers and return its element set, or append to `problems` why there is none."""
    try:
        satrec = initialise()
    except ValueError as error:
        problems.append(Problem(place, f"expected a valid element set: {error}"))
        return None
    if satrec.error:
        reason = SGP4_ERRORS.get(satrec.error, f"error {satrec.error}")
        problems.append(Problem(place, f"expected elements that SGP4 can start from: {reason}"))
        return None
    return Element(place, name, number, satrec)
