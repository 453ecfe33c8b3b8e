"""Pydantic's validation errors in the words of a scenario: key, what was expected, what was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from orbitsim.errors import Problem
from orbitsim.scenario.kinds import is_named, models_by_kind, models_of, table_path
from orbitsim.scenario.suggestions import suggestion
from orbitsim.scenario.wording import expectation, joined_key, shown

# Keys of a scenario file that are not keys of a scenario: they say what it is put together from.
FILE_KEYS = ("extends", "overrides")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an error is: its key, the model of the innermost table around it, and the table's other kinds."""

    key: tuple[str | int, ...]
    model: type[BaseModel]
    other_kinds: tuple[type[BaseModel], ...]


def problems_of(errors: Iterable[Any], model: type[BaseModel]) -> list[Problem]:
    """Translate `ValidationError.errors()` of a model; one problem for a key, in the order of the models."""
    found: dict[str, Problem] = {}
    for error in errors:
        if not error["loc"]:
            continue  # rules across sections are reported by `checks`, which name their keys
        place = _place(error["loc"], model)
        key = joined_key(*place.key)
        found.setdefault(key, Problem(key, _message(error, place, model)))
    return list(found.values())


def _place(loc: tuple[Any, ...], model: type[BaseModel]) -> _Place:
    """Follow an error's location through the models, past what pydantic adds for the branches of a union."""
    key: list[str | int] = []
    others: tuple[type[BaseModel], ...] = ()
    rest = list(loc)
    while rest:
        name = rest.pop(0)
        key.append(name)
        if name not in model.model_fields:
            break
        options = list(models_of(model.model_fields[name].annotation))
        if not options:
            key += [part for part in rest if isinstance(part, int)]
            break
        if rest and (isinstance(rest[0], int) or is_named(model.model_fields[name].annotation)):
            key.append(rest.pop(0))
        inner = options[0]
        if len(options) > 1 and rest:
            inner = models_by_kind(options)[rest.pop(0)]
        if rest:
            model, others = inner, tuple(option for option in options if option is not inner)
    return _Place(tuple(key), model, others)


def _message(error: Any, place: _Place, root: type[BaseModel]) -> str:
    kind, value = error["type"], error.get("input")
    if kind == "extra_forbidden":
        return _unknown_key(str(place.key[-1]), place, root)
    if kind in ("utc", "printable"):
        return f"{error['msg']}, got {shown(value)}"
    annotation, metadata = _taken_at(place)
    expected = f"expected {expectation(annotation, metadata)}"
    if kind == "missing":
        return f"{expected}, got nothing"
    choices = [str(choice) for choice in error.get("ctx", {}).get("expected", "").replace(" or ", ", ").split(", ")]
    hint = suggestion(value, [choice.strip("'") for choice in choices]) if kind == "literal_error" else ""
    return f"{expected}, got {shown(value)}{hint}"


def _taken_at(place: _Place) -> tuple[Any, list[Any]]:
    """Return type and constraints of the value at a place: of its field, or of an item of the list in it."""
    name = next(part for part in reversed(place.key) if part in place.model.model_fields)
    field = place.model.model_fields[name]
    annotation, metadata = field.annotation, list(field.metadata)
    if is_named(annotation) and place.key[-1] != name:
        annotation, metadata = get_args(annotation)[1], []
    elif isinstance(place.key[-1], int):
        items = next(_tuples_in(annotation))
        annotation, metadata = get_args(items)[0], []
    return annotation, metadata


def _tuples_in(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is tuple:
        yield annotation
    else:
        for arg in get_args(annotation):
            yield from _tuples_in(arg)


def _unknown_key(name: str, place: _Place, root: type[BaseModel]) -> str:
    if name in FILE_KEYS:
        return "expected this key at the top of a scenario file only"
    known = sorted(place.model.model_fields)
    for other in place.other_kinds:
        if name in other.model_fields:
            kinds = [" or ".join(models_by_kind([model])) for model in (place.model, other)]
            return f"expected a key of kind {kinds[0]}; this one belongs to kind {kinds[1]}"
    elsewhere = [path for path in dict.fromkeys(_paths(root, "")) if path.rpartition(".")[2] == name]
    if elsewhere:
        return f"expected a known key; did you mean {' or '.join(map(repr, elsewhere[:3]))}?"
    hint = suggestion(name, [*known, *(FILE_KEYS if place.model is root else ())])
    if hint:
        return f"expected a known key{hint}"
    return f"expected a known key, which are {', '.join(known)}"


def _paths(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """Yield the path of every key of a model, with ``N`` for the index of a list."""
    for name, field in model.model_fields.items():
        path = joined_key(prefix, name)
        yield path
        for inner in models_of(field.annotation):
            yield from _paths(inner, table_path(path, field.annotation))
