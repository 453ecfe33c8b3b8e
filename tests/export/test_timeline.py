"""Timelines: the Trace Event Format is kept, nothing of the table is lost, large runs are written piece by piece."""

import gzip
import json
from collections import Counter

import numpy as np
import pytest
from export.trace_event_format import check

from orbitsim.errors import InputError
from orbitsim.export.timeline import write_timeline
from orbitsim.loading import change_scenario
from orbitsim.pipeline.run import run_scenario, save_run
from orbitsim.results.reading import StoredRun


def _written(run, path, **options):
    write_timeline(run, path, **options)
    return json.loads(path.read_text(encoding="utf-8"))


def _names(by_phase):
    """Return the names of processes and threads by their numbers."""
    processes = {e["pid"]: e["args"]["name"] for e in by_phase["M"] if e["name"] == "process_name"}
    threads = {(e["pid"], e["tid"]): e["args"]["name"] for e in by_phase["M"] if e["name"] == "thread_name"}
    return processes, threads


def test_every_passage_is_a_slice_on_the_thread_of_its_place(run_folder, tmp_path):
    run = StoredRun(run_folder)
    by_phase = check(_written(run, tmp_path / "day.json"))
    processes, threads = _names(by_phase)
    found = []
    for event in by_phase["X"]:
        if event["cat"] == "contact":
            continue
        scheme, node = processes[event["pid"]].split(": ")
        thread = threads[event["pid"], event["tid"]]
        place = node if thread == "computing" else f"{node}>{thread.removeprefix('to ')}"
        found.append((scheme, event["args"]["task"], event["args"]["batch"], place, event["cat"], event["ts"] / 1e6))
    rows = run.table("batches")
    expected = zip(
        *(rows[name].astype(str) if rows[name].dtype == "category" else rows[name] for name in
          ("scheme", "task", "batch", "place", "service", "start_s")),
        strict=True,
    )  # fmt: skip
    for ours, theirs in zip(sorted(found), sorted(expected), strict=True):
        assert ours[:5] == theirs[:5]
        assert ours[5] == pytest.approx(theirs[5], abs=1e-9)  # a nanosecond, the resolution of the file


def test_arrows_follow_each_mini_batch(run_folder, tmp_path):
    run = StoredRun(run_folder)
    by_phase = check(_written(run, tmp_path / "day.json"))
    n_stages = run.table("batches").groupby(["scheme", "task", "batch"], observed=True).size()
    moving = n_stages[n_stages > 1]
    assert len(by_phase["s"]) == len(by_phase["f"]) == len(moving)
    assert len(by_phase["t"]) == (moving - 2).sum()
    assert check(_written(run, tmp_path / "none.json", arrows=False))["s"] == []


def test_tasks_and_how_many_are_under_way(run_folder, tmp_path):
    run = StoredRun(run_folder)
    by_phase = check(_written(run, tmp_path / "day.json", schemes=["hybrid"]))
    rows = run.table("tasks").query("scheme == 'hybrid'")
    assert len(by_phase["b"]) == len(rows)
    assert {event["args"]["delay_s"] for event in by_phase["b"]} == set(rows["delay_s"])
    values = [event["args"]["tasks"] for event in by_phase["C"] if event["name"] == "tasks under way"]
    assert min(values) == 0 == values[-1]
    # the same count, by brute force, at every moment between changes
    times = np.sort(np.concatenate((rows["start_s"], rows["end_s"])))
    middles = 0.5 * (times[1:] + times[:-1])
    most = max(int(((rows["start_s"] <= t) & (t < rows["end_s"])).sum()) for t in middles)
    assert max(values) == most


def test_contacts_and_rates(run_folder, tmp_path):
    run = StoredRun(run_folder)
    by_phase = check(_written(run, tmp_path / "day.json"))
    contacts = [event for event in by_phase["X"] if event["cat"] == "contact"]
    assert len(contacts) == len(run.table("contacts"))
    rates = [event for event in by_phase["C"] if event["name"].endswith(">ground")]
    assert {next(iter(event["args"].values())) for event in rates} == {0.0, 800.0}


