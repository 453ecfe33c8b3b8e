"""Loadgen's logs: what is a time of a pass and what is only a throughput; and power at the wall."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from workload.importers.board_data import JETSON, cuts, expected, needs_jetson, read_file, read_text, refusal

from orbitsim.workload.importers.base import Source
from orbitsim.workload.importers.mlperf_log import FORMAT

RULE = "=" * 48


def summary(scenario: str, first: str = "", per_query: int = 1, validity: str = "VALID") -> str:
    return (
        f"{RULE}\nMLPerf Results Summary\n{RULE}\nSUT name : MY_SUT\n"
        f"Scenario : {scenario}\nMode     : PerformanceOnly\n"
        f"{first}Result is : {validity}\n  Min duration satisfied : Yes\nEarly Stopping Result:\n"
        " * Processed at least 64 queries (1000).\n * Early stopping 90th percentile estimate: 5635431\n"
        f"\n{RULE}\nAdditional Stats\n{RULE}\nQPS w/ loadgen overhead         : 231.34\n\n"
        "Min latency (ns)                : 3000000\nMax latency (ns)                : 9000000\n"
        "Mean latency (ns)               : 4500000\n50.00 percentile latency (ns)   : 4000000\n"
        "90.00 percentile latency (ns)   : 5000000\n95.00 percentile latency (ns)   : 6000000\n"
        f"\n{RULE}\nTest Parameters Used\n{RULE}\nsamples_per_query : {per_query}\ntarget_latency (ns): 0\n"
        "\nNo warnings encountered during test.\n\nNo errors encountered during test.\n"
    )


def detail(scenario: str, **results: float | str) -> str:
    entries = {
        "sut_name": "MY_SUT",
        "effective_scenario": scenario,
        "effective_test_mode": "PerformanceOnly",
        "effective_samples_per_query": 1,
        "power_begin": "02-18-2023 18:00:02.500",
        "power_end": "02-18-2023 18:00:04.500",
        "result_validity": "VALID",
        "result_query_count": 1000,
        "result_min_latency_ns": 3000000,
        "result_max_latency_ns": 9000000,
        "result_mean_latency_ns": 4500000,
        "result_50.00_percentile_latency_ns": 4000000,
        "result_95.00_percentile_latency_ns": 6000000,
        **results,
    }
    return "".join(f":::MLLOG {json.dumps({'key': key, 'value': value})}\n" for key, value in entries.items())


POWER = "".join(
    f"Time,02-18-2023 18:00:0{second}.500,Watts,{watts},Volts,207.0,Amps,0.1,PF,0.3,Mark,run\n"
    for second, watts in enumerate(("6.5", "6.0", "20.0", "22.0", "24.0", "7.0"))
)


@pytest.mark.parametrize("text", [summary("SingleStream"), summary("Single Stream"), detail("SingleStream")])
def test_single_stream_is_a_time_of_a_pass(text: str) -> None:
    imported = read_text(FORMAT, text)
    (recording,) = imported.recordings
    assert recording.parts == ()
    assert recording.batch_size == 1
    forward = recording.forward
    assert forward is not None
    assert (forward.mean_s, forward.min_s, forward.max_s, forward.p50_s, forward.p95_s) == pytest.approx(
        (4.5e-3, 3e-3, 9e-3, 4e-3, 6e-3)
    )
    assert forward.n_samples == 1000
    assert imported.facts["result"] == "VALID"


def test_multi_stream_is_the_time_of_several_samples() -> None:
    imported = read_text(FORMAT, summary("MultiStream", per_query=8))
    assert imported.recordings[0].batch_size == 8
    assert any("several samples" in note for note in imported.notes)
    entries = {
        "effective_samples_per_query": 8,
        "result_min_query_latency_ns": 1,
        "result_max_query_latency_ns": 9,
        "result_mean_query_latency_ns": 5,
        "result_50.00_percentile_per_query_latency_ns": 4,
        "result_95.00_percentile_per_query_latency_ns": 8,
    }
    forward = read_text(FORMAT, detail("MultiStream", **entries)).recordings[0].forward
    assert forward is not None
    assert forward.mean_s == pytest.approx(5e-9)


def test_offline_and_server_give_a_throughput_and_no_time() -> None:
    offline = read_text(FORMAT, summary("Offline", "Samples per second: 544.243\n", per_query=363000))
    assert offline.recordings == ()
    assert offline.facts["samples_per_s"] == 544.243
    assert any("waiting times" in note for note in offline.notes)
    server = read_text(FORMAT, summary("Server", "Scheduled samples per second : 12.5\n"))
    assert server.recordings == ()
    assert server.facts["scheduled_samples_per_s"] == 12.5
    assert read_text(FORMAT, detail("Offline", result_samples_per_second=7)).facts["samples_per_s"] == 7


def test_an_invalid_result_is_noted_not_refused() -> None:
    imported = read_text(FORMAT, summary("SingleStream", validity="INVALID"))
    assert imported.recordings
    assert any("INVALID" in note for note in imported.notes)


def test_power_at_the_wall_meets_the_window_of_the_run() -> None:
    seen = read_text(FORMAT, POWER).telemetry
    facts = read_text(FORMAT, detail("Offline")).facts
    assert seen is not None
    inside = (seen.time_s >= facts["power_begin_s"]) & (seen.time_s <= facts["power_end_s"])
    assert np.mean(seen.power_w["wall"][inside]) == pytest.approx(22.0)
    assert seen.time_basis == "local"


@pytest.mark.parametrize(
    ("text", "good", "bad", "where"),
    [
        (summary("SingleStream"), "Scenario : SingleStream", "Scenario : Sometimes", "line 5, Scenario"),
        (summary("SingleStream"), "PerformanceOnly", "AccuracyOnly", "line 6, Mode"),
        (summary("SingleStream"), ": VALID", ": MAYBE", "line 7, Result is"),
        (summary("SingleStream"), ": 4500000", ": 4,5", "Mean latency (ns)"),
        (summary("SingleStream"), ": 4500000", ": -4500000", "Mean latency (ns)"),
        (summary("SingleStream"), ": 4500000", ": 2500000", "min <= median"),
        (summary("SingleStream"), ": 6000000", ": 3500000", "min <= median"),
        (summary("SingleStream"), "Mean latency (ns) ", "Mode latency (ns) ", "is missing"),
        (summary("SingleStream"), "samples_per_query : 1", "samples_per_query : 0", "samples_per_query"),
        (detail("SingleStream"), '"value": 4500000', '"value": NaN', "line 11"),
        (detail("SingleStream"), '"value": 4500000', '"value": "fast"', "line 11"),
        (detail("SingleStream"), ":::MLLOG {", "::MLLOG {", "line"),
        (POWER, "Watts,20.0", "Watts,20,0", "line 3"),
        (POWER, "Watts,20.0", "Watts,-1.0", "line 3, Watts"),
        (POWER, "Watts,20.0", "Watts,nan", "line 3, Watts"),
        (POWER, "Watts,20.0", "Volts,20.0", "line 3"),
        (POWER, "18:00:02", "17:00:02", "line 3: time runs backwards"),
        (POWER, "18:00:02", "18:60:02", "line 3"),
    ],
)
def test_faults_name_their_place(text: str, good: str, bad: str, where: str) -> None:
    assert good in text
    assert where in refusal(FORMAT, text.replace(good, bad) if good[0] != ":" else text.replace(good, bad, 1))


def test_a_summary_with_decimal_commas_says_so() -> None:
    text = summary("SingleStream")
    said = refusal(FORMAT, text.replace("50.00 percentile", "50,00 percentile").replace("95.00 perc", "95,00 perc"))
    assert "decimal point, not a comma" in said
    assert "line 21" in said
    assert "decimal comma" in refusal(FORMAT, text.replace(": 4500000", ": 4500000,5"))


def test_two_runs_in_one_file_are_refused() -> None:
    assert "two summaries" in refusal(FORMAT, summary("SingleStream") + summary("Offline"))
    assert "two runs" in refusal(
        FORMAT, detail("SingleStream") + detail("SingleStream", result_mean_latency_ns=4400000)
    )


def test_a_cut_log_is_refused_or_right() -> None:
    text = summary("SingleStream")
    whole = read_text(FORMAT, text).recordings
    assert all(imported.recordings == whole for _, imported in cuts(FORMAT, text))
    text = detail("SingleStream")
    assert list(cuts(FORMAT, text)) == []
    watts = [6.5, 6.0, 20.0, 22.0, 24.0, 7.0]
    for _, imported in cuts(FORMAT, POWER):
        seen = imported.telemetry
        assert seen is not None
        assert list(seen.power_w["wall"]) == watts[: len(seen.time_s)]


@pytest.mark.parametrize("text", ["", "Time,1,Watts,2\n", "MLLOG\n", "Samples per second: 3\n"])
def test_other_files_do_not_match(text: str) -> None:
    assert not FORMAT.matches(Source.of(text))


LOGS = expected("mlperf-inference-v3.0-orin", "mlperf-inference-v4.1-orin")
SUMMARIES = [(name, figures) for name, figures in LOGS if name.endswith("summary.txt")]
POWERS = [(name, figures) for name, figures in LOGS if name.endswith("spl.txt")]


@needs_jetson
@pytest.mark.parametrize(("name", "figures"), SUMMARIES, ids=[name for name, _ in SUMMARIES])
def test_published_summaries(name: str, figures: str) -> None:
    imported = read_file(FORMAT, name)
    stated = dict(re.findall(r"(Scenario|Samples per second|Result is|\w+ latency \(ns\)) ([\w.]+)", figures))
    assert imported.facts["scenario"] == stated["Scenario"]
    assert imported.facts["result"] == stated["Result is"]
    assert imported.facts["latency_s"]["mean"] == pytest.approx(int(stated["Mean latency (ns)"]) * 1e-9, rel=1e-12)
    if stated["Scenario"] == "Offline":
        assert imported.facts["samples_per_s"] == float(stated["Samples per second"])
        assert imported.recordings == ()
    else:
        forward = imported.recordings[0].forward
        assert forward is not None
        assert forward.mean_s == imported.facts["latency_s"]["mean"]


@needs_jetson
@pytest.mark.parametrize(("name", "figures"), POWERS, ids=[name for name, _ in POWERS])
def test_published_wall_power_within_the_run(name: str, figures: str) -> None:
    seen = read_file(FORMAT, name).telemetry
    facts = read_file(FORMAT, name.replace("spl.txt", "mlperf_log_detail.txt")).facts
    match = re.match(r"(\d+) samples; mean of all ([\d.]+) W; .* ([\d.]+) W over (\d+) samples", figures)
    assert match is not None
    assert seen is not None
    assert len(seen.time_s) == int(match[1])
    assert np.mean(seen.power_w["wall"]) == pytest.approx(float(match[2]), abs=5.1e-4)
    inside = (seen.time_s >= facts["power_begin_s"]) & (seen.time_s <= facts["power_end_s"])
    assert np.count_nonzero(inside) == int(match[4])
    assert np.mean(seen.power_w["wall"][inside]) == pytest.approx(float(match[3]), abs=5.1e-4)


@needs_jetson
def test_published_detail_logs_agree_with_their_summaries() -> None:
    details = sorted(JETSON.glob("mlperf*/**/mlperf_log_detail.txt"))
    assert len(details) >= 5
    for path in details:
        name = str(path.relative_to(JETSON))
        whole, short = read_file(FORMAT, name), read_file(FORMAT, name.replace("_detail", "_summary"))
        assert whole.facts["latency_s"] == short.facts["latency_s"]
        assert whole.recordings == short.recordings
