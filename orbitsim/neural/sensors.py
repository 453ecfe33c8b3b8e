"""Energy, clock, temperature and throttling of the device that does the work, where it tells them."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from orbitsim.neural.jetson_board import JetsonBoard, zone_temperature_k
from orbitsim.neural.machine import cpu_clock_hz

_ZERO_CELSIUS_K = 273.15
_RAIL_INTERVAL_S = 0.02


@dataclass(frozen=True)
class Reading:
    """State of a device at one moment; None where it is not told.

    Attributes
    ----------
    clock_hz : float or None
        Clock of the processor that does the work. [Hz]
    temperature_k : float or None
        Its temperature. [K]
    throttled : bool or None
        Whether it lowers its clock for heat or power.
    """

    clock_hz: float | None = None
    temperature_k: float | None = None
    throttled: bool | None = None


class EnergyMeter(Protocol):
    """Counts the energy of a device while a ``with`` block runs."""

    source: str
    shortest_s: float

    def __enter__(self) -> EnergyMeter:
        """Begin to count."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop counting."""
        ...

    @property
    def energy_j(self) -> float | None:
        """Energy of the last block, or None when it could not be read [J]."""
        ...


class Sensors(Protocol):
    """What a device tells of itself."""

    meter: EnergyMeter | None

    def read(self) -> Reading:
        """Return the state now."""
        ...


class CpuSensors:
    """A processor: its clock and temperature where Linux knows them; no energy."""

    meter: EnergyMeter | None = None

    def read(self) -> Reading:
        """Return the state now."""
        temperature_k = zone_temperature_k(Path("/"), "x86_pkg_temp", "coretemp", "cpu")
        return Reading(cpu_clock_hz(), temperature_k, None)


class BoardMeter:
    """Integrates the power of a Jetson's input rails, read in a thread of its own."""

    def __init__(self, board: JetsonBoard, interval_s: float = _RAIL_INTERVAL_S) -> None:
        self.board, self.interval_s = board, interval_s
        self.source = f"INA3221: {' + '.join(rail.name for rail in board.input_rails)}"
        self.shortest_s = 1.0
        self._energy_j: float | None = None

    def __enter__(self) -> BoardMeter:
        """Begin to sample."""
        self._samples: list[tuple[float, float]] = []
        self._begin_s = time.perf_counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def _sample(self) -> None:
        while True:
            power_w = self.board.power_w()
            if power_w is not None:
                self._samples.append((time.perf_counter(), power_w))
            if self._stop.wait(self.interval_s):
                break

    def __exit__(self, *_: object) -> None:
        """Stop, and integrate by the trapezoidal rule."""
        end_s = time.perf_counter()
        self._stop.set()
        self._thread.join()
        self._energy_j = None
        if self._samples:
            inner = [(t, p) for t, p in self._samples if t < end_s]
            points = [(self._begin_s, self._samples[0][1]), *inner, (end_s, self._samples[-1][1])]
            self._energy_j = sum((t2 - t1) * (p1 + p2) / 2 for (t1, p1), (t2, p2) in pairwise(points))

    @property
    def energy_j(self) -> float | None:
        """Energy of the last block [J]."""
        return self._energy_j


class BoardSensors:
    """A Jetson board: GPU clock and temperature, over-current throttling, power of its rails."""

    def __init__(self, board: JetsonBoard, *, on_gpu: bool) -> None:
        self.board, self.on_gpu = board, on_gpu
        self.meter: EnergyMeter | None = BoardMeter(board) if board.power_w() is not None else None
        self._events = board.throttle_events()

    def read(self) -> Reading:
        """Return the state now; throttled when a throttling event was counted since the last reading."""
        before, self._events = self._events, self.board.throttle_events()
        throttled = None if before is None or self._events is None else self._events > before
        clock_hz = self.board.gpu_clock_hz() if self.on_gpu else cpu_clock_hz(self.board.root)
        return Reading(clock_hz, self.board.temperature_k("gpu" if self.on_gpu else "cpu"), throttled)


