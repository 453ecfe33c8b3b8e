"""Findings in words: how much below or above, and how that compares with a published figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orbitsim.results.wording import seconds
from orbitsim.types.experiment import Agreement


def below(ours: float, other: float) -> str:
    """Return how much ours is below the other, or above it, in percent of the other."""
    share = 1.0 - ours / other
    return f"{100.0 * share:.1f} % below" if share >= 0.0 else f"{100.0 * (-share):.1f} % above"


def compared_all(delays: Mapping[str, float], others: Sequence[str], ours: str = "collaborative") -> str:
    """Return our delay, and how far it is from each of the others."""
    if ours not in delays:
        return f"{ours} infeasible"
    parts = [
        f"{below(delays[ours], delays[other])} {other} ({seconds(delays[other])})"
        if other in delays
        else f"{other} infeasible"
        for other in others
    ]
    return f"{seconds(delays[ours])}: {', '.join(parts)}"


def all_agree(*checks: bool) -> Agreement:
    """Return ``yes`` when all hold, ``no`` when none does, else ``partly``."""
    return "yes" if all(checks) else "partly" if any(checks) else "no"


def listed(pairs: Mapping[str, Any]) -> str:
    """Return names and texts as one line: ``"240p 12 s; 1080p 30 s"``."""
    return "; ".join(f"{name} {text}" for name, text in pairs.items())
