"""Propagation of 1,584 satellites over 1,440 epochs to Earth-fixed metres, against bare ``SatrecArray.sgp4``.

Run ``python benchmarks/propagation.py [--runs N]``. The rival does SGP4 alone: kilometres in TEME, not rotated.
"""

from __future__ import annotations

import argparse

import numpy as np
from large_constellation import ephemeris, medians_s, print_comparison
from sgp4.api import SatrecArray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7, help="runs of each, interleaved; the medians are printed")
    runs = parser.parse_args().runs
    source = ephemeris()
    t_s = np.arange(1_440) * 60.0
    epochs = source.epochs(t_s)
    bare = SatrecArray(list(source.constellation.satrecs))
    ours, states, rival = medians_s(
        runs,
        lambda: source.positions_m(t_s),
        lambda: source.states(t_s),
        lambda: bare.sgp4(epochs.julian_day, epochs.day_fraction),
    )
    title = f"propagation, {len(source)} satellites x {t_s.size} epochs, medians of {runs}"
    print_comparison(title, ours, rival, "bare SatrecArray.sgp4")
    print(f"  {'(orbitsim with velocities)':36}{states[0]:10.3f}{states[1]:10.3f}")


if __name__ == "__main__":
    main()