class NvmlSensors:
    """An NVIDIA GPU with NVML: SM clock, temperature, throttling, the total energy counter.

    Parameters
    ----------
    uuid : str
        UUID of the GPU, as torch gives it; the order of CUDA's devices need not be NVML's.

    Raises
    ------
    LookupError
        When NVML, or the GPU in it, is not there.
    """

    def __init__(self, uuid: str) -> None:
        import pynvml

        self._nvml: Any = pynvml
        try:
            pynvml.nvmlInit()
            name = uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"
            self._handle = pynvml.nvmlDeviceGetHandleByUUID(name)
        except pynvml.NVMLError as error:
            raise LookupError(str(error)) from error
        self.meter: EnergyMeter | None = None if self._energy_mj() is None else _NvmlMeter(self)

    def _ask(self, function: str, *arguments: Any) -> Any:
        """Return NVML's answer, or None where the device does not support the question."""
        try:
            return getattr(self._nvml, function)(self._handle, *arguments)
        except (self._nvml.NVMLError, AttributeError):
            return None

    def _energy_mj(self) -> int | None:
        value = self._ask("nvmlDeviceGetTotalEnergyConsumption")
        return None if value is None else int(value)

    def read(self) -> Reading:
        """Return the state now; throttled by heat, or by a limit of power."""
        megahertz = self._ask("nvmlDeviceGetClockInfo", self._nvml.NVML_CLOCK_SM)
        celsius = self._ask("nvmlDeviceGetTemperature", self._nvml.NVML_TEMPERATURE_GPU)
        reasons = self._ask("nvmlDeviceGetCurrentClocksEventReasons")
        if reasons is None:
            reasons = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons")
        # Bits of nvmlClocksEventReasons: 0x04 SW power cap, 0x08 HW slowdown, 0x20 SW thermal, 0x40 HW thermal,
        # 0x80 HW power brake (nvml.h).
        return Reading(
            None if megahertz is None else megahertz * 1e6,
            None if celsius is None else celsius + _ZERO_CELSIUS_K,
            None if reasons is None else bool(reasons & (0x04 | 0x08 | 0x20 | 0x40 | 0x80)),
        )

    def power_mode(self) -> str:
        """Return ``default``, or the power limit where it was set to another than the default."""
        limit = self._ask("nvmlDeviceGetEnforcedPowerLimit")
        default = self._ask("nvmlDeviceGetPowerManagementDefaultLimit")
        if limit is None or default is None or limit == default:
            return "default"
        return f"{limit / 1e3:g}W"

    def facts(self) -> dict[str, Any]:
        """Return driver, limit of power and other processes on the GPU; JSON values."""
        try:
            driver = self._nvml.nvmlSystemGetDriverVersion()
        except self._nvml.NVMLError:
            driver = None
        limit = self._ask("nvmlDeviceGetEnforcedPowerLimit")
        processes = self._ask("nvmlDeviceGetComputeRunningProcesses")
        return {
            "driver": driver.decode() if isinstance(driver, bytes) else driver,
            "power_limit_w": None if limit is None else limit / 1e3,
            "other_processes": None if processes is None else sum(process.pid != os.getpid() for process in processes),
        }


class _NvmlMeter:
    """The GPU's energy since its driver was loaded, before and after."""

    source = "NVML total energy counter: the whole GPU, idle power included"
    shortest_s = 2.0  # the counter moves in steps of up to a tenth of a second

    def __init__(self, sensors: NvmlSensors) -> None:
        self._sensors = sensors
        self._energy_j: float | None = None

    def __enter__(self) -> _NvmlMeter:
        """Read the counter."""
        self._before = self._sensors._energy_mj()  # noqa: SLF001  two halves of one module
        return self

    def __exit__(self, *_: object) -> None:
        """Read it again."""
        after = self._sensors._energy_mj()  # noqa: SLF001
        self._energy_j = None if after is None or self._before is None else (after - self._before) * 1e-3

    @property
    def energy_j(self) -> float | None:
        """Energy of the last block [J]."""
        return self._energy_j
