"""Every published recording of a supported format: detected, and equal to what its list of sources expects."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

import numpy as np
import pytest
from workload.importers.board_data import JETSON, expected, needs_jetson

from orbitsim.errors import InputError
from orbitsim.workload.importers.registry import FORMATS, open_source, read_source

FOLDERS = tuple(sorted(path.name for path in JETSON.iterdir() if path.is_dir())) if JETSON.exists() else ()
NUMBER = r"(-?\d+(?:\.\d+)?)"
# An expectation is compared by what its words say; those that no importer reads are tables for people.
TABLES = ("timm-benchmarks-desktop",)


def half_digit(text: str) -> float:
    """Half of the last printed digit."""
    return 0.5 * 10.0 ** -(len(text.partition(".")[2])) * (1 + 1e-9)


def agree(pattern: str, text: str, value: float) -> bool:
    """Compare a number after a word with a value, to the digits printed; True when the word does occur."""
    match = re.search(pattern, text)
    if match is None:
        return False
    assert value == pytest.approx(float(match[1]), abs=half_digit(match[1])), (pattern, text)
    return True


def check_telemetry(text, imported):
    telemetry = imported.telemetry
    checks = [agree(rf"^{NUMBER} samples", text, len(telemetry.time_s))]
    load = telemetry.load.get("gpu")
    checks.append(load is not None and agree(rf"GR3D mean {NUMBER} %", text, 100 * np.nanmean(load)))
    checks.append(load is not None and agree(rf"GR3D mean [\d.]+ % max {NUMBER}", text, 100 * np.nanmax(load)))
    checks.append(agree(rf"RAM max {NUMBER} MB", text, np.nanmax(telemetry.ram_used_bytes) / 2**20))
    rails = re.search(r"mean mW: (.*?); (?:\d\d-\d\d-\d{4}|no timestamps)", text)
    for rail, mean in re.findall(r"(\w+) ([\d.]+)", rails[1] if rails else ""):
        found = 1e3 * np.nanmean(telemetry.power_w[rail])
        assert found == pytest.approx(float(mean), abs=half_digit(mean)), rail
        checks.append(True)
    span = re.search(r"(\d\d-\d\d-\d{4} \d\d:\d\d:\d\d) to (\d\d-\d\d-\d{4} \d\d:\d\d:\d\d)", text)
    if span:
        first, last = (
            datetime.strptime(word, "%m-%d-%Y %H:%M:%S").replace(tzinfo=UTC).timestamp() for word in span.groups()
        )
        # Lines that share a second may have been spread over it.
        assert telemetry.time_s[0] == pytest.approx(first, abs=1.0)
        assert telemetry.time_s[-1] == pytest.approx(last, abs=1.0)
        checks.append(True)
    elif "no timestamps" in text:
        assert telemetry.time_basis == "index"
    return any(checks)


def check_wall(text, imported):
    watts = imported.telemetry.power_w["wall"]
    return agree(rf"^{NUMBER} samples", text, len(watts)) and agree(rf"mean of all {NUMBER} W", text, watts.mean())


def check_power_library(text, imported):
    telemetry = imported.telemetry
    assert telemetry.power_mode == "MAXN"
    return all(
        [
            agree(rf"^{NUMBER} rows", text, len(telemetry.time_s)),
            agree(rf"VDD_GPU_SOC-IN_POWER {NUMBER} mW", text, 1e3 * np.nanmean(telemetry.power_w["VDD_GPU_SOC"])),
            agree(rf"IGPU0-CURR_LOAD {NUMBER}", text, 100 * np.nanmean(telemetry.load["gpu"])),
        ]
    )


def check_jtop(text, imported):
    return agree(rf"^{NUMBER} data rows", text, len(imported.telemetry.time_s))


def check_parts(text, imported):
    (recording,) = imported.recordings
    total_ms = 1e3 * math.fsum(part.mean_s for part in recording.parts)
    count = agree(rf"{NUMBER} (?:subgraphs|layers)", text, len(recording.parts))
    total = agree(rf"(?:sum of mean latency|sum of per-layer mean|sum averageMs) {NUMBER}", text, total_ms)
    if "medianMs" in text:
        median_ms = 1e3 * math.fsum(part.p50_s or 0.0 for part in recording.parts)
        assert agree(rf"sum medianMs {NUMBER}", text, median_ms)
    return count and total


def check_trtexec_log(text, imported):
    assert str(imported.facts["trtexec_version"]) in text
    recording = imported.recordings[0]
    assert recording.device is not None
    assert f"Selected Device {recording.device}" in text
    if recording.forward is not None:
        times = re.search(rf"GPU Compute Time min = {NUMBER} ms, max = {NUMBER} ms, mean = {NUMBER} ms", text)
        found = (recording.forward.min_s, recording.forward.max_s, recording.forward.mean_s)
        assert [1e3 * value for value in found] == pytest.approx([float(word) for word in times.groups()], rel=1e-9)
        agree(rf"Throughput {NUMBER} qps", text, imported.facts["throughput_qps"])
    return True


def check_trtexec_times(text, imported):
    forward = imported.recordings[0].forward
    return agree(rf"^{NUMBER} iterations", text, forward.n_samples) and agree(
        rf"mean computeMs {NUMBER}", text, 1e3 * forward.mean_s
    )


def check_split(text, imported):
    timings = [part for recording in imported.recordings for part in recording.parts]

    def total(kind: str) -> float:
        return math.fsum(part.mean_s for part in timings if kind in part.name)

    assert agree(rf"Compute {NUMBER} s", text, total("Compute"))
    assert agree(rf"Communication {NUMBER} s", text, total("Communication"))
    return agree(rf"^{NUMBER} rows", text, imported.facts.get("n_rows", len(timings)))


def check_stages(text, imported):
    found = {part.name: 1e3 * part.mean_s for part in imported.recordings[0].parts}
    wanted = dict(re.findall(r"(\w+) ([\d.]+) ms/run", text))
    assert set(wanted) == set(found)
    for name, word in wanted.items():
        assert found[name] == pytest.approx(float(word), abs=half_digit(word))
    return True


def check_mlperf(text, imported):
    assert re.search(r"Scenario (\w+)", text)[1] == imported.facts["scenario"]
    assert imported.facts["result"] == "VALID"
    facts = imported.facts
    if imported.recordings:
        assert agree(rf"Mean latency \(ns\) {NUMBER}", text, 1e9 * imported.recordings[0].forward.mean_s)
    else:
        assert agree(rf"Samples per second {NUMBER}", text, facts["samples_per_s"])
    return True


def check_nsys(text, imported):
    if "ranges" in text:
        names = re.search(r"ranges \[(.*?)\]", text)[1]
        totals = [float(word) for word in re.findall(r"'(\d+)'", text)]
        parts = [part for recording in imported.recordings for part in recording.parts]
        assert all(part.name in names for part in parts)
        assert [1e9 * part.mean_s * (part.n_samples or 1) for part in parts] == pytest.approx(totals, rel=1e-9)
        return agree(rf"^{NUMBER} rows", text, len(parts))
    rows, total_ns, count = (
        float(re.search(pattern, text)[1])
        for pattern in (rf"^{NUMBER} rows", rf"Total Time {NUMBER} ns", rf"(?:Instances|Num Calls) {NUMBER}")
    )
    if imported.recordings:
        parts = [part for recording in imported.recordings for part in recording.parts]
        assert len(parts) == rows
        assert math.fsum(1e9 * part.mean_s * part.n_samples for part in parts) == pytest.approx(total_ns, rel=1e-6)
        assert sum(part.n_samples for part in parts) == count
    else:
        facts = str(imported.facts)
        assert all(str(int(value)) in facts or str(value * 1e-9) in facts for value in (rows, count))
    return True


def check_kineto(text, imported):
    facts = str(imported.facts)
    return all(word in facts for word in re.findall(r"(\d+) traceEvents; (\d+) with", text)[0])


CHECKS = {
    "tegrastats": check_telemetry,
    "subgraph-json": check_parts,
    "tensorrt-json": check_parts,
    "trtexec-profile": check_parts,
    "trtexec-log": check_trtexec_log,
    "trtexec-times": check_trtexec_times,
    "split-csv": check_split,
    "stage-json": check_stages,
    "nsys-csv": check_nsys,
    "kineto": check_kineto,
}


def check_of(imported, name):
    if imported.format == "mlperf-log":
        return check_wall if imported.telemetry is not None else check_mlperf
    if imported.format == "jtop-csv":
        return check_power_library if imported.telemetry.time_basis == "relative" else check_jtop
    return CHECKS[imported.format]


@needs_jetson
@pytest.mark.parametrize(("name", "text"), [pair for pair in expected(*FOLDERS) if not pair[0].startswith(TABLES)])
def test_every_expectation_is_met(name, text):
    source = open_source(JETSON / name)
    assert sum(fmt.matches(source) for fmt in FORMATS) == 1
    imported = read_source(source)
    assert check_of(imported, name)(text, imported)


@needs_jetson
def test_what_is_not_a_recording_is_refused_and_nothing_matches_twice():
    known = {name for name, _ in expected(*FOLDERS)}
    refused = []
    for path in sorted(JETSON.rglob("*")):
        name = path.relative_to(JETSON).as_posix()
        if path.is_dir() or name in known:
            continue
        source = open_source(path)
        matching = [fmt.name for fmt in FORMATS if fmt.matches(source)]
        assert len(matching) <= 1, (name, matching)
        if not matching:
            with pytest.raises(InputError, match="known format"):
                read_source(source)
            refused.append(name)
    assert any("LICENSE" in name for name in refused)
    assert any(name.endswith(".md") for name in refused)
    assert any("ncu_results" in name for name in refused)
