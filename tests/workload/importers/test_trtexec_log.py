"""What trtexec prints, in the style of TensorRT 8.2, 8.5 and 10."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.errors import InputError
from orbitsim.workload.importers.base import Source, Timing
from orbitsim.workload.importers.trtexec_log import FORMAT

SHARED = Path(__file__).parents[4] / "shared" / "data" / "jetson"


def stamped(text: str) -> str:
    """Give every line but the banners and warnings trtexec's time stamp."""
    lines = text.strip("\n").split("\n")
    ready = (line if line.startswith(("&&&&", "[")) else f"[05/22/2024-10:11:12] [I] {line}" for line in lines)
    return "\n".join(ready) + "\n"


def figures(low: str, high: str, mean: str, median: str, p90: str, p95: str) -> str:
    """Return the statistics of one metric as trtexec prints them."""
    labels = ("min", "max", "mean", "median", "percentile(90%)", "percentile(95%)")
    return ", ".join(
        f"{label} = {value} ms" for label, value in zip(labels, (low, high, mean, median, p90, p95), strict=True)
    )


# 250 executions of 4 ms on the GPU in 1.25 s: 200 a second, 1 s of GPU time in all.
SUMMARY = f"""
=== Trace details ===
Trace averages of 10 runs:
Average on 10 runs - GPU latency: 4.01 ms - Host latency: 4.6 ms (enqueue 0.5 ms)

=== Performance summary ===
Throughput: 200 qps
Latency: {figures("4.5", "5.5", "4.6", "4.55", "4.8", "5")}
Enqueue Time: {figures("0.4", "0.9", "0.5", "0.5", "0.6", "0.7")}
H2D Latency: {figures("0.5", "0.6", "0.55", "0.55", "0.56", "0.57")}
GPU Compute Time: {figures("3.9", "4.9", "4", "3.95", "4.2", "4.4")}
D2H Latency: {figures("0", "0.1", "0.05", "0.05", "0.06", "0.07")}
Total Host Walltime: 1.25 s
Total GPU Compute Time: 1 s
[05/22/2024-10:11:14] [W] * GPU compute time is unstable, with coefficient of variance = 5%.
Explanations of the performance metrics are printed in the verbose logs.
"""

LOG = stamped(f"""
&&&& RUNNING TensorRT.trtexec [TensorRT v100300] # trtexec --onnx=models/vit_b.onnx --fp16 --shapes=image:2x3x224x224
=== Model Options ===
Format: ONNX
Model: models/vit_b.onnx
Output:
=== Build Options ===
Memory Pools: workspace: default, dlaSRAM: default
Precision: FP32+FP16
=== Inference Options ===
Batch: Explicit
Inference Streams: 1
CUDA Graph: Disabled
=== Device Information ===
Available Devices:
  Device 0: "Orin" UUID: GPU-00000000-0000-0000-0000-000000000000
Selected Device: Orin
Compute Capability: 8.7
Memory Bus Width: 256 bits (ECC disabled)

TensorRT version: 10.3.0
[05/22/2024-10:11:12] [V] [TRT] Layer(Conv): patch, Tactic: 0x0
Input binding for image with dimensions 2x3x224x224 is created.
Output binding for logits with dimensions 2x1000 is created.
Starting inference
Warmup completed 40 queries over 200 ms
Timing trace has 250 queries over 1.25 s
{SUMMARY}
&&&& PASSED TensorRT.trtexec [TensorRT v100300] # trtexec --onnx=models/vit_b.onnx --fp16 --shapes=image:2x3x224x224
""")

OLD_TABLE = """
=== Profile (200 iterations ) ===
                                    Layer   Time (ms)   Avg. Time (ms)   Median Time (ms)   Time %
                     [HostToDeviceCopy 0]       10.00           0.0500             0.0480      2.0
                              patch + add       90.00           0.4500             0.4400     18.0
   {ForeignNode[blocks.0...blocks.11]}       400.00           2.0000             1.9000     80.0
                                    Total      500.00           2.5000             2.3880    100.0
"""

NEW_TABLE = """
=== Profile (200 iterations ) ===
   Time(ms)     Avg.(ms)   Median(ms)   Time(%)   Layer
      10.00       0.0500       0.0480       2.0   [HostToDeviceCopy 0]
      90.00       0.4500       0.4400      18.0   patch + add
     400.00       2.0000       1.9000      80.0   {ForeignNode[blocks.0...blocks.11]}
     500.00       2.5000       2.3880     100.0   Total
"""


