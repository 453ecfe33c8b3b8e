"""Where a result comes from: versions, command, seed, time, hashes of the inputs."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from orbitsim import __version__

_PACKAGES = ("numpy", "pandas", "pyarrow", "scipy", "simpy", "sgp4", "skyfield", "networkx", "pydantic")


def provenance(command: Iterable[str], seed: int, inputs: Iterable[Path]) -> dict[str, Any]:
    """Return the provenance of a run.

    Parameters
    ----------
    command : iterable of str
        Command line, as the user gave it.
    seed : int
        Seed of the scenario.
    inputs : iterable of Path
        Files whose content the result depends on (traces, tables, element sets); hashed with SHA-256.
    """
    return {
        "software": "orbitsim",
        "version": __version__,
        "command": list(command),
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "seed": seed,
        "python": sys.version.split()[0],
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "inputs_sha256": {
            name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in _named(sorted(set(inputs))).items()
        },
    }


def _named(paths: Sequence[Path]) -> dict[str, Path]:
    """Name files without their folders; the second of a name, and those after it, by a number beside it."""
    named: dict[str, Path] = {}
    for path in paths:
        number = 1
        while (name := path.name if number == 1 else f"{path.name} ({number})") in named:
            number += 1
        named[name] = path
    return named
