"""A scenario that runs in well under a second: 12 satellites, two hours, ViT-B, four mini-batches a task."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from orbitsim.scenario import Scenario, validate_scenario

BASE: dict[str, Any] = {
    "name": "small",
    "clock": {"epoch_utc": "2026-04-06T00:00:00Z", "duration_s": 7200.0, "slot_s": 600.0, "step_s": 15.0},
    "shells": [
        {
            "name": "p",
            "kind": "walker-delta",
            "altitude_m": 500e3,
            "inclination_deg": 53.0,
            "n_satellites": 12,
            "raan_deg": 130.0,  # the plane passes over the station in turns of open and closed contact
            "devices": ["jetson-agx-orin-50w", "jetson-agx-orin-30w", "jetson-agx-orin-15w"],
            "memory_bytes": 8e9,
        }
    ],
    "stations": [
        {"name": "ground", "latitude_deg": -53.0, "longitude_deg": 180.0, "device": "rtx-4070-ti"},
    ],
    "targets": [{"name": "equator", "latitude_deg": 0.0, "longitude_deg": 0.0}],
    "links": {
        "isl": {"kind": "optical", "rate_bps": 0.5e9},
        "downlink": {"kind": "radio", "rate_bps": 0.2e9, "min_elevation_deg": 10.0},
    },
    "workload": {"model": "vit-b", "sensor": "p-00", "images_per_task": 20, "resolution": "480p"},
    "codec": {"table": "gumbel-8bit"},
    "planner": {"max_compute_nodes": 3},
    "run": {},
}


def small(changes: Mapping[str, Any] | None = None) -> Scenario:
    """Return the scenario with some dotted keys changed."""
    data = copy.deepcopy(BASE)
    for key, value in (changes or {}).items():
        place: Any = data
        *parents, last = key.split(".")
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
        if isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value
    return validate_scenario(data)
