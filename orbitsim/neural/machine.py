"""The machine that a profile is measured on: its processor, how busy others keep it, its frequency rules."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Set
from pathlib import Path
from typing import Any

from orbitsim.neural.jetson_board import read_text


def processor(root: Path | str = "/") -> dict[str, str]:
    """Return what Linux says of the first processor; only its name elsewhere."""
    text = read_text(Path(root) / "proc/cpuinfo")
    if not text:
        return {"model name": platform.processor() or platform.machine()}
    first = text.split("\n\n")[0]
    fields = dict(line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in fields.items()}


def device_slug(name: str) -> str:
    """Return a name for traces, made of what a processor or board calls itself; as `record_jetson.py` makes it."""
    words = re.sub(r"\((?:r|tm)\)", "", name.lower())
    words = re.sub(r"\b(?:nvidia|developer kit|geforce|processor)\b", " ", words)
    return "-".join(re.findall(r"[a-z0-9.]+", words)) or "unknown"


def others_busy_s(root: Path | str = "/") -> float:
    """Return the seconds that others used of the processors that this process may use; 0 outside Linux [s].

    Counted since the machine started are user, nice, system, interrupts and what a hypervisor took away (steal), less
    the time of this process.
    """
    text = read_text(Path(root) / "proc/stat")
    if not text:
        return 0.0
    return _busy_ticks(text, allowed_processors()) / os.sysconf("SC_CLK_TCK") - time.process_time()


def _busy_ticks(stat: str, processors: Set[int] | None) -> int:
    """Return the busy ticks of some processors out of the text of /proc/stat; of all where none of them is in it."""
    lines = {words[0]: words[1:] for line in stat.splitlines() if (words := line.split()) and line.startswith("cpu")}
    wanted = [f"cpu{n}" for n in processors or () if f"cpu{n}" in lines] or ["cpu"]
    ticks = 0
    for name in wanted:
        user, nice, system, _, _, irq, softirq, steal = map(int, lines[name][:8])
        ticks += user + nice + system + irq + softirq + steal
    return ticks


def tick_s() -> float:
    """Return the resolution of `others_busy_s` [s]."""
    return 1.0 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.0


def allowed_processors() -> frozenset[int] | None:
    """Return the processors that this process may use (its affinity mask); None where the system has no such mask."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def n_processors() -> int:
    """Return how many processors this process may use [1]."""
    allowed = allowed_processors()
    return os.cpu_count() or 1 if allowed is None else len(allowed)


def cpu_clock_hz(root: Path | str = "/") -> float | None:
    """Return the mean clock of the processors now; None where the system does not know it, as in a virtual machine."""
    paths = sorted(Path(root).glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"))
    texts = [read_text(path) for path in paths]
    kilohertz = [float(text) for text in texts if text and text.isdigit()]
    return 1e3 * sum(kilohertz) / len(kilohertz) if kilohertz else None


def machine_facts(root: Path | str = "/") -> dict[str, Any]:
    """Return what somebody needs to judge a measurement on this machine; JSON values."""
    info = processor(root)
    governor = read_text(Path(root) / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    boost = read_text(Path(root) / "sys/devices/system/cpu/cpufreq/boost")
    told = ("model name", "Model", "cpu family", "model", "stepping", "cpu MHz")
    return {
        "processor": {key: info[key] for key in told if key in info},
        "n_processors": os.cpu_count(),
        "n_processors_allowed": n_processors(),
        "virtual_machine": "hypervisor" in info.get("flags", "").split(),
        "governor": governor,
        "boost": boost,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_average": [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None,
    }
