"""Computers that are known by a trace: `[device.NAME]` for a device of the shells or stations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orbitsim.scenario.base import Memory, Section, Text

Replay = Literal["mean", "bootstrap", "in-order"]


class TracedDevice(Section):
    """A computer whose times come from a trace, in the catalogue or not."""

    trace: Text
    """Trace of its times: a `.parquet` file, relative to the scenario's folder, or the name of a shipped trace. It is
    then the only source of them."""
    replay: Replay = "mean"
    """Time of a mini-batch: the mean of the recorded executions, one of them drawn at random with the run's seed, or
    one after the other in recorded order, over and over."""
    board: Text | None = None
    """Device in the trace; omitted: that of the catalogue, or the only one of the trace."""
    power_mode: Text | None = None
    """Power mode in the trace; omitted: that of the catalogue, or the only one of the board."""
    memory_bytes: Memory | None = None
    """Memory that computing can use; omitted: that of the catalogue. A shell's own `memory_bytes` comes first."""
    active_power_w: Annotated[float, Field(gt=0, le=1e9)] | None = None
    """Power while it computes, where the trace holds no energy; omitted: that of the catalogue, or not known."""
