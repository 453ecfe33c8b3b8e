"""Random planning problems of every kind: delay models, relays, bounds, both codec rules, codec time, memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from orbitsim.plan.delay import DELAY_MODELS
from orbitsim.plan.problem import Problem


def random_problem(rng: np.random.Generator, n_layers: int, n_nodes: int, n_ratios: int, **given: Any) -> Problem:
    """Draw a problem; keyword arguments replace what is drawn."""
    on_whole_numbers = rng.random() < 0.25  # ties between plans, stages and bounds
    speed = rng.uniform(0.3, 3.0, (n_nodes, 1))
    compute_s = speed * rng.uniform(0.5, 1.5, n_layers) * rng.uniform(0.8, 1.2, (n_nodes, n_layers))
    activation_bytes = rng.uniform(2e6, 2e7, n_layers)
    if on_whole_numbers:
        compute_s = np.ceil(compute_s * 2.0)
        activation_bytes = np.ceil(activation_bytes / 5e6) * 5e6
    activation_bytes[-1] = rng.uniform(100.0, 1e6)
    ratio = np.sort(rng.choice(np.arange(1, 101), n_ratios, replace=False)) / 100.0
    rng.shuffle(ratio)
    loss = np.round(0.05 * (1.0 - ratio) * rng.uniform(0.6, 1.4, n_ratios), 4)
    layer_memory_bytes = rng.uniform(0.5e8, 1.5e8, n_layers)
    whole_bytes = float(layer_memory_bytes.sum())
    options: dict[str, Any] = {
        "compute_s": compute_s,
        "activation_bytes": activation_bytes,
        "layer_memory_bytes": layer_memory_bytes,
        "memory_bytes": rng.uniform(0.25, 1.3, n_nodes) * whole_bytes,
        "memory_overhead_bytes": rng.uniform(0.0, 0.05, n_nodes) * whole_bytes,
        "rate_bps": rng.uniform(1e7, 2e8, n_nodes - int(rng.random() < 0.5)),
        "input_bytes": float(rng.uniform(1e6, 2e7)),
        "input_rate_bps": float(rng.choice([np.inf, rng.uniform(2e7, 2e8)])),
        "n_batches": int(rng.choice([1, 2, 5, 64, 1000])),
        "codec_ratio": ratio,
        "codec_accuracy": 0.95 - loss,
        "codec_loss": loss,
        "min_accuracy": float(0.95 - np.quantile(loss, rng.uniform(0.3, 1.0))),
        "max_loss": float(np.median(loss) * rng.uniform(0.3, 1.5) * max(n_nodes - 1, 1)),
        "rule": str(rng.choice(["per-hop", "cumulative"])),
        "relay": bool(rng.random() < 0.5),
        "max_compute_nodes": int(rng.integers(1, n_nodes + 1)) if rng.random() < 0.4 else None,
        "delay_model": str(rng.choice(list(DELAY_MODELS))),
        "power_w": rng.uniform(5.0, 50.0, n_nodes),
    }
    if rng.random() < 0.4:
        options["encode_s_per_byte"] = rng.uniform(0.0, 1e-7, n_nodes)
        options["decode_s_per_byte"] = rng.uniform(0.0, 1e-7, n_nodes)
    options.update(given)
    if options["max_compute_nodes"] is not None and not options["relay"] and "max_compute_nodes" not in given:
        options["max_compute_nodes"] = None if rng.random() < 0.8 else options["max_compute_nodes"]
    if "delay_s" not in given and rng.random() < 0.5:
        options["delay_s"] = rng.uniform(0.0, 0.1, len(np.atleast_1d(options["rate_bps"])))
    return Problem(**options)
