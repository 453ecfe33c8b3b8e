"""Run every benchmark: ours against a named rival, side by side in the same run.

``python -m benchmarks`` runs all; ``python -m benchmarks propagation planner`` runs those named.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

ORDER = ("propagation", "visibility", "contact_edges", "passages", "planner", "whole_command", "codec", "sweep")


def main() -> None:
    """Run the benchmarks named on the command line, all by default."""
    folder = Path(__file__).resolve().parent
    names = sys.argv[1:] or [name for name in ORDER if (folder / f"{name}.py").is_file()]
    sys.argv[1:] = []
    sys.path.insert(0, str(folder))  # they share a module
    for name in names:
        print(f"\n=== {name}", flush=True)
        runpy.run_path(str(folder / f"{name}.py"), run_name="__main__")


if __name__ == "__main__":
    main()
