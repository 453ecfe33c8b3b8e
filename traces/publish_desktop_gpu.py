"""Make published-desktop-gpu-vit.parquet: times of whole ViTs on desktop GPUs, as pytorch-image-models measured them.

    python traces/publish_desktop_gpu.py

Only whole models were timed, at large batches, so every row is a `forward`: nothing is said of single blocks. The cost
model does not split these rows (the catalogue's throughput, the same figures, does that and says `modelled`); they are
what fits of whole models are tested on.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import orbitsim
from orbitsim.types.profile import BlockTiming
from orbitsim.workload.traces import write_trace

OUT = Path(__file__).with_name("published-desktop-gpu-vit.parquet")
COMMIT = "aa4b5850c1543fa488abf260f18390eda46cf85d"
CITATION = (
    "R. Wightman et al., pytorch-image-models (Apache-2.0) at commit {commit},"
    " results/benchmark-infer-amp-nchw-pt240-cu124-{gpu}.csv, {name}: infer_step_time"
)
# Their name, and milliseconds of one step at a batch size.
STEPS = {
    "rtx3090": {
        "vit-b": ("vit_base_patch16_224", 651.945, 1024),
        "vit-l": ("vit_large_patch16_224", 2103.941, 1024),
        "vit-h": ("vit_huge_patch14_224", 5567.143, 1024),
        "vit-g": ("vit_gigantic_patch14_224", 7643.451, 512),
    },
    "rtx4090": {
        "vit-b": ("vit_base_patch16_224", 367.372, 1024),
        "vit-l": ("vit_large_patch16_224", 1121.913, 1024),
        "vit-h": ("vit_huge_patch14_224", 2958.6, 1024),
        "vit-g": ("vit_gigantic_patch14_224", 3905.342, 512),
    },
}
NOTES = (
    "whole models only: forward rows, which no plan can split",
    "automatic mixed precision (fp16), channels first, 224 px, PyTorch 2.4, CUDA 12.4, desktop cards",
    "vit_huge_patch14_224 has no classifier, by its parameter count (630.76 M, not 632.05 M)",
)


def main() -> None:
    """Write the trace."""
    rows = [
        BlockTiming(
            device=gpu.replace("rtx", "rtx-"),
            power_mode="default",
            model=model,
            block_kind="forward",
            block_index=0,
            batch_size=batch_size,
            precision="fp16",
            mean_s=round(step_ms * 1e-3, 9),
            origin="published",
            how_timed="timm benchmark, mean step of the whole model, automatic mixed precision",
            confidence="high",
            citation=CITATION.format(commit=COMMIT, gpu=gpu, name=name),
        )
        for gpu, models in STEPS.items()
        for model, (name, step_ms, batch_size) in models.items()
    ]
    provenance = {
        "tool": "traces/publish_desktop_gpu.py",
        "version": orbitsim.__version__,
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "licence": "Apache-2.0",
        "notes": NOTES,
    }
    print(write_trace(rows, OUT, provenance))


if __name__ == "__main__":
    main()
