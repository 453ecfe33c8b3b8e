"""Processes and threads of a timeline, and the events on them, in the Trace Event Format.

The format is the "Trace Event Format" of the Chromium project (document of 2016): phases ``X`` (complete), ``M``
(metadata), ``C`` (counter), ``b`` and ``e`` (asynchronous), ``s``, ``t`` and ``f`` (flow). Complete events of a thread
must nest; where services of one place overlap, as those of tasks that run each alone on an empty network do, they are
spread over several threads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

Lane = tuple[int, int]
"""Process and thread of an event."""


@cache
def _text(value: str) -> str:
    """Return a text as JSON."""
    return json.dumps(value, ensure_ascii=False)


def _micro(nanoseconds: int) -> str:
    """Return a time in microseconds, three decimals of it."""
    return f"{nanoseconds // 1000}.{nanoseconds % 1000:03d}"


class Tracks:
    """Names processes and threads as they appear, and writes events on them.

    Parameters
    ----------
    write : callable
        Takes one event as JSON.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._processes: dict[str, int] = {}
        self._threads: dict[tuple[int, str], int] = {}
        self._ends: dict[tuple[int, str], list[int]] = {}
        self._groups: dict[str, int] = {}

    def slice(
        self, process: str, thread: str, name: str, category: str, start: int, end: int, args: Mapping[str, Any]
    ) -> Lane:
        """Write what occupies a thread for a while. [ns]"""
        lane = self._lane(process, thread, start, end)
        self._write(
            f'{{"ph":"X","pid":{lane[0]},"tid":{lane[1]},"ts":{_micro(start)},"dur":{_micro(end - start)},'
            f'"name":{_text(name)},"cat":{_text(category)},"args":{json.dumps(args, ensure_ascii=False)}}}'
        )
        return lane

    def passage(self, process: str, thread: str, task: int, batch: int, service: str, start: int, end: int) -> Lane:
        """Write a service of a mini-batch; tasks have a colour each. [ns]"""
        lane = self._lane(process, thread, start, end)
        self._write(
            f'{{"ph":"X","pid":{lane[0]},"tid":{lane[1]},"ts":{_micro(start)},"dur":{_micro(end - start)},'
            f'"name":"task {task}","cat":{_text(service)},"args":{{"task":{task},"batch":{batch}}}}}'
        )
        return lane

    def arrow(self, phase: str, name: str, lane: Lane, t: int) -> None:
        """Write a point of an arrow: its start (s), a step (t) or its end (f), on the service that encloses it. [ns]"""
        bound = ',"bp":"e"' if phase == "f" else ""
        self._write(
            f'{{"ph":"{phase}","pid":{lane[0]},"tid":{lane[1]},"ts":{_micro(t)},"id":{_text_of(name)},'
            f'"name":"mini-batch","cat":"way"{bound}}}'
        )

    def task(self, process: str, scheme: str, task: int, start: int, end: int, args: Mapping[str, Any]) -> None:
        """Write a task from its start to its end, on a track of its own. [ns]"""
        pid, _ = self._thread(process, "tasks")
        head = f'"pid":{pid},"tid":1,"id":{_text_of(f"{scheme}/{task}")},"name":"task {task}","cat":"task"'
        self._write(f'{{"ph":"b","ts":{_micro(start)},{head},"args":{json.dumps(args, ensure_ascii=False)}}}')
        self._write(f'{{"ph":"e","ts":{_micro(end)},{head}}}')

    def counter(self, process: str, name: str, series: str, t: int, value: float) -> None:
        """Write the value of a counter from a time on. [ns]"""
        pid = self._process(process)
        self._write(
            f'{{"ph":"C","pid":{pid},"tid":0,"ts":{_micro(t)},"name":{_text(name)},'
            f'"args":{{{_text(series)}:{json.dumps(value)}}}}}'
        )

    def _lane(self, process: str, thread: str, start: int, end: int) -> Lane:
        """Return the first thread of that name on which nothing goes on at the start."""
        ends = self._ends.setdefault((self._process(process), thread), [])
        for index, last in enumerate(ends):
            if last <= start:
                ends[index] = end
                break
        else:
            index = len(ends)
            ends.append(end)
        return self._thread(process, thread if index == 0 else f"{thread} ({index + 1})")

    def _process(self, name: str) -> int:
        if name not in self._processes:
            pid = self._processes[name] = len(self._processes) + 1
            self._write(
                f'{{"ph":"M","pid":{pid},"tid":0,"ts":0,"name":"process_name","args":{{"name":{_text(name)}}}}}'
            )
            # Those of one scheme stand together, whenever they appear.
            rank = 10_000 * self._groups.setdefault(name.partition(": ")[0], len(self._groups)) + pid
            self._write(
                f'{{"ph":"M","pid":{pid},"tid":0,"ts":0,"name":"process_sort_index","args":{{"sort_index":{rank}}}}}'
            )
        return self._processes[name]

    def _thread(self, process: str, name: str) -> Lane:
        pid = self._process(process)
        if (pid, name) not in self._threads:
            tid = self._threads[pid, name] = sum(1 for known, _ in self._threads if known == pid) + 1
            self._write(
                f'{{"ph":"M","pid":{pid},"tid":{tid},"ts":0,"name":"thread_name","args":{{"name":{_text(name)}}}}}'
            )
            self._write(
                f'{{"ph":"M","pid":{pid},"tid":{tid},"ts":0,"name":"thread_sort_index","args":{{"sort_index":{tid}}}}}'
            )
        return pid, self._threads[pid, name]


def _text_of(name: str) -> str:
    """Return a text as JSON, without remembering it: there is one for each mini-batch."""
    return json.dumps(name, ensure_ascii=False)
