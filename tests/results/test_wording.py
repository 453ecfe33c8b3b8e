"""Sizes, energies and shares in the words of people."""

from __future__ import annotations

import pytest

from orbitsim.results.console import basis_lines
from orbitsim.results.wording import energy, share, size


@pytest.mark.parametrize(
    ("n_bytes", "words"),
    [(0.0, "0 B"), (999.0, "999 B"), (999.4, "999 B"), (999.6, "1 kB"), (1e3, "1 kB"), (999.4e6, "999 MB"),
     (999.5e6, "1 GB"), (999.96e9, "1 TB"), (1.234e12, "1.23 TB"), (2.5e18, "2.5e+03 PB")],
)  # fmt: skip
def test_sizes_take_the_next_unit_where_rounding_leads_to_it(n_bytes, words):
    assert size(n_bytes) == words


def test_energies_take_the_next_unit_where_rounding_leads_to_it():
    assert [energy(value) for value in (12.345, 999.7, 999.7e3)] == ["12.3 J", "1 kJ", "1 MJ"]


def test_a_share_is_nothing_or_all_only_where_it_is():
    words = {0.0: "0%", 0.0008: "<1%", 0.0099: "<1%", 0.01: "1%", 0.5: "50%", 0.99: "99%", 0.9992: ">99%", 1.0: "100%"}
    assert {part: share(part) for part in words} == words


def test_a_trifle_is_not_rounded_away():
    item = {
        "seconds": 1e4,
        "origin_s": {"measured": 9992.0, "modelled": 8.0, "published": 0.0},
        "method_s": {"trace": 9992.0, "throughput": 8.0},
        "energy_origin": None,
    }
    (line, _) = basis_lines({"compute": {"hybrid": item}})
    assert line == "compute times: >99% measured, <1% modelled (>99% trace, <1% throughput)"
