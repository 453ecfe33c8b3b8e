"""Boards and their sensors, read from trees of files as JetPack 4, 5 and 6 lay them out."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from orbitsim.neural.jetson_board import find_board, power_mode_name
from orbitsim.neural.sensors import BoardMeter, BoardSensors, NvmlSensors


def write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


HWMON = "sys/bus/i2c/devices/1-0040/hwmon/hwmon3"
ORIN = {
    "proc/device-tree/model": "NVIDIA Jetson AGX Orin Developer Kit\x00",
    "sys/bus/i2c/devices/1-0040/name": "ina3221\n",
    f"{HWMON}/in1_label": "VDD_GPU_SOC\n",
    f"{HWMON}/in1_input": "19000\n",
    f"{HWMON}/curr1_input": "500\n",
    f"{HWMON}/in2_label": "VDD_CPU_CV\n",
    f"{HWMON}/in2_input": "19000\n",
    f"{HWMON}/curr2_input": "100\n",
    f"{HWMON}/in3_label": "VIN_SYS_5V0\n",
    f"{HWMON}/in3_input": "5000\n",
    f"{HWMON}/curr3_input": "800\n",
    f"{HWMON}/in4_label": "sum of shunt voltages\n",
    "sys/bus/i2c/devices/1-0041/name": "ina3221\n",
    "sys/bus/i2c/devices/1-0041/hwmon/hwmon4/in1_label": "NC\n",
    "sys/bus/i2c/devices/1-0041/hwmon/hwmon4/in2_label": "VDDQ_VDD2_1V8AO\n",
    "sys/bus/i2c/devices/1-0041/hwmon/hwmon4/in2_input": "5000\n",
    "sys/bus/i2c/devices/1-0041/hwmon/hwmon4/curr2_input": "100\n",
    "sys/bus/i2c/devices/2-0050/name": "24c02\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "41500\n",
    "sys/class/thermal/thermal_zone1/type": "gpu-thermal\n",
    "sys/class/thermal/thermal_zone1/temp": "39250\n",
    "sys/class/devfreq/17000000.gpu/cur_freq": "930750000\n",
    "sys/class/devfreq/15480000.nvdec/cur_freq": "1\n",
    "sys/class/hwmon/hwmon5/oc1_event_cnt": "2\n",
    "sys/class/hwmon/hwmon5/oc3_event_cnt": "1\n",
    "var/lib/nvpmodel/status": "pmode:0002 fmode:quiet\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2201600\n",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "1100800\n",
}
XAVIER_JETPACK_4 = {
    "etc/nv_tegra_release": "# R32 (release), REVISION: 7.1\n",
    "sys/bus/i2c/devices/7-0040/name": "ina3221x\n",
    "sys/bus/i2c/devices/7-0040/iio:device0/rail_name_0": "VDD_IN\n",
    "sys/bus/i2c/devices/7-0040/iio:device0/in_power0_input": "5123\n",
    "sys/bus/i2c/devices/7-0040/iio:device0/rail_name_1": "VDD_CPU_GPU_CV\n",
    "sys/bus/i2c/devices/7-0040/iio:device0/in_power1_input": "1234\n",
    "sys/class/devfreq/17000000.gv11b/cur_freq": "1109250000\n",
    "sys/class/thermal/thermal_zone0/type": "GPU-therm\n",
    "sys/class/thermal/thermal_zone0/temp": "-256000\n",
}


def test_an_orin_of_jetpack_5_or_6(tmp_path: Path) -> None:
    write(tmp_path, ORIN)
    board = find_board(tmp_path)
    assert board is not None
    assert board.model == "NVIDIA Jetson AGX Orin Developer Kit"
    watts = {rail.name: rail.power_w() for rail in board.rails}
    assert watts == pytest.approx({"VDD_GPU_SOC": 9.5, "VDD_CPU_CV": 1.9, "VIN_SYS_5V0": 4.0, "VDDQ_VDD2_1V8AO": 0.5})
    assert board.power_w() == pytest.approx(15.4)  # the memory's rail hangs on the 5 V one
    assert board.gpu_clock_hz() == 930.75e6
    assert board.temperature_k() == pytest.approx(312.4)
    assert board.temperature_k("cpu") == pytest.approx(314.65)
    assert board.throttle_events() == 3
    assert board.power_mode() == "mode-2"


def test_a_xavier_of_jetpack_4(tmp_path: Path) -> None:
    write(tmp_path, XAVIER_JETPACK_4)
    board = find_board(tmp_path)
    assert board is not None
    assert board.power_w() == pytest.approx(5.123)  # the input alone, not with what hangs on it
    assert board.gpu_clock_hz() == 1109.25e6
    assert board.temperature_k() is None  # its sensor is switched off
    assert board.power_mode() is None


def test_other_machines_are_no_boards(tmp_path: Path) -> None:
    assert find_board(tmp_path) is None
    write(tmp_path, {"proc/device-tree/model": "Raspberry Pi 5\x00"})
    assert find_board(tmp_path) is None


@pytest.mark.parametrize("damage", ["", "busy\n", None])
def test_a_rail_that_cannot_be_read_leaves_the_power_unknown(tmp_path: Path, damage: str | None) -> None:
    write(tmp_path, ORIN)
    path = tmp_path / HWMON / "curr2_input"
    if damage is None:
        path.unlink()
    else:
        path.write_text(damage)
    board = find_board(tmp_path)
    assert board is not None
    assert board.power_w() is None


def test_readings_and_throttling(tmp_path: Path) -> None:
    write(tmp_path, ORIN)
    board = find_board(tmp_path)
    assert board is not None
    sensors = BoardSensors(board, on_gpu=True)
    first = sensors.read()
    assert (first.clock_hz, first.throttled) == (930.75e6, False)
    (tmp_path / "sys/class/hwmon/hwmon5/oc3_event_cnt").write_text("2\n")
    assert sensors.read().throttled is True
    assert sensors.read().throttled is False
    assert BoardSensors(board, on_gpu=False).read().clock_hz == pytest.approx(1651.2e6)


def test_energy_is_power_times_time(tmp_path: Path) -> None:
    write(tmp_path, ORIN)
    board = find_board(tmp_path)
    assert board is not None
    meter = BoardMeter(board, interval_s=0.002)
    assert meter.energy_j is None
    begin_s = time.perf_counter()
    with meter:
        inside_s = time.perf_counter()
        time.sleep(0.05)
        least_s = time.perf_counter() - inside_s
    most_s = time.perf_counter() - begin_s
    assert meter.energy_j is not None
    assert 15.4 * least_s * (1 - 1e-9) <= meter.energy_j <= 15.4 * most_s * (1 + 1e-9)
    assert meter.source == "INA3221: VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("NV Power Mode: MODE_30W\n2\n", "30W"),
        ("NV Fan Mode:quiet\nNV Power Mode: MAXN\n0\n", "MAXN"),
        ("NV Power Mode: MODE_15W_6CORE\n", "15W_6CORE"),
        ("command not found", None),
        ("", None),
    ],
)
def test_the_name_of_a_power_mode(text: str, name: str | None) -> None:
    assert power_mode_name(text) == name


def test_a_machine_without_nvml_says_so() -> None:
    pynvml = pytest.importorskip("pynvml")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        with pytest.raises(LookupError):
            NvmlSensors("GPU-00000000-0000-0000-0000-000000000000")
    else:
        with pytest.raises(LookupError):  # no GPU has this name
            NvmlSensors("00000000-0000-0000-0000-000000000000")
