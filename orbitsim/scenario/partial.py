"""The sound part of a faulty scenario, which the rules across keys can still read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from orbitsim.scenario.kinds import is_named, model_of, models_of
from orbitsim.scenario.wording import joined_key


class UnknownKeyError(LookupError):
    """A rule asked for a key that is missing or faulty on its own."""


class Partial:
    """A table of which only the sound keys can be read, as attributes; reading another raises `UnknownKeyError`."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise UnknownKeyError(name) from None


def sound_part(model: type[BaseModel], data: Mapping[str, Any], faulty: Iterable[str], key: str = "") -> Partial:
    """Return the part of raw data that is sound, key by key, with defaults filled in.

    Parameters
    ----------
    model : type of BaseModel
        What the data should be.
    data : mapping
        Raw tables, in which every table that comes in kinds has a known `kind` (`kinds.assume_kinds`).
    faulty : iterable of str
        Dotted keys that are not sound on their own.
    key : str
        Dotted path of `data`.
    """
    bad = set(faulty)
    bad |= {fault.rpartition(".")[0] for fault in bad if fault.rpartition(".")[2].isdigit()}  # the list of a bad item
    return _sound(model, data, bad, key)


def _sound(model: type[BaseModel], data: Mapping[str, Any], bad: set[str], key: str) -> Partial:
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        path = joined_key(key, name)
        if path in bad or (name not in data and field.is_required()):
            continue
        raw = data.get(name, field.default)
        options = list(models_of(field.annotation))
        if is_named(field.annotation) and isinstance(raw, Mapping):
            keys = {own: joined_key(path, own) for own in raw}
            values[name] = {
                own: Partial({}) if keys[own] in bad else _sound(options[0], item, bad, keys[own])
                for own, item in raw.items()
            }
        elif options and isinstance(raw, Mapping):
            values[name] = _sound(model_of(options, raw), raw, bad, path)
        elif options and isinstance(raw, list | tuple):
            values[name] = tuple(
                _sound(model_of(options, item), item, bad, joined_key(path, index)) for index, item in enumerate(raw)
            )
        else:
            values[name] = raw
    return Partial(values)
