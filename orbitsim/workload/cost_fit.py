"""What the profiles of a device say together: one fitted time model for embeddings, blocks and heads, and its errors.

The three kinds of parts are fitted apart: an embedding is a convolution or a lookup, a head works on one token, and
neither reaches the rate of a block. Parts of other models and other batch sizes then follow from their FLOP and bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from orbitsim.catalog import BYTES_PER_VALUE
from orbitsim.types.profile import BlockKind, BlockTiming, Profile
from orbitsim.workload.fit import TimeModel, fit_time_model
from orbitsim.workload.models import ModelGraph

FloatArray = npt.NDArray[np.float64]

PART_KINDS: tuple[BlockKind, ...] = ("embedding", "block", "head")
# How far beyond the FLOP of the fitted rows the models are believed: a block of ViT-G takes 3.9 times those of ViT-L's.
EXTRAPOLATION = 4.0
# A part with less than this share of a block's FLOP shows what a launch costs.
_IDLE_SHARE = 0.01


@dataclass(frozen=True, eq=False, slots=True)
class PartWork:
    """FLOP and bytes of equal or similar parts of a model on one mini-batch, each of shape (n,).

    Attributes
    ----------
    flop : ndarray
        Of matrix products. [FLOP]
    moved_bytes : ndarray
        Weights read once, and the tensors that come and go, which grow with the batch. [B]
    """

    flop: FloatArray
    moved_bytes: FloatArray


def part_work(graph: ModelGraph, precision: str, batch_size: int) -> Mapping[BlockKind, PartWork]:
    """Return FLOP and bytes of embedding, blocks and head on one mini-batch.

    Parameters
    ----------
    graph : ModelGraph
        The model's layers.
    precision : str
        A precision of the catalogue; sets the bytes of a value.
    batch_size : int
        Samples in the mini-batch.

    Notes
    -----
    Bytes of a block: its weights once, and twice its workspace for each sample (every tensor is written and read).
    Bytes of embedding and head: their weights once, and twice the tokens of each sample.
    """
    value_bytes = BYTES_PER_VALUE[precision]
    block_flop, block_parameters = graph.flop.copy(), graph.n_parameters.copy()
    block_flop[0] -= graph.embedding_flop
    block_flop[-1] -= graph.head_flop
    block_parameters[0] -= graph.embedding_parameters
    block_parameters[-1] -= graph.head_parameters
    tokens = 2.0 * graph.n_tokens * graph.width

    def work(flop: FloatArray | float, parameters: FloatArray | float, values: float) -> PartWork:
        n_values = np.atleast_1d(parameters) + batch_size * values
        return PartWork(batch_size * np.atleast_1d(flop).astype(np.float64), value_bytes * n_values)

    return {
        "embedding": work(graph.embedding_flop, graph.embedding_parameters, tokens),
        "block": work(block_flop, block_parameters, 2.0 * graph.workspace_values),
        "head": work(graph.head_flop, graph.head_parameters, tokens),
    }


@dataclass(frozen=True, eq=False, slots=True)
class DeviceFit:
    """Fitted time models of one device in one power mode at one precision.

    Attributes
    ----------
    device, power_mode, precision : str
        What they are of.
    embedding, block, head : TimeModel
        One for each kind of part.
    profiles : tuple of Profile
        What they were fitted on.
    row_error : mapping of str to ndarray, shape (n,)
        Fitted over timed, less 1, of each row of the profiles, by kind of part.
    model_error : mapping of (str, int) to float
        Fitted over timed, less 1, of the sum of all parts, by model and batch size.
    batch_sizes : tuple of int
        Smallest and largest batch size fitted.
    flop_range : mapping of str to (float, float)
        Smallest and largest FLOP of a part on a mini-batch, by kind. [FLOP]
    power_w : float or None
        Energy over time of all rows; None unless every row knows its energy. [W]
    """

    device: str
    power_mode: str
    precision: str
    embedding: TimeModel
    block: TimeModel
    head: TimeModel
    profiles: tuple[Profile, ...]
    row_error: Mapping[BlockKind, FloatArray]
    model_error: Mapping[tuple[str, int], float]
    batch_sizes: tuple[int, int]
    flop_range: Mapping[BlockKind, tuple[float, float]]
    power_w: float | None

    @property
    def median_error(self) -> float:
        """Median of the rows' relative errors, without sign."""
        return float(np.median(np.abs(self.all_errors())))

    @property
    def max_error(self) -> float:
        """Largest of the rows' relative errors, without sign."""
        return float(np.max(np.abs(self.all_errors())))

    def all_errors(self) -> FloatArray:
        """Return the relative errors of all rows, shape (n,)."""
        return np.concatenate(list(self.row_error.values()))

    def time_models(self) -> Mapping[BlockKind, TimeModel]:
        """Return the time models by kind of part."""
        return {"embedding": self.embedding, "block": self.block, "head": self.head}

    def part_s(self, graph: ModelGraph, batch_size: int) -> Mapping[BlockKind, FloatArray]:
        """Return the time of embedding, blocks and head on one mini-batch, by kind [s]."""
        work = part_work(graph, self.precision, batch_size)
        return {kind: model.seconds(work[kind].flop, work[kind].moved_bytes) for kind, model in self._by_kind(graph)}

    def layer_s(self, graph: ModelGraph, batch_size: int) -> FloatArray:
        """Return the time of each layer on one mini-batch, shape (L,), embedding and head folded in [s]."""
        parts = self.part_s(graph, batch_size)
        seconds = parts["block"].copy()
        seconds[0] += parts["embedding"].sum()
        seconds[-1] += parts["head"].sum()
        return seconds

    def covers(self, graph: ModelGraph, batch_size: int) -> bool:
        """Return whether a model at a batch size lies in the domain in which the fit is believed.

        Notes
        -----
        The batch size within those that were fitted; the FLOP of every part within `EXTRAPOLATION` of the fitted
        ones of its kind. A batch size beyond them is not: from one sample to many, a processor fills up, and how far
        cannot be seen from one side.
        """
        low, high = self.batch_sizes
        if not low <= batch_size <= high:
            return False
        work = part_work(graph, self.precision, batch_size)
        return all(
            bool(np.all(work[kind].flop >= least / EXTRAPOLATION) and np.all(work[kind].flop <= most * EXTRAPOLATION))
            for kind, (least, most) in self.flop_range.items()
        )

    def scaled(self, *, rate: float, bandwidth: float, overhead: float = 1.0) -> DeviceFit:
        """Return the fit for hardware with other limits, relative to those of this one; errors are kept as they are."""
        return replace(
            self,
            embedding=self.embedding.scaled(rate=rate, bandwidth=bandwidth, overhead=overhead),
            block=self.block.scaled(rate=rate, bandwidth=bandwidth, overhead=overhead),
            head=self.head.scaled(rate=rate, bandwidth=bandwidth, overhead=overhead),
        )

    def basis(self) -> str:
        """Return in words what was fitted on what, and how well."""
        traces = ", ".join(sorted({profile.source or "a trace" for profile in self.profiles}))
        models = ", ".join(sorted({profile.model for profile in self.profiles}))
        low, high = self.batch_sizes
        batches = f"batch {low}" if low == high else f"batch {low} to {high}"
        return (
            f"fitted on {len(self.all_errors())} rows of {models}, {batches}, in {traces}"
            f" (median error {self.median_error:.1%}, at most {self.max_error:.1%})"
        )

    def _by_kind(self, graph: ModelGraph) -> list[tuple[BlockKind, TimeModel]]:
        """Time models of the parts that a graph has: one without an embedding of its own has it in the first block."""
        has_embedding = graph.embedding_parameters > 0 or graph.embedding_flop > 0
        has_head = graph.head_parameters > 0 or graph.head_flop > 0
        found = {"embedding": has_embedding, "block": True, "head": has_head}
        return [(kind, model) for kind, model in self.time_models().items() if found[kind]]