def profile_log(table: str) -> str:
    """Return the log of an engine that was loaded and profiled only."""
    return stamped(f"""
&&&& RUNNING TensorRT.trtexec [TensorRT v8502] # trtexec --loadEngine=/models/ocr.engine --dumpProfile
=== Build Options ===
Precision: FP32
Load engine: /models/ocr.engine
=== Inference Options ===
Batch: 1
=== Device Information ===
Selected Device: Xavier
Created input binding for image_input with dimensions 1x3x48x96
The e2e network timing is not reported since it is inaccurate due to the extra synchronizations
{table}
&&&& PASSED TensorRT.trtexec [TensorRT v8502] # trtexec --loadEngine=/models/ocr.engine --dumpProfile
""")


def forward_of(text: str) -> Timing:
    forward = FORMAT.read(Source.of(text)).recordings[0].forward
    assert forward is not None
    return forward


def test_the_forward_time_is_that_of_the_gpu() -> None:
    imported = FORMAT.read(Source.of(LOG))
    (recording,) = imported.recordings
    forward = forward_of(LOG)
    assert (forward.mean_s, forward.min_s, forward.max_s) == pytest.approx((4e-3, 3.9e-3, 4.9e-3))
    assert (forward.p50_s, forward.p95_s) == pytest.approx((3.95e-3, 4.4e-3))
    assert forward.std_s == pytest.approx(2e-4)
    assert forward.n_samples == 250
    assert (recording.device, recording.model, recording.precision, recording.batch_size) == (
        "Orin",
        "vit_b",
        "fp16",
        2,
    )
    assert recording.how_timed == "trtexec"
    assert imported.facts["summary_s"]["Latency"]["mean"] == pytest.approx(4.6e-3)
    assert imported.facts["throughput_qps"] == 200.0
    assert imported.facts["trtexec_version"] == "100300"
    assert any("GPU Compute Time" in note for note in imported.notes)
    assert any("among fp32, fp16" in note for note in imported.notes)


def test_carriage_returns_and_absent_time_stamps_change_nothing() -> None:
    bare = "\n".join(line.removeprefix("[05/22/2024-10:11:12] [I] ") for line in LOG.split("\n"))
    assert forward_of(bare) == forward_of(LOG)
    assert forward_of(LOG.replace("\n", "\r\n")) == forward_of(LOG)
    assert forward_of(f"building ...\n$ make bench\n{LOG}done\n") == forward_of(LOG)


def test_only_one_percentile_as_in_tensorrt_8_2() -> None:
    text = LOG.replace("percentile(90%)", "percentile(99%)")
    lines = [line.split(", percentile(95%)")[0] for line in text.split("\n")]
    forward = forward_of("\n".join(lines))
    assert forward.p95_s is None
    assert forward.p50_s == pytest.approx(3.95e-3)


def test_several_runs_become_several_recordings() -> None:
    imported = FORMAT.read(Source.of(LOG + LOG.replace("2x3x224x224", "4x3x224x224")))
    assert [recording.batch_size for recording in imported.recordings] == [2, 4]
    assert len(imported.facts["runs"]) == 2


@pytest.mark.parametrize("table", [OLD_TABLE, NEW_TABLE])
def test_layers_of_a_profile(table: str) -> None:
    imported = FORMAT.read(Source.of(profile_log(table)))
    (recording,) = imported.recordings
    assert recording.forward is None
    assert [part.name for part in recording.parts] == [
        "[HostToDeviceCopy 0]",
        "patch + add",
        "{ForeignNode[blocks.0...blocks.11]}",
    ]
    assert [part.mean_s for part in recording.parts] == pytest.approx([5e-5, 4.5e-4, 2e-3])
    assert [part.p50_s for part in recording.parts] == pytest.approx([4.8e-5, 4.4e-4, 1.9e-3])
    assert {part.n_samples for part in recording.parts} == {200}
    assert (recording.device, recording.model, recording.batch_size) == ("Xavier", "ocr", 1)
    assert imported.facts["layer_total_s"] == pytest.approx(0.5)
    assert any("1 of 3 layers" in note and "80.0%" in note for note in imported.notes)


def test_a_separate_profile_run_gives_both() -> None:
    text = LOG.replace("&&&& PASSED", f"{NEW_TABLE}&&&& PASSED")
    (recording,) = FORMAT.read(Source.of(text)).recordings
    assert recording.forward == forward_of(LOG)
    assert len(recording.parts) == 3


