"""What is wrong with the numbers of a request: one fault for each option that is out of its range."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from orbitsim.errors import Problem

LARGEST_SEED = 2**63 - 1  # that generators of torch and numpy take alike


def whole_faults(options: Mapping[str, int], lowest: int) -> Iterator[Problem]:
    """Yield a fault for each option that is below the lowest number it may have."""
    for option, n in options.items():
        if n < lowest:
            yield Problem(option, f"expected at least {lowest}, got {n}")


def seed_faults(seeds: Mapping[str, int]) -> Iterator[Problem]:
    """Yield a fault for each option that is no seed."""
    for option, seed in seeds.items():
        if not 0 <= seed <= LARGEST_SEED:
            yield Problem(option, f"expected a whole number from 0 to {LARGEST_SEED} (2^63 - 1), got {seed}")


def number_faults(options: Mapping[str, float | None]) -> Iterator[Problem]:
    """Yield a fault for each option that is given and is no finite number of at least 0."""
    for option, value in options.items():
        if value is not None and not 0.0 <= value < math.inf:
            yield Problem(option, f"expected a finite number of at least 0, got {value}")


def share_faults(options: Mapping[str, float]) -> Iterator[Problem]:
    """Yield a fault for each option that is no share strictly between 0 and 1."""
    for option, value in options.items():
        if not 0.0 < value < 1.0:
            yield Problem(option, f"expected a share between 0 and 1, got {value}")
