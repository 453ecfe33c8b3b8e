"""From a recording to the rows of a trace: parts added up by block, what cannot be told apart said or spread."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from orbitsim.catalog import ModelEntry
from orbitsim.errors import InputError
from orbitsim.types.profile import BlockTiming, Origin
from orbitsim.workload.importers.attribution import spread, target_flop
from orbitsim.workload.importers.base import MEAN_POWER, Recording, Timing
from orbitsim.workload.importers.facts import ProfileKey
from orbitsim.workload.importers.mapping import BlockMap, Target, all_targets, chosen_rules, map_parts, spanning_problem
from orbitsim.workload.importers.rules import BUILT_IN_RULES, RuleSet
from orbitsim.workload.importers.telemetry_join import Conditions, Joined


@dataclass(frozen=True, slots=True)
class Marks:
    """What every row of an import carries besides its figures; fields as in `BlockTiming`."""

    origin: Origin = "measured"
    citation: str | None = None
    confidence: str | None = None


@dataclass(frozen=True, slots=True)
class RowsOf:
    """Rows of one profile.

    Attributes
    ----------
    rows : tuple of BlockTiming
        Embedding, blocks, head and forward, as far as they are known.
    notes : tuple of str
        What was decided about them, for people.
    blocks : BlockMap or None
        Where each part went; None when blocks were not told apart.
    """

    rows: tuple[BlockTiming, ...]
    notes: tuple[str, ...] = ()
    blocks: BlockMap | None = field(default=None, repr=False)


def profile_rows(
    key: ProfileKey,
    recording: Recording,
    *,
    rules: RuleSet | None = None,
    entry: ModelEntry | None = None,
    by_flop: bool = False,
    partial: bool = False,
    marks: Marks | None = None,
    joined: Joined | None = None,
    busy: Conditions | None = None,
) -> RowsOf:
    """Return the rows of one profile.

    Parameters
    ----------
    key : tuple
        Device, power mode, model, batch size and precision.
    recording : Recording
        What was timed.
    rules : RuleSet, optional
        The user's rules; default: the first of the built-in sets that finds blocks.
    entry : ModelEntry, optional
        The model in the catalogue: its number of blocks is checked, and time is spread by its FLOP.
    by_flop : bool
        Whether to spread by FLOP what cannot be told apart.
    partial : bool
        Whether to keep parts that are known to leave something out, or to count something twice.
    marks : Marks, optional
        Origin and citation.
    joined : Joined, optional
        A monitor's log, joined by time.
    busy : Conditions, optional
        Mean conditions of a monitor's log, for every part alike.

    Returns
    -------
    RowsOf
        Rows, in the order of execution; the whole model last.

    Raises
    ------
    InputError
        When parts span blocks and are not to be spread, or the blocks are not those of the model.
    """
    parts, forward = recording.parts, recording.forward
    table = _Table(key, recording.how_timed, marks or Marks(), busy)
    names = [part.name for part in parts]
    found = rules if rules is not None and parts else chosen_rules(names, BUILT_IN_RULES)
    if found is None or not (recording.parts_are_complete or partial):
        return _whole(table, recording, joined, entry, by_flop)

    blocks = map_parts(names, found)
    if entry is not None and blocks.n_blocks != entry.architecture.n_blocks:
        raise InputError(
            f"expected the {entry.architecture.n_blocks} blocks of {entry.name}, found {blocks.n_blocks} in the names"
            f" (rules '{blocks.rules}')"
        )
    seconds = [part.mean_s for part in parts]
    if blocks.spanning() and not by_flop:
        raise InputError(spanning_problem(names, seconds, blocks))
    rows, notes = _block_rows(table, recording, joined, blocks, entry)
    if forward is not None:
        rows.append(table.row(("forward", 0), [forward], [joined.forward] if joined else None))
    return RowsOf(tuple(rows), (*notes, *_unused(parts, blocks)), blocks)


def _block_rows(
    table: _Table, recording: Recording, joined: Joined | None, blocks: BlockMap, entry: ModelEntry | None
) -> tuple[list[BlockTiming], list[str]]:
    """Return a row for each target: its own parts, and its share of those that span several."""
    parts = recording.parts
    drawn = joined.parts if joined else (None,) * len(parts)
    flop = target_flop(entry) if entry is not None and blocks.spanning() else {}
    flop = {(kind, i): value / blocks.per_block if kind == "block" else value for (kind, i), value in flop.items()}
    if blocks.spanning() and entry is None:
        raise InputError(
            "expected a model of the catalogue to spread fused parts by FLOP; add it with --catalog, or place the parts"
            " with --rules"
        )
    shares: dict[Target, list[tuple[float, float | None]]] = {target: [] for target in blocks.order()}
    for number in blocks.spanning():
        owners, part = blocks.targets[number], parts[number]
        energy = _energy(part, drawn[number], table.busy)
        for target, share_s in spread(part.mean_s, owners, flop).items():
            of_part = share_s / part.mean_s if part.mean_s > 0 else 0.0
            shares[target].append((share_s, None if energy is None else energy * of_part))
    own: dict[Target, list[int]] = {target: [] for target in blocks.order()}
    for number, owners in enumerate(blocks.targets):
        if len(owners) == 1:
            own[owners[0]].append(number)
    rows, notes = [], []
    for target in blocks.order():
        timings = [parts[number] for number in own[target]]
        conditions = [drawn[number] for number in own[target]] if joined else None
        if math.fsum([*(t.mean_s for t in timings), *(share for share, _ in shares[target])]) <= 0:
            if target[0] == "block":
                raise InputError(f"expected a time above 0 for block {target[1]}, found none in its parts")
            notes.append(f"{target[0]} took no time and has no row")
            continue
        rows.append(table.row(target, timings, conditions, shares[target]))
    if blocks.spanning():
        share = math.fsum(parts[number].mean_s for number in blocks.spanning())
        total = math.fsum(part.mean_s for part in parts)
        notes.append(f"{len(blocks.spanning())} fused parts ({share / total:.1%} of the time) were spread by FLOP")
    return rows, notes


def _whole(
    table: _Table,
    recording: Recording,
    joined: Joined | None,
    entry: ModelEntry | None,
    by_flop: bool,
) -> RowsOf:
    """Return the one row that a recording without blocks supports, and on request its time spread by FLOP."""
    parts, forward = recording.parts, recording.forward
    if forward is not None:
        row = table.row(("forward", 0), [forward], [joined.forward] if joined else None)
    elif recording.parts_are_complete:
        row = table.row(
            ("forward", 0), list(parts), joined.parts if joined else None, note=f"sum of {len(parts)} parts"
        )
    else:
        raise InputError(
            f"expected parts that add up to the whole; {_fault_of_parts(recording)}. Where names or --rules tell their"
            " blocks, --partial takes them as they are"
        )
    what = "only the whole model was timed" if not parts else "the names of the parts do not tell blocks apart"
    if parts and not recording.parts_are_complete:
        what = _fault_of_parts(recording)
    if not by_flop:
        advice = "spread its time with --attribute flop" + (", or map the parts with --rules" if parts else "")
        return RowsOf((row,), (f"{what}: one row, the whole model, which no plan can split; {advice}",))
    if entry is None:
        raise InputError("expected a model of the catalogue to spread its time by FLOP; add it with --catalog")
    flop = target_flop(entry)
    targets = all_targets(entry.architecture.n_blocks)
    rows = tuple(
        table.row(target, [], None, [(share_s, None if row.energy_j is None else row.energy_j * share_s / row.mean_s)])
        for target, share_s in spread(row.mean_s, targets, flop).items()
    )
    return RowsOf((*rows, row), (f"{what}: its time was spread over {len(rows)} rows by FLOP, marked modelled",))


def _fault_of_parts(recording: Recording) -> str:
    said = "the parts leave something out or count something twice"
    share = recording.covered_share
    return said if share is None else f"{said} (they cover {share:.1%} of the time of their iterations)"


def _unused(parts: Sequence[Timing], blocks: BlockMap) -> list[str]:
    skipped = [parts[number] for number in blocks.skipped()]
    if not skipped:
        return []
    return [f"{len(skipped)} parts ({math.fsum(part.mean_s for part in skipped):.6g} s) were left out by rule"]


def _energy(timing: Timing, drawn: Conditions | None, busy: Conditions | None) -> float | None:
    """Return the energy of one execution: the file's own, that of the log, or mean power times time [J]."""
    if timing.energy_j is not None:
        return timing.energy_j
    if timing.mean_s <= 0:
        return 0.0
    if drawn is not None:
        return drawn.energy_j
    return busy.power_w * timing.mean_s if busy is not None else None


