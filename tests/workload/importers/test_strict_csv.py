"""Tables are read strictly: one row of cells per line, decimal points, an end that is not cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.errors import InputError
from orbitsim.workload.importers.base import Source
from orbitsim.workload.importers.strict_csv import header_of, number_in, read_rows


def rows(text: str) -> list[dict[str, str]]:
    return [row.cells for row in read_rows(Source.of(text))]


def refused(text: str) -> str:
    with pytest.raises(InputError) as caught:
        rows(text)
    return str(caught.value)


def test_cells_are_stripped_and_lines_counted() -> None:
    table = list(read_rows(Source.of('a, b\r\n\r\n1, x\r\n"2, 3",  y \r\n')))
    assert [row.cells for row in table] == [{"a": "1", "b": "x"}, {"a": "2, 3", "b": "y"}]
    assert [row.line for row in table] == [3, 4]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a,b\n1,2\n1,5,2\n", 3, "decimal point"),
        ("a,b\n1\n", 2, "expected 2 cells"),
        ("a,b\n1,2\n3", 3, "cut"),
        ("a,b\n1,2\n3,4", 3, "last value may be cut"),
        ("a;b\n1;2\n", 1, "parted by commas"),
        ("a,a\n1,2\n", 1, "twice"),
        ("a,b\n", 1, "expected rows"),
        ('a,b\n"1,2\n', 3, "comma-separated"),
        ("a,b\n1,\0\n", 2, "zero byte"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    message = refused(text)
    assert f"line {line}" in message
    assert words in message


@pytest.mark.parametrize(
    "text", ["", " ", "nan", "inf", "1e999", "1_000", "0x10", "1,5", "\u0661", "--1", "1.5.2", "1e"]
)
def test_only_finite_decimal_numbers_count(text: str) -> None:
    with pytest.raises(InputError, match="line 7"):
        number_in(Source.of(""), text, line=7)


def test_a_decimal_comma_is_called_by_name() -> None:
    with pytest.raises(InputError, match="decimal comma"):
        number_in(Source.of(""), "1.186,5", line=1)


def test_negative_numbers_count_only_where_asked() -> None:
    assert number_in(Source.of(""), "-2.5", line=1, signed=True) == -2.5
    with pytest.raises(InputError, match="at least 0"):
        number_in(Source.of(""), "-2.5", line=1)


@given(st.floats(min_value=0, max_value=1e300))
def test_what_python_writes_is_read_back(value: float) -> None:
    assert number_in(Source.of(""), repr(value), line=1) == value


def test_a_header_is_seen_with_any_separator() -> None:
    assert header_of(Source.of('"a";b\n1;2\n')) == ("a", "b")
    assert header_of(Source.of("")) == ()
