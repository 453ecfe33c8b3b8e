"""Board monitors' CSV in its three layouts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from workload.importers.board_data import cuts, needs_jetson, read_file, read_text, refusal

from orbitsim.workload.importers.base import Source
from orbitsim.workload.importers.jtop_csv import FORMAT

JTOP = (
    "time,uptime,CPU1,CPU2,RAM,SWAP,EMC,GPU,APE,Fan pwmfan0,Temp cpu,Temp gpu,"
    "Power VDD_IN,Power TOT,jetson_clocks,nvp model\n"
    "2024-05-01 10:00:00.250000,1:02:03.5,12,OFF,0.25,0.0,7,80,150,30.5,45.5,-256,5000,6000,OFF,15W\n"
    "2024-05-01 10:00:01,1:02:04.25,13,20,0.5,0.0,8,90,OFF,30.5,46.5,50,5500,6500,OFF,15W\n"
)
LIBRARY = (
    "System-Time,NVPMODEL-POWER_MODE,CPU0-STATE,CPU0-CURR_FREQ,CPU0-CURR_LOAD,CPU1-STATE,CPU1-CURR_FREQ,CPU1-CURR_LOAD,"
    "IGPU0-CURR_FREQ,IGPU0-CURR_LOAD,EMC-CURR_FREQ,EMC-CURR_LOAD,MEM-USED_SIZE,MEM-TOTAL_SIZE,dla0-STATE,dla0-CURR_FREQ,"
    "gpu-thermal-CURR_TEMP,gpu-thermal-SW_THROTTLING_TEMP,cv0-thermal-CURR_TEMP,"
    "VDD_X-IN_VOLTAGE,VDD_X-IN_CURRENT,VDD_X-IN_POWER,VDD_X-AVG_POWER\n"
    "23:59:59,MAXN,True,1971.2,36,False,-,-,1185.75,98,204.0,1133,1000,2000,False,-,61.5,112.0,-256000,19552,1000,19552,55\n"
    "00:00:01,MAXN,True,729.6,4,True,729.6,8,1020.0,50,204.0,805,1500,2000,False,-,62.5,112.0,-256000,19552,500,9776,55\n"
)
SHORT = (
    "Timestamp, RAM_Usage, CPU_Util_Core_0, GPU_Utilization, CPU_Temperature, GPU_Temperature, "
    "GPU_Power_Inst, Extra Power\n"
    "2025-05-01 17:06:56, 11283/62841MB, 7, 25%, 50.125, 44.9, 2800, \n"
    "2025-05-01 17:06:58, 11284/62841MB, 8, 50%, 50.218, , 2900, \n"
)


def test_jetson_stats() -> None:
    seen = read_text(FORMAT, JTOP).telemetry
    assert seen is not None
    assert (seen.time_basis, seen.power_mode) == ("local", "15W")
    assert seen.time_s[0] == 1714557600.25
    np.testing.assert_allclose(seen.power_w["TOT"], [6.0, 6.5])
    np.testing.assert_allclose(seen.load["gpu"], [0.8, 0.9])
    np.testing.assert_allclose(seen.load["cpu0"], [0.12, 0.13])
    np.testing.assert_array_equal(seen.load["cpu1"], [math.nan, 0.2])
    np.testing.assert_allclose(seen.load["ram"], [0.25, 0.5])
    np.testing.assert_allclose(seen.temperature_k["cpu"], [318.65, 319.65])
    np.testing.assert_array_equal(seen.temperature_k["gpu"], [math.nan, 323.15])
    assert np.isnan(seen.ram_used_bytes).all()


def test_power_library_over_midnight() -> None:
    imported = read_text(FORMAT, LIBRARY)
    seen = imported.telemetry
    assert seen is not None
    assert (seen.time_basis, seen.power_mode) == ("relative", "MAXN")
    np.testing.assert_array_equal(seen.time_s, [0, 2])
    np.testing.assert_allclose(seen.power_w["VDD_X"], [19.552, 9.776])
    np.testing.assert_allclose(seen.clock_hz["gpu"], [1185.75e6, 1020e6])
    np.testing.assert_array_equal(seen.clock_hz["cpu1"], [math.nan, 729.6e6])
    np.testing.assert_allclose(seen.temperature_k["gpu"], [334.65, 335.65])
    assert np.isnan(seen.temperature_k["cv0"]).all()
    np.testing.assert_array_equal(seen.ram_used_bytes, [1000 * 2**20, 1500 * 2**20])
    assert "emc" not in seen.load
    assert "emc" not in seen.clock_hz
    assert list(seen.power_w) == ["VDD_X"]


def test_a_changed_power_mode_is_a_note() -> None:
    imported = read_text(FORMAT, LIBRARY.replace("00:00:01,MAXN", "00:00:01,MODE_15W"))
    assert imported.telemetry is not None
    assert imported.telemetry.power_mode is None
    assert any("MAXN, MODE_15W" in note for note in imported.notes)


def test_short_log() -> None:
    seen = read_text(FORMAT, SHORT).telemetry
    assert seen is not None
    np.testing.assert_array_equal(np.diff(seen.time_s), [2])
    np.testing.assert_allclose(seen.power_w["GPU"], [2.8, 2.9])
    np.testing.assert_array_equal(seen.temperature_k["gpu"], [44.9 + 273.15, math.nan])
    np.testing.assert_array_equal(seen.ram_used_bytes, [11283 * 2**20, 11284 * 2**20])


@pytest.mark.parametrize(
    ("text", "good", "bad", "where"),
    [
        (JTOP, "0.25,0.0,7", "0,25,0.0,7", "line 2"),
        (JTOP, ",80,150", ",180,150", "line 2, GPU"),
        (JTOP, ",5500,6500", ",-5500,6500", "line 3, Power VDD_IN"),
        (JTOP, ",5500,6500", ",nan,6500", "line 3, Power VDD_IN"),
        (JTOP, ",5500,6500", ",9999995500,6500", "line 3, Power VDD_IN: expected a board's rail, up to 1 kW"),
        (JTOP, "2024-05-01 10:00:01,", "01/05/2024 10:00:01,", "line 3"),
        (JTOP, "2024-05-01 10:00:01,", "2024-04-01 10:00:01,", "line 3"),
        (JTOP, "Temp gpu", "Temp cpu", "line 1"),
        (LIBRARY, "00:00:01", "24:00:01", "line 3"),
        (LIBRARY, ",9776,", ",x,", "line 3, VDD_X-IN_POWER"),
        (SHORT, "11284/62841MB", "11284MB", "line 3, RAM_Usage"),
        (SHORT, "50.218", "50218", "line 3, CPU_Temperature"),
    ],
)
def test_faults_name_line_and_column(text: str, good: str, bad: str, where: str) -> None:
    assert good in text
    assert where in refusal(FORMAT, text.replace(good, bad))


def test_an_empty_cell_is_a_missing_value() -> None:
    seen = read_text(FORMAT, LIBRARY.replace(",9776,", ",,")).telemetry
    assert seen is not None
    np.testing.assert_array_equal(seen.power_w["VDD_X"], [19.552, math.nan])


@pytest.mark.parametrize("text", [JTOP, LIBRARY, SHORT])
def test_a_cut_log_is_refused_or_shorter(text: str) -> None:
    whole = read_text(FORMAT, text).telemetry
    assert whole is not None
    lengths = []
    for length, imported in cuts(FORMAT, text):
        seen = imported.telemetry
        assert seen is not None
        for name, values in seen.power_w.items():
            np.testing.assert_array_equal(values, whole.power_w[name][: len(values)])
        lengths.append(length)
    assert lengths == [text.index("\n", text.index("\n") + 1) + 1]  # only the first row, ended


def test_semicolons_and_decimal_commas_are_an_error_not_a_table() -> None:
    assert "line 1" in refusal(FORMAT, SHORT.replace(".", ",").replace(", ", "; "))


def test_other_tables_do_not_match() -> None:
    assert not FORMAT.matches(Source.of("time,value\n1,2\n"))
    assert not FORMAT.matches(Source.of("State,Rank,Type,Remark,Time\n"))


@needs_jetson
def test_published_power_library_log() -> None:
    seen = read_file(FORMAT, "bkubwimana-orin-agx/tegrastats.csv").telemetry
    assert seen is not None
    assert len(seen.time_s) == 1200
    assert seen.power_mode == "MAXN"
    assert np.mean(seen.power_w["VDD_GPU_SOC"]) == pytest.approx(23.2712, abs=5e-5)
    assert np.mean(seen.load["gpu"]) == pytest.approx(0.86141, abs=5e-6)
    assert np.isnan(seen.temperature_k["cv0"]).all()
    assert np.all(np.diff(seen.time_s) > 0)
    assert seen.time_s[-1] == 1200  # 01:22:35 to 01:42:35


@needs_jetson
def test_published_short_log() -> None:
    seen = read_file(FORMAT, "agentmesh-orin-agx/jtop_log.csv").telemetry
    assert seen is not None
    assert len(seen.time_s) == 15
    assert seen.power_w["System"][0] == pytest.approx(4.327)