class _Table:
    """Makes the rows of one profile."""

    def __init__(self, key: ProfileKey, how_timed: str, marks: Marks, busy: Conditions | None) -> None:
        self.key, self.how_timed, self.marks, self.busy = key, how_timed, marks, busy

    def row(
        self,
        target: Target,
        timings: Sequence[Timing],
        drawn: Sequence[Conditions | None] | None = None,
        shares: Sequence[tuple[float, float | None]] = (),
        note: str = "",
    ) -> BlockTiming:
        """Return the row of one target: executions of its timings one after another, and shares of fused parts."""
        device, power_mode, model, batch_size, precision = self.key
        kind, index = target
        how = self.how_timed
        if shares:
            how += "; fused parts shared by FLOP" if timings else "; share of the whole by FLOP"
        elif note:
            how += f"; {note}"
        drawn = drawn or [None] * len(timings)
        if self.busy is not None and (shares or any(timing.energy_j is None for timing in timings)):
            how += f"; {MEAN_POWER}"
        energies = [_energy(timing, found, self.busy) for timing, found in zip(timings, drawn, strict=True)]
        energies += [energy for _, energy in shares]
        known = [energy for energy in energies if energy is not None]
        own_s = math.fsum(timing.mean_s for timing in timings)
        figures = dict(statistics(timings)) if not shares else {}
        return BlockTiming(
            device=device,
            power_mode=power_mode,
            model=model,
            block_kind=kind,
            block_index=index,
            batch_size=batch_size,
            precision=precision,
            mean_s=figures.pop("mean_s", own_s + math.fsum(share for share, _ in shares)),
            origin="modelled" if shares else self.marks.origin,
            how_timed=how,
            energy_j=math.fsum(known) if known and len(known) == len(energies) else None,
            clock_hz=_weighted(timings, drawn, "clock_hz") or (self.busy.clock_hz if self.busy else None),
            temperature_k=_weighted(timings, drawn, "temperature_k")
            or (self.busy.temperature_k if self.busy else None),
            throttled=_throttled(timings),
            confidence=self.marks.confidence,
            citation=self.marks.citation,
            **figures,
        )


