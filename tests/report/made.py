"""Makes the folders that reports are tested on."""

from __future__ import annotations

import json
from pathlib import Path

from orbitsim.loading import load_scenario
from orbitsim.pipeline.run import run_scenario, save_run
from orbitsim.sweep import run_sweep

NASTY = "</script><script>window.harm = 1</script><img src=x onerror='window.harm = 1'> & %{x} \"q\""
"""Text that harms any page which does not escape it."""

SWEEP = """
name = {name}
base = "quick"
[set]
run.record = "tasks"
run.schemes = ["collaborative", "single-satellite", "hybrid"]
clock.duration_s = 1200.0
[grid]
links.downlink.rate_bps = [1e6, 1e9]
workload.resolution = ["240p", "480p"]
[[zip]]
workload.model = ["vit-b", "vit-g"]
workload.model_memory_bytes = [2e9, 12e9]
"""


def quoted(text: str) -> str:
    """Return a text as TOML writes it."""
    return json.dumps(text)


def run(folder: Path, *settings: str) -> Path:
    """Run the scenario `quick` with some settings into a folder."""
    return save_run(run_scenario(load_scenario("quick", settings=settings)), folder, command=["orbitsim", "run", NASTY])


def sweep(folder: Path) -> Path:
    """Run a small sweep into a folder below another."""
    (folder / "sweep.toml").write_text(SWEEP.format(name=quoted(NASTY)))
    return run_sweep(folder / "sweep.toml", folder / "out", workers=1, command=["orbitsim", NASTY]).folder
