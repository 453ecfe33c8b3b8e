#!/usr/bin/env python3
r"""Record how long the parts of a vision transformer take on this board, or how a split over several boards runs.

One file for boards that cannot install orbitsim: Python 3.8 or newer, torch 1.10 or newer, and the standard library.
It also runs on a desktop GPU or any processor. Weights are random; only their shapes matter for time.

Time the blocks of ViT-B and ViT-L in fp16, in the power mode that the board is in (set it with nvpmodel):

    python3 record_jetson.py --model vit-b vit-l --batch-size 1 8 --precision fp16 --out orin-30w.json

Run a split over three boards. On each of the two others first:

    python3 record_jetson.py --serve 5001

then on the board that has the first blocks (it keeps the clock from the first mini-batch to the last result):

    python3 record_jetson.py --pipeline 192.168.1.12:5001,192.168.1.13:5001 --cuts 8,16 --model vit-l \
        --precision fp16 --batches 40 --batch-size 8 --out split.json

On a machine with orbitsim: `orbitsim trace import orin-30w.json`, `orbitsim trace replay split.json`.

Boards talk over plain TCP without encryption or passwords: use a network that you trust.
"""

# This file runs on Python 3.8, so newer spellings that the linter would suggest are not open to it.
# ruff: noqa: B905, RUF007, PTH100, PTH101, PTH105, PTH108, PTH110, PTH112, PTH118, PTH119, PTH120, PTH123, PTH207

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import glob
import hashlib
import json
import math
import os
import platform
import queue
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

torch: Any = None  # loaded when it is needed, so that --help works without it and --cpu acts before its threads start

FORMAT_VERSION = 1
PROTOCOL = 1
clock = time.perf_counter  # monotonic; every time in the files is on this clock, of the host that took it


class Failure(Exception):  # noqa: N818 - what went wrong, in words for the user
    """Something that ends the recording, with a message for the user."""

    exit_code = 1


class InputFailure(Failure):
    """What was asked for cannot be: the command is to be changed, not tried again."""

    exit_code = 2


def say(message: str) -> None:
    """Print progress to stderr."""
    print(message, file=sys.stderr, flush=True)


# -- the model -------------------------------------------------------------------------------------------------------


class Shape(NamedTuple):
    """Sizes of a vision transformer (Dosovitskiy et al., ICLR 2021; Zhai et al., CVPR 2022)."""

    name: str
    width: int
    mlp_width: int
    n_heads: int
    n_blocks: int
    patch_px: int
    image_px: int
    n_classes: int

    @property
    def n_tokens(self) -> int:
        """Patches and the class token."""
        return (self.image_px // self.patch_px) ** 2 + 1

    @property
    def n_parts(self) -> int:
        """Embedding, blocks and head."""
        return self.n_blocks + 2

    def part_name(self, part: int) -> str:
        """Return the name of a part in the files."""
        return "embedding" if part == 0 else "head" if part == self.n_blocks + 1 else f"block {part - 1}"

    def input_shape(self, part: int, batch_size: int) -> tuple[int, ...]:
        """Return the shape of the tensor that a part takes."""
        if part == 0:
            return (batch_size, 3, self.image_px, self.image_px)
        return (batch_size, self.n_tokens, self.width)

    def n_parameters(self, part: int) -> int:
        """Return the number of parameters of a part."""
        w, m = self.width, self.mlp_width
        if part == 0:
            return (3 * self.patch_px**2 + 1) * w + w + self.n_tokens * w
        if part == self.n_blocks + 1:
            return 2 * w + (w + 1) * self.n_classes
        return 4 * w + 3 * w * w + 3 * w + w * w + w + w * m + m + m * w + w

    def flop(self, part: int, batch_size: int) -> float:
        """Return the operations of matrix products and attention, two for each multiply-accumulate. [FLOP]"""
        t, w, m = self.n_tokens, self.width, self.mlp_width
        if part == 0:
            return 2.0 * batch_size * (t - 1) * 3 * self.patch_px**2 * w
        if part == self.n_blocks + 1:
            return 2.0 * batch_size * w * self.n_classes
        return 2.0 * batch_size * (4 * t * w * w + 2 * t * w * m + 2 * t * t * w)


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("vit-b", 768, 3072, 12, 12, 16, 224, 1000),
        Shape("vit-l", 1024, 4096, 16, 24, 16, 224, 1000),
        Shape("vit-h", 1280, 5120, 16, 32, 14, 224, 1000),
        Shape("vit-g", 1664, 8192, 16, 48, 14, 224, 1000),
    )
}
PRECISIONS = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


class Target(NamedTuple):
    """Where and in which number format the parts run."""

    device: str
    precision: str
    attention: str

    @property
    def dtype(self) -> Any:
        """Torch's name of the number format."""
        return getattr(torch, PRECISIONS[self.precision])


