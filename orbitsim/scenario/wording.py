"""Values, keys and what a key takes, in the words of error messages."""

from __future__ import annotations

import reprlib
import types
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from orbitsim.scenario.base import EXAMPLE_TIME

_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = 60
_brief.maxlist = _brief.maxtuple = 4
_brief.maxlevel = 3


def shown(value: Any) -> str:
    """Return a value of a scenario as a message shows it: brief, printable, in the words of TOML where they differ."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, int) and value.bit_length() > 128:
        return f"a whole number of {value.bit_length()} bits"
    if isinstance(value, list | tuple):
        items = [shown(item) if not isinstance(item, list | tuple) else "a list" for item in value[:4]]
        return f"[{', '.join(items)}{', ...' if len(value) > len(items) else ''}]"
    return _brief.repr(value)


def joined_key(*parts: object) -> str:
    """Return parts of a path as a dotted key; what could not be printed is escaped."""
    texts = (str(part) for part in parts if part != "")
    return ".".join(text if text.isprintable() else repr(text) for text in texts)


def limits_of(annotation: Any, metadata: Iterable[Any] = ()) -> dict[str, float]:
    """Return the bounds of a number (``gt``, ``ge``, ``lt``, ``le``), also of the items of a list."""
    found: dict[str, float] = {}
    for item in metadata:
        if isinstance(item, FieldInfo):
            found |= limits_of(None, item.metadata)
        else:
            found |= {bound: getattr(item, bound) for bound in ("gt", "ge", "lt", "le") if hasattr(item, bound)}
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        found |= limits_of(inner, more)
    elif get_origin(annotation) in (Union, types.UnionType, tuple):
        for arg in get_args(annotation):
            found |= limits_of(arg)
    return found


def range_in_words(limits: Mapping[str, float]) -> str:
    """Return bounds in words (``from -90 to 90``, ``above 0 and at most 1``), or nothing."""
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    if set(limits) == {"ge", "le"}:
        return f"from {_number(limits['ge'])} to {_number(limits['le'])}"
    return " and ".join(f"{words[bound]} {_number(limits[bound])}" for bound in words if bound in limits)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.9g}"


def expectation(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """Return what a key takes, such as ``a number from -90 to 90`` or ``one of ring, grid, none``.

    Parameters
    ----------
    annotation : type
        Type of the key, as its model declares it.
    metadata : iterable
        Constraints that pydantic keeps beside the type.
    """
    metadata = [part for item in metadata for part in (item.metadata if isinstance(item, FieldInfo) else [item])]
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return expectation(args[0], [*args[1:], *metadata])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(expectation(arg) for arg in args if arg is not type(None)))
    if origin is Literal:
        return f"one of {', '.join(args)}" if len(args) > 1 else repr(args[0])
    if origin is tuple:
        return _list_in_words(args, metadata)
    if origin is dict:
        return f"a table of named entries, each {expectation(args[1])}"
    if annotation in (int, float):
        noun = "a whole number" if annotation is int else "a number"
        return f"{noun} {range_in_words(limits_of(None, metadata))}".rstrip()
    if annotation is str:
        return _text_in_words(metadata)
    if annotation is bool:
        return "true or false"
    if annotation is datetime:
        return f"a time with its zone, such as {EXAMPLE_TIME}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "a table"
    raise TypeError(f"no words for {annotation!r}")


def _list_in_words(args: tuple[Any, ...], metadata: list[Any]) -> str:
    if Ellipsis not in args:
        return f"a list of {len(args)} entries, each {expectation(args[0])}"
    at_least = next((item.min_length for item in metadata if hasattr(item, "min_length")), 0)
    return f"a list of {'at least one entry' if at_least else 'entries'}, each {expectation(args[0])}"


def _text_in_words(metadata: list[Any]) -> str:
    longest = next((item.max_length for item in metadata if hasattr(item, "max_length")), None)
    if any(getattr(item, "pattern", None) for item in metadata):
        return f"a name of at most {longest} letters, digits, '_', '.' and '-', the first a letter or digit"
    return "text in quotes" if longest is None else f"text of at most {longest} characters"
