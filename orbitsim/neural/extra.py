"""The extra `neural`: one clear message where it is not installed."""

from __future__ import annotations

import importlib.util

from orbitsim.errors import InputError

_NEEDED = ("torch", "transformers", "safetensors")


def require_neural() -> None:
    """Raise an `InputError` that says what to install, unless torch and transformers are there; imports neither."""
    missing = [name for name in _NEEDED if not _is_installed(name)]
    if missing:
        raise InputError(f"{' and '.join(missing)} not installed; needed here: pip install 'orbitsim[neural]'")


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
