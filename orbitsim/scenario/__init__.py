"""The scenario: every key a user may set, with its default, range and meaning."""

from orbitsim.scenario.checks import satellite_names
from orbitsim.scenario.devices import TracedDevice
from orbitsim.scenario.links import Links, OpticalDownlink, OpticalIsl, RadioDownlink, RadioIsl
from orbitsim.scenario.root import Scenario, validate_scenario
from orbitsim.scenario.sections import (
    Clock,
    Codec,
    FileShell,
    Planner,
    Run,
    Shell,
    Station,
    Target,
    WalkerShell,
    Workload,
)

__all__ = [
    "Clock",
    "Codec",
    "FileShell",
    "Links",
    "OpticalDownlink",
    "OpticalIsl",
    "Planner",
    "RadioDownlink",
    "RadioIsl",
    "Run",
    "Scenario",
    "Shell",
    "Station",
    "Target",
    "TracedDevice",
    "WalkerShell",
    "Workload",
    "satellite_names",
    "validate_scenario",
]