def test_a_loaded_engine_does_not_say_its_precision() -> None:
    imported = FORMAT.read(Source.of(profile_log(OLD_TABLE)))
    assert imported.recordings[0].precision is None
    assert any("does not say its precision" in note for note in imported.notes)


@pytest.mark.parametrize(
    ("batch", "dims", "expected"),
    [
        ("Explicit", "8x197x768", 8),
        ("Explicit", "8", 8),
        ("1", "1x3x224x224", 1),
        ("1", "32x3x224x224", 32),  # --batch does not apply to an engine with a batch dimension
        ("1", "3x224x224", None),  # one image without a batch dimension, or three sequences
        ("4", "3x224x224", 4),
        ("4", "4x3x224x224", 4),
        ("4", "2x3x224x224", None),
    ],
)
def test_batch_size_by_the_inputs(batch: str, dims: str, expected: int | None) -> None:
    text = profile_log(OLD_TABLE).replace("Batch: 1", f"Batch: {batch}").replace("1x3x48x96", dims)
    imported = FORMAT.read(Source.of(text))
    assert imported.recordings[0].batch_size == expected
    if (batch, expected) == ("1", 32):
        assert any(f"Batch: 1 contradicts the input binding of {dims}" in note for note in imported.notes)
    if expected is None:
        assert any("batch size is not certain" in note and dims in note for note in imported.notes)


def test_an_implicit_batch_multiplies_trtexecs_counts() -> None:
    """250 executions of 4 tiles: trtexec then counts 1000 queries and 800 a second."""
    text = LOG.replace("Batch: Explicit", "Batch: 4").replace("2x3x224x224", "3x224x224")
    text = text.replace("has 250 queries", "has 1000 queries").replace("Throughput: 200", "Throughput: 800")
    assert forward_of(text).n_samples == 250
    assert FORMAT.read(Source.of(text)).recordings[0].batch_size == 4


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.split("\n"), 1) if part in line)


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("mean = 4 ms", "mean = 4,0 ms", "GPU Compute", "decimal point, found '4,0'"),
        ("mean = 4 ms", "mean = 4000 us", "GPU Compute", "<number> ms"),
        ("mean = 4 ms", "mean = nan ms", "GPU Compute", "above 0, found 'nan'"),
        ("mean = 4 ms", "mean = -4 ms", "GPU Compute", "above 0"),
        ("min = 3.9 ms", "min = 0 ms", "GPU Compute", "above 0"),
        ("mean = 4 ms", "mean = 5 ms", "GPU Compute", "outside min .. max"),
        ("mean = 4 ms, ", "", "GPU Compute", "mean missing"),
        ("mean = 4 ms", "mean = 4.5 ms", "GPU Compute", "Total GPU Compute Time is 1 s"),
        ("percentile(95%) = 4.4", "percentile(95%) = 4.1", "GPU Compute", "not in order"),
        ("Throughput: 200", "Throughput: 210", "Throughput", "has 250 queries"),
        ("Throughput: 200", "Throughput: 2e2 fps, 200", "Throughput", "decimal point"),
        ("has 250 queries over", "has 25,0 queries over", "Timing trace", "decimal point"),
        ("has 250 queries over", "has 250.5 queries over", "Timing trace", "whole number"),
        ("Total Host Walltime: 1.25 s", "Total Host Walltime: 1250 ms", "Total Host", "its unit"),
        ("&&&& PASSED", "&&&& FAILED", "&&&& FAILED", "failed"),
        ("&&&& PASSED", "&&&& RUNNING", "", "has no end before this one"),
    ],
)
def test_names_the_line_at_fault(old: str, new: str, line: str, says: str) -> None:
    head, gpu = LOG.split("GPU Compute Time: ", 1) if "GPU" in line else ("", LOG)
    text = head + ("GPU Compute Time: " if head else "") + gpu.replace(old, new, 1)
    expected = line_of(text, line) if line else line_of(LOG, "&&&& PASSED")
    with pytest.raises(InputError, match=says) as caught:
        FORMAT.read(Source.of(text, "run.log"))
    assert caught.value.problems[0].key == f"line {expected}"


