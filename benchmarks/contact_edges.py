"""Every contact edge of 1,584 satellites over 100 stations in 24 h, mask 25 deg, against brahe's location_accesses.

Run ``python benchmarks/contact_edges.py [--stations N] [--no-rival] [--step-s S]`` (needs the extra ``bench``). brahe
takes about four minutes of CPU for all 100 stations. It gets the same mean elements, the same UT1 - UTC and no polar
motion. Windows are paired by satellite, station and overlap, and every difference is explained: a window that only one
of the two has must be a grazing pass or gap, or touch the day's ends; otherwise the script fails.
"""

from __future__ import annotations

import argparse
import resource
import time
from typing import Any

import numpy as np
from large_constellation import DAY_S, EPOCH_UTC, MIN_ELEVATION_DEG, ephemeris, stations

from orbitsim.orbit.contacts import find_contacts
from orbitsim.orbit.ephemeris import Ephemeris
from orbitsim.orbit.sites import Mask, Site
from orbitsim.types.contacts import Contacts

RUNS = 3
Windows = dict[tuple[int, int], np.ndarray]  # (satellite, station) -> (n, 2) starts and ends


def run_orbitsim(source: Ephemeris, sites: list[Site]) -> Contacts:
    mask = Mask(min_elevation_deg=MIN_ELEVATION_DEG)
    walls, cpus = [], []
    for _ in range(RUNS):
        wall, cpu = time.perf_counter(), time.process_time()
        contacts = find_contacts(source, sites, mask, DAY_S)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    report("orbitsim", float(np.median(walls)), float(np.median(cpus)), len(contacts))
    return contacts


def run_brahe(source: Ephemeris, sites: list[Site], step_s: float) -> Windows:
    import brahe

    ut1_utc_s = float(source.skyfield_time(DAY_S / 2.0).dut1)
    # brahe 1.8.0 documents ut1_utc as the first argument, but takes the two polar motion angles first.
    provider = brahe.StaticEOPProvider.from_values(0.0, 0.0, ut1_utc_s, 0.0, 0.0, 0.0)
    brahe.set_global_eop_provider_from_static_provider(provider)
    begin = brahe.Epoch.from_datetime(
        EPOCH_UTC.year, EPOCH_UTC.month, EPOCH_UTC.day, 0, 0, 0.0, 0.0, brahe.TimeSystem.UTC
    )
    propagators = [
        brahe.SGPPropagator.builder(
            begin,
            satrec.no_kozai * 1440.0 / (2.0 * np.pi),
            satrec.ecco,
            *np.degrees([satrec.inclo, satrec.nodeo, satrec.argpo, satrec.mo]).tolist(),
            10_000 + i,  # five digits wanted; `with_id` carries the index
        )
        .build()
        .with_id(i + 1)
        for i, satrec in enumerate(source.constellation.satrecs)
    ]
    for i in range(
        0, len(source), 100
    ):  # brahe's SGP4 differs by some 30 m, 4 ms of flight; anything else is a mistake
        here, there = source.positions_m([0.0], [i])[0, 0], np.array(propagators[i].state_itrf(begin))[:3]
        assert np.linalg.norm(here - there) < 100.0
    places = [
        brahe.PointLocation(s.longitude_deg, s.latitude_deg, s.altitude_m).with_id(i) for i, s in enumerate(sites)
    ]
    constraint = brahe.ElevationConstraint(min_elevation_deg=MIN_ELEVATION_DEG)
    config = brahe.AccessSearchConfig(initial_time_step=step_s)
    wall, cpu = time.perf_counter(), time.process_time()
    found = brahe.location_accesses(places, propagators, begin, begin + DAY_S, constraint, config=config)
    report("brahe location_accesses", time.perf_counter() - wall, time.process_time() - cpu, len(found))
    pairs: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for window in found:
        key = (window.satellite_id - 1, window.location_id)
        pairs.setdefault(key, []).append((window.start - begin, window.end - begin))
    return {key: np.array(sorted(windows)) for key, windows in pairs.items()}


def report(name: str, wall_s: float, cpu_s: float, n_windows: int) -> None:
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"  {name:28}{wall_s:10.2f}{cpu_s:10.2f}{n_windows:12d}{peak_gb:10.2f}", flush=True)


