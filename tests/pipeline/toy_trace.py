"""A trace of a board that does not exist: ViT-B, ten recorded passes, the last three of them throttled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from orbitsim.types.profile import BlockTiming
from orbitsim.workload.traces import write_trace

POWER_W = {"embedding": 4.0, "block": 9.0, "head": 5.0}
N_PASSES, N_BLOCKS = 10, 12
SLOWDOWN = np.array([1.0] * 7 + [1.8] * 3)
MODES = {"10W": 1.0, "20W": 0.5}
TEMPERATURE_K = {"10W": 330.0, "20W": 350.0}


def rows(
    *,
    board: str = "toy-board",
    modes: dict[str, float] = MODES,
    model: str = "vit-b",
    batch_size: int = 64,
    precision: str = "fp16",
    energy: bool = True,
    unequal: bool = False,
    without_samples: tuple[tuple[str, int], ...] = (),
) -> list[BlockTiming]:
    """Return the rows of one profile in each power mode; embedding 5 ms, blocks 10, 11, ... ms, head 2 ms."""
    found = []
    parts = [("embedding", 0, 5e-3), *(("block", i, 1e-2 + 1e-3 * i) for i in range(N_BLOCKS)), ("head", 0, 2e-3)]
    for mode, factor in modes.items():
        for kind, index, seconds in parts:
            samples = seconds * factor * SLOWDOWN
            if unequal and kind == "block":
                samples = samples[: N_PASSES - index % 3]
            kept = (kind, index) not in without_samples
            found.append(
                BlockTiming(
                    board, mode, model, kind, index, batch_size, precision, float(samples.mean()), "measured", "clock",
                    n_samples=len(samples) if kept else None,
                    energy_j=POWER_W[kind] / factor * float(samples.mean()) if energy else None,
                    temperature_k=TEMPERATURE_K.get(mode, 300.0) + index,
                    throttled=kind == "block" and index >= 6 if mode == "20W" else None,
                    samples_s=tuple(samples.tolist()) if kept else None,
                )
            )  # fmt: skip
    return found


def write_toy(path: Path, *, more: list[BlockTiming] = (), **changes: object) -> Path:
    """Write the trace; `changes` as of `rows`."""
    return write_trace([*rows(**changes), *more], path, {"tool": "a test", "created_utc": "2026-04-06T00:00:00Z"})


def pass_s(mode: str = "10W") -> np.ndarray:
    """Return the time of each layer in each recorded pass, shape (passes, layers), from the figures above. [s]"""
    layers = np.array([1e-2 + 1e-3 * i for i in range(N_BLOCKS)])
    layers[0] += 5e-3
    layers[-1] += 2e-3
    return MODES[mode] * SLOWDOWN[:, None] * layers


def as_published(found: list[BlockTiming]) -> list[BlockTiming]:
    return [replace(row, origin="published", citation="somebody (2026), Table 1", samples_s=None) for row in found]
