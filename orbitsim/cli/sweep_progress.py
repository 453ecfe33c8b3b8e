"""How far a sweep is, on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from orbitsim.cli.terminal import warn

if TYPE_CHECKING:
    from orbitsim.sweep.run import Standing

_LINE_EVERY_S = 30.0


@contextmanager
def sweep_progress() -> Iterator[Callable[[Standing], None]]:
    """Show cells done and failed, time passed and time left, until the block ends."""
    console = Console(stderr=True)
    with _bar(console) if console.is_terminal else _lines() as report:
        yield report


@contextmanager
def _bar(console: Console) -> Iterator[Callable[[Standing], None]]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("cells", total=1.0, left="")
        start_s = time.monotonic()

        def report(standing: Standing) -> None:
            left = time_left(standing.share, time.monotonic() - start_s)
            progress.update(task, description=words(standing), completed=standing.share, left=left)

        yield report


@contextmanager
def _lines() -> Iterator[Callable[[Standing], None]]:
    start_s = last_s = time.monotonic()

    def report(standing: Standing) -> None:
        nonlocal last_s
        now_s = time.monotonic()
        if now_s - last_s >= _LINE_EVERY_S:
            last_s = now_s
            left = time_left(standing.share, now_s - start_s)
            warn("sweep", f"{words(standing)}{', ' + left if left else ''}")

    yield report


def words(standing: Standing) -> str:
    """Say how far a sweep is."""
    failed = f", {standing.n_failed} failed" if standing.n_failed else ""
    return f"{standing.n_done} of {standing.n_cells} cell{'' if standing.n_cells == 1 else 's'}{failed}"


def time_left(share: float, passed_s: float) -> str:
    """Say how long the rest will take, if the rest is as fast as what is done."""
    if not 0.0 < share < 1.0:
        return ""
    left_s = passed_s * (1.0 - share) / share
    minutes, seconds = divmod(round(left_s), 60)
    hours, minutes = divmod(minutes, 60)
    parts = f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
    return f"about {parts} left"
