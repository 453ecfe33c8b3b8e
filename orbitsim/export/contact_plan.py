"""Contact plans: when which link carries how much, as CSV for any tool, and as commands of ION."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from orbitsim.constants import BITS_PER_BYTE
from orbitsim.export.windows import OpenWindow, pairs_of, windows_of
from orbitsim.pipeline.links import LinkBook
from orbitsim.pipeline.space import Space
from orbitsim.results.files import whole_file
from orbitsim.results.wording import utc_ms
from orbitsim.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "source", "target", "kind", "start_s", "end_s", "start_utc", "end_utc", "mean_rate_bps", "min_rate_bps",
    "max_rate_bps", "capacity_bytes", "delay_s",
)  # fmt: skip
"""Columns of the CSV; times in seconds since the scenario's epoch and in UTC."""


def contact_plan(scenario: Scenario) -> pd.DataFrame:
    """Return the contact plan of a scenario: a row for each time in which a link is open in one direction.

    Parameters
    ----------
    scenario : Scenario
        Its orbits and links; nothing is simulated.

    Returns
    -------
    DataFrame
        With `COLUMNS`, in order of start. Crosslinks have a row for each direction.

    Raises
    ------
    InputError
        When something that the scenario names is missing or does not fit.
    """
    import pandas as pd

    return pd.DataFrame([_row(scenario, window) for window in _windows(scenario)], columns=list(COLUMNS))


def write_contact_plan(scenario: Scenario, out: Path, *, force: bool = False) -> int:
    """Write the contact plan as CSV and return the number of its rows.

    Raises
    ------
    InputError
        When the file must not be replaced.
    OutputError
        When it cannot be written.
    """
    windows = _windows(scenario)
    with whole_file(out, force=force) as work, work.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(_row(scenario, window) for window in windows)
    return len(windows)


def write_ion_plan(scenario: Scenario, out: Path, *, force: bool = False) -> int:
    """Write the contact plan as commands of ION's `ionadmin` and return the number of contacts.

    ION counts nodes (here in the order of satellites, then stations, from 1), whole seconds, bytes a second and whole
    light seconds [1]_. A contact is written as long as it is open from one whole second to another, at its mean rate
    rounded down, so that no command promises more than the link can carry on average.

    Raises
    ------
    InputError
        When the file must not be replaced.
    OutputError
        When it cannot be written.

    References
    ----------
    .. [1] NASA JPL, Interplanetary Overlay Network (ION), manual page ionrc(5).
    """
    windows = _windows(scenario)
    names = Space(scenario).names
    number = {name: index for index, name in enumerate(names, start=1)}
    n_written = 0
    with whole_file(out, force=force) as work, work.open("w", encoding="utf-8", newline="\n") as file:
        title = " ".join(scenario.name.split())
        file.write(f"# contact plan of {title}: times in s since the reference time, rates in bytes/s\n")
        file.writelines(f"# node {index}: {' '.join(name.split())}\n" for name, index in number.items())
        file.write(f"@ {scenario.clock.epoch_utc:%Y/%m/%d-%H:%M:%S}\n")
        for window in windows:
            start, end = math.ceil(window.start_s), math.floor(window.end_s)
            rate_bytes_s = math.floor(window.mean_rate_bps / BITS_PER_BYTE)
            if end <= start or rate_bytes_s < 1:
                continue
            source, target = number[window.source], number[window.target]
            file.write(f"a contact +{start} +{end} {source} {target} {rate_bytes_s}\n")
            if window.kind == "downlink" or source < target:  # a range from the lower number holds both ways
                low, high = sorted((source, target))
                file.write(f"a range +{start} +{end} {low} {high} {round(window.delay_s)}\n")
            n_written += 1
    return n_written


def _windows(scenario: Scenario) -> list[OpenWindow]:
    """Return all windows of all links in order of start."""
    return sorted(_unordered(LinkBook(Space(scenario))), key=lambda window: window.start_s)


def _unordered(book: LinkBook) -> Iterator[OpenWindow]:
    for source, target in pairs_of(book):
        yield from windows_of(book, source, target)


def _row(scenario: Scenario, window: OpenWindow) -> list[object]:
    epoch = scenario.clock.epoch_utc
    return [
        window.source,
        window.target,
        window.kind,
        window.start_s,
        window.end_s,
        utc_ms(epoch, window.start_s),
        utc_ms(epoch, window.end_s),
        window.mean_rate_bps,
        window.min_rate_bps,
        window.max_rate_bps,
        window.capacity_bytes,
        window.delay_s,
    ]
