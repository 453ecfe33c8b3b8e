"""Summaries of ``nsys stats``: ranges, kernels, calls; CSV and text; nanoseconds and other units."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.errors import InputError
from orbitsim.workload.importers.base import Source
from orbitsim.workload.importers.nsys_csv import FORMAT

SHARED = Path(__file__).parents[4] / "shared" / "data" / "jetson" / "neural-operator-orin-nano"

RANGES = """\
Time (%),Total Time (ns),Instances,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Style,Range
60.0,60000000,10,6000000.0,5900000.0,5500000,7000000,400000.0,PushPop,:block 0
39.5,39500000,10,3950000.0,3900000.0,3500000,5000000,300000.0,PushPop,:block 1
0.5,500000,1,500000.0,500000.0,500000,500000,0.0,PushPop,cuBLAS:cublasCreate_v2
"""

KERNELS = """\
Time (%),Total Time (ns),Instances,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Name
75.0,3000000,30,100000.0,99000.0,90000,120000,5000.0,ampere_sgemm_64x64_tn
25.0,1000001,30,33333.4,33000.0,30000,40000,2000.0,"void softmax<float, (int)4>(float *, int)"
"""

CALLS = """\
Time (%),Total Time (ns),Num Calls,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Name
100.0,5000000,100,50000.0,21000.0,8000,900000,9000.0,cudaLaunchKernel
"""

PROJECTED = """\
Range,Style,Total Proj Time (us),Total Range Time (us),Range Instances,Proj Avg (us),Proj Med (us),Proj Min (us),\
Proj Max (us),Proj StdDev (us),Total GPU Ops,Avg GPU Ops,Avg Range Lvl,Avg Num Child
:block 0,PushPop,60000.5,30000.1,10,6000.05,5900.0,5500.0,7000.0,400.0,100,10.0,1.0,0.0
"""

EXECUTIONS = """\
Count,QCount,AAvg (ns),AMed (ns),AMin (ns),AMax (ns),AStdDev (ns),QAvg (ns),QMed (ns),QMin (ns),QMax (ns),\
QStdDev (ns),KAvg (ns),KMed (ns),KMin (ns),KMax (ns),KStdDev (ns),API Name,Kernel Name
30,30,5000.0,5000.0,4000,6000,100.0,2000.0,2000.0,1000,3000,50.0,100000.0,99000.0,90000,120000,5000.0,cudaLaunch,gemm
"""

TEXT = """\
Generating SQLite file a.sqlite from a.nsys-rep
Processing [a.sqlite] with [/opt/nvidia/nsight-systems/reports/nvtx_sum.py]...

 ** NVTX Range Summary (nvtx_sum):

 Time (%)  Total Time (ns)  Instances   Avg (ns)     Med (ns)    Min (ns)   Max (ns)   StdDev (ns)   Style    Range
 --------  ---------------  ---------  -----------  -----------  ---------  ---------  -----------  -------  --------
     60.0       60,000,000         10  6,000,000.0  5,900,000.0  5,500,000  7,000,000    400,000.0  PushPop  :block 0
     40.0       40,000,000         10  4,000,000.0  3,900,000.0  3,500,000  5,000,000    300,000.0  PushPop  :block 1

Processing [a.sqlite] with [/opt/nvidia/nsight-systems/reports/cuda_gpu_mem_size_sum.py]...

 ** CUDA GPU MemOps Summary (by Size) (cuda_gpu_mem_size_sum):

 Total (MB)  Count  Avg (MB)  Med (MB)  Min (MB)  Max (MB)  StdDev (MB)           Operation
 ----------  -----  --------  --------  --------  --------  -----------  ----------------------------
      1.853     22     0.084     0.001     0.000     0.524        0.143  [CUDA memcpy Host-to-Device]

SKIPPED: a.sqlite does not contain OpenMP event data.

Processing [a.sqlite] with [/opt/nvidia/nsight-systems/reports/cuda_gpu_kern_sum.py]...

 ** CUDA GPU Kernel Summary (cuda_gpu_kern_sum):

 Time (%)  Total Time (ns)  Instances  Avg (ns)   Med (ns)  Min (ns)  Max (ns)  StdDev (ns)          Name
 --------  ---------------  ---------  ---------  --------  --------  --------  -----------  --------------------
    100.0        3,000,000         30  100,000.0  99,000.0    90,000   120,000      5,000.0  void softmax<float, …

