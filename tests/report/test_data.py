"""Folders that are no runs, incomplete, damaged or of another version: one clear message each, naming the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from orbitsim.errors import InputError
from orbitsim.report.data import RunData, read_run
from orbitsim.report.sweep_data import read_sweep
from orbitsim.report.write import build_page
from orbitsim.types.tables import TABLES


@pytest.fixture
def copied(run_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run_folder, tmp_path / "copy"))


def edited(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def message(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        build_page([folder])
    return str(caught.value)


def test_a_run_is_read_as_it_was_written(run: RunData, run_folder: Path) -> None:
    assert run.schemes == ["collaborative", "single-satellite", "ground-only", "hybrid"]
    assert set(run.tables) == set(TABLES) - {"batches"}
    for name, table in run.tables.items():
        pd.testing.assert_frame_equal(table, pd.read_parquet(run_folder / f"{name}.parquet"))
    batches = pd.concat(list(run.batches()), ignore_index=True)
    assert len(batches) == len(pd.read_parquet(run_folder / "batches.parquet"))
    assert run.warnings == ()


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_missing_table_is_named(copied: Path, name: str) -> None:
    (copied / f"{name}.parquet").unlink()
    assert f"{name}.parquet: missing from the run folder" in message(copied)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_damaged_table_is_named(copied: Path, name: str) -> None:
    path = copied / f"{name}.parquet"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    said = message(copied)
    assert f"{name}.parquet" in said
    assert "damaged" in said


@pytest.mark.parametrize("name", ["tasks", "batches", "links"])
def test_a_table_damaged_in_its_middle_is_named(copied: Path, name: str) -> None:
    path = copied / f"{name}.parquet"
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = b"\xff" * (len(data) // 2 - 4)
    path.write_bytes(bytes(data))
    assert f"{name}.parquet" in message(copied)


def test_a_table_of_another_version_says_which_versions_meet(copied: Path) -> None:
    path = copied / "tasks.parquet"
    table = pd.read_parquet(path)
    table.drop(columns=["service_s"]).assign(delay_s="late").to_parquet(path)
    edited(copied / "summary.json", lambda data: data["provenance"].update(version="0.0.1"))
    said = message(copied)
    assert "tasks.parquet: service_s: expected this column (written by orbitsim 0.0.1" in said
    assert "tasks.parquet: delay_s: expected float64, got" in said


def test_another_version_with_tables_of_the_same_form_is_read_with_a_warning(copied: Path) -> None:
    edited(copied / "summary.json", lambda data: data["provenance"].update(version="0.0.1"))
    assert any("written by orbitsim 0.0.1" in warning for warning in read_run(copied).warnings)
    assert "written by orbitsim 0.0.1" in build_page([copied]).html()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data.pop("schemes"), "schemes: expected an object"),
        (lambda data: data["schemes"]["hybrid"].pop("delay_s"), "schemes.hybrid: expected also delay_s"),
        (lambda data: data["schemes"]["hybrid"].update(delay_s=3), "schemes.hybrid.delay_s: expected an object with"),
        (lambda data: data["schemes"]["hybrid"].update(tasks="many"), "schemes.hybrid.tasks: expected a number"),
        (lambda data: data["schemes"]["hybrid"].update(status="?"), "schemes.hybrid.status: expected 'ok' or"),
        (lambda data: data["scenario"].update(seed="x"), "seed"),
        (lambda data: data.update(notes=None), "notes: expected a list"),
    ],
)
def test_a_faulty_summary_names_the_key(copied: Path, change: Callable[[dict[str, Any]], None], said: str) -> None:
    edited(copied / "summary.json", change)
    found = message(copied)
    assert "summary.json" in found
    assert said in found


@pytest.mark.parametrize("text", ["{", "[]", "null", '"x"', "\ufeff{}"])
def test_a_summary_that_is_no_object_is_an_error(copied: Path, text: str) -> None:
    (copied / "summary.json").write_text(text)
    assert "summary.json" in message(copied)


def test_what_is_no_folder_of_a_run_is_an_error(tmp_path: Path) -> None:
    assert "there is nothing at that place" in message(tmp_path / "none")
    assert "it holds no summary.json" in message(tmp_path)
    (tmp_path / "file").write_text("x")
    assert "found a file" in message(tmp_path / "file")


def test_every_faulty_folder_is_named(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        build_page([run_folder, tmp_path / "a", tmp_path / "b"])
    assert {Path(problem.source).name for problem in caught.value.problems} == {"a", "b"}
    with pytest.raises(InputError, match="expected every folder once"):
        build_page([run_folder, run_folder])


def test_a_sweep_is_read_alone(run_folder: Path, sweep_folder: Path) -> None:
    with pytest.raises(InputError, match="one sweep alone"):
        build_page([run_folder, sweep_folder])


def test_faults_of_a_sweep_are_named(sweep_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sweep_folder, tmp_path / "sweep"))
    results = folder / "results.parquet"
    whole = results.read_bytes()
    results.write_bytes(whole[:-10])
    assert "results.parquet: expected a Parquet table; it is damaged" in message(folder)
    pd.read_parquet(sweep_folder / "results.parquet").drop(columns=["scheme"]).to_parquet(results)
    assert "results.parquet: scheme: expected this column" in message(folder)
    table = pd.read_parquet(sweep_folder / "results.parquet")
    table[table["cell"] != 3].to_parquet(results)
    assert "expected 8 cells, found 7" in message(folder)
    results.unlink()
    assert "expected a finished sweep" in message(folder)
    results.write_bytes(whole)
    (folder / "times.parquet").unlink()
    assert "times.parquet is missing from the folder" in build_page([folder]).html()
    (folder / "provenance.json").write_text('{"sweep": 3}')
    assert "provenance.json: expected the provenance of a sweep; it is damaged" in message(folder)
    (folder / "provenance.json").unlink()
    assert "there is no provenance.json" in message(folder)


def test_sampled_axes_are_those_of_the_sweeps_own_file(sweep_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sweep_folder, tmp_path / "sweep"))
    assert read_sweep(folder).sampled == frozenset()
    (folder / "sweep.toml").write_text(
        '[sample.axes]\nlinks.downlink.rate_bps = { min = 1, max = 2 }\n"a.b" = { choices = [1] }'
    )
    assert read_sweep(folder).sampled == {"links.downlink.rate_bps", "a.b"}
