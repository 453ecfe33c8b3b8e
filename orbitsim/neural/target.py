"""Where a profile is measured: the device with its names, sensors and facts, and the precisions that it runs in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from orbitsim.errors import InputError
from orbitsim.neural.jetson_board import JetsonBoard, find_board
from orbitsim.neural.machine import device_slug, machine_facts, n_processors, processor
from orbitsim.neural.sensors import BoardSensors, CpuSensors, NvmlSensors, Reading, Sensors
from orbitsim.neural.timing import CpuStopwatch, CudaStopwatch, Stopwatch


@dataclass(frozen=True)
class Precision:
    """A number format of a measurement.

    Attributes
    ----------
    weights : torch.dtype
        Type of the weights.
    autocast : torch.dtype or None
        Type that autocast computes matrix products in, with the weights as they are.
    tf32 : bool
        Whether products of fp32 may use TensorFloat-32.
    """

    weights: torch.dtype
    autocast: torch.dtype | None = None
    tf32: bool = False

    @contextmanager
    def active(self, device: torch.device) -> Iterator[None]:
        """Compute in this precision."""
        before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = self.tf32
        try:
            with torch.inference_mode(), torch.autocast(device.type, self.autocast, enabled=self.autocast is not None):
                yield
        finally:
            torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


PRECISIONS: Mapping[str, Precision] = {  # those that leave the weights in fp32 first
    "fp32": Precision(torch.float32),
    "tf32": Precision(torch.float32, tf32=True),
    "autocast-bf16": Precision(torch.float32, autocast=torch.bfloat16),
    "autocast-fp16": Precision(torch.float32, autocast=torch.float16),
    "bf16": Precision(torch.bfloat16),
    "fp16": Precision(torch.float16),
}


@dataclass(frozen=True)
class Target:
    """A device to measure on.

    Attributes
    ----------
    device : torch.device
        Torch's name of it.
    name : str
        `device` of the rows.
    mode : str or None
        Power mode of a board or GPU; None on a processor without one.
    sensors : Sensors
        What it tells of itself.
    stopwatch : Stopwatch
        How it is timed.
    facts : mapping
        Its provenance; JSON values.
    """

    device: torch.device
    name: str
    mode: str | None
    sensors: Sensors
    stopwatch: Stopwatch
    facts: Mapping[str, Any]

    @property
    def is_cpu(self) -> bool:
        """Whether a processor does the work."""
        return self.device.type == "cpu"

    def power_mode(self, n_threads: int) -> str:
        """Return `power_mode` of the rows for a number of threads (0 on a GPU)."""
        threads = f"{n_threads}-thread{'s' if n_threads > 1 else ''}" if n_threads else None
        return "-".join(word for word in (self.mode, threads) if word) or "default"


def find_target(device: str, *, name: str | None = None, power_mode: str | None = None) -> Target:
    """Return the device to measure on.

    Parameters
    ----------
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``.
    name, power_mode : str, optional
        Names in the rows, instead of what the device says of itself.

    Raises
    ------
    InputError
        When it is not there.
    """
    board = find_board()
    if device == "cpu":
        return _cpu(board, name, power_mode)
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"expected --device cpu, cuda or cuda:N, got {device!r}") from error
    if found.type != "cuda":
        raise InputError(f"expected --device cpu, cuda or cuda:N, got {device!r}")
    if not torch.cuda.is_available():
        why = "this torch was built without CUDA" if torch.version.cuda is None else "torch finds no CUDA device"
        raise InputError(f"expected a CUDA device for --device {device}, but {why}")
    index = found.index or 0
    if index >= torch.cuda.device_count():
        raise InputError(f"expected a CUDA device below {torch.cuda.device_count()}, got {device}")
    torch.cuda.set_device(index)
    return _cuda(torch.device("cuda", index), board, name, power_mode)


def _cpu(board: JetsonBoard | None, name: str | None, power_mode: str | None) -> Target:
    info = processor()
    described = info.get("model name") or info.get("Model") or info.get("Hardware") or "processor"
    facts = {**machine_facts(), "capability": torch.backends.cpu.get_cpu_capability()}
    sensors: Sensors = BoardSensors(board, on_gpu=False) if board else CpuSensors()
    mode = power_mode or (board.power_mode() if board else None)
    own_name = board.model if board else f"cpu-{described}"
    return Target(torch.device("cpu"), name or device_slug(own_name), mode, sensors, CpuStopwatch(), facts)


def _cuda(device: torch.device, board: JetsonBoard | None, name: str | None, power_mode: str | None) -> Target:
    properties = torch.cuda.get_device_properties(device)
    facts: dict[str, Any] = {
        **machine_facts(),
        "gpu": properties.name,
        "gpu_memory_bytes": properties.total_memory,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
    }
    sensors: Sensors = CpuSensors()
    mode = power_mode
    if board is not None:
        sensors, mode = BoardSensors(board, on_gpu=True), mode or board.power_mode()
    else:
        try:
            nvml = NvmlSensors(str(getattr(properties, "uuid", "")))
        except (ImportError, LookupError) as error:
            facts["nvml"] = f"not there: {error}"
            sensors = _NoSensors()
        else:
            sensors, mode = nvml, mode or nvml.power_mode()
            facts["nvml"] = nvml.facts()
    own_name = board.model if board else properties.name
    return Target(device, name or device_slug(own_name), mode or "default", sensors, CudaStopwatch(), facts)


class _NoSensors(CpuSensors):
    """A GPU that tells nothing: the processor's clock would not be its own."""

    def read(self) -> Reading:
        """Return a reading without values."""
        return Reading()


def chosen_threads(threads: tuple[int, ...], target: Target) -> tuple[int, ...]:
    """Return the numbers of threads to measure with: those given, or all processors; (0,) on a GPU.

    Raises
    ------
    InputError
        When they are more than there are processors, or given for a GPU.
    """
    if not target.is_cpu:
        if threads:
            raise InputError("expected --threads only with --device cpu")
        return (0,)
    most = n_processors()
    wrong = [n for n in threads if not 1 <= n <= most]
    if wrong:
        raise InputError(f"expected --threads from 1 to the {most} processors of this machine, got {wrong[0]}")
    return threads or (most,)


def memory_available_bytes() -> int | None:
    """Return the memory that programs can still take, where Linux says so [B]."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        fields = dict(line.split(":", 1) for line in text.splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None if not hasattr(os, "sysconf") else _physical_bytes()


def _physical_bytes() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None
