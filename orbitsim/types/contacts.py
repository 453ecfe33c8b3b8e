"""Contacts: the windows in which a site sees a satellite, as parallel arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DTYPES: dict[str, type] = {
    "satellite": np.int64,
    "site": np.int64,
    "start_s": np.float64,
    "end_s": np.float64,
    "peak_s": np.float64,
    "max_elevation_rad": np.float64,
    "min_range_m": np.float64,
    "cut_at_start": np.bool_,
    "cut_at_end": np.bool_,
}


@dataclass(frozen=True, slots=True, eq=False)
class Contacts:
    """Windows of visibility, sorted by start, then satellite, then site.

    The arrays are parallel and read-only; entry i of each describes window i. Times count from the scenario's epoch.

    Attributes
    ----------
    satellite : (n,) int array
        Index of the satellite in the constellation.
    site : (n,) int array
        Index of the site in the list that was searched.
    start_s, end_s : (n,) float array
        First and last moment of the window. [s]
    peak_s : (n,) float array
        Moment of the highest elevation within the window. [s]
    max_elevation_rad : (n,) float array
        Elevation at `peak_s`, geometric, over the ellipsoid's horizon. [rad]
    min_range_m : (n,) float array
        Shortest distance between site and satellite within the window. [m]
    cut_at_start, cut_at_end : (n,) bool array
        True where the window was open already at the scenario's start, or still at its end: the pass is longer than
        the window.

    Raises
    ------
    ValueError
        If the arrays differ in length.
    """

    satellite: NDArray[np.int64]
    site: NDArray[np.int64]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    peak_s: NDArray[np.float64]
    max_elevation_rad: NDArray[np.float64]
    min_range_m: NDArray[np.float64]
    cut_at_start: NDArray[np.bool_]
    cut_at_end: NDArray[np.bool_]

    def __post_init__(self) -> None:
        columns: dict[str, NDArray[Any]] = {
            field.name: np.array(getattr(self, field.name), dtype=_DTYPES[field.name]) for field in fields(self)
        }
        lengths = {name: column.shape for name, column in columns.items()}
        if any(column.ndim != 1 for column in columns.values()) or len(set(lengths.values())) != 1:
            raise ValueError(f"contact arrays must be one-dimensional and of one length, got {lengths}")
        order = np.lexsort((columns["site"], columns["satellite"], columns["start_s"]))
        for name, column in columns.items():
            ordered = column[order]
            ordered.flags.writeable = False
            object.__setattr__(self, name, ordered)

    @classmethod
    def empty(cls) -> Contacts:
        """Return contacts without a window."""
        return cls(**{name: np.empty(0, dtype) for name, dtype in _DTYPES.items()})

    def __len__(self) -> int:
        return int(self.start_s.size)

    @property
    def duration_s(self) -> NDArray[np.float64]:
        """Length of each window [s]."""
        return self.end_s - self.start_s

    def select(self, mask: Any) -> Contacts:
        """Return the windows that a boolean mask, an index array or a slice picks, still in sorted order."""
        return Contacts(**{field.name: getattr(self, field.name)[mask] for field in fields(self)})

    def for_site(self, site: int) -> Contacts:
        """Return the windows of one site, given by its index."""
        return self.select(self.site == site)

    def for_satellite(self, satellite: int) -> Contacts:
        """Return the windows of one satellite, given by its index."""
        return self.select(self.satellite == satellite)
