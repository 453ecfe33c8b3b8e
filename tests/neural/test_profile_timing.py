"""When passes through a chain of parts stop repeating, and which are dropped because others kept the machine busy."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from itertools import chain, cycle, repeat
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from scipy import stats  # noqa: E402

from orbitsim.neural.machine import n_processors, others_busy_s, tick_s  # noqa: E402
from orbitsim.neural.timing import (  # noqa: E402
    WINDOW_S,
    BusyError,
    Guard,
    Limits,
    Passes,
    relative_half_interval,
    time_passes,
)


@given(st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=30))
def test_the_interval_is_students(samples: list[float]) -> None:
    values = np.array(samples)
    expected = stats.t.isf(0.025, len(values) - 1) * stats.sem(values) / values.mean()
    assert relative_half_interval(values) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_the_interval_covers_the_mean_and_an_outlier_widens_it() -> None:
    rng = np.random.default_rng(7)
    inside = 0
    for _ in range(400):
        values = rng.normal(1.0, 0.1, 30)
        inside += abs(values.mean() - 1.0) <= relative_half_interval(values) * values.mean()
    assert 0.92 <= inside / 400 <= 0.98
    values = rng.normal(1.0, 0.01, 50)
    spoilt = values.copy()
    spoilt[0] = 100.0
    assert relative_half_interval(spoilt) > 10 * relative_half_interval(values)


@pytest.mark.filterwarnings("error")
def test_an_interval_of_next_to_nothing_is_infinite_without_a_warning() -> None:
    assert relative_half_interval(np.array([])) == math.inf
    assert relative_half_interval(np.array([1.0])) == math.inf
    assert relative_half_interval(np.array([1.0, 1.0])) == 0.0
    assert relative_half_interval(np.zeros(3)) == math.inf


def test_skewed_passes_are_told_by_mean_and_median() -> None:
    steady = np.full((10, 1), 2.0)
    slow = steady.copy()
    slow[3] = 8.0  # mean 2.6, median 2
    assert Passes(steady, steady[:, 0], 0, 0).mean_over_median == 1.0
    assert Passes(slow, steady[:, 0], 0, 0).mean_over_median == pytest.approx(1.3)
    assert Passes(steady, slow[:, 0], 0, 0).mean_over_median == pytest.approx(1.3)


class Played:
    """A stopwatch that answers with what it was given, and takes no time."""

    how_timed = "counted"

    def __init__(self, *seconds: float) -> None:
        self._seconds = cycle(seconds)

    def time(self, parts: list[object], *_: object) -> list[float]:
        return [next(self._seconds)] * len(parts)


def test_repeats_end_at_the_target_or_at_a_limit() -> None:
    class Exact:
        how_timed = "counted"

        def time(self, *_: object) -> list[float]:
            return [1.0]

    part, x = torch.nn.Identity(), torch.zeros(1)
    steady = time_passes([part], part, x, Exact(), Limits(), Guard(0), lambda *_: None, lambda: None)
    assert len(steady.parts_s) == len(steady.whole_s)
    assert steady.ci == 0.0
    few = time_passes([part], None, x, Exact(), Limits(max_repeats=7), Guard(0), lambda *_: None, lambda: None)
    assert len(few.parts_s) == 7
    assert few.whole_s is None


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="no /proc/stat")
def test_a_busy_machine_is_noticed_and_said() -> None:
    part, x = torch.nn.Identity(), torch.zeros(1)

    class Slow:
        how_timed = "perf_counter"

        def time(self, *_: object) -> list[float]:
            begin_s = time.perf_counter()
            time.sleep(0.05)
            return [time.perf_counter() - begin_s]

    n = n_processors()
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        time.sleep(0.3)
        before = others_busy_s()
        time.sleep(0.5)
        assert others_busy_s() - before > 0.1
        with pytest.raises(BusyError, match="--allow-busy"):
            time_passes([part], None, x, Slow(), Limits(1e-9, 0.1, 3, 5), Guard(n), lambda *_: None, lambda: None)
        kept = time_passes(
            [part], None, x, Slow(), Limits(1e-9, 0.1, 3, 5), Guard(n, keep_all=True), lambda *_: None, lambda: None
        )
        assert kept.n_dropped == 0
        assert 3 <= kept.n_disturbed <= len(kept.parts_s)
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


class Disturbed(Guard):
    """A guard to which the first `n` of its windows are disturbed."""

    def __init__(self, n: int, *, keep_all: bool = False) -> None:
        super().__init__(1, keep_all)
        object.__setattr__(self, "answers", chain([True] * n, repeat(False)))

    def disturbed(self, *_: object) -> bool:
        return next(self.answers)


class Sleeping(Played):
    """A stopwatch whose passes take as long as a window, or longer."""

    def time(self, parts: list[object], *_: object) -> list[float]:
        time.sleep(WINDOW_S)
        return super().time(parts)


def test_a_busy_machine_is_given_up_once_the_time_is_over() -> None:
    part, x = torch.nn.Identity(), torch.zeros(1)
    passes: list[int] = []

    def after_pass() -> None:
        passes.append(1)

    limits = Limits(1e-9, 0.01, 3, 50)
    with pytest.raises(BusyError, match="disturbed 3 of 3 passes"):
        time_passes([part], None, x, Sleeping(1.0), limits, Disturbed(100), lambda *_: None, after_pass)
    assert len(passes) == 3  # the time was over after the first: the least number of repeats, no more
    passes.clear()
    timed = time_passes([part], None, x, Sleeping(1.0), limits, Disturbed(1), lambda *_: None, after_pass)
    assert (len(timed.parts_s), timed.n_dropped, len(passes)) == (3, 1, 4)  # most were good: the missing one is made up


def test_passes_are_counted_once_although_the_whole_model_is_timed_too() -> None:
    part, x = torch.nn.Identity(), torch.zeros(1)
    limits = Limits(1e-9, 0.01, 3, 50)
    kept = time_passes(
        [part], part, x, Sleeping(1.0), limits, Disturbed(1, keep_all=True), lambda *_: None, lambda: None
    )
    assert (len(kept.parts_s), kept.n_disturbed) == (3, 1)
    left = time_passes([part], part, x, Sleeping(1.0), limits, Disturbed(1), lambda *_: None, lambda: None)
    assert (len(left.parts_s), left.n_dropped) == (3, 1)


STAT = """\
cpu  1000 20 300 9000 50 6 4 70 8 9
cpu0 900 20 200 4000 25 6 4 10 8 9
cpu1 100 0 100 5000 25 0 0 60 0 0
intr 12345 0 9
"""


@pytest.mark.parametrize(("allowed", "ticks"), [({0}, 1140), ({1}, 260), ({0, 1}, 1400), ({7}, 1400), (None, 1400)])
def test_others_count_on_the_processors_of_the_affinity_mask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: set[int] | None, ticks: int
) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_text(STAT)
    if allowed is None:
        monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    else:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: allowed, raising=False)
    monkeypatch.setattr(os, "sysconf", lambda _: 100)
    monkeypatch.setattr(time, "process_time", lambda: 1.0)
    assert others_busy_s(tmp_path) == pytest.approx(ticks / 100 - 1.0)


def test_the_guard_counts_the_processors_of_the_affinity_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    # One of two processors is free for others, unless the mask leaves only the one that the measurement needs.
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert not Guard(1).disturbed(1.0, 0.9)
    assert Guard(1).disturbed(1.0, 1.06 + 2 * tick_s())
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1}, raising=False)
    assert n_processors() == 1
    assert Guard(1).disturbed(1.0, 0.9)
    assert not Guard(1).disturbed(1.0, 0.03)
