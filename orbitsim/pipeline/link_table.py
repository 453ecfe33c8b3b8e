"""The table of links over time: of a run, and of `orbitsim links`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from orbitsim.pipeline.links import LinkBook
from orbitsim.results.frames import categories, frame

if TYPE_CHECKING:
    import pandas as pd


FloatArray = NDArray[np.float64]


def link_table(links: LinkBook, pairs: Iterable[tuple[int, int]], *, every: int = 1) -> pd.DataFrame:
    """Return one row for each link and step of the clock, at the middle of the step.

    Parameters
    ----------
    links : LinkBook
        The links.
    pairs : iterable of (int, int)
        Which links: source and target by node index.
    every : int
        Keep every so many steps only.
    """
    space, t_s = links.space, links.step_middles_s[::every]
    names: list[str] = []
    kinds: list[str] = []
    columns: dict[str, list[Any]] = {"range_m": [], "elevation_deg": [], "snr_db": [], "rate_bps": []}
    unknown = np.full(len(t_s), np.nan)
    idealised = space.scenario.links.downlink.availability == "always"  # no geometry lies behind its downlinks
    for source, target in pairs:
        schedule = links.link(source, target)
        names.append(f"{space.names[source]}>{space.names[target]}")
        kinds.append(schedule.kind)
        rate_bps = schedule.curve.rate_at(t_s)
        elevation_rad: FloatArray | None = None
        if schedule.kind == "downlink" and idealised:
            range_m, model = np.full(len(t_s), space.height_m(source)), links.downlink_model(target)
        elif schedule.kind == "downlink":
            range_m, elevation_rad = space.look(target, links.at_steps_m(source)[::every])
            model = links.downlink_model(target)
        else:
            range_m, model = links.ranges_m(source, target)[::every], links.isl_model
        snr_db = model.snr_db(range_m, elevation_rad)
        columns["range_m"].append(range_m)
        columns["elevation_deg"].append(unknown if elevation_rad is None else np.degrees(elevation_rad))
        columns["snr_db"].append(unknown if snr_db is None else np.where(rate_bps > 0.0, snr_db, np.nan))
        columns["rate_bps"].append(rate_bps)
    joined = {name: np.concatenate(parts) if parts else np.empty(0) for name, parts in columns.items()}
    link_of = np.repeat(np.arange(len(names), dtype=np.int32), len(t_s))
    known_kinds = ["isl", "downlink"]
    kind_of = np.array([known_kinds.index(kind) for kind in kinds], dtype=np.int8)
    return frame(
        "links",
        {
            "link": categories(link_of, names),
            "kind": categories(kind_of[link_of], known_kinds),
            "t_s": np.tile(t_s, len(names)),
            **joined,
            "open": joined["rate_bps"] > 0.0,
        },
    )
