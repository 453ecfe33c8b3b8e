"""Names that a user selects with an option, checked against what there is."""

from __future__ import annotations

from collections.abc import Sequence

from orbitsim.errors import InputError, Problem
from orbitsim.scenario.checks import suggestion


def chosen(option: str, names: Sequence[str] | None, known: Sequence[str]) -> Sequence[str]:
    """Return the selected names, all when none is selected.

    Raises
    ------
    InputError
        Naming every selected name that there is not.
    """
    if not names:
        return known
    unknown = [name for name in names if name not in set(known)]
    if unknown:
        raise InputError(
            Problem(option, f"expected a name of the scenario, got {name!r}{suggestion(name, list(known))}")
            for name in unknown
        )
    return names
