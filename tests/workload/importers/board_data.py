"""What tests of importers share: where published recordings lie, what is known of them, how a reader refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orbitsim.errors import InputError
from orbitsim.workload.importers.base import Format, Imported, Source

JETSON = Path(__file__).resolve().parents[4] / "shared" / "data" / "jetson"
needs_jetson = pytest.mark.skipif(not JETSON.exists(), reason="needs the recordings in ../shared/data/jetson")

_ROW = re.compile(r"\| (?P<file>[^|]+) \| \d+ \| [0-9a-f]{16} \| [^|]* \| (?P<expected>[^|]*) \|")


def expected(*folders: str) -> list[tuple[str, str]]:
    """Return (file, what SOURCES.md expects of it) for all files of some folders with an expectation."""
    if not JETSON.exists():
        return []
    found, folder = [], ""
    for line in (JETSON / "SOURCES.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            folder = line[3:].strip()
        match = _ROW.match(line)
        if match and folder in folders and match["expected"].strip():
            found.append((f"{folder}/{match['file'].strip()}", match["expected"].strip()))
    return found


def read_file(fmt: Format, name: str) -> Imported:
    """Read a published recording; its format must match it."""
    source = Source.of((JETSON / name).read_bytes(), name)
    assert fmt.matches(source)
    return fmt.read(source)


def read_text(fmt: Format, text: str) -> Imported:
    """Read a text; its format must match it."""
    source = Source.of(text)
    assert fmt.matches(source)
    return fmt.read(source)


def refusal(fmt: Format, text: str | bytes) -> str:
    """Return the message with which a text is refused."""
    with pytest.raises(InputError) as caught:
        fmt.read(Source.of(text))
    return str(caught.value)


def cuts(fmt: Format, text: str) -> Iterator[tuple[int, Imported]]:
    """Read every shorter beginning of a text, and yield those that are not refused; nothing else may happen."""
    for length in range(len(text)):
        source = Source.of(text[:length])
        fmt.matches(source)
        try:
            yield length, fmt.read(source)
        except InputError:
            continue
