"""What was measured of a model on a device: the trace table (schema version 1) and the frozen values read from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

Origin = Literal["measured", "published", "modelled"]
BlockKind = Literal["embedding", "block", "head", "forward"]

ORIGINS: tuple[Origin, ...] = get_args(Origin)  # in order of trust: the origin of a sum is the last that occurs in it
BLOCK_KINDS: tuple[BlockKind, ...] = get_args(BlockKind)
TRACE_SCHEMA_VERSION = 1

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TraceColumn:
    """One column of the trace table.

    Attributes
    ----------
    name : str
        Name of the column; ends in its unit.
    dtype : str
        ``string``, ``int32``, ``int64``, ``float64``, ``bool`` or ``list<float64>``.
    unit : str
        Unit of the values; ``-`` for none.
    nullable : bool
        Whether a value may be missing.
    meaning : str
        What a value says.
    """

    name: str
    dtype: str
    unit: str
    nullable: bool
    meaning: str


TRACE_COLUMNS: tuple[TraceColumn, ...] = (
    TraceColumn("device", "string", "-", False, "board or processor that was timed, without its power mode"),
    TraceColumn("power_mode", "string", "-", False, "power mode, thread count or clock setting (`15W`, `2-threads`)"),
    TraceColumn("model", "string", "-", False, "model, by its name in the catalogue where it has one"),
    TraceColumn("block_kind", "string", "-", False, "`embedding`, `block`, `head`; or `forward`: the whole model"),
    TraceColumn("block_index", "int32", "-", False, "0, 1, ... within its kind, in the order of execution"),
    TraceColumn("batch_size", "int32", "-", False, "samples (tiles, sequences) in the mini-batch that was timed"),
    TraceColumn("precision", "string", "-", False, "`fp32`, `tf32`, `fp16`, `bf16`, `int8`, or another such name"),
    TraceColumn("mean_s", "float64", "s", False, "mean time of one execution on the whole mini-batch"),
    TraceColumn("std_s", "float64", "s", True, "standard deviation of a single execution (n - 1 in the denominator)"),
    TraceColumn("min_s", "float64", "s", True, "shortest execution"),
    TraceColumn("p50_s", "float64", "s", True, "median"),
    TraceColumn("p95_s", "float64", "s", True, "95th percentile"),
    TraceColumn("n_samples", "int32", "-", True, "executions behind the statistics; missing where a source is silent"),
    TraceColumn("activation_bytes", "int64", "B", True, "tensor that leaves the block, of the whole mini-batch"),
    TraceColumn("weights_bytes", "int64", "B", True, "parameters of the block at this precision"),
    TraceColumn("peak_memory_bytes", "int64", "B", True, "highest memory in use while the block ran, weights included"),
    TraceColumn("energy_j", "float64", "J", True, "mean energy of one execution on the whole mini-batch"),
    TraceColumn("clock_hz", "float64", "Hz", True, "mean clock of the processor that did the work"),
    TraceColumn("temperature_k", "float64", "K", True, "mean temperature of that processor"),
    TraceColumn("throttled", "bool", "-", True, "whether the device reported that it lowered its clock"),
    TraceColumn("origin", "string", "-", False, "`measured` (here), `published` (by others), `modelled` (computed)"),
    TraceColumn("how_timed", "string", "-", False, "clock and synchronisation (`perf_counter`, `cuda-events`, ...)"),
    TraceColumn("confidence", "string", "-", True, "of published rows: `high`, `medium` or `low`"),
    TraceColumn("citation", "string", "-", True, "of published rows: where the figure stands"),
    TraceColumn("samples_s", "list<float64>", "s", True, "the single executions, in recorded order"),
)


@dataclass(frozen=True, slots=True)
class BlockTiming:
    """One row of a trace; the fields are the columns of `TRACE_COLUMNS`, where unit and meaning stand."""

    device: str
    power_mode: str
    model: str
    block_kind: BlockKind
    block_index: int
    batch_size: int
    precision: str
    mean_s: float
    origin: Origin
    how_timed: str
    std_s: float | None = None
    min_s: float | None = None
    p50_s: float | None = None
    p95_s: float | None = None
    n_samples: int | None = None
    activation_bytes: int | None = None
    weights_bytes: int | None = None
    peak_memory_bytes: int | None = None
    energy_j: float | None = None
    clock_hz: float | None = None
    temperature_k: float | None = None
    throttled: bool | None = None
    confidence: str | None = None
    citation: str | None = None
    samples_s: tuple[float, ...] | None = None

    @property
    def profile_key(self) -> tuple[str, str, str, int, str]:
        """Device, power mode, model, batch size and precision: what the rows of one profile share."""
        return (self.device, self.power_mode, self.model, self.batch_size, self.precision)


def weakest_origin(origins: tuple[Origin, ...]) -> Origin:
    """Return the origin of a sum: the least trustworthy of its terms (`ORIGINS` is in order of trust)."""
    return max(origins, key=ORIGINS.index)


@dataclass(frozen=True, slots=True)
class Profile:
    """Timings of one model on one device in one power mode, at one batch size and precision.

    Attributes
    ----------
    device, power_mode, model, precision : str
        What was timed, as in `TRACE_COLUMNS`.
    batch_size : int
        Samples in the mini-batch that was timed.
    embedding, head : BlockTiming or None
        What stands before the first and after the last block, where it was timed.
    blocks : tuple of BlockTiming
        The blocks 0 .. L-1, in order; empty when only the whole model was timed.
    forward : BlockTiming or None
        One run of the whole model: to be compared with the sum of the blocks, never added to it.
    source : str
        The trace that holds the rows.
    """

    device: str
    power_mode: str
    model: str
    batch_size: int
    precision: str
    embedding: BlockTiming | None
    blocks: tuple[BlockTiming, ...]
    head: BlockTiming | None
    forward: BlockTiming | None
    source: str = ""

    @property
    def n_layers(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @property
    def covers_model(self) -> bool:
        """Whether embedding, blocks and head were all timed, so that their sum is the time of the model."""
        return bool(self.embedding and self.blocks and self.head)

    @property
    def parts(self) -> tuple[BlockTiming, ...]:
        """The rows whose times add up to the model, in the order of execution: embedding, blocks and head."""
        return tuple(row for row in (self.embedding, *self.blocks, self.head) if row is not None)

    def _parts_of(self, layer: int) -> tuple[BlockTiming, ...]:
        """Rows of layer `layer`: the embedding belongs to the first layer, the head to the last."""
        first = (self.embedding,) if layer == 0 and self.embedding else ()
        last = (self.head,) if layer == self.n_layers - 1 and self.head else ()
        return (*first, self.blocks[layer], *last)

    def layer_s(self) -> FloatArray:
        """Return the mean time of each layer on one mini-batch, shape (L,), embedding and head folded in [s]."""
        return np.array([sum(row.mean_s for row in self._parts_of(i)) for i in range(self.n_layers)], dtype=np.float64)

    def layer_energy_j(self) -> FloatArray | None:
        """Return the energy of each layer on one mini-batch, shape (L,); None unless every row knows it [J]."""
        energies = [[row.energy_j for row in self._parts_of(i)] for i in range(self.n_layers)]
        if not energies or any(value is None for layer in energies for value in layer):
            return None
        return np.array([sum(value for value in layer if value is not None) for layer in energies], dtype=np.float64)

    def layer_origin(self) -> tuple[Origin, ...]:
        """Return the origin of each layer's time, length L: the weakest of the rows folded into it."""
        return tuple(weakest_origin(tuple(row.origin for row in self._parts_of(i))) for i in range(self.n_layers))
