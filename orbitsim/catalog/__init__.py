"""Catalogue of named devices, models and codec tables; every number with its citation.

The functions here look into what travels with orbitsim. A user's own file adds entries:
``catalog.shipped_catalogue().with_file("mine.toml").device("my-board")``.
"""

from __future__ import annotations

from typing import Literal

from orbitsim.catalog.catalogue import Catalogue, shipped_catalogue
from orbitsim.catalog.codec_tables import codec_table, codec_table_names, read_codec_table
from orbitsim.catalog.entries import (
    BYTES_PER_VALUE,
    Architecture,
    Citation,
    Device,
    Figure,
    ModelEntry,
    Precision,
)

__all__ = [
    "BYTES_PER_VALUE",
    "Architecture",
    "Catalogue",
    "Citation",
    "Device",
    "Figure",
    "ModelEntry",
    "Precision",
    "citations",
    "codec_table",
    "codec_table_names",
    "device",
    "model",
    "names",
    "read_codec_table",
    "shipped_catalogue",
]


def device(name: str) -> Device:
    """Return a shipped device by name; `InputError` with the nearest name when there is none."""
    return shipped_catalogue().device(name)


def model(name: str) -> ModelEntry:
    """Return a shipped model by name; `InputError` with the nearest name when there is none."""
    return shipped_catalogue().model(name)


def names(kind: Literal["device", "model", "codec_table"]) -> tuple[str, ...]:
    """Return the shipped names of a kind, sorted."""
    return codec_table_names() if kind == "codec_table" else shipped_catalogue().names(kind)


def citations(kind: Literal["device", "model"], name: str) -> tuple[Citation, ...]:
    """Return what to cite for a shipped entry."""
    return shipped_catalogue().citations(kind, name)
