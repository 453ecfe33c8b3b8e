"""What is counted: where the time of every mini-batch goes, what tasks and servers did, and the laws of order."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from orbitsim.errors import LawError
from orbitsim.sim.jobs import MiniBatch, Part, Task
from orbitsim.sim.laws import TIME_TOLERANCE_S
from orbitsim.sim.maxplus.flow import FloatArray, Flow, IntArray, Numbering, Rows
from orbitsim.sim.maxplus.serving import Services
from orbitsim.sim.places import Server
from orbitsim.sim.recorder import Passages
from orbitsim.sim.replay import StageReplay

_BROKEN = "the simulation broke its own laws; please report this:\n"


class Ledger:
    """Accounts of one simulation; takes services in an order in which those of a mini-batch, and of a server, follow.

    Parameters
    ----------
    tasks : list of Task
        Tasks that started; grows.
    numbering : Numbering
        Of their mini-batches.
    n_tasks : int
        Tasks that will start at most.
    horizon_s : float
        What ends later does not count. [s]
    record : bool
        Keep every passage.

    Attributes
    ----------
    n_late : int
        Mini-batches that would have arrived after the horizon.
    """

    def __init__(
        self, tasks: list[Task], numbering: Numbering, n_tasks: int, horizon_s: float, *, record: bool
    ) -> None:
        self._tasks = tasks
        self._numbering = numbering
        self._horizon_s = horizon_s
        self._record = record
        n_batches = n_tasks * numbering.n_batches
        self._parts = np.zeros((len(Part), n_batches))
        self._until_s = np.full(n_batches, -math.inf)
        self._slot = np.zeros(n_batches, dtype=np.int32)
        self._task = np.repeat(np.arange(n_tasks, dtype=np.int32), numbering.n_batches)
        self._batch = np.tile(np.arange(numbering.n_batches, dtype=np.int32), n_tasks)
        self._free_s: dict[int, float] = {}
        self._passages: list[Passages] = []
        self.n_late = 0
        self._n_delivered = np.zeros(n_tasks, dtype=np.int64)
        self._last_s = np.full(n_tasks, -math.inf)
        self._last = np.full(n_tasks, -1, dtype=np.int64)
        self._sent_bytes = {part: np.zeros(n_tasks) for part in (Part.ISL, Part.DOWNLINK)}

    # -- what happens --------------------------------------------------------------------------------------------

    def start(self, numbers: IntArray, start_s: float) -> None:
        """Note that mini-batches exist from a time on."""
        rows = rows_of(numbers)
        self._until_s[rows] = start_s
        self._slot[rows] = self._numbering.slots[int(self._task[rows][0])]

    def wait(self, numbers: IntArray, part: Part, seconds: FloatArray) -> None:
        """Add to where the time of mini-batches went. [s]"""
        self._parts[part, numbers] += seconds

    def serve(self, services: Services) -> None:
        """Enter services."""
        n_done = int(np.searchsorted(services.end_s, self._horizon_s, side="right"))
        if not n_done:
            return
        flow, step = services.flow, services.flow.step
        start_s, end_s = services.start_s[:n_done], services.end_s[:n_done]
        numbers = flow.number[:n_done]
        rows = rows_of(numbers)
        parts, server, curve = self._parts, step.server, step.curve
        arrived_s = flow.arrived_s[:n_done]
        begin_s = start_s
        if curve is None:
            parts[Part.QUEUE, rows] += start_s - arrived_s
            if services.figures is None:
                seconds: FloatArray | float = step.seconds
                busy_s = step.seconds * n_done
            else:
                seconds = services.figures[:n_done, 0]
                busy_s = float(seconds.sum())
                assert isinstance(step.draws, StageReplay)  # noqa: S101 - figures come from there
                step.draws.add(services.figures[:n_done])
            parts[Part.COMPUTE, rows] += seconds - step.codec_s
            if step.codec_s:
                parts[Part.CODEC, rows] += step.codec_s
        else:
            duration_s = end_s - start_s
            queued_s = start_s - arrived_s
            if step.has_outages:
                closed_s = curve.closed_seconds(start_s, end_s)
                if step.gated:
                    waited_s = curve.closed_seconds(np.minimum(arrived_s, start_s), start_s)
                    parts[Part.CONTACT_WAIT, rows] += waited_s + closed_s
                    queued_s -= waited_s
                else:
                    queued_s += closed_s
                duration_s -= closed_s
                begin_s = np.minimum(curve.next_open_s(start_s), end_s)
            parts[Part.QUEUE, rows] += queued_s
            parts[step.part, rows] += duration_s
            busy_s = float(duration_s.sum())
            self._send(services, rows, n_done)
        if services.leave_s is not services.end_s:
            parts[Part.PROPAGATION, rows] += services.leave_s[:n_done] - end_s
        server.busy_s += busy_s
        server.n_served += n_done
        step.count += n_done
        self._check(server, rows, begin_s, end_s)
        if self._record:
            self._keep(server, rows, step.part, begin_s, end_s)

    def _send(self, services: Services, rows: Rows, n_done: int) -> None:
        step, n_bytes = services.flow.step, services.n_bytes
        tasks = self._task[rows]
        sent = self._sent_bytes[Part.ISL if step.part is Part.ISL else Part.DOWNLINK]
        if isinstance(n_bytes, float):
            total = n_bytes * n_done
            first, last = int(tasks[0]), int(tasks[-1])
            if first == last:
                sent[first] += total
            else:
                counts = np.bincount(tasks)
                sent[: len(counts)] += n_bytes * counts
        else:
            total = float(n_bytes[:n_done].sum())
            sums = np.bincount(tasks, weights=n_bytes[:n_done])
            sent[: len(sums)] += sums
        step.server.n_bytes += total
        if step.sizes is not None:
            step.drawn_bytes += total

    def _keep(self, server: Server, rows: Rows, part: Part, begin_s: FloatArray, end_s: FloatArray) -> None:
        n = len(end_s)
        self._passages.append(
            Passages(
                self._slot[rows],
                self._batch[rows],
                np.full(n, server.index, dtype=np.int32),
                np.full(n, part, dtype=np.int8),
                begin_s,
                end_s,
            )
        )

    def deliver(self, flow: Flow) -> None:
        """Enter what arrived."""
        n_done = int(np.searchsorted(flow.at_s, self._horizon_s, side="right"))
        self.n_late += len(flow) - n_done
        if not n_done:
            return
        numbers, at_s = flow.number[:n_done], flow.at_s[:n_done]
        tasks = self._task[rows_of(numbers)]
        first, last = int(tasks.min()), int(tasks.max())
        span = slice(first, last + 1)
        self._n_delivered[span] += np.bincount(tasks - first, minlength=last - first + 1)
        rows = np.full(last - first + 1, -1, dtype=np.int64)
        rows[tasks - first] = np.arange(n_done)  # of several the last one stays
        known = rows >= 0
        later = np.zeros(len(rows), dtype=bool)
        later[known] = at_s[rows[known]] >= self._last_s[span][known]
        self._last_s[span][later] = at_s[rows[later]]
        self._last[span][later] = numbers[rows[later]]
        for task in np.flatnonzero(known).tolist():
            self._settle(first + task)

    def _settle(self, number: int) -> None:
        task = self._tasks[number]
        task.n_delivered = int(self._n_delivered[number])
        if task.n_delivered == task.n_batches:
            task.end_s = float(self._last_s[number])

    # -- laws 4 and 5 --------------------------------------------------------------------------------------------

    def check_server(self, together: Sequence[Services]) -> None:
        """Check that a server served one mini-batch at a time: all its services of a slice, whatever their flow."""
        server = together[0].flow.step.server
        start_s = np.concatenate([services.start_s for services in together])
        end_s = np.concatenate([services.end_s for services in together])
        if len(together) > 1:
            order = np.argsort(start_s, kind="stable")
            start_s, end_s = start_s[order], end_s[order]
        free_s = self._free_s.get(server.index, -math.inf)
        if start_s[0] < free_s - TIME_TOLERANCE_S or (start_s[1:] < end_s[:-1] - TIME_TOLERANCE_S).any():
            raise LawError(_BROKEN + f"law 5: {server.name} served two mini-batches at once")
        self._free_s[server.index] = float(end_s[-1])

    def _check(self, server: Server, rows: Rows, begin_s: FloatArray, end_s: FloatArray) -> None:
        """Check that mini-batches are in one place at a time, and nowhere before their task starts."""
        early = begin_s < self._until_s[rows] - TIME_TOLERANCE_S
        if early.any():
            raise LawError(
                _BROKEN + f"law 4: {int(early.sum())} services at {server.name} began before the mini-batch was there"
            )
        self._until_s[rows] = end_s

    # -- results -------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Give every task what was counted for it."""
        for number, task in enumerate(self._tasks):
            self._settle(number)
            task.isl_bytes = float(self._sent_bytes[Part.ISL][number])
            task.downlink_bytes = float(self._sent_bytes[Part.DOWNLINK][number])
            last = int(self._last[number])
            if last >= 0:
                task.last = MiniBatch(task, last % self._numbering.n_batches, ())
                task.last.parts = self._parts[:, last].tolist()

    @property
    def nothing(self) -> Passages:
        """No passages."""
        none = np.empty(0, dtype=np.int32)
        return Passages(none, none, none, none.astype(np.int8), np.empty(0), np.empty(0))

    def passages(self) -> Passages:
        """Return what was recorded, in the order in which it ended."""
        kept = self._passages
        if not kept:
            return self.nothing
        end_s = np.concatenate([each.end_s for each in kept])
        order = np.argsort(end_s, kind="stable")
        return Passages(
            np.concatenate([each.task for each in kept])[order],
            np.concatenate([each.batch for each in kept])[order],
            np.concatenate([each.place for each in kept])[order],
            np.concatenate([each.part for each in kept])[order],
            np.concatenate([each.start_s for each in kept])[order],
            end_s[order],
        )


def rows_of(numbers: IntArray) -> Rows:
    """Return numbers as a slice where they follow one another, since slices are views."""
    first, n = int(numbers[0]), len(numbers)
    if int(numbers[-1]) - first + 1 == n and (n < 3 or bool((numbers[1:] - numbers[:-1] == 1).all())):
        return slice(first, first + n)
    return numbers
