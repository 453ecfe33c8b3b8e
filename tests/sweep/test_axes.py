"""Blocks of axes to cells: products, groups, lists and draws, and what is wrong with them."""

from __future__ import annotations

import itertools
import math
import tomllib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orbitsim.sweep.axes import Design
from orbitsim.sweep.model import MAX_CELLS, SweepFile


def design(text: str) -> Design:
    return Design(SweepFile.model_validate({"name": "x", "base": "quick", **tomllib.loads(text)}))


def points(text: str) -> list[dict[str, object]]:
    found = design(text)
    assert not found.problems, found.problems
    return found.points


def faults(text: str) -> dict[str, str]:
    return {problem.key: problem.message for problem in design(text).problems}


def test_a_grid_is_every_combination_in_order_of_the_file() -> None:
    found = points('[grid]\nlinks.downlink.rate_bps = [2, 1]\nworkload.resolution = ["a", "b", [64, 48]]')
    assert found == [
        {"links.downlink.rate_bps": rate, "workload.resolution": size}
        for rate in (2, 1)
        for size in ("a", "b", [64, 48])
    ]


def test_blocks_are_crossed_and_groups_go_together() -> None:
    text = """
    [grid]
    seed = [1, 2]
    [[zip]]
    workload.model = ["b", "g"]
    workload.model_memory_bytes = [2, 12]
    [[list]]
    links.isl.rate_bps = 5
    [[list]]
    "shells.0.n_satellites" = 6
    clock.step_s = 30
    """
    expected = [
        {"seed": seed, "workload.model": model, "workload.model_memory_bytes": memory, **own}
        for seed in (1, 2)
        for model, memory in (("b", 2), ("g", 12))
        for own in ({"links.isl.rate_bps": 5}, {"shells.0.n_satellites": 6, "clock.step_s": 30})
    ]
    assert points(text) == expected
    paths = design(text).paths
    assert paths == list(dict.fromkeys(itertools.chain.from_iterable(expected)))


@pytest.mark.parametrize(
    ("span", "values"),
    [
        ("min = 1e6, max = 1e10, n = 5, scale = 'log'", [1e6, 1e7, 1e8, 1e9, 1e10]),
        ("min = 0, max = 1, n = 5", [0, 0.25, 0.5, 0.75, 1]),
        ("min = 1, max = 8, n = 4, scale = 'log', integer = true", [1, 2, 4, 8]),
        ("min = 1e6, max = 1e7, n = 3, scale = 'log'", [1e6, 3.16227766e6, 1e7]),
    ],
)
def test_a_range_with_n_stands_for_a_list(span: str, values: list[float]) -> None:
    assert points(f"[grid]\nseed = {{ {span} }}") == [{"seed": value} for value in values]


SAMPLE = """
[sample]
method = "{method}"
n = {n}
seed = {seed}
[sample.axes]
a = {{ min = -2.0, max = 3.0 }}
b = {{ min = 1.0, max = 1e6, scale = "log" }}
c = {{ min = 3, max = 7, integer = true }}
d = {{ choices = ["x", "y", "z"] }}
e = {{ min = 1, max = 100, integer = true, scale = "log" }}
"""


@settings(deadline=None, max_examples=40)
@given(n=st.integers(1, 60), seed=st.integers(0, 2**63 - 1))
@example(n=42, seed=0)
def test_a_latin_hypercube_meets_every_stratum_of_every_axis_once(n: int, seed: int) -> None:
    found = points(SAMPLE.format(method="latin-hypercube", n=n, seed=seed))
    assert len(found) == n
    slack = 1e-6  # values are rounded to nine digits
    for path, share in {
        "a": lambda value: (value + 2.0) / 5.0,
        "b": lambda value: math.log(value) / math.log(1e6),
    }.items():
        strata = sorted(n * share(point[path]) for point in found)
        assert all(index - slack <= place <= index + 1 + slack for index, place in enumerate(strata))
    for point in found:
        assert point["c"] in range(3, 8)
        assert point["d"] in ("x", "y", "z")
        assert point["e"] in range(1, 101)
        assert isinstance(point["e"], int)
    counts = [sum(point["c"] == value for point in found) for value in range(3, 8)]
    # A fifth of the axis holds at least the strata that lie in it whole, and at most those that it touches.
    assert math.floor(n / 5) - 1 <= min(counts)
    assert max(counts) <= math.ceil(n / 5) + 1


