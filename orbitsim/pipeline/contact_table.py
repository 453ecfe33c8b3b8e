"""The table of contacts: of a run, and of `orbitsim contacts`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from orbitsim.pipeline.space import Space
from orbitsim.results.frames import categories, frame

if TYPE_CHECKING:
    import pandas as pd


def contact_table(space: Space) -> pd.DataFrame:
    """Return one row for each contact of a satellite with a station or target, in order of start."""
    contacts, sites = space.contacts, space.sites
    kinds = ["station", "target"]
    kind_of = np.array([kinds.index(site.kind) for site in sites], dtype=np.int8)
    return frame(
        "contacts",
        {
            "satellite": categories(contacts.satellite, list(space.constellation.names)),
            "station": categories(contacts.site, [site.name for site in sites]),
            "kind": categories(kind_of[contacts.site], kinds),
            "start_s": contacts.start_s,
            "end_s": contacts.end_s,
            "peak_s": contacts.peak_s,
            "max_elevation_deg": np.degrees(contacts.max_elevation_rad),
            "min_range_m": contacts.min_range_m,
            "cut_at_start": contacts.cut_at_start,
            "cut_at_end": contacts.cut_at_end,
        },
    )
