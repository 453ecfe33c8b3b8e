"""Who sees whom: 1,584 satellites x 100 stations x 144 slots, against a bare ``SatrecArray`` and numpy script.

Run ``python benchmarks/visibility.py [--runs N]``. The rival is what one writes by hand: SGP4 for all at once, one turn
by Greenwich sidereal time, and for each slot the elevation of every satellite over every station. Its sidereal time
takes UTC for UT1, so a few triples at the mask's edge may differ; both counts are printed.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from large_constellation import MIN_ELEVATION_DEG, ephemeris, medians_s, print_comparison, stations
from sgp4.api import SatrecArray

from orbitsim.orbit.geometry import geodetic_to_ecef_m, zenith_unit
from orbitsim.orbit.sites import Mask
from orbitsim.orbit.visibility import visible_at


def bare_script(satrecs: list, julian_day: np.ndarray, latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Return visible (satellite, station, slot) triples, without any of orbitsim's orbit code but the stations."""
    day = np.floor(julian_day - 0.5) + 0.5
    error, teme_km, _ = SatrecArray(satrecs).sgp4(day, julian_day - day)
    assert not error.any()
    days = julian_day - 2451545.0
    theta = np.radians((280.46061837 + 360.98564736629 * days) % 360.0)  # Meeus, Astronomical Algorithms, eq. 12.4
    cosine, sine = np.cos(theta), np.sin(theta)
    position = np.empty_like(teme_km)
    position[..., 0] = cosine * teme_km[..., 0] + sine * teme_km[..., 1]
    position[..., 1] = cosine * teme_km[..., 1] - sine * teme_km[..., 0]
    position[..., 2] = teme_km[..., 2]
    station = geodetic_to_ecef_m(latitude, longitude) / 1e3
    up = zenith_unit(latitude, longitude)
    visible = np.empty((len(satrecs), latitude.size, julian_day.size), dtype=bool)
    limit = math.sin(math.radians(MIN_ELEVATION_DEG))
    for k in range(julian_day.size):
        here = position[:, k]
        height = here @ up.T - (station * up).sum(axis=1)
        range2 = (here**2).sum(axis=1)[:, None] + (station**2).sum(axis=1) - 2.0 * here @ station.T
        visible[..., k] = height > limit * np.sqrt(range2)
    return visible


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7, help="runs of each, interleaved; the medians are printed")
    runs = parser.parse_args().runs
    source, sites = ephemeris(), stations()
    t_s = np.arange(144) * 600.0
    epochs = source.epochs(t_s)
    latitude = np.radians([site.latitude_deg for site in sites])
    longitude = np.radians([site.longitude_deg for site in sites])
    satrecs = list(source.constellation.satrecs)
    julian_day = epochs.julian_day + epochs.day_fraction
    mask = Mask(min_elevation_deg=MIN_ELEVATION_DEG)
    ours, rival = medians_s(
        runs,
        lambda: visible_at(source, sites, mask, t_s),
        lambda: bare_script(satrecs, julian_day, latitude, longitude),
    )
    title = f"visibility, {len(source)} satellites x {len(sites)} stations x {t_s.size} slots, medians of {runs}"
    print_comparison(title, ours, rival, "bare SatrecArray + numpy script")
    ours_visible = visible_at(source, sites, mask, t_s)
    bare_visible = bare_script(satrecs, julian_day, latitude, longitude)
    print(
        f"  visible triples: orbitsim {ours_visible.sum()}, bare {bare_visible.sum()}, "
        f"different {np.count_nonzero(ours_visible != bare_visible)}"
    )


if __name__ == "__main__":
    main()
