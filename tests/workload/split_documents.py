"""A split run made up by hand: the file that a recorder would write if every thread ran exactly on time."""

from __future__ import annotations

from typing import Any

import numpy as np


def split_document(
    compute_s: Any,
    send_s: Any,
    travel_s: Any,
    *,
    offsets_s: tuple[float, ...] | None = None,
    n_bytes: int = 1000,
    start_s: float = 50.0,
) -> dict[str, Any]:
    """Return the document of a run with these durations, each (n_stages, n_batches), by the recurrence of a tandem."""
    compute, send, travel = (np.asarray(values, dtype=float) for values in (compute_s, send_s, travel_s))
    n_stages, n_batches = compute.shape
    offsets = offsets_s or (0.0,) * n_stages
    arrived = np.full(n_batches, start_s)
    stages, links = [], []
    for k in range(n_stages):
        columns: dict[str, list[float]] = {name: [] for name in ("cs", "ce", "ss", "se")}
        free_s = sent_s = -np.inf
        for b in range(n_batches):
            begin = max(arrived[b], free_s)
            free_s = begin + compute[k, b]
            leave = max(free_s, sent_s)
            sent_s = leave + send[k, b]
            for name, value in zip(("cs", "ce", "ss", "se"), (begin, free_s, leave, sent_s), strict=True):
                columns[name].append(float(value) + offsets[k])
        received = [] if k == 0 else [float(t) + offsets[k] for t in arrived]
        offset = {"offset_s": offsets[k], "round_trip_s": 0.0}
        stages.append(
            {
                "rank": k,
                "parts": [f"block {k}"],
                "device": "board",
                "power_mode": "30W",
                "clock_offset": {"before": dict(offset), "after": dict(offset)},
                "isolated": [{"condition": "together", "samples_s": compute[k].tolist()}],
                "batches": {
                    "receive_start_s": list(received),
                    "receive_end_s": received,
                    "compute_start_s": columns["cs"],
                    "compute_end_s": columns["ce"],
                    "send_start_s": columns["ss"],
                    "send_end_s": columns["se"],
                    "sent_bytes": [n_bytes] * n_batches,
                },
            }
        )
        links.append(
            {
                "source": k,
                "target": (k + 1) % n_stages,
                "frame_bytes": n_bytes,
                "round_trip_s": [0.002],
                "send_s": [float(send[k].mean())],
                "acknowledged_s": [float(send[k].mean() + travel[k].mean()) + 0.001],
            }
        )
        arrived = np.maximum.accumulate(np.array(columns["se"]) - offsets[k] + travel[k])
    return {
        "format": "orbitsim-split-run",
        "version": 1,
        "model": {"name": "custom"},
        "precision": "fp32",
        "batch_size": 2,
        "n_batches": n_batches,
        "cuts": list(range(1, n_stages)),
        "rate_bps": None,
        "stages": stages,
        "links": links,
        "end_to_end": {"start_s": start_s, "delivered_s": arrived.tolist()},
    }


def constant_document(
    compute_s: tuple[float, ...], send_s: tuple[float, ...], travel_s: tuple[float, ...], n_batches: int, **changes: Any
) -> dict[str, Any]:
    """Return the document of a run in which every mini-batch takes the same times."""
    columns = (np.repeat(np.array(values)[:, None], n_batches, axis=1) for values in (compute_s, send_s, travel_s))
    return split_document(*columns, **changes)
