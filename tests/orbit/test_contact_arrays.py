"""The parallel arrays of contacts."""

import numpy as np
import pytest

from orbitsim.types.contacts import Contacts


def contacts(n=3, **changes):
    columns = {
        "satellite": np.arange(n)[::-1],
        "site": np.zeros(n, dtype=int),
        "start_s": np.array([30.0, 10.0, 10.0][:n]),
        "end_s": np.array([40.0, 25.0, 20.0][:n]),
        "peak_s": np.array([35.0, 15.0, 15.0][:n]),
        "max_elevation_rad": np.full(n, 1.0),
        "min_range_m": np.full(n, 6e5),
        "cut_at_start": np.zeros(n, dtype=bool),
        "cut_at_end": np.zeros(n, dtype=bool),
    }
    return Contacts(**{**columns, **changes})


def test_sorted_by_start_then_satellite():
    ordered = contacts()
    assert len(ordered) == 3
    assert ordered.satellite.tolist() == [0, 1, 2]
    assert ordered.end_s.tolist() == [20.0, 25.0, 40.0]
    assert ordered.duration_s.tolist() == [10.0, 15.0, 10.0]


def test_selection():
    some = contacts(site=np.array([1, 0, 1]))
    assert some.for_site(1).start_s.tolist() == [10.0, 30.0]
    assert some.for_satellite(1).site.tolist() == [0]
    assert len(some.select(some.duration_s > 12.0)) == 1
    assert some.select(slice(0, 2)).satellite.tolist() == [0, 1]
    assert len(Contacts.empty().for_site(0)) == 0


def test_arrays_are_read_only_and_the_callers_stay_as_they_were():
    start_s = np.array([30.0, 10.0, 10.0])
    made = contacts(start_s=start_s)
    with pytest.raises(ValueError, match="read-only"):
        made.start_s[0] = 1.0
    start_s[0] = 99.0
    assert made.start_s.tolist() == [10.0, 10.0, 30.0]


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="one length"):
        contacts(end_s=np.zeros(2))
