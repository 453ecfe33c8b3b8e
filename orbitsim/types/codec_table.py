"""Codec tables: the bytes that a codec keeps, and the accuracy that this costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal

from orbitsim.errors import InputError, Problem

_DECIMALS = 12  # of a difference of accuracies: 0.98 - 0.97 is a loss of 0.01, not of a little more


@dataclass(frozen=True, slots=True)
class ByteSpread:
    """How the bytes of mini-batches scatter about their mean, setting by setting.

    Attributes
    ----------
    level : tuple of float
        Levels of the quantiles, ascending from 0 to 1. [1]
    quantile : tuple of tuple of float
        For each ratio of the table: bytes of a mini-batch over the mean bytes, at each level, ascending; straight in
        between. The mean is 1. [1]
    batch_size : int
        Images of the mini-batches that were measured.
    after_blocks : tuple of int
        Blocks before each cut that was measured.
    kept : tuple of tuple of float
        For each of these cuts: bytes kept at each ratio of the table, which is their mean. [1]
    """

    level: tuple[float, ...]
    quantile: tuple[tuple[float, ...], ...]
    batch_size: int
    after_blocks: tuple[int, ...] = ()
    kept: tuple[tuple[float, ...], ...] = ()

    @classmethod
    def of(
        cls,
        level: Sequence[float],
        quantile: Sequence[Sequence[float]],
        batch_size: int,
        after_blocks: Sequence[int] = (),
        kept: Sequence[Sequence[float]] = (),
    ) -> ByteSpread:
        """Return the spread of rows of quantiles, each divided by its mean."""
        levels = tuple(map(float, level))
        rows = []
        for row in quantile:
            mean = quantile_mean(levels, row)
            rows.append(tuple(float(q) / mean for q in row))
        columns = tuple(tuple(map(float, column)) for column in kept)
        return cls(levels, tuple(rows), int(batch_size), tuple(after_blocks), columns)

    def factor(self, setting: int, level: Sequence[float]) -> list[float]:
        """Return bytes over their mean at levels, for a setting by its place in the table [1]."""
        import numpy as np

        found: list[float] = np.interp(level, self.level, self.quantile[setting]).tolist()
        return found


def quantile_mean(level: Sequence[float], quantile: Sequence[float]) -> float:
    """Return the mean of a distribution whose quantiles are straight between levels."""
    steps = pairwise(zip(level, quantile, strict=True))
    return math.fsum((b - a) * (low + high) / 2.0 for (a, low), (b, high) in steps)


@dataclass(frozen=True, slots=True)
class LossCurve:
    """What a codec costs where certain cuts are compressed, each at the ratio, and the others are not.

    Attributes
    ----------
    after_blocks : tuple of int
        Blocks before each compressed cut.
    loss, loss_low, loss_high : tuple of float
        Accuracy lost at each ratio of the table, and its confidence band; over several cuts the cumulative loss. [1]
    feature_error : tuple of float
        Squared error over variance of the model's final features at each ratio. [1]
    """

    after_blocks: tuple[int, ...]
    loss: tuple[float, ...]
    loss_low: tuple[float, ...]
    loss_high: tuple[float, ...]
    feature_error: tuple[float, ...]


Rule = Literal["per-hop", "cumulative"]
"""Of the planner: whether the loss is bounded on each compressed hop or over all of them together."""


@dataclass(frozen=True, slots=True)
class CodecTable:
    """A calibration of a codec: what each setting keeps and loses.

    Attributes
    ----------
    name : str
        Name of the table; ``inline`` when it stands in a scenario.
    ratio : tuple of float
        Bytes kept by each setting, relative to the uncompressed fp32 activation, ascending, in (0, 1]. [1]
    accuracy : tuple of float
        Accuracy of the model under each setting, on one compressed hop; relative to the uncompressed model's where a
        source gives only losses. [1]
    loss : tuple of float
        Accuracy lost under each setting against `baseline_accuracy`, at least 0. [1]
    baseline_accuracy : float
        Accuracy without compression; 1 where a source gives only losses. [1]
    origin : str
        How the numbers came about, and on what.
    source : str
        Where the numbers stand.
    notes : str
        What whoever uses it should know.
    loss_high : tuple of float or None
        Upper end of the confidence band of `loss`. [1]
    cuts : tuple of LossCurve
        The same by cut, where it was measured.
    together : LossCurve or None
        The same at all cuts at once.
    spread : ByteSpread or None
        How the bytes of mini-batches scatter.
    provenance : mapping
        Model, data, codec, seeds, versions, command, hashes, as the file states them.
    """

    name: str
    ratio: tuple[float, ...]
    accuracy: tuple[float, ...]
    loss: tuple[float, ...]
    baseline_accuracy: float = 1.0
    origin: str = "given by the user"
    source: str = ""
    notes: str = ""
    loss_high: tuple[float, ...] | None = None
    cuts: tuple[LossCurve, ...] = ()
    together: LossCurve | None = None
    spread: ByteSpread | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        problems = _problems(self.ratio, "accuracy", self.accuracy) + _problems(self.ratio, "loss", self.loss)
        if problems:
            raise InputError(dict.fromkeys(problems)).located(f"codec table {self.name}")

    @classmethod
    def from_loss(
        cls, name: str, ratio: Sequence[float], loss: Sequence[float], *, origin: str = "", source: str = ""
    ) -> CodecTable:
        """Return the table of ratios and losses of accuracy (in points of 1), in any order of ratio."""
        problems = _problems(ratio, "loss", loss)
        if problems:
            raise InputError(problems).located(f"codec table {name}")
        pairs = sorted(zip(map(float, ratio), map(float, loss), strict=True))
        return cls(
            name,
            tuple(r for r, _ in pairs),
            tuple(round(1.0 - lost, _DECIMALS) for _, lost in pairs),
            tuple(lost for _, lost in pairs),
            1.0,
            origin or "given by the user",
            source,
        )

    @classmethod
    def from_accuracy(
        cls, name: str, ratio: Sequence[float], accuracy: Sequence[float], *, origin: str = "", source: str = ""
    ) -> CodecTable:
        """Return the table of ratios and accuracies, in any order of ratio; losses count from the best accuracy."""
        problems = _problems(ratio, "accuracy", accuracy)
        if problems:
            raise InputError(problems).located(f"codec table {name}")
        pairs = sorted(zip(map(float, ratio), map(float, accuracy), strict=True))
        best = max(reached for _, reached in pairs)
        return cls(
            name,
            tuple(r for r, _ in pairs),
            tuple(reached for _, reached in pairs),
            tuple(round(best - reached, _DECIMALS) for _, reached in pairs),
            best,
            origin or "given by the user",
            source,
        )

    @classmethod
    def measured(
        cls,
        name: str,
        ratio: Sequence[float],
        accuracy: Sequence[float],
        baseline_accuracy: float,
        *,
        origin: str,
        source: str,
    ) -> CodecTable:
        """Return the table of a measured curve, whose baseline is known apart from it."""
        table = cls.from_accuracy(name, ratio, accuracy, origin=origin, source=source)
        loss = tuple(max(0.0, round(baseline_accuracy - reached, _DECIMALS)) for reached in table.accuracy)
        return replace(table, loss=loss, baseline_accuracy=float(baseline_accuracy))

    def min_accuracy(self, max_loss: float) -> float:
        """Return the accuracy floor that a largest loss of accuracy means for this table [1]."""
        return round(self.baseline_accuracy - max_loss, _DECIMALS)

    def hop_loss(self, rule: Rule, max_loss: float) -> tuple[float, ...]:
        """Return what a compressed hop counts for under a rule of the planner, for each ratio [1].

        Under ``cumulative`` the losses of hops add up to the budget. Where n cuts were measured at once but none alone,
        a hop counts for the n-th part of what they lost together; a ratio at which they lost more than the budget
        counts in full, so that no hop has it: what single cuts lose is known only to be no more than that. With up to
        n hops the budget is then kept however unequal the cuts are, with more of them as far as losses add up. Where
        cuts were measured alone as well, a hop counts for no less than the worst of them.

        Parameters
        ----------
        rule : {"per-hop", "cumulative"}
            Of the scenario.
        max_loss : float
            Its budget. [1]
        """
        if rule == "per-hop" or self.together is None:
            return self.loss
        share = self._shares()
        if self.cuts:
            return tuple(max(each) for each in zip(share, self.loss, strict=True))
        return tuple(
            part if whole <= max_loss else whole for part, whole in zip(share, self.together.loss, strict=True)
        )

    def plan_loss(self, ratios: Sequence[float]) -> float:
        """Return what compressed hops of these ratios lose at most, as far as the table tells [1].

        Losses are added. Where cuts were measured at once, as many hops as that lose no more than all of them at the
        smallest ratio; more hops lose their shares. Not a number for a ratio that the table does not have.
        """
        try:
            settings = [self._setting(ratio) for ratio in ratios]
        except LookupError:
            return math.nan
        added = sum(self.loss[i] for i in settings)
        if self.together is None or not settings:
            return added
        share = self._shares()
        whole = max(self.together.loss[i] for i in settings)
        return min(added, max(whole, sum(share[i] for i in settings)))

    def allowed(self, max_loss: float, rule: Rule = "per-hop") -> tuple[float, ...]:
        """Return the ratios that one compressed hop may have (the paper's Eq. 12), ascending [1]."""
        loss = self.hop_loss(rule, max_loss)
        return tuple(r for r, lost in zip(self.ratio, loss, strict=True) if lost <= max_loss)

    def _shares(self) -> tuple[float, ...]:
        """Return what all cuts lost together, for each ratio, spread over them evenly [1]."""
        assert self.together is not None  # noqa: S101 - asked by the callers
        return tuple(lost / len(self.together.after_blocks) for lost in self.together.loss)

    def _setting(self, ratio: float) -> int:
        for i, known in enumerate(self.ratio):
            if math.isclose(known, ratio, rel_tol=1e-9):
                return i
        raise LookupError(ratio)


def _problems(ratio: Sequence[float], key: str, values: Sequence[float]) -> list[Problem]:
    """Return the faults of a list of ratios and the list beside it."""
    if not ratio:
        return [Problem("ratio", "expected at least one ratio, got an empty list")]
    problems = [
        Problem(f"ratio.{i}", f"expected a number above 0 and at most 1, got {r!r}")
        for i, r in enumerate(ratio)
        if not _is_number(r) or not 0 < r <= 1
    ]
    problems += [
        Problem(f"ratio.{i}", f"expected each ratio once, got {r!r} again")
        for i, r in enumerate(ratio)
        if r in ratio[:i]
    ]
    if len(ratio) != len(values):
        problems.append(Problem(key, f"expected as many entries as ratio ({len(ratio)}), got {len(values)}"))
    problems += [
        Problem(f"{key}.{i}", f"expected a number from 0 to 1, got {v!r}")
        for i, v in enumerate(values)
        if not _is_number(v) or not 0 <= v <= 1
    ]
    return problems


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


IDENTITY = CodecTable.from_loss("identity", [1.0], [0.0], origin="by definition", source="activations sent as they are")
