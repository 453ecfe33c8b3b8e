"""The planning problem as data: plain arrays, nodes in route order, hop k leaves node k."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from orbitsim.errors import InputError
from orbitsim.errors import Problem as Fault
from orbitsim.plan.delay import DELAY_MODELS

Array = NDArray[np.float64]

RULES = ("per-hop", "cumulative")
BITS_PER_BYTE = 8.0
TOLERANCE = 1e-12
"""Relative slack of memory and loss budgets: a sum of decimal fractions that should equal its bound does."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem:
    """A route, a model and a codec table: everything that a planner needs to know.

    All sizes and times are those of one mini-batch. With K nodes there are K hops (the last takes the result to where
    it is wanted) or K - 1 (the last node is where results are wanted, and sends nothing). Array-likes are converted to
    float arrays, and a scalar stands for the same value everywhere.

    Parameters
    ----------
    compute_s : array_like, (n_nodes, n_layers)
        Time of each layer on each node [s].
    activation_bytes : array_like, (n_layers,)
        Uncompressed bytes that leave each layer; the last entry is the result, which is never compressed [B].
    layer_memory_bytes : array_like, (n_layers,)
        Memory of each layer [B].
    memory_bytes : array_like, (n_nodes,)
        Memory of each node; ``inf`` for no bound [B].
    rate_bps : array_like, (n_nodes,) or (n_nodes - 1,)
        Rate of each hop [bit/s].
    input_bytes : float
        One mini-batch of raw tiles [B].
    n_batches : int
        Mini-batches in the task.
    input_rate_bps : float
        Rate of the way to node 0; ``inf`` where the sensor itself computes (T0 = 0) [bit/s].
    delay_s : array_like, (n_hops,)
        Propagation delay of each hop [s].
    codec_ratio : array_like, (n_ratios,)
        Bytes kept by the codec relative to fp32. The default knows no codec: 1 only.
    codec_accuracy : array_like, (n_ratios,)
        Accuracy at each ratio; nan where not known, which no floor above ``-inf`` allows.
    min_accuracy : float
        Floor of the rule ``"per-hop"`` (arXiv:2604.04654, Eq. 12).
    codec_loss : array_like, (n_ratios,)
        Loss of accuracy at each ratio, added over encoded hops; nan where not known.
    max_loss : float
        Budget of the rule ``"cumulative"``.
    rule : str
        ``"per-hop"`` or ``"cumulative"``: which of the two constraints holds.
    relay : bool
        Whether a node may take no layer.
    max_compute_nodes : int or None
        Bound on the number of nodes that take a layer.
    delay_model : str
        ``"exact"``, ``"paper"``, ``"sequential"`` or ``"serial"``; see `orbitsim.plan.delay`.
    memory_overhead_bytes : array_like, (n_nodes,)
        Memory taken once by a node that computes [B].
    encode_s_per_byte, decode_s_per_byte : array_like, (n_nodes,)
        Codec time per uncompressed byte, part of the computing time of the node that encodes or decodes. Every ratio of
        the table passes through the codec, 1 included [s/B].
    power_w : array_like, (n_nodes,)
        Power while computing; nan where not known [W].
    node_names : tuple of str
        Names for messages; default ``node 0``, ``node 1``, ...

    Raises
    ------
    InputError
        If shapes do not fit or values lie outside their range; names every faulty field.
    """

    compute_s: Array
    activation_bytes: Array
    layer_memory_bytes: Array
    memory_bytes: Array
    rate_bps: Array
    input_bytes: float
    n_batches: int
    input_rate_bps: float = np.inf
    delay_s: Array = field(default_factory=lambda: np.zeros(()))
    codec_ratio: Array = field(default_factory=lambda: np.ones(1))
    codec_accuracy: Array = field(default_factory=lambda: np.full((), np.nan))
    min_accuracy: float = -np.inf
    codec_loss: Array = field(default_factory=lambda: np.full((), np.nan))
    max_loss: float = np.inf
    rule: str = "per-hop"
    relay: bool = False
    max_compute_nodes: int | None = None
    delay_model: str = "exact"
    memory_overhead_bytes: Array = field(default_factory=lambda: np.zeros(()))
    encode_s_per_byte: Array = field(default_factory=lambda: np.zeros(()))
    decode_s_per_byte: Array = field(default_factory=lambda: np.zeros(()))
    power_w: Array = field(default_factory=lambda: np.full((), np.nan))
    node_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        faults: list[Fault] = []
        compute_s = np.array(self.compute_s, dtype=np.float64)
        if compute_s.ndim != 2 or 0 in compute_s.shape:
            raise InputError(Fault("compute_s", f"expected (n_nodes, n_layers), found shape {compute_s.shape}"))
        n_nodes, n_layers = compute_s.shape
        n_hops = n_nodes if np.ndim(self.rate_bps) == 0 else len(np.atleast_1d(self.rate_bps))
        if n_hops not in (n_nodes, n_nodes - 1):
            faults.append(Fault("rate_bps", f"expected {n_nodes} or {n_nodes - 1} hops, found {n_hops}"))
        n_ratios = np.size(self.codec_ratio)

        def take(
            name: str,
            shape: tuple[int, ...],
            *,
            low: float = 0.0,
            above: bool = False,
            high: float = np.inf,
            unknown: bool = False,
        ) -> None:
            values = np.array(getattr(self, name), dtype=np.float64)
            try:
                values = np.array(np.broadcast_to(values, shape))
            except ValueError:
                faults.append(Fault(name, f"expected shape {shape}, found {values.shape}"))
                return
            good = (values > low if above else values >= low) & (values <= high)
            good &= np.isfinite(values) if np.isfinite(high) else ~np.isnan(values)
            if not np.all(good | np.isnan(values) if unknown else good):
                faults.append(
                    Fault(
                        name,
                        f"expected values {'>' if above else '>='} {low:g} and not {high:g} or nan"
                        if not np.isfinite(high)
                        else f"expected values in {'(' if above else '['}{low:g}, {high:g}]",
                    )
                )
            values.setflags(write=False)
            object.__setattr__(self, name, values)

        largest = float(np.finfo(np.float64).max)
        take("compute_s", (n_nodes, n_layers), high=largest)
        take("activation_bytes", (n_layers,), high=largest)
        take("layer_memory_bytes", (n_layers,), high=largest)
        take("memory_bytes", (n_nodes,))
        take("rate_bps", (n_hops,), above=True)
        take("delay_s", (n_hops,), high=largest)
        take("codec_ratio", (n_ratios,), above=True, high=largest)
        take("codec_accuracy", (n_ratios,), low=-np.inf, unknown=True)
        take("codec_loss", (n_ratios,), unknown=True, high=largest)
        for name in ("memory_overhead_bytes", "encode_s_per_byte", "decode_s_per_byte"):
            take(name, (n_nodes,), high=largest)
        take("power_w", (n_nodes,), unknown=True, high=largest)
        faults += self._scalar_faults(n_nodes)
        if faults:
            raise InputError(faults)
        object.__setattr__(self, "node_names", tuple(self.node_names) or tuple(f"node {k}" for k in range(n_nodes)))

    def _scalar_faults(self, n_nodes: int) -> list[Fault]:
        checks: list[tuple[str, bool, str]] = [
            ("input_bytes", bool(0.0 <= self.input_bytes < np.inf), "expected a finite number of bytes >= 0"),
            (
                "input_rate_bps",
                bool(self.input_rate_bps > 0.0),
                "expected a rate > 0 (inf: the sensor itself computes)",
            ),
            ("n_batches", _is_count(self.n_batches), f"expected an integer from 1 to {MOST_BATCHES}"),
            ("min_accuracy", not np.isnan(self.min_accuracy), "expected a number"),
            ("max_loss", not np.isnan(self.max_loss), "expected a number"),
            ("rule", self.rule in RULES, f"expected one of {', '.join(RULES)}"),
            ("delay_model", self.delay_model in DELAY_MODELS, f"expected one of {', '.join(DELAY_MODELS)}"),
            (
                "max_compute_nodes",
                self.max_compute_nodes is None or self.max_compute_nodes >= 1,
                "expected null or an integer >= 1",
            ),
            ("node_names", len(self.node_names) in (0, n_nodes), f"expected {n_nodes} names"),
        ]
        found: list[Any] = [getattr(self, name) for name, _, _ in checks]
        return [
            Fault(name, f"{expected}, found {value}")
            for (name, good, expected), value in zip(checks, found, strict=True)
            if not good
        ]

    @property
    def n_nodes(self) -> int:
        """Nodes on the route."""
        return int(self.compute_s.shape[0])

    @property
    def n_layers(self) -> int:
        """Layers of the model."""
        return int(self.compute_s.shape[1])

    @property
    def n_hops(self) -> int:
        """Hops of the route: as many as nodes, or one fewer."""
        return int(self.rate_bps.shape[0])

    @property
    def input_s(self) -> float:
        """Transfer of one mini-batch of raw tiles to node 0 (T0) [s]."""
        return float(BITS_PER_BYTE * self.input_bytes / self.input_rate_bps)

    @property
    def allowed_ratio(self) -> NDArray[np.bool_]:
        """Which entries of the codec table may be used at all: the accuracy floor, or a loss within the budget."""
        if self.rule == "per-hop":
            return (
                self.codec_accuracy >= self.min_accuracy
                if np.isfinite(self.min_accuracy)
                else np.ones_like(self.codec_ratio, dtype=np.bool_)
            )
        return np.asarray(self.codec_loss <= loss_limit(self.max_loss))

    @property
    def most_compute_nodes(self) -> int:
        """Nodes that may take a layer at most."""
        return self.n_nodes if self.max_compute_nodes is None else min(self.max_compute_nodes, self.n_nodes)


MOST_BATCHES = 10**12
"""Mini-batches of a task: above this, totals lose the digits in which plans differ."""


def _is_count(n_batches: float) -> bool:
    return bool(1 <= n_batches <= MOST_BATCHES and int(n_batches) == n_batches)


def loss_limit(max_loss: float) -> float:
    """Return the budget of accumulated loss with its rounding slack."""
    return max_loss + TOLERANCE * max(abs(max_loss), 1.0)


def memory_limit(memory_bytes: ArrayLike) -> Array:
    """Return a node's memory with its rounding slack [B]."""
    return np.asarray(memory_bytes, dtype=np.float64) * (1.0 + TOLERANCE)
