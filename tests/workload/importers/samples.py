"""One small file of every format, written for these tests: twelve blocks where the format can tell blocks apart."""

from __future__ import annotations

import json

N_BLOCKS = 12
DOTTED = [
    "conv_proj",
    *(f"encoder.layers.encoder_layer_{i}.{part}" for i in range(N_BLOCKS) for part in ("self_attention", "mlp")),
    "heads.head",
]
MS = [0.5, *(1.0 + 0.01 * i for i in range(2 * N_BLOCKS)), 0.25]


def _lines(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def trtexec_log(compute_ms: float = 4.0) -> str:
    n = 250
    figures = (
        f"min = {compute_ms - 0.1} ms, max = {compute_ms + 0.2} ms, mean = {compute_ms} ms, median = {compute_ms} ms"
    )
    return _lines(
        "&&&& RUNNING TensorRT.trtexec [TensorRT v100300] # trtexec --loadEngine=vit_b_16.engine",
        "[05/13/2026-12:53:24] [I] === Device Information ===",
        "[05/13/2026-12:53:24] [I] Selected Device: Orin",
        "[05/13/2026-12:53:25] [I] Created input binding for image with dimensions 8x3x224x224",
        "[05/13/2026-12:53:29] [I] Starting inference",
        f"[05/13/2026-12:53:32] [I] Timing trace has {n} queries over {n * compute_ms / 1e3} s",
        "[05/13/2026-12:53:32] [I] === Performance summary ===",
        f"[05/13/2026-12:53:32] [I] Throughput: {1e3 / compute_ms} qps",
        f"[05/13/2026-12:53:32] [I] Latency: {figures}",
        f"[05/13/2026-12:53:32] [I] GPU Compute Time: {figures}",
        f"[05/13/2026-12:53:32] [I] Total Host Walltime: {n * compute_ms / 1e3} s",
        f"[05/13/2026-12:53:32] [I] Total GPU Compute Time: {n * compute_ms / 1e3} s",
        "&&&& PASSED TensorRT.trtexec [TensorRT v100300] # trtexec --loadEngine=vit_b_16.engine",
    )


def trtexec_times(n: int = 6) -> str:
    rows = []
    for i in range(n):
        start = 100.0 + 30.0 * i
        rows.append(
            {
                "startComputeMs": start,
                "endComputeMs": start + 26.0 + 0.5 * i,
                "computeMs": 26.0 + 0.5 * i,
                "latencyMs": 26.0 + 0.5 * i,
            }
        )
    return json.dumps(rows)


def trtexec_profile(names: list[str] | None = None, count: int = 100) -> str:
    names = DOTTED if names is None else names
    total = sum(MS[: len(names)])
    rows = [
        {"name": name, "timeMs": count * ms, "averageMs": ms, "medianMs": ms, "percentage": 100 * ms / total}
        for name, ms in zip(names, MS, strict=False)
    ]
    return json.dumps([{"count": count}, *rows])


def kineto() -> str:
    events = []
    for step in range(3):
        for i, name in enumerate(["embedding", *(f"block {b}" for b in range(N_BLOCKS)), "head"]):
            event = {"ph": "X", "cat": "user_annotation", "name": name, "pid": 1, "tid": 1}
            events.append({**event, "ts": 1000.0 + 14000.0 * step + 1000.0 * i, "dur": 999.0})
    return json.dumps({"schemaVersion": 1, "deviceProperties": [], "traceEvents": events})


def nsys_csv() -> str:
    header = "Time (%),Total Time (ns),Instances,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Style,Range"
    rows = [
        f"{100 / N_BLOCKS:.1f},4000000,4,1000000.0,1000000.0,999900,1000100,50.0,PushPop,:block {i}" for i in range(12)
    ]
    return _lines(header, *rows)


def tegrastats(n: int = 30, start_s: int = 0) -> str:
    return _lines(
        *(
            f"05-13-2026 12:{(53 * 60 + start_s + i) // 60:02d}:{(start_s + i) % 60:02d} RAM 3114/7620MB (lfb 4x4MB)"
            f" SWAP 0/3810MB (cached 0MB) CPU [10%@1510,0%@1510] GR3D_FREQ {90 if 5 <= i < 25 else 0}%"
            f" cpu@50.1C gpu@{50 + i / 10:.1f}C tj@51C VDD_IN {5000 + 100 * i}mW/5000mW"
            f" VDD_CPU_GPU_CV 1000mW/1000mW VDD_SOC 1500mW/1500mW"
            for i in range(n)
        )
    )


def tegrastats_old(n: int = 5) -> str:
    return _lines(
        *(
            f"RAM 1179/3962MB (lfb 300x4MB) IRAM 0/252kB(lfb 252kB) CPU [2%@102,1%@102,0%@102,0%@102] EMC_FREQ 1%@1600"
            f" GR3D_FREQ {10 * i}%@76 APE 25 PLL@25C CPU@27C GPU@26C thermal@26.5C POM_5V_IN {1000 + i}/1022"
            f" POM_5V_GPU 0/0 POM_5V_CPU 204/204"
            for i in range(n)
        )
    )


def jtop_csv() -> str:
    return _lines(
        "Timestamp, RAM_Usage, CPU_Util_Core_0, GPU_Utilization, GPU_Temperature, GPU_Power_Inst, System_Power_Inst, X",
        *(f"2025-05-01 17:06:{50 + i}, 11283/62841MB, {i}, {10 * i}%, 44.9, 2800, 4327, " for i in range(4)),
    )


def subgraph_json(names: list[str] | None = None, ms: list[float] | None = None, mode: str = "30W") -> str:
    names, ms = names or DOTTED, ms or MS
    return json.dumps(
        {
            "schema_version": "2.0",
            "measurement_type": "efficiency",
            "model": "vit_b_16",
            "hardware_id": f"jetson_orin_agx_{mode.lower()}",
            "device": "cuda",
            "precision": "FP16",
            "thermal_profile": mode,
            "theoretical_peak_flops": 1.0,
            "measurement_date": "2026-02-06T02:25:48.763362",
            "tool_version": "test",
            "batch_size": 1,
            "subgraphs": [
                {
                    "subgraph_id": i,
                    "fusion_pattern": "Unfused",
                    "operation_type": "unfused",
                    "flops": 1000,
                    "total_bytes": 10,
                    "node_names": [name],
                    "measured_latency": {
                        "mean": t,
                        "std": t / 10,
                        "min": t / 2,
                        "max": 2 * t,
                        "ci_lower": 0.9 * t,
                        "ci_upper": 1.1 * t,
                        "samples": 50,
                    },
                }
                for i, (name, t) in enumerate(zip(names, ms, strict=True))
            ],
            "model_summary": {},
        }
    )


def tensorrt_json(names: list[str] | None = None) -> str:
    """Five runs, a run every second, the layers of each one after another."""
    found: dict[str, list[list[object]]] = {}
    for i, (name, ms) in enumerate(zip(names or DOTTED, MS, strict=True)):
        found[name] = [[ms + 0.01 * run, f"20260513-12:53:{10 + run:02d}.{i * 2000 + 2000:06d}"] for run in range(5)]
    return json.dumps(found, indent=1)


def mlperf_log() -> str:
    return _lines(
        "================================================",
        "MLPerf Results Summary",
        "================================================",
        "SUT name : TEST",
        "Scenario : SingleStream",
        "Mode     : PerformanceOnly",
        "90th percentile latency (ns) : 5600000",
        "Result is : VALID",
        "Early Stopping Result:",
        " * Processed at least 64 queries (1000).",
        "",
        "Min latency (ns)                : 3000000",
        "Max latency (ns)                : 6500000",
        "Mean latency (ns)               : 4300000",
        "50.00 percentile latency (ns)   : 4000000",
        "90.00 percentile latency (ns)   : 5600000",
        "95.00 percentile latency (ns)   : 6000000",
        "",
        "samples_per_query : 1",
    )


def mlperf_power() -> str:
    row = "Time,02-18-2023 18:21:{0}.601,Watts,{1}.5,Volts,206.94,Amps,0.11,PF,0.27,Mark,run"
    return _lines(*(row.format(30 + i, 20 + i) for i in range(5)))


def pipeedge_yaml() -> str:
    return _lines(
        "jetson:",
        "  bw_Mbps: 1000",
        "  mem_MB: 4000",
        "  model_profiles:",
        "    google/vit-base-patch16-224:",
        "    - batch_size: 8",
        "      dtype: torch.float32",
        "      time_s:",
        *(f"      - {0.01 + 0.001 * i:.3f}" for i in range(4 * N_BLOCKS)),
    )


def vidur_csv() -> str:
    statistics = [
        f"time_stats.{op}.{s}"
        for op in ("attn_pre_proj", "mlp_up_proj")
        for s in ("min", "max", "mean", "median", "std")
    ]
    rows = [f"0.1,0.2,0.15,0.15,0.01,0.2,0.4,0.3,0.3,0.02,{tokens},1,4096" for tokens in (1, 8, 64)]
    return _lines(",".join([*statistics, "num_tokens", "num_tensor_parallel_workers", "n_embd"]), *rows)


def split_csv() -> str:
    return _lines(
        "State,Rank,Type,Remark,Time",
        "Tokenization,0,Compute,,0.005",
        "Prefill,0,Compute,,0.158",
        "Prefill,0,Communication,Send Hidden,0.010",
    )


def stage_json() -> str:
    stages = [
        {
            "stage_id": name,
            "total_runs": 5,
            "average_time_per_run_ms": ms,
            "total_gpu_time_ms": 5 * ms,
            "gpu_time_stats": {
                "count": 5, "mean_ms": ms, "min_ms": ms - 1, "max_ms": ms + 1, "median_ms": ms, "p95_ms": ms + 1,
                "p99_ms": ms + 1, "stddev_ms": 0.5,
            },
        }
        for name, ms in (("llm_prefill", 29.0), ("llm_generation", 1330.0))
    ]  # fmt: skip
    return json.dumps({"stages": stages, "peak_unified_memory_bytes": 4537970688})


def recorder_json(watts: float | None = None) -> str:
    names = ["embedding", *(f"block {i}" for i in range(N_BLOCKS)), "head"]
    parts = [
        {"name": name, "samples_s": [0.001 * (i + 1), 0.0012 * (i + 1)], "start_s": [10.0 + i, 10.5 + i]}
        for i, name in enumerate(names)
    ]
    total = [sum(part["samples_s"][k] for part in parts) for k in range(2)]
    return json.dumps(
        {
            "format": "orbitsim-recorder",
            "version": 1,
            "clock": {"at_s": 0.0, "unix_s": 1.7e9},
            "device": "jetson-agx-orin",
            "power_mode": "30W",
            "recordings": [
                {
                    "model": {"name": "vit-b", "n_blocks": N_BLOCKS},
                    "precision": "fp16",
                    "batch_size": 8,
                    "how_timed": "cuda-events",
                    "parts": parts,
                    "forward": {"samples_s": total, "start_s": [40.0, 41.0]},
                }
            ],
        }
    )


SAMPLES: dict[str, list[str]] = {
    "trtexec-log": [trtexec_log()],
    "trtexec-times": [trtexec_times()],
    "trtexec-profile": [trtexec_profile()],
    "kineto": [kineto()],
    "nsys-csv": [nsys_csv()],
    "tegrastats": [tegrastats(), tegrastats_old()],
    "jtop-csv": [jtop_csv()],
    "subgraph-json": [subgraph_json()],
    "tensorrt-json": [tensorrt_json()],
    "mlperf-log": [mlperf_log(), mlperf_power()],
    "pipeedge-yaml": [pipeedge_yaml()],
    "vidur-csv": [vidur_csv()],
    "split-csv": [split_csv()],
    "stage-json": [stage_json()],
    "recorder-json": [recorder_json()],
}
