"""`orbitsim trace replay` as a program: a table for people, rows for programs, errors in words."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from workload.split_documents import constant_document

from orbitsim.workload.split_run import write_split_run

COMMAND = [sys.executable, "-m", "orbitsim", "trace", "replay"]


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    document = constant_document((0.3, 0.2), (0.05, 0.01), (0.002, 0.001), 12)
    return write_split_run(document, tmp_path_factory.mktemp("split") / "split.json")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120)


def test_table_keeps_prediction_and_replay_apart(record: Path) -> None:
    done = run(record)
    assert done.returncode == 0, done.stderr
    for words in (
        "predicted, mean",
        "predicted, bootstrap",
        "replayed, in-order",
        "P99 delay",
        "utilisation of stage 1",
    ):
        assert words in done.stdout
    assert "predicts nothing" in done.stdout


def test_rows_for_programs_agree(record: Path) -> None:
    as_json, as_csv = run(record, "--format", "json", "--runs", 3), run(record, "--format", "csv", "--runs", 3)
    rows = json.loads(as_json.stdout)
    assert len(rows) == 3 * (5 + 2)
    table = list(csv.DictReader(io.StringIO(as_csv.stdout)))
    assert [float(row["simulated"]) for row in table] == [row["simulated"] for row in rows]
    by_hand = 0.3 + 0.05 + 0.002 + 0.2 + 0.01 + 0.001 + 11 * 0.3
    makespans = [row["simulated"] for row in rows if row["figure"] == "makespan_s"]
    assert makespans == pytest.approx([by_hand] * 3, rel=1e-9)
    assert {row["basis"] for row in rows if row["method"] == "in-order"} == {"replayed"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text[:500], "expected JSON"),
        (lambda text: text.replace('"version":1', '"version":9'), "expected 1, found 9"),
        (lambda text: text.replace("orbitsim-split-run", "orbitsim-recorder"), "orbitsim trace import"),
    ],
)
def test_faults_are_words_not_tracebacks(record: Path, tmp_path: Path, change: object, words: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(change(record.read_text()))  # type: ignore[operator]
    done = run(path)
    assert done.returncode == 2
    assert words in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_a_condition_that_was_not_recorded_is_refused(record: Path) -> None:
    done = run(record, "--isolated", "alone")
    assert done.returncode == 2
    assert "together" in done.stderr
