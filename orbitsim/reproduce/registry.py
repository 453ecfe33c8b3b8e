"""Experiments by name, imported when they are asked for: those of the codecs need torch, the simulator's do not."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from orbitsim.errors import InputError, Problem
from orbitsim.scenario.suggestions import suggestion
from orbitsim.types.experiment import Experiment

EVERYTHING = "all"

EXPERIMENTS: Mapping[str, str] = MappingProxyType(
    {
        "table2": "orbitsim.reproduce.table2:EXPERIMENT",
        "fig3": "orbitsim.reproduce.fig3:EXPERIMENT",
        "fig4": "orbitsim.reproduce.fig4:EXPERIMENT",
        "fig5": "orbitsim.reproduce.fig5:EXPERIMENT",
        "fig6": "orbitsim.reproduce.fig6:EXPERIMENT",
        "fig7": "orbitsim.reproduce.fig7:EXPERIMENT",
        "fig8": "orbitsim.neural.reproduce.fig8:EXPERIMENT",
        "fig9": "orbitsim.neural.reproduce.fig9:EXPERIMENT",
        "fig10": "orbitsim.neural.reproduce.fig10:EXPERIMENT",
        "fig11": "orbitsim.reproduce.fig11:EXPERIMENT",
        "fig12": "orbitsim.reproduce.fig12:EXPERIMENT",
        "table4": "orbitsim.neural.reproduce.table4:EXPERIMENT",
        "table5": "orbitsim.neural.reproduce.table5:EXPERIMENT",
        "map": "orbitsim.reproduce.regime_map:EXPERIMENT",
    }
)
"""Name -> ``module:object``, in the order in which they are reported."""

_NEEDS = MappingProxyType({"orbitsim.neural": ("torch", "orbitsim[neural]")})


def chosen_experiments(names: Sequence[str]) -> tuple[str, ...]:
    """Return the experiments that are asked for, each once, in the order of the registry.

    Parameters
    ----------
    names : sequence of str
        Names of experiments, or ``all``.

    Raises
    ------
    InputError
        Naming every name that there is not.
    """
    known = (*EXPERIMENTS, EVERYTHING)
    unknown = [name for name in dict.fromkeys(names) if name not in known]
    if unknown:
        raise InputError(
            Problem("", f"expected one of {', '.join(known)}; got {name!r}{suggestion(name, known)}")
            for name in unknown
        )
    return tuple(name for name in EXPERIMENTS if EVERYTHING in names or name in names)


def missing_extra(name: str) -> str:
    """Return what to install for an experiment, or an empty text where nothing is missing."""
    module = EXPERIMENTS[name].partition(":")[0]
    for package, (needed, extra) in _NEEDS.items():
        if module.startswith(package) and importlib.util.find_spec(needed) is None:
            return f"{name} needs {needed}: pip install '{extra}'"
    return ""


def load_experiment(name: str) -> Experiment:
    """Import an experiment.

    Parameters
    ----------
    name : str
        A name of `EXPERIMENTS`.

    Raises
    ------
    InputError
        When what it needs is not installed; says what to install.
    """
    missing = missing_extra(name)
    if missing:
        raise InputError(missing)
    module, _, attribute = EXPERIMENTS[name].partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, Experiment):
        raise TypeError(f"{EXPERIMENTS[name]} is not an Experiment")
    return found
