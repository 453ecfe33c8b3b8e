"""Running sweeps: the same results however they are run, errors that stay in their cells, folders to go on with."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sweep import tiny

import orbitsim.sweep.folder
import orbitsim.sweep.parts
from orbitsim.errors import InputError, OutputError
from orbitsim.loading import load_scenario
from orbitsim.pipeline.run import run_scenario
from orbitsim.sweep import SweepResult, load_sweep, read_sweep, run_sweep
from orbitsim.sweep.cells import Cell
from orbitsim.sweep.local import run_in_processes
from orbitsim.sweep.table import FIGURES, LEADING, TIMES
from orbitsim.sweep.work import run_cell


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> SweepResult:
    """A small grid, run in this process."""
    folder = tmp_path_factory.mktemp("finished")
    return run_sweep(tiny.written(folder), folder / "out", workers=1)


def test_rows_are_what_single_runs_find(finished: SweepResult, tmp_path: Path) -> None:
    # The slow twin: every cell as a scenario of its own, with nothing shared.
    tiny.written(tmp_path)
    rows = finished.frame.set_index(["cell", "scheme"])
    expected = [(rate, images, seed) for rate in (0.2e9, 0.8e9) for images in (1, 3) for seed in (1, 2)]
    assert len(rows) == 2 * len(expected)
    for cell, (rate, images, seed) in enumerate(expected):
        changes = {"links.downlink.rate_bps": rate, "workload.images_per_task": images, "seed": seed}
        summary = run_scenario(load_scenario(tmp_path / "tiny.toml", settings=changes)).summary
        for scheme, item in summary["schemes"].items():
            row = rows.loc[(cell, scheme)]
            assert {path: row[path] for path in changes} == changes
            assert row["status"] == "ok"
            assert row["tasks"] == item["tasks"] == 3
            for column in ("delivered", "unfinished", "undeliverable", "isl_bytes", "downlink_bytes", "energy_j"):
                assert row[column] == item[column] or (item[column] is None and pd.isna(row[column]))
            for what in ("delay", "service"):
                for name, value in item[f"{what}_s"].items():
                    assert row[f"{what}_{name}_s"] == value
            assert row["compute_s"] == summary["compute"][scheme]["seconds"]
            assert row[["measured_share", "modelled_share", "published_share"]].sum() == pytest.approx(1.0)


def test_columns_have_the_types_of_their_scenario_paths(finished: SweepResult) -> None:
    found = pq.read_schema(finished.folder / "results.parquet")
    axes = {"links.downlink.rate_bps": "double", "workload.images_per_task": "int64", "seed": "int64"}
    assert found.names == [*(c.name for c in LEADING), *axes, *(c.name for c in FIGURES)]
    assert {name: str(found.field(name).type) for name in axes} == axes
    times = pq.read_schema(finished.folder / "times.parquet")
    assert times.names == [column.name for column in TIMES]


def test_pandas_and_duckdb_read_the_data_set_and_its_parts(finished: SweepResult) -> None:
    whole = finished.folder / "results.parquet"
    frame = pd.read_parquet(whole)
    best = frame.loc[frame.groupby("links.downlink.rate_bps")["delay_mean_s"].idxmin()]
    query = 'select "links.downlink.rate_bps", min(delay_mean_s) from {} group by 1 order by 1'
    parts = f"read_parquet('{finished.folder}/cells/*.parquet')"
    for source in (f"'{whole}'", parts):
        found = duckdb.sql(query.format(source)).fetchall()
        assert found == list(zip(best["links.downlink.rate_bps"], best["delay_mean_s"], strict=True))


def test_bytes_do_not_depend_on_processes(finished: SweepResult, tmp_path: Path) -> None:
    result = run_sweep(tiny.written(tmp_path), tmp_path / "out", workers=2)
    assert (result.folder / "results.parquet").read_bytes() == (finished.folder / "results.parquet").read_bytes()
    assert result.times["worker"].nunique() == 2
    assert result.times["n_reused"].sum() > 0
    assert str(os.getpid()) not in {worker.partition(":")[2] for worker in result.times["worker"]}


def test_the_folder_says_what_was_run_and_runs_again(finished: SweepResult, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("sweep.toml", "base.json"):
        (moved / name).write_bytes((finished.folder / name).read_bytes())
    again = load_sweep(moved / "sweep.toml")
    facts = json.loads((finished.folder / "provenance.json").read_text())
    assert again.identity == facts["sweep"]["identity"]
    assert facts["sweep"]["n_cells"] == 8
    assert facts["inputs_sha256"].keys() == {"sweep.toml"}
    assert read_sweep(finished.folder).n_ok == 8


def test_stages_are_shared_between_cells(finished: SweepResult) -> None:
    # Eight cells on one geometry with two rates: the first one computes it, six others find everything there.
    times = finished.times.sort_values("n_made", ascending=False)
    assert (times["n_made"] > 0).sum() == 2
    assert times["n_made"].iloc[1] < times["n_made"].iloc[0]
    assert finished.reused_s > finished.made_s * 0.5


def test_a_failing_cell_is_a_row_and_the_others_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tiny.TESTS)
    planners = ["sweep.cell_planners:failing", "optimal"]
    text = f'name = "t"\nbase = "tiny.toml"\n[grid]\nplanner.kind = {planners}\nseed = [1, 2]'
    result = run_sweep(tiny.written(tmp_path, text), tmp_path / "out", workers=1)
    rows = result.frame[result.frame["status"] == "error"]
    assert set(rows["cell"]) == {0, 1}
    assert set(rows["scheme"]) == {"collaborative", "ground-only"}
    assert rows["error"].str.contains("planner sweep.cell_planners:failing failed: RuntimeError: no plan for").all()
    assert rows["tasks"].isna().all()
    assert (result.n_cells, result.n_failed, result.n_ok) == (4, 2, 2)
    assert list(result.frame.loc[result.frame["cell"] > 1, "status"].unique()) == ["ok"]
    # Nothing is run again unless it is asked for.
    sweep = tmp_path / "sweep.toml"
    assert run_sweep(sweep, tmp_path / "out", workers=1, resume=True).n_run == 0
    assert run_sweep(sweep, tmp_path / "out", workers=1, resume=True, retry_failed=True).n_run == 2


def test_an_unexpected_error_keeps_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = load_sweep(tiny.written(tmp_path)).cells[0]

    def broken(*_args: object, **_kwargs: object) -> None:
        raise ZeroDivisionError("of something")

    monkeypatch.setattr("orbitsim.sweep.work.run_scenario", broken)
    result = run_cell(cell)
    assert [row["error"] for row in result.rows] == ["ZeroDivisionError: of something"] * 2
    assert "in broken" in result.times["traceback"]


def test_an_infeasible_scheme_has_its_reason_and_no_figures(tmp_path: Path) -> None:
    text = (
        tiny.GRID + '[set]\nworkload.model = "vit-g"\nworkload.model_memory_bytes = 40e9\nshells.0.memory_bytes = 1e9\n'
    )
    text = text.replace("shells.0.memory_bytes", '"shells.0.memory_bytes"')
    frame = run_sweep(tiny.written(tmp_path, text), tmp_path / "out", workers=1).frame
    rows = frame[frame["status"] == "infeasible"]
    assert len(rows)
    assert rows["reason"].str.len().min() > 10
    figures = [column.name for column in FIGURES if column.name not in ("status", "reason")]
    assert rows[figures].isna().all(axis=None)


def test_a_process_that_dies_costs_only_its_own_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tiny.TESTS)
    text = """
    name = "t"
    base = "tiny.toml"
    [grid]
    planner.kind = ["optimal", "sweep.cell_planners:fatal", "uniform"]
    seed = [1, 2]
    """
    result = run_sweep(tiny.written(tmp_path, text), tmp_path / "out", workers=2)
    frame = result.frame
    lost = frame[frame["status"] == "error"]
    assert set(lost["planner.kind"]) == {"sweep.cell_planners:fatal"}
    assert lost["error"].str.contains("the process that ran it died").all()
    assert set(frame.loc[frame["planner.kind"] != "sweep.cell_planners:fatal", "status"]) == {"ok"}
    assert len(frame) == 12


@pytest.mark.parametrize("n_workers", [1, 2])
def test_processes_that_die_between_two_results_cost_no_cell(tmp_path: Path, n_workers: int) -> None:
    cells = load_sweep(tiny.written(tmp_path, tiny.grid_of(5))).cells
    results = run_in_processes(cells, n_workers)
    found = [next(results)]
    workers = [child for child in multiprocessing.active_children() if child.pid is not None]
    assert len(workers) == n_workers
    for worker in workers:
        worker.kill()
    for worker in workers:
        worker.join()
    found += results  # the next cell is handed to processes that are gone
    assert {result.key for result in found} == {cell.key for cell in cells}
    assert len(found) == len(cells)
    assert not any(result.failed for result in found)


# -- folders ---------------------------------------------------------------------------------------------------------


def message_of(error: pytest.ExceptionInfo[InputError]) -> str:
    assert len(error.value.problems) == 1
    return str(error.value)


def test_a_folder_is_neither_overwritten_nor_mixed(finished: SweepResult, tmp_path: Path) -> None:
    sweep = tiny.written(tmp_path)
    with pytest.raises(InputError, match="holds a finished sweep: give --resume") as error:
        run_sweep(sweep, finished.folder)
    message_of(error)
    sweep.write_text(tiny.GRID.replace("0.8e9", "0.9e9"))
    with pytest.raises(InputError, match=r"\(grid links.downlink.rate_bps: .*8.* -> .*9") as error:
        run_sweep(sweep, finished.folder, resume=True)
    message_of(error)
    other = tmp_path / "other"
    other.mkdir()
    (other / "precious.txt").write_text("mine")
    with pytest.raises(InputError, match="expected a new or empty folder"):
        run_sweep(sweep, other, resume=True)
    (other / "file").write_text("")
    with pytest.raises(InputError, match="expected a folder, found a file"):
        run_sweep(sweep, other / "file")
    assert sorted(path.name for path in other.iterdir()) == ["file", "precious.txt"]


def test_a_changed_base_is_another_sweep(tmp_path: Path) -> None:
    sweep = tiny.written(tmp_path, tiny.grid_of(1))
    run_sweep(sweep, tmp_path / "out", workers=1)
    (tmp_path / "tiny.toml").write_text(tiny.BASE.replace("1800.0", "2400.0"))
    with pytest.raises(InputError, match=r"another sweep \(clock\.duration_s: 1800\.0 -> 2400\.0\)"):
        run_sweep(sweep, tmp_path / "out", resume=True)


def test_a_folder_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = tiny.written(tmp_path, tiny.grid_of(2))
    run_sweep(sweep, tmp_path / "out", workers=1)
    path = tmp_path / "out" / "provenance.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "sweep": {**facts["sweep"], "version": "0.0.9"}}))
    with pytest.raises(InputError, match=r"that orbitsim 0\.0\.9 made, and this is"):
        run_sweep(sweep, tmp_path / "out", resume=True)
    path.write_text("{")
    with pytest.raises(InputError, match=r"provenance\.json: is damaged"):
        run_sweep(sweep, tmp_path / "out", resume=True)
    path.write_text(json.dumps(facts))
    # A part of another version among the right ones, as when somebody copied files together.
    part = next((tmp_path / "out" / "cells").iterdir())
    cell = next(cell for cell in load_sweep(sweep).cells if cell.key == part.stem)
    monkeypatch.setattr("orbitsim.sweep.work.__version__", "0.0.9")
    orbitsim.sweep.parts.write_part(part, run_cell(cell), load_sweep(sweep).columns)
    with pytest.raises(InputError, match=rf"{part.name}: was written by orbitsim 0\.0\.9"):
        run_sweep(sweep, tmp_path / "out", resume=True)


@pytest.mark.parametrize("damage", ["cut", "empty", "flip", "text", "swap"])
def test_a_damaged_part_is_named(damage: str, tmp_path: Path) -> None:
    sweep = tiny.written(tmp_path, tiny.grid_of(3))
    out = tmp_path / "out"
    before = (run_sweep(sweep, out, workers=1).folder / "results.parquet").read_bytes()
    one, two = sorted((out / "cells").iterdir())[:2]
    data = one.read_bytes()
    place = data.index(b"delivered") if b"delivered" in data else 100
    one.write_bytes(
        {
            "cut": data[: len(data) // 2],
            "empty": b"",
            "flip": data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :],
            "text": b"not parquet",
            "swap": two.read_bytes(),
        }[damage]
    )
    with pytest.raises(InputError, match=rf"{one.name}: is damaged \(.*\); delete it, and --resume") as error:
        run_sweep(sweep, out, workers=1, resume=True)
    message_of(error)
    one.unlink()
    assert run_sweep(sweep, out, workers=1, resume=True).n_run == 1
    assert (out / "results.parquet").read_bytes() == before


def test_any_change_of_a_figure_in_a_part_is_noticed(finished: SweepResult, tmp_path: Path) -> None:
    columns = load_sweep(finished.folder / "sweep.toml").columns
    part = next((finished.folder / "cells").iterdir())
    table = pq.read_table(part)
    place = table.schema.get_field_index("delay_mean_s")
    values = table.column(place).to_pylist()
    values[0] *= 1.0 + 2e-16
    changed = table.set_column(place, table.schema.field(place), [values])
    copy = tmp_path / part.name
    pq.write_table(changed, copy)
    orbitsim.sweep.parts.read_part(part, columns)
    with pytest.raises(InputError, match="its rows are not those that were written"):
        orbitsim.sweep.parts.read_part(copy, columns)


def test_a_missing_cell_is_run_again(tmp_path: Path) -> None:
    sweep = tiny.written(tmp_path, tiny.grid_of(3))
    out = run_sweep(sweep, tmp_path / "out", workers=1).folder
    before = (out / "results.parquet").read_bytes()
    next((out / "cells").iterdir()).unlink()
    result = run_sweep(sweep, out, workers=1, resume=True)
    assert result.n_run == 1
    assert (out / "results.parquet").read_bytes() == before


def test_an_unfinished_sweep_is_no_result(tmp_path: Path) -> None:
    sweep = tiny.written(tmp_path, tiny.grid_of(2))
    out = run_sweep(sweep, tmp_path / "out", workers=1).folder
    (out / "results.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"results\.parquet: cannot be read"):
        _ = read_sweep(out).frame
    (out / "results.parquet").unlink()
    with pytest.raises(InputError, match="expected a finished sweep"):
        read_sweep(out)
    with pytest.raises(InputError, match=r"there is no provenance\.json"):
        read_sweep(tmp_path)


def test_two_sweeps_do_not_write_one_folder(tmp_path: Path) -> None:
    loaded = load_sweep(tiny.written(tmp_path, tiny.grid_of(2)))
    folder = orbitsim.sweep.folder.SweepFolder(tmp_path / "out", loaded)
    folder.open([])
    try:
        with pytest.raises(InputError, match="another process is running this sweep now"):
            run_sweep(loaded, tmp_path / "out", resume=True, workers=1)
    finally:
        folder.close()
    assert run_sweep(loaded, tmp_path / "out", resume=True, workers=1).n_run == 2


def test_a_folder_that_cannot_be_written_is_one_message(tmp_path: Path) -> None:
    sweep = tiny.written(tmp_path, tiny.grid_of(2))
    with pytest.raises(OutputError, match="/proc/none/out: cannot be written"):
        run_sweep(sweep, "/proc/none/out", workers=1)
    with pytest.raises(OutputError, match=f"{sweep} is a file, not a folder"):
        run_sweep(sweep, sweep / "out", workers=1)


def test_a_full_disk_names_the_file_and_keeps_what_is_stored(tmp_path: Path) -> None:
    # A limit on the size of files stands for the full disk: the first files of the folder fit, results do not.
    sweep = tiny.written(tmp_path, tiny.grid_of(2))
    script = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000)); {tiny.COMMAND}"
    command = [sys.executable, "-c", script, "sweep", str(sweep), "--out", str(tmp_path / "out"), "--workers", "1"]
    done = subprocess.run(command, env=tiny.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"error: \S+/out/cells/[0-9a-f]{24}\.parquet: cannot be written: File too large\n", done.stderr)
    assert done.stdout == ""
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "base.json", "cells", "provenance.json", "sweep.toml",
    ]  # fmt: skip
    assert not list((tmp_path / "out" / "cells").iterdir())
    assert run_sweep(sweep, tmp_path / "out", workers=1, resume=True).n_run == 2
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 8000


def test_an_interrupt_keeps_what_is_finished(tmp_path: Path) -> None:
    sweep = tiny.written(tmp_path, tiny.grid_of(8, "sweep.cell_planners:slow"))
    out = tmp_path / "out"
    with tiny.start("sweep", sweep, "--out", out, "--workers", 2) as process:
        tiny.wait_until(lambda: tiny.n_parts(out) >= 2)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all processes of the group
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip().splitlines()[-1] == (
        f"interrupted: finished cells are kept in {out}; the same command with --resume goes on"
    )
    assert "Traceback" not in err
    kept = tiny.n_parts(out)
    assert 2 <= kept < 8
    code, _, err = tiny.run("sweep", sweep, "--out", out, "--workers", 1, "--resume", "--format", "csv")
    assert code == 0, err
    assert tiny.n_parts(out) == 8
    assert read_sweep(out).n_ok == 8


def test_cells_are_run_with_the_most_work_first(tmp_path: Path) -> None:
    cells = load_sweep(tiny.written(tmp_path, tiny.grid_of(4))).cells

    def images(cell: Cell) -> int:
        return cell.scenario.workload.images_per_task

    assert [images(cell) for cell in sorted(cells, key=lambda cell: -cell.work)] == [4, 3, 2, 1]