class Part:
    """Embedding, block or head with random weights; the same ones on every host, whatever the split."""

    def __init__(self, shape: Shape, part: int, target: Target) -> None:
        self.shape, self.part, self.target = shape, part, target
        w, m = shape.width, shape.mlp_width
        sizes: dict[str, tuple[int, ...]] = {}
        if part == 0:
            sizes["patches"], sizes["patches_bias"] = (w, 3, shape.patch_px, shape.patch_px), (w,)
            sizes["class_token"], sizes["positions"] = (1, 1, w), (1, shape.n_tokens, w)
        elif part == shape.n_blocks + 1:
            sizes["scale"], sizes["shift"] = (w,), (w,)
            sizes["classes"], sizes["classes_bias"] = (shape.n_classes, w), (shape.n_classes,)
        else:
            for name, rows, columns in (("qkv", 3 * w, w), ("project", w, w), ("expand", m, w), ("contract", w, m)):
                sizes[name], sizes[name + "_bias"] = (rows, columns), (rows,)
            for name in ("scale_1", "shift_1", "scale_2", "shift_2"):
                sizes[name] = (w,)
        generator = torch.Generator().manual_seed(1000 + part)
        self.w = {name: self._draw(name, size, generator) for name, size in sizes.items()}

    def _draw(self, name: str, size: tuple[int, ...], generator: Any) -> Any:
        # Drawn in fp32 on the processor: older versions of torch draw nothing else there.
        values = torch.randn(size, generator=generator).mul_(0.02)
        if name.startswith("scale"):
            values += 1.0
        return values.to(device=self.target.device, dtype=self.target.dtype)

    @property
    def n_bytes(self) -> int:
        """Bytes of its weights."""
        return sum(w.numel() * w.element_size() for w in self.w.values())

    def __call__(self, x: Any) -> Any:
        """Return what leaves the part."""
        functional, w, width = torch.nn.functional, self.w, self.shape.width
        if self.part == 0:
            x = functional.conv2d(x, w["patches"], w["patches_bias"], stride=self.shape.patch_px)
            x = x.flatten(2).transpose(1, 2)
            return torch.cat([w["class_token"].expand(len(x), -1, -1), x], dim=1) + w["positions"]
        if self.part == self.shape.n_blocks + 1:
            x = functional.layer_norm(x, (width,), w["scale"], w["shift"], 1e-6)
            return functional.linear(x[:, 0], w["classes"], w["classes_bias"])
        n_samples, n_tokens, _ = x.shape
        h = functional.layer_norm(x, (width,), w["scale_1"], w["shift_1"], 1e-6)
        h = functional.linear(h, w["qkv"], w["qkv_bias"])
        n_heads = self.shape.n_heads
        query, key, value = h.reshape(n_samples, n_tokens, 3, n_heads, width // n_heads).permute(2, 0, 3, 1, 4)
        if self.target.attention == "sdpa":
            h = functional.scaled_dot_product_attention(query, key, value)
        else:
            scores = (query * (width // n_heads) ** -0.5) @ key.transpose(-2, -1)
            h = scores.softmax(dim=-1) @ value
        h = h.transpose(1, 2).reshape(n_samples, n_tokens, width)
        x = x + functional.linear(h, w["project"], w["project_bias"])
        h = functional.layer_norm(x, (width,), w["scale_2"], w["shift_2"], 1e-6)
        h = functional.gelu(functional.linear(h, w["expand"], w["expand_bias"]))
        return x + functional.linear(h, w["contract"], w["contract_bias"])


def random_input(shape: Shape, part: int, batch_size: int, target: Target) -> Any:
    """Return a tensor that a part takes, the same on every host, on the processor."""
    generator = torch.Generator().manual_seed(part)
    return torch.randn(shape.input_shape(part, batch_size), generator=generator).to(target.dtype)


def load_torch(options: argparse.Namespace) -> Target:
    """Load torch, set its threads, and return where to run; the precision is that of the first one asked for."""
    global torch  # noqa: PLW0603 - loaded late on purpose, see above
    if options.cpu is not None:
        if not hasattr(os, "sched_setaffinity"):
            raise InputFailure("--cpu: this system cannot pin a process to a processor")
        try:
            os.sched_setaffinity(0, {options.cpu})
        except OSError as error:
            raise InputFailure(f"--cpu {options.cpu}: {error.strerror}") from error
    try:
        import torch as loaded
    except ImportError as error:
        raise Failure(f"this needs torch (JetPack: NVIDIA's wheel): {error}") from error
    torch = loaded
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise InputFailure("--device cuda: torch finds no CUDA device; use --device cpu")
    has_sdpa = hasattr(torch.nn.functional, "scaled_dot_product_attention")
    if options.attention == "sdpa" and not has_sdpa:
        raise InputFailure(f"--attention sdpa: torch {torch.__version__} has none; use --attention plain")
    attention = options.attention if options.attention != "auto" else "sdpa" if has_sdpa else "plain"
    return Target(device, options.precision[0], attention)


# -- the machine -----------------------------------------------------------------------------------------------------


def read_text(path: str) -> str | None:
    """Return what a small file says, or None where it is missing, locked or asleep."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().replace("\x00", "").strip()
    except OSError:
        return None


def read_number(path: str, scale: float) -> float | None:
    """Return the first number in a small file, scaled, or None."""
    words = (read_text(path) or "").split()
    try:
        return float(words[0]) * scale if words else None
    except ValueError:
        return None


def power_mode(root: str = "/") -> dict[str, Any] | None:
    """Return the board's power mode as nvpmodel states it, or None where there is no nvpmodel."""
    try:
        done = subprocess.run(
            ["nvpmodel", "-q"],  # noqa: S607 - the board's own tool, wherever JetPack put it
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=20,
            check=False,
        )
        text = done.stdout.decode("utf-8", "replace")
    except (OSError, subprocess.SubprocessError):
        text = ""
    mode = parse_power_mode(text)
    if mode is None:
        status = re.search(r"pmode:(\d+)", read_text(os.path.join(root, "var/lib/nvpmodel/status")) or "")
        mode = {"name": f"mode-{int(status.group(1))}", "id": int(status.group(1))} if status else None
    return mode


def parse_power_mode(text: str) -> dict[str, Any] | None:
    """Return name and number from the text of `nvpmodel -q`; ``MODE_30W`` is called ``30W``."""
    found = re.search(r"NV Power Mode:\s*(\S+)(?:\s+(\d+))?", text)
    if not found:
        return None
    name = found.group(1)
    return {
        "name": re.sub("^MODE_", "", name),
        "id": int(found.group(2)) if found.group(2) else None,
        "text": text.strip(),
    }


def host_facts(target: Target, root: str = "/") -> dict[str, Any]:
    """Return what somebody needs to repeat the measurement: board, software, threads."""

    def at(path: str) -> str | None:
        return read_text(os.path.join(root, path))

    cpu = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", at("proc/cpuinfo") or "", re.MULTILINE)
    memory = re.search(r"MemTotal:\s+(\d+) kB", at("proc/meminfo") or "")
    release = (at("etc/nv_tegra_release") or "").splitlines()
    on_gpu = target.device == "cuda"
    affinity = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    return {
        "board": at("proc/device-tree/model"),
        "l4t_release": release[0].lstrip("# ") if release else None,
        "processor": cpu.group(1).strip() if cpu else platform.processor() or platform.machine(),
        "n_processors": os.cpu_count(),
        "memory_bytes": int(memory.group(1)) * 1024 if memory else None,
        "affinity": affinity,
        "n_threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(0) if on_gpu else None,
        "cuda": torch.version.cuda if on_gpu else None,
        "cudnn": torch.backends.cudnn.version() if on_gpu else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "clock": time.get_clock_info("perf_counter").implementation,
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
    }


def device_name(host: dict[str, Any]) -> str:
    """Return a name for the device in traces, made from what the machine says of itself."""
    words = host["board"] or host["gpu"] or "cpu-{}".format(host["processor"])
    words = re.sub(r"\((?:r|tm)\)", "", words.lower())
    words = re.sub(r"\b(?:nvidia|developer kit|geforce|processor)\b", " ", words)
    return "-".join(re.findall(r"[a-z0-9.]+", words)) or "unknown"


def mode_name(options: argparse.Namespace, host: dict[str, Any], mode: dict[str, Any] | None) -> str:
    """Return the name of the power mode: as given, as nvpmodel says, or the number of threads."""
    if options.power_mode:
        return str(options.power_mode)
    if mode:
        return str(mode["name"])
    return "default" if host["gpu"] else f"{host['n_threads']}-thread{'s' if host['n_threads'] > 1 else ''}"


class Monitor(threading.Thread):
    """Samples power rails (INA3221), temperatures and clocks into columns, beside the work.

    Rails are found where JetPack 5 and 6 have them (hwmon: mV and mA) and where JetPack 4 does (iio: mW).
    """

    def __init__(self, interval_s: float, root: str = "/") -> None:
        super().__init__(daemon=True)
        self.interval_s, self.root = interval_s, root
        self.power: dict[str, Callable[[], float | None]] = {}
        self.temperature: dict[str, Callable[[], float | None]] = {}
        self.clocks: dict[str, Callable[[], float | None]] = {}
        self._find_rails()
        self._find_temperatures()
        self._find_clocks()
        self.time_s: list[float] = []
        self.columns: dict[str, dict[str, list[float | None]]] = {
            "power_w": {name: [] for name in self.power},
            "temperature_k": {name: [] for name in self.temperature},
            "clock_hz": {name: [] for name in self.clocks},
        }
        self._stopped = threading.Event()
        self.events_before = self.throttle_events()

    def _paths(self, pattern: str) -> list[str]:
        return sorted(glob.glob(os.path.join(self.root, pattern)))

    @staticmethod
    def _add(readers: dict[str, Callable[[], float | None]], name: str, read: Callable[[], float | None]) -> None:
        count = sum(1 for other in readers if other == name or other.startswith(name + "#"))
        readers[f"{name}#{count + 1}" if count else name] = read

    def _find_rails(self) -> None:
        for name_file in self._paths("sys/bus/i2c/devices/*/name"):
            if "ina3221" not in (read_text(name_file) or ""):
                continue
            folder = glob.escape(os.path.dirname(name_file))
            for label in sorted(glob.glob(folder + "/hwmon/hwmon*/in[123]_label")):
                rail, stem = read_text(label), label[: -len("_label")]
                amperes = os.path.join(os.path.dirname(label), "curr" + stem[-1])
                if rail and rail != "NC":
                    self._add(self.power, rail, self._product(stem + "_input", amperes + "_input"))
            for label in sorted(glob.glob(folder + "/iio:device*/rail_name_[012]")):
                rail = read_text(label)
                watts = os.path.join(os.path.dirname(label), f"in_power{label[-1]}_input")
                if rail and rail != "NC":
                    self._add(self.power, rail, lambda path=watts: read_number(path, 1e-3))

    @staticmethod
    def _product(millivolts: str, milliamperes: str) -> Callable[[], float | None]:
        def watts() -> float | None:
            volts, amperes = read_number(millivolts, 1e-3), read_number(milliamperes, 1e-3)
            return None if volts is None or amperes is None else volts * amperes

        return watts

    def _find_temperatures(self) -> None:
        for kind in self._paths("sys/class/thermal/thermal_zone*/type"):

            def kelvin(path: str = os.path.join(os.path.dirname(kind), "temp")) -> float | None:
                celsius = read_number(path, 1e-3)
                # A sensor whose domain is switched off reads -256 degrees.
                return None if celsius is None or celsius < -200.0 else celsius + 273.15

            self._add(self.temperature, read_text(kind) or "zone", kelvin)

    def _find_clocks(self) -> None:
        for path in self._paths("sys/class/devfreq/*/cur_freq"):
            folder = os.path.dirname(path)
            name = read_text(os.path.join(folder, "device/of_node/name")) or os.path.basename(folder).split(".")[-1]
            unit = "gpu" if name in ("gpu", "gm20b", "gp10b", "gv11b", "ga10b") else name
            self._add(self.clocks, unit, lambda path=path: read_number(path, 1.0))
        for path in self._paths("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"):
            cpu = os.path.basename(os.path.dirname(os.path.dirname(path)))
            self._add(self.clocks, cpu, lambda path=path: read_number(path, 1e3))
        for path in self._paths("sys/kernel/debug/bpmp/debug/clk/emc/rate"):  # readable by root only
            if read_number(path, 1.0) is not None:
                self._add(self.clocks, "emc", lambda path=path: read_number(path, 1.0))

    def throttle_events(self) -> int | None:
        """Return how often over-current throttling began since the board started, or None if it does not count."""
        counts = [read_number(path, 1.0) for path in self._paths("sys/class/hwmon/hwmon*/oc*_event_cnt")]
        known = [int(count) for count in counts if count is not None]
        return sum(known) if known else None

    def sample(self) -> None:
        """Take one sample of everything."""
        self.time_s.append(clock())
        for name, readers in (("power_w", self.power), ("temperature_k", self.temperature), ("clock_hz", self.clocks)):
            for channel, read in readers.items():
                value = read()
                self.columns[name][channel].append(None if value is None else round(value, 6))

    def run(self) -> None:
        """Sample until stopped."""
        if not (self.power or self.temperature or self.clocks):
            return
        due_s = clock()
        while not self._stopped.wait(max(0.0, due_s - clock())):
            self.sample()
            due_s = max(due_s + self.interval_s, clock())

    def stop(self) -> None:
        """End sampling, after one last sample."""
        self._stopped.set()
        if self.is_alive():
            self.join()

    def total_rails(self) -> list[str]:
        """Return the rails that together feed the board: its input if it is measured, else all that do not overlap."""
        for whole in ("VDD_IN", "POM_5V_IN"):
            if whole in self.power:
                return [whole]
        inside = {"VDDQ_VDD2_1V8AO"} if "VIN_SYS_5V0" in self.power else set()  # memory's rail hangs on the 5 V one
        return [rail for rail in self.power if rail not in inside]

    def mean_power(self, start_s: float, end_s: float) -> dict[str, Any] | None:
        """Return the mean power between two times, or None with fewer than five samples of every rail. [W]"""
        rails = self.total_rails()
        rows = [i for i, t in enumerate(self.time_s) if start_s <= t <= end_s]
        totals = []
        for i in rows:
            watts = [self.columns["power_w"][rail][i] for rail in rails if i < len(self.columns["power_w"][rail])]
            known = [w for w in watts if w is not None]
            if rails and len(known) == len(rails):
                totals.append(sum(known))
        if len(totals) < 5:
            return None
        return {"mean_w": sum(totals) / len(totals), "rails": rails, "n_samples": len(totals)}

    def telemetry(self) -> dict[str, Any] | None:
        """Return everything that was sampled."""
        if not self.time_s:
            return None
        n = min([len(self.time_s)] + [len(c) for group in self.columns.values() for c in group.values()])
        columns = {name: {channel: c[:n] for channel, c in group.items()} for name, group in self.columns.items()}
        after = self.throttle_events()
        events = None if after is None or self.events_before is None else after - self.events_before
        return dict(
            columns, interval_s=self.interval_s, time_s=[round(t, 6) for t in self.time_s[:n]], throttle_events=events
        )


# -- timing parts on one machine -------------------------------------------------------------------------------------


def relative_halfwidth(samples: Sequence[float]) -> float:
    """Return half the 95 % confidence interval of the mean over the mean (Student's t); infinite below three."""
    n = len(samples)
    if n < 3:
        return math.inf
    mean = math.fsum(samples) / n
    deviation = math.sqrt(math.fsum((s - mean) ** 2 for s in samples) / (n - 1))
    z, dof = 1.959964, n - 1
    # Expansion of the quantile in 1/dof (Abramowitz and Stegun, 26.7.5): within 0.3 % from five samples on.
    t = z + (z**3 + z) / (4 * dof) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * dof**2)
    t += (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * dof**3)
    return t * deviation / math.sqrt(n) / mean if mean > 0 else math.inf


class Stopwatch:
    """Times the parts of one pass: CUDA events on a GPU, the monotonic clock on a processor."""

    def __init__(self, device: str, n_parts: int) -> None:
        self.on_gpu = device == "cuda"
        self.how = "cuda-events" if self.on_gpu else "perf_counter"
        self.events = [torch.cuda.Event(enable_timing=True) for _ in range(n_parts + 1)] if self.on_gpu else []

    def time(self, parts: Sequence[Callable[[Any], Any]], x: Any) -> tuple[float, list[float], Any]:
        """Return start, the seconds of each part, and what leaves the last."""
        if not self.on_gpu:
            seconds, start_s = [], clock()
            before = start_s
            for part in parts:
                x = part(x)
                after = clock()
                seconds.append(after - before)
                before = after
            return start_s, seconds, x
        torch.cuda.synchronize()
        start_s = clock()
        self.events[0].record()
        for part, event in zip(parts, self.events[1:]):
            x = part(x)
            event.record()
        torch.cuda.synchronize()
        pairs = list(zip(self.events, self.events[1:]))[: len(parts)]
        return start_s, [a.elapsed_time(b) * 1e-3 for a, b in pairs], x


def free_bytes(device: str) -> float:
    """Return the memory that a resident model may take. [B]"""
    if device == "cuda":
        return float(torch.cuda.mem_get_info()[0]) if hasattr(torch.cuda, "mem_get_info") else 0.0
    found = re.search(r"MemAvailable:\s+(\d+) kB", read_text("/proc/meminfo") or "")
    return float(found.group(1)) * 1024 if found else 0.0


def groups_of_parts(shape: Shape, target: Target, resident: str) -> list[list[int]]:
    """Return which parts are in memory together: all of them, or one at a time."""
    all_parts = list(range(shape.n_parts))
    weights = sum(shape.n_parameters(p) for p in all_parts) * torch.tensor([], dtype=target.dtype).element_size()
    if resident == "all" or (resident == "auto" and 1.5 * weights < 0.6 * free_bytes(target.device)):
        return [all_parts]
    return [[part] for part in all_parts]


def time_group(parts: list[Part], batch_size: int, options: argparse.Namespace, limit_s: float) -> dict[str, Any]:
    """Time parts that are in memory together, pass by pass, until the mean is known well enough."""
    target, shape = parts[0].target, parts[0].shape
    x = random_input(shape, parts[0].part, batch_size, target).to(target.device)
    watch, whole_watch = Stopwatch(target.device, len(parts)), Stopwatch(target.device, 1)

    def whole(value: Any) -> Any:
        for part in parts:
            value = part(value)
        return value

    is_whole_model = len(parts) == shape.n_parts
    y = None
    for _ in range(options.warm_up):
        y = watch.time(parts, x)[2]
    del y
    starts: list[float] = []
    samples: list[list[float]] = []
    forward_starts: list[float] = []
    forward: list[float] = []
    begin_s, reason = clock(), "max-repeats"
    while len(samples) < options.max_repeats:
        start_s, seconds, _ = watch.time(parts, x)
        starts.append(start_s)
        samples.append(seconds)
        if is_whole_model:  # alternating, so that both meet the same state of the machine
            start_s, seconds, _ = whole_watch.time([whole], x)
            forward_starts.append(start_s)
            forward.append(seconds[0])
        if len(samples) >= options.min_repeats:
            if clock() - begin_s > limit_s:
                reason = "time-limit"
                break
            if precise_enough(samples, options.target):
                reason = "precision"
                break
    end_s = clock()
    outputs, peaks = [], []
    for part in parts:  # sizes in a pass of their own: asking for the peak costs time
        if target.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        x = part(x)
        outputs.append(x.numel() * x.element_size())
        peaks.append(int(torch.cuda.max_memory_allocated()) if target.device == "cuda" and len(parts) == 1 else None)
    return {
        "starts": starts, "samples": samples, "forward_starts": forward_starts, "forward": forward, "reason": reason,
        "begin_s": begin_s, "end_s": end_s, "outputs": outputs, "peaks": peaks, "how": watch.how,
    }  # fmt: skip


def precise_enough(samples: list[list[float]], target: float) -> bool:
    """Whether the mean of the pass, and of every part, is known to `target`; parts under 5 % of the pass by that."""
    totals = [math.fsum(row) for row in samples]
    if relative_halfwidth(totals) > target:
        return False
    floor_s = 0.05 * math.fsum(totals) / len(totals)
    for column in zip(*samples):
        mean = math.fsum(column) / len(column)
        if relative_halfwidth(column) * mean > target * max(mean, floor_s):
            return False
    return True


def record_model(
    shape: Shape, batch_size: int, target: Target, options: argparse.Namespace, monitor: Monitor
) -> dict[str, Any]:
    """Time one model at one batch size and precision."""
    groups = groups_of_parts(shape, target, options.resident)
    entries: list[dict[str, Any]] = []
    reasons, how, forward = [], "", None
    begin_s = clock()
    for group in groups:
        parts = [Part(shape, part, target) for part in group]
        timed = time_group(parts, batch_size, options, options.limit_s / len(groups))
        power = monitor.mean_power(timed["begin_s"], timed["end_s"])
        reasons.append(timed["reason"])
        how = timed["how"]
        for i, part in enumerate(parts):
            seconds = [row[i] for row in timed["samples"]]
            offsets = [math.fsum(row[:i]) for row in timed["samples"]]
            mean_s = math.fsum(seconds) / len(seconds)
            entries.append(
                {
                    "name": shape.part_name(part.part),
                    "samples_s": [round(s, 9) for s in seconds],
                    "start_s": [round(start + offset, 9) for start, offset in zip(timed["starts"], offsets)],
                    "output_bytes": timed["outputs"][i],
                    "weights_bytes": part.n_bytes,
                    "peak_memory_bytes": timed["peaks"][i],
                    "flop": shape.flop(part.part, batch_size),
                    "power": power,
                    "energy_j": None if power is None else power["mean_w"] * mean_s,
                }
            )
        if timed["forward"]:
            forward = {
                "samples_s": [round(s, 9) for s in timed["forward"]],
                "start_s": [round(s, 9) for s in timed["forward_starts"]],
            }
        del parts
        if target.device == "cuda":
            torch.cuda.empty_cache()
    return {
        "model": shape._asdict(),
        "batch_size": batch_size,
        "precision": target.precision,
        "attention": target.attention,
        "device_kind": target.device,
        "how_timed": how,
        "resident": "all" if len(groups) == 1 else "one",
        "start_s": begin_s,
        "end_s": clock(),
        "warm_up_passes": options.warm_up,
        "stopped_by": sorted(set(reasons)),
        "parts": entries,
        "forward": forward,
    }


def provenance(arguments: Sequence[str]) -> dict[str, Any]:
    """Return what made the file."""
    with open(os.path.abspath(__file__), "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    return {
        "created_utc": dt.datetime.now(tz=dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),  # noqa: UP017 - datetime.UTC came with Python 3.11
        "command": [os.path.basename(__file__), *arguments],
        "recorder_sha256": digest,
    }


def record(options: argparse.Namespace, arguments: Sequence[str]) -> dict[str, Any]:
    """Time every model, batch size and precision that was asked for."""
    shapes = shapes_of(options)
    target = load_torch(options)
    host, mode = host_facts(target), power_mode()
    zero_s, unix_s = clock(), time.time()
    monitor = Monitor(options.sample_s)
    monitor.start()
    recordings, faults = [], []
    try:
        for shape in shapes:
            for precision in options.precision:
                for batch_size in options.batch_size:
                    combination = f"{shape.name}, {precision}, batch {batch_size}"
                    try:
                        entry = record_model(shape, batch_size, target._replace(precision=precision), options, monitor)
                    except (RuntimeError, MemoryError) as error:  # torch: out of memory, or no such kernel here
                        reason = str(error).strip().splitlines()
                        faults.append({"combination": combination, "reason": reason[0] if reason else "no memory"})
                        say("{}: not possible here: {}".format(combination, faults[-1]["reason"]))
                        continue
                    recordings.append(entry)
                    total_s = sum(math.fsum(p["samples_s"]) / len(p["samples_s"]) for p in entry["parts"])
                    n_passes, stopped = len(entry["parts"][0]["samples_s"]), ", ".join(entry["stopped_by"])
                    say(f"{combination}: {total_s:.6g} s for all parts, {n_passes} passes ({stopped})")
    finally:
        monitor.stop()
    if not recordings:
        raise Failure("nothing could be timed")
    return dict(
        {"format": "orbitsim-recorder", "version": FORMAT_VERSION},
        **provenance(arguments),
        device=options.name or device_name(host),
        power_mode=mode_name(options, host, mode),
        nvpmodel=mode,
        host=host,
        clock={"at_s": zero_s, "unix_s": unix_s},
        recordings=recordings,
        telemetry=monitor.telemetry(),
        faults=faults,
    )


# -- frames on the wire ----------------------------------------------------------------------------------------------

FRAME = struct.Struct("!4sIQI")  # magic, bytes of header, bytes of payload, CRC-32 of header and payload
MAGIC = b"OSPL"
MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES = 64 << 20, 8 << 30
SOCKET_BUFFER_BYTES = 256 << 10  # small, so that the end of sending is close to the end of the transfer


class Pacer:
    """Holds a sender to a rate: a chunk is handed over when a link of that rate would have carried it."""

    def __init__(self, rate_bps: float | None) -> None:
        self.rate_bps = rate_bps
        self.free_s = -math.inf

    def send(self, sock: socket.socket, data: Any) -> None:
        """Send bytes."""
        view = memoryview(data)
        if self.rate_bps is None:
            sock.sendall(view)
            return
        chunk = int(min(max(self.rate_bps * 0.01 / 8, 1024), SOCKET_BUFFER_BYTES))  # 10 ms at a time
        due_s = max(clock(), self.free_s)
        for begin in range(0, len(view), chunk):
            piece = view[begin : begin + chunk]
            due_s += 8.0 * len(piece) / self.rate_bps
            while clock() < due_s:
                time.sleep(max(0.0, due_s - clock()))
            sock.sendall(piece)
        self.free_s = due_s


class Wire:
    """One TCP connection that carries frames: a small JSON header, raw bytes, and a checksum over both."""

    def __init__(self, sock: socket.socket, peer: str, rate_bps: float | None = None) -> None:
        self.sock, self.peer, self.pacer = sock, peer, Pacer(rate_bps)
        self._lock = threading.Lock()
        sock.settimeout(None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def send(self, kind: str, payload: Any = b"", **fields: Any) -> int:
        """Send one frame; return its bytes on the wire."""
        header = json.dumps(dict(fields, kind=kind), separators=(",", ":")).encode("utf-8")
        prefix = FRAME.pack(MAGIC, len(header), len(payload), zlib.crc32(payload, zlib.crc32(header)))
        try:
            with self._lock:
                self.pacer.send(self.sock, prefix + header)
                if len(payload):
                    self.pacer.send(self.sock, payload)
        except OSError as error:
            raise Failure(f"{self.peer}: sending failed: {error.strerror or error}") from error
        return len(prefix) + len(header) + len(payload)

    def receive(self) -> tuple[dict[str, Any], bytearray, float]:
        """Wait for a frame; return its header, its payload, and when it began to arrive."""
        prefix = self._exactly(FRAME.size)
        began_s = clock()
        magic, header_bytes, payload_bytes, checksum = FRAME.unpack(prefix)
        if magic != MAGIC or header_bytes > MAX_HEADER_BYTES or payload_bytes > MAX_PAYLOAD_BYTES:
            raise Failure(f"{self.peer}: expected a frame of this program, found other bytes")
        header, payload = self._exactly(header_bytes), self._exactly(payload_bytes)
        if zlib.crc32(payload, zlib.crc32(header)) != checksum:
            raise Failure(f"{self.peer}: a frame arrived damaged (checksum)")
        try:
            fields = json.loads(header.decode("utf-8"))
            kind = fields["kind"]
        except (ValueError, KeyError, TypeError) as error:
            raise Failure(f"{self.peer}: a frame has an unreadable header") from error
        if kind == "error":
            raise Failure("{}: {}".format(self.peer, fields.get("message", "failed without a message")))
        return fields, payload, began_s

    def _exactly(self, n_bytes: int) -> bytearray:
        buffer = bytearray(n_bytes)
        view, done = memoryview(buffer), 0
        while done < n_bytes:
            try:
                got = self.sock.recv_into(view[done:], min(n_bytes - done, 4 << 20))
            except OSError as error:
                raise Failure(f"{self.peer}: receiving failed: {error.strerror or error}") from error
            if got == 0:
                raise Failure(f"{self.peer} closed the connection in the middle of the run")
            done += got
        return buffer

    def close(self) -> None:
        """End the connection; whoever waits on it wakes up."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


class Control:
    """A connection for orders and answers, with a sign of life every second, so that a dead peer is noticed."""

    def __init__(self, wire: Wire, silence_s: float) -> None:
        self.wire, self.silence_s = wire, silence_s
        self.fault: Failure | None = None
        self.ended = False
        self._heard_s = clock()
        self._inbox: queue.Queue = queue.Queue()
        for work in (self._read, self._live):
            threading.Thread(target=work, daemon=True).start()

    def _read(self) -> None:
        try:
            while True:
                fields, payload, began_s = self.wire.receive()
                self._heard_s = clock()
                if fields["kind"] == "ping":
                    self.wire.send("pong", received_s=began_s, sent_s=clock())
                elif fields["kind"] != "alive":
                    self._inbox.put((fields, payload, began_s))
        except Failure as error:
            self.fault = error

    def _live(self) -> None:
        with contextlib.suppress(Failure):
            while not self.ended and self.fault is None:
                self.wire.send("alive")
                time.sleep(min(1.0, self.silence_s / 4))

    def check(self) -> None:
        """Raise the fault of this peer, if it has one."""
        if self._inbox.empty() and self.fault is not None:
            raise self.fault
        if clock() - self._heard_s > self.silence_s:
            raise Failure(f"{self.wire.peer} has given no sign of life for {self.silence_s:g} s")

    def wait(self, kind: str) -> tuple[dict[str, Any], bytearray, float]:
        """Wait for a frame of a kind."""
        while True:
            try:
                frame = self._inbox.get(timeout=0.1)
            except queue.Empty:
                self.check()
                continue
            if frame[0]["kind"] != kind:
                raise Failure("{}: expected {!r}, received {!r}".format(self.wire.peer, kind, frame[0]["kind"]))
            return frame

    def close(self) -> None:
        """End it."""
        self.ended = True
        self.wire.close()


def connect(address: str, role: str, session: str, rate_bps: float | None, limit_s: float) -> Wire:
    """Connect to a worker, waiting for it to start, and say who we are."""
    host, port = split_address(address)
    give_up_s = clock() + limit_s
    while True:
        try:
            sock = socket.create_connection((host, port), timeout=max(1.0, min(limit_s, 10.0)))
            break
        except OSError as error:
            if clock() > give_up_s:
                raise Failure(f"{address}: no connection within {limit_s:g} s: {error}") from error
            time.sleep(0.2)
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
    wire = Wire(sock, address, rate_bps)
    wire.send("hello", role=role, session=session, protocol=PROTOCOL)
    return wire


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise InputFailure(f"expected HOST:PORT, found {address!r}")
    return host.strip("[]"), int(port)


# -- one stage of a split --------------------------------------------------------------------------------------------


class Stage:
    """Neighbouring parts on one host: host bytes in, host bytes out, so that copies to and from a GPU are counted."""

    def __init__(self, shape: Shape, parts: Sequence[int], batch_size: int, target: Target) -> None:
        self.shape, self.batch_size, self.target = shape, batch_size, target
        self.parts = [Part(shape, part, target) for part in parts]
        self.input_shape = shape.input_shape(parts[0], batch_size)
        x = random_input(shape, parts[0], batch_size, target)
        self.example = self._to_bytes(x)
        self.output_bytes = len(self.run(self.example))

    @staticmethod
    def _to_bytes(tensor: Any) -> bytearray:
        buffer = bytearray(tensor.numel() * tensor.element_size())
        torch.frombuffer(buffer, dtype=tensor.dtype).view(tensor.shape).copy_(tensor)
        return buffer

    def run(self, payload: bytearray) -> bytearray:
        """Return what leaves the stage."""
        dtype = self.target.dtype
        expected = math.prod(self.input_shape) * torch.tensor([], dtype=dtype).element_size()
        if len(payload) != expected:
            raise Failure(f"expected an activation of {expected} bytes, received {len(payload)}")
        x = torch.frombuffer(payload, dtype=dtype).view(self.input_shape).to(self.target.device)
        for part in self.parts:
            x = part(x)
        return self._to_bytes(x)  # the copy waits for the GPU

    def time(self, seconds: float, at_least: int) -> dict[str, list[float]]:
        """Run it alone for a while, at least so many times; return when each execution began and how long it took."""
        starts: list[float] = []
        samples: list[float] = []
        begin_s = clock()
        while len(samples) < at_least or (clock() - begin_s < seconds and len(samples) < 2000):
            start_s = clock()
            self.run(self.example)
            samples.append(round(clock() - start_s, 9))
            starts.append(round(start_s, 9))
        return {"start_s": starts, "samples_s": samples}

    def facts(self) -> dict[str, Any]:
        """Return what it is, for the file."""
        return {
            "parts": [self.shape.part_name(part.part) for part in self.parts],
            "weights_bytes": sum(part.n_bytes for part in self.parts),
            "output_bytes": self.output_bytes,
            "device_kind": self.target.device,
            "attention": self.target.attention,
        }


class Flow:
    """Receives, computes and sends at the same time: three threads with unbounded first-in first-out queues."""

    COLUMNS = (
        "receive_start_s", "receive_end_s", "compute_start_s", "compute_end_s", "send_start_s", "send_end_s",
        "sent_bytes",
    )  # fmt: skip

    def __init__(self, stage: Stage, outgoing: Wire, check: Callable[[], None]) -> None:
        self.stage, self.outgoing, self._check = stage, outgoing, check
        self.arrived: queue.Queue = queue.Queue()
        self.computed: queue.Queue = queue.Queue()
        self.columns: dict[str, list[Any]] = {name: [] for name in self.COLUMNS}
        self.fault: Failure | None = None

    def receive_from(self, wire: Wire) -> None:
        """Start receiving; probes of the link are answered at once."""
        threading.Thread(target=self._guarded, args=(self._receive, wire), daemon=True).start()

    def start_sending(self) -> threading.Thread:
        """Start sending what was computed."""
        thread = threading.Thread(target=self._guarded, args=(self._send,), daemon=True)
        thread.start()
        return thread

    def _guarded(self, work: Callable[..., None], *arguments: Any) -> None:
        try:
            work(*arguments)
        except Failure as error:
            self.fault = error

    def _receive(self, wire: Wire) -> None:
        while True:
            fields, payload, began_s = wire.receive()
            if fields["kind"] == "probe":
                wire.send("echo")
                continue
            if fields["kind"] == "end":
                self.arrived.put(None)
                return
            self.columns["receive_start_s"].append(began_s)
            self.columns["receive_end_s"].append(clock())
            self.arrived.put((fields["batch"], payload))

    def _send(self) -> None:
        while True:
            item = self.computed.get()
            if item is None:
                self.outgoing.send("end")
                return
            batch, payload = item
            start_s = clock()
            n_bytes = self.outgoing.send("batch", payload, batch=batch)
            self.columns["send_end_s"].append(clock())
            self.columns["send_start_s"].append(start_s)
            self.columns["sent_bytes"].append(n_bytes)

    def next_arrival(self) -> tuple[int, bytearray] | None:
        """Wait for the next mini-batch; None after the last."""
        while True:
            try:
                return self.arrived.get(timeout=0.1)
            except queue.Empty:
                self.check()

    def check(self) -> None:
        """Raise what went wrong in any thread or peer."""
        if self.fault is not None:
            raise self.fault
        self._check()

    def compute(self) -> None:
        """Compute everything that arrives, in this thread, until the last."""
        while True:
            item = self.next_arrival()
            if item is None:
                self.computed.put(None)
                return
            batch, payload = item
            self.columns["compute_start_s"].append(clock())
            result = self.stage.run(payload)
            self.columns["compute_end_s"].append(clock())
            self.computed.put((batch, result))
            self.check()


def probe_link(wire: Wire, n_bytes: int, seconds: float) -> dict[str, Any]:
    """Measure an idle link: round trips of empty frames, then frames of the activation's size, each acknowledged."""
    payload = bytes(n_bytes)
    times: dict[str, Any] = {"frame_bytes": 0, "round_trip_s": [], "send_s": [], "acknowledged_s": []}
    for _ in range(50):
        start_s = clock()
        wire.send("probe")
        wire.receive()
        times["round_trip_s"].append(clock() - start_s)
    begin_s = clock()
    while len(times["send_s"]) < 3 or (len(times["send_s"]) < 30 and clock() - begin_s < seconds):
        start_s = clock()
        times["frame_bytes"] = wire.send("probe", payload)
        sent_s = clock()
        wire.receive()
        times["send_s"].append(sent_s - start_s)
        times["acknowledged_s"].append(clock() - start_s)
    return times


def watched(work: Callable[[], Any], check: Callable[[], None]) -> Any:
    """Do something that waits for a peer without a limit, watching meanwhile whether the peer still lives."""
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["value"] = work()
        except Failure as error:
            outcome["fault"] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.1)
        check()
    if "fault" in outcome:
        raise outcome["fault"]
    return outcome["value"]


def clock_offset(control: Control, n: int = 40) -> dict[str, float]:
    """Estimate a peer's clock less ours as NTP does, from the exchange with the shortest round trip (RFC 5905)."""
    best = {"offset_s": 0.0, "round_trip_s": math.inf}
    for _ in range(n):
        sent_s = clock()
        control.wire.send("ping")
        fields, _, back_s = control.wait("pong")
        there_s, left_s = fields["received_s"], fields["sent_s"]
        round_trip_s = (back_s - sent_s) - (left_s - there_s)
        if round_trip_s < best["round_trip_s"]:
            best = {"offset_s": ((there_s - sent_s) + (left_s - back_s)) / 2, "round_trip_s": round_trip_s}
    return best


def stage_parts(shape: Shape, cuts: Sequence[int]) -> list[list[int]]:
    """Return the parts of each stage; a cut is the number of blocks before it."""
    edges = [0, *[cut + 1 for cut in cuts], shape.n_parts]
    return [list(range(a, b)) for a, b in zip(edges, edges[1:])]


# -- the hosts of a split --------------------------------------------------------------------------------------------


def serve(options: argparse.Namespace) -> int:
    """Be a worker: take a stage from whoever connects, session after session."""
    target = load_torch(options)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER_BYTES)
    try:
        listener.bind((options.bind, options.serve))
        listener.listen(16)
    except (OSError, OverflowError) as error:
        raise Failure(f"--serve {options.serve}: {error}") from error
    say(f"waiting on port {listener.getsockname()[1]}; end with Ctrl-C")
    while True:
        wire, hello = accept(listener, None)
        if hello.get("role") != "control" or hello.get("protocol") != PROTOCOL:
            refuse(wire, "expected a session to begin, from the same version of this program")
            continue
        wires: list[Wire] = [wire]
        try:
            work_session(listener, wire, str(hello["session"]), target, options, wires)
            say("session done")
        except (Failure, RuntimeError, MemoryError, KeyError, TypeError) as error:
            message = str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
            say(f"session failed: {message}")
            refuse(wire, message)
            if options.once:
                return 1
        finally:
            for each in wires:
                each.close()
        if options.once:
            return 0


def accept(listener: socket.socket, check: Callable[[], None] | None) -> tuple[Wire, dict[str, Any]]:
    """Wait for a connection that says hello."""
    listener.settimeout(0.2)
    while True:
        if check is not None:
            check()
        try:
            sock, address = listener.accept()
        except socket.timeout:  # noqa: UP041 - its name until Python 3.10
            continue
        wire = Wire(sock, f"{address[0]}:{address[1]}")
        sock.settimeout(5.0)  # a stranger who says nothing must not hold us up
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
        try:
            fields, _, _ = wire.receive()
        except Failure as error:
            say(f"refused: {error}")
            wire.close()
            continue
        sock.settimeout(None)
        return wire, fields


def refuse(wire: Wire, message: str) -> None:
    """Say why, and hang up."""
    with contextlib.suppress(Failure, OSError):
        wire.send("error", message=message)
    wire.close()


def work_session(
    listener: socket.socket, wire: Wire, session: str, target: Target, options: argparse.Namespace, wires: list[Wire]
) -> None:
    """Work on one stage, as the first host says."""
    control = Control(wire, options.silence_s)
    order = control.wait("configure")[0]
    shape = Shape(**order["shape"])
    rank, is_last = order["rank"], order["next"] is None
    say(f"session: stage {rank} of {shape.name}, {len(order['parts'])} parts")
    stage = Stage(shape, order["parts"], order["batch_size"], target._replace(precision=order["precision"]))
    wire.send("ready", facts=stage_facts(stage, options))
    control.wait("connect")
    if not is_last:
        outgoing = connect(order["next"], "data", session, order["rate_bps"], options.connect_s)
        wires.append(outgoing)
    inbound: dict[str, Wire] = {}
    while set(inbound) != ({"data", "result"} if is_last else {"data"}):
        other, hello = accept(listener, control.check)
        role = hello.get("role")
        if hello.get("session") != session or role not in ("data", "result"):
            refuse(other, "busy with another session")
            continue
        inbound[role] = other
        wires.append(other)
    if is_last:
        outgoing = inbound["result"]
        outgoing.pacer = Pacer(order["rate_bps"])
    flow = Flow(stage, outgoing, control.check)
    flow.receive_from(inbound["data"])
    wire.send("connected")
    monitor = Monitor(options.sample_s)
    control.wait("probe")

    def probe() -> dict[str, Any]:
        return probe_link(outgoing, stage.output_bytes, order["probe_s"])

    wire.send("probed", times=watched(probe, flow.check))
    for _ in range(order["isolations"]):
        ask = control.wait("isolate")[0]
        stage.time(0.0, order["warm_up"])
        wire.send("warm")
        control.wait("go")
        wire.send("isolated", **stage.time(ask["seconds"], ask["at_least"]))
    control.wait("start")
    if monitor.power:  # elsewhere there is nothing to gain from disturbing the run
        monitor.start()
    sender = flow.start_sending()
    wire.send("started")
    flow.compute()
    join(sender, flow)
    monitor.stop()
    control.wait("report")
    wire.send("reported", batches=flow.columns, telemetry=monitor.telemetry())
    with contextlib.suppress(Failure):  # the report was the last that counts
        control.wait("bye")
    control.ended = True


def join(sender: threading.Thread, flow: Flow) -> None:
    """Wait for the sender to end, watching for faults."""
    while sender.is_alive():
        sender.join(0.1)
        flow.check()


def stage_facts(stage: Stage, options: argparse.Namespace) -> dict[str, Any]:
    """Return what a host says of itself and its stage."""
    host, mode = host_facts(stage.target), power_mode()
    return dict(
        stage.facts(),
        host=host,
        nvpmodel=mode,
        device=options.name or device_name(host),
        power_mode=mode_name(options, host, mode),
    )


class Leader:
    """The first host: it has the first stage, gives the others theirs, and takes the time from end to end."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.workers = [address.strip() for address in options.pipeline.split(",")]
        for address in self.workers:
            split_address(address)
        shapes = shapes_of(options)
        if len(shapes) != 1 or len(options.precision) != 1 or len(options.batch_size) != 1:
            raise InputFailure("--pipeline takes one model, one precision and one batch size")
        self.shape, self.batch_size = shapes[0], options.batch_size[0]
        self.cuts = cuts_of(options.cuts, self.shape, len(self.workers))
        self.session = uuid.uuid4().hex
        self.controls: list[Control] = []
        self.wires: list[Wire] = []

    def check(self) -> None:
        """Raise what any worker reports, and notice one that is gone."""
        for control in self.controls:
            control.check()

    def run(self, arguments: Sequence[str]) -> dict[str, Any]:
        """Record one run."""
        try:
            return self._run(arguments)
        except Failure as error:
            time.sleep(0.3)  # one that is gone takes others with it: name them all
            messages = [str(error), *(str(control.fault) for control in self.controls if control.fault)]
            for control in self.controls:
                with contextlib.suppress(Failure):
                    control.wire.send("error", message=f"the first host stopped: {error}")
            raise Failure("; ".join(dict.fromkeys(messages))) from error
        finally:
            for control in self.controls:
                control.close()
            for wire in self.wires:
                wire.close()

    def _run(self, arguments: Sequence[str]) -> dict[str, Any]:
        options, shape = self.options, self.shape
        target = load_torch(options)._replace(precision=options.precision[0])
        parts = stage_parts(shape, self.cuts)
        for address in self.workers:
            wire = connect(address, "control", self.session, None, options.connect_s)
            self.controls.append(Control(wire, options.silence_s))
        conditions = ("together", "alone") if options.isolated == "both" else (options.isolated,)
        for k, control in enumerate(self.controls):
            control.wire.send(
                "configure", shape=shape._asdict(), rank=k + 1, parts=parts[k + 1], batch_size=self.batch_size,
                precision=target.precision, rate_bps=options.rate_bps, probe_s=options.isolated_s / 2,
                warm_up=options.warm_up, isolations=len(conditions),
                next=self.workers[k + 1] if k + 1 < len(self.workers) else None,
            )  # fmt: skip
        stage = Stage(shape, parts[0], self.batch_size, target)
        facts = [stage_facts(stage, options), *(control.wait("ready")[0]["facts"] for control in self.controls)]
        say(f"{len(facts)} stages of {shape.name}: blocks before each cut: {self.cuts}")
        flow, results = self._connect(stage)
        links = self._probe(stage, flow)
        isolated = [self._isolate(stage, condition) for condition in conditions]
        before = [clock_offset(control) for control in self.controls]
        self._order("start", "started")
        say(f"running {options.batches} mini-batches of {self.batch_size}")
        monitor = Monitor(options.sample_s)
        if monitor.power:
            monitor.start()
        start_s, delivered_s, digest = self._stream(stage, flow, results)
        monitor.stop()
        after = [clock_offset(control) for control in self.controls]
        reports = [{"batches": flow.columns, "telemetry": monitor.telemetry()}, *self._order("report", "reported")]
        for control in self.controls:
            control.wire.send("bye")
        zero = {"offset_s": 0.0, "round_trip_s": 0.0}
        before, after = [zero, *before], [zero, *after]
        stages = []
        for k, fact in enumerate(facts):
            stages.append(
                dict(
                    fact,
                    rank=k,
                    address=None if k == 0 else self.workers[k - 1],
                    clock_offset={"before": before[k], "after": after[k]},
                    isolated=[dict(each[k], condition=name) for name, each in zip(conditions, isolated)],
                    batches=reports[k]["batches"],
                    telemetry=reports[k]["telemetry"],
                )
            )
        return dict(
            {"format": "orbitsim-split-run", "version": FORMAT_VERSION},
            **provenance(arguments),
            model=shape._asdict(),
            precision=target.precision,
            batch_size=self.batch_size,
            n_batches=options.batches,
            cuts=self.cuts,
            rate_bps=options.rate_bps,
            stages=stages,
            links=links,
            end_to_end={"start_s": start_s, "delivered_s": delivered_s},
            first_result_sha256=digest,
        )

    def _order(self, order: str, answer: str) -> list[dict[str, Any]]:
        for control in self.controls:
            control.wire.send(order)
        return [control.wait(answer)[0] for control in self.controls]

    def _connect(self, stage: Stage) -> tuple[Flow, Flow]:
        """Open the ways of data; return the flow of the first stage, and the one that takes the results."""
        options = self.options
        for control in self.controls:
            control.wire.send("connect")
        outgoing = connect(self.workers[0], "data", self.session, options.rate_bps, options.connect_s)
        incoming = connect(self.workers[-1], "result", self.session, None, options.connect_s)
        self.wires += [outgoing, incoming]
        for control in self.controls:
            control.wait("connected")
        results = Flow(stage, outgoing, self.check)
        results.receive_from(incoming)
        return Flow(stage, outgoing, self.check), results

    def _probe(self, stage: Stage, flow: Flow) -> list[dict[str, Any]]:
        """Measure every link, one after another, while nothing else runs."""

        def probe() -> dict[str, Any]:
            return probe_link(flow.outgoing, stage.output_bytes, self.options.isolated_s / 2)

        links = [watched(probe, flow.check)]
        for control in self.controls:
            control.wire.send("probe")
            links.append(control.wait("probed")[0]["times"])
        n_stages = len(links)
        return [dict(times, source=k, target=(k + 1) % n_stages) for k, times in enumerate(links)]

    def _isolate(self, stage: Stage, condition: str) -> list[dict[str, Any]]:
        """Time every stage without a pipeline: all hosts at the same time, or one after another."""
        options = self.options
        ask = {"seconds": options.isolated_s, "at_least": 3}
        say(f"timing the stages by themselves, {condition}")
        for control in self.controls:
            control.wire.send("isolate", **ask)
        stage.time(0.0, options.warm_up)
        for control in self.controls:
            control.wait("warm")
        timed: list[dict[str, Any]] = []
        if condition == "together":
            for control in self.controls:
                control.wire.send("go")
            timed.append(stage.time(options.isolated_s, 3))
            timed += [control.wait("isolated")[0] for control in self.controls]
        else:
            timed.append(stage.time(options.isolated_s, 3))
            for control in self.controls:
                control.wire.send("go")
                timed.append(control.wait("isolated")[0])
        return [{"start_s": each["start_s"], "samples_s": each["samples_s"]} for each in timed]

    def _stream(self, stage: Stage, flow: Flow, results: Flow) -> tuple[float, list[float], str]:
        """Run all mini-batches; return the start, when each result was back, and a digest of the first result."""
        sender = flow.start_sending()
        digests: list[str] = []
        start_s = clock()
        for batch in range(self.options.batches):
            flow.arrived.put((batch, stage.example))
        flow.arrived.put(None)
        flow.compute()
        join(sender, flow)
        expected = 0
        while True:
            item = results.next_arrival()
            if item is None:
                break
            if item[0] != expected:
                raise Failure(f"result {item[0]} arrived where {expected} was due")
            if expected == 0:
                digests.append(hashlib.sha256(item[1]).hexdigest())
            expected += 1
        if expected != self.options.batches:
            raise Failure(f"{expected} of {self.options.batches} results came back")
        return start_s, results.columns["receive_end_s"], digests[0]


def cuts_of(text: str | None, shape: Shape, n_workers: int) -> list[int]:
    """Return the blocks before each cut: as given, or in equal shares."""
    if text is None:
        text = ",".join(str(round(shape.n_blocks * (k + 1) / (n_workers + 1))) for k in range(n_workers))
    try:
        cuts = [int(word) for word in text.split(",")]
    except ValueError:
        raise InputFailure(f"--cuts: expected whole numbers such as 4,8, found {text!r}") from None
    if len(cuts) != n_workers or any(b <= a for a, b in zip([-1, *cuts], [*cuts, shape.n_blocks + 1])):
        raise InputFailure(
            f"--cuts: expected {n_workers} increasing numbers of blocks (one for each worker) from 0 to "
            f"{shape.n_blocks}, found {text}"
        )
    return cuts


# -- the command -----------------------------------------------------------------------------------------------------


def write_json(value: dict[str, Any], path: str) -> None:
    """Write a file that appears under its name only when complete."""
    text = json.dumps(value, indent=None, separators=(",", ":"), allow_nan=False)
    folder = os.path.dirname(os.path.abspath(path))
    try:
        handle, temporary = tempfile.mkstemp(prefix=".recording-", dir=folder)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
    except OSError as error:
        raise Failure(f"{path}: cannot be written: {error.strerror or error}") from error
    say(f"wrote {path}")


def shapes_of(options: argparse.Namespace) -> list[Shape]:
    """Return the models that were asked for, with the sizes that were changed."""
    changes = {
        name: value
        for name, value in (
            ("width", options.width), ("mlp_width", options.mlp_width), ("n_heads", options.heads),
            ("n_blocks", options.blocks), ("patch_px", options.patch), ("image_px", options.image),
        )
        if value is not None
    }  # fmt: skip
    if changes:
        changes["name"] = "custom"
    shapes = [SHAPES[name]._replace(**changes) for name in options.model]
    for shape in shapes:
        if shape.width % shape.n_heads or shape.image_px < shape.patch_px:
            raise InputFailure("--width must be a multiple of --heads, and --image at least --patch")
    return shapes


def positive(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a type of argument that must be above 0."""

    def convert(text: str) -> Any:
        value = kind(text)
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"expected a number above 0, found {text}")
        return value

    convert.__name__ = kind.__name__
    return convert


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    count, number = positive(int), positive(float)
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = result.add_argument
    add("--out", help="JSON file to write (default: recording.json, or split.json with --pipeline)")
    add("--force", action="store_true", help="replace the file if it is there")
    add("--model", nargs="+", choices=sorted(SHAPES), default=["vit-b"])
    add("--batch-size", nargs="+", type=count, default=[1])
    add("--precision", nargs="+", choices=list(PRECISIONS), default=["fp32"])
    add("--device", choices=["auto", "cuda", "cpu"], default="auto")
    add("--attention", choices=["auto", "sdpa", "plain"], default="auto", help="sdpa: torch's fused one (torch 2)")
    add("--threads", type=count, help="torch's threads on the processor")
    add("--cpu", type=int, help="pin this program to one processor, counted from 0")
    add("--name", help="name of the device in the file (default: made from what it says of itself)")
    add("--power-mode", help="name of the power mode in the file (default: as nvpmodel -q says)")
    add("--warm-up", type=count, default=3, help="passes before timing")
    add("--sample-s", type=number, default=0.1, help="seconds between samples of power, temperatures and clocks")
    timing = result.add_argument_group("timing one board")
    add = timing.add_argument
    add("--resident", choices=["auto", "all", "one"], default="auto",
        help="parts in memory: all, one at a time (for models larger than memory), or as memory allows")  # fmt: skip
    add("--target", type=number, default=0.01, help="stop when half the 95%% confidence interval is under this share")
    add("--limit-s", type=number, default=120.0, help="or after this time for each model, batch size and precision")
    add("--min-repeats", type=count, default=10)
    add("--max-repeats", type=count, default=200)
    split = result.add_argument_group("a split over several boards")
    add = split.add_argument
    add("--pipeline", metavar="HOST:PORT,...", help="be the first host; these workers have the stages after it")
    add("--serve", type=int, metavar="PORT", help="be a worker: wait for the first host; 0: on any free port")
    add("--once", action="store_true", help="with --serve: end after one session")
    add("--bind", default="0.0.0.0", help="with --serve: address to listen on")  # noqa: S104 - other boards connect
    add("--cuts", help="blocks before each cut, such as 4,8 (default: equal shares)")
    add("--batches", type=count, default=40, help="mini-batches to run")
    add("--rate-bps", type=number, help="hold every sender to this rate, as a slow link would [bit/s]")
    add("--isolated", choices=["together", "alone", "both"], default="together",
        help="before the run, time each stage by itself: all hosts at the same time, or one after another")  # fmt: skip
    add("--isolated-s", type=number, default=20.0, help="seconds of that")
    add("--connect-s", type=number, default=60.0, help="wait so long for a worker to start")
    add("--silence-s", type=number, default=10.0, help="give up on a host that gives no sign of life for so long")
    sizes = result.add_argument_group("other sizes than those of the model (its name becomes custom)")
    for name in ("--width", "--mlp-width", "--heads", "--blocks", "--patch", "--image"):
        sizes.add_argument(name, type=count)
    return result


@contextlib.contextmanager
def failures_as_exit_codes() -> Iterator[None]:
    """Turn failures into one line and an exit code."""
    try:
        yield
    except Failure as error:
        say(f"error: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        say("interrupted; nothing was written")
        sys.exit(130)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser().parse_args(given)
    if options.serve is not None and options.pipeline:
        parser().error("--serve and --pipeline exclude each other")
    with failures_as_exit_codes():
        if options.serve is not None:
            return serve(options)
        out = options.out or ("split.json" if options.pipeline else "recording.json")
        if not os.path.isdir(os.path.dirname(os.path.abspath(out))):
            raise InputFailure(f"--out {out}: there is no such folder")
        if os.path.exists(out) and not options.force:
            raise InputFailure(f"--out {out}: is there already; replace it with --force")
        value = Leader(options).run(given) if options.pipeline else record(options, given)
        write_json(value, out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