def statistics(timings: Sequence[Timing]) -> Mapping[str, Any]:
    """Return the figures of timings that run one after another, as far as they follow from those of each.

    Parameters
    ----------
    timings : sequence of Timing
        One or more.

    Returns
    -------
    mapping
        Fields of `BlockTiming`. Means add up; so do single executions, where every timing has as many (the i-th of
        each is one run). The spread of a sum does not follow from the spreads of its terms, and is left out. Weights
        are known only if every timing states them, the tensor that leaves only if the last one does.
    """
    timed = [timing for timing in timings if timing.mean_s > 0]
    found: dict[str, Any] = {"mean_s": math.fsum(timing.mean_s for timing in timed)}
    if len(timed) == 1:
        only = timed[0]
        found |= {name: getattr(only, name) for name in ("std_s", "min_s", "p50_s", "p95_s", "n_samples")}
    counts = {timing.n_samples for timing in timed}
    if len(timed) > 1 and len(counts) == 1:
        found["n_samples"] = counts.pop()
    samples = [timing.samples_s for timing in timed]
    lengths = {len(values) if values is not None else 0 for values in samples}
    if len(lengths) == 1 and lengths != {0}:
        runs = np.sum([np.asarray(values, dtype=np.float64) for values in samples], axis=0)
        if np.all(runs > 0) and math.isclose(float(runs.mean()), found["mean_s"], rel_tol=1e-6):
            p50_s, p95_s = (float(value) for value in np.percentile(runs, [50, 95]))
            found |= {"samples_s": tuple(runs.tolist()), "n_samples": len(runs), "min_s": float(runs.min())}
            found |= {"p50_s": p50_s, "p95_s": p95_s, "mean_s": math.fsum(runs) / len(runs)}
            found["std_s"] = float(runs.std(ddof=1)) if len(runs) > 1 else None
    weights = [timing.weights_bytes for timing in timings]
    if all(value is not None for value in weights):
        found["weights_bytes"] = sum(value for value in weights if value is not None)
    peaks = [timing.peak_memory_bytes for timing in timings if timing.peak_memory_bytes is not None]
    found["peak_memory_bytes"] = max(peaks, default=None)
    found["activation_bytes"] = timings[-1].output_bytes
    return found


def _weighted(timings: Sequence[Timing], drawn: Sequence[Conditions | None], name: str) -> float | None:
    pairs = [
        (getattr(found, name), timing.mean_s) for timing, found in zip(timings, drawn, strict=True) if found is not None
    ]
    known = [(value, weight) for value, weight in pairs if value is not None and weight > 0]
    total = math.fsum(weight for _, weight in known)
    return math.fsum(value * weight for value, weight in known) / total if total > 0 else None


def _throttled(timings: Sequence[Timing]) -> bool | None:
    reports = [timing.throttled for timing in timings]
    if any(reports):
        return True
    return False if reports and all(report is False for report in reports) else None
