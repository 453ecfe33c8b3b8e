"""Versions of the packages that a measurement rests on."""

from __future__ import annotations

import platform
from importlib import metadata

from orbitsim import __version__

_PACKAGES = ("torch", "transformers", "numpy", "constriction", "scipy")


def software_versions() -> dict[str, str]:
    """Return versions of orbitsim, Python and the packages that compute and code."""
    return {
        "orbitsim": __version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in _PACKAGES},
    }
