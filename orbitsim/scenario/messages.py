"""Pydantic's validation errors in the words of a scenario: path, what was expected, what was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from orbitsim.errors import Problem
from orbitsim.scenario.checks import _model_in, _models_of, suggestion

_BOUNDS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("at most", "le"),
}
_TYPES = {
    "float_type": "a number",
    "int_type": "a whole number",
    "string_type": "text in quotes",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "datetime_type": "a time such as 2026-04-06T00:00:00Z",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "dict_type": "a table",
}


def problems_of(errors: Iterable[Any], model: type[BaseModel], data: Mapping[str, Any]) -> list[Problem]:
    """Translate `ValidationError.errors()` of `model` on `data`; one problem for a key, in the order of the file."""
    found: dict[str, Problem] = {}
    for error in errors:
        loc, holder, tagged = _walk(error["loc"], model, data)
        key = ".".join(str(part) for part in loc)
        if not key:
            continue  # rules across sections are reported by `checks`, which name their keys
        message = _message(error, loc, holder, tagged)
        if key in found and found[key].message != message:
            message = f"{found[key].message}, or {message.removeprefix('expected ')}"
        found[key] = Problem(key, message)
    return list(found.values())


def _walk(
    loc: tuple[Any, ...], model: type[BaseModel], data: Any
) -> tuple[list[Any], type[BaseModel] | None, list[type[BaseModel]]]:
    """Follow an error's location through the models; drop what pydantic adds for the branches of a union.

    Returns the location in the user's words, the model that holds its last key, and the models that the value may be.
    """
    kept: list[Any] = []
    holder: type[BaseModel] | None = model
    options: list[type[BaseModel]] = []
    annotation: Any = None
    for part in loc:
        if isinstance(part, int):
            kept.append(part)
            data = data[part] if isinstance(data, list | tuple) and part < len(data) else None
            inner = _model_in(annotation, data)
            holder = inner or holder
        elif holder is not None and part in holder.model_fields:
            kept.append(part)
            annotation = holder.model_fields[part].annotation
            data = data.get(part) if isinstance(data, Mapping) else None
            options = list(_models_of(annotation))
            if not isinstance(data, list | tuple):
                holder = _model_in(annotation, data) or holder
        elif isinstance(data, Mapping) and part in data:
            kept.append(part)  # an unknown key of the user
    return kept, holder, options


def _kinds(options: Iterable[type[BaseModel]]) -> Iterator[str]:
    for option in options:
        yield from get_args(option.model_fields["kind"].annotation)


def _message(error: Any, loc: list[Any], holder: type[BaseModel] | None, options: list[type[BaseModel]]) -> str:
    kind, value, context = error["type"], error.get("input"), error.get("ctx", {})
    got = f", got {_shown(value)}"
    if kind == "missing":
        return "expected a value, got nothing"
    if kind == "extra_forbidden":
        known = sorted(holder.model_fields) if holder is not None else []
        hint = suggestion(str(loc[-1]), known) or f"; known keys: {', '.join(known)}"
        return f"expected a known key{hint}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        kinds = list(_kinds(options))
        tag = str(context.get("tag", ""))
        hint = suggestion(tag, kinds)
        return f"expected kind to be one of {', '.join(kinds)}, got {tag!r}{hint}" if tag else (
            f"expected kind to be one of {', '.join(kinds)}, got nothing"
        )
    if kind in _BOUNDS:
        word, bound = _BOUNDS[kind]
        limits = allowed_range(holder, str(loc[-1])) or f"{word} {context[bound]:g}"
        return f"expected a number {limits}{got}"
    if kind == "literal_error":
        choices = [str(c).strip() for c in context["expected"].replace("'", "").replace(" or ", ",").split(",")]
        return f"expected one of {', '.join(choices)}{got}{suggestion(str(value), choices)}"
    if kind == "finite_number":
        return f"expected a finite number{got}"
    if kind == "string_pattern_mismatch":
        return f"expected a name of letters, digits, '_', '.' and '-' that starts with a letter or digit{got}"
    if kind == "too_short":
        return f"expected at least {context['min_length']} entries{got}"
    if kind == "string_too_long":
        return f"expected at most {context['max_length']} characters, got {len(str(value))}"
    if kind in _TYPES:
        return f"expected {_TYPES[kind]}{got}"
    text = str(error["msg"])
    return (text if text.startswith("expected") else f"expected another value: {text}") + got


def allowed_range(model: type[BaseModel] | None, name: str) -> str:
    """Return the range of a numeric key in words (``from -90 to 90``, ``above 0 and at most 1``), or nothing."""
    if model is None or name not in model.model_fields:
        return ""
    limits = {
        bound: getattr(item, bound)
        for item in model.model_fields[name].metadata
        for bound in ("gt", "ge", "lt", "le")
        if hasattr(item, bound)
    }
    if set(limits) == {"ge", "le"}:
        return f"from {limits['ge']:g} to {limits['le']:g}"
    words = {bound: word for word, bound in _BOUNDS.values()}
    return " and ".join(f"{words[bound]} {value:g}" for bound, value in limits.items())


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
