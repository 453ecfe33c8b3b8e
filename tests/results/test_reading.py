"""Run folders read back: what was written comes back, and what is damaged is said in one message."""

import json
import shutil

import pandas as pd
import pytest

from orbitsim.errors import InputError
from orbitsim.loading import load_scenario
from orbitsim.pipeline.run import run_scenario, save_run
from orbitsim.results.reading import StoredRun
from orbitsim.types.tables import TABLES


@pytest.fixture(scope="module")
def result():
    return run_scenario(load_scenario("quick", settings=["clock.duration_s=1800"]))


@pytest.fixture(scope="module")
def written(result, tmp_path_factory):
    return save_run(result, tmp_path_factory.mktemp("runs") / "quick", command=["test"])


@pytest.fixture
def folder(written, tmp_path):
    return shutil.copytree(written, tmp_path / "run")


def test_every_table_comes_back_as_it_was(result, written):
    run = StoredRun(written)
    assert run.name == "quick"
    assert run.table_names == tuple(TABLES)
    for name in TABLES:
        # an empty set of categories comes back without the type of its members
        pd.testing.assert_frame_equal(run.table(name), result.tables[name], check_categorical=False)
    assert run.summary["schemes"] == result.summary["schemes"]


def test_slices_make_up_the_table(written, result):
    parts = list(StoredRun(written).slices("batches", ["task", "start_s"], n_rows=50))
    assert len(parts) > 2
    assert max(map(len, parts)) <= 50
    joined = pd.concat(parts, ignore_index=True)
    pd.testing.assert_frame_equal(joined, result.tables["batches"][["task", "start_s"]])


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda folder: shutil.rmtree(folder), "found nothing"),
        (lambda folder: (folder / "summary.json").unlink(), "holds no summary.json"),
        (lambda folder: (folder / "summary.json").write_text("{"), "expected JSON"),
        (lambda folder: (folder / "summary.json").write_text("[1]"), "expected the summary of a run"),
        (lambda folder: (folder / "summary.json").write_text("{}"), "with scenario, provenance"),
        (lambda folder: (folder / "summary.json").write_bytes(b"\xff\xfe"), "UTF-8"),
    ],
)
def test_no_run_folder(folder, spoil, expected):
    spoil(folder)
    with pytest.raises(InputError, match=expected):
        StoredRun(folder)


def test_a_folder_of_runs_hints_at_one(folder):
    with pytest.raises(InputError, match=r"did you mean .*run\?"):
        StoredRun(folder.parent)


def test_a_file_is_no_run_folder(folder):
    with pytest.raises(InputError, match="found a file"):
        StoredRun(folder / "tasks.parquet")


@pytest.mark.parametrize("keep", [0, 4, 100, -20])
@pytest.mark.parametrize("read", ["table", "slices"])
def test_a_damaged_table_is_one_message(folder, keep, read):
    path = folder / "batches.parquet"
    path.write_bytes(path.read_bytes()[:keep])
    run = StoredRun(folder)
    with pytest.raises(InputError, match=r"batches\.parquet: cannot be read as a table"):
        run.table("batches") if read == "table" else list(run.slices("batches", ["task"]))


def test_damage_in_the_middle_of_a_table(folder):
    path = folder / "batches.parquet"
    data = bytearray(path.read_bytes())
    data[4:2000] = bytes(1996)
    path.write_bytes(data)
    for read in (lambda run: run.table("batches"), lambda run: list(run.slices("batches", ["scheme", "task"]))):
        with pytest.raises(InputError, match="cannot be read as a table"):
            read(StoredRun(folder))


def test_a_missing_table_says_why(folder):
    (folder / "batches.parquet").unlink()
    with pytest.raises(InputError, match="not complete"):
        StoredRun(folder).table("batches")
    summary = json.loads((folder / "summary.json").read_text())
    summary["scenario"]["run"]["record"] = "tasks"
    (folder / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(InputError, match="recorded tasks only"):
        StoredRun(folder).table("batches")


def test_a_table_of_another_version_names_both(folder):
    table = pd.read_parquet(folder / "tasks.parquet").drop(columns=["service_s"])
    table.to_parquet(folder / "tasks.parquet")
    summary = json.loads((folder / "summary.json").read_text())
    summary["provenance"]["version"] = "0.0.1"
    (folder / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(InputError, match=r"service_s too; orbitsim 0\.0\.1 wrote it"):
        StoredRun(folder).table("tasks")
