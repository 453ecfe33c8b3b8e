"""How an experiment is set up: a shipped scenario, changes of its keys, and the schemes that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from orbitsim.loading import load_scenario
from orbitsim.pipeline.stages import Stages
from orbitsim.scenario import Scenario

BASE = "leo12-vitg"
"""The shipped scenario with the setting of the paper's Section VI."""

PAPER = "arXiv:2604.04654v1 (2026)"

PAPER_CODEC = 'codec.table="gumbel-8bit"'
"""What the paper states of its codec, in place of the calibration of our own that the shipped scenario names."""

SCHEMES = ("collaborative", "single-satellite", "ground-only")
"""The schemes that the paper compares."""

TABLE2_DOWNLINK_BPS = 6e9
MODELS = ("vit-b", "vit-l", "vit-h", "vit-g")
TABLE3_MEMORY_BYTES = {"vit-b": 2e9, "vit-l": 4e9, "vit-h": 7e9, "vit-g": 12e9}
RESOLUTIONS = ("240p", "480p", "720p", "1080p", "2K", "4K", "8K", "16K")


@dataclass(frozen=True, slots=True)
class Setting:
    """What is run.

    Attributes
    ----------
    settings : tuple of str
        ``key=value`` changes of the base scenario, as of ``--set``; later ones win.
    schemes : tuple of str
        Schemes to compare.
    base : str
        Name of the shipped scenario.
    """

    settings: tuple[str, ...] = ()
    schemes: tuple[str, ...] = SCHEMES
    base: str = BASE

    def plus(self, *settings: str) -> Setting:
        """Return the setting with more changes laid over it."""
        return replace(self, settings=(*self.settings, *settings))

    def scenario(self) -> Scenario:
        """Return the scenario, validated."""
        chosen = "run.schemes=[" + ", ".join(f'"{name}"' for name in self.schemes) + "]"
        return load_scenario(self.base, settings=[*self._changes(), chosen])

    def in_words(self) -> str:
        """Return the setting as one line: the scenario and its changes."""
        return " ".join([self.base, *(f"--set {each}" for each in self._changes())])

    def _changes(self) -> list[str]:
        """Return the changes of the base, with the paper's codec unless they choose another."""
        chosen = any(each.startswith("codec.") for each in self.settings)
        return _last_of_each(self.settings if chosen else (PAPER_CODEC, *self.settings))


def _last_of_each(settings: Sequence[str]) -> list[str]:
    """Keep the last change of every key."""
    return list({each.partition("=")[0]: each for each in settings}.values())


@cache
def shared_stages() -> Stages:
    """Return what the runs of this process share: geometry, links and costs, each computed once."""
    return Stages()


IDEALISED = ('links.downlink.availability="always"', 'run.backlog="independent"')
"""The paper's idealisation: the downlink of the last satellite is always open, every task runs alone."""


def model_settings(model: str) -> tuple[str, ...]:
    """Return the settings of a model at the memory that Table III gives it."""
    return (f'workload.model="{model}"', f"workload.model_memory_bytes={TABLE3_MEMORY_BYTES[model]:g}")


def downlink(rate_bps: float) -> str:
    """Return the setting of the satellite-to-ground rate. [bit/s]"""
    return f"links.downlink.rate_bps={rate_bps:.17g}"


def title_of(model: str) -> str:
    """Return a model's name as people write it."""
    return "ViT-" + model[-1].upper()
