"""Executions from ``trtexec --exportTimes``."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.errors import InputError
from orbitsim.workload.importers.base import Source
from orbitsim.workload.importers.trtexec_times import FORMAT

SHARED = Path(__file__).parents[4] / "shared" / "data" / "jetson"


def row(start_ms: float, compute_ms: float, **changed: object) -> dict[str, object]:
    return {
        "startEnqMs": start_ms - 0.4,
        "endEnqMs": start_ms - 0.1,
        "startH2dMs": start_ms - 0.5,
        "endH2dMs": start_ms - 0.25,
        "startComputeMs": start_ms,
        "endComputeMs": start_ms + compute_ms,
        "startD2hMs": start_ms + compute_ms,
        "endD2hMs": start_ms + compute_ms + 0.125,
        "h2dMs": 0.25,
        "computeMs": compute_ms,
        "d2hMs": 0.125,
        "latencyMs": compute_ms + 0.375,
    } | changed


ROWS = [row(200.0, 2.0), row(203.0, 4.0), row(208.0, 3.0)]
TEXT = json.dumps(ROWS, indent=2)


def test_reads_times_in_order() -> None:
    imported = FORMAT.read(Source.of(TEXT))
    (recording,) = imported.recordings
    forward = recording.forward
    assert forward is not None
    assert recording.parts == ()
    assert forward.samples_s == (0.002, 0.004, 0.003)
    assert forward.start_s == (0.2, 0.203, 0.208)
    assert (forward.mean_s, forward.std_s) == pytest.approx((0.003, 0.001))
    assert (forward.min_s, forward.p50_s, forward.max_s, forward.n_samples) == (0.002, 0.003, 0.004, 3)
    assert imported.facts["latency_mean_s"] == pytest.approx(0.003375)
    assert not any("overlap" in note for note in imported.notes)


def test_one_execution_has_no_deviation() -> None:
    assert FORMAT.read(Source.of(json.dumps(ROWS[:1]))).recordings[0].forward.std_s is None  # type: ignore[union-attr]


def test_says_when_executions_overlap() -> None:
    imported = FORMAT.read(Source.of(json.dumps([row(200.0, 2.0), row(201.0, 2.0)])))
    assert any("overlap" in note for note in imported.notes)


def test_six_digits_are_enough() -> None:
    """trtexec prints 100000.4 as 100000: begin and end differ by 1 ms, the execution took 0.6 ms."""
    rows = [row(100000.0, 0.6, endComputeMs=100001.0)]
    assert FORMAT.read(Source.of(json.dumps(rows))).recordings[0].forward.mean_s == pytest.approx(6e-4)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"computeMs": 3.0, "latencyMs": 3.375}, r"\[1\]: endComputeMs - startComputeMs is 4"),
        ({"latencyMs": 5.0}, r"\[1\]: copies and computeMs come to 4.375"),
        ({"computeMs": 0}, r"\[1\]\.computeMs: expected a number above 0, found 0"),
        ({"computeMs": -4.0}, r"\[1\]\.computeMs"),
        ({"computeMs": "4,0"}, r"\[1\]\.computeMs.*4,0"),
        ({"startComputeMs": None}, r"\[1\]\.startComputeMs.*found nothing"),
        ({"h2dMs": -1}, r"\[1\]\.h2dMs"),
    ],
)
def test_names_the_execution_at_fault(changed: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        FORMAT.read(Source.of(json.dumps([ROWS[0], ROWS[1] | changed, ROWS[2]])))


@pytest.mark.parametrize("text", ["[]", "{}", "[3]", '[{"startEnqMs": 1}]'])
def test_other_documents_are_faults(text: str) -> None:
    with pytest.raises(InputError):
        FORMAT.read(Source.of(text))


def test_every_cut_is_a_fault() -> None:
    for length in range(0, len(TEXT), 3):
        with pytest.raises(InputError, match="byte"):
            FORMAT.read(Source.of(TEXT[:length]))


@given(st.integers(0, len(TEXT) - 1), st.binary(min_size=1, max_size=3))
def test_a_changed_byte_is_a_fault_or_a_number(position: int, put: bytes) -> None:
    content = TEXT.encode()
    source = Source.of(content[:position] + put + content[position + len(put) :])
    FORMAT.matches(source)
    try:
        forward = FORMAT.read(source).recordings[0].forward
    except InputError:
        return
    assert forward is not None
    assert 0 < forward.mean_s < 0.1


def test_is_told_by_content() -> None:
    assert FORMAT.matches(Source.of(TEXT))
    assert FORMAT.matches(Source.of(TEXT[:100]))
    assert not FORMAT.matches(Source.of('[{"count": 3}]'))
    assert not FORMAT.matches(Source.of(b"\xff\x00"))


@pytest.mark.parametrize(
    ("file", "n", "compute_ms", "latency_ms"),
    [
        ("imavis-xavier-orin-nano/trtexec_export_times_sample.json", 25, 1.006523, 1.265665),
        ("fuzzylabs-trtexec-rtx3060-laptop/alexnet_fp16.timing.json", 6039, 0.495324, 0.495324),
    ],
)
def test_shared_files_have_the_expected_means(file: str, n: int, compute_ms: float, latency_ms: float) -> None:
    path = SHARED / file
    if not path.exists():
        pytest.skip("needs ../shared")
    imported = FORMAT.read(Source.of(path.read_bytes()))
    forward = imported.recordings[0].forward
    assert forward is not None
    assert forward.n_samples == n
    assert forward.mean_s * 1e3 == pytest.approx(compute_ms, abs=5e-7)
    assert imported.facts["latency_mean_s"] * 1e3 == pytest.approx(latency_ms, abs=5e-7)
