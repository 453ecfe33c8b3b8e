"""Time the parts of ViT-B/16 on this machine's processor and write a trace.

    python traces/measure_cpu.py --out traces/cpu-NAME-vit-b.parquet --device cpu-NAME

Needs torch, and orbitsim on the path. Each pass runs embedding, blocks and head one after another, each on the output
of the one before and each timed alone; passes through the whole model, timed as one, alternate with them, so that both
meet the same state of the machine. A pass during which other processes used more than the processors that the
measurement leaves free, and BUSY_SHARE of all, is not kept; how many were dropped is written into the provenance. Run
it on an idle machine, or with a high priority.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from vit_blocks import vit_parts

import orbitsim
from orbitsim.types.profile import BlockKind, BlockTiming
from orbitsim.workload.traces import read_trace, write_trace

VIT_B = {
    "width": 768, "mlp_width": 3072, "n_heads": 12, "n_blocks": 12, "patch_px": 16, "image_px": 224, "n_classes": 1000,
}  # fmt: skip
SOFT_LIMIT_S = 25.0  # of one combination of threads and batch size, once MIN_PASSES of both kinds were kept
HARD_LIMIT_S = 300.0  # after which a combination fails, because the machine is too busy
MIN_PASSES, MAX_PASSES = 4, 40
BUSY_SHARE = 0.03  # of all processors: what others may use of those that the measurement needs


def processor() -> dict[str, str]:
    """Return what Linux says of the first processor; empty elsewhere."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {"model name": platform.processor()}
    first = path.read_text(encoding="utf-8").split("\n\n")[0]
    fields = dict(line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in fields.items()}


