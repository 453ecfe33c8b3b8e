"""tegrastats of every release and board that we know of, and of logs that are cut, mixed or damaged."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from workload.importers.board_data import cuts, expected, needs_jetson, read_file, read_text, refusal

from orbitsim.workload.importers.base import Source
from orbitsim.workload.importers.tegrastats import FORMAT

NANO = (
    "RAM 1000/4000MB (lfb 10x4MB) SWAP 5/2000MB (cached 1MB) IRAM 0/252kB(lfb 252kB) "
    "CPU [10%@1479,off,30%@1479,2%@102] EMC_FREQ 7%@1600 GR3D_FREQ 40%@921 APE 25 PLL@34C CPU@36.5C PMIC@-256C "
    "POM_5V_IN 3000/2000 POM_5V_GPU 900/10 "
    "POM_5V_CPU 0/0\n"
)
XAVIER = (
    "RAM 721/31927MB (lfb 7291x4MB) CPU [2%@1190,off] EMC_FREQ 0%@665 GR3D_FREQ 5%@318 APE 150 MTS fg 0% bg 3% "
    "GPU@37.5C GPU 7/0 CPU 311/311 SOC 932/932 CV 0/0 VDDRQ 621/621 SYS5V 1482/1482\n"
)
ORIN = (
    "08-14-2025 15:00:57 RAM 12574/62841MB (lfb 258x4MB) SWAP 0/31420MB (cached 0MB) CPU [2%@1036,off] EMC_FREQ 3%@665 "
    "GR3D_FREQ 43%@[1300,0] NVENC off NVDEC 115 VIC 4%@115 PVA0_FREQ off APE 174 cpu@51.031C gpu@-256C tj@51C "
    "VDD_GPU_SOC 2797mW/2000mW VDD_CPU_CV 799mW/800mW VIN_SYS_5V0 3215mW/3000mW\n"
)
ORIN_USER = "08-14-2025 15:00:58 RAM 500/7620MB (lfb 1x512kB) CPU [1%@729] GR3D_FREQ 99% cpu@50C VDD_IN 5000mW/4000mW\n"


def test_jetpack_4() -> None:
    imported = read_text(FORMAT, NANO + NANO.replace("GPU 900/10", "GPU 1100/10"))
    seen = imported.telemetry
    assert seen is not None
    assert seen.time_basis == "index"
    np.testing.assert_array_equal(seen.time_s, [0, 1])
    np.testing.assert_allclose(seen.power_w["POM_5V_IN"], [3.0, 3.0])
    np.testing.assert_allclose(seen.power_w["POM_5V_GPU"], [0.9, 1.1])
    np.testing.assert_allclose(seen.load["gpu"], [0.4, 0.4])
    np.testing.assert_allclose(seen.clock_hz["gpu"], [921e6, 921e6])
    np.testing.assert_allclose(seen.clock_hz["emc"], [1600e6, 1600e6])
    np.testing.assert_allclose(seen.temperature_k["cpu"], [309.65, 309.65])
    assert np.isnan(seen.temperature_k["pmic"]).all()
    np.testing.assert_array_equal(seen.ram_used_bytes, [1000 * 2**20] * 2)
    np.testing.assert_array_equal(seen.ram_total_bytes, [4000 * 2**20] * 2)
    assert sorted(name for name in seen.load if name.startswith("cpu")) == ["cpu0", "cpu2", "cpu3"]
    assert imported.facts["fields_not_kept"] == ["APE", "IRAM", "SWAP"]
    assert any("POM_5V_IN is the whole" in note for note in imported.notes)


def test_rails_without_a_prefix_are_not_the_cores_of_the_same_name() -> None:
    seen = read_text(FORMAT, XAVIER).telemetry
    assert seen is not None
    watts = {name: float(values[0]) for name, values in seen.power_w.items()}
    assert watts == pytest.approx({"GPU": 0.007, "CPU": 0.311, "SOC": 0.932, "CV": 0, "VDDRQ": 0.621, "SYS5V": 1.482})
    assert seen.load["cpu0"][0] == 0.02


def test_jetpack_6_as_root() -> None:
    seen = read_text(FORMAT, ORIN).telemetry
    assert seen is not None
    assert seen.time_basis == "local"
    assert seen.time_s[0] == 1755183657.0  # 2025-08-14 15:00:57, read as UTC
    assert seen.power_w["VDD_GPU_SOC"][0] == pytest.approx(2.797)
    assert seen.clock_hz["gpu"][0] == 1300e6
    assert seen.clock_hz["gpu-gpc1"][0] == 0
    assert math.isnan(seen.temperature_k["gpu"][0])


def test_jetpack_6_without_root() -> None:
    seen = read_text(FORMAT, ORIN_USER).telemetry
    assert seen is not None
    assert seen.load["gpu"][0] == 0.99
    assert "gpu" not in seen.clock_hz
    assert "emc" not in seen.load


def test_one_clock_for_all_cores() -> None:
    seen = read_text(FORMAT, "RAM 1/2MB (lfb 1x4MB) CPU [1%,2%]@345 EMC_FREQ 4% GR3D_FREQ 0%\n").telemetry
    assert seen is not None
    assert seen.clock_hz["cpu1"][0] == 345e6


def test_a_date_line_before_the_log_is_kept_as_a_fact() -> None:
    imported = read_text(FORMAT, f"Tue Jan 26 18:22:31 UTC 2021\n{NANO}")
    assert imported.facts["date_line"] == "Tue Jan 26 18:22:31 UTC 2021"
    assert "line 2" in refusal(FORMAT, f"{NANO}Tue Jan 26 18:22:31 UTC 2021\n{NANO}")


def test_ten_lines_a_second_are_spread_and_said_so() -> None:
    second = ORIN_USER * 10 + ORIN_USER.replace("15:00:58", "15:00:59") * 10
    imported = read_text(FORMAT, second)
    assert imported.telemetry is not None
    np.testing.assert_allclose(np.diff(imported.telemetry.time_s), 0.1, rtol=1e-5)
    assert any("spread evenly" in note for note in imported.notes)


def test_unknown_fields_are_named_and_damaged_ones_refused() -> None:
    imported = read_text(FORMAT, NANO.replace("APE 25", "NVFOO off NVBAR 12 THING"))
    assert imported.facts["fields_not_kept"] == ["IRAM", "NVBAR", "NVFOO", "SWAP", "THING"]


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("POM_5V_IN 3000/2000", "POM_5V_IN 3000"),
        ("POM_5V_IN 3000/2000", "POM_5V_IN 3000mW/2000"),
        ("POM_5V_IN 3000/2000", "POM_5V_IN 3,0/2,0"),
        ("POM_5V_IN 3000/2000", "POM_5V_IN -3000/2000"),
        ("POM_5V_IN 3000/2000", "POM_5V_IN nan/nan"),
        ("POM_5V_GPU 900/10", "POM_5V_IN 900/10"),
        ("CPU@36.5C", "CPU@36,5C"),
        ("CPU@36.5C", "CPU@36.5"),
        ("CPU@36.5C", "CPU@3650C"),
        ("10%@1479,off", "10%@1479,on"),
        ("GR3D_FREQ 40%@921", "GR3D_FREQ 140%@921"),
        ("GR3D_FREQ 40%@921", "GR3D_FREQ 40@921"),
        ("GR3D_FREQ 40%@921", "GR3D_FREQ off"),
        ("RAM 1000/4000MB", "RAM 5000/4000MB"),
        ("RAM 1000/4000MB", "RAM 1000/9999994000MB"),
        ("POM_5V_IN 3000/2000", "POM_5V_IN 9999993000/2000"),
        ("GR3D_FREQ 40%@921", "GR3D_FREQ 40%@999999921"),
        ("10%@1479,off", "10%@9999991479,off"),
        ("RAM 1000/4000MB", "RAM 1000/4000"),
        ("RAM 1000/4000MB", "RAM 1000/4000GB"),
    ],
)
def test_a_damaged_field_is_refused_with_its_line(good: str, bad: str) -> None:
    assert good in NANO
    assert "line 2" in refusal(FORMAT, NANO + NANO.replace(good, bad) + NANO)


def test_one_line_is_said_not_to_be_checkable() -> None:
    words = "one line: whether it is whole cannot be checked"
    assert words in read_text(FORMAT, NANO[: NANO.index("RAM") + len("RAM 1000/4000MB")]).notes
    assert words in read_text(FORMAT, NANO).notes
    assert words not in read_text(FORMAT, NANO + NANO).notes


def test_mixed_logs_are_refused() -> None:
    assert "two logs" in refusal(FORMAT, NANO + ORIN)
    assert "line 2" in refusal(FORMAT, ORIN_USER + ORIN)  # the second is older
    assert "expected a line of tegrastats" in refusal(FORMAT, f"{NANO}[I] GPU Compute Time: 3 ms\n")


def test_a_cut_log_is_refused_or_right() -> None:
    log = (ORIN + ORIN.replace("15:00:57", "15:00:58").replace("2797mW", "4797mW")) * 1
    whole = read_text(FORMAT, log).telemetry
    assert whole is not None
    n_read = 0
    for length, imported in cuts(FORMAT, log):
        seen = imported.telemetry
        assert seen is not None
        n = len(seen.time_s)
        np.testing.assert_array_equal(seen.time_s, whole.time_s[:n])
        for name, values in seen.power_w.items():
            np.testing.assert_array_equal(values, whole.power_w[name][:n])
        for name, values in seen.temperature_k.items():
            np.testing.assert_array_equal(values, whole.temperature_k[name][:n])
        if length > len(ORIN):
            assert n == 1 or set(seen.power_w) == set(whole.power_w)
        n_read += 1
    assert n_read > 1


@pytest.mark.parametrize(
    "text",
    ["", "RAM", "Time,01-01-2024 00:00:00.000,Watts,1\n", "{}", "a,b\n1,2\n", "[I] === Trace ===\nRAM usage 3\n"],
)
def test_other_files_do_not_match(text: str) -> None:
    assert not FORMAT.matches(Source.of(text))


LOGS = [
    (name, text)
    for name, text in expected(
        "scales-orin-agx", "hanner-orin-agx", "gwonxhj-orin-nano", "hokwangchoi-orin-nano", "datadog-tegrastats-lines",
        "ssaraff-tx2", "csc2231-jetson-nano",
    )
    if "samples; GR3D" in text
]  # fmt: skip


@needs_jetson
@pytest.mark.parametrize(("name", "figures"), LOGS, ids=[name for name, _ in LOGS])
def test_published_logs(name: str, figures: str) -> None:
    imported = read_file(FORMAT, name)
    seen = imported.telemetry
    assert seen is not None
    match = re.match(
        r"(\d+) samples; GR3D mean ([\d.]+) % max (\d+); RAM max (\d+) MB; mean mW: (.*?); ([^;]*)$", figures
    )
    assert match is not None
    assert len(seen.time_s) == int(match[1])
    assert np.mean(seen.load["gpu"]) * 100 == pytest.approx(float(match[2]), abs=5.1e-4)
    assert np.max(seen.load["gpu"]) * 100 == pytest.approx(int(match[3]))
    assert np.max(seen.ram_used_bytes) == int(match[4]) * 2**20
    mean_mw = dict(re.findall(r"(\w+) ([\d.]+)", match[5]))
    assert set(mean_mw) == set(seen.power_w)
    for rail, value in mean_mw.items():
        assert np.mean(seen.power_w[rail]) * 1e3 == pytest.approx(float(value), abs=0.051)
    assert (seen.time_basis == "index") == (match[6] == "no timestamps")
    assert np.all(np.diff(seen.time_s) > 0)
