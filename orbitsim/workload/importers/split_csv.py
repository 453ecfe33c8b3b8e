"""Stages of a model that was split over two boards, one table for each board: State, Rank, Type, Remark, Time.

AgentMesh writes them. There is no clock that both boards share, so a run can be summed up but not laid out in time, and
a wait for the other board hides in the computing time of the one that waits.
"""

from __future__ import annotations

import math

from orbitsim.workload.importers.base import Format, Imported, Recording, Source, Timing
from orbitsim.workload.importers.strict_csv import Row, header_of, read_rows

_NAME = "split-csv"
_COLUMNS = ("State", "Rank", "Type", "Remark", "Time")
_TYPES = ("Compute", "Communication")


def _matches(source: Source) -> bool:
    return header_of(source) == _COLUMNS


def _read(source: Source) -> Imported:
    timings: dict[int, list[Timing]] = {}
    totals_s: dict[int, dict[str, list[float]]] = {}
    for row in read_rows(source):
        kind = row.text("Type")
        if kind not in _TYPES:
            raise row.fault("Type", f"expected Compute or Communication, found {kind[:40]!r}")
        if not row.text("State"):
            raise row.fault("State", "expected the name of a stage, found nothing")
        rank, time_s = row.count("Rank"), row.number("Time")
        timings.setdefault(rank, []).append(Timing(_part_name(row), time_s, n_samples=1, samples_s=(time_s,)))
        totals_s.setdefault(rank, {name: [] for name in _TYPES})[kind].append(time_s)
    recordings = tuple(
        Recording(tuple(parts), how_timed="agentmesh", parts_are_complete=False) for parts in timings.values()
    )
    facts = {
        "ranks": [
            {
                "rank": rank,
                "n_rows": len(timings[rank]),
                "compute_s": round(math.fsum(total["Compute"]), 9),
                "communication_s": round(math.fsum(total["Communication"]), 9),
            }
            for rank, total in totals_s.items()
        ]
    }
    notes = (
        "one board's share of a split run; the boards share no clock, so only totals can be compared",
        "waiting for the other board counts as computing",
        "times are written to whole milliseconds: 0.000 s is anything below 0.0005 s",
    )
    return Imported(_NAME, recordings, facts=facts, notes=notes)


def _part_name(row: Row) -> str:
    remark = row.text("Remark")
    return f"{row.text('State')}, {row.cells['Type']}" + (f", {remark}" if remark else "")


FORMAT = Format(_NAME, "stages of a run split over two boards (AgentMesh CSV)", _matches, _read)