def fit_device(
    profiles: Iterable[Profile],
    graphs: Mapping[str, ModelGraph],
    device: str,
    power_mode: str,
    precision: str,
    peak_flop_s: float = math.inf,
) -> DeviceFit | None:
    """Fit the time models of a device to its profiles.

    Parameters
    ----------
    profiles : iterable of Profile
        Those of another device, power mode or precision, of models that are not in `graphs`, and those that do not
        cover their model from embedding to head, are passed over.
    graphs : mapping of str to ModelGraph
        Layers of the models, by name.
    device, power_mode, precision : str
        As in the profiles.
    peak_flop_s : float
        Rate that the hardware cannot exceed at this precision. [FLOP/s]

    Returns
    -------
    DeviceFit or None
        None where nothing is left to fit.

    Notes
    -----
    Every profile has the same weight, whatever its number of blocks. Where all blocks are of one amount of work, their
    overhead cannot be told from their rate. It is then taken from the head, if that has so few FLOP that its time is
    that of its launches: a lower bound of what a block's launches cost.
    """
    chosen = tuple(
        profile
        for profile in profiles
        if (profile.device, profile.power_mode, profile.precision) == (device, power_mode, precision)
        and profile.covers_model
        and profile.model in graphs
        and profile.n_layers == graphs[profile.model].n_layers
    )
    if not chosen or precision not in BYTES_PER_VALUE:
        return None
    rows = {kind: _rows_of(kind, chosen, graphs, precision) for kind in PART_KINDS}
    models = {kind: rows[kind].fit(peak_flop_s) for kind in PART_KINDS}
    if models["block"].n_points == 1 and (idle_s := _launch_s(rows["head"], rows["block"])) is not None:
        single = [kind for kind in PART_KINDS if models[kind].n_points == 1]
        models |= {kind: rows[kind].fit(peak_flop_s, idle_s) for kind in single}
    fitted = {kind: models[kind].seconds(rows[kind].flop, rows[kind].moved_bytes) for kind in PART_KINDS}
    errors = {kind: fitted[kind] / rows[kind].seconds - 1.0 for kind in PART_KINDS}
    energy_rows = [row for profile in chosen for row in profile.parts]
    return DeviceFit(
        device=device,
        power_mode=power_mode,
        precision=precision,
        embedding=models["embedding"],
        block=models["block"],
        head=models["head"],
        profiles=chosen,
        row_error=errors,
        model_error=_model_errors(chosen, rows, fitted),
        batch_sizes=(min(p.batch_size for p in chosen), max(p.batch_size for p in chosen)),
        flop_range={kind: (float(rows[kind].flop.min()), float(rows[kind].flop.max())) for kind in PART_KINDS},
        power_w=_mean_power_w(energy_rows),
    )


