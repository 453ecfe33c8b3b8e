"""orbitsim from Python: load a scenario, run it, plan, sweep, and read what was written.

Everything here is also a name of `orbitsim` itself. Whatever goes wrong raises an error of `orbitsim.errors`.
"""

from orbitsim.api.plans import Planned, plan
from orbitsim.api.results import Results, read_results
from orbitsim.api.runs import run
from orbitsim.api.scenarios import load_scenario
from orbitsim.api.sweeps import sweep

__all__ = ["Planned", "Results", "load_scenario", "plan", "read_results", "run", "sweep"]
