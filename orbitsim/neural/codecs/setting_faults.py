"""What is wrong with the settings of a codec: every fault collected, then one error that names them all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Real
from typing import Any

from orbitsim.errors import InputError, Problem


class SettingFaults:
    """Faults found so far.

    Parameters
    ----------
    source : str
        What the settings belong to, such as ``codec topk``.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self.problems: list[Problem] = []

    def add(self, key: str, message: str) -> None:
        """Note a fault."""
        self.problems.append(Problem(key, message, self._source))

    def whole(self, key: str, value: Any, lowest: int, highest: int | None = None) -> bool:
        """Check a whole number; return whether it is one within the bounds."""
        fits = isinstance(value, int) and not isinstance(value, bool)
        if fits and value >= lowest and (highest is None or value <= highest):
            return True
        bounds = f"of at least {lowest}" if highest is None else f"from {lowest} to {highest}"
        self.add(key, f"expected a whole number {bounds}, got {value!r}")
        return False

    def share(self, key: str, value: Any) -> None:
        """Check a share above 0 and at most 1."""
        if not (is_number(value) and 0.0 < value <= 1.0):
            self.add(key, f"expected a share above 0 and at most 1, got {value!r}")

    def positive(self, key: str, value: Any) -> None:
        """Check a finite number above 0."""
        if not (is_number(value) and value > 0.0):
            self.add(key, f"expected a finite number above 0, got {value!r}")

    def flag(self, key: str, value: Any) -> None:
        """Check a truth value."""
        if not isinstance(value, bool):
            self.add(key, f"expected true or false, got {value!r}")

    def choice(self, key: str, value: Any, choices: Sequence[str]) -> None:
        """Check one of some words."""
        if value not in choices:
            self.add(key, f"expected one of {', '.join(choices)}, got {value!r}")

    def raise_any(self) -> None:
        """Raise an `InputError` with all faults, if there are any."""
        if self.problems:
            raise InputError(self.problems)

    @contextmanager
    def and_those_inside(self) -> Iterator[None]:
        """Raise all faults together with those of an `InputError` inside."""
        try:
            yield
        except InputError as error:
            raise InputError([*error.problems, *self.problems]) from error
        self.raise_any()


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number; a truth value is none."""
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