@dataclass(frozen=True, eq=False, slots=True)
class _KindRows:
    """Rows of one kind of part, each of shape (n,); `profile` is the number of the profile each belongs to."""

    flop: FloatArray
    moved_bytes: FloatArray
    seconds: FloatArray
    weight: FloatArray
    profile: npt.NDArray[np.intp]

    def fit(self, peak_flop_s: float, overhead_s: float | None = None) -> TimeModel:
        return fit_time_model(
            self.flop,
            self.moved_bytes,
            self.seconds,
            weight=self.weight,
            overhead_s=overhead_s,
            peak_flop_s=peak_flop_s,
        )


def _rows_of(
    kind: BlockKind, profiles: Sequence[Profile], graphs: Mapping[str, ModelGraph], precision: str
) -> _KindRows:
    works = [part_work(graphs[profile.model], precision, profile.batch_size)[kind] for profile in profiles]
    seconds = [np.array([row.mean_s for row in profile.parts if row.block_kind == kind]) for profile in profiles]
    return _KindRows(
        flop=np.concatenate([work.flop for work in works]),
        moved_bytes=np.concatenate([work.moved_bytes for work in works]),
        seconds=np.concatenate(seconds),
        weight=np.concatenate([np.full(len(values), 1.0 / len(values)) for values in seconds]),
        profile=np.repeat(np.arange(len(profiles)), [len(values) for values in seconds]),
    )


def _launch_s(head: _KindRows, block: _KindRows) -> float | None:
    """Return the shortest time of a part whose FLOP do not count, or None."""
    idle = head.flop <= _IDLE_SHARE * block.flop.min()
    return float(head.seconds[idle].min()) if idle.any() else None


def _model_errors(
    profiles: Sequence[Profile], rows: Mapping[BlockKind, _KindRows], fitted: Mapping[BlockKind, FloatArray]
) -> Mapping[tuple[str, int], float]:
    errors: dict[tuple[str, int], float] = {}
    for number, profile in enumerate(profiles):
        fitted_s = sum(float(fitted[kind][rows[kind].profile == number].sum()) for kind in rows)
        timed_s = sum(float(rows[kind].seconds[rows[kind].profile == number].sum()) for kind in rows)
        errors[profile.model, profile.batch_size] = fitted_s / timed_s - 1.0
    return errors


def _mean_power_w(rows: Sequence[BlockTiming]) -> float | None:
    if any(row.energy_j is None for row in rows):
        return None
    energy_j = sum(row.energy_j for row in rows if row.energy_j is not None)
    return energy_j / sum(row.mean_s for row in rows)