def test_tasks_that_run_each_alone_do_not_overlap_on_a_thread(quick, tmp_path):
    alone = change_scenario(
        quick,
        {"run.backlog": "independent", "run.schemes": ["hybrid"], "workload.images_per_task": 30,
         "workload.resolution": "1080p", "clock.slot_s": 0.5, "clock.step_s": 0.5, "clock.duration_s": 3.0,
         "links.downlink.availability": "always"},
    )  # fmt: skip
    run = StoredRun(save_run(run_scenario(alone), tmp_path / "run", command=["test"]))
    rows = run.table("batches").sort_values(["place", "start_s"])
    overlaps = (rows["start_s"] < rows.groupby("place", observed=True)["end_s"].shift()).sum()
    assert overlaps > 0, "the case does not test what it should"
    by_phase = check(_written(run, tmp_path / "day.json"))
    assert any("(2)" in name for name in _names(by_phase)[1].values())


def test_unfinished_tasks_end_at_the_horizon(quick, tmp_path):
    late = change_scenario(quick, {"links.downlink.min_elevation_deg": 89.9, "run.schemes": ["collaborative"]})
    run = StoredRun(save_run(run_scenario(late), tmp_path / "run", command=["test"]))
    by_phase = check(_written(run, tmp_path / "day.json"))
    assert {event["args"]["status"] for event in by_phase["b"]} == {"unfinished"}
    assert {event["ts"] for event in by_phase["e"]} == {3600e6}


def test_a_choice_of_tasks_and_schemes(run_folder, tmp_path):
    run = StoredRun(run_folder)
    by_phase = check(_written(run, tmp_path / "one.json", schemes=["hybrid"], tasks=[1, 3]))
    services = [event for event in by_phase["X"] if event["cat"] != "contact"]
    assert {event["args"]["task"] for event in services} == {1, 3}
    schemes = {name.split(": ")[0] for name in _names(by_phase)[0].values() if ": " in name}
    assert schemes == {"hybrid"}
    with pytest.raises(InputError) as caught:
        write_timeline(run, tmp_path / "two.json", schemes=["hybird"], tasks=[77])
    assert "'hybird'" in str(caught.value)
    assert "expected a task of the run (0 to 5), got 77" in str(caught.value)
    assert not (tmp_path / "two.json").exists()


def test_equal_runs_give_equal_bytes_and_compression_changes_nothing(run_folder, tmp_path):
    run = StoredRun(run_folder)
    for name in ("a.json", "a.json.gz", "b.json.gz"):
        write_timeline(run, tmp_path / name)
    assert (tmp_path / "a.json.gz").read_bytes() == (tmp_path / "b.json.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.json.gz").read_bytes()) == (tmp_path / "a.json").read_bytes()


def test_rows_in_pieces_make_the_same_file(run_folder, tmp_path, monkeypatch):
    run = StoredRun(run_folder)
    write_timeline(run, tmp_path / "whole.json")
    slices = StoredRun.slices
    monkeypatch.setattr(StoredRun, "slices", lambda self, name, columns: slices(self, name, columns, n_rows=7))
    write_timeline(run, tmp_path / "pieces.json")
    assert (tmp_path / "whole.json").read_bytes() == (tmp_path / "pieces.json").read_bytes()


def test_a_name_with_quotes_and_other_scripts(quick, tmp_path):
    odd = change_scenario(quick, {"name": 'Kärnä "北" \\ <b>', "run.schemes": ["hybrid"], "clock.duration_s": 600.0})
    run = StoredRun(save_run(run_scenario(odd), tmp_path / "run", command=["test"]))
    trace = _written(run, tmp_path / "day.json")
    check(trace)
    assert trace["otherData"]["scenario"] == 'Kärnä "北" \\ <b>'


def test_without_mini_batches_there_is_no_timeline(quick, tmp_path):
    brief = change_scenario(quick, {"run.record": "tasks", "run.schemes": ["hybrid"]})
    run = StoredRun(save_run(run_scenario(brief), tmp_path / "run", command=["test"]))
    with pytest.raises(InputError, match="recorded tasks only"):
        write_timeline(run, tmp_path / "day.json")
    assert not list(tmp_path.glob("*.json*"))


def test_the_checker_finds_faults(run_folder, tmp_path):
    trace = _written(StoredRun(run_folder), tmp_path / "day.json")
    counts = Counter(event["ph"] for event in trace["traceEvents"])
    assert all(counts[phase] for phase in "XMCbestf")
    for phase, key, value in (("X", "dur", 1e12), ("X", "pid", 999), ("e", "ts", -1.0), ("f", "ts", 0.0)):
        broken = json.loads(json.dumps(trace))
        next(e for e in broken["traceEvents"] if e["ph"] == phase and e.get("cat") != "contact")[key] = value
        with pytest.raises((AssertionError, KeyError)):
            check(broken)
