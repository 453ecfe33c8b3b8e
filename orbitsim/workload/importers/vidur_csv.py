"""Operators of one transformer layer as Vidur's profiler times them: mlp.csv and attention.csv.

Columns ``time_stats.OPERATOR.{min,max,mean,median,std}`` are milliseconds; the others say for which sizes a row was
timed (Agrawal et al., "Vidur: A Large-Scale Simulation Framework for LLM Inference", MLSys 2024).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from orbitsim.workload.importers.base import Format, Imported, Recording, Source, Timing
from orbitsim.workload.importers.strict_csv import Row, header_of, read_rows

_NAME = "vidur-csv"
_STATISTIC = re.compile(r"time_stats\.(.+)\.(min|max|mean|median|std|count)")
_NEEDED = ("min", "max", "mean", "median", "std")
_MS = 1e-3
_ROUNDING_MS = 1e-6


def _matches(source: Source) -> bool:
    return any(_STATISTIC.fullmatch(column) for column in header_of(source))


def _read(source: Source) -> Imported:
    rows: dict[tuple[tuple[str, str], ...], list[list[Timing]]] = {}
    batches: dict[tuple[tuple[str, str], ...], int] = {}
    table = list(read_rows(source))
    header = tuple(table[0].cells)
    operators = _operators(source, header)
    counts_tokens = "num_tokens" in header
    for row in table:
        key = tuple((name, cell) for name, cell in row.cells.items() if name and not _STATISTIC.fullmatch(name))
        batches[key] = row.count("num_tokens" if counts_tokens else "batch_size", at_least=1)
        row.count("num_tensor_parallel_workers", at_least=1)
        timings = [timing for name, columns in operators.items() if (timing := _timing(row, name, columns))]
        rows.setdefault(key, []).append(timings)
    recordings = tuple(
        Recording(
            _merged(tables),
            model=_label(key),
            batch_size=batches[key],
            how_timed="vidur-profiler",
            parts_are_complete=False,
        )
        for key, tables in rows.items()
    )
    n_repeated = sum(len(tables) for tables in rows.values()) - len(rows)
    notes = [
        "operators of one layer, not of the whole model: multiply by the number of layers",
        "attention stands in one file and the other operators in another; a layer needs both",
        "batch size counts tokens of all sequences together" if counts_tokens else "batch size counts sequences",
    ]
    if n_repeated:
        notes.append(f"{n_repeated} rows repeat the sizes of an earlier row; such rows are averaged")
    facts = {"operators": list(operators), "n_configurations": len(rows), "n_rows": len(rows) + n_repeated}
    return Imported(_NAME, recordings, facts=facts, notes=tuple(notes))


def _operators(source: Source, header: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Return the columns of each operator by statistic, in the order of the header."""
    operators: dict[str, dict[str, str]] = {}
    for column in header:
        if match := _STATISTIC.fullmatch(column):
            operators.setdefault(match[1], {})[match[2]] = column
    for name, columns in operators.items():
        for statistic in _NEEDED:
            if statistic not in columns:
                raise source.fault(f"column time_stats.{name}.{statistic} is missing", line=1)
    for column in ("num_tensor_parallel_workers", "num_tokens" if "num_tokens" in header else "batch_size"):
        if column not in header:
            raise source.fault(f"column {column} is missing", line=1)
    return operators


def _timing(row: Row, name: str, columns: Mapping[str, str]) -> Timing | None:
    """Return an operator's times, None if it did not run for these sizes (empty or all zero)."""
    if all(not row.text(columns[statistic]) for statistic in _NEEDED):
        return None
    stats = {statistic: row.number(columns[statistic]) for statistic in _NEEDED}
    if not any(stats.values()):
        return None
    low, high = stats["min"] - _ROUNDING_MS, stats["max"] + _ROUNDING_MS
    for statistic in ("mean", "median"):
        if not low <= stats[statistic] <= high:
            raise row.fault(columns[statistic], f"expected a time between min and max, found {stats[statistic]:g} ms")
    return Timing(
        name,
        mean_s=max(stats["mean"], stats["min"]) * _MS,
        std_s=stats["std"] * _MS,
        min_s=stats["min"] * _MS,
        max_s=stats["max"] * _MS,
        p50_s=stats["median"] * _MS,
        n_samples=row.count(columns["count"], at_least=1) if "count" in columns else None,
    )


def _merged(tables: list[list[Timing]]) -> tuple[Timing, ...]:
    """Return the mean of rows with the same sizes, which the profiler times equally often."""
    if len(tables) == 1:
        return tuple(tables[0])
    merged: dict[str, list[Timing]] = {}
    for table in tables:
        for timing in table:
            merged.setdefault(timing.name, []).append(timing)
    return tuple(_mean_of(timings) for timings in merged.values())


def _mean_of(timings: list[Timing]) -> Timing:
    n = len(timings)
    mean_s = math.fsum(timing.mean_s for timing in timings) / n
    variance = math.fsum((timing.std_s or 0) ** 2 + (timing.mean_s - mean_s) ** 2 for timing in timings) / n
    counts = [timing.n_samples for timing in timings]
    return Timing(
        timings[0].name,
        mean_s=mean_s,
        std_s=math.sqrt(variance),
        min_s=min(timing.min_s or 0 for timing in timings),
        max_s=max(timing.max_s or 0 for timing in timings),
        n_samples=sum(count for count in counts if count) if all(counts) else None,
    )


def _label(key: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{name}={cell}" for name, cell in key if name not in {"num_tokens", "batch_size"})


FORMAT = Format(_NAME, "operators of a transformer layer (Vidur profiling CSV)", _matches, _read)
