"""Summaries of ``nsys stats`` (Nsight Systems): NVTX ranges, kernels, and calls of the host, as CSV or as text.

A range becomes a part. What nsys sums up it does not tie to iterations, and ranges may lie inside each other, so these
parts are never a complete account of a model; rules of the user choose among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orbitsim.workload.importers.base import Format, Imported, Recording, Source, Timing
from orbitsim.workload.importers.nsys_tables import HEADER, Row, Table, read_tables
from orbitsim.workload.importers.strict_csv import brief


@dataclass(frozen=True)
class _Kind:
    """One kind of report: its columns, and how far it tells times of a model (0: not at all)."""

    name: str
    label: str
    count: str
    total: str | None
    prefix: str
    rank: int
    note: str


_PROJECTED = _Kind(
    *("nvtx-gpu-projection", "Range", "Range Instances", "Total Proj Time", "Proj ", 3),
    "the time of a range is that from the first to the last work that it launched on the GPU",
)
_RANGES = _Kind(
    *("nvtx-ranges", "Range", "Instances", "Total Time", "", 2),
    "the time of a range is the host's, from push to pop: work that it did not wait for is left out",
)
_EXECUTIONS = _Kind(
    *("kernel-executions", "Kernel Name", "Count", None, "K", 1),
    "times are of single kernels; nsys does not tell which iteration or block launched them",
)
_KERNELS = _Kind(
    *("kernels", "Name", "Instances", "Total Time", "", 1),
    "times are of single kernels; nsys does not tell which iteration or block launched them",
)
_CALLS = _Kind(*("calls", "Name", "Num Calls", "Total Time", "", 0), "calls of the host are in the facts only")
_COPIES = _Kind(*("copies", "Operation", "Count", "Total Time", "", 0), "copies are in the facts only")
_KINDS = (_PROJECTED, _RANGES, _EXECUTIONS, _KERNELS, _CALLS, _COPIES)


def matches(source: Source) -> bool:
    """Whether the header of one of nsys's summaries stands among the first lines."""
    return HEADER.search(source.head) is not None


def read(source: Source) -> Imported:
    """Read all summaries of a file; the parts are those of the one that says most of a model.

    Raises
    ------
    InputError
        With the line of a number that is missing, not positive or has no decimal point; of a row whose figures
        contradict each other; of a table from which rows were lost; or of a report that stands twice.
    """
    tables = [(table, kind, _timings(table, kind)) for table in read_tables(source) if (kind := _kind(table))]
    if not tables:
        message = "expected a summary of kernels, NVTX ranges or calls, as 'nsys stats --format csv' writes it"
        raise source.fault(message, line=1)
    _require_one_run(source, [(table, kind) for table, kind, _ in tables])
    table, kind, parts = max(tables, key=lambda entry: entry[1].rank)
    notes = [kind.note]
    if kind.rank:
        notes.append("parts are not tied to iterations and ranges may lie inside each other: never add them up unseen")
    if table.is_text and any("…" in part.name for part in parts):
        notes.append("names are shortened in text reports; 'nsys stats --format csv' keeps them whole")
    facts: dict[str, Any] = {"tables": [_facts(*entry) for entry in tables]}
    recording = Recording(parts=parts, how_timed=f"nsys-{kind.name}", parts_are_complete=False)
    return Imported(FORMAT.name, (recording,) if kind.rank else (), facts=facts, notes=tuple(notes))


def _kind(table: Table) -> _Kind | None:
    """Kind of a report by its columns, or None if it has no use here."""
    for kind in _KINDS:
        wanted = {kind.label, kind.count, f"{kind.prefix}Avg", *([kind.total] if kind.total else [])}
        if wanted <= table.units.keys():
            return kind
    return None


def _require_one_run(source: Source, tables: Sequence[tuple[Table, _Kind]]) -> None:
    """Raise InputError where a report stands twice: the summaries of two runs, written one below the other.

    Tables of calls without a name may be of several libraries, and are in the facts only.
    """
    first: dict[tuple[str, str], Table] = {}
    for table, kind in tables:
        if not kind.rank and not table.report:
            continue
        before = first.setdefault((kind.name, table.report), table)
        if before is not table:
            message = f"a second table of {kind.name}, the first one begins at line {before.line}: two runs in one file"
            raise source.fault(f"{message}; import each on its own", line=table.line)


def _timings(table: Table, kind: _Kind) -> tuple[Timing, ...]:
    if not table.rows:
        raise table.source.fault("expected rows below the header, found none", line=table.line)
    timings = tuple(_timing(table, kind, row) for row in table.rows)
    if kind.total and table.units.get("Time") == "%":
        totals = [table.number(row, kind.total) for row in table.rows]
        whole = sum(totals) or 1.0
        for row, total in zip(table.rows, totals, strict=True):
            share = 100.0 * total / whole
            if abs(share - table.number(row, "Time")) > 1.2 * table.half_digit(row, "Time") + 0.005:
                message = f"{share:.3g} % of this table's time, but the row says {row.cells['Time']} %: rows were lost"
                raise table.source.fault(message, line=row.line, key="Time (%)")
    return timings


def _timing(table: Table, kind: _Kind, row: Row) -> Timing:
    """One row, after its figures were compared with each other."""
    name = row.cells[kind.label].removeprefix(":")
    if not name:
        raise table.source.fault("expected a name, found nothing", line=row.line, key=kind.label)
    average = f"{kind.prefix}Avg"
    n_samples = table.count(row, kind.count)
    mean_s = table.seconds(row, average)
    if mean_s == 0 and kind.rank:
        raise table.source.fault(
            f"expected a time above 0, found {brief(row.cells[average])}", line=row.line, key=average
        )
    if kind.total:
        slack = n_samples * table.half_digit(row, average) * table.unit_s(average)
        slack += table.half_digit(row, kind.total) * table.unit_s(kind.total)
        total_s = table.seconds(row, kind.total)
        if abs(mean_s * n_samples - total_s) > 1.01 * slack + 1e-9 * total_s:
            message = f"average x {n_samples} is {mean_s * n_samples:.6g} s, but the total is {total_s:.6g} s"
            raise table.source.fault(message, line=row.line, key=kind.total)
    figures = {
        figure: table.seconds(row, f"{kind.prefix}{figure}")
        for figure in ("Min", "Med", "Max", "StdDev")
        if row.cells.get(f"{kind.prefix}{figure}")
    }
    least, most = figures.get("Min", 0.0), figures.get("Max", float("inf"))
    allowed = table.half_digit(row, average) * table.unit_s(average) * 1.01
    if not all(least - allowed <= value <= most + allowed for value in (mean_s, figures.get("Med", mean_s))):
        message = "average or median lie outside minimum .. maximum"
        raise table.source.fault(message, line=row.line, key=average)
    std_s = figures.get("StdDev") if n_samples > 1 else None
    return Timing(name, mean_s, std_s, figures.get("Min"), figures.get("Max"), figures.get("Med"), n_samples=n_samples)


def _facts(table: Table, kind: _Kind, timings: tuple[Timing, ...]) -> dict[str, Any]:
    count = sum(timing.n_samples or 0 for timing in timings)
    if kind.total:
        total_s = sum(table.number(row, kind.total) for row in table.rows) * table.unit_s(kind.total)
    else:
        total_s = sum(timing.mean_s * (timing.n_samples or 0) for timing in timings)
    return {"report": table.report, "kind": kind.name, "n_rows": len(timings), "n_instances": count, "total_s": total_s}


FORMAT = Format("nsys-csv", "nsys stats summaries (CSV or text)", matches, read)
