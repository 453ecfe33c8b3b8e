"""What the orbit benchmarks share: 1,584 satellites, 100 stations on a spiral, and medians of interleaved runs."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from orbitsim.orbit.constellation import Constellation, walker_shell
from orbitsim.orbit.ephemeris import Ephemeris
from orbitsim.orbit.sites import Site

EPOCH_UTC = datetime(2026, 1, 1, tzinfo=UTC)
DAY_S = 86_400.0
MIN_ELEVATION_DEG = 25.0


def ephemeris() -> Ephemeris:
    """Return 72 planes of 22 satellites at 550 km and 53 deg, F = 1."""
    shell = walker_shell(
        name="s",
        kind="walker-delta",
        altitude_m=550e3,
        inclination_deg=53.0,
        n_satellites=1584,
        n_planes=72,
        phasing=1,
        raan_deg=0.0,
        epoch_utc=EPOCH_UTC,
    )
    return Ephemeris(Constellation([shell]), EPOCH_UTC)


def stations(n: int = 100) -> list[Site]:
    """Return the first n of 100 stations on a Fibonacci spiral between 60 deg south and north."""
    sine = math.sin(math.radians(60.0))
    return [
        Site(
            f"g{i:02d}",
            math.degrees(math.asin((2.0 * (i + 0.5) / 100.0 - 1.0) * sine)),
            360.0 * math.modf(0.618034 * i)[0] - 180.0,
        )
        for i in range(n)
    ]


def medians_s(runs: int, *functions: Callable[[], Any]) -> list[tuple[float, float]]:
    """Return the median wall and CPU seconds of each function, called in turn so that all meet the same load."""
    for function in functions:
        function()
    times: list[list[tuple[float, float]]] = [[] for _ in functions]
    for _ in range(runs):
        for function, own in zip(functions, times, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            function()
            own.append((time.perf_counter() - wall, time.process_time() - cpu))
    return [(statistics.median(wall for wall, _ in own), statistics.median(cpu for _, cpu in own)) for own in times]


def print_comparison(title: str, ours: tuple[float, float], rival: tuple[float, float], rival_name: str) -> None:
    """Print wall and CPU seconds of both, and their ratio by CPU, which a busy machine disturbs least."""
    print(title)
    print(f"  {'':36}{'wall s':>10}{'CPU s':>10}")
    print(f"  {'orbitsim':36}{ours[0]:10.3f}{ours[1]:10.3f}")
    print(f"  {rival_name:36}{rival[0]:10.3f}{rival[1]:10.3f}")
    print(f"  {'orbitsim / rival':36}{ours[0] / rival[0]:10.3f}{ours[1] / rival[1]:10.3f}")
