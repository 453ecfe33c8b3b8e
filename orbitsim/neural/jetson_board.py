"""What a Jetson board says of itself under /sys and through nvpmodel: power rails, clocks, temperatures, power mode."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from orbitsim.workload.importers.rails import BOARD_INPUTS

_ZERO_CELSIUS_K = 273.15
_GPU_NAMES = ("gpu", "gm20b", "gp10b", "gv11b", "ga10b", "gb10b")


@dataclass(frozen=True)
class Rail:
    """One channel of an INA3221 power monitor.

    Attributes
    ----------
    name : str
        As the board names it, such as ``VDD_GPU_SOC``.
    power : Path or None
        File with the power in mW (JetPack 4).
    voltage, current : Path or None
        Files with mV and mA (JetPack 5 and 6).
    """

    name: str
    power: Path | None = None
    voltage: Path | None = None
    current: Path | None = None

    def power_w(self) -> float | None:
        """Return the power now, or None when it cannot be read [W]."""
        if self.power is not None:
            value = read_number(self.power)
            return None if value is None else value * 1e-3
        if self.voltage is None or self.current is None:
            return None
        millivolts, milliamperes = read_number(self.voltage), read_number(self.current)
        return None if millivolts is None or milliamperes is None else millivolts * milliamperes * 1e-6


@dataclass(frozen=True)
class JetsonBoard:
    """A board, found by its device tree and its power monitors.

    Attributes
    ----------
    model : str
        Name in the device tree, such as ``NVIDIA Jetson AGX Orin Developer Kit``.
    root : Path
        Root of the file system that was read.
    rails : tuple of Rail
        All channels of its power monitors.
    """

    model: str
    root: Path
    rails: tuple[Rail, ...] = field(repr=False)

    @property
    def input_rails(self) -> tuple[Rail, ...]:
        """Rails that add up to what the board takes in; empty when no known set is there."""
        by_name = {rail.name.upper(): rail for rail in self.rails}
        for names in BOARD_INPUTS:
            if all(name in by_name for name in names):
                return tuple(by_name[name] for name in names)
        return ()

    def power_w(self) -> float | None:
        """Return what the board takes in now: the sum of `input_rails`, or None [W]."""
        values = [rail.power_w() for rail in self.input_rails]
        known = [value for value in values if value is not None]
        return sum(known) if known and len(known) == len(values) else None

    def gpu_clock_hz(self) -> float | None:
        """Return the clock of the GPU now [Hz]."""
        for path in _sorted(self.root, "sys/class/devfreq/*/cur_freq"):
            name = read_text(path.parent / "device/of_node/name") or path.parent.name.rsplit(".", 1)[-1]
            if name in _GPU_NAMES:
                return read_number(path)
        return None

    def temperature_k(self, unit: str = "gpu") -> float | None:
        """Return the temperature of a unit (``gpu``, ``cpu``) now; None where its sensor is off [K]."""
        return zone_temperature_k(self.root, unit)

    def throttle_events(self) -> int | None:
        """Return how often over-current throttling began since the board started; None where it is not counted [1]."""
        counts = [read_number(path) for path in _sorted(self.root, "sys/class/hwmon/hwmon*/oc*_event_cnt")]
        known = [int(count) for count in counts if count is not None]
        return sum(known) if known else None

    def power_mode(self) -> str | None:
        """Return the power mode: nvpmodel's name for it (``30W``), or ``mode-N`` where only its number can be read."""
        program = shutil.which("nvpmodel") if self.root == Path("/") else None
        if program is not None:
            try:
                done = subprocess.run([program, "-q"], capture_output=True, timeout=20, check=False)  # noqa: S603
            except (OSError, subprocess.SubprocessError):
                done = None
            name = power_mode_name(done.stdout.decode("utf-8", "replace")) if done is not None else None
            if name is not None:
                return name
        status = re.search(r"pmode:(\d+)", read_text(self.root / "var/lib/nvpmodel/status") or "")
        return f"mode-{int(status.group(1))}" if status else None


def power_mode_name(text: str) -> str | None:
    """Return the name of the power mode from the text of ``nvpmodel -q``; ``MODE_30W`` is called ``30W``."""
    found = re.search(r"NV Power Mode:\s*(\S+)", text)
    return found.group(1).removeprefix("MODE_") if found else None


def find_board(root: Path | str = "/") -> JetsonBoard | None:
    """Return the Jetson board whose file system lies under `root`, or None when it is another machine."""
    top = Path(root)
    model = (read_text(top / "proc/device-tree/model") or "").strip("\x00 \n")
    rails = tuple(_find_rails(top))
    if "jetson" not in model.lower() and not (rails and (top / "etc/nv_tegra_release").exists()):
        return None
    return JetsonBoard(model or "Jetson", top, rails)


def _find_rails(root: Path) -> Iterator[Rail]:
    """Yield the channels of every INA3221: under hwmon (JetPack 5 and 6), or under iio (JetPack 4)."""
    for name in _sorted(root, "sys/bus/i2c/devices/*/name"):
        if "ina3221" not in (read_text(name) or ""):
            continue
        for label in _sorted(name.parent, "hwmon/hwmon*/in[123]_label"):
            rail, channel = read_text(label), label.name[2]
            if rail and rail != "NC":
                here = label.parent
                yield Rail(rail, voltage=here / f"in{channel}_input", current=here / f"curr{channel}_input")
        for label in _sorted(name.parent, "iio:device*/rail_name_[012]"):
            rail, channel = read_text(label), label.name[-1]
            if rail and rail != "NC":
                yield Rail(rail, power=label.parent / f"in_power{channel}_input")


def zone_temperature_k(root: Path, *kinds: str) -> float | None:
    """Return the temperature of the first thermal zone whose type contains one of `kinds`; None without one [K]."""
    for path in _sorted(root, "sys/class/thermal/thermal_zone*/type"):
        kind = (read_text(path) or "").lower()
        millidegrees = read_number(path.parent / "temp") if any(name in kind for name in kinds) else None
        if millidegrees is not None and millidegrees > -200e3:  # a sensor whose domain is off reads -256 degrees
            return millidegrees * 1e-3 + _ZERO_CELSIUS_K
    return None


def _sorted(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))


def read_text(path: Path) -> str | None:
    """Return the stripped content of a small file, or None when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def read_number(path: Path) -> float | None:
    """Return the first number in a small file, or None."""
    words = (read_text(path) or "").split()
    try:
        return float(words[0]) if words else None
    except ValueError:
        return None
