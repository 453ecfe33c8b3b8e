"""From a scenario's file or name to a validated `Scenario`: extends, overrides, ``--set``, catalogue."""

from orbitsim.loading.scenarios import Layer, Settings, change_scenario, find_scenario, load_scenario, shipped_scenarios

__all__ = ["Layer", "Settings", "change_scenario", "find_scenario", "load_scenario", "shipped_scenarios"]
