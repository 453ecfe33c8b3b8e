"""The shared example problem, built here too so that its figures are checked without the shared folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from orbitsim.plan.problem import Problem

SHARED = Path(__file__).resolve().parents[3] / "shared" / "examples" / "problem.json"
OPTIMUM_S = 10.3489472512
"""Optimum of the example under `exact`, found by an independent brute force (examples/README.md)."""


def example(**given: Any) -> Problem:
    """Three satellites of different speed, twelve equal layers, raw tiles over an ISL."""
    options: dict[str, Any] = {
        "compute_s": np.repeat([[0.02], [0.035], [0.05]], 12, axis=1),
        "activation_bytes": [38731776.0] * 11 + [256.0],
        "layer_memory_bytes": [29e6] * 12,
        "memory_bytes": 200e6,
        "rate_bps": [0.5e9, 0.5e9, 0.8e9],
        "input_bytes": 9633792.0,
        "input_rate_bps": 0.5e9,
        "n_batches": 64,
        "codec_ratio": [0.04, 0.1, 0.25, 1.0],
        "codec_accuracy": [0.961, 0.972, 0.981, 0.985],
        "min_accuracy": 0.97,
    }
    return Problem(**(options | given))
