"""Damaged recordings of every format: an error with its place, or values that can be measurements; nothing else."""

from __future__ import annotations

import contextlib
import gzip
import math
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workload.importers.samples import SAMPLES

from orbitsim.errors import InputError
from orbitsim.workload.importers.base import Source
from orbitsim.workload.importers.registry import FORMATS, open_source, read_source

BY_NAME = {fmt.name: fmt for fmt in FORMATS}
TEXTS = [(name, text) for name, texts in SAMPLES.items() for text in texts]
IDS = [f"{name}-{i}" for name, texts in SAMPLES.items() for i, _ in enumerate(texts)]
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

JUNK = [
    "nan", "NaN", "inf", "-inf", "Infinity", "-1", "-0.5", "0", "0.0", "1e999", "1e308", "9" * 400, "1_000", "1.2.3",
    "12,5", "1.186,5", "0x10", "", " ", "null", "true", "{}", "[]", '"', "\\u0000", "\u0661\u0662", "\u2212" + "5",
    "1e-400", "5e-324", "\u00bd", "--", "{", "]",
]  # fmt: skip


def sound(imported) -> None:
    """Fail unless every number may be a measurement; times of zero are a removed layer's, never a whole's."""
    assert imported.recordings or imported.telemetry is not None or imported.facts
    for recording in imported.recordings:
        timings = (*recording.parts, *((recording.forward,) if recording.forward else ()))
        assert timings
        assert math.fsum(timing.mean_s for timing in timings) > 0
        for timing in timings:
            assert math.isfinite(timing.mean_s)
            assert timing.mean_s >= 0
            assert timing.samples_s is None or all(math.isfinite(s) and s >= 0 for s in timing.samples_s)
        assert recording.forward is None or recording.forward.mean_s > 0
        assert recording.batch_size is None or recording.batch_size >= 1
    if imported.telemetry is not None:
        assert np.isfinite(imported.telemetry.time_s).all()
        for values in imported.telemetry.power_w.values():
            assert not np.isinf(values).any()
            assert not (values < 0).any()


def outcome(content: bytes | str, name: str | None = None):
    """Read as detected (or as one format): what was read, or None after a proper error."""
    source = Source.of(content, "damaged")
    for fmt in FORMATS:
        assert fmt.matches(source) in (True, False)
    fault = None
    try:
        imported = read_source(source, BY_NAME[name] if name else None)
    except InputError as error:
        fault = error
    if fault is not None:
        assert fault.problems
        for problem in fault.problems:
            assert problem.source == "damaged", str(problem)
            assert problem.message
            assert "Traceback" not in str(problem)
            assert len(str(problem)) < 2000
        return None
    sound(imported)
    return imported


@pytest.mark.parametrize(("name", "text"), TEXTS, ids=IDS)
@QUICK
@given(data=st.data())
def test_one_value_replaced(name, text, data):
    numbers = [match.span() for match in re.finditer(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", text)]
    start, end = data.draw(st.sampled_from(numbers))
    damaged = text[:start] + data.draw(st.sampled_from(JUNK)) + text[end:]
    outcome(damaged)
    outcome(damaged, name)


@pytest.mark.parametrize(("name", "text"), TEXTS, ids=IDS)
@QUICK
@given(data=st.data())
def test_cut_doubled_and_swapped_lines(name, text, data):
    lines = text.splitlines(keepends=True) if text.count("\n") > 1 else re.split(r"(?<=[,}\]])", text)
    i, j = data.draw(st.tuples(st.integers(0, len(lines) - 1), st.integers(0, len(lines) - 1)))
    lines = {
        "drop": lambda: lines[:i] + lines[i + 1 :],
        "double": lambda: lines[:i] + lines[i : i + 1] + lines[i:],
        "swap": lambda: [lines[j] if k == i else lines[i] if k == j else line for k, line in enumerate(lines)],
        "tail": lambda: lines[i:],
        "head": lambda: lines[:i],
    }[data.draw(st.sampled_from(["drop", "double", "swap", "tail", "head"]))]()
    outcome("".join(lines))
    outcome("".join(lines), name)


@pytest.mark.parametrize(("name", "text"), TEXTS, ids=IDS)
@QUICK
@given(data=st.data())
def test_bytes_flipped_and_cut_anywhere(name, text, data):
    content = bytearray(text.encode())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(content[: data.draw(st.integers(0, len(content)))])
    outcome(cut)
    outcome(cut, name)


@QUICK
@given(st.sampled_from(TEXTS), st.sampled_from(TEXTS), st.floats(0, 1), st.floats(0, 1))
def test_two_files_in_one(one, other, first, second):
    mixed = one[1][: int(first * len(one[1]))] + other[1][int(second * len(other[1])) :]
    outcome(mixed)
    for name in {one[0], other[0]}:
        outcome(mixed, name)


@QUICK
@given(st.one_of(st.binary(max_size=400), st.text(max_size=400)))
def test_binary_and_text_junk(content):
    outcome(content)
    for name in BY_NAME:
        outcome(content, name)


@pytest.mark.parametrize(("name", "text"), TEXTS, ids=IDS)
def test_decimal_commas_are_never_read_as_other_numbers(name, text):
    """A file of another locale is refused, or read without the numbers that it spoils; never with other ones."""
    right = outcome(text)
    comma = re.sub(r"(\d)\.(\d)", r"\1,\2", text)
    if comma == text:
        return
    found = outcome(comma, name)
    if found is None:
        return
    spoilt = {round(p.mean_s, 12) for r in found.recordings for p in (*r.parts, *((r.forward,) if r.forward else ()))}
    meant = {round(p.mean_s, 12) for r in right.recordings for p in (*r.parts, *((r.forward,) if r.forward else ()))}
    assert spoilt <= meant
    if found.telemetry is not None:
        for rail, watts in found.telemetry.power_w.items():
            np.testing.assert_array_equal(watts, right.telemetry.power_w[rail])


@pytest.mark.parametrize(("name", "text"), TEXTS, ids=IDS)
def test_deep_nesting_and_long_numbers_are_refused(name, text):
    right = outcome(text)
    for junk in ("[" * 100_000, '{"a":' * 100_000, "9" * 5000, "[" + "9" * 5000 + "]", "1e" + "9" * 50):
        assert outcome(junk, name) is None
        # What a terminal prints after the end of a log is not part of it.
        found = outcome(text + junk, name)
        assert found is None or (name == "trtexec-log" and found.recordings == right.recordings)


@pytest.mark.parametrize(("name", "text"), TEXTS, ids=IDS)
def test_every_error_of_a_cut_file_names_a_place(name, text):
    fmt = BY_NAME[name]
    for length in range(1, len(text) - 2, max(1, len(text) // 40)):
        source = Source.of(text[:length], "cut")
        if not fmt.matches(source):
            continue  # so short that it is no longer recognised
        with contextlib.suppress(InputError):
            sound(read_source(source, fmt))
            continue
        with pytest.raises(InputError) as caught:
            read_source(source, fmt)
        assert re.search(r"(line|byte) \d+|\[\d+\]", str(caught.value))


@QUICK
@given(data=st.data())
def test_damaged_gzip(tmp_path_factory, data):
    _, text = data.draw(st.sampled_from(TEXTS))
    packed = bytearray(gzip.compress(text.encode()))
    packed[data.draw(st.integers(2, len(packed) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.gz"
    path.write_bytes(bytes(packed))
    with contextlib.suppress(InputError):
        # What is still unpacked had its damage in a byte of the header that says nothing of the content.
        assert open_source(path).content == text.encode()
