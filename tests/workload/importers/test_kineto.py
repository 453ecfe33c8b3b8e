"""Kineto traces: iterations, parts, and which kernel belongs to whom."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbitsim.errors import InputError
from orbitsim.workload.importers.base import Recording, Source
from orbitsim.workload.importers.kineto import FORMAT

SHARED = Path(__file__).parents[4] / "shared" / "data" / "jetson"

Event = dict[str, Any]


def event(category: str, name: str, ts: float, dur: float, **args: object) -> Event:
    host = not category.startswith(("kernel", "gpu"))
    thread = {"pid": 7, "tid": 7} if host else {"pid": 0, "tid": args.get("stream", 7)}
    return {"ph": "X", "cat": category, "name": name, "ts": ts, "dur": dur, **thread, "args": args}


def span(name: str, ts: float, dur: float) -> Event:
    return event("user_annotation", name, ts, dur)


class Gpu:
    """Writes launches and kernels with matching correlation ids."""

    def __init__(self, first: int = 1) -> None:
        self.events: list[Event] = []
        self.first = first

    def kernel(self, name: str, launch: float | None, ts: float, dur: float, stream: int = 7) -> None:
        correlation = self.first + len(self.events)
        if launch is not None:
            self.events.append(event("cuda_runtime", "cudaLaunchKernel", launch, 3, correlation=correlation))
        self.events.append(event("kernel", name, ts, dur, correlation=correlation, stream=stream, device=0))


def trace(events: Iterable[Event], **more: object) -> str:
    meta = {"ph": "M", "name": "process_name", "pid": 7, "tid": 0, "ts": 0, "args": {"name": "python"}}
    return json.dumps(
        {
            "schemaVersion": 1,
            "deviceProperties": [{"id": 0, "name": "Orin", "numSms": 16}],
            **more,
            "traceEvents": [meta, *events],
        },
        indent=1,
    )


def read(text: str) -> Recording:
    (recording,) = FORMAT.read(Source.of(text)).recordings
    return recording


def blocks(n_iterations: int = 3, *, steps: bool = True, forward: bool = True) -> list[Event]:
    """Iterations of 1000 us: a forward pass of two blocks; kernels run 100 us after their launch.

    Block 0: 30 us and 10 us, after a gap of 5 us; block 1: 20 us, one more in each iteration.
    """
    gpu = Gpu()
    events = []
    for k in range(n_iterations):
        t = 10_000 + 1000 * k
        if steps:
            events.append(span(f"ProfilerStep#{k + 1}", t, 900))
        if forward:
            events.append(span("forward", t + 10, 600))
        events += [span("block 0", t + 20, 200), span("block 1", t + 300, 200)]
        gpu.kernel("gemm", t + 30, t + 130, 30)
        gpu.kernel("add", t + 50, t + 165, 10)
        gpu.kernel("gemm", t + 310, t + 410, 20 + k)
    return [*events, *gpu.events]


@pytest.mark.parametrize("steps", [True, False])
@pytest.mark.parametrize("forward", [True, False])
def test_annotations_become_parts_with_the_time_of_their_kernels(steps: bool, forward: bool) -> None:
    imported = FORMAT.read(Source.of(trace(blocks(steps=steps, forward=forward))))
    (recording,) = imported.recordings
    first, second = recording.parts
    assert (first.name, second.name) == ("block 0", "block 1")
    assert first.samples_s == pytest.approx((4e-5, 4e-5, 4e-5))
    assert second.samples_s == pytest.approx((2e-5, 2.1e-5, 2.2e-5))
    assert (second.mean_s, second.std_s, second.n_samples) == (pytest.approx(2.1e-5), pytest.approx(1e-6), 3)
    assert recording.parts_are_complete
    assert recording.device == "Orin"
    assert recording.how_timed == "kineto-gpu-busy"
    if forward:
        assert recording.forward is not None
        assert recording.forward.samples_s == pytest.approx((6e-5, 6.1e-5, 6.2e-5))
    assert imported.facts["n_kernels"] == 9
    assert imported.facts["kernel_total_s"] == pytest.approx(183e-6)
    assert imported.facts["n_iterations"] == 3


def test_starts_are_relative_to_the_first_event_or_utc() -> None:
    recording = read(trace(blocks()))
    assert recording.time_basis == "relative"
    assert recording.parts[0].start_s == pytest.approx((130e-6, 1130e-6, 2130e-6))
    dated = read(trace(blocks(), baseTimeNanoseconds=1_700_000_000_000_000_000))
    assert dated.time_basis == "utc"
    assert dated.parts[0].start_s[0] == pytest.approx(1_700_000_000.010130, abs=1e-6)  # type: ignore[index]


def test_work_launched_inside_the_pass_but_outside_its_parts_is_missed() -> None:
    gpu = Gpu(first=100)
    gpu.kernel("layer_norm", 10_250, 10_350, 5)
    imported = FORMAT.read(Source.of(trace([*blocks(), *gpu.events])))
    recording = imported.recordings[0]
    assert not recording.parts_are_complete
    assert recording.forward is not None
    assert recording.forward.samples_s[0] == pytest.approx(6.5e-5)  # type: ignore[index]
    assert any("cover 97.3%" in note and "--partial" in note for note in imported.notes)
    assert imported.recordings[0].covered_share == pytest.approx(0.973, abs=5e-4)


def test_streams_that_overlap_inside_a_part_count_once() -> None:
    events = blocks(1)
    gpu = Gpu(first=100)
    gpu.kernel("copy", 10_040, 10_150, 30, stream=9)  # runs from 150 to 180; 130-160 and 165-175 are taken
    recording = read(trace([*events, *gpu.events]))
    assert recording.parts[0].mean_s == pytest.approx(5e-5)
    assert recording.parts_are_complete


def test_parts_that_overlap_each_other_are_not_complete() -> None:
    gpu = Gpu(first=100)
    gpu.kernel("late", 10_040, 10_400, 25, stream=9)  # of block 0, beside the kernel of block 1
    imported = FORMAT.read(Source.of(trace([*blocks(1), *gpu.events])))
    assert not imported.recordings[0].parts_are_complete
    assert any("overlap" in note for note in imported.notes)


def test_kernels_without_launch_are_not_guessed() -> None:
    """The kernels run after their annotations end, so that time cannot tell whose an unknown kernel is."""
    events = [e for e in blocks() if not (e["cat"] == "cuda_runtime" and e["args"]["correlation"] % 4 == 1)]
    imported = FORMAT.read(Source.of(trace(events)))
    recording = imported.recordings[0]
    assert recording.forward is None
    assert [part.name for part in recording.parts] == ["gemm", "add"]
    assert not recording.parts_are_complete
    assert any("did not launch 61.2%" in note for note in imported.notes)  # 30 + 20 + 10 + 30 + 22 of 183 us


def test_kernels_that_another_thread_launched_are_not_passed_over() -> None:
    events = blocks()
    for one in events:
        if one["name"] == "cudaLaunchKernel" and one["ts"] % 1000 == 310:
            one["tid"] = 8
    recording = read(trace(events))
    assert recording.forward is None
    assert [part.name for part in recording.parts] == ["gemm", "add"]
    assert not recording.parts_are_complete


def test_a_hundredth_without_launch_is_left_out_and_said() -> None:
    gpu = Gpu(first=100)
    gpu.kernel("stray", None, 10_700, 1)
    imported = FORMAT.read(Source.of(trace([*blocks(), *gpu.events])))
    recording = imported.recordings[0]
    assert [part.name for part in recording.parts] == ["block 0", "block 1"]
    assert not recording.parts_are_complete
    assert any("0.54% of the work" in note for note in imported.notes)


def test_kernels_without_launch_go_to_steps_that_are_alike() -> None:
    gpu = Gpu()
    events = []
    for k in range(4):
        t = 10_000 + 1000 * k
        events.append(span(f"ProfilerStep#{k}", t, 990))
        gpu.kernel("engine", None, t + 100, 200)
        gpu.kernel("topk", t + 400, t + 410, 10)
    imported = FORMAT.read(Source.of(trace([*events, *gpu.events])))
    recording = imported.recordings[0]
    assert recording.forward is not None
    assert recording.forward.samples_s == pytest.approx((2.1e-4,) * 4)
    assert any("4 kernels lack their launch" in note for note in imported.notes)
    gpu.kernel("engine", None, 13_600, 200)
    unlike = FORMAT.read(Source.of(trace([*events, *gpu.events])))
    assert unlike.recordings[0].forward is None
    assert [part.name for part in unlike.recordings[0].parts] == ["engine", "topk"]
    assert not unlike.recordings[0].parts_are_complete


def test_copies_between_host_and_device_are_left_out() -> None:
    copy = event("gpu_memcpy", "Memcpy HtoD (Pageable -> Device)", 10_100, 20, correlation=900, device=0, stream=7)
    launch = event("cuda_runtime", "cudaMemcpyAsync", 10_035, 3, correlation=900)
    imported = FORMAT.read(Source.of(trace([*blocks(1), copy, launch])))
    assert imported.recordings[0].parts[0].mean_s == pytest.approx(4e-5)
    assert imported.facts["copies_s"] == pytest.approx(2e-5)


def test_without_a_gpu_the_annotations_themselves_count() -> None:
    events = [e for e in blocks() if e["cat"] == "user_annotation"]
    recording = read(trace(events))
    assert recording.how_timed == "kineto-host"
    assert recording.device is None
    assert [part.mean_s for part in recording.parts] == pytest.approx([2e-4, 2e-4])
    assert recording.forward is not None
    assert recording.forward.mean_s == pytest.approx(6e-4)
    assert not recording.parts_are_complete


def test_annotations_inside_blocks_give_way_to_the_blocks() -> None:
    events = [span("forward", 0, 1000)]
    for block in range(2):
        t = 10 + 400 * block
        events += [span(f"block {block}", t, 390), span("attention", t + 5, 100), span("mlp", t + 110, 200)]
    imported = FORMAT.read(Source.of(trace(events)))
    assert [part.name for part in imported.recordings[0].parts] == ["block 0", "block 1"]
    assert any("attention, mlp" in note for note in imported.notes)


def test_repeated_names_of_one_iteration_are_numbered() -> None:
    events = []
    for k in range(2):
        events += [span(f"ProfilerStep#{k}", 1000 * k, 900)]
        events += [span("block", 1000 * k + 100 * b, 50 + b) for b in range(3)]
    recording = read(trace(events))
    assert [part.name for part in recording.parts] == ["block #0", "block #1", "block #2"]
    assert [part.mean_s for part in recording.parts] == pytest.approx([5e-5, 5.1e-5, 5.2e-5])
    assert {part.n_samples for part in recording.parts} == {2}


def test_annotations_in_no_order_are_timed_by_name() -> None:
    events = [span("a", 0, 10), span("b", 20, 20), span("a", 50, 14)]
    imported = FORMAT.read(Source.of(trace(events)))
    recording = imported.recordings[0]
    assert [(part.name, part.n_samples) for part in recording.parts] == [("a", 2), ("b", 1)]
    assert recording.parts[0].mean_s == pytest.approx(1.2e-5)
    assert not recording.parts_are_complete


def test_fractions_of_a_microsecond_survive_stamps_since_1970() -> None:
    """In double precision 1725743546210271.123 would be off by 0.1 us."""
    text = trace([span("a", 0, 1)]).replace('"ts": 0,\n   "dur": 1,', '"ts": 1725743546210271.123,\n   "dur": 1.501,')
    recording = read(text)
    assert recording.time_basis == "utc"
    assert recording.parts[0].mean_s == pytest.approx(1.501e-6, rel=1e-12)


def test_kernels_alone_are_timed_by_name() -> None:
    events = [e for e in blocks() if e["cat"] == "kernel"]
    imported = FORMAT.read(Source.of(trace(events)))
    recording = imported.recordings[0]
    assert [(part.name, part.n_samples) for part in recording.parts] == [("gemm", 6), ("add", 3)]
    assert not recording.parts_are_complete
    assert recording.forward is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (trace([]), "neither a kernel nor an annotation"),
        (trace([event("cpu_op", "aten::add", 0, 5)]), "neither a kernel nor an annotation"),
        (trace([span("a", 0, 0)]), "took any time"),
        (trace([span("a", 0, -1)]), r"traceEvents\[1\]\.dur: expected a number of at least 0, found -1"),
        (trace([span("a", 0, 1) | {"ts": "0,5"}]), r'traceEvents\[1\]\.ts: .*found "0,5"'),
        (trace([{"ph": "X", "cat": "kernel", "name": "k", "ts": 1}]), r"traceEvents\[1\]\.dur: .*nothing"),
        (trace([{"ph": "X", "cat": "kernel", "ts": 1, "dur": 1}]), r"traceEvents\[1\]\.name"),
        ('{"traceEvents": [3]}', r"traceEvents\[0\]: expected an object, found 3"),
        ('{"traceEvents": {}}', "expected a list of events"),
        ('{"traceEvents": [{"ts": NaN}]}', "byte 24"),
        ('{"traceEvents": ' + "[" * 100_000, "nested too deeply"),
    ],
)
def test_names_the_event_at_fault(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        FORMAT.read(Source.of(text))


def test_a_trace_that_breaks_off_is_a_fault_with_its_byte() -> None:
    text = trace(blocks(1))
    for length in range(0, len(text), 11):
        with pytest.raises(InputError, match="byte"):
            FORMAT.read(Source.of(text[:length]))


FUZZED = trace(blocks(2))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(FUZZED) - 1), st.binary(min_size=1, max_size=3))
def test_a_changed_byte_is_a_fault_or_sound(position: int, put: bytes) -> None:
    content = FUZZED.encode()
    source = Source.of(content[:position] + put + content[position + len(put) :])
    FORMAT.matches(source)
    try:
        imported = FORMAT.read(source)
    except InputError:
        return
    for recording in imported.recordings:
        timings = (*recording.parts, *([recording.forward] if recording.forward else []))
        assert timings
        assert all(timing.mean_s > 0 and math.isfinite(timing.mean_s) for timing in timings)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "ProfilerStep#1", "enumerate(DataLoader)#x"]),
            st.integers(0, 50),
            st.integers(0, 50),
        ),
        max_size=12,
    ),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 9), st.booleans()), max_size=12),
)
def test_any_nesting_of_annotations_is_a_fault_or_sound(
    spans: list[tuple[str, int, int]], kernels: list[tuple[int, int, int, bool]]
) -> None:
    gpu = Gpu()
    for launch, start, duration, is_known in kernels:
        gpu.kernel("k", launch if is_known else None, start, duration)
    text = trace([*(span(*s) for s in spans), *gpu.events])
    try:
        imported = FORMAT.read(Source.of(text))
    except InputError:
        return
    total_s = imported.facts["kernel_total_s"]
    for recording in imported.recordings:
        assert all(part.mean_s > 0 for part in recording.parts)
        if kernels and recording.forward is not None:
            assert math.fsum(recording.forward.samples_s or ()) <= total_s + 1e-12


def test_is_told_by_content() -> None:
    assert FORMAT.matches(Source.of(trace([])))
    assert not FORMAT.matches(Source.of('{"Layers": []}'))
    assert not FORMAT.matches(Source.of('["traceEvents"]'))
    assert not FORMAT.matches(Source.of(b"\xff\xfe\x00"))


def test_shared_trace_has_the_expected_kernel_time() -> None:
    files = list((SHARED / "arttrt-kineto-rtx3060").glob("*.json")) if SHARED.exists() else []
    if not files:
        pytest.skip("needs ../shared")
    imported = FORMAT.read(Source.of(files[0].read_bytes()))
    (recording,) = imported.recordings
    assert (imported.facts["n_events"], imported.facts["n_kernels"]) == (11008, 870)
    assert imported.facts["kernel_total_s"] == pytest.approx(2406e-6, rel=1e-12)
    assert recording.device == "NVIDIA GeForce RTX 3060"
    assert recording.forward is not None
    assert math.fsum(recording.forward.samples_s or ()) == pytest.approx(2406e-6)
    assert recording.forward.n_samples == 10