def others_busy_s() -> float:
    """Return the processor seconds that other processes used since the machine started; 0 outside Linux."""
    path = Path("/proc/stat")
    if not path.exists():
        return 0.0
    user, nice, system, _, _, irq, softirq, steal = map(int, path.read_text(encoding="ascii").split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK") - time.process_time()


@torch.inference_mode()
def timed_pass(parts: list[torch.nn.Module], images: torch.Tensor) -> tuple[list[float], list[int]]:
    """Return the seconds of each part in one pass, and the bytes that leave it."""
    x, seconds, output_bytes = images, [], []
    for part in parts:
        t0 = time.perf_counter()
        x = part(x)
        seconds.append(time.perf_counter() - t0)
        output_bytes.append(x.numel() * x.element_size())
    return seconds, output_bytes


def time_parts(parts: list[torch.nn.Module], images: torch.Tensor) -> tuple[np.ndarray, np.ndarray, list[int], int]:
    """Return seconds (passes, parts), seconds of whole passes (passes,), bytes that leave each part, passes dropped."""
    whole = torch.nn.Sequential(*parts)
    kept: dict[str, list[list[float]]] = {"parts": [], "whole": []}
    _, output_bytes = timed_pass(parts, images)  # warm-up
    n_processors = os.cpu_count() or 1
    allowed = n_processors - torch.get_num_threads() + BUSY_SHARE * n_processors
    begin_s, n_dropped = time.perf_counter(), 0
    while min(map(len, kept.values())) < MAX_PASSES:
        elapsed_s = time.perf_counter() - begin_s
        if elapsed_s > SOFT_LIMIT_S and min(map(len, kept.values())) >= MIN_PASSES:
            break
        if elapsed_s > HARD_LIMIT_S:
            sys.exit(f"the machine is too busy: {n_dropped} passes were disturbed by other processes")
        for name, units in (("parts", parts), ("whole", [whole])):
            t0, busy_s = time.perf_counter(), others_busy_s()
            seconds, _ = timed_pass(units, images)
            wall_s, busy_s = time.perf_counter() - t0, others_busy_s() - busy_s
            tick_s = 1 / os.sysconf("SC_CLK_TCK")  # the counters are no finer
            if busy_s <= allowed * wall_s + tick_s:
                kept[name].append(seconds)
            else:
                n_dropped += 1
    return np.array(kept["parts"]), np.array(kept["whole"])[:, 0], output_bytes, n_dropped


def row(
    key: dict[str, Any], kind: BlockKind, index: int, seconds: np.ndarray, output_bytes: int, weights_bytes: int
) -> BlockTiming:
    """Return the row of one part."""
    return BlockTiming(
        **key,
        block_kind=kind,
        block_index=index,
        mean_s=float(seconds.mean()),
        std_s=float(seconds.std(ddof=1)),
        min_s=float(seconds.min()),
        p50_s=float(np.percentile(seconds, 50)),
        p95_s=float(np.percentile(seconds, 95)),
        n_samples=len(seconds),
        activation_bytes=output_bytes,
        weights_bytes=weights_bytes,
        origin="measured",
        how_timed="perf_counter",
        samples_s=tuple(float(s) for s in seconds),
    )


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=Path, help="trace to write (Parquet)")
    parser.add_argument("--device", required=True, help="name of the processor in the trace")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batch-size", type=int, nargs="+", default=[1, 8, 64])
    arguments = parser.parse_args()

    load_before = os.getloadavg()
    torch.manual_seed(1)
    embedding, blocks, head = vit_parts(**VIT_B)
    parts: list[torch.nn.Module] = [embedding, *blocks, head]
    labels: list[tuple[BlockKind, int]] = [("embedding", 0), *(("block", i) for i in range(len(blocks))), ("head", 0)]
    weights = [sum(p.numel() * p.element_size() for p in part.parameters()) for part in parts]
    rows: list[BlockTiming] = []
    checks: list[dict[str, Any]] = []
    for n_threads in arguments.threads:
        torch.set_num_threads(n_threads)
        for batch_size in arguments.batch_size:
            images = torch.randn(batch_size, 3, VIT_B["image_px"], VIT_B["image_px"])
            by_part, whole, output_bytes, n_dropped = time_parts(parts, images)
            key = {
                "device": arguments.device,
                "power_mode": f"{n_threads}-thread{'s' if n_threads > 1 else ''}",
                "model": "vit-b",
                "batch_size": batch_size,
                "precision": "fp32",
            }
            for number, (kind, index) in enumerate(labels):
                rows.append(row(key, kind, index, by_part[:, number], output_bytes[number], weights[number]))
            rows.append(row(key, "forward", 0, whole, output_bytes[-1], sum(weights)))
            sum_s, forward_s = by_part.mean(axis=0).sum(), whole.mean()
            checks.append(
                {
                    "threads": n_threads,
                    "batch_size": batch_size,
                    "sum_of_parts_s": round(float(sum_s), 6),
                    "forward_s": round(float(forward_s), 6),
                    "ratio": round(float(sum_s / forward_s), 4),
                    "passes": [len(by_part), len(whole)],
                    "dropped": n_dropped,
                }
            )
            print(checks[-1], file=sys.stderr, flush=True)
    info = processor()
    provenance = {
        "tool": "traces/measure_cpu.py",
        "orbitsim": orbitsim.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "created_utc": dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "command": f"python traces/measure_cpu.py --out {arguments.out.name} --device {arguments.device} "
        f"--threads {' '.join(map(str, arguments.threads))} --batch-size {' '.join(map(str, arguments.batch_size))}",
        "processor": {k: info.get(k, "") for k in ("model name", "cpu family", "model", "stepping", "cpu MHz")},
        "n_processors": os.cpu_count(),
        "virtual_machine": "hypervisor" in info.get("flags", "").split(),
        "load_average_before": [round(v, 2) for v in load_before],
        "load_average_after": [round(v, 2) for v in os.getloadavg()],
        "weights": "random, seed 1",
        "sum_of_parts_against_forward": checks,
    }
    write_trace(rows, arguments.out, provenance)
    print(f"{arguments.out}: {len(read_trace(arguments.out).rows)} rows", file=sys.stderr)


if __name__ == "__main__":
    main()
