"""Who is the fastest: delays within a percent of each other count as a tie, never as a win."""

from __future__ import annotations

from collections.abc import Mapping

TIE = 1.01
"""Delays closer than this ratio are a tie: less than the calibrations behind them can tell apart."""


def fastest(delays: Mapping[str, float]) -> tuple[str, ...]:
    """Return the fastest scheme and all that take less than 1 % longer, the fastest first.

    Parameters
    ----------
    delays : mapping of str to float
        Delay of every scheme that runs. [s]
    """
    order = sorted(delays, key=lambda scheme: delays[scheme])
    return tuple(scheme for scheme in order if delays[scheme] < TIE * delays[order[0]] or scheme == order[0])


def outcome(delays: Mapping[str, float]) -> str:
    """Return in words who is the fastest: a scheme, a tie of some, a tie of all; empty where none runs."""
    tied = sorted(fastest(delays))
    if len(tied) < 2:
        return "".join(tied)
    return "all within 1 %" if len(tied) == len(delays) else f"{' and '.join(tied)} within 1 %"
