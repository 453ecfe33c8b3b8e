"""`orbitsim report` as a user meets it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from orbitsim.cli.app import run_app


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["orbitsim", "report", *map(str, arguments)])
    return run_app()


def test_a_report_is_written_beside_its_run(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(run_folder, tmp_path / "first")
    assert command(monkeypatch, folder) == 0
    path = tmp_path / "first.html"
    assert "written" in capsys.readouterr().err
    assert path.read_text().startswith("<!DOCTYPE html>")
    assert command(monkeypatch, folder) == 2
    assert "give --force to replace it" in capsys.readouterr().err
    assert command(monkeypatch, folder, "--force") == 0


def test_several_runs_are_compared(
    run_folder: Path, tasks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "both.html"
    assert command(monkeypatch, run_folder, tasks_folder, "--out", path) == 0
    assert "What differs" in path.read_text()


def test_a_sweep_has_its_own_page(sweep_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sweep.html"
    assert command(monkeypatch, sweep_folder, "--out", path) == 0
    assert "The best scheme over two axes" in path.read_text()


def test_faults_are_one_message_and_an_exit_code(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, tmp_path / "none", "--out", tmp_path / "a.html") == 2
    assert "expected a folder of a run" in capsys.readouterr().err
    damaged = shutil.copytree(run_folder, tmp_path / "damaged")
    (damaged / "batches.parquet").write_bytes(b"PAR1")
    assert command(monkeypatch, damaged, "--out", tmp_path / "a.html") == 2
    said = capsys.readouterr().err
    assert "batches.parquet" in said
    assert "Traceback" not in said
    (tmp_path / "file").write_text("x")
    assert command(monkeypatch, run_folder, "--out", tmp_path / "file" / "a.html") == 1
    assert "cannot be written" in capsys.readouterr().err
    assert command(monkeypatch) == 2
    assert not list(tmp_path.glob("*.html"))


def test_page_and_figures_are_made_in_one_go(
    run_folder: Path, tasks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path, figures = tmp_path / "page.html", tmp_path / "figures"
    both = ("--out", path, "--figures", figures, "--format", "png")
    assert command(monkeypatch, run_folder, tasks_folder, *both) == 2
    assert "expected one run, got 2" in capsys.readouterr().err
    figures.mkdir()
    (figures / "notes.txt").write_text("mine")
    assert command(monkeypatch, run_folder, *both) == 2  # neither is written where one must not be
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["figures", "notes.txt"]
    (figures / "notes.txt").unlink()
    assert command(monkeypatch, run_folder, *both) == 0
    assert capsys.readouterr().err.count("written") == 2
    assert path.read_text().startswith("<!DOCTYPE html>")
    assert (figures / "day.png").stat().st_size > 1000
