"""Catalogue files to typed entries, and look-ups by name that help when a name is wrong."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from orbitsim.catalog.entries import Citation, Device, Entry, ModelEntry, cited
from orbitsim.errors import InputError, Problem

Kind = Literal["device", "model"]

_SHIPPED_FILES = ("devices.toml", "models.toml")
_TABLES: Mapping[str, type[Entry]] = {"devices": Device, "models": ModelEntry, "citations": Citation}  # in field order

EntryT = TypeVar("EntryT", bound=Entry)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Named entries and the citations that stand behind their numbers.

    Attributes
    ----------
    devices, models : mapping
        Entries by name.
    sources : mapping
        Citations by key.
    """

    devices: Mapping[str, Device] = field(default_factory=dict, repr=False)
    models: Mapping[str, ModelEntry] = field(default_factory=dict, repr=False)
    sources: Mapping[str, Citation] = field(default_factory=dict, repr=False)

    def device(self, name: str) -> Device:
        """Return a device; `InputError` with the nearest name when there is none."""
        return _find(self.devices, "device", name)

    def model(self, name: str) -> ModelEntry:
        """Return a model; `InputError` with the nearest name when there is none."""
        return _find(self.models, "model", name)

    def names(self, kind: Kind) -> tuple[str, ...]:
        """Return the names of a kind of entry, sorted."""
        return tuple(sorted(self._entries(kind)))

    def citations(self, kind: Kind, name: str) -> tuple[Citation, ...]:
        """Return what to cite for an entry: each source once, in the order in which its figures name them."""
        entry = _find(self._entries(kind), kind, name)
        return tuple(self.sources[key] for key in dict.fromkeys(cited(entry)))

    def with_file(self, path: str | Path) -> Catalogue:
        """Return this catalogue with the entries of a user's TOML file added.

        The file has the layout of the shipped ones: ``[devices.NAME]``, ``[models.NAME]``, ``[citations.KEY]``. It may
        cite the shipped sources by key, and may not redefine a name or a key.

        Raises
        ------
        InputError
            With every fault of the file.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(Problem("", f"cannot be read: {error.strerror or error}", str(path))) from error
        except UnicodeDecodeError as error:
            raise InputError(Problem("", f"expected UTF-8 text; {error.reason}", str(path))) from error
        return self._with_text(text, str(path))

    def _with_text(self, text: str, source: str) -> Catalogue:
        try:
            data = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise InputError(Problem("", f"expected TOML; {error}", source)) from error
        problems: list[Problem] = []
        new: dict[str, dict[str, Any]] = {"devices": {}, "models": {}, "citations": {}}
        for table, content in data.items():
            if table not in _TABLES or not isinstance(content, dict):
                problems.append(Problem(table, f"expected one of the tables {', '.join(_TABLES)}"))
                continue
            for name, fields in content.items():
                key = f"{table}.{name}"
                if name in self._table(table):
                    problems.append(Problem(key, f"expected a new name, {name!r} is in the catalogue already"))
                if table != "citations" and isinstance(fields, dict):
                    fields = {**fields, "name": name}  # noqa: PLW2901  entries know their names
                entry = _validated(_TABLES[table], fields, key, problems)
                if entry is not None:
                    new[table][name] = entry
        # Citations that are there but broken have a problem of their own already.
        citable = {*self.sources, *data.get("citations", {})}
        for table in ("devices", "models"):
            for name, entry in new[table].items():
                unknown = sorted(set(cited(entry)) - citable)
                problems += [Problem(f"{table}.{name}", f"expected a table [citations.{k}]") for k in unknown]
        if problems:
            raise InputError(problems).located(source)
        return Catalogue(*(MappingProxyType({**self._table(table), **new[table]}) for table in _TABLES))

    def _table(self, table: str) -> Mapping[str, Any]:
        return {"devices": self.devices, "models": self.models, "citations": self.sources}[table]

    def _entries(self, kind: Kind) -> Mapping[str, Any]:
        if kind not in {"device", "model"}:
            raise ValueError(f"expected kind 'device' or 'model', got {kind!r}")
        return self._table(f"{kind}s")


def _validated(entry_type: type[EntryT], fields: Any, key: str, problems: list[Problem]) -> EntryT | None:
    try:
        return entry_type.model_validate(fields)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            where = ".".join([key, *(str(part) for part in fault["loc"] if part != "[key]")])
            message = fault["msg"].removeprefix("Value error, ")
            problems.append(Problem(where, message[:1].lower() + message[1:]))
        return None


def _find(entries: Mapping[str, EntryT], kind: str, name: str) -> EntryT:
    if name in entries:
        return entries[name]
    raise InputError(Problem("", unknown_name(kind, name, entries)))


def unknown_name(kind: str, name: str, names: Iterable[str]) -> str:
    """Return the message for a name that is not known: the nearest one, and all there are."""
    known = sorted(names)
    close = difflib.get_close_matches(str(name), known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"expected a known {kind}, got {name!r}{hint} (known: {', '.join(known)})"


@lru_cache(maxsize=1)
def shipped_catalogue() -> Catalogue:
    """Return the catalogue that travels with orbitsim."""
    catalogue = Catalogue()
    for name in _SHIPPED_FILES:
        text = resources.files("orbitsim").joinpath("data", name).read_text(encoding="utf-8")
        catalogue = catalogue._with_text(text, f"orbitsim/data/{name}")  # noqa: SLF001  the class's own module
    return catalogue