def test_a_failed_run_quotes_trtexecs_reason() -> None:
    text = LOG.replace("&&&& PASSED", "[05/22/2024-10:11:14] [E] Error[1]: out of memory\n&&&& FAILED")
    with pytest.raises(InputError, match="failed: Error\\[1\\]: out of memory"):
        FORMAT.read(Source.of(text))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("400.00", "4,00", "decimal point"),
        ("400.00", "300.00", "average x 200 iterations is 400 ms"),
        ("500.00", "510.00", "Total says 510 ms"),
        ("2.5000", "2.6000", "Total says 2.6 ms"),
        ("Total", "Totals", "expected a layer and its times, or 'Total'"),
        ("Avg", "Mean", "header of trtexec's table"),
        ("(200 ", "(0 ", "1 or more iterations"),
    ],
)
@pytest.mark.parametrize("table", [OLD_TABLE, NEW_TABLE])
def test_names_the_line_of_a_table_at_fault(table: str, old: str, new: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        FORMAT.read(Source.of(profile_log(table.replace(old, new))))
    assert caught.value.problems[0].key.startswith("line ")


def test_a_run_that_timed_nothing_is_a_fault() -> None:
    with pytest.raises(InputError, match="timed nothing"):
        FORMAT.read(Source.of(profile_log("")))


@pytest.mark.parametrize("text", [LOG, profile_log(OLD_TABLE), profile_log(NEW_TABLE)])
def test_every_cut_is_a_fault(text: str) -> None:
    whole = text.index("&&&& PASSED") + len("&&&& PASSED TensorRT.trtexec")
    for length in range(0, whole, 7):
        with pytest.raises(InputError, match="line"):
            FORMAT.read(Source.of(text[:length]))
    assert FORMAT.read(Source.of(text[:whole])).recordings == FORMAT.read(Source.of(text)).recordings


@given(st.sampled_from([LOG, profile_log(OLD_TABLE)]), st.integers(0, 10_000), st.text(min_size=1, max_size=3))
def test_a_changed_character_is_a_fault_or_sound(text: str, position: int, put: str) -> None:
    position %= len(text)
    source = Source.of(text[:position] + put + text[position + len(put) :])
    FORMAT.matches(source)
    try:
        imported = FORMAT.read(source)
    except InputError:
        return
    for recording in imported.recordings:
        timings = (*recording.parts, *([recording.forward] if recording.forward else []))
        assert timings
        assert all(timing.mean_s > 0 and math.isfinite(timing.mean_s) for timing in timings)


def test_is_told_by_content() -> None:
    assert FORMAT.matches(Source.of(LOG))
    assert not FORMAT.matches(Source.of("05-13-2026 12:53:24 RAM 1/2MB"))
    assert not FORMAT.matches(Source.of(b"\xff\xfe\x00"))


@pytest.mark.parametrize(
    ("file", "version", "device", "gpu_ms", "latency_ms", "qps", "batch_size"),
    [
        (
            *("gwonxhj-orin-nano/resnet18_fp16_run_20260513_125323.log", "100300", "Orin"),
            *((0.872314, 0.878035, 0.885498), (0.917969, 0.926784, 0.962463), 1134.83, 1),
        ),
        (
            *("csc2231-jetson-nano/output.log", "8201", "NVIDIA Tegra X1"),
            *((2364.04, 2436.29, 2512.25), (2366.36, 2438.3, 2514.21), 0.41012, 32),
        ),
    ],
)
def test_shared_logs_have_the_expected_figures(
    file: str,
    version: str,
    device: str,
    gpu_ms: tuple[float, ...],
    latency_ms: tuple[float, ...],
    qps: float,
    batch_size: int,
) -> None:
    path = SHARED / file
    if not path.exists():
        pytest.skip("needs ../shared")
    imported = FORMAT.read(Source.of(path.read_bytes()))
    (recording,) = imported.recordings
    forward, latency = recording.forward, imported.facts["summary_s"]["Latency"]
    assert forward is not None
    assert imported.facts["trtexec_version"] == version
    assert recording.device == device
    assert [forward.min_s, forward.mean_s, forward.max_s] == pytest.approx([ms / 1e3 for ms in gpu_ms])
    assert [latency["min"], latency["mean"], latency["max"]] == pytest.approx([ms / 1e3 for ms in latency_ms])
    assert imported.facts["throughput_qps"] == qps
    assert recording.batch_size == batch_size


def test_shared_layer_table_has_the_expected_total() -> None:
    path = SHARED / "alpr-xavier-nx" / "trtexec_dumpprofile_lprnet_excerpt.log"
    if not path.exists():
        pytest.skip("needs ../shared")
    imported = FORMAT.read(Source.of(path.read_bytes()))
    (recording,) = imported.recordings
    assert recording.device == "Xavier"
    assert imported.facts["layer_total_s"] == pytest.approx(3.06865)
    assert sum(part.mean_s for part in recording.parts) == pytest.approx(9.9309e-3, abs=2e-6)
    assert any("69.4%" in note for note in imported.notes)
