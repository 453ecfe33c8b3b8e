"""Did you mean: the nearest of the names that would have been right."""

from __future__ import annotations

import difflib
from collections.abc import Collection


def nearest(name: object, choices: Collection[str]) -> str | None:
    """Return the choice that is close to a name, or None."""
    close = difflib.get_close_matches(str(name)[:80], choices, n=1, cutoff=0.6)
    return close[0] if close else None


def suggestion(name: object, choices: Collection[str]) -> str:
    """Return ``; did you mean 'x'?`` when a choice is close to the name, else nothing."""
    close = nearest(name, choices)
    return f"; did you mean {close!r}?" if close else ""
