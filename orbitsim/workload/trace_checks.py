"""What makes a trace table sound: columns, types, ranges and complete profiles; every fault named with its row."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from orbitsim.errors import Problem
from orbitsim.types.profile import BLOCK_KINDS, ORIGINS, TRACE_COLUMNS, BlockTiming

_CONFIDENCES = ("high", "medium", "low")
_TEXT = ("device", "power_mode", "model", "precision", "how_timed")
_AT_LEAST_ONE = ("batch_size", "n_samples")
_POSITIVE = ("mean_s", "min_s", "p50_s", "p95_s", "clock_hz", "temperature_k")
_NON_NEGATIVE = ("block_index", "std_s", "activation_bytes", "weights_bytes", "peak_memory_bytes", "energy_j")
_RELATIVE_TOLERANCE = 1e-9  # of order checks between statistics: they were rounded on their way through text formats


def column_problems(found: Mapping[str, str]) -> list[Problem]:
    """Return the faults of a table's columns.

    Parameters
    ----------
    found : mapping of str to str
        Name and type of each column that is there.
    """
    problems = [
        Problem(column.name, f"expected a column of type {column.dtype}, the table has none")
        for column in TRACE_COLUMNS
        if column.name not in found
    ]
    problems += [
        Problem(column.name, f"expected a column of type {column.dtype}, found {found[column.name]}")
        for column in TRACE_COLUMNS
        if column.name in found and found[column.name] != column.dtype
    ]
    known = {column.name for column in TRACE_COLUMNS}
    problems += [Problem(name, "expected no such column in this schema version") for name in found if name not in known]
    return problems


def row_problems(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (column, message) for every fault of one row.

    Parameters
    ----------
    values : mapping
        Value of every column of `TRACE_COLUMNS`; None where it is missing.
    """
    for column in TRACE_COLUMNS:
        if values[column.name] is None and not column.nullable:
            yield column.name, "expected a value, found none"
    for name in _TEXT:
        if values[name] is not None and not values[name].strip():
            yield name, "expected text, found an empty string"
    for name, allowed in (("block_kind", BLOCK_KINDS), ("origin", ORIGINS), ("confidence", _CONFIDENCES)):
        if values[name] is not None and values[name] not in allowed:
            yield name, f"expected one of {', '.join(allowed)}, found {values[name]!r}"
    yield from _range_problems(values, _AT_LEAST_ONE, lambda v: v >= 1, "a whole number of at least 1")
    yield from _range_problems(values, _POSITIVE, lambda v: math.isfinite(v) and v > 0, "a finite number above 0")
    yield from _range_problems(values, _NON_NEGATIVE, lambda v: math.isfinite(v) and v >= 0, "a finite number from 0")
    if values["block_kind"] in {"embedding", "head", "forward"} and (values["block_index"] or 0) > 0:
        yield "block_index", f"expected 0 for {values['block_kind']}, found {values['block_index']}"
    if values["origin"] == "published" and not values["citation"]:
        yield "citation", "expected a citation beside the origin 'published', found none"
    yield from _order_problems(values)
    yield from _sample_problems(values)


def _range_problems(
    values: Mapping[str, Any], names: Sequence[str], is_good: Callable[[float], bool], expected: str
) -> Iterator[tuple[str, str]]:
    for name in names:
        if values[name] is not None and not is_good(values[name]):
            yield name, f"expected {expected}, found {values[name]!r}"


def _order_problems(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for low, high in (("min_s", "mean_s"), ("min_s", "p50_s"), ("p50_s", "p95_s")):
        a, b = values[low], values[high]
        if a is not None and b is not None and a > b * (1 + _RELATIVE_TOLERANCE):
            yield high, f"expected at least {low} = {a!r}, found {b!r}"


def _sample_problems(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    samples = values["samples_s"]
    if samples is None:
        return
    if any(s is None or not math.isfinite(s) or s <= 0 for s in samples):
        yield "samples_s", "expected finite numbers above 0 only"
    elif values["n_samples"] is not None and len(samples) != values["n_samples"]:
        yield "samples_s", f"expected n_samples = {values['n_samples']} entries, found {len(samples)}"
    elif samples and values["mean_s"] is not None:
        mean_s = math.fsum(samples) / len(samples)
        if not math.isclose(mean_s, values["mean_s"], rel_tol=1e-6):
            yield "mean_s", f"expected the mean of samples_s, {mean_s:.9g}, found {values['mean_s']!r}"


def profile_problems(rows: Sequence[BlockTiming]) -> list[Problem]:
    """Return the faults that only show between rows: repeated blocks, gaps in the numbering, nothing but edges."""
    problems: list[Problem] = []
    keys = [(row.profile_key, row.block_kind, row.block_index) for row in rows]
    counts = Counter(keys)
    for number, key in enumerate(keys):
        first = keys.index(key) if counts[key] > 1 else number
        if first != number:
            problems.append(Problem(f"block_index[{number}]", f"expected each block once; row {first} has it already"))
    indices: dict[tuple[str, str, str, int, str], set[int]] = defaultdict(set)
    kinds: dict[tuple[str, str, str, int, str], set[str]] = defaultdict(set)
    for profile_key, kind, index in keys:
        kinds[profile_key].add(kind)
        if kind == "block":
            indices[profile_key].add(index)
    for profile_key, found in kinds.items():
        name = "/".join(str(part) for part in profile_key)
        missing = sorted(set(range(max(indices[profile_key], default=-1) + 1)) - indices[profile_key])
        if missing:
            problems.append(Problem("block_index", f"expected no gap in the blocks of {name}; missing {missing}"))
        if not found & {"block", "forward"}:
            problems.append(Problem("block_kind", f"expected blocks, or a forward row, in {name}"))
    return problems
