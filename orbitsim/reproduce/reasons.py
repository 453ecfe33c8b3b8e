"""Reasons of a disagreement, read off the measured data: what sets the pace, and which assumption would turn it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orbitsim.reproduce.grid import forecast_delays
from orbitsim.types.experiment import Data

NO_SINGLE = (
    "ViT-G at the 12 GB of Table III does not fit the 8 GB of one satellite, so the paper's single-satellite scheme "
    "cannot "
    "run with it (rows 'memory of a satellite' show it at 64 GB)"
)


def pace(row: Mapping[str, Any], *schemes: str) -> str:
    """Say which stage sets the pace of each scheme at a point of the idealised twin, and its time for a mini-batch."""
    parts = []
    for scheme in schemes:
        item = row["closed"].get(scheme)
        if item is not None and item["delay_s"] is not None:
            parts.append(f"{scheme} by {item['slowest']} ({item['theta_s']:.3g} s a mini-batch)")
    return f"the pace is set, idealised, for {' and for '.join(parts)}" if parts else ""


def by_variation(data: Data, label: str, assumption: str, other: str = "ground-only") -> str:
    """Say what the gain at a point becomes for each value of an assumption: ``"ViT-B 35.7 % below, ..."``."""
    labels = [row["label"] for row in data["points"]]
    if label not in labels:
        return ""
    parts = []
    for variant in data["variants"]:
        if variant["assumption"] != assumption:
            continue
        delays = forecast_delays(variant["forecasts"][labels.index(label)])
        if {"collaborative", other} <= delays.keys():
            share = 1.0 - delays["collaborative"] / delays[other]
            parts.append(f"{variant['words']} {100.0 * abs(share):.1f} % {'below' if share >= 0 else 'above'}")
    return f"with another {assumption}: {', '.join(parts)}" if parts else ""


def joined(*sentences: str) -> str:
    """Join what is not empty."""
    return "; ".join(sentence for sentence in sentences if sentence)
