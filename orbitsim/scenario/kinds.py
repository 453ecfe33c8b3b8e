"""Tables that come in kinds: which model a table is meant to be, also where its `kind` is missing or misspelt."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from orbitsim.errors import Problem
from orbitsim.scenario.suggestions import nearest, suggestion
from orbitsim.scenario.wording import joined_key, shown


def models_of(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that a key may hold; none for a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Annotated, Union, types.UnionType, tuple, dict):
        for arg in get_args(annotation):
            yield from models_of(arg)


def table_path(path: str, annotation: Any) -> str:
    """Return the path of the tables that a key holds: ``N`` stands for an index of a list, ``NAME`` for a name."""
    return joined_key(path, "NAME" if is_named(annotation) else "N" if get_origin(annotation) is tuple else "")


def is_named(annotation: Any) -> bool:
    """Return whether a key holds tables by a name that the user chooses."""
    return get_origin(annotation) is dict


def models_by_kind(options: Sequence[type[BaseModel]]) -> dict[str, type[BaseModel]]:
    """Return the models of tables that come in kinds, by the value of their key `kind`."""
    return {kind: model for model in options for kind in get_args(model.model_fields["kind"].annotation)}


def model_of(options: Sequence[type[BaseModel]], table: Mapping[str, Any]) -> type[BaseModel]:
    """Return the model of a table: the only one, or that of its `kind`, which must be known."""
    return options[0] if len(options) == 1 else models_by_kind(options)[table["kind"]]


def assume_kinds(
    model: type[BaseModel], data: Mapping[str, Any], key: str = ""
) -> tuple[dict[str, Any], list[Problem]]:
    """Give every table that comes in kinds a known `kind`, so that the rest of it can be validated.

    Parameters
    ----------
    model : type of BaseModel
        What the data should be.
    data : mapping
        Raw tables; not changed.
    key : str
        Dotted path of `data`.

    Returns
    -------
    dict
        The data; where a `kind` was missing or unknown, with the one that was most likely meant.
    list of Problem
        One for each such table.
    """
    filled = dict(data)
    problems: list[Problem] = []
    for name, field in model.model_fields.items():
        options, raw = list(models_of(field.annotation)), data.get(name)
        if not options:
            continue
        path = joined_key(key, name)
        if is_named(field.annotation) and isinstance(raw, Mapping):
            filled[name] = {
                own: _assume_kind(options, item, joined_key(path, own), problems) if isinstance(item, Mapping) else item
                for own, item in raw.items()
            }
        elif isinstance(raw, Mapping):
            filled[name] = _assume_kind(options, raw, path, problems)
        elif isinstance(raw, list | tuple):
            filled[name] = [
                _assume_kind(options, item, joined_key(path, index), problems) if isinstance(item, Mapping) else item
                for index, item in enumerate(raw)
            ]
    return filled, problems


def _assume_kind(
    options: Sequence[type[BaseModel]], raw: Mapping[str, Any], key: str, problems: list[Problem]
) -> dict[str, Any]:
    table = dict(raw)
    if len(options) > 1:
        kinds = models_by_kind(options)
        given = raw.get("kind")
        if not isinstance(given, str) or given not in kinds:
            got = f"{shown(given)}{suggestion(given, kinds)}" if "kind" in raw else "nothing"
            problems.append(Problem(joined_key(key, "kind"), f"expected one of {', '.join(kinds)}, got {got}"))
            alike = max(kinds, key=lambda kind: len(kinds[kind].model_fields.keys() & raw.keys()))
            table["kind"] = nearest(given, kinds) or alike
    filled, found = assume_kinds(model_of(options, table), table, key)
    problems += found
    return filled
