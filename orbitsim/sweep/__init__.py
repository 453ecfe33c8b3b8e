"""Sweeps: one scenario over many values of its keys, on local processes or a Dask cluster, stored cell by cell.

Called, the package is `orbitsim.api.sweep`.
"""

from orbitsim.callable_package import make_callable
from orbitsim.sweep.loading import Sweep, find_sweep, load_sweep, names_sweep, shipped_sweeps
from orbitsim.sweep.result import SweepResult, read_sweep
from orbitsim.sweep.run import run_sweep

__all__ = [
    "Sweep",
    "SweepResult",
    "find_sweep",
    "load_sweep",
    "names_sweep",
    "read_sweep",
    "run_sweep",
    "shipped_sweeps",
]

make_callable(__name__)
