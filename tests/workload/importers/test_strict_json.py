"""The strict JSON parser: what it refuses, and at which byte."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.errors import InputError
from orbitsim.workload.importers.base import Source
from orbitsim.workload.importers.strict_json import number_at, parse_json, shown

DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "byte", "says"),
    [
        ('{"a": 1, "a": 2}', 9, "stands twice"),
        ('{"a": {"b": 1, "c": [], "b": 2}}', 24, "stands twice"),
        ('{"a": [{"a": 1}, {"a": 2}], "\\u0061": 2}', 28, "stands twice"),
        ("[1, NaN]", 4, "finite"),
        ("[-Infinity]", 1, "finite"),
        ('{"é": 1e999}', 7, "finite"),
        ("\ufeff[NaN]", 4, "finite"),
        ("[1, 2", 5, "ends early"),
        ('["ab', 1, "ends early"),
        ("[1] x", 4, "something else"),
        ("[1,]", 3, "something else"),
        ('["\\ud800"]', 1, "surrogate"),
        ("", 0, "empty"),
        (" \n", 0, "empty"),
    ],
)
def test_names_the_byte_of_the_first_fault(text: str, byte: int, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        parse_json(Source.of(text, "a.json"))
    assert caught.value.problems[0].key == f"byte {byte}"
    assert caught.value.problems[0].source == "a.json"


@pytest.mark.parametrize("text", ["[" * 200_000, "[" * 200_000 + "]" * 200_000, '{"a":' * 100_000, f"[{'9' * 5000}]"])
def test_depth_and_length_are_faults_too(text: str) -> None:
    with pytest.raises(InputError):
        parse_json(Source.of(text))


def test_bytes_that_are_no_text_are_a_fault_with_their_place() -> None:
    with pytest.raises(InputError, match="byte 2"):
        parse_json(Source.of(b'["\xff"]'))


@given(DOCUMENTS)
def test_reads_what_python_reads(document: object) -> None:
    assert parse_json(Source.of(json.dumps(document))) == document


@given(DOCUMENTS.map(lambda document: json.dumps([document])), st.integers(0, 10_000))
def test_every_cut_is_a_fault(text: str, length: int) -> None:
    with pytest.raises(InputError):
        parse_json(Source.of(text[: length % len(text)]))


@given(st.binary(max_size=60))
def test_never_raises_anything_else(content: bytes) -> None:
    source = Source.of(content)
    try:
        document = parse_json(source)
    except InputError:
        return
    assert document == json.loads(content.decode("utf-8-sig"))


def test_keeps_all_digits_where_asked() -> None:
    assert parse_json(Source.of("[1.10]"), parse_float=Decimal) == [Decimal("1.10")]


@pytest.mark.parametrize("value", [None, True, "1", [], {}, -1, -0.1, 1e31, 10**400, float("nan")])
def test_number_at_refuses(value: object) -> None:
    with pytest.raises(InputError, match=r"\[3\]\.ms"):
        number_at(Source.of(""), value, "[3].ms")


def test_number_at_tells_zero_from_positive() -> None:
    source = Source.of("")
    assert number_at(source, 0, "a") == 0.0
    with pytest.raises(InputError, match="above 0, found 0"):
        number_at(source, 0, "a", positive=True)


def test_shown_is_short() -> None:
    assert len(shown("x" * 1000)) == 40
    assert shown({}) == "an object"
    assert shown(10**400) == "a huge integer"
