"""Reference of every key of a scenario, generated from the models that validate it."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from orbitsim.scenario.kinds import models_by_kind, models_of, table_path
from orbitsim.scenario.root import Scenario
from orbitsim.scenario.wording import joined_key, limits_of, range_in_words


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a scenario.

    Attributes
    ----------
    path : str
        Dotted path; ``N`` stands for an index of a list, ``NAME`` for a name of your own.
    type, default, limits, meaning : str
        What it takes, what holds when it is left out, its range, and what it says.
    applies_to : str
        Kinds of the table around it that have it, with commas; empty where all have.
    """

    path: str
    type: str
    default: str
    limits: str
    meaning: str
    applies_to: str


FILE_KEYS = (
    Key("extends", "text", "omitted", "", "A file beside this one, or a shipped scenario, to build on.", ""),
    Key(
        "overrides.NAME",
        "table",
        "omitted",
        "",
        "Keys that `--override NAME` lays over the rest; written as in the file itself.",
        "",
    ),
)


def reference() -> list[Key]:
    """Return every key that a scenario file may hold, in the order of the models.

    A key that two kinds of a table share stands once; twice where its default, range or meaning differ.
    """
    return [*FILE_KEYS, *_keys_of(Scenario, "")]


def _keys_of(model: type[BaseModel], prefix: str) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        path = joined_key(prefix, name)
        sections = list(models_of(field.annotation))
        if not sections:
            limits = range_in_words(limits_of(field.annotation, field.metadata))
            yield Key(path, _type_of(field.annotation), _default_of(field), limits, _meaning_of(field), "")
            continue
        inner = table_path(path, field.annotation)
        if len(sections) == 1:
            yield from _keys_of(sections[0], inner)
        else:
            yield from _keys_of_kinds(sections, inner)


def _keys_of_kinds(sections: list[type[BaseModel]], prefix: str) -> Iterator[Key]:
    """Yield the keys of a table that comes in kinds: `kind` itself, and the others with the kinds that have them."""
    kinds = models_by_kind(sections)
    meanings = (f"{', '.join(models_by_kind([x]))}: {_meaning_of(x.model_fields['kind'])}" for x in sections)
    yield Key(joined_key(prefix, "kind"), " | ".join(kinds), "required", "", " ".join(meanings), "")
    having: dict[Key, list[str]] = {}
    for kind, section in kinds.items():
        for key in _keys_of(section, prefix):
            having.setdefault(key, []).append(kind)
    for key, own in having.items():
        if key.path != joined_key(prefix, "kind"):
            yield replace(key, applies_to="" if len(own) == len(kinds) else ", ".join(own))


def _meaning_of(field: FieldInfo) -> str:
    return " ".join((field.description or "").split())


def _default_of(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    value = field.default
    if value is None:
        return "omitted"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _type_of(annotation: Any) -> str:
    names = {float: "number", int: "whole number", str: "text", bool: "true/false", datetime: "time"}
    if annotation in names:
        return names[annotation]
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(map(str, args))
    if origin is Annotated:
        return _type_of(args[0])
    if origin in (Union, types.UnionType):
        return " | ".join(_type_of(arg) for arg in args if arg is not type(None))
    if origin is tuple:
        inner = [arg for arg in args if arg is not Ellipsis]
        return "[" + ", ".join(_type_of(arg) for arg in inner) + (", ...]" if Ellipsis in args else "]")
    raise TypeError(f"no words for {annotation!r}")
