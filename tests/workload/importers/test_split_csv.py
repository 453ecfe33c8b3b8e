"""Stages of a run split over two boards: totals, and no clock that they share."""

from __future__ import annotations

import math
import re

import pytest
from workload.importers.board_data import cuts, expected, needs_jetson, read_file, read_text, refusal

from orbitsim.workload.importers.base import Source
from orbitsim.workload.importers.split_csv import FORMAT

TABLE = (
    "State,Rank,Type,Remark,Time\n"
    "Tokenization,0,Compute,,0.005\n"
    "Prefill,0,Compute,,0.150\n"
    "Prefill,0,Communication,Send Hidden,0.010\n"
)


def test_rows_become_parts_in_order() -> None:
    imported = read_text(FORMAT, TABLE)
    (recording,) = imported.recordings
    assert [part.name for part in recording.parts] == [
        "Tokenization, Compute",
        "Prefill, Compute",
        "Prefill, Communication, Send Hidden",
    ]
    assert [part.mean_s for part in recording.parts] == [0.005, 0.15, 0.01]
    assert not recording.parts_are_complete
    assert imported.facts["ranks"] == [{"rank": 0, "n_rows": 3, "compute_s": 0.155, "communication_s": 0.01}]


def test_each_rank_is_a_recording() -> None:
    imported = read_text(FORMAT, f"{TABLE}Prefill,1,Compute,,0.2\n")
    assert [len(recording.parts) for recording in imported.recordings] == [3, 1]


@pytest.mark.parametrize(
    ("good", "bad", "where"),
    [
        ("0.150", "0,150", "line 3"),
        ("0.150", '"0,150"', "line 3, Time"),
        ("0.150", "-0.150", "line 3, Time"),
        ("0.150", "nan", "line 3, Time"),
        ("Prefill,0,Compute", "Prefill,0,Waiting", "line 3, Type"),
        ("Prefill,0,Compute", "Prefill,0.5,Compute", "line 3, Rank"),
        ("Prefill,0,Compute", ",0,Compute", "line 3, State"),
        ("Prefill,0,Compute,,0.150\n", "Prefill,0,Compute\n", "line 3"),
    ],
)
def test_faults_name_line_and_column(good: str, bad: str, where: str) -> None:
    assert where in refusal(FORMAT, TABLE.replace(good, bad))


def test_a_cut_table_is_refused_or_shorter() -> None:
    whole = read_text(FORMAT, TABLE).recordings[0].parts
    seen = [imported.recordings[0].parts for _, imported in cuts(FORMAT, TABLE)]
    assert seen == [whole[:1], whole[:2]]


def test_other_tables_do_not_match() -> None:
    assert not FORMAT.matches(Source.of("State,Rank,Type,Time\n"))


TABLES = expected("agentmesh-orin-agx")


@needs_jetson
@pytest.mark.parametrize(("name", "figures"), TABLES, ids=[name for name, _ in TABLES])
def test_published_tables(name: str, figures: str) -> None:
    match = re.match(r"(\d+) rows; Compute ([\d.]+) s; Communication ([\d.]+) s", figures)
    if match is None:
        assert "jtop" in name
        return
    imported = read_file(FORMAT, name)
    assert sum(len(recording.parts) for recording in imported.recordings) == int(match[1])
    assert math.fsum(rank["compute_s"] for rank in imported.facts["ranks"]) == pytest.approx(float(match[2]), abs=1e-9)
    communication_s = math.fsum(rank["communication_s"] for rank in imported.facts["ranks"])
    assert communication_s == pytest.approx(float(match[3]), abs=1e-9)
