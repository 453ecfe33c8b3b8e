"""orbitsim: a discrete-event simulator of neural-network inference spread over satellites.

The names below are loaded when they are first used, so that importing orbitsim costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orbitsim.api import Planned, Results, load_scenario, read_results, run

__version__ = "0.1.0"
__all__ = ["Planned", "Results", "load_scenario", "plan", "read_results", "run", "sweep"]

_PACKAGES = ("plan", "sweep")  # packages that may be called, see `orbitsim.callable_package`


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _PACKAGES:
        return import_module(f"orbitsim.{name}")
    return getattr(import_module("orbitsim.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