def test_draws_depend_on_their_seed_alone() -> None:
    for method in ("random", "latin-hypercube"):
        one, two = (points(SAMPLE.format(method=method, n=20, seed=seed)) for seed in (1, 2))
        assert one == points(SAMPLE.format(method=method, n=20, seed=1))
        assert one != two


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000))
def test_random_draws_fill_their_ranges(seed: int) -> None:
    found = points(SAMPLE.format(method="random", n=400, seed=seed))
    assert abs(sum(point["a"] for point in found) / 400 - 0.5) < 5 * 5 / math.sqrt(12 * 400)
    assert {point["c"] for point in found} == set(range(3, 8))
    assert {point["d"] for point in found} == {"x", "y", "z"}
    small = sum(point["e"] < 10 for point in found) / 400  # ln 10 / ln 101 of the logarithm
    assert abs(small - math.log(10) / math.log(101)) < 0.15


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("[grid]\nseed = 3", "grid.seed", "expected a list of values"),
        ("[grid]\nseed = []", "grid.seed", "expected a list of values"),
        ("[grid]\nseed = [1, 2, 1]", "grid.seed", "got 1 twice"),
        ("[grid]\nseed = {min = 1, max = 3}", "grid.seed", "expected n"),
        ("[grid]\nseed = {min = 3, max = 1, n = 2}", "grid.seed", "expected min below max"),
        ("[grid]\nseed = {min = 0, max = 1, n = 2, scale = 'log'}", "grid.seed", "above 0"),
        ("[grid]\nseed = {min = 0.5, max = 2, n = 2, integer = true}", "grid.seed", "whole numbers"),
        ("[grid]\nseed = {min = 1, max = 4, n = 2, steps = 3}", "grid.seed.steps", "expected a known key"),
        ("[grid]\nseed = {min = 'a', max = 4, n = 2}", "grid.seed.min", "expected a number, got 'a'"),
        ("[grid]\nseed = {min = 1, max = 2, n = 9, integer = true}", "grid.seed", "got 1 twice"),
        ("[grid]\nseed = {choices = [1]}", "grid.seed", "expected a list of values"),
        ("[[zip]]\na = [1, 2]\nb = [1]", "zip.0", "a: 2, b: 1"),
        ("[[zip]]\na = [1, 1]\nb = [2, 2]", "zip.0", "a = 1, b = 2 twice"),
        ("[grid]\nseed = [1]\n[[zip]]\nseed = [2]", "zip.0.seed", "it stands in grid too"),
        ("[[list]]\nseed = 1\n[[list]]\nseed = 1", "list", "seed = 1 twice"),
        ("[sample]\nmethod = 'random'\nn = 2\naxes.seed = [1, 2]", "sample.axes.seed", "expected a range"),
        ("[sample]\nmethod = 'random'\nn = 2\naxes.seed = {min = 1, max = 2, n = 2}", "sample.axes.seed.n", "no n"),
        ("[sample]\nmethod = 'random'\nn = 2\naxes.seed = {choices = []}", "sample.axes.seed.choices", "at least one"),
        (f"[grid]\na = {list(range(1000))}\nb = {list(range(1000))}", "", f"at most {MAX_CELLS} cells, got 1000000"),
    ],
)
def test_a_fault_of_an_axis_is_named(text: str, key: str, message: str) -> None:
    found = faults(text)
    assert list(found) == [key]
    assert message in found[key]