"""


def test_ranges_become_parts() -> None:
    imported = FORMAT.read(Source.of(RANGES))
    (recording,) = imported.recordings
    assert [part.name for part in recording.parts] == ["block 0", "block 1", "cuBLAS:cublasCreate_v2"]
    first = recording.parts[0]
    assert (first.mean_s, first.std_s, first.min_s) == pytest.approx((6e-3, 4e-4, 5.5e-3))
    assert (first.max_s, first.p50_s, first.n_samples) == (pytest.approx(7e-3), pytest.approx(5.9e-3), 10)
    assert recording.parts[2].std_s is None
    assert not recording.parts_are_complete
    assert recording.how_timed == "nsys-nvtx-ranges"
    (table,) = imported.facts["tables"]
    assert (table["n_rows"], table["n_instances"], table["total_s"]) == (3, 21, pytest.approx(0.1))


def test_kernels_keep_their_names_and_are_no_blocks() -> None:
    imported = FORMAT.read(Source.of(KERNELS))
    (recording,) = imported.recordings
    assert recording.parts[1].name == "void softmax<float, (int)4>(float *, int)"
    assert recording.parts[1].mean_s == pytest.approx(33333.4e-9)
    assert not recording.parts_are_complete
    assert any("does not tell which iteration" in note for note in imported.notes)


def test_calls_of_the_host_are_facts_only() -> None:
    imported = FORMAT.read(Source.of(CALLS))
    assert imported.recordings == ()
    assert imported.facts["tables"][0]["total_s"] == pytest.approx(5e-3)


def test_projected_ranges_in_microseconds() -> None:
    (recording,) = FORMAT.read(Source.of(PROJECTED)).recordings
    assert recording.how_timed == "nsys-nvtx-gpu-projection"
    assert recording.parts[0].mean_s == pytest.approx(6000.05e-6)


def test_kernel_executions_take_the_kernels_own_time() -> None:
    (recording,) = FORMAT.read(Source.of(EXECUTIONS)).recordings
    assert (recording.parts[0].name, recording.parts[0].mean_s) == ("gemm", pytest.approx(1e-4))


@pytest.mark.parametrize(
    ("unit", "factor"), [("us", 1e-3), ("µs", 1e-3), ("μs", 1e-3), ("ms", 1e-6), ("s", 1e-9), ("ns", 1.0)]
)
def test_units_stand_in_the_header(unit: str, factor: float) -> None:
    """The same figures, printed in another unit with 9 decimals."""
    rows = [line.split(",") for line in RANGES.splitlines()]
    for row in rows[1:]:
        row[1] = f"{float(row[1]) * factor:.9f}"
        row[3:8] = [f"{float(cell) * factor:.9f}" for cell in row[3:8]]
    text = "\n".join(",".join(row) for row in rows).replace("(ns)", f"({unit})") + "\n"
    (recording,) = FORMAT.read(Source.of(text)).recordings
    assert [part.mean_s for part in recording.parts] == pytest.approx([6e-3, 3.95e-3, 5e-4])


def test_older_column_names() -> None:
    header = "Time(%),Total Time (ns),Instances,Average (ns),Minimum (ns),Maximum (ns),Name"
    text = f"{header}\n100.0,3000000,30,100000.0,90000,120000,gemm\n"
    (recording,) = FORMAT.read(Source.of(text)).recordings
    assert recording.parts[0].mean_s == pytest.approx(1e-4)
    assert recording.parts[0].p50_s is None


def test_text_with_grouped_digits_and_several_reports() -> None:
    imported = FORMAT.read(Source.of(TEXT))
    (recording,) = imported.recordings
    assert [(part.name, part.mean_s) for part in recording.parts] == [
        ("block 0", pytest.approx(6e-3)),
        ("block 1", pytest.approx(4e-3)),
    ]
    assert [table["report"] for table in imported.facts["tables"]] == ["nvtx_sum", "cuda_gpu_kern_sum"]
    assert imported.facts["tables"][1]["total_s"] == pytest.approx(3e-3)


@pytest.mark.parametrize(("text", "second"), [(RANGES + "\n" + RANGES, 6), (RANGES + RANGES, 5), (KERNELS * 2, 4)])
def test_two_runs_in_one_file_are_refused_with_both_lines(text: str, second: int) -> None:
    with pytest.raises(InputError, match=rf"line {second}: a second table of .*begins at line 1: two runs"):
        FORMAT.read(Source.of(text))


def test_two_text_reports_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="a second table of nvtx-ranges"):
        FORMAT.read(Source.of(TEXT * 2))


def test_calls_of_two_libraries_may_stand_in_one_file() -> None:
    imported = FORMAT.read(Source.of(f"{RANGES}\n{CALLS}\n{CALLS}"))
    assert [table["kind"] for table in imported.facts["tables"]] == ["nvtx-ranges", "calls", "calls"]
    assert imported.recordings == FORMAT.read(Source.of(RANGES)).recordings


def test_several_csv_reports_below_each_other() -> None:
    text = "".join(
        f"Processing [a.sqlite] with [/opt/reports/{name}.py]...\n{table}\n"
        for name, table in (("cuda_gpu_kern_sum", KERNELS), ("nvtx_sum", RANGES), ("cuda_api_sum", CALLS))
    )
    imported = FORMAT.read(Source.of(text))
    assert [table["report"] for table in imported.facts["tables"]] == ["cuda_gpu_kern_sum", "nvtx_sum", "cuda_api_sum"]
    assert imported.recordings == FORMAT.read(Source.of(RANGES)).recordings


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (RANGES.replace("6000000.0", "6000000,0"), 2, "found 11; numbers need a decimal point"),
        (RANGES.replace("6000000.0", '"6000000,0"'), 2, "decimal comma"),
        (RANGES.replace("6000000.0", "nan"), 2, "Avg.*nan"),
        (RANGES.replace("6000000.0", "-6000000.0"), 2, "Avg"),
        (RANGES.replace("6000000.0", ""), 2, "found nothing"),
        (RANGES.replace("6000000.0", "5800000.0"), 2, "average x 10 is"),
        (RANGES.replace("6000000.0", "1e99"), 2, "no such time"),
        (RANGES.replace("60000000,10", "60000000,0"), 2, "above 0"),
        (RANGES.replace("60000000,10", "60000000,9.5"), 2, "whole number"),
        (RANGES.replace("5500000", "6500000"), 2, "outside minimum"),
        (RANGES.replace("500000,1,500000.0,500000.0,500000,500000", "0,1,0.0,0.0,0,0"), 4, "above 0"),
        (RANGES.replace(":block 0", ""), 2, "Range"),
        (RANGES.replace("Avg (ns)", "Avg (MB)"), 1, "column of times"),
        (RANGES.replace("Min (ns)", "Max (ns)"), 1, "twice"),
        (RANGES.replace("39.5,39500000", "38.5,39500000"), 3, "rows were lost"),
        (RANGES.splitlines()[0] + "\n", 1, "found none"),
        ("\n".join(RANGES.splitlines()[:3]) + "\n", 2, "rows were lost"),
        (RANGES.replace("39.5,", "\n39.5,"), 2, "rows were lost"),
        (PROJECTED + "\n" + PROJECTED.splitlines()[1] + "\n", 4, "blank line within a table"),
        (KERNELS.replace(' *, int)"', " *, int)"), 3, "comma-separated"),
        (RANGES.removesuffix("\n"), 4, "may be cut"),
        ("Time (%),Total Time (ns),Sessions\n100.0,1,1\n", 1, "nsys stats --format csv"),
    ],
)
def test_names_the_line_at_fault(text: str, line: int, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        FORMAT.read(Source.of(text))
    assert caught.value.problems[0].key.split(",")[0] == f"line {line}"


@pytest.mark.parametrize("text", [RANGES, KERNELS, PROJECTED])
def test_every_cut_of_a_csv_is_a_fault(text: str) -> None:
    for length in range(len(text)):
        with pytest.raises(InputError, match="line"):
            FORMAT.read(Source.of(text[:length]))


@given(st.sampled_from([RANGES, KERNELS, TEXT, PROJECTED]), st.integers(0, 10_000), st.text(min_size=1, max_size=3))
def test_a_changed_character_is_a_fault_or_sound(text: str, position: int, put: str) -> None:
    position %= len(text)
    source = Source.of(text[:position] + put + text[position + len(put) :])
    FORMAT.matches(source)
    try:
        imported = FORMAT.read(source)
    except InputError:
        return
    for recording in imported.recordings:
        assert all(part.mean_s > 0 and math.isfinite(part.mean_s) for part in recording.parts)


def test_is_told_by_content() -> None:
    assert all(FORMAT.matches(Source.of(text)) for text in (RANGES, KERNELS, CALLS, PROJECTED, EXECUTIONS, TEXT))
    assert not FORMAT.matches(Source.of("Columns: Time (%), Total Time (ns), Instances\n"))
    assert not FORMAT.matches(Source.of("timestamp,gpu,Power TOT\n"))
    assert not FORMAT.matches(Source.of(b"\xff\xfe\x00"))


NAMES = ("burgers_base_r2048_ts_fp32", "darcy_base_r141_ts_fp32", "darcy_base_r281_ts_fp16_native")
FORWARD = "forward_cuda_gpu_kern_sum_cuda_gpu_kern_sum_nvtx=deeponet_profile_forward"


@pytest.mark.parametrize(
    ("file", "n_rows", "total_ns", "n_instances"),
    [
        (f"{NAMES[0]}_cuda_api_sum_cuda_api_sum", 17, 189344928, 4207),
        (f"{NAMES[0]}_cuda_gpu_kern_sum_cuda_gpu_kern_sum", 25, 98079904, 2709),
        (f"{NAMES[0]}_{FORWARD}", 17, 78036768, 2160),
        (f"{NAMES[0]}_nvtx_sum_nvtx_sum", 2, 190306240 + 15134784, 2),
        (f"{NAMES[1]}_cuda_api_sum_cuda_api_sum", 17, 935896416, 4215),
        (f"{NAMES[1]}_cuda_gpu_kern_sum_cuda_gpu_kern_sum", 25, 862896384, 3111),
        (f"{NAMES[1]}_{FORWARD}", 18, 687197120, 2480),
        (f"{NAMES[1]}_nvtx_sum_nvtx_sum", 2, 814610688 + 15399552, 2),
        (f"{NAMES[2]}_cuda_api_sum_cuda_api_sum", 18, 897010080, 6046),
        (f"{NAMES[2]}_cuda_gpu_kern_sum_cuda_gpu_kern_sum", 26, 1003698112, 4633),
        (f"{NAMES[2]}_{FORWARD}", 18, 804180000, 3680),
        (f"{NAMES[2]}_nvtx_sum_nvtx_sum", 2, 933869696 + 15320544, 2),
        ("darcy_base_r281_ts_tf32_cuda_api_sum_cuda_api_sum", 18, 1529024320, 7621),
        ("darcy_base_r281_ts_tf32_cuda_gpu_kern_sum_cuda_gpu_kern_sum", 30, 1648912512, 4811),
        (f"darcy_base_r281_ts_tf32_{FORWARD}", 23, 1322141056, 3840),
        ("darcy_base_r281_ts_tf32_nvtx_sum_nvtx_sum", 2, 1429140128 + 15118112, 2),
    ],
)
def test_shared_reports_have_the_expected_sums(file: str, n_rows: int, total_ns: int, n_instances: int) -> None:
    path = SHARED / f"{file}.csv"
    if not path.exists():
        pytest.skip("needs ../shared")
    (table,) = FORMAT.read(Source.of(path.read_bytes())).facts["tables"]
    assert (table["n_rows"], table["n_instances"]) == (n_rows, n_instances)
    assert table["total_s"] == pytest.approx(total_ns / 1e9, rel=1e-12)


def test_shared_text_report_agrees_with_its_csv() -> None:
    path = SHARED / f"{NAMES[0]}_nsys_stats.txt"
    if not path.exists():
        pytest.skip("needs ../shared")
    tables = {table["report"]: table for table in FORMAT.read(Source.of(path.read_bytes())).facts["tables"]}
    assert tables["cuda_gpu_kern_sum"]["total_s"] == pytest.approx(0.098079904, rel=1e-12)
    assert tables["cuda_api_sum"]["n_instances"] == 4207
