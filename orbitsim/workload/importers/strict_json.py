"""JSON without second guesses: twice the same key, NaN, infinities and broken text are faults, each with its byte.

Python's own parser keeps the last of two equal keys and reads ``NaN``, ``Infinity`` and ``1e999``; a profile with one
of these would import as a wrong number. It parses here too, and only where it objects (or its hooks do) does a slower
scan find the byte.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from orbitsim.workload.importers.base import Source

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_SHOWN = 40
_LARGEST = 1e30
"""Far above any time in nanoseconds, size in bytes or count of operations, so that sums and squares stay finite."""


class _RefusedError(Exception):
    """Something that Python's parser would let pass."""


def parse_json(source: Source, *, parse_float: Callable[[str], Any] = float) -> Any:
    """Parse a whole source as one JSON document.

    Parameters
    ----------
    source : Source
        File to parse.
    parse_float : callable
        Makes a number of a literal with a point or an exponent (`decimal.Decimal` keeps all its digits).

    Returns
    -------
    object
        Python's dict, list, str, int, float, bool or None.

    Raises
    ------
    InputError
        With the byte of the first fault: text that is not JSON or ends early, a key that stands twice in an object,
        NaN or an infinity (also as an overflow), half of a surrogate pair, arrays nested too deeply.
    """

    def finite(literal: str) -> Any:
        if not math.isfinite(float(literal)):
            raise _RefusedError
        return parse_float(literal)

    text = source.text
    if not text.strip():
        raise source.fault("expected JSON, found an empty file", byte=0)
    try:
        document = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_float=finite)
    except json.JSONDecodeError as error:
        ended = not text[error.pos :].strip() or error.msg.startswith("Unterminated")
        message = f"expected JSON, {'but the file ends early' if ended else 'found something else'} ({error.msg})"
        raise source.fault(message, byte=byte_of(source, error.pos)) from error
    except RecursionError as error:
        raise source.fault("arrays and objects are nested too deeply", byte=_deepest(source)) from error
    except (_RefusedError, ValueError) as error:
        position, message = next(_refusals(text), (0, "a number is too long to read"))
        raise source.fault(message, byte=byte_of(source, position)) from error
    if _SURROGATE.search(text):
        for position, message in _refusals(text):
            raise source.fault(message, byte=byte_of(source, position))
    return document


def number_at(source: Source, value: Any, key: str, *, positive: bool = False) -> float:
    """Return a JSON value as a float, or raise InputError at `key` unless it is between 0 and 1e30.

    Parameters
    ----------
    source : Source
        File that it stands in.
    value : object
        What `parse_json` returned there; None where the key is missing.
    key : str
        Where it stands: ``[3].computeMs``.
    positive : bool
        Whether zero is a fault too.
    """
    wanted = "a number above 0" if positive else "a number of at least 0"
    try:
        number = math.nan if isinstance(value, bool | str) or value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 <= number <= _LARGEST or (positive and number == 0):
        raise source.fault(f"expected {wanted}, found {shown(value)}", key=key)
    return number


def shown(value: Any) -> str:
    """Return a JSON value as a message shows it: short."""
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 200:
        return "a huge integer"
    text = json.dumps(value) if isinstance(value, str | bool) else str(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def byte_of(source: Source, position: int) -> int:
    """Return the byte of a source at which a character of its text begins."""
    mark = 3 if source.content.startswith(b"\xef\xbb\xbf") else 0
    return mark + len(source.text[:position].encode("utf-8", errors="surrogatepass"))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _RefusedError
    return members


def _constant(_: str) -> NoReturn:
    raise _RefusedError


def _deepest(source: Source) -> int:
    """Byte at which the deepest nesting begins."""
    depth = deepest = place = 0
    for token in _TOKEN.finditer(source.text):
        if token[0] in "{[":
            depth += 1
            if depth > deepest:
                deepest, place = depth, token.start()
        elif token[0] in "}]":
            depth -= 1
    return byte_of(source, place)


def _refusals(text: str) -> Iterator[tuple[int, str]]:
    """Places (in characters) of what the hooks refuse, in well-formed JSON."""
    keys: list[set[str] | None] = []
    previous = ""
    for token in _TOKEN.finditer(text):
        literal = token[0]
        if literal in "{[":
            keys.append(set() if literal == "{" else None)
        elif literal in "}]":
            keys and keys.pop()
        elif literal.startswith('"'):
            try:
                string = json.loads(literal, strict=False)
            except ValueError:
                string = literal
            if any("\ud800" <= character <= "\udfff" for character in string):
                yield token.start(), "half of a surrogate pair is not a character"
            seen = keys[-1] if keys else None
            if seen is not None and previous in "{,":
                if string in seen:
                    yield token.start(), f"key {shown(string)} stands twice in one object"
                seen.add(string)
        elif literal in {"NaN", "Infinity", "-Infinity"} or _is_too_large(literal):
            yield token.start(), f"expected a finite number, found {literal[:_SHOWN]}"
        previous = literal


def _is_too_large(literal: str) -> bool:
    try:
        return not math.isfinite(float(literal))
    except ValueError:
        return False
