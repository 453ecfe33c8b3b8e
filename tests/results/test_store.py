"""The run folder: whole or not there, never overwritten unasked, one clear message when it cannot be written."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pandas as pd
import pytest

from orbitsim.errors import InputError, OutputError
from orbitsim.results import store

ROOT = os.geteuid() == 0


def fill(folder: Path) -> None:
    store.write_tables(folder, {"tasks": pd.DataFrame({"task": [1, 2]})})
    store.write_json(folder / store.SUMMARY, {"schemes": {}})


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_complete_with_the_usual_permissions(tmp_path):
    folder = store.write_folder(tmp_path / "deep" / "run", fill)
    assert listing(folder) == ["summary.json", "tasks.parquet"]
    assert listing(tmp_path / "deep") == ["run"]
    (tmp_path / "plain").mkdir()
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_nothing_has_the_final_name_before_all_is_written(tmp_path):
    def look(folder: Path) -> None:
        assert not (tmp_path / "run").exists()
        assert folder.parent == tmp_path
        assert folder.name.startswith(".")
        fill(folder)

    store.write_folder(tmp_path / "run", look)
    assert listing(tmp_path) == ["run"]


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt(), SystemExit(3), MemoryError()])
def test_an_exception_leaves_nothing_behind(tmp_path, error):
    def fail(folder: Path) -> None:
        fill(folder)
        raise error

    with pytest.raises(type(error)):
        store.write_folder(tmp_path / "run", fail)
    assert listing(tmp_path) == []


def test_an_error_of_the_disk_is_one_clear_message(tmp_path):
    def fail(folder: Path) -> None:
        fill(folder)
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError) as caught:
        store.write_folder(tmp_path / "run", fail)
    assert str(caught.value) == f"{tmp_path / 'run'}: cannot be written: No space left on device"
    assert caught.value.exit_code == 1
    assert listing(tmp_path) == []


def test_a_parent_that_is_a_file_is_one_clear_message(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"file/run: cannot be written: "):
        store.write_folder(tmp_path / "file" / "run", fill)


def test_a_name_that_no_disk_takes_is_one_clear_message(tmp_path):
    with pytest.raises(OutputError, match=r"x: cannot be looked at: File name too long"):
        store.write_folder(tmp_path / ("x" * 300), fill)


@pytest.mark.skipif(ROOT, reason="root may write everywhere")
def test_a_folder_without_permission_is_one_clear_message(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="cannot be written: Permission denied"):
            store.write_folder(tmp_path / "run", fill)
    finally:
        tmp_path.chmod(0o700)


def test_an_existing_run_is_kept_without_force_and_replaced_with_it(tmp_path):
    folder = store.write_folder(tmp_path / "run", fill)
    before = (folder / store.SUMMARY).read_bytes()
    with pytest.raises(InputError, match="holds a finished run; give --force to replace it") as caught:
        store.write_folder(folder, lambda _folder: pytest.fail("must not be asked to write"))
    assert caught.value.exit_code == 2
    assert (folder / store.SUMMARY).read_bytes() == before

    def other(work: Path) -> None:
        store.write_json(work / store.SUMMARY, {"schemes": {"new": 1}})

    store.write_folder(folder, other, force=True)
    assert listing(folder) == ["summary.json"]  # nothing of the old run is left among the new
    assert json.loads((folder / store.SUMMARY).read_text()) == {"schemes": {"new": 1}}
    assert listing(tmp_path) == ["run"]


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_that_is_no_run_is_never_touched(tmp_path, force):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter-1.tex").write_text("years of work")
    with pytest.raises(InputError, match="this one holds other files"):
        store.write_folder(folder, fill, force=force)
    assert listing(folder) == ["chapter-1.tex"]
    (tmp_path / "notes").write_text("a file")
    with pytest.raises(InputError, match="expected a folder, found a file"):
        store.write_folder(tmp_path / "notes", fill, force=force)


def test_a_run_into_which_somebody_put_a_file_is_not_lost_silently(tmp_path):
    """With --force the whole run folder is replaced; a file that no run writes there keeps it from being replaced."""
    folder = store.write_folder(tmp_path / "run", fill)
    (folder / "my-notes.txt").write_text("do not lose me")
    with pytest.raises(InputError, match=r"my-notes\.txt"):
        store.write_folder(folder, fill, force=True)
    assert (folder / "my-notes.txt").read_text() == "do not lose me"


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "run").mkdir()
    assert listing(store.write_folder(tmp_path / "run", fill)) == ["summary.json", "tasks.parquet"]


def test_a_failed_replacement_leaves_the_old_run_as_it_was(tmp_path, monkeypatch):
    folder = store.write_folder(tmp_path / "run", fill)

    def fail(work: Path) -> None:
        raise RuntimeError("broken half-way")

    with pytest.raises(RuntimeError):
        store.write_folder(folder, fail, force=True)
    assert listing(folder) == ["summary.json", "tasks.parquet"]
    real = Path.rename

    def no_rename(self, target):
        if self.name.endswith(".partial"):
            raise OSError(13, "Permission denied")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", no_rename)
    with pytest.raises(OutputError, match="Permission denied"):
        store.write_folder(folder, fill, force=True)
    monkeypatch.undo()
    assert listing(folder) == ["summary.json", "tasks.parquet"]
    assert listing(tmp_path) == ["run"]


def test_a_folder_that_appears_while_the_run_is_written_is_not_overwritten(tmp_path):
    def race(work: Path) -> None:
        fill(work)
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "other.txt").write_text("somebody was faster")

    with pytest.raises((InputError, OutputError)):
        store.write_folder(tmp_path / "run", race)
    assert listing(tmp_path / "run") == ["other.txt"]
    assert listing(tmp_path) == ["run"]


WRITER = """
import sys, time
from pathlib import Path
from orbitsim.results import store
def fill(folder):
    store.write_json(folder / store.SUMMARY, {"schemes": {}})
    print("writing", flush=True)
    time.sleep(60)
store.write_folder(Path(sys.argv[1]), fill)
"""


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_leaves_no_folder_that_looks_finished(tmp_path, sent):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path / "run")], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.send_signal(sent)
    process.wait(timeout=20)
    assert process.returncode != 0
    assert not (tmp_path / "run").exists()
    left = listing(tmp_path)
    assert all(name.startswith(".run.") and name.endswith(".partial") for name in left)
    assert (left == []) == (sent == signal.SIGINT)
    assert listing(store.write_folder(tmp_path / "run", fill)) == [
        "summary.json",
        "tasks.parquet",
    ]  # nor is it in the way


def test_tables_are_the_same_bytes_whenever_they_are_written(tmp_path):
    table = pd.DataFrame({"scheme": pd.Categorical(["a", "b", "a"]), "end_s": [1.5, float("nan"), 2.0]})
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        store.write_tables(tmp_path / name, {"tasks": table.copy()})
        time.sleep(0.01)
    assert (tmp_path / "one" / "tasks.parquet").read_bytes() == (tmp_path / "two" / "tasks.parquet").read_bytes()
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "one" / "tasks.parquet"), table)


def test_json_holds_no_nan_and_keeps_its_order(tmp_path):
    with pytest.raises(ValueError, match="Out of range float"):
        store.write_json(tmp_path / "x.json", {"delay_s": float("nan")})
    store.write_json(tmp_path / "y.json", {"b": 1, "a": "Zürich"})
    assert (tmp_path / "y.json").read_text(encoding="utf-8") == '{\n  "b": 1,\n  "a": "Zürich"\n}\n'