def compare(contacts: Contacts, rival: Windows, step_s: float) -> bool:
    """Pair the windows, print every kind of difference, and tell whether all are explained."""
    order = np.lexsort((contacts.start_s, contacts.site, contacts.satellite))
    ours: dict[tuple[int, int], list[int]] = {}
    for i in order.tolist():
        ours.setdefault((int(contacts.satellite[i]), int(contacts.site[i])), []).append(i)
    edge_differences: list[float] = []
    only_ours: list[int] = []
    only_rival: list[tuple[float, float]] = []
    for key in ours.keys() | rival.keys():
        theirs = rival.get(key, np.empty((0, 2)))
        used = np.zeros(len(theirs), dtype=bool)
        for i in ours.get(key, []):
            overlap = ~used & (theirs[:, 0] < contacts.end_s[i]) & (theirs[:, 1] > contacts.start_s[i])
            match = np.flatnonzero(overlap)
            if not match.size:
                only_ours.append(i)
                continue
            used[match[0]] = True
            if not contacts.cut_at_start[i]:
                edge_differences.append(abs(theirs[match[0], 0] - contacts.start_s[i]))
            if not contacts.cut_at_end[i]:
                edge_differences.append(abs(theirs[match[0], 1] - contacts.end_s[i]))
        only_rival.extend((float(a), float(b)) for a, b in theirs[~used])
    difference = np.array(edge_differences)
    quantiles = np.quantile(difference, [0.5, 0.99, 0.9999, 1.0])
    n_rival = sum(len(windows) for windows in rival.values())
    print(f"  paired edges {difference.size}; |difference| median, 99 %, 99.99 %, most: {np.round(quantiles, 5)} s")
    print(f"  counts differ by {len(contacts) - n_rival} ({(len(contacts) - n_rival) / n_rival:.3%} of the rival's)")
    missed = np.array(only_ours, dtype=int)
    cut = contacts.cut_at_start[missed] | contacts.cut_at_end[missed]
    # A pass that the rival's grid of step_s can jump over is one that hardly rises over the mask.
    short = ~cut & (contacts.duration_s[missed] <= step_s)
    above_deg = np.degrees(contacts.max_elevation_rad[missed[short]]) - MIN_ELEVATION_DEG
    print(
        f"  only orbitsim: {missed.size}; cut by the day's ends {np.count_nonzero(cut)}; shorter than brahe's step of "
        f"{step_s:g} s {np.count_nonzero(short)} (highest {above_deg.max(initial=0.0):.3f} deg over the mask)"
    )
    extra = np.array(only_rival).reshape(-1, 2)
    at_ends = (extra[:, 0] <= 0.0) | (extra[:, 1] >= DAY_S)
    brief = ~at_ends & (extra[:, 1] - extra[:, 0] < 1.0)
    print(
        f"  only brahe: {len(extra)}; cut by the day's ends {np.count_nonzero(at_ends)}; "
        f"grazing passes under 1 s {np.count_nonzero(brief)}"
    )
    unexplained = missed.size - np.count_nonzero(cut | short) + len(extra) - np.count_nonzero(at_ends | brief)
    print(f"  unexplained differences: {unexplained}")
    grid_visible = len(contacts) - np.count_nonzero(short)
    print(f"  counts without the passes the rival's grid jumps over: {grid_visible} and {n_rival}", end=" ")
    print(f"({(grid_visible - n_rival) / n_rival:+.3%})")
    return bool(unexplained == 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stations", type=int, default=100, help="how many of the 100 stations")
    parser.add_argument("--step-s", type=float, default=60.0, help="brahe's grid step; 60 s is its default")
    parser.add_argument("--no-rival", action="store_true", help="orbitsim alone")
    arguments = parser.parse_args()
    source, sites = ephemeris(), stations(arguments.stations)
    print(f"contact edges, {len(source)} satellites x {len(sites)} stations, 24 h, mask {MIN_ELEVATION_DEG:g} deg")
    columns: list[Any] = ["", "wall s", "CPU s", "windows", "peak GB"]
    print("  {:28}{:>10}{:>10}{:>12}{:>10}".format(*columns))
    contacts = run_orbitsim(source, sites)
    if not arguments.no_rival and not compare(contacts, run_brahe(source, sites, arguments.step_s), arguments.step_s):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
