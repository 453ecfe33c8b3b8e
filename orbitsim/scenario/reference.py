"""Reference of every key of a scenario, generated from the models that validate it."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from orbitsim.scenario.checks import _models_of
from orbitsim.scenario.messages import allowed_range
from orbitsim.scenario.root import Scenario


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a scenario: path (``N`` stands for an index), type, default, range, meaning, and where it applies."""

    path: str
    type: str
    default: str
    limits: str
    meaning: str
    applies_to: str


def reference() -> list[Key]:
    """Return every key, in the order of the models."""
    keys: dict[str, Key] = {}
    for key in _walk(Scenario, "", ""):
        known = keys.get(key.path)
        if known is None:
            keys[key.path] = key
        elif known.applies_to != key.applies_to:
            kinds = dict.fromkeys([*known.applies_to.split(", "), *key.applies_to.split(", ")])
            type_ = known.type if key.type in known.type else f"{known.type} | {key.type}"
            keys[key.path] = Key(key.path, type_, known.default, known.limits, known.meaning, ", ".join(kinds))
    return list(keys.values())


def _walk(model: type[BaseModel], prefix: str, applies_to: str) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        inner = list(_models_of(field.annotation))
        if not inner:
            meaning = " ".join((field.description or "").split())
            limits = allowed_range(model, name)
            yield Key(path, _type_of(field.annotation), _default_of(field), limits, meaning, applies_to)
            continue
        repeated = get_origin(field.annotation) is tuple
        for section in inner:
            kind = section.model_fields.get("kind")
            kinds = ", ".join(get_args(kind.annotation)) if kind is not None and len(inner) > 1 else ""
            yield from _walk(section, f"{path}.N." if repeated else f"{path}.", kinds)


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
    names = {float: "number", int: "whole number", str: "text", bool: "true/false"}
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
    return "time" if getattr(annotation, "__name__", "") == "datetime" else str(annotation)
