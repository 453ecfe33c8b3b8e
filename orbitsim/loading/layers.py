"""Putting a scenario together: files, overrides and settings, laid one over the other.

Each layer is a sequence of assignments to dotted keys. Tables are merged key by key, everything else is replaced. What
a layer makes pointless in those below it goes away: the terminal figures of another kind of link, and the other way to
say the same (an elevation mask, once an off-nadir mask is set).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from orbitsim.errors import Problem
from orbitsim.scenario.links import Downlink, Isl
from orbitsim.scenario.wording import joined_key, shown

Path = tuple[str, ...]
Assignment = tuple[Path, Any]

_MOST_INDEX_DIGITS = 6

# Keys of a section that mean the same whatever its kind.
_SHARED_KEYS: Mapping[Path, frozenset[str]] = {
    ("links", "isl"): frozenset(Isl.model_fields),
    ("links", "downlink"): frozenset(Downlink.model_fields),
}
# Sections with two ways to say the same, of which a scenario uses one.
_ALTERNATIVES: Sequence[tuple[Path, frozenset[str], frozenset[str]]] = (
    (("links", "downlink"), frozenset({"min_elevation_deg"}), frozenset({"max_off_nadir_deg"})),
    (("links", "downlink"), frozenset({"receive_gain_dbi"}), frozenset({"receive_g_over_t_db_k"})),
    (("links", "isl"), frozenset({"receive_gain_dbi"}), frozenset({"receive_g_over_t_db_k"})),
    (("codec",), frozenset({"table"}), frozenset({"ratio", "accuracy"})),
)


class Layers:
    """The keys of a scenario as they come together, and where each of them came from.

    Parameters
    ----------
    source : str
        Where a key that no layer sets should have been.

    Attributes
    ----------
    data : dict
        Raw tables so far.
    """

    def __init__(self, source: str) -> None:
        self.data: dict[str, Any] = {}
        self._source = source
        self._origins: dict[Path, tuple[int, str]] = {}
        self._count = count()

    def lay(self, assignments: Iterable[Assignment], source: str) -> list[Problem]:
        """Lay assignments over what is there.

        Parameters
        ----------
        assignments : iterable of (path, value)
            Keys by the parts of their path, and their values; a number is an index of a list.
        source : str
            Where they come from.

        Returns
        -------
        list of Problem
            One for each assignment that has no place.
        """
        layer = list(assignments)
        for path, value in layer:
            self._drop_pointless(path, value)
        problems = []
        for path, value in layer:
            fault = _put(self.data, path, value)
            if fault is not None:
                problems.append(Problem(joined_key(*path), fault, source))
                continue
            self._origins[path] = (next(self._count), source)
        return problems

    def source_of(self, key: str) -> str:
        """Return where a dotted key, or what holds it, was set last; else what all that it holds comes from."""
        parts = tuple(key.split("."))
        above = [self._origins[parts[:n]] for n in range(len(parts) + 1) if parts[:n] in self._origins]
        if above:
            return max(above)[1]
        inside = {source for path, (_, source) in self._origins.items() if path[: len(parts)] == parts}
        return inside.pop() if len(inside) == 1 else self._source

    def _drop_pointless(self, path: Path, value: Any) -> None:
        section: Any = self.data
        for part in path[:-1]:
            section = section.get(part) if isinstance(section, dict) else None
        if not isinstance(section, dict):
            return
        name = path[-1]
        if name == "kind" and path[:-1] in _SHARED_KEYS and value != section.get("kind"):
            for key in section.keys() - _SHARED_KEYS[path[:-1]]:
                del section[key]
        for where, one, other in _ALTERNATIVES:
            if where == path[:-1] and name in one | other:
                for key in other if name in one else one:
                    section.pop(key, None)


def assignments_of(table: Mapping[str, Any], path: Path = ()) -> Iterator[Assignment]:
    """Yield the assignments of a table; a quoted key with dots (``"shells.0.altitude_m"``) reaches into lists."""
    for key in sorted(table, key=lambda key: "." in key):
        value, inner = table[key], (*path, *key.split("."))
        if isinstance(value, Mapping) and value:
            yield from assignments_of(value, inner)
        else:
            yield inner, value


def assignment_of(setting: str) -> Assignment | None:
    """Return the assignment of a ``key=value`` of ``--set``, or None when it is none.

    The value is read as TOML; what is not TOML is text, so that names need no quotes.
    """
    key, separator, text = setting.partition("=")
    path = tuple(key.strip().split("."))
    if not separator or not all(path):
        return None
    text = text.strip()
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return path, text
    return path, table["value"] if len(table) == 1 else text


def _put(data: dict[str, Any], path: Path, value: Any) -> str | None:
    """Set a key in nested tables and lists; return what is wrong with its path, if anything is."""
    place: Any = data
    for depth, part in enumerate(path):
        above = joined_key(*path[:depth])
        if isinstance(place, list):
            if not (part.isascii() and part.isdigit() and len(part) <= _MOST_INDEX_DIGITS and int(part) < len(place)):
                return f"expected an index of {above} below {len(place)}, got {part[:40]!r}"
        elif not isinstance(place, dict):
            return f"expected {above} to be a table, got {shown(place)}"
        index: Any = int(part) if isinstance(place, list) else part
        if depth == len(path) - 1:
            place[index] = value
        elif isinstance(place, list):
            place = place[index]
        else:
            place = place.setdefault(part, {})
    return None
